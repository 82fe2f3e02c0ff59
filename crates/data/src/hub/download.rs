//! How far a download is, and who shows it.
//!
//! Not here: what is fetched, and where it is kept.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use s1_core::format;

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

pub(super) fn tell(download: Option<&Download>) {
    if let Some(listener) = open(&LISTENER).as_mut() {
        listener(download);
    }
}

/// Tells what there is to know about a file that is here.
pub(super) fn tell_note(what: &str, note: String) {
    if !note.is_empty() {
        tell(Some(&Download {
            what: what.to_owned(),
            note,
            ..Download::default()
        }));
        tell(None);
    }
}

/// The data behind these locks is consistent after every change, so a poisoned lock is usable.
pub(super) fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
