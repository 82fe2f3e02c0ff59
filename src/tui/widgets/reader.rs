//! A text to read over the screen: wrapped to the room there is, every space and line break kept.

use std::convert::Infallible;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::modal::{Modal, Reply, read_key};
use super::overlay::{boxed, centered};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::{clean, graphemes};
use crate::tui::theme::Theme;

/// Columns that read well.
const WIDTH: u16 = 104;

/// A text and how far it is scrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextReader {
    title: String,
    /// The key that opened it, of this action on this screen, closes it.
    opener: (Context, Action),
    /// Safe to show.
    text: String,
    /// First row shown.
    scroll: usize,
    /// Rows of the text and rows in sight, when it was last settled.
    rows: usize,
    room: usize,
}

impl TextReader {
    /// A text from anywhere; control sequences in it become visible.
    pub fn new(title: &str, text: &str, opener: (Context, Action)) -> TextReader {
        TextReader {
            title: title.to_owned(),
            opener,
            text: clean(text).into_owned(),
            scroll: 0,
            rows: 1,
            room: 1,
        }
    }

    /// Handles an action of [`Context::List`]; `true` if the text is to be closed.
    fn handle(&mut self, action: Action) -> bool {
        let page = self.room.saturating_sub(1).max(1);
        let last = self.rows.saturating_sub(self.room);
        self.scroll = match action {
            Action::Up => self.scroll.saturating_sub(1),
            Action::Down => self.scroll + 1,
            Action::PageUp => self.scroll.saturating_sub(page),
            Action::PageDown => self.scroll + page,
            Action::Home => 0,
            Action::End => last,
            Action::Cancel | Action::Accept => return true,
            _ => self.scroll,
        }
        .min(last);
        false
    }

    /// The rows of the text in an area, and how many of them are seen at once.
    fn layout(&self, area: Rect) -> (Vec<String>, usize) {
        let most = place(area, usize::from(u16::MAX));
        let columns = usize::from(most.width).saturating_sub(4).max(1);
        let rows = wrap(&self.text, columns);
        (rows, usize::from(most.height).saturating_sub(2).max(1))
    }
}

impl Modal for TextReader {
    type Output = Infallible;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Infallible> {
        read_key(key, keymap, Some(self.opener), |action| self.handle(action))
    }

    fn prepare(&mut self, area: Rect, _keymap: &Keymap) {
        let (rows, room) = self.layout(area);
        (self.rows, self.room) = (rows.len(), room);
        self.scroll = self.scroll.min(self.rows.saturating_sub(self.room));
    }

    fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position> {
        let area = area.intersection(buf.area);
        let (rows, room) = self.layout(area);
        let first = self.scroll.min(rows.len().saturating_sub(room));
        let key = |action| keymap.key_for(Context::List, action);
        let mut hint = String::new();
        if let (Some(up), Some(down)) = (key(Action::Up), key(Action::Down))
            && rows.len() > room
        {
            let last = (first + room).min(rows.len());
            hint = format!("{up} {down}   {}–{last} of {}   ", first + 1, rows.len());
        }
        if let Some(back) = key(Action::Cancel) {
            hint += &format!("{back} back");
        }
        let inner = boxed(buf, place(area, rows.len()), &self.title, &hint, theme);
        for (row, at) in rows.into_iter().skip(first).zip(inner.rows()) {
            Line::styled(row, theme.text).render(at, buf);
        }
        None
    }
}

fn place(area: Rect, rows: usize) -> Rect {
    let height = u16::try_from(rows.saturating_add(2)).unwrap_or(u16::MAX);
    centered(area, WIDTH, height)
}

/// Breaks at line breaks, and wherever a row is full: in a prompt every character counts, so none
/// is left out for a better break.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.split('\n') {
        let (mut row, mut used) = (String::new(), 0);
        for (cluster, width) in graphemes(line) {
            if used + width > columns && used > 0 {
                rows.push(std::mem::take(&mut row));
                used = 0;
            }
            row.push_str(cluster);
            used += width;
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    const PROMPT: &str =
        "<|im_start|>user\nHow many r's are in \"raspberry\"?  \u{1b}[2J<|im_end|>\n<think>\n";

    fn reader(text: &str) -> TextReader {
        TextReader::new("Prompt", text, (Context::Explore, Action::ShowPrompt))
    }

    #[test]
    fn every_character_is_there_and_none_does_anything() {
        assert_eq!(wrap("ab  cd\n\ne", 3), ["ab ", " cd", "", "e"]);
        assert_eq!(wrap("日本語", 5), ["日本", "語"]);
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(60, 12, |buf, area| {
            reader(PROMPT).draw(buf, area, &keymap, &theme);
        });
        assert!(shown.contains("<|im_start|>user"), "{shown}");
        assert!(shown.contains("<think>"), "{shown}");
        assert!(shown.contains('␛') && !shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn it_scrolls_to_its_end_and_no_further() {
        let text = (1..=50).map(|n| format!("line {n}\n")).collect::<String>();
        let mut reader = reader(text.trim_end());
        let area = Rect::new(0, 0, 60, 12);
        let (keymap, theme) = (Keymap::default(), Theme::default());
        reader.prepare(area, &keymap);
        for _ in 0..9 {
            assert!(!reader.handle(Action::PageDown));
        }
        let end = picture(60, 12, |buf, area| {
            reader.draw(buf, area, &keymap, &theme);
        });
        assert!(end.contains("line 50"), "{end}");
        reader.handle(Action::Up);
        let up = picture(60, 12, |buf, area| {
            reader.draw(buf, area, &keymap, &theme);
        });
        assert!(!up.contains("line 50") && up.contains("line 49"), "{up}");
        let v = KeyEvent::from(crossterm::event::KeyCode::Char('v'));
        assert_eq!(
            reader.key(v, &keymap),
            Reply::Cancelled,
            "the same key closes it"
        );
    }

    #[test]
    fn it_survives_every_size() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let mut reader = reader(PROMPT);
        survives_every_size(|buf, area| {
            reader.prepare(area, &keymap);
            reader.draw(buf, area, &keymap, &theme);
        });
    }
}
