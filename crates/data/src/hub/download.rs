//! How far a download is, and who shows it; the thread it has to itself, so that whoever waits for it
//! can leave even while nothing arrives.
//!
//! Not here: what is fetched, and where it is kept.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use s1_core::format;

/// Between two looks at how far a download is.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How far a download is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Download {
    /// What is fetched: the file's name, or the repository's until that is known.
    pub what: String,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes in all; 0 until the hub has said it.
    pub total: u64,
    /// What there is to know about it: why it waits, or of how many files it was chosen. Empty, or
    /// words that go on after its name.
    pub note: String,
}

impl Download {
    /// What is here of it, 0 to 1.
    pub fn share(&self) -> f32 {
        match self.total {
            0 => 0.0,
            total => (self.done as f32 / total as f32).clamp(0.0, 1.0),
        }
    }
}

impl fmt::Display for Download {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "fetching {}", self.what)?;
        if self.total > 0 {
            let (share, size) = (self.share() * 100.0, format::size(self.total));
            write!(f, " · {share:.0} % of {size}")?;
        }
        if !self.note.is_empty() {
            write!(f, " · {}", self.note)?;
        }
        Ok(())
    }
}

type Listener = Box<dyn FnMut(Option<&Download>) + Send>;

/// Shows downloads: a terminal has one line for them, whichever part of the program needs the file.
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Sets the function that shows downloads: called several times a second while one is running, and
/// with `None` at its end.
pub fn listen(listener: impl FnMut(Option<&Download>) + Send + 'static) {
    *open(&LISTENER) = Some(Box::new(listener));
}

fn tell(download: Option<&Download>) {
    if let Some(listener) = open(&LISTENER).as_mut() {
        listener(download);
    }
}

/// The data behind these locks is consistent after every change, so a poisoned lock is usable.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a download and its caller share.
#[derive(Debug, Default)]
struct Shared {
    download: Download,
    stopped: bool,
}

/// The download's own side of what is shared.
#[derive(Clone, Debug)]
pub(super) struct DownloadMeter(Arc<Mutex<Shared>>);

impl DownloadMeter {
    /// Says how far the download is. Errors if nobody waits for it any more.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Download) -> T) -> Result<T> {
        let mut shared = open(&self.0);
        if shared.stopped {
            bail!("the download was cancelled");
        }
        Ok(change(&mut shared.download))
    }

    /// Errors if nobody waits for it any more.
    pub(super) fn look(&self) -> Result<()> {
        self.change(|_| {})
    }
}

/// Does `work` in a thread of its own and waits for it, as long as `go_on` says so: it is asked
/// several times a second.
///
/// # Errors
/// Those of the work, and if it is not to go on.
pub(super) fn watched(
    what: &str,
    work: impl FnOnce(&DownloadMeter) -> Result<PathBuf> + Send + 'static,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<PathBuf> {
    let meter = DownloadMeter(Arc::default());
    meter.change(|download| what.clone_into(&mut download.what))?;
    let theirs = meter.clone();
    let (finished, outcome) = channel();
    std::thread::Builder::new()
        .name("download".into())
        .spawn(move || {
            let result = work(&theirs);
            // Nobody waits any more if it was stopped.
            let _ = finished.send(result);
        })
        .context("cannot start a thread for the download")?;
    let _end = End;
    loop {
        match outcome.recv_timeout(TICK) {
            Ok(result) => {
                // What there is to know is said, however quickly it went.
                let download = open(&meter.0).download.clone();
                if result.is_ok() && !download.note.is_empty() {
                    tell(Some(&download));
                }
                return result;
            }
            Err(RecvTimeoutError::Timeout) => {
                let download = open(&meter.0).download.clone();
                if !go_on() {
                    open(&meter.0).stopped = true;
                    bail!(
                        "fetching {} was cancelled; the next attempt continues from here",
                        download.what
                    );
                }
                tell(Some(&download));
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the download of {what} broke off"),
        }
    }
}

/// Tells that a download has ended, however it did.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        tell(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_says_how_far_it_is() {
        let mut download = Download {
            what: "m-q8_0.gguf".into(),
            ..Download::default()
        };
        assert_eq!(download.to_string(), "fetching m-q8_0.gguf");
        (download.done, download.total) = (500_000_000, 2_000_000_000);
        let text = "fetching m-q8_0.gguf · 25 % of 2.0 GB";
        assert_eq!(download.to_string(), text);
        assert_eq!(download.share(), 0.25);
        download.note = "checking what came".into();
        assert_eq!(download.to_string(), format!("{text} · checking what came"));
    }
}
