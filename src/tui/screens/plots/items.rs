//! The item matrix: problems × points, one cell each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::app::App;
use crate::tui::app::plots::Shown;
use crate::tui::sanitize::width;
use crate::tui::theme::Theme;
use crate::tui::widgets::overlay::{put, scroll_to};
use crate::tui::widgets::panel::Panel;
use s1_lab::report::{CellMark, MatrixCell, MatrixRow, PointStats};
use s1_store::run::Budget;

/// Columns of a point.
const CELL: u16 = 5;

/// What a cell says beyond its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    None,
    /// Right before the last wait, and wrong after.
    Lost,
}

/// The name of a point in at most four columns.
fn short(point: &PointStats) -> String {
    match (point.spec.budget, point.spec.waits) {
        (Budget::Natural, 0) => "nat".into(),
        (Budget::Natural, waits) => format!("W{waits}"),
        (Budget::Tokens(n), waits) => {
            let number = if n >= 10_000 {
                format!("{}k", n / 1000)
            } else {
                n.to_string()
            };
            match waits {
                0 => number,
                // What it is at full length stands below the matrix.
                waits => format!("{}+{waits}", if n >= 100 { "…" } else { &number }),
            }
        }
    }
}

/// Whether going to this point from the one with fewer waits changed right to wrong.
fn turn(shown: &Shown, item: &MatrixRow, column: usize) -> Turn {
    let points = &shown.report.points;
    let Some(spec) = points.get(column).map(|p| p.spec) else {
        return Turn::None;
    };
    let before = points
        .iter()
        .enumerate()
        .filter(|(_, p)| p.spec.budget == spec.budget && p.spec.waits < spec.waits)
        .max_by_key(|(_, p)| p.spec.waits);
    let mark = |at: usize| item.cells.get(at).map(MatrixCell::mark);
    match before.map(|(at, _)| (mark(at), mark(column))) {
        Some((Some(CellMark::Right), Some(CellMark::Wrong | CellMark::Forced))) => Turn::Lost,
        _ => Turn::None,
    }
}

fn sign(mark: CellMark, turn: Turn, theme: &Theme) -> (&'static str, Style) {
    match (mark, turn) {
        (_, Turn::Lost) => ("✗", theme.bad),
        (CellMark::Right, _) => ("✓", theme.good),
        (CellMark::Wrong, _) => ("·", theme.text),
        (CellMark::Forced, _) => ("✂", theme.forced),
        (CellMark::Ungraded, _) => ("?", theme.dim),
        (CellMark::Missing, _) => (" ", theme.dim),
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
    let below = focused.then(|| about(shown, row, column)).flatten();
    let legend = "✓ right · wrong ✂ cut off and wrong ✗ lost by Wait";
    let panel = Panel::new(&title, focused, theme);
    let inner = panel
        .below(below.as_deref().unwrap_or(legend))
        .draw(area, buf);
    let items = &shown.report.items;
    let gutter = (shown.id_width as u16 + 2).min(inner.width / 4);
    let columns = usize::from((inner.width.saturating_sub(gutter)) / CELL);
    let rows = usize::from(inner.height.saturating_sub(1));
    if columns == 0 || rows == 0 {
        return;
    }
    let first = scroll_to(column, shown.report.points.len(), columns);
    let points = shown.report.points.iter().enumerate().skip(first);
    let at = |slot: usize| inner.x + gutter + slot as u16 * CELL;
    for (slot, (index, point)) in points.take(columns).enumerate() {
        let name = short(point);
        let right = at(slot) + CELL - 1 - (width(&name) as u16).min(CELL - 1);
        let style = if focused && index == column {
            theme.key
        } else {
            theme.dim
        };
        put(buf, inner, right, inner.y, CELL, &name, style);
    }
    let top = scroll_to(row, items.len(), rows);
    for (y, (index, item)) in items.iter().enumerate().skip(top).take(rows).enumerate() {
        let y = inner.y + 1 + y as u16;
        let here = focused && index == row;
        let style = if here { theme.key } else { theme.dim };
        put(
            buf,
            inner,
            inner.x,
            y,
            gutter.saturating_sub(1),
            &item.id,
            style,
        );
        for slot in 0..columns.min(item.cells.len().saturating_sub(first)) {
            let column_here = first + slot;
            let Some(cell) = item.cells.get(column_here) else {
                continue;
            };
            let (sign, style) = sign(cell.mark(), turn(shown, item, column_here), theme);
            let x = at(slot) + CELL - 2;
            if here && column_here == column {
                let style = style.patch(theme.cursor);
                put(buf, inner, x - 1, y, 3, &format!(" {sign} "), style);
            } else {
                put(buf, inner, x, y, 1, sign, style);
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
        (Some(reference), Some(false)) => format!(" ✗ {reference}"),
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
