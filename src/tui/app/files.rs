//! Sessions in files: kept by themselves, saved under a name, opened again; and leaving.

use std::path::PathBuf;

use super::jobs::files::OpenSession;
use super::live::Live;
use super::{App, Effect, Focus, Save, SaveTarget};
use crate::config::expand_home;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::format;
use s1_store::session::{Document, EXTENSION, Saved};

impl App {
    /// Keeps the session on screen in its own file, if it has changed. Called at every pause and
    /// end, and every few seconds while text streams; while a save is under way, the next call
    /// will do.
    pub fn keep(&mut self) {
        if self.saving.is_none() {
            self.keep_now();
        }
    }

    /// The same, without waiting for a save under way: before another session takes the screen.
    pub(super) fn keep_now(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        if self.has_unsaved() && self.saving != Some(live.revision) {
            self.saving = Some(live.revision);
            self.save_to(None);
        }
    }

    /// Whether something would be lost if the program ended now.
    pub fn has_unsaved(&self) -> bool {
        self.live.as_ref().is_some_and(|live| {
            live.revision > live.saved && live.branches.iter().any(|b| !b.lane.tokens.is_empty())
        })
    }

    fn save_to(&mut self, path: Option<PathBuf>) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        let target = SaveTarget {
            path,
            number: live.number,
            revision: live.revision,
        };
        let document = live.document();
        let save = Save { target, document };
        self.wish(Effect::Save(Box::new(save)));
    }

    pub(super) fn open_save(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("There is nothing to save yet.");
        };
        let name = match &live.path {
            Some(path) => path.display().to_string(),
            None => String::new(),
        };
        let note = "A name, or a path such as ~/notes/raspberry.s1.json";
        let line = PromptLine::new("Save the session as", note, &name);
        self.ask_over(line, |app, name| app.save_as(&name));
    }

    /// Saves under a name: a path, or a name among the saved sessions.
    fn save_as(&mut self, name: &str) {
        let name = expand_home(name.trim()).display().to_string();
        if name.is_empty() {
            return;
        }
        let named = name.ends_with(EXTENSION) || name.ends_with(".json");
        let name = if named {
            name
        } else {
            format!("{name}{EXTENSION}")
        };
        self.save_to(Some(PathBuf::from(name)));
    }

    /// Hears what became of a save: the file it is in now, or one sentence on why it is in none.
    pub fn on_saved(&mut self, saved: &SaveTarget, result: Result<PathBuf, String>) {
        if self.saving == Some(saved.revision) {
            self.saving = None;
        }
        match result {
            Ok(path) => {
                self.unkept = None;
                if saved.path.is_some() {
                    self.tell(format!("Saved as {}", path.display()));
                }
                if let Some(live) = self.live.as_mut().filter(|l| l.number == saved.number) {
                    live.saved = live.saved.max(saved.revision);
                    if saved.path.is_some() {
                        live.path = Some(path);
                    }
                }
                if self.quitting {
                    self.wish(Effect::Quit);
                } else if !self.is_busy() {
                    // What came while it was being saved.
                    self.keep();
                }
            }
            Err(sentence) => {
                // Said once, not every few seconds.
                if self.unkept.as_ref() != Some(&sentence) || saved.path.is_some() {
                    self.refuse(sentence.clone());
                }
                self.unkept = Some(sentence);
                if self.quitting {
                    self.quitting = false;
                    self.confirm_quit();
                }
            }
        }
    }

    /// Leaves; asks only if something would be lost.
    pub(super) fn quit(&mut self) {
        if !self.has_unsaved() {
            return self.wish(Effect::Quit);
        }
        if self.unkept.is_some() || self.quitting {
            return self.confirm_quit();
        }
        self.quitting = true;
        self.save_to(None);
    }

    /// Leaves when the terminal or the system says so: saves, and asks nothing.
    pub fn on_hangup(&mut self) {
        if self.has_unsaved() {
            self.save_to(None);
        }
        self.wish(Effect::Quit);
    }

    fn confirm_quit(&mut self) {
        let saving = "The session is still being saved.";
        let why = self.unkept.as_deref().unwrap_or(saving);
        let confirm = Confirm::new("Leave and lose this session?", why);
        self.ask_over(confirm, |app, ()| app.wish(Effect::Quit));
    }

    /// Shows the saved sessions.
    pub fn on_sessions(&mut self, found: Result<Vec<Saved>, String>) {
        let Some(sessions) = self.taken(found) else {
            return;
        };
        let rows = sessions.into_iter().map(|s| {
            let name = s.path.file_name().map(|n| n.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let name = name.strip_suffix(EXTENSION).unwrap_or(&name).to_owned();
            let age = s.modified.elapsed().map_or(0, |age| age.as_secs());
            let (age, size) = (format::ago(age), format::size(s.bytes));
            (Some(s.path), ListRow::new(name, format!("{age} · {size}")))
        });
        let other = (None, ListRow::new("another file …", ""));
        let list = List::new("Open a session", rows.chain([other]));
        self.ask_over(list, |app, path| match path {
            Some(path) => app.open_session(path),
            None => app.ask_for_session(),
        });
    }

    fn ask_for_session(&mut self) {
        let note = "The path of a saved session.";
        let line = PromptLine::new("Open a session", note, "");
        self.ask_over(line, |app, text| match text.trim() {
            "" => Err("Write a path.".into()),
            path => {
                app.open_session(expand_home(path));
                Ok(())
            }
        });
    }

    /// Reads a session from its file.
    pub fn open_session(&mut self, path: PathBuf) {
        let job = OpenSession(path.clone());
        self.start(job, |app, read| app.on_opened(path, read));
    }

    /// Puts an opened session on screen.
    pub fn on_opened(&mut self, path: PathBuf, read: Result<Document, String>) {
        if let Some(document) = self.taken(read) {
            self.show_document(document, Some(path));
        }
    }

    /// Puts a session on screen, from the file that it is to be saved to again.
    pub(super) fn show_document(&mut self, document: Document, path: Option<PathBuf>) {
        self.keep_now();
        self.forget_live();
        self.question.set(&document.request.question);
        self.request.reference = document.request.reference.clone();
        self.begin(|base, number| Live::opened(document, path, base, number));
        self.focus = Focus::Trace;
    }

    /// Copies the whole trace, or the answer alone.
    pub(super) fn copy(&mut self, answer_only: bool) {
        /// Terminals drop longer texts, some without a word.
        const MOST: usize = 100_000;
        let Some(live) = self.live.as_ref() else {
            return self.refuse("There is nothing to copy yet.");
        };
        let text = live.text(answer_only);
        if text.trim().is_empty() {
            let what = if answer_only { "answer" } else { "text" };
            return self.refuse(format!("There is no {what} to copy yet."));
        }
        if text.len() > MOST {
            return self.refuse(format!(
                "The text has {} and terminals take about 100 kB; save the session instead.",
                format::size(text.len() as u64)
            ));
        }
        self.tell(format!("Copied {} characters.", text.chars().count()));
        self.wish(Effect::Copy(text));
    }
}
