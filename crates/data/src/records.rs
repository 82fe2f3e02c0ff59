//! Data as JSON lines, wherever it comes from: a file of such lines, a bundled one by its name, a
//! Parquet file, or a dataset of the Hugging Face hub.
//!
//! Not here: what a record is used for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::assets;
use crate::hub::{self, RepoKind, Split};

pub mod fields;
#[cfg(feature = "parquet")]
pub mod parquet;

/// The longest line of JSON lines that is read, in bytes: s1K's longest has under a megabyte.
const LONGEST_LINE: usize = 16 << 20;

/// One object of JSON.
pub type Record = Map<String, Value>;

/// The file of a source: of `hf:owner/name[:file]` what the hub has, downloaded if it is not there
/// yet (of several files one for the `split`); any other source is a path already.
///
/// # Errors
/// As [`hub::local`].
pub fn file(source: &Path, split: Split) -> Result<PathBuf> {
    hub::local(source, RepoKind::Dataset(split))
}

/// Whether a source means the same from any folder: it is bundled, or of the hub.
pub fn is_elsewhere(source: &Path) -> bool {
    assets::open_path(source).is_some() || hub::is_hub(source)
}

/// The lines of a source, one JSON object each, read as they are needed. Of a dataset of the hub that
/// names no file, those to learn from.
///
/// # Errors
/// If it cannot be opened.
pub fn lines(source: &Path) -> Result<Lines<Box<dyn BufRead>>> {
    Ok(Lines::new(open(source)?))
}

/// The bytes of the same lines.
///
/// # Errors
/// If it cannot be opened.
pub fn open(source: &Path) -> Result<Box<dyn BufRead>> {
    if let Some(bytes) = assets::open_path(source) {
        return Ok(Box::new(bytes));
    }
    let path = file(source, Split::Train)?;
    let shown = path.display();
    let place = || format!("cannot open {shown}");
    if path.is_dir() {
        bail!("{shown} is a folder; name a .jsonl or .parquet file in it");
    }
    let mut magic = [0; 4];
    let mut opened = File::open(&path).with_context(place)?;
    if opened.read_exact(&mut magic).is_ok() && magic == *b"PAR1" {
        return parquet_lines(&path);
    }
    let file = File::open(&path).with_context(place)?;
    Ok(Box::new(BufReader::new(file)))
}

#[cfg(feature = "parquet")]
fn parquet_lines(path: &Path) -> Result<Box<dyn BufRead>> {
    Ok(Box::new(BufReader::new(parquet::ParquetRows::open(path)?)))
}

#[cfg(not(feature = "parquet"))]
fn parquet_lines(path: &Path) -> Result<Box<dyn BufRead>> {
    bail!(
        "{} is a Parquet file, and this build reads none (it was made without the feature \
         parquet); convert it to JSON lines",
        path.display()
    )
}

/// Lines of bounded length, numbered.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The lines of anything that has bytes.
    pub fn new(input: R) -> Lines<R> {
        Lines {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next line that is not blank, without its end, and its number from 1.
    ///
    /// # Errors
    /// If it cannot be read or is too long; the sentence names the line.
    pub fn next_line(&mut self) -> Result<Option<(usize, &[u8])>> {
        loop {
            self.number += 1;
            self.line.clear();
            let read = self
                .input
                .by_ref()
                .take(LONGEST_LINE as u64)
                .read_until(b'\n', &mut self.line)
                .with_context(|| format!("line {} cannot be read", self.number))?;
            if read == 0 {
                return Ok(None);
            }
            if read == LONGEST_LINE && !self.line.ends_with(b"\n") {
                bail!(
                    "line {} is longer than {} MiB; is it a file of JSON lines?",
                    self.number,
                    LONGEST_LINE >> 20
                );
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let text = &self.line[..];
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Some((self.number, text)))
    }
}

/// The object that a line is.
///
/// # Errors
/// If it is not one; the sentence says what it is instead.
pub fn record(line: &[u8]) -> Result<Record> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(Value::Array(_)) => bail!("it is a JSON array; write one object per line"),
        Ok(_) => bail!("it is not a JSON object"),
        Err(error) => bail!("it is not JSON ({error})"),
    }
}

/// The first field in which two values of JSON differ, with both values; `None` if they are the
/// same.
pub fn difference(then: &Value, now: &Value) -> Option<String> {
    differing("", then, now)
}

fn differing(path: &str, then: &Value, now: &Value) -> Option<String> {
    if then == now {
        return None;
    }
    if let (Value::Object(x), Value::Object(y)) = (then, now) {
        let keys = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
        return keys.into_iter().find_map(|key| {
            let inner = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            let of = |map: &Record| map.get(key).cloned().unwrap_or_default();
            differing(&inner, &of(x), &of(y))
        });
    }
    Some(format!("{path} was {then} and is now {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &Path) -> Vec<String> {
        let (mut lines, mut found) = (lines(source).unwrap(), Vec::new());
        while let Some((_, line)) = lines.next_line().unwrap() {
            found.push(String::from_utf8(line.to_vec()).unwrap());
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_bounded() {
        let mut lines = Lines::new(&b"\xef\xbb\xbf{}\r\n \n\n[1]"[..]);
        assert_eq!(lines.next_line().unwrap(), Some((1, &b"{}"[..])));
        assert_eq!(lines.next_line().unwrap(), Some((4, &b"[1]"[..])));
        assert_eq!(lines.next_line().unwrap(), None);
        // A line without an end is not read to its end; a hundred megabytes are not kept.
        let mut endless = Lines::new(BufReader::new(std::io::repeat(b'x')));
        let error = endless.next_line().unwrap_err().to_string();
        assert!(error.starts_with("line 1 is longer than 16 MiB"), "{error}");
    }

    #[test]
    fn a_difference_is_named_by_its_place() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (then, now) = (
            json(r#"{"a":1,"b":{"c":2}}"#),
            json(r#"{"a":1,"b":{"d":3}}"#),
        );
        assert_eq!(difference(&then, &then), None);
        let expected = Some("b.c was 2 and is now null".to_owned());
        assert_eq!(difference(&then, &now), expected);
    }

    #[test]
    #[cfg(feature = "parquet")]
    fn parquet_reads_as_the_same_lines_as_json_lines() {
        let columns: [&[&str]; 2] = [&["a", "b\nc"], &["1", "2"]];
        let file = crate::fixtures::parquet_file(["question", "answer"], columns);
        let found = read(file.path());
        assert_eq!(found.len(), 2, "{found:?}");
        let second: Value = serde_json::from_str(&found[1]).unwrap();
        assert_eq!(second["question"], "b\nc");
        assert_eq!(second["answer"], "2");
    }

    #[test]
    fn what_is_bundled_is_read_by_its_name_and_what_is_missing_is_named() {
        assert_eq!(read(assets::TRACES.as_ref()).len(), 1000);
        assert!(is_elsewhere("hf:simplescaling/s1K-1.1".as_ref()));
        assert!(is_elsewhere(assets::TRACES.as_ref()));
        assert!(!is_elsewhere("data.jsonl".as_ref()));
        let missing = lines("/nowhere/data.jsonl".as_ref()).err().unwrap();
        assert!(missing.to_string().contains("/nowhere/data.jsonl"));
    }
}
