//! The picker of saved sessions: by question, model, answer and date; opened, renamed, deleted.
//!
//! Not here: reading and changing files.

use std::path::PathBuf;

use ratatui::text::Line;

use super::finder::{ColumnHead, Entry, Finder, FinderSpec, place_of_columns};
use super::list::ListRow;
use crate::config::expand_home;
use crate::tui::theme::Theme;
use s1_core::format;
use s1_store::session::{EXTENSION, Saved};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChoice {
    Open(PathBuf),
    Rename(PathBuf),
    Delete(PathBuf),
}

impl SessionChoice {
    /// The same session, for something else.
    fn but(&self, what: fn(PathBuf) -> SessionChoice) -> SessionChoice {
        let (SessionChoice::Open(path) | SessionChoice::Rename(path) | SessionChoice::Delete(path)) =
            self;
        what(path.clone())
    }
}

static PICKER: FinderSpec<SessionChoice> = FinderSpec {
    title: "Open a session",
    sign: "›",
    placeholder: "type to find, or write the path of a file (Tab completes)",
    accept: "open",
    others: &[
        ('r', "rename", |choice| choice.but(SessionChoice::Rename)),
        ('d', "delete", |choice| choice.but(SessionChoice::Delete)),
    ],
    columns: &[
        ColumnHead::left("question"),
        ColumnHead::left("answer"),
        ColumnHead::left("model"),
        ColumnHead::right("changed"),
        ColumnHead::right("size"),
    ],
    gap: 1,
    place: |area, entries| place_of_columns(area, entries, 124),
    typed,
    check: |choice| check(choice),
    takes_typed: "Enter opens this file",
    nothing,
};

/// Reads text that looks like a path.
fn typed(text: &str) -> Option<SessionChoice> {
    let text = text.trim().trim_matches(['"', '\'']);
    let is_path = text.starts_with(['/', '~', '.']) || text.contains(std::path::MAIN_SEPARATOR);
    is_path.then(|| SessionChoice::Open(expand_home(text.trim_start_matches("file://"))))
}

fn check(choice: &SessionChoice) -> Result<(), String> {
    match choice {
        SessionChoice::Open(path) if path.is_dir() => Err(format!(
            "{} is a folder; write the path of a file in it",
            path.display()
        )),
        SessionChoice::Open(path) if !path.is_file() => {
            Err(format!("there is no file {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn nothing(entries: Option<usize>, theme: &Theme) -> Vec<Line<'static>> {
    let sentence = match entries {
        Some(0) => "no session is kept yet: every question is, by itself",
        _ => "no session matches; a path works, too",
    };
    vec![Line::styled(sentence, theme.dim)]
}

/// A picker of these.
pub fn session_picker(sessions: Vec<Saved>) -> Finder<SessionChoice> {
    let entry = |saved: Saved| {
        let name = saved.path.file_name();
        let name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = name.strip_suffix(EXTENSION).unwrap_or(&name);
        let age = saved.modified.elapsed().map_or(0, |age| age.as_secs());
        let question = match saved.question.trim() {
            "" => name.to_owned(),
            question => question.replace('\n', " "),
        };
        let answer = match (&saved.answer, saved.correct) {
            (None, _) => "–".to_owned(),
            (Some(answer), Some(true)) => format!("{answer} ✓"),
            (Some(answer), Some(false)) => format!("{answer} ✗"),
            (Some(answer), None) => answer.clone(),
        };
        Entry {
            text: format!("{question} {} {name}", saved.model),
            row: ListRow::default(),
            cells: vec![
                question,
                s1_data::sanitize::fit(&answer, 16).into_owned(),
                saved.model,
                format::ago(age),
                format::size(saved.bytes),
            ],
            about: saved.path.display().to_string(),
            fault: None,
            value: SessionChoice::Open(saved.path),
            name: "",
        }
    };
    let mut picker = Finder::searching(&PICKER);
    picker.set_entries(sessions.into_iter().map(entry).collect());
    picker
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Keymap;
    use crate::tui::widgets::modal::{Modal, Reply};
    use crate::tui::widgets::overlay::DrawContext;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::time::SystemTime;

    fn picker() -> Finder<SessionChoice> {
        let saved = |name: &str, question: &str, model: &str| Saved {
            path: PathBuf::from(format!("/data/{name}.s1.json")),
            modified: SystemTime::now(),
            bytes: 81_000,
            question: question.into(),
            model: model.into(),
            answer: Some("3".into()).filter(|_| !question.is_empty()),
            correct: Some(name != "berries"),
        };
        session_picker(vec![
            saved("autosave-1", "How many r in raspberry?", "Nano reasoner"),
            saved("berries", "Is 91 prime?", "SmolLM2 135M"),
            saved("broken", "", ""),
        ])
    }

    /// A user would lose: one of five hundred sessions whose file names say nothing.
    #[test]
    fn sessions_are_found_by_their_question_renamed_and_deleted() {
        let keymap = Keymap::default();
        let mut picker = picker();
        for letter in "prime".chars() {
            picker.key(KeyEvent::from(KeyCode::Char(letter)), &keymap);
        }
        let path = PathBuf::from("/data/berries.s1.json");
        let open = picker.key(KeyEvent::from(KeyCode::Enter), &keymap);
        assert_eq!(open, Reply::Done(SessionChoice::Open(path.clone())));
        let mut press = |letter| {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
            picker.key(key, &keymap)
        };
        assert_eq!(press('r'), Reply::Done(SessionChoice::Rename(path.clone())));
        assert_eq!(press('d'), Reply::Done(SessionChoice::Delete(path)));
    }

    /// A user would lose: a session that lies elsewhere, behind five hundred that are kept.
    #[test]
    fn a_path_opens_a_file_that_is_not_listed() {
        let (keymap, folder) = (Keymap::default(), tempfile::tempdir().unwrap());
        let file = folder.path().join("mine.s1.json");
        let enter = KeyEvent::from(KeyCode::Enter);
        let mut picker = picker();
        picker.paste(&file.display().to_string());
        assert_eq!(picker.key(enter, &keymap), Reply::Open, "there is none");
        assert!(
            picker
                .error
                .as_ref()
                .unwrap()
                .starts_with("there is no file ")
        );
        std::fs::write(&file, "").unwrap();
        let open = Reply::Done(SessionChoice::Open(file));
        assert_eq!(picker.key(enter, &keymap), open);
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 14, |buf, area| {
            picker().draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("session_picker", shown);
        survives_every_size(|buf, area| {
            picker().draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
