//! The picker of saved sessions: by question, model and date; opened, renamed, deleted.
//!
//! Not here: reading and changing files.

use std::path::PathBuf;

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::finder::{Entry, Finder, Finding};
use super::list::ListRow;
use super::overlay::centered;
use crate::tui::theme::Theme;
use s1_core::format;
use s1_store::session::{EXTENSION, Saved};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChoice {
    Open(PathBuf),
    Rename(PathBuf),
    Delete(PathBuf),
    /// A file that is not in the list.
    Other,
}

impl SessionChoice {
    /// The same session, for something else.
    fn but(&self, what: fn(PathBuf) -> SessionChoice) -> SessionChoice {
        match self {
            SessionChoice::Open(path) => what(path.clone()),
            other => other.clone(),
        }
    }
}

static PICKER: Finding<SessionChoice> = Finding {
    title: "Open a session",
    sign: "›",
    placeholder: "type to find by question, model or name",
    accept: "open",
    others: &[
        ('r', "rename", |choice| choice.but(SessionChoice::Rename)),
        ('d', "delete", |choice| choice.but(SessionChoice::Delete)),
    ],
    gap: 1,
    place,
    typed: |_| None,
    check: |_| Ok(()),
    takes_typed: "",
    nothing: |_, theme| vec![nothing(theme)],
};

fn nothing(theme: &Theme) -> Line<'static> {
    Line::styled("no session matches", theme.dim)
}

fn place(area: Rect, entries: usize) -> Rect {
    let most = area.height.saturating_sub(2).max(1);
    let rows = u16::try_from(entries).unwrap_or(u16::MAX);
    let height = rows.saturating_add(5).clamp(9, most.max(9)).min(most);
    centered(area, 116, height)
}

/// A picker of these, and of any other file.
pub fn session_picker(sessions: Vec<Saved>) -> Finder<SessionChoice> {
    let entry = |saved: Saved| {
        let name = saved
            .path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let name = name.strip_suffix(EXTENSION).unwrap_or(&name).to_owned();
        let age = saved.modified.elapsed().map_or(0, |age| age.as_secs());
        let size = format::size(saved.bytes);
        let left = match saved.question.trim() {
            "" => name.clone(),
            question => question.replace('\n', " "),
        };
        let right = [saved.model.as_str(), &format::ago(age), &size];
        let right: Vec<&str> = right.into_iter().filter(|part| !part.is_empty()).collect();
        Entry {
            text: format!("{left} {} {name}", saved.model),
            row: ListRow::new(left, right.join(" · ")),
            value: SessionChoice::Open(saved.path),
            name: "",
        }
    };
    let other = Entry {
        value: SessionChoice::Other,
        row: ListRow::new("another file …", ""),
        text: "another file".into(),
        name: "",
    };
    let mut picker = Finder::searching(&PICKER);
    picker.set_entries(sessions.into_iter().map(entry).chain([other]).collect());
    picker
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Keymap;
    use crate::tui::widgets::modal::{Modal, Reply};
    use crate::tui::widgets::overlay::Canvas;
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

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 14, |buf, area| {
            picker().draw(&mut Canvas::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("session_picker", shown);
        survives_every_size(|buf, area| {
            picker().draw(&mut Canvas::new(buf, area, &keymap, &theme));
        });
    }
}
