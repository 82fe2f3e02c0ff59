//! Files replaced as a whole, files read up to a limit, and the clock that dates them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// Now, in seconds since 1970 (UTC).
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Reads text to its end, so that neither `/dev/zero` nor a mistaken file fills the memory.
///
/// # Errors
/// If it cannot be read, has more than `limit` bytes, or is not UTF-8.
pub fn read_text(source: impl Read, limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        bail!("it is larger than {} KiB", limit / 1024);
    }
    String::from_utf8(bytes)
        .ok()
        .context("it is not UTF-8 text; save it as UTF-8")
}

/// [`read_text`] of a file.
///
/// # Errors
/// As [`read_text`], and if the file cannot be opened; the message does not name the file.
pub fn read_text_file(path: &Path, limit: u64) -> Result<String> {
    read_text(File::open(path)?, limit)
}

/// The end of a file, at most so many bytes of it; a character that is cut or damaged is replaced.
///
/// # Errors
/// If it cannot be read.
pub fn read_end(path: &Path, bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Readable by everyone that the system's settings allow.
    Usual,
    /// Its owner alone.
    Private,
}

/// Writes a file so that it is there whole or not at all, whatever happens meanwhile.
///
/// # Errors
/// If it cannot be written, or as `fill` does; what was there before is untouched then.
pub fn replace(
    path: &Path,
    access: FileAccess,
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    Replacement::write(path, access, fill)?.finish()
}

/// A file that is written and on disk but has not got its name yet; dropped, it leaves nothing.
#[derive(Debug)]
pub struct Replacement {
    temporary: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Writes what is to become the file at `path`.
    ///
    /// # Errors
    /// If it cannot be written, or as `fill` does.
    pub fn write(
        path: &Path,
        access: FileAccess,
        fill: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Replacement> {
        let name = path
            .file_name()
            .with_context(|| format!("{} does not name a file", path.display()))?;
        let name = name.to_string_lossy();
        let replacement = Replacement {
            temporary: path.with_file_name(format!(".{name}.{}.tmp", std::process::id())),
            path: path.to_path_buf(),
        };
        let write = || -> Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            if access == FileAccess::Private {
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            }
            let mut file = BufWriter::new(options.open(&replacement.temporary)?);
            fill(&mut file)?;
            file.into_inner()?.sync_all()?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(replacement)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn finish(self) -> Result<()> {
        let rename = || -> io::Result<()> {
            fs::rename(&self.temporary, &self.path)?;
            // The name lasts only once the folder is on disk, too.
            #[cfg(unix)]
            File::open(self.folder())?.sync_all()?;
            Ok(())
        };
        rename().with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn folder(&self) -> &Path {
        let parent = self.path.parent();
        parent
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Once it has its name there is nothing left to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_end_or_in_another_encoding_is_refused() {
        assert_eq!(read_text(&b"abc"[..], 3).unwrap(), "abc");
        let error = read_text(io::repeat(b'a'), 2048).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 2 KiB");
        let error = read_text(&b"\xff\xfe"[..], 3).unwrap_err();
        assert_eq!(error.to_string(), "it is not UTF-8 text; save it as UTF-8");
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        replace(&path, FileAccess::Private, |out| Ok(out.write_all(b"one")?)).unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &fs::metadata(&path).unwrap().permissions(),
            );
            assert_eq!(mode & 0o777, 0o600);
        }
        let half = replace(&path, FileAccess::Usual, |out| {
            out.write_all(b"tw")?;
            anyhow::bail!("the disk is full")
        });
        let error = format!("{:#}", half.unwrap_err());
        assert!(error.ends_with("file: the disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing half-written stays");
    }
}
