//! A figure as SVG, for papers and pages.
//!
//! White ground, few lines, the colours of Okabe and Ito (*Color universal design*, 2008), which
//! stay apart under every common kind of colour blindness. Labels are placed by the widths of the
//! font that the program carries for PNG; a viewer without it falls back on a similar one.

use std::collections::BTreeSet;
use std::fmt::Write;

mod labels;
mod mark;
mod page;

use super::sample::thin;
use super::{Dash, Figure, Marker, Range, Series};
use labels::{Box2, Labels, text_width};
use page::{Page, stroke};
use s1_data::sanitize::clean_line;

/// The font's family.
pub const FONT: &str = "Inter";

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 560.0;
const MARGIN: f64 = 28.0;

/// Blue, vermilion, bluish green, reddish purple, orange, sky blue, black.
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];
const INK: &str = "#1a1a1a";
const GREY: &str = "#666666";
const AXIS: &str = "#8c8c8c";
const GRID: &str = "#e6e6e6";

fn color(index: usize) -> &'static str {
    COLORS.get(index % COLORS.len()).copied().unwrap_or(INK)
}

/// The area of the lines, and what it covers.
struct SvgPlot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Range,
    y: Range,
}

impl SvgPlot {
    fn x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value) * (self.bottom - self.top)
    }

    fn holds(&self, x: f64, y: f64) -> bool {
        (self.left - 0.5..=self.right + 0.5).contains(&x)
            && (self.top - 0.5..=self.bottom + 0.5).contains(&y)
    }
}

pub fn draw(figure: &Figure) -> String {
    let mut page = Page::new(WIDTH, HEIGHT);
    let mut top = MARGIN;
    if !figure.title.is_empty() {
        top += 16.0;
        page.text(MARGIN, top, "start", 19.0, INK, true, &figure.title);
        top += 6.0;
    }
    if !figure.subtitle.is_empty() {
        top += 16.0;
        page.text(MARGIN, top, "start", 13.0, GREY, false, &figure.subtitle);
        top += 6.0;
    }
    top = legend(figure, &mut page, top + 8.0);
    let mut bottom = HEIGHT - MARGIN + 6.0;
    if !figure.caption.is_empty() {
        let rows = broken(&figure.caption, 12.0, WIDTH - 2.0 * MARGIN);
        for row in rows.iter().rev() {
            page.text(MARGIN, bottom, "start", 12.0, GREY, false, row);
            bottom -= 17.0;
        }
        bottom -= 7.0;
    }
    if !figure.x.label.is_empty() {
        let middle = (MARGIN + WIDTH) / 2.0;
        page.text(middle, bottom, "middle", 13.0, INK, false, &figure.x.label);
        bottom -= 20.0;
    }
    if !figure.y.label.is_empty() {
        // Above the axis, where it reads without a turned head.
        top += 16.0;
        page.text(MARGIN, top, "start", 13.0, INK, false, &figure.y.label);
        top += 2.0;
    }
    let (x, y) = figure.ranges(None);
    let mut plot = SvgPlot {
        left: MARGIN,
        right: WIDTH - MARGIN,
        top: top + 12.0,
        bottom: bottom - 22.0,
        x,
        y,
    };
    axes(&mut plot, &mut page);
    page.clip(plot.left, plot.top, plot.right, plot.bottom);
    let mut labels = Labels::new(plot.left, plot.top, plot.right, plot.bottom);
    let places = figure.shown().flat_map(|(index, _)| {
        let (bars, plot) = (figure.bars(index), &plot);
        bars.map(move |(point, _)| (index, plot.x(point.x)))
    });
    let places: Vec<(usize, f64)> = places.collect();
    for (index, series) in figure.shown() {
        for (point, interval) in figure.bars(index) {
            let x = plot.x(point.x);
            let shift = shift(&places, index, x);
            bar(&plot, x, shift, interval, color(series.color), &mut page);
        }
    }
    for (_, series) in figure.shown() {
        line(&plot, series, &mut page, &mut labels);
    }
    for (_, series) in figure.shown() {
        for point in series.points.iter().filter(|p| p.is_finite()) {
            let (x, y) = (plot.x(point.x), plot.y(point.y));
            if series.marker != Marker::None && plot.holds(x, y) {
                mark::draw(&mut page, series.marker, x, y, color(series.color));
                labels.block(Box2::around(x, y, 6.0));
            }
        }
    }
    for (note, ink) in figure.words() {
        let (x, y) = (plot.x(note.x), plot.y(note.y));
        let text = clean_line(&note.text);
        if plot.holds(x, y)
            && let Some((x, y)) = labels.place(x, y, text_width(&text, 12.0, false), 12.0)
        {
            let ink = ink.map_or(INK, color);
            page.text(x, y, "start", 12.0, ink, false, &text);
        }
    }
    page.finish()
}

