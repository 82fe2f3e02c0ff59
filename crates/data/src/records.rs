//! Data as JSON lines, wherever it comes from: a file of such lines, a bundled one by its name, a
//! Parquet file, or a dataset of the Hugging Face hub.
//!
//! Not here: what the fields of a record mean.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::assets;
use crate::hub::{self, Kind};

pub mod parquet;

/// The file of a source: of `hf:owner/name[:file]` what the hub has, downloaded if it is not there
/// yet; any other source is a path already.
///
/// # Errors
/// As [`hub::local`].
pub fn file(source: &Path) -> Result<PathBuf> {
    hub::local(source, Kind::Dataset)
}

/// Whether a source means the same from any folder: it is bundled, or of the hub.
pub fn is_elsewhere(source: &Path) -> bool {
    assets::open_path(source).is_some() || hub::is_hub(source)
}

/// Whether a file is Parquet, by its first bytes.
pub fn is_parquet(file: &mut File) -> bool {
    let mut magic = [0; 4];
    file.read_exact(&mut magic).is_ok() && magic == *b"PAR1"
}

/// The lines of a source, one JSON object each, read as they are needed.
///
/// # Errors
/// If it cannot be opened.
pub fn lines(source: &Path) -> Result<Box<dyn BufRead>> {
    if let Some(bytes) = assets::open_path(source) {
        return Ok(Box::new(bytes));
    }
    let path = file(source)?;
    let place = || format!("cannot open {}", path.display());
    let mut opened = File::open(&path).with_context(place)?;
    if is_parquet(&mut opened) {
        return Ok(Box::new(BufReader::new(parquet::Lines::open(&path)?)));
    }
    Ok(Box::new(BufReader::new(
        File::open(&path).with_context(place)?,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::parquet_file;

    fn read(source: &Path) -> Vec<String> {
        lines(source).unwrap().lines().map(Result::unwrap).collect()
    }

    #[test]
    fn parquet_reads_as_the_same_lines_as_json_lines() {
        let columns: [&[&str]; 2] = [&["a", "b\nc"], &["1", "2"]];
        let file = parquet_file(["question", "answer"], columns);
        let found = read(file.path());
        assert_eq!(found.len(), 2, "{found:?}");
        let second: serde_json::Value = serde_json::from_str(&found[1]).unwrap();
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
