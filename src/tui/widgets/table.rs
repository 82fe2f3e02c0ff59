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

/// Where a reader is in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TablePlace {
    /// The row that is selected, or stays in sight.
    pub row: usize,
    /// How many of the columns that can be moved stand out of sight at the left.
    pub aside: usize,
    /// The most that there is need for; settled before each drawing.
    pub most_aside: usize,
    /// Rows in sight; settled before each drawing.
    pub height: usize,
}

/// Rows, and what each column shows of them.
pub struct Table<'a, T> {
    rows: &'a [T],
    columns: Vec<Column<'a, T>>,
    /// So many columns are always in sight.
    fixed: usize,
    aside: usize,
    row: usize,
    marked: bool,
}

/// A column as it is drawn: what its cells say, from where, and how wide.
struct Placed {
    column: usize,
    cells: Vec<(String, Style)>,
    x: u16,
    size: u16,
}

impl<'a, T> Table<'a, T> {
    /// A table without columns.
    pub fn new(rows: &'a [T]) -> Table<'a, T> {
        Table {
            rows,
            columns: Vec::new(),
            fixed: 0,
            aside: 0,
            row: 0,
            marked: false,
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

    /// The columns so far are always in sight; those that come can be moved aside.
    pub fn fixed(mut self) -> Self {
        self.fixed = self.columns.len();
        self
    }

    /// Shows the rows and columns where a reader is; the row is marked where it is the selected one.
    pub fn at(mut self, place: TablePlace, marked: bool) -> Self {
        (self.row, self.aside, self.marked) = (place.row, place.aside, marked);
        self
    }

    /// How many columns have to be moved aside for the last one to be seen in so much room.
    pub fn most_aside(&self, room: u16) -> usize {
        let most = self.columns.len().saturating_sub(self.fixed);
        let all = |aside: &usize| self.place(room, *aside).1;
        (0..most).find(all).unwrap_or(most.saturating_sub(1))
    }

    /// The columns in sight with so many of them moved aside, and whether the last one is among them.
    fn place(&self, room: u16, aside: usize) -> (Vec<Placed>, bool) {
        let aside = self.fixed..self.fixed + aside;
        let mut placed: Vec<Placed> = Vec::new();
        let mut x = 0;
        for (index, column) in self.columns.iter().enumerate() {
            if aside.contains(&index) {
                continue;
            }
            let cells_of = |row| (column.cell)(row);
            let shown: Vec<(String, Style)> = self.rows.iter().map(cells_of).collect();
            let widest = shown.iter().map(|(text, _)| cells(text)).max().unwrap_or(0);
            let size = widest
                .max(cells(column.head))
                .max(column.least)
                .min(room.max(1));
            let left = room.saturating_sub(x);
            let size = match column.cut {
                true => size.min(left.max(column.least)),
                false => size,
            };
            if size > left && x > 0 {
                return (placed, false);
            }
            placed.push(Placed {
                column: index,
                cells: shown,
                x,
                size,
            });
            x += size + GAP;
        }
        (placed, true)
    }

    /// Draws the rows below a head. Columns are as wide as their widest cell; those that find no
    /// room are left out from the right, and a sign in the head says so.
    pub fn draw(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let mut lines = area.rows();
        let Some(head) = lines.next() else { return };
        let height = usize::from(area.height - 1);
        let first = scroll_to(self.row, self.rows.len(), height);
        let places: Vec<(usize, Rect)> = (first..self.rows.len()).zip(lines).collect();
        let marked = |row: usize| self.marked && row == self.row;
        for (_, place) in places.iter().filter(|(row, _)| marked(*row)) {
            buf.set_style(*place, theme.selected);
        }
        let aside = self.aside.min(self.most_aside(area.width));
        let (mut placed, all) = self.place(area.width, aside);
        if !all {
            // The sign that there are more has room of its own.
            placed = self.place(area.width.saturating_sub(GAP), aside).0;
        }
        for Placed {
            column,
            cells: shown,
            x,
            size,
        } in &placed
        {
            let column = &self.columns[*column];
            let mut cell = |place: Rect, text: &str, style: Style| {
                let free = if column.right {
                    size - cells(text).min(*size)
                } else {
                    0
                };
                let place = skip(place, x + free);
                let place = Rect {
                    width: place.width.min(*size),
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
        }
        // Where the head says that there is more, at the edge that it is beyond.
        let from = placed.iter().find(|p| p.column >= self.fixed);
        if let Some(from) = from.filter(|p| aside > 0 && p.x > 0) {
            put(buf, skip(head, from.x - 1), "◂", theme.key);
        }
        if !all {
            put(buf, skip(head, head.width - 1), "▸", theme.key);
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
            table(&theme)
                .at(TablePlace::default(), true)
                .draw(&theme, area, buf);
        });
        assert_eq!(shown, "name     n\n日本     1\nb     1000\nc␛      20");
        let shown = picture(20, 2, |buf, area| {
            let last = TablePlace {
                row: 2,
                ..TablePlace::default()
            };
            table(&theme).at(last, true).draw(&theme, area, buf);
        });
        assert_eq!(shown, "name     n\nc␛      20");
        let narrow = picture(8, 2, |buf, area| {
            table(&theme).draw(&theme, area, buf);
        });
        assert_eq!(narrow, "name   ▸\n日本", "what finds no room is left out");
    }

    /// A user would lose: the figures that a table of many columns has, on a terminal of 80.
    #[test]
    fn every_column_can_be_reached_and_the_first_stays() {
        let theme = Theme::monochrome();
        let table = |aside| {
            let number = |n: u32| (n.to_string(), Theme::monochrome().text);
            let place = TablePlace {
                aside,
                ..TablePlace::default()
            };
            Table::new(&ROWS)
                .left("name", |row| (row.0.into(), Theme::monochrome().text))
                .fixed()
                .right("n", move |row| number(row.1))
                .right("twice", move |row| number(2 * row.1))
                .right("thrice", move |row| number(3 * row.1))
                .at(place, false)
        };
        let shown = |aside| {
            picture(18, 2, |buf, area| {
                table(aside).draw(&theme, area, buf);
            })
        };
        assert_eq!(table(0).most_aside(18), 2);
        assert_eq!(table(0).most_aside(30), 0);
        assert_eq!(shown(0), "name     n       ▸\n日本     1");
        assert_eq!(shown(1), "name ◂twice      ▸\n日本      2");
        assert_eq!(shown(2), "name ◂thrice\n日本       3");
        assert_eq!(shown(9), shown(2), "no further than the last");
    }

    #[test]
    fn every_size_draws() {
        let theme = Theme::monochrome();
        survives_every_size(|buf, area| {
            let last = TablePlace {
                row: 2,
                aside: 1,
                ..TablePlace::default()
            };
            table(&theme).fixed().at(last, true).draw(&theme, area, buf);
        });
    }
}
