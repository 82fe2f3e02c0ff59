//! Tables: what each Wait changed, points against one another, the runs.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::words;
use crate::tui::app::App;
use crate::tui::app::plots::sweep::SweepState;
use crate::tui::sanitize::width;
use crate::tui::theme::Theme;
use crate::tui::widgets::bars::{bar, gauge, grouped};
use crate::tui::widgets::chart::panel;
use crate::tui::widgets::overlay::{put, scroll_to};
use s1_core::format;
use s1_plot::terminal::Ink;
use s1_store::run::{Budget, RunSummary};

/// One cell of a table.
struct Cell {
    text: String,
    style: Style,
    /// Numbers stand at the right of their column.
    right: bool,
}

fn left(text: impl Into<String>, style: Style) -> Cell {
    Cell {
        text: text.into(),
        style,
        right: false,
    }
}

fn right(text: impl Into<String>, style: Style) -> Cell {
    Cell {
        right: true,
        ..left(text, style)
    }
}

/// Draws rows below a head, columns as wide as their widest cell; columns that find no room are
/// left out from the right.
fn table(
    buf: &mut Buffer,
    area: Rect,
    head: &[Cell],
    rows: &[Vec<Cell>],
    selected: Option<(usize, Style)>,
) {
    const GAP: u16 = 2;
    let wide = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column));
        let widths = cells.chain(head.get(column)).map(|c| width(&c.text));
        (widths.max().unwrap_or(0) as u16).min(area.width)
    };
    let height = usize::from(area.height.saturating_sub(1));
    let first = scroll_to(selected.map_or(0, |(row, _)| row), rows.len(), height);
    let shown = rows.iter().enumerate().skip(first).take(height);
    if let Some((row, style)) = selected.filter(|(row, _)| (first..first + height).contains(row)) {
        let y = area.y + 1 + (row - first) as u16;
        let line = Rect {
            y,
            height: 1,
            ..area
        };
        buf.set_style(line.intersection(buf.area), style);
    }
    let all: Vec<(u16, &[Cell])> = std::iter::once((area.y, head))
        .chain(shown.map(|(index, row)| (area.y + 1 + (index - first) as u16, row.as_slice())))
        .collect();
    let mut x = area.x;
    for column in 0..head.len() {
        let size = wide(column);
        if x + size > area.right() && column > 0 {
            break;
        }
        for (y, row) in &all {
            let Some(cell) = row.get(column) else {
                continue;
            };
            let own = (width(&cell.text) as u16).min(size);
            let at = if cell.right { x + size - own } else { x };
            put(buf, area, at, *y, size, &cell.text, cell.style);
        }
        x += size + GAP;
    }
}

/// A count and a bar as long as its share.
fn counted(count: usize, n: usize, sign: &str) -> String {
    let share = count as f64 / n.max(1) as f64;
    format!("{sign} {count:>3} {:<6}", bar(share, 6))
}

/// What each Wait changed, at every budget.
pub fn waits(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let name = plots.current().map_or("", |s| s.run.name.as_str());
    let below = "another: another answer, right or wrong · took effect: a further Wait came about";
    let inner = panel(&format!("waits ─ {name}"), below, focused, theme, area, buf);
    let flips = plots.current().map_or(&[][..], |s| &s.report.flips);
    if flips.is_empty() {
        return words(
            app,
            "This run has no points that differ by a Wait.",
            inner,
            buf,
        );
    }
    let head = [
        left("budget", theme.dim),
        left("wait", theme.dim),
        left("won ✗→✓", theme.dim),
        left("lost ✓→✗", theme.dim),
        right("n", theme.dim),
        right("another", theme.dim),
        right("took effect", theme.dim),
    ];
    let rows: Vec<Vec<Cell>> = flips
        .iter()
        .map(|f| {
            let budget = match f.budget {
                Budget::Natural => "natural".to_owned(),
                Budget::Tokens(n) => n.to_string(),
            };
            vec![
                left(budget, theme.text),
                left(format!("{} → {}", f.from, f.to), theme.text),
                left(counted(f.gained, f.n, "+"), theme.good),
                left(counted(f.lost, f.n, "-"), theme.bad),
                right(f.n.to_string(), theme.text),
                right(f.changed.to_string(), theme.text),
                right(f.applied.to_string(), theme.text),
            ]
        })
        .collect();
    table(buf, inner, &head, &rows, None);
}

/// Every point against the anchor, problem by problem.
pub fn pairs(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let anchor = plots.anchor().map(|a| plots.name_of(a)).unwrap_or_default();
    let title = format!("pairs ─ every point against {anchor}");
    let selected = plots.pairs.get(plots.pair).filter(|_| focused);
    let below = match selected {
        Some(pair) => {
            let ids = |of: &BTreeSet<(String, usize)>| {
                let ids: Vec<&str> = of.iter().take(8).map(|(id, _)| id.as_str()).collect();
                match of.len() {
                    0 => "none".into(),
                    9.. => format!("{} …", ids.join(" ")),
                    _ => ids.join(" "),
                }
            };
            let paired = &pair.paired;
            format!(
                "won {} · lost {}",
                ids(&paired.only_second),
                ids(&paired.only_first)
            )
        }
        None => "p: McNemar's exact test, two-sided".into(),
    };
    let inner = panel(&title, &below, focused, theme, area, buf);
    if plots.pairs.is_empty() {
        return words(app, "There is nothing to compare with yet.", inner, buf);
    }
    let head = [
        left("point", theme.dim),
        left("won", theme.dim),
        left("lost", theme.dim),
        right("both", theme.dim),
        right("neither", theme.dim),
        right("n", theme.dim),
        right("p", theme.dim),
    ];
    let rows: Vec<Vec<Cell>> = plots
        .pairs
        .iter()
        .map(|pair| {
            let p = &pair.paired;
            let n = p.n();
            let chance_of = p.p();
            let small = chance_of < 0.05;
            vec![
                left(plots.name_of(pair.point), theme.text),
                left(counted(p.only_second.len(), n, "+"), theme.good),
                left(counted(p.only_first.len(), n, "-"), theme.bad),
                right(p.both.to_string(), theme.text),
                right(p.neither.to_string(), theme.text),
                right(n.to_string(), theme.text),
                right(
                    chance(chance_of),
                    if small { theme.title } else { theme.text },
                ),
            ]
        })
        .collect();
    let selected = focused.then_some((plots.pair, theme.selected));
    table(buf, inner, &head, &rows, selected);
}

