//! One figure, drawn to the terminal, to SVG, to PNG or to CSV.
//!
//! A [`Figure`] is plain data: axes, series, notes. The screens and the `plot` command build the
//! same one and hand it to [`terminal`], [`svg`], [`png`] or [`csv`], so that what is on the screen
//! is what ends up in the paper. Every series has its own marker and dash as well as its
//! colour: nothing is said by colour alone.
//!
//! Not here: where the points come from, and keys.

use std::path::Path;

use anyhow::{Context, Result, bail};

mod canvas;
pub mod csv;
pub mod curves;
#[cfg(feature = "png")]
pub mod png;
pub mod policies;
pub mod sample;
pub mod scale;
pub mod svg;
pub mod terminal;

pub use scale::Range;

use s1_data::sanitize::clean_line;

/// A chart as data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    pub title: String,
    /// Of what: the model, the problem set, the sampling.
    pub subtitle: String,
    /// What to conclude, or how to read it; shown below.
    pub caption: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, first below last.
    pub series: Vec<Series>,
    /// Words at places.
    pub notes: Vec<Annotation>,
    /// What [`DataPoint::beside`] counts; empty where points have no such number.
    pub beside: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// How its numbers are written.
    pub unit: Unit,
    /// Where it begins; otherwise chosen from the data.
    pub from: Option<f64>,
    /// Where it ends; otherwise chosen from the data. A chart that grows while it is looked at
    /// is fixed only where this is given.
    pub to: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are equally far apart. Zero, which has no place there, gets one of its own
    /// before the axis begins.
    Log,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    #[default]
    Number,
    /// A share between 0 and 1, in per cent; the axis never goes beyond either.
    Percent,
}

/// One line, or one set of points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in the order in which the line visits them. A point that is not a number breaks
    /// the line.
    pub points: Vec<DataPoint>,
    /// The sign at its points.
    pub marker: Marker,
    /// The line between its points.
    pub dash: Dash,
    /// Which colour of the palette: series that belong together may share one.
    pub color: usize,
    /// Left out of the drawing (it stays in the legend).
    pub hidden: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPoint {
    pub x: f64,
    pub y: f64,
    /// The ends of its interval bar.
    pub interval: Option<(f64, f64)>,
    /// What it is: `64`, `Wait ×1`.
    pub name: String,
    /// What it rests on: `158/200`.
    pub detail: String,
    /// A number that belongs to it and has no axis.
    pub beside: Option<f64>,
    /// What else is to be said of it; usually nothing.
    pub note: String,
}

impl DataPoint {
    /// A point without name and interval.
    pub fn new(x: f64, y: f64) -> DataPoint {
        DataPoint {
            x,
            y,
            ..DataPoint::default()
        }
    }

    fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

/// Signs at points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// No sign: the line alone.
    #[default]
    None,
    Circle,
    Ring,
    Triangle,
    Diamond,
    Square,
    OpenTriangle,
    OpenDiamond,
    OpenSquare,
}

impl Marker {
    /// Signs to give to one series after another: told apart without colour.
    pub const ALL: [Marker; 8] = [
        Marker::Circle,
        Marker::Ring,
        Marker::Diamond,
        Marker::Triangle,
        Marker::Square,
        Marker::OpenDiamond,
        Marker::OpenTriangle,
        Marker::OpenSquare,
    ];

    /// The sign in a terminal.
    pub fn glyph(self, ascii: bool) -> &'static str {
        let (glyph, plain) = match self {
            Marker::None => ("─", "-"),
            Marker::Circle => ("●", "o"),
            Marker::Ring => ("○", "x"),
            Marker::Triangle => ("▲", "^"),
            Marker::Diamond => ("◆", "*"),
            Marker::Square => ("■", "#"),
            Marker::OpenTriangle => ("△", "v"),
            Marker::OpenDiamond => ("◇", "+"),
            Marker::OpenSquare => ("□", "@"),
        };
        if ascii { plain } else { glyph }
    }
}

/// Lines between points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    #[default]
    Solid,
    Dashed,
    Dotted,
    /// No line: points alone.
    None,
}

