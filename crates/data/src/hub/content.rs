//! Whether a content is the one that the hub named.
//!
//! Not here: what is done with one that is not.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::names::Content;

/// The hash of a file, in the way that `like` is one. `at` is told how many bytes are read.
///
/// # Errors
/// If it cannot be read, or as `at` does.
pub(super) fn of_file(
    path: &Path,
    like: &Content,
    at: impl FnMut(u64) -> Result<()>,
) -> Result<Content> {
    let file = File::open(path)?;
    Ok(match like {
        Content::Sha256(_) => Content::Sha256(hash(Sha256::new(), file, at)?),
        Content::GitBlob(_) => {
            let header = format!("blob {}\0", file.metadata()?.len());
            Content::GitBlob(hash(Sha1::new().chain_update(header), file, at)?)
        }
    })
}

fn hash<D: Digest>(
    mut digest: D,
    mut file: File,
    mut at: impl FnMut(u64) -> Result<()>,
) -> Result<String> {
    let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                digest.update(&buffer[..read]);
                done += read as u64;
                at(done)?;
            }
        }
    }
    let bytes = digest.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_one_that_git_and_its_large_files_use() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello\n").unwrap();
        for known in [
            // `sha256sum` and `git hash-object`.
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "ce013625030ba8dba906f756967f9e9ca394464a",
        ] {
            let known = Content::of_etag(known).unwrap();
            assert_eq!(of_file(file.path(), &known, |_| Ok(())).unwrap(), known);
        }
    }
}
