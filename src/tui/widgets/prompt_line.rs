//! An overlay that asks for one line: the wait text, words to inject, the reference, a file name,
//! the value of a setting.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::input::Input;
use super::modal::{Modal, Reply};
use super::overlay::{boxed, cells, centered, put};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

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
}

impl Modal for PromptLine {
    type Output = String;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<String> {
        match keymap.action(Context::Editor, key) {
            Some(Action::Submit | Action::Accept) => {
                return Reply::Done(self.input.text().to_owned());
            }
            Some(Action::Cancel) => return Reply::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Reply::Other(action);
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
        Reply::Open
    }

    fn paste(&mut self, text: &str) {
        self.error = None;
        self.input.insert(text);
    }

    fn show_error(&mut self, sentence: &str) -> bool {
        self.error = Some(sentence.to_owned());
        true
    }

    fn draw(
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
            prompt.key(key(KeyCode::Char('q')), &keymap),
            Reply::Open,
            "q types"
        );
        prompt.paste(" for it");
        assert_eq!(
            prompt.key(key(KeyCode::Enter), &keymap),
            Reply::Done("Waitq for it".into())
        );
        assert_eq!(prompt.key(key(KeyCode::Esc), &keymap), Reply::Cancelled);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(prompt.key(ctrl_c, &keymap), Reply::Other(Action::Quit));
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
        prompt.key(key(KeyCode::Char('y')), &keymap);
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
