//! The question box: several lines of text, and the questions of before.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use crate::tui::sanitize::width;
use crate::tui::theme::Theme;

/// Questions kept for the next run.
const KEPT: usize = 200;
/// A longer question is not kept for the next run.
const KEPT_BYTES: usize = 16 * 1024;
/// A longer question was pasted by mistake; the rest is left out.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What an empty box says.
const PLACEHOLDER: &str = "Ask something. Enter asks, Alt-Enter breaks the line.";

/// What is typed, and what was asked before.
#[derive(Clone, Debug)]
pub struct QuestionBox {
    area: TextArea<'static>,
    history: Vec<String>,
    /// Index of the question brought back from the history.
    at: Option<usize>,
    /// What was typed before going back.
    draft: String,
}

impl QuestionBox {
    /// A box that holds `text`.
    pub fn new(text: &str, history: Vec<String>) -> QuestionBox {
        let mut question = QuestionBox {
            area: TextArea::default(),
            history,
            at: None,
            draft: String::new(),
        };
        question.set(text);
        question
    }

    /// The text as typed.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// The editor, to draw.
    pub fn area(&self) -> &TextArea<'static> {
        &self.area
    }

    /// Sets the styles: the cursor shows where the box has the keys.
    pub fn dress(&mut self, focused: bool, theme: &Theme) {
        self.area.set_style(theme.text);
        self.area.set_cursor_line_style(theme.text);
        self.area.set_placeholder_style(theme.dim);
        self.area.set_selection_style(theme.selected);
        self.area
            .set_cursor_style(if focused { theme.cursor } else { theme.text });
    }

    /// Replaces the text; the cursor goes to its end.
    pub fn set(&mut self, text: &str) {
        let text = typable(text);
        let mut area = TextArea::new(text.split('\n').map(String::from).collect());
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_max_histories(100);
        area.set_placeholder_text(PLACEHOLDER);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        self.area = area;
    }

    /// Edits by one key.
    pub fn key(&mut self, key: KeyEvent) {
        if self.readline(key) || self.area.input(key) {
            self.at = None;
        }
    }

    /// The keys of a shell's line, where the editor has others; `false` if it is none of them.
    fn readline(&mut self, key: KeyEvent) -> bool {
        let KeyCode::Char(letter) = key.code else {
            return false;
        };
        let area = &mut self.area;
        match (key.modifiers, letter) {
            (KeyModifiers::CONTROL, 'u') => area.delete_line_by_head(),
            (KeyModifiers::CONTROL, 'k') => area.delete_line_by_end(),
            (KeyModifiers::CONTROL, 'w') => area.delete_word(),
            (KeyModifiers::CONTROL, 'y') => area.paste(),
            (KeyModifiers::CONTROL, '_' | '7') => area.undo(),
            (KeyModifiers::CONTROL, 'b') => {
                area.move_cursor(CursorMove::Back);
                true
            }
            (KeyModifiers::CONTROL, 'f') => {
                area.move_cursor(CursorMove::Forward);
                true
            }
            (KeyModifiers::ALT, 'd') => area.delete_next_word(),
            (KeyModifiers::ALT, 'b') => {
                area.move_cursor(CursorMove::WordBack);
                true
            }
            (KeyModifiers::ALT, 'f') => {
                area.move_cursor(CursorMove::WordForward);
                true
            }
            _ => return false,
        };
        true
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str) {
        let room = MAX_BYTES.saturating_sub(self.text().len());
        let text = typable(text);
        let end = (0..=room.min(text.len()))
            .rev()
            .find(|&i| text.is_char_boundary(i));
        self.area.insert_str(&text[..end.unwrap_or(0)]);
        self.at = None;
    }

    /// Starts a new line.
    pub fn newline(&mut self) {
        self.area.insert_newline();
    }

    /// Rows the text needs in `columns` columns.
    pub fn rows(&self, columns: usize) -> usize {
        let columns = columns.max(1);
        self.area
            .lines()
            .iter()
            .map(|l| (width(l) / columns) + 1)
            .sum()
    }

    /// One line up, or the question before from the first line.
    pub fn older(&mut self) {
        if self.area.cursor().0 > 0 {
            return self.area.move_cursor(CursorMove::Up);
        }
        let Some(at) = self.at.unwrap_or(self.history.len()).checked_sub(1) else {
            return;
        };
        if self.at.is_none() {
            self.draft = self.text();
        }
        self.show(Some(at));
    }

    /// One line down, or the question after from the last line.
    pub fn newer(&mut self) {
        if self.area.cursor().0 + 1 < self.area.lines().len() {
            return self.area.move_cursor(CursorMove::Down);
        }
        let Some(at) = self.at else { return };
        self.show(Some(at + 1).filter(|&at| at < self.history.len()));
    }

    fn show(&mut self, at: Option<usize>) {
        let text = at
            .and_then(|at| self.history.get(at))
            .unwrap_or(&self.draft)
            .clone();
        self.set(&text);
        self.at = at;
    }

    /// Puts a question into the history; the history to keep, oldest first.
    pub fn remember(&mut self, text: &str) -> Vec<String> {
        self.at = None;
        self.history.retain(|old| old != text);
        self.history.push(text.to_owned());
        let kept = self
            .history
            .iter()
            .rev()
            .filter(|q| q.len() <= KEPT_BYTES)
            .take(KEPT);
        let mut kept: Vec<String> = kept.cloned().collect();
        kept.reverse();
        kept
    }
}

