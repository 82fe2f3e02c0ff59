//! Data as JSON lines, wherever it comes from: a file or a pipe of such lines (as they are, compressed,
//! or one JSON array), a bundled one by its name, a Parquet file, or a dataset of the Hugging Face
//! hub.
//!
//! Not here: what a record is used for.

use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use crate::assets;
use crate::hub::{self, RepoKind, Split};

mod array;
mod csv;
pub mod fields;
mod input;
#[cfg(feature = "parquet")]
pub mod parquet;

/// The longest line of JSON lines that is read, in bytes: s1K's longest has under a megabyte.
const LONGEST_LINE: usize = 16 << 20;
/// The most of a longer one that is passed over to find the next.
const LONGEST_SKIP: u64 = 1 << 30;

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
    input::open(&file(source, Split::Train)?)
}

/// Refuses what can be read only once.
///
/// # Errors
/// If it is a pipe or a device; the sentence says what to do.
pub fn require_file(source: &Path) -> Result<()> {
    let is_pipe = source.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir());
    if is_pipe {
        bail!(
            "{} is not a file and cannot be read again, which this needs; save it in a file and name \
             that",
            source.display()
        );
    }
    Ok(())
}

/// The lines of what is piped into the program.
///
/// # Errors
/// If it cannot be read.
pub fn standard_input() -> Result<Lines<Box<dyn BufRead>>> {
    Ok(Lines::new(input::decoded(std::io::stdin(), None, None)?))
}

/// A line with its number from 1; instead of one that is too long, why it is not read.
pub type NumberedLine<'a> = (usize, Result<&'a [u8]>);

/// Lines of bounded length, numbered.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: usize,
    /// The line at hand was too long to be read to its end.
    unfinished: bool,
}

impl<R: BufRead> Lines<R> {
    /// The lines of anything that has bytes.
    pub fn new(input: R) -> Lines<R> {
        Lines {
            input,
            line: Vec::new(),
            number: 0,
            unfinished: false,
        }
    }

    /// The next line that is not blank, without its end.
    ///
    /// # Errors
    /// If it cannot be read; the sentence names the line.
    pub fn next_line(&mut self) -> Result<Option<NumberedLine<'_>>> {
        if std::mem::take(&mut self.unfinished) {
            self.pass_over()?;
        }
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
                self.unfinished = true;
                let limit = LONGEST_LINE >> 20;
                let why = anyhow!("it is longer than {limit} MiB; is it a file of JSON lines?");
                return Ok(Some((self.number, Err(why))));
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let text = &self.line[..];
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Some((self.number, Ok(text))))
    }

    /// Goes on to the end of a line that is too long.
    fn pass_over(&mut self) -> Result<()> {
        let passed = self.input.by_ref().take(LONGEST_SKIP).skip_until(b'\n');
        let passed = passed.with_context(|| format!("line {} cannot be read", self.number))?;
        if passed as u64 == LONGEST_SKIP {
            bail!("line {} has no end", self.number);
        }
        Ok(())
    }
}

/// The most digits that a number of 64 bits is sure to hold.
const EXACT_DIGITS: usize = 15;

/// The same JSON with numbers that have more digits than a machine's number holds as texts: a reference
/// answer of thirty digits is compared digit by digit.
fn exact_numbers(line: &[u8]) -> Cow<'_, [u8]> {
    let is_part = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
    let mut out = Vec::new();
    let (mut at, mut copied, mut in_text) = (0, 0, false);
    while at < line.len() {
        match line[at] {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            b'-' | b'0'..=b'9' if !in_text => {
                let len = line[at..].iter().take_while(|b| is_part(b)).count();
                let number = &line[at..at + len];
                let digits = number
                    .split(|b| b"eE".contains(b))
                    .next()
                    .unwrap_or_default();
                let digits = digits.iter().filter(|b| b.is_ascii_digit());
                if digits.count() > EXACT_DIGITS && serde_json::from_slice::<Value>(number).is_ok()
                {
                    out.extend_from_slice(&line[copied..at]);
                    out.push(b'"');
                    out.extend_from_slice(number);
                    out.push(b'"');
                    copied = at + len;
                }
                at += len - 1;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return line.into();
    }
    out.extend_from_slice(&line[copied..]);
    out.into()
}

/// The object that a line is.
///
/// # Errors
/// If it is not one; the sentence says what it is instead.
pub fn record(line: &[u8]) -> Result<Record> {
    match serde_json::from_slice(&exact_numbers(line)) {
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

    /// A user would lose: the last digits of a long answer, and with them what is right.
    #[test]
    fn numbers_keep_all_their_digits() {
        let of = |line: &str| record(line.as_bytes()).unwrap();
        let long = of(
            r#"{"id": 7, "x": 1234567890.12345678901234567890, "s": "9 \" 12345678901234567890",
            "big": [-123456789012345678901234567890, 1.5], "e": 1e10}"#,
        );
        assert_eq!(long["id"], 7);
        assert_eq!(long["x"], "1234567890.12345678901234567890");
        assert_eq!(long["s"], "9 \" 12345678901234567890");
        assert_eq!(long["big"][0], "-123456789012345678901234567890");
        assert_eq!(long["big"][1], 1.5);
        assert_eq!(long["e"], 1e10);
        // What is no number is as wrong as before.
        for bad in [
            "{\"a\": 12345678901234567890-1}",
            "{\"a\": 1234567890123456789012.}",
            "{12345678901234567: 1",
        ] {
            assert!(record(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    fn read(source: &Path) -> Vec<String> {
        let (mut lines, mut found) = (lines(source).unwrap(), Vec::new());
        while let Some((_, line)) = lines.next_line().unwrap() {
            found.push(String::from_utf8(line.unwrap().to_vec()).unwrap());
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_bounded() {
        let long = "x".repeat(LONGEST_LINE + 5);
        let text = format!("\u{feff}{{}}\r\n \n\n[1]\n{long}\n{{}}");
        let mut lines = Lines::new(text.as_bytes());
        let mut next = || {
            let (number, line) = lines.next_line().unwrap()?;
            Some((
                number,
                line.map(<[u8]>::to_vec).map_err(|why| why.to_string()),
            ))
        };
        assert_eq!(next(), Some((1, Ok(b"{}".to_vec()))));
        assert_eq!(next(), Some((4, Ok(b"[1]".to_vec()))));
        // One that is too long is named, and the next one is found.
        let (number, why) = next().unwrap();
        assert_eq!(number, 5);
        assert!(why.unwrap_err().starts_with("it is longer than 16 MiB"));
        assert_eq!(next(), Some((6, Ok(b"{}".to_vec()))));
        assert_eq!(next(), None);
        // A line without an end is not read to its end; a hundred megabytes are not kept.
        let mut endless = Lines::new(std::io::BufReader::new(std::io::repeat(b'x')));
        assert!(endless.next_line().unwrap().unwrap().1.is_err());
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
