//! A list that typing narrows, in rows or in columns: the commands, the models, the sessions, the
//! problem sets, the runs.

use std::fmt::Debug;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::input::{Input, types};
use super::list::{ListRow, Selection};
use super::modal::{Modal, Reply};
use super::overlay::{DrawContext, below, centered, inside, skip};
use super::paths::complete;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::{clean_line, fit_middle, width};
use crate::tui::theme::Theme;

/// Something to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry<T> {
    /// The answer it stands for.
    pub value: T,
    /// How it is shown where the kind has no columns.
    pub row: ListRow,
    /// What stands in the columns, where the kind has some.
    pub cells: Vec<String>,
    /// What else there is to say of it, below the list while it is selected.
    pub about: String,
    /// Why it cannot be taken; one sentence.
    pub fault: Option<String>,
    /// Where the letters are looked for.
    pub text: String,
    /// Another place to look, where a match says more.
    pub name: &'static str,
}

/// A column: its head, and whether its cells are numbers, which end at its right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnHead {
    pub name: &'static str,
    pub right: bool,
}

impl ColumnHead {
    pub const fn left(name: &'static str) -> ColumnHead {
        ColumnHead { name, right: false }
    }

    pub const fn right(name: &'static str) -> ColumnHead {
        ColumnHead { name, right: true }
    }
}

/// The fewest columns of the first column, which takes what the others leave.
const FIRST: usize = 24;
/// Columns between two columns, and before the first.
const GAP: usize = 2;

/// A letter, pressed with Ctrl on a row, what it does in a word, and the answer that stands for it.
pub type RowKey<T> = (char, &'static str, fn(&T) -> T);

/// What is particular about a list of one kind of things.
#[derive(Debug)]
pub struct FinderSpec<T: 'static> {
    pub title: &'static str,
    /// The sign before what is typed.
    pub sign: &'static str,
    /// What stands there while nothing is typed.
    pub placeholder: &'static str,
    /// What Enter does, in a word.
    pub accept: &'static str,
    /// Other things that can be done with the selected one.
    pub others: &'static [RowKey<T>],
    /// The columns, the most telling first; those that find no room are left out from the right. None
    /// where every entry is one row.
    pub columns: &'static [ColumnHead],
    /// Rows between what is typed and the list, where there is no head.
    pub gap: u16,
    /// Where the box stands, for so many entries.
    pub place: fn(Rect, usize) -> Rect,
    /// Reads typed text that is an answer by itself.
    pub typed: fn(&str) -> Option<T>,
    /// What is wrong with such an answer, in a sentence.
    pub check: fn(&T) -> Result<(), String>,
    /// What to say instead of the list where typed text is an answer by itself.
    pub takes_typed: &'static str,
    /// What to say where nothing matches; `None` while things are still being looked for.
    pub nothing: fn(Option<usize>, &Theme) -> Vec<Line<'static>>,
}

/// The list, what is typed, and what is selected among what matches.
#[derive(Clone, Debug)]
pub struct Finder<T: 'static> {
    kind: &'static FinderSpec<T>,
    /// `None` while things are still being looked for.
    entries: Option<Vec<Entry<T>>>,
    pub(super) input: Input,
    selection: Selection,
    /// Why the last answer could not be taken, in one sentence; shown until the next key.
    pub(super) error: Option<String>,
    /// Where the list stands; settled before each drawing.
    shown: Rect,
}

impl<T: Clone + Debug> Finder<T> {
    /// A list of things that are still being looked for.
    pub fn searching(kind: &'static FinderSpec<T>) -> Finder<T> {
        Finder {
            kind,
            entries: None,
            input: Input::default(),
            selection: Selection::default(),
            error: None,
            shown: Rect::default(),
        }
    }

