//! The item matrix: problems × points, one cell each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::app::App;
use crate::tui::app::plots::Shown;
use crate::tui::sanitize::width;
use crate::tui::theme::Theme;
use crate::tui::widgets::overlay::{below, put, scroll_to, skip};
use crate::tui::widgets::panel::Panel;
use s1_lab::report::{CellMark, MatrixCell, MatrixRow, PointStats};
use s1_store::run::Budget;

/// The fewest columns of a point.
const CELL: u16 = 5;
/// Columns of the sign that there are more, at either side.
const MORE: u16 = 5;
/// The most columns of a problem's name and the beginning of its question.
const LABEL: u16 = 48;

/// The name of a point in few columns.
fn short(point: &PointStats) -> String {
    let budget = match point.spec.budget {
        Budget::Natural => "nat".into(),
        Budget::Tokens(n) if n >= 10_000 => format!("{}k", n / 1000),
        Budget::Tokens(n) => n.to_string(),
    };
    match point.spec.waits {
        0 => budget,
        waits => format!("{budget}+{waits}"),
    }
}

/// How the columns of the matrix are divided.
struct Grid {
    /// Columns of the names of the problems, with a gap.
    gutter: u16,
    /// Columns of a point.
    cell: u16,
    /// Points in sight, from this one on.
    first: usize,
    points: usize,
    /// Columns of the sign at the left.
    before: u16,
}

impl Grid {
    /// The grid of a run in so many columns, with a point in sight.
    fn of(shown: &Shown, room: u16, point: usize) -> Grid {
        let points = &shown.report.points;
        let widest = points.iter().map(|p| width(&short(p))).max().unwrap_or(0);
        let cell = (widest as u16 + 1).max(CELL);
        let name = shown.id_width as u16 + 2;
        let all = (points.len() as u16).saturating_mul(cell);
        // What the points leave tells which question it was; where they leave nothing, a quarter.
        let wanted = (name + 2 + LABEL).min(room.saturating_sub(all).max(room / 4));
        let gutter = match shown
            .run
            .rows
            .iter()
            .all(|row| row.question.trim().is_empty())
        {
            true => name.min(room / 4),
            false => wanted,
        };
        let room = room.saturating_sub(gutter);
        if all <= room {
            return Grid {
                gutter,
                cell,
                first: 0,
                points: points.len(),
                before: 0,
            };
        }
        let shown = usize::from(room.saturating_sub(2 * MORE) / cell);
        Grid {
            gutter,
            cell,
            first: scroll_to(point, points.len(), shown),
            points: shown,
            before: MORE,
        }
    }

    /// The place of a point in a row.
    fn at(&self, row: Rect, slot: usize) -> Rect {
        skip(row, self.gutter + self.before + slot as u16 * self.cell)
    }
}

/// A problem's name and the beginning of its question.
fn label(item: &MatrixRow, question: &str) -> String {
    let question = question.split_whitespace().take(24).collect::<Vec<_>>();
    format!("{} {}", item.id, question.join(" "))
}

/// Whether going to this point from the one with fewer waits changed right to wrong.
fn is_lost(shown: &Shown, item: &MatrixRow, column: usize) -> bool {
    let points = &shown.report.points;
    let Some(spec) = points.get(column).map(|p| p.spec) else {
        return false;
    };
    let fewer = |p: &PointStats| p.spec.budget == spec.budget && p.spec.waits < spec.waits;
    let before = points.iter().enumerate().filter(|(_, p)| fewer(p));
    let before = before.max_by_key(|(_, p)| p.spec.waits);
    let mark = |at: usize| item.cells.get(at).map(MatrixCell::mark);
    before.is_some_and(|(at, _)| mark(at) == Some(CellMark::Right))
        && matches!(mark(column), Some(CellMark::Wrong | CellMark::Forced))
}

fn sign(mark: CellMark, lost: bool, theme: &Theme) -> (&'static str, Style) {
    match mark {
        _ if lost => ("↓", theme.bad),
        CellMark::Right => ("✓", theme.good),
        CellMark::Wrong => ("✗", theme.bad),
        CellMark::Forced => ("✂", theme.forced),
        CellMark::Ungraded => ("?", theme.dim),
        CellMark::Missing => ("·", theme.dim),
    }
}

