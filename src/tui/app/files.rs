//! Sessions in files: kept by themselves, saved under a name, opened again; and leaving.

use std::path::PathBuf;

use super::jobs::files::{CopyText, DeleteSession, FindSessions, OpenSession, RenameSession};
use super::live::Live;
use super::{App, Effect, Focus, Save, SaveTarget};
use crate::config::expand_home;
use crate::tui::action::Action;
use crate::tui::keymap::Context;
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::bars::grouped;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::prompt_line::PromptLine;
use crate::tui::widgets::session_picker::{SessionChoice, session_picker};
use s1_core::format;
use s1_store::session::{Document, EXTENSION, Saved};

/// A typed name of a file.
///
/// # Errors
/// If it is none, or leads to another folder.
pub(super) fn plain_name(typed: &str) -> Result<&str, String> {
    match typed.trim() {
        name if name.is_empty()
            || name.starts_with('.')
            || name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\')) =>
        {
            Err("Write a name without a folder.".into())
        }
        name => Ok(name),
    }
}

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
        let line = PromptLine::new("Save the session as", note, &name).of_path();
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
                    live.kept = Some(path.clone());
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

    /// Leaves; asks once where a sweep is under way, and where something would be lost.
    pub(super) fn quit(&mut self) {
        if let Some(sweep) = &self.plots.sweep {
            let done = format!(
                "{} of {} problems are kept, and it can go on from there.",
                sweep.done, sweep.total
            );
            let confirm = Confirm::new("Leave and stop the sweep?", &done);
            return self.ask_over(confirm, |app, ()| app.quit_now());
        }
        self.quit_now();
    }

    /// Leaves; asks only if something would be lost.
    fn quit_now(&mut self) {
        if !self.has_unsaved() {
            return self.wish(Effect::Quit);
        }
        if self.unkept.is_some() || self.quitting {
            return self.confirm_quit();
        }
        self.quitting = true;
        self.save_to(None);
    }

    /// What is said once the terminal is given back: what was kept, what still runs, and how to go on.
    pub fn farewell(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let kept = self.live.as_ref().and_then(|live| live.kept.as_ref());
        if let Some(path) = kept {
            lines.push(format!(
                "The session is kept: s1-tui --session {}",
                path.display()
            ));
        }
        let stopped = self
            .plots
            .sweep
            .as_ref()
            .filter(|sweep| !sweep.name.is_empty());
        if let Some(sweep) = stopped {
            lines.push(format!(
                "The sweep stopped at {} of {}: s1-tui sweep --resume {}, or {} on the plots screen, goes on",
                sweep.done,
                sweep.total,
                sweep.name,
                self.keymap
                    .key_for(Context::Plots, Action::PauseSweep)
                    .unwrap_or_else(|| "–".into()),
            ));
        }
        let running = self.train.list.iter().flatten();
        for training in running.filter(|training| training.is_open()) {
            lines.push(format!(
                "The training {} keeps running: s1-tui trainings",
                training.name
            ));
        }
        lines
            .iter()
            .map(|line| clean_line(line).into_owned())
            .collect()
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
        if let Some(sessions) = self.taken(found) {
            self.ask_over(session_picker(sessions), App::with_session);
        }
    }

    /// Does with a session what was chosen.
    fn with_session(&mut self, choice: SessionChoice) {
        match choice {
            SessionChoice::Open(path) => self.open_session(path),
            SessionChoice::Rename(path) => {
                let note = "Its new name; it stays in its folder.";
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
                let name = name.unwrap_or_default();
                let line = PromptLine::new("Rename the session", note, &name);
                let rename =
                    move |app: &mut App, name: String| app.rename_session(path.clone(), &name);
                self.ask_or(line, rename, |app| {
                    app.start(FindSessions, App::on_sessions)
                });
            }
            SessionChoice::Delete(path) => {
                let detail = format!("{} is removed for good.", path.display());
                let confirm = Confirm::new("Delete this session?", &detail);
                let delete = move |app: &mut App, ()| {
                    app.start(DeleteSession(path.clone()), App::on_sessions);
                };
                self.ask_or(confirm, delete, |app| {
                    app.start(FindSessions, App::on_sessions)
                });
            }
        }
    }

    fn rename_session(&mut self, from: PathBuf, name: &str) -> Result<(), String> {
        let name = plain_name(name)?;
        let end = if name.ends_with(EXTENSION) {
            ""
        } else {
            EXTENSION
        };
        let to = from.with_file_name(format!("{name}{end}"));
        self.start(RenameSession { from, to }, App::on_sessions);
        Ok(())
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
        self.referred = Some(document.request.question.clone());
        self.begin(|base, number| Live::opened(document, path, base, number));
        self.focus = Focus::Trace;
    }

    /// Copies the whole trace, or the answer alone.
    pub(super) fn copy(&mut self, answer_only: bool) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("There is nothing to copy yet.");
        };
        let text = live.text(answer_only);
        if text.trim().is_empty() {
            let what = if answer_only { "answer" } else { "text" };
            return self.refuse(format!("There is no {what} to copy yet."));
        }
        self.put_on_clipboard(text);
    }

    /// Puts a text on the clipboard: through a program that can, or through the terminal.
    pub(super) fn put_on_clipboard(&mut self, text: String) {
        let job = CopyText(text.clone());
        self.start(job, move |app, outcome| app.on_copied(text, outcome));
    }

    /// Hears which program has taken a text, if any did; says what is known of it.
    pub(super) fn on_copied(
        &mut self,
        text: String,
        outcome: Result<Option<&'static str>, String>,
    ) {
        /// Terminals drop longer texts, some without a word.
        const MOST: usize = 100_000;
        let letters = grouped(text.chars().count());
        match self.taken(outcome) {
            None => {}
            Some(Some(place)) => self.tell(format!("Copied {letters} characters to {place}.")),
            Some(None) if text.len() > MOST => self.refuse(format!(
                "The text has {} and terminals take about 100 kB; save the session instead.",
                format::size(text.len() as u64)
            )),
            Some(None) => {
                self.tell(format!(
                    "Sent {letters} characters to the terminal; whether it takes them is not known."
                ));
                self.wish(Effect::Copy(text));
            }
        }
    }
}
