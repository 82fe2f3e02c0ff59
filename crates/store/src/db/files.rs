//! Hashes of files, computed once: a model of many gigabytes is read again only after it changed.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::Db;
use s1_data::assets;

impl Db {
    /// SHA-256 of a file (or of a bundled one, by its name) in hexadecimal. What was computed for
    /// the same path, size and time of change is not computed again.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn file_hash(&self, path: &Path) -> Result<String> {
        let place = || format!("cannot read {}", path.display());
        if let Some(mut bytes) = assets::open_path(path) {
            return sha256(&mut bytes).with_context(place);
        }
        let real = path.canonicalize().with_context(place)?;
        let meta = real.metadata().with_context(place)?;
        let modified = meta.modified().ok();
        let modified = modified.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |t| t.as_nanos() as i64);
        let bytes = i64::try_from(meta.len()).unwrap_or(i64::MAX);
        let key = real.to_string_lossy().into_owned();
        let known: Option<String> = self
            .connection
            .query_row(
                "SELECT sha256 FROM file_hashes WHERE path = ? AND bytes = ? AND modified = ?",
                params![key, bytes, modified],
                |r| r.get(0),
            )
            .optional()
            .unwrap_or_default();
        if let Some(hash) = known {
            return Ok(hash);
        }
        let hash = sha256(&mut File::open(&real).with_context(place)?).with_context(place)?;
        // Only a convenience: where it cannot be kept, it is computed again.
        let _ = self.connection.execute(
            "INSERT OR REPLACE INTO file_hashes (path, bytes, modified, sha256) VALUES (?, ?, ?, ?)",
            params![key, bytes, modified, hash],
        );
        Ok(hash)
    }
}

fn sha256(file: &mut impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
