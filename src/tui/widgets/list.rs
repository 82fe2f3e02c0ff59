//! A list to choose from: alternatives, branches, sessions, settings, models.

use std::fmt::Debug;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::modal::{Modal, Reply};
use super::overlay::{DrawContext, cells, centered, inside, put, scroll_to, skip};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::fit_end;
use crate::tui::theme::Theme;

/// One row of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRow {
    /// What it is; cut at its end where there is no room.
    pub left: String,
    /// What belongs to it, right-aligned: a figure, a key, a folder. Cut at its beginning.
    pub right: String,
}

impl ListRow {
    pub fn new(left: impl Into<String>, right: impl Into<String>) -> ListRow {
        ListRow {
            left: left.into(),
            right: right.into(),
        }
    }

    /// Draws it into a place, marked with `▸` where it is the selected one.
    pub fn draw(&self, buf: &mut Buffer, place: Rect, selected: bool, theme: &Theme) {
        let (mark, style) = if selected {
            ("▸ ", theme.selected)
        } else {
            ("  ", theme.text)
        };
        if selected {
            buf.set_style(place.intersection(buf.area), theme.selected);
        }
        let inside = put(buf, place, mark, style);
        // The right part may take what the left one leaves, but at least a third.
        let free = inside
            .width
            .saturating_sub(cells(&self.left).saturating_add(2))
            .max(inside.width / 3);
        let right = fit_end(&self.right, usize::from(free));
        let size = cells(&right).min(inside.width);
        let gap = if size > 0 { 2 } else { 0 };
        let room = Rect {
            width: inside.width.saturating_sub(size + gap),
            ..inside
        };
        put(buf, room, &self.left, style);
        let style = if selected { theme.selected } else { theme.dim };
        put(buf, skip(inside, inside.width - size), &right, style);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    selected: usize,
}

/// Another row of `rows` after an action of moving, no further than both ends, where `height` rows
/// are in sight; `None` if it is another action.
pub fn step_row(action: Action, row: usize, rows: usize, height: usize) -> Option<usize> {
    // One row stays in sight, so that nobody loses the place.
    let page = height.saturating_sub(1).max(1);
    let next = match action {
        Action::Up => row.saturating_sub(1),
        Action::Down => row.saturating_add(1),
        Action::PageUp => row.saturating_sub(page),
        Action::PageDown => row.saturating_add(page),
        Action::Home => 0,
        Action::End => usize::MAX,
        _ => return None,
    };
    Some(next.min(rows.saturating_sub(1)))
}

/// The neighbour of one of a closed set in the order in which a key walks through it, round both
/// ends: the panel that gets the keys next.
pub fn neighbour<T: Copy + PartialEq>(all: &[T], of: T, next: bool) -> T {
    let at = all.iter().position(|one| *one == of).unwrap_or(0);
    let step = if next { 1 } else { all.len().max(1) - 1 };
    let there = all.get((at + step) % all.len().max(1));
    there.copied().unwrap_or(of)
}

impl Selection {
    /// Starts at a row.
    pub fn at(selected: usize) -> Selection {
        Selection { selected }
    }

    /// The selected row of `len`; `None` if there are no rows.
    pub fn get(self, len: usize) -> Option<usize> {
        len.checked_sub(1).map(|last| self.selected.min(last))
    }

    /// Moves by an action of [`Context::List`], where `height` rows are in sight; `true` if the action
    /// was one of moving. Up from the first row goes to the last, and down from the last to the first.
    pub fn step(&mut self, action: Action, len: usize, height: usize) -> bool {
        let Some(now) = self.get(len) else {
            return false;
        };
        self.selected = match (action, step_row(action, now, len, height)) {
            (Action::Up, _) if now == 0 => len - 1,
            (Action::Down, _) if now == len - 1 => 0,
            (_, Some(row)) => row,
            (_, None) => return false,
        };
        true
    }

