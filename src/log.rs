//! The log: what the program does and how long it takes, in a file, for the report of a fault.
//!
//! It is off unless `S1_TUI_LOG` or `-v` asks for it. It has no question, no answer and no key in it:
//! who writes to it names counts, times and kinds alone.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Dirs;

/// A log that is longer than this makes way for a new one; the last is kept beside it.
const LONGEST: u64 = 10 << 20;

/// Where the log is.
pub fn path(dirs: &Dirs) -> PathBuf {
    dirs.state.join("log.txt")
}

/// Starts the log where somebody wants it: `wish` is the value of `S1_TUI_LOG` (a level, or
/// `s1_engine=trace,info`), `verbose` the number of `-v`.
///
/// # Errors
/// If the wish cannot be read, or the file cannot be written.
pub fn start(dirs: &Dirs, wish: Option<&str>, verbose: u8) -> Result<()> {
    let wish = match (wish.filter(|w| !w.is_empty()), verbose) {
        (Some(wish), _) => wish,
        (None, 0) => return Ok(()),
        (None, 1) => "debug",
        (None, _) => "trace",
    };
    let targets: Targets = wish.parse().map_err(|_| {
        anyhow!(
            "S1_TUI_LOG is {wish:?}; write a level (error, warn, info, debug, trace), or targets such as \"s1_engine=trace,info\""
        )
    })?;
    let path = path(dirs);
    let file = open(&path).with_context(|| format!("cannot write the log {}", path.display()))?;
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(file));
    // A second start in one process changes nothing.
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(layer)
        .try_init();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if path.metadata().is_ok_and(|m| m.len() > LONGEST) {
        fs::rename(path, path.with_extension("1.txt"))?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_makes_way_and_a_wish_that_is_none_is_a_sentence() {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(root.path());
        start(&dirs, None, 0).unwrap();
        assert!(!path(&dirs).exists(), "nobody asked for it");
        let why = start(&dirs, Some("loud=very"), 0).unwrap_err().to_string();
        assert!(why.contains("S1_TUI_LOG") && why.contains("debug"), "{why}");
        open(&path(&dirs)).unwrap().set_len(LONGEST + 1).unwrap();
        assert_eq!(open(&path(&dirs)).unwrap().metadata().unwrap().len(), 0);
        assert!(dirs.state.join("log.1.txt").exists());
    }
}