    /// Where the list stands in an area.
    fn list(&self, area: Rect) -> Rect {
        let place = (self.kind.place)(area, self.entries().len());
        if !self.kind.columns.is_empty() {
            // Below what is typed the heads, at the bottom what is said of the selected one.
            let mut list = below(inside(place), 2);
            list.height = list.height.saturating_sub(1);
            return list;
        }
        let mut list = below(inside(place), 1 + self.kind.gap);
        if self.error.is_some() {
            list.height = list.height.saturating_sub(2);
        }
        list
    }

    /// How wide each column is in so much room, as many as there is room for.
    fn widths(&self, room: usize) -> Vec<usize> {
        let widest = |(at, head): (usize, &ColumnHead)| {
            let cells = self
                .entries()
                .iter()
                .filter_map(|entry| entry.cells.get(at));
            let widest = cells.map(|cell| width(&clean_line(cell))).max();
            widest.unwrap_or(0).max(width(head.name))
        };
        let mut widths: Vec<usize> = self.kind.columns.iter().enumerate().map(widest).collect();
        let Some(&first) = widths.first() else {
            return widths;
        };
        let others = |widths: &[usize]| widths[1..].iter().map(|w| w + GAP).sum::<usize>();
        while widths.len() > 1 && others(&widths) + first.min(FIRST) + GAP > room {
            widths.pop();
        }
        widths[0] = room.saturating_sub(others(&widths) + GAP);
        widths
    }

    /// One row of cells in columns of these widths.
    fn laid<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let mut row = String::new();
        for ((cell, wide), (at, head)) in
            cells.zip(widths).zip(self.kind.columns.iter().enumerate())
        {
            let cell = clean_line(cell);
            let cell = fit_middle(&cell, *wide);
            let pad = " ".repeat(wide - width(&cell).min(*wide));
            let gap = " ".repeat(if at > 0 { GAP } else { 0 });
            row += &match head.right {
                true => format!("{gap}{pad}{cell}"),
                false => format!("{gap}{cell}{pad}"),
            };
        }
        row
    }

    /// The entry that is selected.
    fn selected<'a>(&self, matches: &[&'a Entry<T>]) -> Option<&'a Entry<T>> {
        let at = self.selection.get(matches.len())?;
        matches.get(at).copied()
    }

    /// Starts at the first entry that is meant, if there is one.
    pub fn select(&mut self, meant: impl Fn(&T) -> bool) {
        let mut entries = self.entries().iter();
        if let Some(at) = entries.position(|entry| meant(&entry.value)) {
            self.selection = Selection::at(at);
        }
    }

    /// Why the last answer could not be taken.
    #[cfg(test)]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Replaces the entries.
    pub fn set_entries(&mut self, entries: Vec<Entry<T>>) {
        self.entries = Some(entries);
    }

    fn entries(&self) -> &[Entry<T>] {
        self.entries.as_deref().unwrap_or_default()
    }

    /// The entries that match what is typed, best first; those that match half as well as the best
    /// only by chance are left out.
    pub fn matches(&self) -> Vec<&Entry<T>> {
        let query = self.input.text();
        let found = self.entries().iter().filter_map(|entry| {
            let name = score(query, entry.name).map(|s| s + 8);
            Some((name.max(score(query, &entry.text))?, entry))
        });
        let mut scored: Vec<(i32, &Entry<T>)> = found.collect();
        // Stable: equals stay in their order.
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let best = scored.first().map_or(0, |(score, _)| *score);
        let good = scored.into_iter().take_while(|(s, _)| s * 2 >= best);
        good.map(|(_, entry)| entry).collect()
    }

    fn accept(&mut self) -> Reply<T> {
        if let Some(typed) = (self.kind.typed)(self.input.text()) {
            self.error = (self.kind.check)(&typed).err();
            return match self.error {
                Some(_) => Reply::Open,
                None => Reply::Done(typed),
            };
        }
        let chosen = self.selected(&self.matches()).cloned();
        match chosen {
            Some(Entry {
                fault: None, value, ..
            }) => Reply::Done(value),
            Some(Entry { fault, .. }) => {
                self.error = fault;
                Reply::Open
            }
            None => Reply::Open,
        }
    }

    fn draw_list(&self, on: &mut DrawContext, area: Rect) {
        let matches = self.matches();
        if (self.kind.typed)(self.input.text()).is_some() {
            on.put(area, self.kind.takes_typed, on.theme.dim);
        } else if matches.is_empty() {
            let lines = (self.kind.nothing)(self.entries.as_ref().map(Vec::len), on.theme);
            for (line, row) in lines.into_iter().zip(area.rows()) {
                line.render(row, on.buf);
            }
        } else if self.kind.columns.is_empty() {
            let rows = matches.iter().map(|entry| &entry.row);
            self.selection.draw(on.buf, area, rows, on.theme);
        } else {
            let widths = self.widths(usize::from(area.width));
            let row = |entry: &&Entry<T>| {
                let cells = entry.cells.iter().map(String::as_str);
                ListRow::new(self.laid(cells, &widths), "")
            };
            let rows: Vec<ListRow> = matches.iter().map(row).collect();
            self.selection.draw(on.buf, area, rows.iter(), on.theme);
        }
    }

    /// The heads of the columns, and below the list what is said of the selected entry.
    fn draw_around(&self, on: &mut DrawContext, inner: Rect, list: Rect) {
        if self.kind.columns.is_empty() {
            return;
        }
        let widths = self.widths(usize::from(list.width));
        let heads = self.kind.columns.iter().map(|head| head.name);
        let heads = self.laid(heads, &widths);
        let place = skip(below(inner, 1), GAP as u16);
        on.put(place, &heads, on.theme.dim);
        let matches = self.matches();
        let selected = self.selected(&matches).filter(|_| self.error.is_none());
        let typed = (self.kind.typed)(self.input.text()).is_some();
        if let Some(entry) = selected.filter(|_| !typed) {
            let last = below(inner, inner.height.saturating_sub(1));
            match &entry.fault {
                Some(fault) => on.put(last, &format!("✗ {fault}"), on.theme.bad),
                None => on.put(last, &entry.about, on.theme.dim),
            };
        }
    }
}

