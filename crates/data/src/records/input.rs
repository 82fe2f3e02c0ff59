//! The bytes of a data file as JSON lines, whatever form they are in: as they are, compressed (gzip,
//! Zstandard), one JSON array, Parquet, or a table of text. The form is told by the first bytes, which
//! a pipe has only once; of a table by the file's name.
//!
//! Not here: where a file comes from, and what is in a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::array::ArrayLines;
use super::csv::CsvRows;

/// As many bytes as the longest mark of a form has.
const MARK: usize = 4;
/// White space before an array begins, at most.
const MARGIN: usize = 4 << 10;

/// Opens a file, a pipe or a device.
///
/// # Errors
/// If it cannot be opened, or has a form that is not read; the sentence says what to do.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let shown = path.display();
    if path.is_dir() {
        bail!("{shown} is a folder; name a .jsonl or .parquet file in it");
    }
    let place = || format!("cannot open {shown}");
    let file = File::open(path).with_context(place)?;
    // Parquet is read from its end.
    let is_file = file.metadata().is_ok_and(|m| m.is_file());
    let delimiter = delimiter(path);
    decoded(file, is_file.then_some(path), delimiter).with_context(|| shown.to_string())
}

/// What parts the columns of a table, if the file is called like one: `gpqa.csv`, `set.tsv.gz`.
fn delimiter(path: &Path) -> Option<u8> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    match name {
        name if name.ends_with(".csv") => Some(b','),
        name if name.ends_with(".tsv") => Some(b'\t'),
        _ => None,
    }
}

/// The same for anything that has bytes. `path` is where they can be read again from any place;
/// `delimiter` parts the columns if it is a table.
///
/// # Errors
/// As [`open`].
pub(super) fn decoded(
    mut input: impl Read + 'static,
    path: Option<&Path>,
    delimiter: Option<u8>,
) -> Result<Box<dyn BufRead>> {
    let first = beginning(&mut input, MARK)?;
    if first.starts_with(b"PAR1") {
        return match path {
            Some(path) => parquet_lines(path),
            None => bail!("Parquet cannot be read from a pipe; save it in a file and name that"),
        };
    }
    let whole = Cursor::new(first.clone()).chain(BufReader::new(input));
    if first.starts_with(&[0x1f, 0x8b]) {
        let lines = BufReader::new(flate2::bufread::MultiGzDecoder::new(whole));
        return text(lines, delimiter);
    }
    if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return text(zstandard(whole)?, delimiter);
    }
    text(whole, delimiter)
}

/// Text that may be one array, or a table.
fn text(mut input: impl BufRead + 'static, delimiter: Option<u8>) -> Result<Box<dyn BufRead>> {
    let mut first = beginning(&mut input, MARK)?;
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        bail!("it is UTF-16; save it as UTF-8");
    }
    let content = |bytes: &[u8]| {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        bytes.iter().copied().find(|b| !b.is_ascii_whitespace())
    };
    while content(&first).is_none() && first.len() < MARGIN {
        match beginning(&mut input, 1)? {
            more if more.is_empty() => break,
            more => first.extend(more),
        }
    }
    let begins = content(&first);
    if let Some(delimiter) = delimiter {
        let start = if first.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let whole = Cursor::new(first.split_off(start)).chain(input);
        let rows = CsvRows::new(whole, delimiter).context("its header cannot be read")?;
        return Ok(Box::new(BufReader::new(rows)));
    }
    let whole = Cursor::new(first).chain(input);
    Ok(match begins {
        Some(b'[') => Box::new(BufReader::new(ArrayLines::new(whole))),
        _ => Box::new(whole),
    })
}

/// The next bytes, fewer only at the end.
fn beginning(input: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.by_ref().take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(feature = "parquet")]
fn parquet_lines(path: &Path) -> Result<Box<dyn BufRead>> {
    let rows = super::parquet::ParquetRows::open(path)?;
    Ok(Box::new(BufReader::new(rows)))
}

#[cfg(not(feature = "parquet"))]
fn parquet_lines(_: &Path) -> Result<Box<dyn BufRead>> {
    bail!(
        "it is a Parquet file, and this build reads none (it was made without the feature parquet); \
         convert it to JSON lines"
    )
}

/// Its window is bounded by the library (128 MiB).
#[cfg(feature = "parquet")]
fn zstandard(input: impl BufRead + 'static) -> Result<impl BufRead> {
    Ok(BufReader::new(zstd::stream::read::Decoder::with_buffer(
        input,
    )?))
}

#[cfg(not(feature = "parquet"))]
fn zstandard(_: impl BufRead + 'static) -> Result<io::Empty> {
    bail!(
        "it is compressed with Zstandard, and this build reads none (it was made without the \
         feature parquet); decompress it first (zstd -d)"
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(bytes: &[u8]) -> Result<String> {
        // One byte at a time, as a slow pipe gives them.
        struct Drip(Cursor<Vec<u8>>);
        impl Read for Drip {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = out.len().min(1);
                self.0.read(&mut out[..n])
            }
        }
        let mut text = String::new();
        decoded(Drip(Cursor::new(bytes.to_vec())), None, None)?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn the_first_bytes_of_a_pipe_are_not_lost() {
        for text in ["", "{", "{}\n", "{\"a\":1}\n{\"b\":2}"] {
            assert_eq!(read(text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn compressed_lines_are_the_same_lines() {
        let text = "{\"a\":1}\n{\"b\":2}\n";
        assert_eq!(read(&gzip(text.as_bytes())).unwrap(), text);
        // Files that were put one behind the other.
        let both = [gzip(b"{\"a\":1}\n"), gzip(b"{\"b\":2}\n")].concat();
        assert_eq!(read(&both).unwrap(), text);
        let array = read(&gzip(b"[{\"a\":1},\n{\"b\":2}]")).unwrap();
        assert_eq!(array.replace(' ', ""), text);
        let broken = read(&gzip(text.as_bytes())[..20]).unwrap_err();
        assert!(!broken.to_string().is_empty());
    }

    #[test]
    #[cfg(feature = "parquet")]
    fn zstandard_is_read_and_parquet_wants_a_file() {
        let text = "{\"a\":1}\n";
        let packed = zstd::encode_all(text.as_bytes(), 0).unwrap();
        assert_eq!(read(&packed).unwrap(), text);
        let sentence = read(b"PAR1....").unwrap_err().to_string();
        assert!(
            sentence.contains("cannot be read from a pipe"),
            "{sentence}"
        );
    }

    #[test]
    fn text_that_is_not_utf_8_is_named() {
        let sentence = read(b"\xff\xfe{\0}\0").unwrap_err().to_string();
        assert_eq!(sentence, "it is UTF-16; save it as UTF-8");
    }
}
