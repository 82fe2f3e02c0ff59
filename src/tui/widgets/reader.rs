//! Rows to read over the screen: a text, or the keys, which typing narrows.

use std::convert::Infallible;
use std::fmt::Debug;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::input::{Input, types};
use super::modal::{Modal, Reply, read_key};
use super::overlay::{DrawContext, below, centered, skip};
use super::prose::{KeptRow, kept_rows};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::clean;
use crate::tui::theme::Theme;

/// What is read.
pub trait Readable: Debug {
    /// Columns that read well.
    const WIDTH: u16;
    /// Whether typing narrows its rows to those where that is found.
    const FINDS: bool = false;
    fn title(&self) -> &str;
    /// The key that opened it closes it: the one of this action where it was pressed.
    fn opener(&self) -> (Context, Action);
    /// Its rows, each of at most so many columns; those where what is `wanted` is found, where it
    /// [finds](Readable::FINDS).
    fn rows(
        &self,
        wanted: &str,
        columns: usize,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Vec<Line<'static>>;
}

/// Something to read, and how far it is scrolled.
#[derive(Clone, Debug)]
pub struct Reader<R> {
    pub(super) what: R,
    /// What is typed, where typing narrows the rows.
    pub(super) wanted: Input,
    /// First row shown.
    pub(super) scroll: usize,
    /// Rows in all and rows in sight, when that was last settled.
    rows: usize,
    room: usize,
    /// Rows while nothing is typed: the box keeps its height while typing narrows them.
    most: usize,
}

impl<R: Readable> Reader<R> {
    pub fn new(what: R) -> Reader<R> {
        Reader {
            what,
            wanted: Input::default(),
            scroll: 0,
            rows: 1,
            room: 1,
            most: 1,
        }
    }

    /// Handles an action of [`Context::List`]; `true` if it is to be closed.
    pub(super) fn handle(&mut self, action: Action) -> bool {
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

    /// The rows in an area, and how many of them are seen at once.
    fn layout(&self, area: Rect, keymap: &Keymap, theme: &Theme) -> (Vec<Line<'static>>, usize) {
        let most = Self::place(area, usize::MAX);
        let columns = usize::from(most.width).saturating_sub(4).max(1);
        let rows = self.what.rows(self.wanted.text(), columns, keymap, theme);
        let room = usize::from(most.height).saturating_sub(2 + Self::above());
        (rows, room.max(1))
    }

    /// Rows above the others: what is typed, and an empty one.
    const fn above() -> usize {
        if R::FINDS { 2 } else { 0 }
    }

    fn place(area: Rect, rows: usize) -> Rect {
        let rows = rows.saturating_add(2 + Self::above());
        let height = u16::try_from(rows).unwrap_or(u16::MAX);
        centered(area, R::WIDTH, height)
    }
}

impl<R: Readable> Modal for Reader<R> {
    type Output = Infallible;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Infallible> {
        // Letters search before they scroll, but for the one that opened it.
        let (context, opener) = self.what.opener();
        let opens = keymap.action(context, key) == Some(opener);
        let edits = types(key) || matches!(key.code, KeyCode::Backspace | KeyCode::Delete);
        if R::FINDS && edits && !opens && self.wanted.handle(key) {
            self.scroll = 0;
            return Reply::Open;
        }
        read_key(key, keymap, (context, opener), |action| self.handle(action))
    }

    fn paste(&mut self, text: &str) {
        if R::FINDS {
            self.wanted.insert(text.trim_end());
            self.scroll = 0;
        }
    }

    fn wheel(&mut self, down: bool) {
        for _ in 0..3 {
            self.handle(if down { Action::Down } else { Action::Up });
        }
    }

    fn prepare(&mut self, area: Rect, keymap: &Keymap) {
        let (rows, room) = self.layout(area, keymap, &Theme::default());
        (self.rows, self.room) = (rows.len(), room);
        if self.wanted.text().is_empty() {
            self.most = self.rows;
        }
        self.scroll = self.scroll.min(self.rows.saturating_sub(self.room));
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let (rows, room) = self.layout(on.area, on.keymap, on.theme);
        let first = self.scroll.min(rows.len().saturating_sub(room));
        let key = |action| on.keymap.key_for(Context::List, action);
        let mut hint = String::new();
        if let (Some(up), Some(down)) = (key(Action::Up), key(Action::Down))
            && rows.len() > room
        {
            let last = (first + room).min(rows.len());
            hint = format!("{up} {down}   {}–{last} of {}   ", first + 1, rows.len());
        }
        hint += &on.hint(Context::List, &[(Action::Cancel, "back")]);
        let place = Self::place(on.area, rows.len().max(self.most));
        let mut inner = on.boxed(place, self.what.title(), &hint);
        let mut cursor = None;
        if R::FINDS {
            on.put(inner, "›", on.theme.key);
            let line = skip(inner, 2);
            cursor = self.wanted.draw(on.buf, line, on.theme);
            if self.wanted.text().is_empty() {
                on.put(skip(line, 2), "type to find", on.theme.dim);
            }
            inner = below(inner, 2);
        }
        for (row, at) in rows.into_iter().skip(first).zip(inner.rows()) {
            row.render(at, on.buf);
        }
        cursor
    }
}

/// A text, wrapped to the room there is, every space and line break kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    title: String,
    opener: (Context, Action),
    /// Safe to show.
    text: String,
}

impl Text {
    /// A text from anywhere; control sequences in it become visible.
    pub fn new(title: String, text: &str, opener: (Context, Action)) -> Text {
        Text {
            title,
            opener,
            text: clean(text).into_owned(),
        }
    }
}

impl Readable for Text {
    const WIDTH: u16 = 104;

    fn title(&self) -> &str {
        &self.title
    }

    fn opener(&self) -> (Context, Action) {
        self.opener
    }

    fn rows(&self, _: &str, columns: usize, _: &Keymap, theme: &Theme) -> Vec<Line<'static>> {
        let rows = kept_rows([(&self.text, ())], columns).into_iter();
        let text = |row: KeptRow<()>| row.into_iter().map(|(text, ())| text).collect::<String>();
        rows.map(|row| Line::styled(text(row), theme.text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    const PROMPT: &str =
        "<|im_start|>user\nHow many r's are in \"raspberry\"?  \u{1b}[2J<|im_end|>\n<think>\n";

    fn reader(text: &str) -> Reader<Text> {
        let opener = (Context::Explore, Action::ShowPrompt);
        Reader::new(Text::new("Prompt".into(), text, opener))
    }

    #[test]
    fn every_character_is_there_and_none_does_anything() {
        let rows = |text, columns| {
            let rows = kept_rows([(text, ())], columns);
            let text = |row: &KeptRow<()>| row.iter().map(|(t, ())| &**t).collect::<String>();
            rows.iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(rows("ab  cd\n\ne", 3), ["ab ", " cd", "", "e"]);
        assert_eq!(rows("日本語", 5), ["日本", "語"]);
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(60, 12, |buf, area| {
            reader(PROMPT).draw(&mut DrawContext::new(buf, area, &keymap, &theme));
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
            reader.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        assert!(end.contains("line 50"), "{end}");
        reader.handle(Action::Up);
        let up = picture(60, 12, |buf, area| {
            reader.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        assert!(!up.contains("line 50") && up.contains("line 49"), "{up}");
        let v = KeyEvent::from(KeyCode::Char('v'));
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
            reader.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
