//! Whether a content is the one that the hub named. What is in the cache is read for that once: beside
//! it is noted what was found, with its length and the time of its last change then.
//!
//! Not here: what is done with one that is not.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Result;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::download::DownloadMeter;
use super::names::Content;
use crate::files;

/// Whether what is in the cache as a content is that content. Other programs, and earlier versions of
/// this one, may have left a part of it.
///
/// # Errors
/// If it cannot be read, or nobody waits for it any more.
pub(super) fn is_whole(blob: &Path, content: &Content, meter: &DownloadMeter) -> Result<bool> {
    let (note, seen) = (note_path(blob), stamp(blob)?);
    let noted = files::read_text_file(&note, 64).unwrap_or_default();
    for whole in [true, false] {
        if noted == verdict(&seen, whole) {
            return Ok(whole);
        }
    }
    // A cache that is not ours to write is somebody's to look after; without a note it would be
    // read each time.
    let Ok(mut note) = File::create(note) else {
        return Ok(true);
    };
    let checking = "checking what is in the cache".to_owned();
    let said = meter.change(|download| std::mem::replace(&mut download.note, checking))?;
    let found = of_file(blob, content, |_| meter.look())?;
    meter.change(|download| download.note = said)?;
    let whole = found == *content;
    note.write_all(verdict(&seen, whole).as_bytes())?;
    Ok(whole)
}

/// Notes that what is in the cache as a content was found to be that content.
///
/// # Errors
/// If it is not there, or nothing can be written beside it.
#[cfg(feature = "hub")]
pub(super) fn remember(blob: &Path) -> io::Result<()> {
    fs::write(note_path(blob), verdict(&stamp(blob)?, true))
}

/// What is noted of a file that looked so.
fn verdict(seen: &str, whole: bool) -> String {
    format!("{seen} {}", if whole { "whole" } else { "damaged" })
}

fn note_path(blob: &Path) -> PathBuf {
    blob.with_extension("checked")
}

/// What changes when a file does.
fn stamp(blob: &Path) -> io::Result<String> {
    let meta = fs::metadata(blob)?;
    let modified = meta.modified()?.duration_since(UNIX_EPOCH);
    let modified = modified.unwrap_or_default().as_nanos();
    Ok(format!("{} {modified}", meta.len()))
}

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
        fs::write(file.path(), "hello\n").unwrap();
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