/// A text in as many rows as the width needs, broken between its words.
fn broken(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match rows.last_mut() {
            Some(row) if text_width(&format!("{row} {word}"), size, false) <= width => {
                *row += " ";
                *row += word;
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

/// Rows of line, sign and name; returns where they end.
fn legend(figure: &Figure, page: &mut Page, top: f64) -> f64 {
    const SIGN: f64 = 34.0;
    const GAP: f64 = 22.0;
    let named = || figure.shown().filter(|(_, s)| !s.name.is_empty());
    let (mut x, mut y) = (MARGIN, top + 12.0);
    for (_, series) in named() {
        let name = clean_line(&series.name);
        let size = SIGN + text_width(&name, 13.0, false);
        if x > MARGIN && x + size > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 20.0);
        }
        let (ink, middle) = (color(series.color), y - 4.5);
        if series.dash != Dash::None {
            let stroke = stroke(ink, 2.0, dash(series.dash));
            page.line((x, middle), (x + 26.0, middle), &stroke);
        }
        mark::draw(page, series.marker, x + 13.0, middle, ink);
        page.text(x + SIGN, y, "start", 13.0, INK, false, &name);
        x += size + GAP;
    }
    if named().next().is_some() {
        y + 12.0
    } else {
        top
    }
}

/// Grid, axes and labels; makes room for the labels at the left.
fn axes(plot: &mut SvgPlot, page: &mut Page) {
    let rows = plot.y.ticks_that_fit(plot.bottom - plot.top, |_| 40.0);
    let widest = rows
        .iter()
        .map(|(_, label)| text_width(label, 12.0, false))
        .fold(0.0, f64::max);
    plot.left += widest + 10.0;
    for (value, label) in &rows {
        let y = plot.y(*value);
        page.line((plot.left, y), (plot.right, y), &stroke(GRID, 1.0, ""));
        page.text(plot.left - 8.0, y + 4.3, "end", 12.0, GREY, false, label);
    }
    let gap = 26.0;
    let room = plot.right - plot.left;
    let columns = plot
        .x
        .ticks_that_fit(room, |label| text_width(label, 12.0, false) + gap);
    let (left, right, bottom) = (plot.left, plot.right, plot.bottom);
    let axis = stroke(AXIS, 1.2, "");
    page.line((left, bottom), (right, bottom), &axis);
    for (value, label) in &columns {
        let x = plot.x(*value);
        page.line((x, bottom), (x, bottom + 5.0), &axis);
        page.text(x, bottom + 19.0, "middle", 12.0, GREY, false, label);
    }
    if plot.x.has_zero_apart() {
        // The axis is broken between zero and the first value that has a logarithm.
        let x = left + 0.04 * room;
        for x in [x - 2.0, x + 2.0] {
            page.line((x - 3.0, bottom + 5.0), (x + 3.0, bottom - 5.0), &axis);
        }
    }
}

/// The attribute that breaks a line, if it is broken.
fn dash(dash: Dash) -> &'static str {
    match dash {
        Dash::Solid | Dash::None => "",
        Dash::Dashed => " stroke-dasharray=\"7 4\"",
        Dash::Dotted => " stroke-dasharray=\"1.5 4\"",
    }
}

fn line(plot: &SvgPlot, series: &Series, page: &mut Page, labels: &mut Labels) {
    if series.dash == Dash::None {
        return;
    }
    let points: Vec<(f64, f64)> = series
        .points
        .iter()
        .map(|p| (plot.x(p.x), plot.y(p.y)))
        .collect();
    let mut path = String::new();
    let mut before = None;
    for (x, y) in thin(&points, |x| (x * 2.0) as i64) {
        if !(x.is_finite() && y.is_finite()) {
            before = None;
            continue;
        }
        // What lies far outside is cut by the clip path; huge numbers would not be.
        let here = (x.clamp(-1e4, 1e4), y.clamp(-1e4, 1e4));
        let step = if before.is_some() { 'L' } else { 'M' };
        let _ = write!(path, "{step}{:.2} {:.2}", here.0, here.1);
        if let Some(from) = before.replace(here) {
            labels.cross(from, here);
        }
    }
    if !path.is_empty() {
        page.path(&path, color(series.color), dash(series.dash));
    }
}

/// How far the bar of a series at `x` moves: bars at the same place (of these, each with its series)
/// move apart, so that all can be read.
fn shift(bars: &[(usize, f64)], series: usize, x: f64) -> f64 {
    let here = bars.iter().filter(|(_, other)| (other - x).abs() < 4.0);
    let here: BTreeSet<usize> = here.map(|(index, _)| *index).collect();
    let rank = here.iter().position(|i| *i == series).unwrap_or(0);
    (rank as f64 - (here.len().saturating_sub(1)) as f64 / 2.0) * 5.0
}

fn bar(
    plot: &SvgPlot,
    place: f64,
    shift: f64,
    (low, high): (f64, f64),
    ink: &str,
    page: &mut Page,
) {
    let within = |y: f64| y.clamp(plot.top, plot.bottom);
    let (low, high) = (within(plot.y(low)), within(plot.y(high)));
    if !plot.holds(place, plot.bottom) || !(low - high).is_finite() {
        return;
    }
    let x = place + shift;
    let faint = stroke(ink, 1.3, " stroke-opacity=\"0.55\"");
    page.line((x, low), (x, high), &faint);
    for y in [low, high] {
        page.line((x - 3.5, y), (x + 3.5, y), &faint);
    }
}

#[cfg(test)]
mod tests;
