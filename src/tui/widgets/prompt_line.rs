//! An overlay that asks for one line: the wait text, words to inject, the reference, a file name,
//! the value of a setting.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::input::Input;
use super::overlay::{boxed, cells, centered, put};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

/// What a key did to an overlay that asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It stays open.
    Open,
    /// The user gave this.
    Done(T),
    /// The user left without a change.
    Cancelled,
    /// Another action, for the program as a whole (quit, redraw, suspend).
    Other(Action),
}

/// A question with room for one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptLine {
    /// What is asked for, in the border.
    pub title: String,
    /// One sentence below the line: what it is good for, or an example.
    pub note: String,
    /// What was wrong with the last attempt; shown instead of the note until the next key.
    pub error: Option<String>,
    input: Input,
}

impl PromptLine {
    /// Asks for a line that starts as `text`.
    pub fn new(title: &str, note: &str, text: &str) -> PromptLine {
        PromptLine {
            title: title.into(),
            note: note.into(),
            error: None,
            input: Input::new(text),
        }
    }

    /// What is typed so far.
    pub fn text(&self) -> &str {
        self.input.text()
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str) {
        self.error = None;
        self.input.insert(text);
    }

    /// Handles a key.
    pub fn handle(&mut self, key: KeyEvent, keymap: &Keymap) -> Outcome<String> {
        match keymap.action(Context::Editor, key) {
            Some(Action::Submit | Action::Accept) => {
                return Outcome::Done(self.input.text().to_owned());
            }
            Some(Action::Cancel) => return Outcome::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Outcome::Other(action);
            }
            Some(Action::Newline) => {
                self.input.insert("\n");
                self.error = None;
            }
            _ => {
                if self.input.handle(key) {
                    self.error = None;
                }
            }
        }
        Outcome::Open
    }

    /// Draws over an area; returns where the cursor stands.
    pub fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position> {
        let key = |action| keymap.key_for(Context::Editor, action);
        let hint: Vec<String> = [(Action::Submit, "take it"), (Action::Cancel, "back")]
            .into_iter()
            .filter_map(|(action, word)| Some(format!("{} {word}", key(action)?)))
            .collect();
        let (note, style) = match &self.error {
            Some(error) => (format!("✗ {error}"), theme.bad),
            None => (self.note.clone(), theme.dim),
        };
        let width = cells(&note).saturating_add(4).clamp(60, 100);
        let place = centered(area.intersection(buf.area), width, 4);
        let inner = boxed(buf, place, &self.title, &hint.join("   "), theme);
        put(
            buf,
            inner,
            inner.x,
            inner.y.saturating_add(1),
            inner.width,
            &note,
            style,
        );
        self.input.draw(buf, inner, theme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyModifiers};

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn a_line_is_typed_and_taken_or_left() {
        let keymap = Keymap::default();
        let mut prompt = PromptLine::new("Wait text", "", "Wait");
        assert_eq!(
            prompt.handle(key(KeyCode::Char('q')), &keymap),
            Outcome::Open,
            "q types"
        );
        prompt.paste(" for it");
        assert_eq!(
            prompt.handle(key(KeyCode::Enter), &keymap),
            Outcome::Done("Waitq for it".into())
        );
        assert_eq!(
            prompt.handle(key(KeyCode::Esc), &keymap),
            Outcome::Cancelled
        );
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(prompt.handle(ctrl_c, &keymap), Outcome::Other(Action::Quit));
    }

    #[test]
    fn an_error_stays_until_the_next_key() {
        let keymap = Keymap::default();
        let mut prompt = PromptLine::new("Open", "a file name", "x");
        prompt.error = Some("there is no such file".into());
        let theme = Theme::default();
        let shown = picture(80, 5, |buf, area| {
            prompt.draw(buf, area, &keymap, &theme);
        });
        insta::assert_snapshot!("prompt_line_error", shown);
        prompt.handle(key(KeyCode::Char('y')), &keymap);
        assert_eq!(prompt.error, None);
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        let prompt = PromptLine::new("日本語", "a note", "some text\u{1b}");
        survives_every_size(|buf, area| {
            prompt.draw(buf, area, &keymap, &theme);
        });
    }
}