impl<T: Clone + Debug> Modal for Finder<T> {
    type Output = T;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<T> {
        if let Some((_, _, other)) = self.kind.others.iter().find(|(letter, ..)| {
            key.modifiers == KeyModifiers::CONTROL && key.code.as_char() == Some(*letter)
        }) {
            let chosen = self.selected(&self.matches());
            return chosen.map_or(Reply::Open, |entry| Reply::Done(other(&entry.value)));
        }
        if key.code == KeyCode::Tab && (self.kind.typed)(self.input.text()).is_some() {
            self.error = complete(&mut self.input);
            return Reply::Open;
        }
        let action = keymap.action(Context::List, key).filter(|_| !types(key));
        let count = self.matches().len();
        let height = usize::from(self.shown.height);
        match action {
            Some(Action::Accept) => return self.accept(),
            Some(Action::Cancel) => return Reply::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Reply::Other(action);
            }
            Some(action) if self.selection.step(action, count, height) => self.error = None,
            _ => {
                if self.input.handle(key) {
                    self.error = None;
                    self.selection = Selection::default();
                }
            }
        }
        Reply::Open
    }

    /// Inserts pasted text, e.g. a file dragged onto the terminal.
    fn paste(&mut self, text: &str) {
        self.error = None;
        self.selection = Selection::default();
        self.input.insert(text.trim_end());
    }

    fn click(&mut self, at: Position) -> Reply<T> {
        let count = self.matches().len();
        match self.selection.click(self.shown, count, at) {
            true => self.accept(),
            false => Reply::Open,
        }
    }

    fn wheel(&mut self, down: bool) {
        let count = self.matches().len();
        self.selection.wheel(down, count);
    }

    fn prepare(&mut self, area: Rect, _: &Keymap) {
        self.shown = self.list(area);
    }

    fn show_error(&mut self, sentence: &str) -> bool {
        self.error = Some(sentence.to_owned());
        true
    }

    /// The box keeps its place while the list gets shorter.
    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let (kind, theme) = (self.kind, on.theme);
        let keys = [(Action::Accept, kind.accept), (Action::Cancel, "back")];
        let place = (kind.place)(on.area, self.entries().len());
        let mut hint = String::new();
        for (letter, word, _) in kind.others {
            hint += &format!("Ctrl-{letter} {word}   ");
        }
        hint += &on.hint(Context::List, &keys);
        let inner = on.boxed(place, kind.title, &hint);
        on.put(inner, kind.sign, theme.key);
        let line = skip(inner, 2);
        let cursor = self.input.draw(on.buf, line, theme);
        if self.input.text().is_empty() {
            on.put(skip(line, 2), kind.placeholder, theme.dim);
        }
        let list = self.list(on.area).intersection(on.area);
        self.draw_around(on, inner, list);
        if let Some(error) = &self.error {
            let last = below(inner, inner.height.saturating_sub(1));
            on.put(last, &format!("✗ {error}"), theme.bad);
        }
        self.draw_list(on, list);
        cursor
    }
}