/// A probability in six columns; `*` marks those below 5 %.
fn chance(p: f64) -> String {
    let sign = if p < 0.05 { "*" } else { " " };
    if p < 0.0005 {
        format!("<.0005{sign}")
    } else {
        format!("{p:.4}{sign}")
    }
}

/// The runs in the database.
pub fn runs(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let list = plots.list.as_deref().unwrap_or_default();
    let ascii = plots.view.ink == Ink::Ascii;
    let selected = list.get(plots.row);
    let below = match (&plots.trouble, selected) {
        (Some(sentence), _) => format!("✗ {sentence}"),
        (None, Some(run)) => about(
            run,
            plots
                .shown_as(&run.name)
                .and_then(|i| plots.shown.get(i))
                .map(|s| (s.report.computed, s.report.pointwise)),
        ),
        (None, None) => String::new(),
    };
    let title = format!("runs ─ {} of {} shown", plots.shown.len(), list.len());
    let mut inner = panel(&title, &below, focused, theme, area, buf);
    if let Some(sweep) = &plots.sweep {
        let rows = inner.height.min(2);
        progress(
            sweep,
            Rect {
                height: rows,
                ..inner
            },
            theme,
            buf,
        );
        inner.y += rows;
        inner.height -= rows;
    }
    let head = [
        left("", theme.dim),
        left("run", theme.dim),
        right("done", theme.dim),
        left("model", theme.dim),
        left("problems", theme.dim),
    ];
    let rows: Vec<Vec<Cell>> = list
        .iter()
        .map(|run| {
            let shown = plots.shown_as(&run.name);
            let (sign, style) = match shown {
                Some(at) => {
                    let color = theme.series.get(at % theme.series.len().max(1));
                    // The sign of its first line in the curve.
                    let series = &plots.curves.figure.series;
                    let own = series.iter().find(|s| s.color == at);
                    let sign = own.map_or("■", |s| s.marker.glyph(ascii));
                    (sign, color.copied().unwrap_or(theme.text))
                }
                None => (" ", theme.text),
            };
            let total = run.settings.problems.count;
            let done = if run.is_complete() {
                format!("{} ✓", run.rows)
            } else {
                format!("{}/{total}  ", run.rows)
            };
            vec![
                left(sign, style),
                left(run.name.clone(), theme.text),
                right(done, theme.text),
                left(run.settings.model.card.name.clone(), theme.dim),
                left(run.settings.problems.name.clone(), theme.dim),
            ]
        })
        .collect();
    let selected = focused.then_some((plots.row, theme.selected));
    table(buf, inner, &head, &rows, selected);
}

/// Two lines on the sweep that is under way: how far, how fast, how long still.
fn progress(sweep: &SweepState, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let (state, style) = match sweep {
        sweep if sweep.stopping => ("stopping …", theme.warn),
        sweep if sweep.paused => ("paused", theme.warn),
        sweep if sweep.name.is_empty() => ("loading the model", theme.dim),
        _ => ("", theme.dim),
    };
    let (done, total) = if sweep.name.is_empty() {
        ((sweep.loading * 100.0) as usize, 100)
    } else {
        (sweep.done, sweep.total)
    };
    let columns = usize::from(area.width).saturating_sub(24).clamp(4, 24);
    let (full, rest) = gauge(done, total, columns);
    let x = put(buf, area, area.x, area.y, area.width, &full, theme.gauge);
    let x = put(buf, area, x, area.y, area.width, &rest, theme.dim);
    let count = if sweep.name.is_empty() {
        format!("  {done} %")
    } else {
        format!("  {done}/{total}")
    };
    let x = put(buf, area, x, area.y, area.width, &count, theme.text);
    put(buf, area, x + 2, area.y, area.width, state, style);
    let left = sweep
        .left
        .map_or("–".into(), |left| format::duration(left.as_secs_f64()));
    let speed = grouped(sweep.tokens_per_s.round() as u64);
    let line = format!("{speed:>6} tok/s   ETA {left}   {}", sweep.name);
    put(buf, area, area.x, area.y + 1, area.width, &line, theme.text);
}

/// One line on a run.
fn about(run: &RunSummary, tokens: Option<(usize, usize)>) -> String {
    match tokens {
        Some((computed, pointwise)) => format!(
            "computed {} of {} tokens point by point",
            grouped(computed as u64),
            grouped(pointwise as u64)
        ),
        None => format!(
            "{} points × {} problems",
            run.settings.points.len(),
            run.settings.problems.count
        ),
    }
}
