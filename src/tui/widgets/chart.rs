//! A [`Figure`] in a panel: title above, what to conclude (or the point under the crosshair) below.
//!
//! Whoever shows a figure that grows gives its axes fixed ends (or none that move), so that a new
//! point changes only the columns where it falls.
//!
//! Not here: which figure, and what keys do to the view.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::overlay::{put, skip};
use super::panel::{self, Panel};
use crate::tui::sanitize::{clean_line, width};
use crate::tui::theme::Theme;
use s1_plot::terminal::{self, ChartView, Ink, Styles};
use s1_plot::{Figure, Window};

/// From this size on the panel has a border.
const BORDERS_FROM: (u16, u16) = (20, 6);

/// The styles of a chart in a theme.
pub fn styles(theme: &Theme) -> Styles {
    Styles {
        text: theme.text,
        dim: theme.dim,
        axis: theme.border,
        cursor: theme.cursor,
        series: theme.series.clone(),
    }
}

/// Draws a figure in a panel; `focused` panels have the keys. Where there is no room for a border,
/// the lines alone are drawn.
pub fn draw(
    figure: &Figure,
    view: &ChartView,
    styles: &Styles,
    focused: bool,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let area = area.intersection(buf.area);
    if area.width < BORDERS_FROM.0 || area.height < BORDERS_FROM.1 {
        return terminal::draw(figure, view, styles, buf, area);
    }
    let border = if focused { theme.focus } else { theme.border };
    let mut title = figure.title.clone();
    if !figure.subtitle.is_empty() {
        title = format!("{title} ─ {}", figure.subtitle);
    }
    let below = view
        .cursor
        .and_then(|(series, point)| figure.readout(series, point))
        .unwrap_or_else(|| clean_line(&figure.caption).into_owned());
    Panel::new(&title, focused, theme)
        .below(&below)
        .draw(area, buf);
    terminal::draw(figure, view, styles, buf, inside(area));
    if view.window.is_some() {
        let sign = " zoomed ";
        put(
            buf,
            skip(area, area.width - 2 - width(sign) as u16),
            sign,
            border,
        );
    }
}

/// Where the figure stands in its panel.
fn inside(area: Rect) -> Rect {
    if area.width < BORDERS_FROM.0 || area.height < BORDERS_FROM.1 {
        return area;
    }
    let inner = panel::inside(area);
    // The axis may stand at the border; at the right the last label needs a column.
    Rect {
        x: inner.x.saturating_sub(1),
        width: inner.width + 1,
        ..inner
    }
}

/// Puts the crosshair on the point nearest to a place of the panel.
pub fn click(figure: &Figure, view: &mut ChartView, area: Rect, at: Position) {
    if let Some(point) = terminal::point_at(figure, view, inside(area), at) {
        view.cursor = Some(point);
    }
}

/// How far one step of zooming goes.
const ZOOM: f64 = 1.6;
/// No closer than this share of the whole.
const CLOSEST: f64 = 1e-3;

/// Zooms a view in (`closer`) or out, around the crosshair or the middle; all the way out is no
/// window at all.
pub fn zoom(figure: &Figure, view: &mut ChartView, closer: bool) {
    let (whole, whole_y) = figure.ranges(None);
    let (x, y) = figure.ranges(view.window);
    let at = view
        .cursor
        .and_then(|(s, p)| figure.series.get(s)?.points.get(p));
    let factor = if closer { 1.0 / ZOOM } else { ZOOM };
    let around = |range: s1_plot::Range, whole: s1_plot::Range, value: Option<f64>| {
        let here = value
            .map(|v| range.place(v))
            .filter(|p| (0.0..=1.0).contains(p));
        let centre = here.unwrap_or(0.5);
        let (low, high) = (centre - centre * factor, centre + (1.0 - centre) * factor);
        // Never beyond the whole.
        let inside = |place: f64| whole.place(range.value(place)).clamp(0.0, 1.0);
        let (low, high) = (inside(low), inside(high));
        (high - low > CLOSEST).then(|| ((low, high), (whole.value(low), whole.value(high))))
    };
    let (Some((px, wx)), Some((py, wy))) = (
        around(x, whole, at.map(|p| p.x)),
        around(y, whole_y, at.map(|p| p.y)),
    ) else {
        return;
    };
    let all = |(low, high): (f64, f64)| low <= 1e-9 && high >= 1.0 - 1e-9;
    view.window = (!(all(px) && all(py))).then_some(Window { x: wx, y: Some(wy) });
}

/// Moves the crosshair to the next or the last point of its series, or puts it on the last point of
/// the first series that is shown.
pub fn step_point(figure: &Figure, view: &mut ChartView, on: bool) {
    let Some((series, point)) = current(figure, view) else {
        view.cursor = first(figure);
        return;
    };
    // Points that are no numbers (gaps of the line) are passed over.
    let points = figure.series.get(series).map_or(&[][..], |s| &s.points);
    let stands = |i: &usize| {
        points
            .get(*i)
            .is_some_and(|p| p.x.is_finite() && p.y.is_finite())
    };
    let next = if on {
        (point + 1..points.len()).find(stands)
    } else {
        (0..point).rev().find(stands)
    };
    view.cursor = Some((series, next.unwrap_or(point)));
}

/// Moves the crosshair to the next or the last series that is shown, to its point nearest in x.
pub fn step_series(figure: &Figure, view: &mut ChartView, on: bool) {
    let Some((series, point)) = current(figure, view) else {
        view.cursor = first(figure);
        return;
    };
    let shown: Vec<usize> = figure.shown().map(|(i, _)| i).collect();
    let Some(at) = shown.iter().position(|i| *i == series) else {
        return;
    };
    let next = if on {
        (at + 1) % shown.len()
    } else {
        (at + shown.len() - 1) % shown.len()
    };
    let x = figure.series[series].points.get(point).map_or(0.0, |p| p.x);
    if let Some(&next) = shown.get(next) {
        let points = figure.series.get(next).map_or(&[][..], |s| &s.points);
        let nearest = points
            .iter()
            .enumerate()
            .filter(|(_, p)| p.x.is_finite() && p.y.is_finite())
            .min_by(|a, b| (a.1.x - x).abs().total_cmp(&(b.1.x - x).abs()));
        view.cursor = Some((next, nearest.map_or(0, |(i, _)| i)));
    }
}

/// The crosshair, if it stands on something that is shown.
fn current(figure: &Figure, view: &ChartView) -> Option<(usize, usize)> {
    let (series, point) = view.cursor?;
    let on = figure.series.get(series).filter(|s| !s.hidden)?;
    (point < on.points.len()).then_some((series, point))
}

fn first(figure: &Figure) -> Option<(usize, usize)> {
    let (index, series) = figure.shown().find(|(_, s)| !s.points.is_empty())?;
    Some((index, series.points.len() - 1))
}

/// The name of an ink, for a notice.
pub fn ink_name(ink: Ink) -> &'static str {
    match ink {
        Ink::Braille => "braille",
        Ink::Block => "blocks",
        Ink::Ascii => "ASCII",
    }
}

#[cfg(test)]
mod tests;
