//! Files written beside the loop, by one thread, in the order in which they were wished for.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use crate::config::Dirs;
use crate::tui::app::{Save, SaveTarget};
use s1_core::format;
use s1_data::files::{self, FileAccess};
use s1_store::session::{Document, EXTENSION};

/// No history is larger than this.
const MAX_HISTORY: u64 = 8 * 1024 * 1024;

/// Something to write.
pub enum FileJob {
    Session(Box<Save>),
    /// The questions asked.
    History(Vec<String>),
    /// That the tour was seen.
    Toured,
    /// The theme that was chosen.
    Theme(String),
}

/// Hears what became of a save.
pub type Answer = Box<dyn Fn(SaveTarget, Result<PathBuf, String>) + Send>;

/// The writing thread.
pub struct Files {
    jobs: Sender<FileJob>,
    thread: JoinHandle<()>,
    /// Folder of the sessions.
    pub folder: PathBuf,
    history: PathBuf,
}

impl Files {
    /// Starts the thread; `answer` hears what became of each session.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(dirs: &Dirs, answer: Answer) -> Result<Files> {
        let folder = dirs.data.join("sessions");
        let history = dirs.data.join("history.json");
        let (jobs, inbox) = channel();
        let writer = Writer {
            folder: folder.clone(),
            history: history.clone(),
            start: format::timestamp(files::now()),
        };
        let thread = std::thread::Builder::new()
            .name("files".into())
            .spawn(move || writer.work(&inbox, &answer))
            .context("cannot start the thread that saves")?;
        Ok(Files {
            jobs,
            thread,
            folder,
            history,
        })
    }

    /// The questions of earlier runs; none where they cannot be read.
    pub fn history(&self) -> Vec<String> {
        let small = fs::metadata(&self.history).is_ok_and(|m| m.len() <= MAX_HISTORY);
        let text = small.then(|| fs::read(&self.history).ok()).flatten();
        text.and_then(|t| serde_json::from_slice(&t).ok())
            .unwrap_or_default()
    }

    /// Writes something soon.
    pub fn put(&self, job: FileJob) {
        // The thread ends only after this end of the channel.
        let _ = self.jobs.send(job);
    }

    /// Waits until everything is written.
    pub fn finish(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

struct Writer {
    folder: PathBuf,
    history: PathBuf,
    /// When the program started; part of the names of sessions kept by themselves.
    start: String,
}

impl Writer {
    fn work(&self, inbox: &Receiver<FileJob>, answer: &Answer) {
        while let Ok(job) = inbox.recv() {
            match job {
                FileJob::Session(save) => {
                    let Save { target, document } = *save;
                    let result = self.save(&target, document);
                    answer(target, result);
                }
                FileJob::History(history) => {
                    // A history that cannot be kept is no reason to disturb anybody.
                    let _ = self.keep_history(&history);
                }
                FileJob::Toured => {
                    // Without it the tour comes again: no reason to disturb anybody either, and none
                    // is a theme that is not kept.
                    let _ = self.keep(super::TOURED, "");
                }
                FileJob::Theme(name) => {
                    let _ = self.keep(super::THEME, &name);
                }
            }
        }
    }

    /// The file a session is in now, or one sentence on why it is in none.
    fn save(&self, target: &SaveTarget, document: Document) -> Result<PathBuf, String> {
        let file = match &target.path {
            Some(path) if path.components().count() > 1 || path.is_absolute() => path.clone(),
            Some(name) => self.folder.join(name),
            None => {
                let slug = slug(&document.request.question);
                self.folder.join(format!(
                    "autosave-{}-{}{slug}{EXTENSION}",
                    self.start, target.number
                ))
            }
        };
        let written = document.write(&file).map_err(|e| format!("{e:#}"));
        written.map(|()| file)
    }

    /// Writes a small file of the data folder.
    fn keep(&self, name: &str, text: &str) -> Result<()> {
        let Some(folder) = self.history.parent() else {
            return Ok(());
        };
        fs::create_dir_all(folder)?;
        Ok(fs::write(folder.join(name), text)?)
    }

    fn keep_history(&self, history: &[String]) -> Result<()> {
        if let Some(folder) = self.history.parent() {
            fs::create_dir_all(folder)?;
        }
        files::replace(&self.history, FileAccess::Private, |out| {
            Ok(serde_json::to_writer(out, history)?)
        })
    }
}

/// The first words of a question, for the name of a file.
fn slug(question: &str) -> String {
    let words = question
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty());
    let mut slug = String::new();
    for word in words {
        if slug.len() + word.len() > 40 {
            break;
        }
        slug.push('-');
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kept_sessions_say_when_and_what() {
        assert_eq!(slug("How many r in raspberry?"), "-how-many-r-in-raspberry");
        assert_eq!(slug("../../etc/\x1b passwd 漢字"), "-etc-passwd");
        assert_eq!(slug("漢字"), "");
    }

    #[test]
    fn the_history_comes_back_and_a_broken_one_is_none() {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(root.path());
        let files = Files::start(&dirs, Box::new(|_, _| {})).unwrap();
        assert!(files.history().is_empty());
        files.put(FileJob::History(vec!["a\nb".into()]));
        files.finish();
        let files = Files::start(&dirs, Box::new(|_, _| {})).unwrap();
        assert_eq!(files.history(), ["a\nb"]);
        fs::write(dirs.data.join("history.json"), b"{").unwrap();
        assert!(files.history().is_empty());
        files.finish();
    }
}