/// Draws the matrix of the current run.
pub fn draw(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let Some(shown) = plots.current() else {
        Panel::new("items", focused, theme).draw(area, buf);
        return;
    };
    let several = plots.shown.len() > 1;
    let of = if several {
        format!(" · {} of {} runs", plots.current + 1, plots.shown.len())
    } else {
        String::new()
    };
    let title = format!("items ─ {}{of}", shown.run.name);
    let (row, column) = plots.cell;
    let told = focused.then(|| about(shown, row, column)).flatten();
    let legend = "✓ right  ✗ wrong  ✂ cut off, wrong  ↓ right before, wrong after Wait  · not done";
    let panel = Panel::new(&title, focused, theme);
    let mut inner = panel
        .below(told.as_deref().unwrap_or(legend))
        .draw(area, buf);
    // What is said of a cell does not take the place of the legend.
    if told.is_some() && inner.height > 4 {
        let last = below(inner, inner.height - 1);
        put(buf, last, legend, theme.dim);
        inner.height -= 1;
    }
    let items = &shown.report.items;
    let points = &shown.report.points;
    let grid = Grid::of(shown, inner.width, column);
    let rows = usize::from(inner.height.saturating_sub(1));
    if grid.points == 0 || rows == 0 {
        return;
    }
    let in_sight = grid.first..(grid.first + grid.points).min(points.len());
    for (slot, index) in in_sight.clone().enumerate() {
        let name = short(&points[index]);
        let pad = grid.cell - 1 - (width(&name) as u16).min(grid.cell - 1);
        let style = if focused && index == column {
            theme.key
        } else {
            theme.dim
        };
        put(buf, skip(grid.at(inner, slot), pad), &name, style);
    }
    if grid.first > 0 {
        let more = format!("◂ {}", grid.first);
        put(buf, skip(inner, grid.gutter), &more, theme.dim);
    }
    if in_sight.end < points.len() {
        let more = format!("{} ▸", points.len() - in_sight.end);
        let wide = width(&more) as u16;
        let last = skip(inner, inner.width.saturating_sub(wide));
        put(buf, last, &more, theme.dim);
    }
    let top = scroll_to(row, items.len(), rows);
    let shown_items = items.iter().enumerate().skip(top);
    for ((index, item), place) in shown_items.zip(below(inner, 1).rows()) {
        let here = focused && index == row;
        let style = if here { theme.key } else { theme.dim };
        let name = Rect {
            width: grid.gutter.saturating_sub(1),
            ..place
        };
        let question = shown.run.rows.get(index).map_or("", |row| &row.question);
        put(buf, name, &label(item, question), style);
        for (slot, column_here) in in_sight.clone().enumerate() {
            let Some(cell) = item.cells.get(column_here) else {
                continue;
            };
            let (sign, style) = sign(cell.mark(), is_lost(shown, item, column_here), theme);
            let cell = skip(grid.at(place, slot), grid.cell - 3);
            if here && column_here == column {
                let style = style.patch(theme.cursor);
                put(buf, cell, &format!(" {sign} "), style);
            } else {
                put(buf, skip(cell, 1), sign, style);
            }
        }
    }
}

/// One line on the selected cell.
fn about(shown: &Shown, row: usize, column: usize) -> Option<String> {
    let item = shown.report.items.get(row)?;
    let point = shown.report.points.get(column)?;
    let cell = item.cells.get(column)?;
    let name = s1_plot::curves::name(point);
    let stored = shown.run.rows.get(row)?;
    let Some(sample) = stored.at(column).first() else {
        return Some(format!("{} at {name}: not done yet", item.id));
    };
    let answer = sample.answer.as_deref().unwrap_or("no answer");
    let reference = match (&stored.reference, sample.correct) {
        (_, Some(true)) => " ✓".into(),
        (Some(reference), Some(false)) => format!(" ✗ (right: {reference})"),
        _ => String::new(),
    };
    let count = match cell.n {
        0 | 1 => String::new(),
        n => format!(" ({} of {n} right)", cell.right),
    };
    let cut = if sample.forced { ", cut" } else { "" };
    Some(format!(
        "{} at {name}: {answer}{reference}{count} · {} thinking + {} answer{cut}",
        item.id, sample.thinking, sample.answer_tokens
    ))
}
