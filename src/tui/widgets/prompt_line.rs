//! An overlay that asks for one line: the wait text, words to inject, the reference, a file name,
//! the value of a setting.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};

use super::input::{Input, types};
use super::modal::{Modal, Reply};
use super::overlay::{DrawContext, below, cells, centered};
use super::paths::complete;
use super::prose::wrap;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::clean_line;

/// Rows of what is said below the line, at most.
const MOST_ROWS: usize = 4;

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
    /// What stands there was not typed: the first letter replaces it.
    given: bool,
    /// A path is asked for: Tab completes it.
    path: bool,
}

impl PromptLine {
    /// Asks for a line that starts as `text`.
    pub fn new(title: &str, note: &str, text: &str) -> PromptLine {
        PromptLine {
            title: title.into(),
            note: note.into(),
            error: None,
            input: Input::new(text),
            given: !text.is_empty(),
            path: false,
        }
    }

    /// Asks for a path, which Tab completes.
    pub fn of_path(self) -> PromptLine {
        PromptLine { path: true, ..self }
    }
}

impl PromptLine {
    fn replace_given(&mut self) {
        if std::mem::take(&mut self.given) {
            self.input = Input::default();
        }
    }
}

impl Modal for PromptLine {
    type Output = String;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<String> {
        if self.path && key.code == KeyCode::Tab {
            self.given = false;
            self.error = complete(&mut self.input);
            return Reply::Open;
        }
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
                if types(key) {
                    self.replace_given();
                }
                if self.input.handle(key) {
                    self.error = None;
                    self.given = false;
                }
            }
        }
        Reply::Open
    }

    fn paste(&mut self, text: &str) {
        self.error = None;
        self.replace_given();
        self.input.insert(text);
    }

    fn show_error(&mut self, sentence: &str) -> bool {
        self.error = Some(sentence.to_owned());
        true
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let keys = [(Action::Submit, "OK"), (Action::Cancel, "back")];
        let tab = if self.path { "Tab completes   " } else { "" };
        let hint = format!("{tab}{}", on.hint(Context::Editor, &keys));
        let (note, style) = match &self.error {
            Some(error) => (format!("✗ {error}"), on.theme.bad),
            None => (self.note.clone(), on.theme.dim),
        };
        let width = cells(&note)
            .saturating_add(4)
            .clamp(60, 100)
            .min(on.area.width);
        // What is said is read whole, however narrow the screen.
        let rows = wrap(
            &clean_line(&note),
            usize::from(width.saturating_sub(4)).max(1),
        );
        let height = 3 + rows.len().clamp(1, MOST_ROWS) as u16;
        let inner = on.boxed(centered(on.area, width, height), &self.title, &hint);
        for (row, place) in rows.iter().zip(below(inner, 1).rows()) {
            on.put(place, row, style);
        }
        let cursor = self.input.draw(on.buf, inner, on.theme);
        if self.given {
            let wide = cells(self.input.text()).min(inner.width.saturating_sub(1));
            let shown = Rect {
                width: wide,
                height: 1,
                ..inner
            };
            on.buf
                .set_style(shown.intersection(on.buf.area), on.theme.selected);
        }
        cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Theme;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::KeyModifiers;

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
            Reply::Done("q for it".into()),
            "what stood there is replaced"
        );
        let mut prompt = PromptLine::new("Wait text", "", "Wait");
        prompt.key(key(KeyCode::End), &keymap);
        prompt.key(key(KeyCode::Char('!')), &keymap);
        assert_eq!(
            prompt.key(key(KeyCode::Enter), &keymap),
            Reply::Done("Wait!".into()),
            "unless one goes into it"
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
            prompt.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
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
            prompt.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
