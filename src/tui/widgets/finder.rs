//! A list that typing narrows: the commands, the models.

use std::fmt::Debug;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::input::{Input, types};
use super::list::{ListRow, Selection};
use super::modal::{Modal, Reply};
use super::overlay::{Canvas, below, inside, skip};
use super::paths::complete;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

/// Something to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The answer it stands for.
    pub value: T,
    pub row: ListRow,
    /// Where the letters are looked for.
    pub text: String,
    /// Another place to look, where a match says more.
    pub name: &'static str,
}

/// A letter, pressed with Ctrl on a row, what it does in a word, and the answer that stands for it.
pub type RowKey<T> = (char, &'static str, fn(&T) -> T);

/// What is particular about a list of one kind of things.
#[derive(Debug)]
pub struct Finding<T: 'static> {
    pub title: &'static str,
    /// The sign before what is typed.
    pub sign: &'static str,
    /// What stands there while nothing is typed.
    pub placeholder: &'static str,
    /// What Enter does, in a word.
    pub accept: &'static str,
    /// Other things that can be done with the selected one.
    pub others: &'static [RowKey<T>],
    /// Rows between what is typed and the list.
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
    kind: &'static Finding<T>,
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
    pub fn searching(kind: &'static Finding<T>) -> Finder<T> {
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
        let mut list = below(inside(place), 1 + self.kind.gap);
        if self.error.is_some() {
            list.height = list.height.saturating_sub(2);
        }
        list
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
        let matches = self.matches();
        let chosen = self.selection.get(matches.len()).map(|at| matches[at]);
        chosen.map_or(Reply::Open, |entry| Reply::Done(entry.value.clone()))
    }

    fn draw_list(&self, on: &mut Canvas, area: Rect) {
        let matches = self.matches();
        if (self.kind.typed)(self.input.text()).is_some() {
            on.put(area, self.kind.takes_typed, on.theme.dim);
        } else if matches.is_empty() {
            let lines = (self.kind.nothing)(self.entries.as_ref().map(Vec::len), on.theme);
            for (line, row) in lines.into_iter().zip(area.rows()) {
                line.render(row, on.buf);
            }
        } else {
            let rows = matches.iter().map(|entry| &entry.row);
            self.selection.draw(on.buf, area, rows, on.theme);
        }
    }
}

impl<T: Clone + Debug> Modal for Finder<T> {
    type Output = T;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<T> {
        if let Some((_, _, other)) = self.kind.others.iter().find(|(letter, ..)| {
            key.modifiers == KeyModifiers::CONTROL && key.code.as_char() == Some(*letter)
        }) {
            let matches = self.matches();
            let chosen = self.selection.get(matches.len()).map(|at| matches[at]);
            return chosen.map_or(Reply::Open, |entry| Reply::Done(other(&entry.value)));
        }
        if key.code == KeyCode::Tab && (self.kind.typed)(self.input.text()).is_some() {
            self.error = complete(&mut self.input);
            return Reply::Open;
        }
        let action = keymap.action(Context::List, key).filter(|_| !types(key));
        let count = self.matches().len();
        match action {
            Some(Action::Accept) => return self.accept(),
            Some(Action::Cancel) => return Reply::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Reply::Other(action);
            }
            Some(action) if self.selection.step(action, count) => self.error = None,
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
    fn draw(&self, on: &mut Canvas) -> Option<Position> {
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
        if let Some(error) = &self.error {
            let last = below(inner, inner.height.saturating_sub(1));
            on.put(last, &format!("✗ {error}"), theme.bad);
        }
        let list = self.list(on.area).intersection(on.area);
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