/// How well the letters of `query` are found, in order, in `text`; `None` if they are not. Letters
/// that follow each other, and letters that start a word, count more. Spaces in the query and the
/// case of letters do not matter. The best of all ways to match counts; the cost is the product of
/// both lengths, and a query longer than the text is refused at once.
fn score(query: &str, text: &str) -> Option<i32> {
    if query.trim().is_empty() {
        return Some(0);
    }
    let letters = |text: &str| {
        text.chars()
            .flat_map(char::to_lowercase)
            .collect::<Vec<_>>()
    };
    let text = letters(text);
    let query: Vec<char> = letters(query)
        .into_iter()
        .filter(|c| !c.is_whitespace())
        .collect();
    if query.len() > text.len() {
        return None;
    }
    // best[i]: the score of the query so far if its last letter is the text's letter i.
    let mut best: Vec<Option<i32>> = Vec::new();
    for (n, wanted) in query.iter().enumerate() {
        let mut before = None;
        let mut next = Vec::with_capacity(text.len());
        for (i, letter) in text.iter().enumerate() {
            let adjacent = i.checked_sub(1).and_then(|p| *best.get(p)?);
            let so_far = if n == 0 {
                Some(0)
            } else {
                adjacent.map(|s| s + 4).max(before)
            };
            let starts_word = i == 0 || !text[i - 1].is_alphanumeric();
            let here = 1 + if starts_word { 3 } else { 0 };
            next.push(so_far.filter(|_| letter == wanted).map(|s| s + here));
            before = before.max(best.get(i).copied().flatten());
        }
        best = next;
    }
    best.into_iter().flatten().max()
}

/// A list of many entries in the middle of the screen, so wide at most.
pub fn place_of_columns(area: Rect, entries: usize, columns: u16) -> Rect {
    let most = area.height.saturating_sub(2).max(1);
    let rows = u16::try_from(entries).unwrap_or(u16::MAX);
    let height = rows.saturating_add(5).clamp(11, most.max(11)).min(most);
    centered(area, columns, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_way_to_match_counts() {
        assert_eq!(score("", "anything"), Some(0));
        assert_eq!(
            score("sa", "xsa s"),
            Some(1 + 5),
            "a later word must not hide the match"
        );
        assert!(
            score("ab", "x ab") > score("ab", "a x b x"),
            "a run beats two starts of words"
        );
        assert!(score("cs", "cut sentence") > score("cs", "focus"));
        assert_eq!(score("ba", "ab"), None);
        assert_eq!(score("aa", "a"), None);
        assert_eq!(score("日本", "日 本"), Some(4 + 4));
    }
}
