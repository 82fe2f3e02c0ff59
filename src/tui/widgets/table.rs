//! Rows in columns under a head. A column is described in one place: its head, where its cells
//! stand, and how a row gives one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::overlay::{cells, put, scroll_to, skip};
use crate::tui::theme::Theme;

/// Columns between two columns.
const GAP: u16 = 2;

/// What a row shows in a column.
type CellOf<'a, T> = Box<dyn Fn(&T) -> (String, Style) + 'a>;

struct Column<'a, T> {
    head: &'static str,
    right: bool,
    least: u16,
    cut: bool,
    cell: CellOf<'a, T>,
}

/// Rows, and what each column shows of them.
pub struct Table<'a, T> {
    rows: &'a [T],
    columns: Vec<Column<'a, T>>,
    selected: Option<usize>,
}

impl<'a, T> Table<'a, T> {
    /// A table without columns.
    pub fn new(rows: &'a [T]) -> Table<'a, T> {
        Table {
            rows,
            columns: Vec::new(),
            selected: None,
        }
    }

    /// Adds a column of text.
    pub fn left(self, head: &'static str, cell: impl Fn(&T) -> (String, Style) + 'a) -> Self {
        self.column(head, false, Box::new(cell))
    }

    /// Adds a column of numbers, which end at its right.
    pub fn right(self, head: &'static str, cell: impl Fn(&T) -> (String, Style) + 'a) -> Self {
        self.column(head, true, Box::new(cell))
    }

    fn column(mut self, head: &'static str, right: bool, cell: CellOf<'a, T>) -> Self {
        self.columns.push(Column {
            head,
            right,
            least: 0,
            cut: false,
            cell,
        });
        self
    }

    /// Makes the last column this wide, if its cells are not wider.
    pub fn at_least(mut self, least: u16) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.least = least;
        }
        self
    }

    /// Cuts the last column where it finds too little room, instead of leaving it out.
    pub fn cut(mut self) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.cut = true;
        }
        self
    }

    /// Marks a row, which stays in sight.
    pub fn select(mut self, row: Option<usize>) -> Self {
        self.selected = row;
        self
    }

    /// Draws the rows below a head. Columns are as wide as their widest cell; those that find no
    /// room are left out from the right.
    pub fn draw(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let mut lines = area.rows();
        let Some(head) = lines.next() else { return };
        let height = usize::from(area.height - 1);
        let first = scroll_to(self.selected.unwrap_or(0), self.rows.len(), height);
        let places: Vec<(usize, Rect)> = (first..self.rows.len()).zip(lines).collect();
        for (_, place) in places.iter().filter(|(row, _)| Some(*row) == self.selected) {
            buf.set_style(*place, theme.selected);
        }
        let mut x = area.x;
        for column in &self.columns {
            let shown: Vec<(String, Style)> =
                self.rows.iter().map(|row| (column.cell)(row)).collect();
            let widest = shown.iter().map(|(text, _)| cells(text)).max().unwrap_or(0);
            let size = widest
                .max(cells(column.head))
                .max(column.least)
                .min(area.width);
            let room = area.right().saturating_sub(x);
            let size = if column.cut { size.min(room) } else { size };
            if size > room && x > area.x {
                break;
            }
            let mut cell = |place: Rect, text: &str, style: Style| {
                let free = if column.right {
                    size - cells(text).min(size)
                } else {
                    0
                };
                let place = skip(place, x - area.x + free);
                let place = Rect {
                    width: place.width.min(size),
                    ..place
                };
                put(buf, place, text, style);
            };
            cell(head, column.head, theme.dim);
            for (row, place) in &places {
                if let Some((text, style)) = shown.get(*row) {
                    cell(*place, text, *style);
                }
            }
            x += size + GAP;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    fn table<'a>(theme: &'a Theme) -> Table<'a, (&'static str, u32)> {
        Table::new(&ROWS)
            .left("name", move |row| (row.0.into(), theme.text))
            .right("n", move |row| (row.1.to_string(), theme.text))
    }

    const ROWS: [(&str, u32); 3] = [("日本", 1), ("b", 1000), ("c\u{1b}", 20)];

    #[test]
    fn columns_are_as_wide_as_their_cells_and_the_selected_row_is_in_sight() {
        let theme = Theme::monochrome();
        let shown = picture(20, 4, |buf, area| {
            table(&theme).select(Some(0)).draw(&theme, area, buf);
        });
        assert_eq!(shown, "name     n\n日本     1\nb     1000\nc␛      20");
        let shown = picture(20, 2, |buf, area| {
            table(&theme).select(Some(2)).draw(&theme, area, buf);
        });
        assert_eq!(shown, "name     n\nc␛      20");
        let narrow = picture(8, 2, |buf, area| {
            table(&theme).draw(&theme, area, buf);
        });
        assert_eq!(narrow, "name\n日本", "what finds no room is left out");
    }

    #[test]
    fn every_size_draws() {
        let theme = Theme::monochrome();
        survives_every_size(|buf, area| {
            table(&theme).select(Some(2)).draw(&theme, area, buf);
        });
    }
}