    /// A click on a row drawn in an area selects it; `true` if it was selected already.
    pub fn click(&mut self, area: Rect, len: usize, at: Position) -> bool {
        let Some(now) = self.get(len).filter(|_| area.contains(at)) else {
            return false;
        };
        let row = scroll_to(now, len, usize::from(area.height)) + usize::from(at.y - area.y);
        if row < len {
            self.selected = row;
        }
        row == now
    }

    /// A notch of the wheel: one row on, no further than both ends.
    pub fn wheel(&mut self, down: bool, len: usize) {
        let action = if down { Action::Down } else { Action::Up };
        if let Some(row) = step_row(action, self.selected, len, 1) {
            self.selected = row;
        }
    }

    /// Draws rows into an area, the selected one marked with `▸`.
    pub fn draw<'a>(
        self,
        buf: &mut Buffer,
        area: Rect,
        rows: impl ExactSizeIterator<Item = &'a ListRow>,
        theme: &Theme,
    ) {
        let area = area.intersection(buf.area);
        let Some(selected) = self.get(rows.len()) else {
            return;
        };
        let first = scroll_to(selected, rows.len(), usize::from(area.height));
        let shown = rows.enumerate().skip(first);
        for ((index, row), place) in shown.zip(area.rows()) {
            row.draw(buf, place, index == selected, theme);
        }
    }
}

/// A list in a box of its own; every row carries the answer it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    title: String,
    empty: String,
    rows: Vec<(T, ListRow)>,
    selection: Selection,
    /// Where the rows stand; settled before each drawing.
    shown: Rect,
}

impl<T: Clone + Debug> List<T> {
    /// A list that starts at its first row; the title says what is chosen here.
    pub fn new(title: impl Into<String>, rows: impl IntoIterator<Item = (T, ListRow)>) -> List<T> {
        List {
            title: title.into(),
            empty: String::new(),
            rows: rows.into_iter().collect(),
            selection: Selection::default(),
            shown: Rect::default(),
        }
    }

    /// The box, border included, in an area.
    fn place(&self, area: Rect) -> Rect {
        let wide = |(_, row): &(T, ListRow)| cells(&row.left).saturating_add(cells(&row.right));
        let widest = self.rows.iter().map(wide).max().unwrap_or(0);
        let widest = widest.saturating_add(4).max(cells(&self.empty));
        let width = widest.saturating_add(4).clamp(40, 100);
        let height = u16::try_from(self.rows.len().max(1)).unwrap_or(u16::MAX);
        let most = area.height.saturating_sub(4).max(3);
        centered(area, width, height.saturating_add(2).min(most))
    }

    /// What to say where there is nothing to choose: what to do next.
    pub fn empty(mut self, sentence: &str) -> List<T> {
        sentence.clone_into(&mut self.empty);
        self
    }

    /// Starts at the first row whose answer is meant, if there is one.
    pub fn select(mut self, meant: impl Fn(&T) -> bool) -> List<T> {
        if let Some(at) = self.rows.iter().position(|(answer, _)| meant(answer)) {
            self.selection = Selection::at(at);
        }
        self
    }

    /// Handles an action of [`Context::List`].
    fn handle(&mut self, action: Action) -> Reply<T> {
        match action {
            Action::Accept => match self.selected() {
                Some((answer, _)) => Reply::Done(answer.clone()),
                None => Reply::Open,
            },
            Action::Cancel => Reply::Cancelled,
            action => match self.step(action) {
                true => Reply::Open,
                false => Reply::Other(action),
            },
        }
    }

    fn step(&mut self, action: Action) -> bool {
        let height = usize::from(self.shown.height);
        self.selection.step(action, self.rows.len(), height)
    }

    fn selected(&self) -> Option<&(T, ListRow)> {
        self.rows.get(self.selection.get(self.rows.len())?)
    }
}

impl<T: Clone + Debug> Modal for List<T> {
    type Output = T;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<T> {
        match keymap.action(Context::List, key) {
            Some(action) => self.handle(action),
            None => Reply::Open,
        }
    }

    fn click(&mut self, at: Position) -> Reply<T> {
        match self.selection.click(self.shown, self.rows.len(), at) {
            true => self.handle(Action::Accept),
            false => Reply::Open,
        }
    }

