//! Reading the user's TOML files: bounded in size, and every error one sentence that names the
//! file and the line.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use s1_data::files;

/// No settings, keymap or theme is larger than this; a larger file is something else.
pub const MAX_BYTES: u64 = 256 * 1024;

/// Reads a file that may be missing. `Ok(None)` if it is.
///
/// # Errors
/// If it exists but cannot be read, is not UTF-8, or is larger than 256 KiB.
pub fn read_optional(path: &Path) -> Result<Option<String>> {
    match File::open(path) {
        Ok(file) => files::read_text(file, MAX_BYTES)
            .map(Some)
            .with_context(|| format!("cannot use {} as settings", path.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot open {}", path.display())),
    }
}

/// Number of the line (from 1) that holds the byte at `offset`.
pub fn line_of(text: &str, offset: usize) -> usize {
    let upto = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + upto.iter().filter(|&&b| b == b'\n').count()
}

/// A TOML error as one sentence with file and line.
pub fn syntax_error(file: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let message = error.message().replace('\n', ", ");
    match error.span() {
        Some(span) => anyhow!("{file}, line {}: {message}", line_of(text, span.start)),
        None => anyhow!("{file}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_none_and_a_huge_or_binary_one_is_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_optional(&dir.path().join("none")).unwrap(), None);

        let huge = dir.path().join("huge.toml");
        std::fs::write(&huge, vec![b'#'; MAX_BYTES as usize + 1]).unwrap();
        let error = format!("{:#}", read_optional(&huge).unwrap_err());
        assert!(error.contains("larger than 256 KiB"), "{error}");

        let binary = dir.path().join("binary.toml");
        std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
        let error = format!("{:#}", read_optional(&binary).unwrap_err());
        assert!(error.contains("not UTF-8"), "{error}");
    }

    #[test]
    fn a_syntax_error_names_the_line() {
        let text = "a = 1\nb = = 2\n";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let sentence = syntax_error("config.toml", text, &error).to_string();
        assert!(sentence.starts_with("config.toml, line 2: "), "{sentence}");
        assert!(!sentence.contains('\n'));
    }
}
