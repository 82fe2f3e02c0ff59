//! Names that the hub gives: of files, versions and contents. Each is checked when it is made, so that
//! whatever holds one can use it as a path: nothing a server says leads outside the cache.
//!
//! Not here: the names of repositories, which the user gives.

use std::fmt;
use std::path::{Component, Path};

use anyhow::{Result, bail};

/// No name of a version or a content is longer: SHA-256 in hexadecimal digits.
const LONGEST: usize = 64;

/// A file's path inside its repository, with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName(String);

impl FileName {
    /// # Errors
    /// If it would lie outside the repository's folder, or has control characters.
    pub(super) fn new(file: &str) -> Result<FileName> {
        let plain = |part| matches!(part, Component::Normal(_));
        let inside = Path::new(file).components().all(plain);
        if file.is_empty() || !inside || file.chars().any(char::is_control) {
            bail!("{file:?} is not a path inside a repository; name a file such as model.gguf");
        }
        Ok(FileName(file.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version of a repository: the hash of its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit(String);

impl Commit {
    pub(super) fn new(name: &str) -> Option<Commit> {
        Some(Commit(hexadecimal(name)?))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the hub calls a content: its hash, by which it is kept in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Of what is in large file storage: SHA-256 of its bytes.
    Sha256(String),
    /// Of what is in Git itself: SHA-1 of `blob LENGTH`, a zero byte and its bytes.
    GitBlob(String),
}

impl Content {
    /// Reads an `ETag`, with or without its quotes; `None` if it is no hash that can be checked.
    pub(super) fn of_etag(etag: &str) -> Option<Content> {
        let name = hexadecimal(etag.trim_start_matches("W/").trim_matches('"'))?;
        match name.len() {
            64 => Some(Content::Sha256(name)),
            40 => Some(Content::GitBlob(name)),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> &str {
        let (Content::Sha256(name) | Content::GitBlob(name)) = self;
        name
    }
}

fn hexadecimal(name: &str) -> Option<String> {
    let digits = name.bytes().all(|b| b.is_ascii_hexdigit());
    (digits && (1..=LONGEST).contains(&name.len())).then(|| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_cache() {
        for bad in [
            "../../../secret",
            "/etc/passwd",
            "a/../../b.gguf",
            "",
            "..",
            "a\0.gguf",
            "a\n.gguf",
            "\u{1b}[2J.gguf",
        ] {
            let sentence = FileName::new(bad).unwrap_err().to_string();
            assert!(sentence.contains("is not a path inside a"), "{sentence}");
            assert!(!sentence.contains('\0') && !sentence.contains('\u{1b}'));
            assert_eq!(Commit::new(bad), None);
            assert_eq!(Content::of_etag(bad), None);
        }
        for good in ["gguf/m-q8_0.gguf", "my model.gguf", "模型-é.gguf", "..a"] {
            assert_eq!(FileName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn an_etag_is_the_hash_that_the_hub_means() {
        let sha256 = "a".repeat(64);
        let large = Some(Content::Sha256(sha256.clone()));
        assert_eq!(Content::of_etag(&format!("\"{sha256}\"")), large);
        let sha1 = "B".repeat(40);
        let small = Some(Content::GitBlob("b".repeat(40)));
        assert_eq!(Content::of_etag(&format!("W/\"{sha1}\"")), small);
        assert_eq!(Content::of_etag("d41d8cd98f00b204e9800998ecf8427e-5"), None);
    }
}
