//! One download of the hub's: in a thread of its own, so that whoever waits for it can stop waiting
//! even while nothing arrives, and shown by whoever listens.
//!
//! Not here: what is fetched, and where it is kept.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiError, ApiRepo};
use s1_core::format;

/// Between two looks at how far a download is.
const TICK: Duration = Duration::from_millis(100);
/// Attempts in a row that bring nothing, once something has come.
const ATTEMPTS: u32 = 3;

/// How far a download is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Download {
    /// What is fetched: the file's name, or the repository's until that is known.
    pub what: String,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes in all; 0 until the hub has said it.
    pub total: u64,
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
        Ok(())
    }
}

type Listener = Box<dyn FnMut(Option<&Download>) + Send>;

/// Whoever shows downloads: there is one line on a terminal for it, whichever part of the program
/// needs the file.
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Sets who shows this program's downloads: called several times a second while one is under way,
/// and with `None` at its end.
pub fn listen(listener: impl FnMut(Option<&Download>) + Send + 'static) {
    *open(&LISTENER) = Some(Box::new(listener));
}

fn tell(download: Option<&Download>) {
    if let Some(listener) = open(&LISTENER).as_mut() {
        listener(download);
    }
}

/// What is behind these locks is whole after every change, whoever panicked since.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a download and whoever waits for it share.
#[derive(Debug, Default)]
struct Shared {
    download: Download,
    stopped: bool,
}

/// The download's own side of what is shared.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<Mutex<Shared>>);

impl Meter {
    /// Says what is fetched.
    pub(super) fn fetches(&self, what: &str) {
        open(&self.0).download.what = what.to_owned();
    }

    fn done(&self) -> u64 {
        open(&self.0).download.done
    }

    fn stopped(&self) -> bool {
        open(&self.0).stopped
    }

    /// Fetches a file into the cache, and goes on where it was when the connection breaks.
    pub(super) fn file(&self, repo: &ApiRepo, file: &str) -> Result<PathBuf, ApiError> {
        let (mut before, mut idle) = (0, ATTEMPTS);
        loop {
            let outcome = repo.download_with_progress(file, self.clone());
            match outcome {
                Err(ApiError::IoError(_) | ApiError::RequestError(_)) => {}
                other => return other,
            }
            // A repeated attempt begins with what was here.
            match self.done() {
                done if done > before => (before, idle) = (done, 0),
                _ => idle += 1,
            }
            if idle >= ATTEMPTS || self.stopped() {
                return outcome;
            }
            std::thread::sleep(Duration::from_secs(u64::from(idle)));
        }
    }
}

impl Progress for Meter {
    fn init(&mut self, size: usize, _file: &str) {
        let download = &mut open(&self.0).download;
        (download.done, download.total) = (0, size as u64);
    }

    fn update(&mut self, bytes: usize) {
        let mut shared = open(&self.0);
        shared.download.done += bytes as u64;
        let more = shared.download.done > shared.download.total;
        if shared.stopped || more {
            drop(shared);
            // The library has no other way out of a download. Its files are closed on the way, and
            // what has arrived stays for the next time.
            std::panic::resume_unwind(Box::new("the download was ended"));
        }
    }

    fn finish(&mut self) {}
}

/// Does `work` in a thread of its own and waits for it, as long as `go_on` says so: it is asked
/// several times a second.
///
/// # Errors
/// Those of the work; if it is not to go on; and if more arrives than was announced.
pub(super) fn watched(
    what: &str,
    work: impl FnOnce(&Meter) -> Result<PathBuf> + Send + 'static,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<PathBuf> {
    let meter = Meter(Arc::default());
    meter.fetches(what);
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
        let waited = outcome.recv_timeout(TICK);
        let download = open(&meter.0).download.clone();
        match waited {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if go_on() => tell(Some(&download)),
            Err(RecvTimeoutError::Timeout) => {
                open(&meter.0).stopped = true;
                bail!(
                    "fetching {} was cancelled; the next time it goes on from here",
                    download.what
                );
            }
            Err(RecvTimeoutError::Disconnected) if download.done > download.total => bail!(
                "the hub sends more of {} than the {} bytes it announced",
                download.what,
                download.total
            ),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the hub's answer for {} makes no sense", download.what)
            }
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
    }
}
