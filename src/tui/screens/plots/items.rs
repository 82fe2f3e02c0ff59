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

/// Columns of a point.
const CELL: u16 = 5;
/// Columns of the sign that there are more.
const MORE: u16 = 5;

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
    let gutter = (shown.id_width as u16 + 2).min(inner.width / 4);
    let room = inner.width.saturating_sub(gutter);
    // Where not all points find room, a sign says how many more there are.
    let more = match shown.report.points.len() > usize::from(room / CELL) {
        true => MORE,
        false => 0,
    };
    let columns = usize::from(room.saturating_sub(more) / CELL);
    let rows = usize::from(inner.height.saturating_sub(1));
    if columns == 0 || rows == 0 {
        return;
    }
    let first = scroll_to(column, shown.report.points.len(), columns);
    let points = shown.report.points.iter().enumerate().skip(first);
    let at = |place: Rect, slot: usize| skip(place, gutter + slot as u16 * CELL);
    let hidden = shown.report.points.len().saturating_sub(first + columns);
    for (slot, (index, point)) in points.take(columns).enumerate() {
        let name = short(point);
        let pad = CELL - 1 - (width(&name) as u16).min(CELL - 1);
        let style = if focused && index == column {
            theme.key
        } else {
            theme.dim
        };
        put(buf, skip(at(inner, slot), pad), &name, style);
    }
    if hidden > 0 {
        let more = format!("+{hidden} ▸");
        let wide = width(&more) as u16;
        put(
            buf,
            skip(inner, inner.width.saturating_sub(wide)),
            &more,
            theme.dim,
        );
    }
    let top = scroll_to(row, items.len(), rows);
    let shown_items = items.iter().enumerate().skip(top);
    for ((index, item), place) in shown_items.zip(below(inner, 1).rows()) {
        let here = focused && index == row;
        let style = if here { theme.key } else { theme.dim };
        let id = Rect {
            width: gutter.saturating_sub(1),
            ..place
        };
        put(buf, id, &item.id, style);
        for slot in 0..columns.min(item.cells.len().saturating_sub(first)) {
            let column_here = first + slot;
            let Some(cell) = item.cells.get(column_here) else {
                continue;
            };
            let (sign, style) = sign(cell.mark(), is_lost(shown, item, column_here), theme);
            let cell = skip(at(place, slot), CELL - 3);
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