/// Text as it may stand in the box: line breaks and tabs stay, other control characters go. What
/// a person pastes is a question, not a program for the terminal.
fn typable(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\t', "    ")
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_goes_back_and_returns_to_the_draft() {
        let mut question = QuestionBox::new("", vec!["one".into(), "two\nlines".into()]);
        question.paste("dra\x1bft");
        assert_eq!(question.text(), "draft");
        question.older();
        assert_eq!(question.text(), "two\nlines");
        question.older();
        assert_eq!(question.text(), "two\nlines", "first to the first line");
        question.older();
        assert_eq!(question.text(), "one");
        question.older();
        assert_eq!(question.text(), "one", "there is nothing older");
        question.newer();
        question.newer();
        assert_eq!(question.text(), "draft");
    }

    /// A user would lose: the line they typed, by the key that clears a line in every shell.
    #[test]
    fn the_keys_of_a_shells_line_edit_it() {
        let mut question = QuestionBox::new("How many r in it?", vec![]);
        let mut press = |modifiers, letter| {
            question.key(KeyEvent::new(KeyCode::Char(letter), modifiers));
            question.text()
        };
        let (ctrl, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
        assert_eq!(press(alt, 'b'), "How many r in it?");
        assert_eq!(press(ctrl, 'w'), "How many r in ?");
        assert_eq!(press(ctrl, 'u'), "?");
        assert_eq!(press(ctrl, 'y'), "How many r in ?");
        assert_eq!(press(ctrl, 'k'), "How many r in ");
    }

    #[test]
    fn a_question_is_kept_once_and_the_history_stays_small() {
        let mut question = QuestionBox::new("", vec!["a".into(), "b".into()]);
        assert_eq!(question.remember("a"), ["b", "a"]);
        let huge = "x".repeat(KEPT_BYTES + 1);
        assert_eq!(question.remember(&huge), ["b", "a"]);
        for i in 0..500 {
            question.remember(&i.to_string());
        }
        assert_eq!(question.remember("last").len(), KEPT);
    }

    #[test]
    fn the_box_grows_with_its_text() {
        let question = QuestionBox::new("short\nx", vec![]);
        assert_eq!(question.rows(20), 2);
        assert_eq!(QuestionBox::new(&"y".repeat(45), vec![]).rows(20), 3);
        assert_eq!(QuestionBox::new("", vec![]).rows(0), 1);
    }
}
