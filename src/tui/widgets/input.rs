//! One line of typed text with a cursor.
//!
//! What the question box is made of (`ratatui-textarea`) edits by code point: one Backspace would
//! take the skin tone of an emoji, or an accent, and leave the rest. Here a key is a character as
//! the user sees it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use unicode_segmentation::UnicodeSegmentation;

use super::overlay::put;
use crate::tui::sanitize::{clean_line, graphemes, width};
use crate::tui::theme::Theme;

/// A line longer than this was pasted by mistake; the rest is left out.
const MAX_BYTES: usize = 64 * 1024;

/// A text and a cursor between two characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    /// Byte offset of the cursor, at the boundary of a grapheme cluster.
    cursor: usize,
    /// What was cut last, to be put back.
    cut: String,
}

/// Whether a key types a character.
pub fn types(key: KeyEvent) -> bool {
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    key.code.as_char().is_some() && modifiers.is_empty()
}

impl Input {
    /// An input that holds a text, with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Input {
        let text = text.into();
        Input {
            cursor: text.len(),
            text,
            cut: String::new(),
        }
    }

    /// Cuts a part out; the cursor stands there then.
    fn cut(&mut self, part: std::ops::Range<usize>) {
        self.cursor = part.start;
        self.cut = self.text[part.clone()].to_owned();
        self.text.replace_range(part, "");
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Edits by one key; `true` if the key was one of editing. Enter, Esc and keys of commands are
    /// left to the caller.
    pub fn handle(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let before = self.cursor;
        match key.code {
            KeyCode::Left if ctrl || alt => self.cursor = self.word_left(),
            KeyCode::Right if ctrl || alt => self.cursor = self.word_right(),
            KeyCode::Left => self.cursor = self.left(),
            KeyCode::Right => self.cursor = self.right(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Backspace => {
                self.cursor = if ctrl || alt {
                    self.word_left()
                } else {
                    self.left()
                };
                self.text.replace_range(self.cursor..before, "");
            }
            KeyCode::Delete => self.text.replace_range(before..self.right(), ""),
            KeyCode::Char(c) if ctrl && !alt => match c.to_ascii_lowercase() {
                'a' => self.cursor = 0,
                'e' => self.cursor = self.text.len(),
                'b' => self.cursor = self.left(),
                'f' => self.cursor = self.right(),
                'd' => self.text.replace_range(before..self.right(), ""),
                'h' => {
                    self.cursor = self.left();
                    self.text.replace_range(self.cursor..before, "");
                }
                'u' => self.cut(0..before),
                'k' => self.cut(before..self.text.len()),
                'w' => self.cut(self.word_left()..before),
                'y' => {
                    let cut = self.cut.clone();
                    self.insert(&cut);
                }
                _ => return false,
            },
            KeyCode::Char('b') if alt && !ctrl => self.cursor = self.word_left(),
            KeyCode::Char('f') if alt && !ctrl => self.cursor = self.word_right(),
            KeyCode::Char('d') if alt && !ctrl => self.cut(before..self.word_right()),
            // Ctrl and alt together are how some keyboards type @ or {.
            KeyCode::Char(c) if ctrl == alt => self.insert(c.encode_utf8(&mut [0; 4])),
            _ => return false,
        }
        true
    }

    /// Inserts pasted text at the cursor.
    pub fn insert(&mut self, text: &str) {
        let mut end = text.len().min(MAX_BYTES.saturating_sub(self.text.len()));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.insert_str(self.cursor, &text[..end]);
        self.cursor += end;
        // An accent joins what stood before the cursor, and a joiner what follows it.
        while !self.is_boundary(self.cursor) {
            self.cursor += 1;
        }
    }

    fn is_boundary(&self, at: usize) -> bool {
        at >= self.text.len() || self.text.grapheme_indices(true).any(|(i, _)| i == at)
    }

    fn left(&self) -> usize {
        let before = self.text[..self.cursor].grapheme_indices(true);
        before.map(|(i, _)| i).next_back().unwrap_or(0)
    }

    fn right(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_left(&self) -> usize {
        let before = self.text[..self.cursor].split_word_bound_indices();
        let word = before.rev().find(|(_, word)| !word.trim().is_empty());
        word.map_or(0, |(i, _)| i)
    }

    fn word_right(&self) -> usize {
        let after = &self.text[self.cursor..];
        let word = after
            .split_word_bound_indices()
            .find(|(_, word)| !word.trim().is_empty());
        self.cursor + word.map_or(after.len(), |(i, word)| i + word.len())
    }

    /// Draws into the first row of an area, scrolled so that the cursor is in sight. Returns where
    /// the cursor stands.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) -> Option<Position> {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return None;
        }
        let before = clean_line(&self.text[..self.cursor]).into_owned();
        let at = self.text[self.cursor..].graphemes(true).next();
        let at = at.map_or(" ".into(), |g| clean_line(g).into_owned());
        let after = clean_line(&self.text[self.right()..]).into_owned();

        // Keep as much of what stands before the cursor as fits beside the cursor's own cells.
        let room = usize::from(area.width).saturating_sub(width(&at).max(1));
        let mut left_out = width(&before).saturating_sub(room);
        let mut rest = area;
        for (cluster, wide) in graphemes(&before) {
            if left_out > 0 {
                left_out = left_out.saturating_sub(wide);
            } else {
                rest = put(buf, rest, cluster, theme.text);
            }
        }
        let cursor = Position::new(rest.x.min(area.right() - 1), area.y);
        rest = put(buf, rest, &at, theme.cursor);
        put(buf, rest, &after, theme.text);
        Some(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    fn press(input: &mut Input, keys: &[(KeyCode, KeyModifiers)]) {
        for &(code, modifiers) in keys {
            input.handle(KeyEvent::new(code, modifiers));
        }
    }

    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;

    #[test]
    fn editing_works_by_visible_characters() {
        let mut input = Input::new("añ👍🏽日");
        press(
            &mut input,
            &[(KeyCode::Backspace, NONE), (KeyCode::Backspace, NONE)],
        );
        assert_eq!(
            input.text(),
            "añ",
            "an emoji with a skin tone is one character"
        );
        press(
            &mut input,
            &[(KeyCode::Home, NONE), (KeyCode::Delete, NONE)],
        );
        press(
            &mut input,
            &[(KeyCode::Right, NONE), (KeyCode::Char('!'), NONE)],
        );
        assert_eq!(input.text(), "ñ!");
    }

    #[test]
    fn words_are_walked_and_deleted() {
        let mut input = Input::new("so wait  a bit");
        press(
            &mut input,
            &[(KeyCode::Left, CTRL), (KeyCode::Char('w'), CTRL)],
        );
        assert_eq!(input.text(), "so wait  bit");
        press(
            &mut input,
            &[(KeyCode::Char('b'), ALT), (KeyCode::Char('k'), CTRL)],
        );
        assert_eq!(input.text(), "so ");
        press(&mut input, &[(KeyCode::Char('u'), CTRL)]);
        assert_eq!(input.text(), "");
        press(
            &mut input,
            &[
                (KeyCode::Backspace, NONE),
                (KeyCode::Delete, NONE),
                (KeyCode::Left, ALT),
            ],
        );
        assert_eq!(input.text(), "", "an empty line stays empty");
    }

    #[test]
    fn keys_of_commands_are_left_alone_but_at_signs_are_typed() {
        let mut input = Input::default();
        assert!(!input.handle(KeyEvent::new(KeyCode::Enter, NONE)));
        assert!(!input.handle(KeyEvent::new(KeyCode::Esc, NONE)));
        assert!(!input.handle(KeyEvent::new(KeyCode::Char('s'), CTRL)));
        assert!(!input.handle(KeyEvent::new(KeyCode::Char('x'), ALT)));
        assert!(input.handle(KeyEvent::new(KeyCode::Char('@'), CTRL | ALT)));
        assert_eq!(input.text(), "@");
    }

    #[test]
    fn a_combining_accent_typed_alone_joins_its_letter() {
        let mut input = Input::new("e");
        press(
            &mut input,
            &[(KeyCode::Char('\u{301}'), NONE), (KeyCode::Backspace, NONE)],
        );
        assert_eq!(input.text(), "");
        // An accent in front of which the cursor would fall between two halves of a cluster.
        let mut input = Input::new("\u{301}x");
        press(
            &mut input,
            &[(KeyCode::Home, NONE), (KeyCode::Char('a'), NONE)],
        );
        press(&mut input, &[(KeyCode::Backspace, NONE)]);
        assert_eq!(input.text(), "x");
    }

    #[test]
    fn a_paste_is_bounded_and_shown_safely() {
        let mut input = Input::default();
        input.insert(&"日".repeat(MAX_BYTES));
        assert!(input.text().len() <= MAX_BYTES);
        input.insert("more");
        let mut input = Input::default();
        input.insert("a\nb\x1b[31m");
        let theme = Theme::monochrome();
        let shown = picture(20, 1, |buf, area| {
            input.draw(buf, area, &theme);
        });
        assert_eq!(shown, "a␤b␛[31m");
        assert_eq!(input.text(), "a\nb\x1b[31m", "only the picture is changed");
    }

    #[test]
    fn the_cursor_is_always_in_sight() {
        let theme = Theme::monochrome();
        for text in [
            "",
            "short",
            "日本語日本語日本語日本語",
            "a very long line that does not fit",
        ] {
            let mut input = Input::new(text);
            for _ in 0..40 {
                for columns in 1..15u16 {
                    let mut buf = Buffer::empty(Rect::new(0, 0, columns, 1));
                    let cursor = input
                        .draw(&mut buf, Rect::new(0, 0, columns, 1), &theme)
                        .unwrap();
                    assert!(cursor.x < columns);
                }
                press(&mut input, &[(KeyCode::Left, NONE)]);
            }
            survives_every_size(|buf, area| {
                input.draw(buf, area, &theme);
            });
        }
    }
}