/// Words at a place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    pub x: f64,
    pub y: f64,
    /// The words; left out where they do not fit.
    pub text: String,
    /// The series it belongs to: it has its colour, and is hidden with it.
    pub series: Option<usize>,
}

/// A part of the figure, to look closer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Left and right, as values.
    pub x: (f64, f64),
    /// Bottom and top, as values; `None` for all.
    pub y: Option<(f64, f64)>,
}

impl Figure {
    /// The series that are drawn, with their index.
    pub fn shown(&self) -> impl Iterator<Item = (usize, &Series)> {
        self.series.iter().enumerate().filter(|(_, s)| !s.hidden)
    }

    /// The notes that are drawn, with their colour.
    fn words(&self) -> impl Iterator<Item = (&Annotation, Option<usize>)> {
        let series = move |note: &Annotation| note.series.and_then(|i| self.series.get(i));
        self.notes
            .iter()
            .filter(move |n| series(n).is_none_or(|s| !s.hidden))
            .map(move |n| (n, series(n).map(|s| s.color)))
    }

    /// The points of a series whose bars are to be drawn, with them. A point that an earlier series
    /// has too (two strategies that begin at the same one) has its bar there.
    fn bars(&self, index: usize) -> impl Iterator<Item = (&DataPoint, (f64, f64))> {
        let earlier = move |point: &DataPoint| {
            let mut earlier = self.shown().filter(move |(i, _)| *i < index);
            earlier.any(|(_, s)| s.points.contains(point))
        };
        let points = self.series.get(index).map_or(&[][..], |s| &s.points);
        points
            .iter()
            .filter(|p| p.is_finite())
            .filter_map(|p| Some((p, p.interval?)))
            .filter(move |(p, _)| !earlier(p))
    }

    /// The ranges of both axes. Hidden series count: hiding one moves nothing.
    pub fn ranges(&self, window: Option<Window>) -> (Range, Range) {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let x = Range::fit(&self.x, points().map(|p| p.x));
        let bars = points().flat_map(|p| {
            let (low, high) = p.interval.unwrap_or((p.y, p.y));
            [p.y, low, high]
        });
        let y = Range::fit(&self.y, bars);
        match window {
            Some(w) => (x.zoom(w.x), w.y.map_or(y, |part| y.zoom(part))),
            None => (x, y),
        }
    }

    /// One line that says everything about a point: `reasoner · 64: 158/200 = 79.0 %
    /// (72.8–84.1) at 64 thinking tokens`.
    pub fn readout(&self, series: usize, point: usize) -> Option<String> {
        let series = self.series.get(series)?;
        let point = series.points.get(point)?;
        let x = self.x.unit.exact(point.x);
        let mut out = clean_line(&series.name).into_owned();
        if !point.name.is_empty() {
            out += &format!(" · {}", clean_line(&point.name));
        }
        out += ": ";
        if !point.detail.is_empty() {
            out += &format!("{} = ", clean_line(&point.detail));
        }
        out += &self.y.unit.exact(point.y);
        if let Some((low, high)) = point.interval {
            let end = |value| self.y.unit.exact(value).replace('%', "");
            out += &format!(" ({}–{})", end(low), end(high));
        }
        out += &format!(" at {x} {}", clean_line(&self.x.label));
        if let Some(beside) = point.beside {
            let beside = Unit::Number.exact(beside);
            out += &format!(", {beside} {}", clean_line(&self.beside));
        }
        Some(out.trim_end().to_owned())
    }
}

/// Writes a figure in the format that the file's name ends in: `svg`, `png` or `csv`.
///
/// # Errors
/// If the name ends in anything else, or the file cannot be written.
pub fn write(figure: &Figure, path: &Path) -> Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let bytes = match extension.to_ascii_lowercase().as_str() {
        "svg" => svg::draw(figure).into_bytes(),
        #[cfg(feature = "png")]
        "png" => png::draw(figure)?,
        #[cfg(not(feature = "png"))]
        "png" => bail!(
            "this build draws no PNG (it was made without the feature png); let the name end in \
             .svg or .csv"
        ),
        "csv" => csv::write(figure).into_bytes(),
        _ => bail!(
            "unknown figure format {}; the name must end in .svg, .png or .csv",
            path.display()
        ),
    };
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;