    fn wheel(&mut self, down: bool) {
        self.selection.wheel(down, self.rows.len());
    }

    fn prepare(&mut self, area: Rect, _: &Keymap) {
        self.shown = inside(self.place(area));
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let place = self.place(on.area);
        let keys = [(Action::Accept, "choose"), (Action::Cancel, "back")];
        let inner = on.boxed(place, &self.title, &on.hint(Context::List, &keys));
        if self.rows.is_empty() {
            on.put(inner, &self.empty, on.theme.dim);
        }
        let rows = self.rows.iter().map(|(_, row)| row);
        self.selection.draw(on.buf, inner, rows, on.theme);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    fn rows(n: usize) -> Vec<(usize, ListRow)> {
        (0..n)
            .map(|i| {
                (
                    i,
                    ListRow::new(format!("row {i} 日本語"), format!("/folder/{i}")),
                )
            })
            .collect()
    }

    #[test]
    fn moving_wraps_at_both_ends_and_choosing_gives_the_answer_of_the_row() {
        let mut list = List::new("Branches", rows(3));
        list.handle(Action::Up);
        assert_eq!(list.handle(Action::Accept), Reply::Done(2));
        list.handle(Action::Down);
        assert_eq!(list.handle(Action::Accept), Reply::Done(0));
        for _ in 0..2 {
            list.handle(Action::PageDown);
        }
        list.handle(Action::PageDown);
        assert_eq!(
            list.handle(Action::Accept),
            Reply::Done(2),
            "a page does not wrap"
        );
        assert_eq!(list.handle(Action::Cancel), Reply::Cancelled);
        assert_eq!(list.handle(Action::Quit), Reply::Other(Action::Quit));
        let mut list = List::new("Branches", rows(0));
        assert_eq!(list.handle(Action::Accept), Reply::Open);
        let mut list = List::new("Branches", rows(3)).select(|&i| i == 1);
        assert_eq!(list.handle(Action::Accept), Reply::Done(1));
    }

    /// A user would lose: rows that a page jumps over.
    #[test]
    fn a_page_is_what_is_in_sight() {
        let mut list = List::new("Branches", rows(30));
        list.prepare(Rect::new(0, 0, 60, 12), &Keymap::default());
        list.handle(Action::PageDown);
        // Eight rows less the border, one of which stays.
        assert_eq!(list.handle(Action::Accept), Reply::Done(5));
        list.handle(Action::PageUp);
        assert_eq!(list.handle(Action::Accept), Reply::Done(0));
    }

    /// A user would lose: the mouse, which works everywhere but in what lies over the screen.
    #[test]
    fn a_click_selects_and_a_click_on_what_is_selected_chooses() {
        let mut list = List::new("Branches", rows(3));
        let area = Rect::new(0, 0, 60, 12);
        list.prepare(area, &Keymap::default());
        let at = |row| Position::new(30, list_top() + row);
        assert_eq!(list.click(at(2)), Reply::Open);
        assert_eq!(list.click(at(2)), Reply::Done(2));
        list.wheel(true);
        assert_eq!(
            list.handle(Action::Accept),
            Reply::Done(2),
            "no further than the end"
        );
        list.wheel(false);
        assert_eq!(list.handle(Action::Accept), Reply::Done(1));
        assert_eq!(list.click(Position::new(0, 0)), Reply::Open);
    }

    /// First row of a list of three on a screen of twelve.
    fn list_top() -> u16 {
        (12 - 5) / 2 + 1
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let list = List::new("Alternatives", rows(5)).select(|&i| i == 1);
        let shown = picture(60, 12, |buf, area| {
            list.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("list", shown);
        let list = List::new("Open", rows(0)).empty("no sessions yet: Ctrl-s saves one");
        let shown = picture(60, 6, |buf, area| {
            list.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("list_empty", shown);
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        let mut list = List::new("Branches", rows(30));
        survives_every_size(|buf, area| {
            list.handle(Action::Down);
            list.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        let empty = List::new("Open", rows(0)).empty("nothing here");
        survives_every_size(|buf, area| {
            empty.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
