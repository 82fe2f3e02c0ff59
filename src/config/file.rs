//! Reading the user's TOML files: bounded in size, and every error one sentence that names the
//! file and the line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

/// No settings, keymap or theme is larger than this; a larger file is something else.
const MAX_BYTES: u64 = 256 * 1024;

/// Reads a file that may be missing. `Ok(None)` if it is.
///
/// # Errors
/// If it exists but cannot be read, is not UTF-8, or is larger than 256 KiB.
pub fn read_optional(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("cannot open {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!(
            "{} is larger than {} KiB, so it is not a settings file",
            path.display(),
            MAX_BYTES / 1024
        );
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| anyhow!("{} is not UTF-8 text; save it as UTF-8", path.display()))
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
        let error = read_optional(&huge).unwrap_err().to_string();
        assert!(error.contains("larger than 256 KiB"), "{error}");

        let binary = dir.path().join("binary.toml");
        std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
        let error = read_optional(&binary).unwrap_err().to_string();
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
