//! A figure in character cells.
//!
//! As the area shrinks, the axis titles go first, then the legend, then the labels, then the axes;
//! the lines stay. Labels never overlap. Hidden series keep their place in the legend.
//!
//! Not here: panels, keys, themes (`tui::widgets::chart`).

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

mod axes;
mod legend;

use super::canvas::Canvas;
pub use super::canvas::Ink;
use super::sample::thin;
use super::{Dash, Figure, Marker, Range, Window};
use axes::Frame;
use legend::Legend;
use s1_data::sanitize::{clean_line, fit, width};

/// How a figure is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartView {
    /// The part that is shown; `None` for all.
    pub window: Option<Window>,
    /// What lines are made of.
    pub ink: Ink,
    /// The crosshair: a series and one of its points.
    pub cursor: Option<(usize, usize)>,
}

/// Styles by meaning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Styles {
    /// Labels of series, notes.
    pub text: Style,
    /// Labels of axes.
    pub dim: Style,
    /// Axes and crosshair.
    pub axis: Style,
    /// The point under the crosshair.
    pub cursor: Style,
    /// The series, by their colour; taken round and round.
    pub series: Vec<Style>,
}

impl Styles {
    fn of(&self, color: usize) -> Style {
        match self.series.len() {
            0 => self.text,
            n => self.series.get(color % n).copied().unwrap_or(self.text),
        }
    }
}

/// The area of the lines themselves, and what it covers.
#[derive(Clone, Copy, Debug)]
struct TerminalPlot {
    area: Rect,
    x: Range,
    y: Range,
}

impl TerminalPlot {
    /// The cell of a point, if it lies inside.
    fn cell(&self, x: f64, y: f64) -> Option<Position> {
        let (px, py) = (self.x.place(x), self.y.place(y));
        let inside = |p: f64| (-1e-6..=1.0 + 1e-6).contains(&p);
        (inside(px) && inside(py)).then(|| Position::new(self.column(px), self.row(py)))
    }

    fn column(&self, place: f64) -> u16 {
        self.area.x + along(place, self.area.width)
    }

    fn row(&self, place: f64) -> u16 {
        self.area.y + along(1.0 - place, self.area.height)
    }
}

/// The cell for a place on a side of `cells` cells.
fn along(place: f64, cells: u16) -> u16 {
    // A float cast saturates, and turns NaN into 0.
    (Canvas::dot(place, cells.into()).max(0) as u16).min(cells.saturating_sub(1))
}

/// How a figure's legend and axes divide an area.
fn divide(figure: &Figure, view: &ChartView, area: Rect) -> (Option<Legend>, Frame, TerminalPlot) {
    let (legend, area) = legend::split(figure, area);
    let (x, y) = figure.ranges(view.window);
    let frame = Frame::new(area, x, y);
    let plot = TerminalPlot {
        area: frame.plot,
        x,
        y,
    };
    (legend, frame, plot)
}

/// The point of a shown series that is nearest to a place, where a figure is drawn into this area.
pub fn point_at(
    figure: &Figure,
    view: &ChartView,
    area: Rect,
    at: Position,
) -> Option<(usize, usize)> {
    if !area.contains(at) {
        return None;
    }
    let (_, _, plot) = divide(figure, view, area);
    let mut best = None;
    for (index, series) in figure.shown() {
        for (i, point) in series
            .points
            .iter()
            .enumerate()
            .filter(|(_, p)| p.is_finite())
        {
            let Some(cell) = plot.cell(point.x, point.y) else {
                continue;
            };
            // A cell is twice as high as wide.
            let (dx, dy) = (cell.x.abs_diff(at.x), 2 * u32::from(cell.y.abs_diff(at.y)));
            let distance = u32::from(dx).pow(2) + dy.pow(2);
            if best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, (index, i)));
            }
        }
    }
    best.map(|(_, point)| point)
}

/// Draws a figure without its title and caption. The area must be blank.
pub fn draw(figure: &Figure, view: &ChartView, styles: &Styles, buf: &mut Buffer, area: Rect) {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return;
    }
    let ascii = view.ink == Ink::Ascii;
    let (legend, frame, plot) = divide(figure, view, area);
    frame.draw(figure, ascii, styles, buf);
    for (index, series) in figure.shown() {
        for (point, interval) in figure.bars(index) {
            let style = styles.of(series.color);
            bar(&plot, point.x, interval, series.dash, ascii, style, buf);
        }
    }
    lines(figure, &plot, view.ink, styles, buf);
    for (_, series) in figure.shown() {
        if series.marker == Marker::None || series.points.len() > usize::from(plot.area.width) {
            continue;
        }
        for point in series.points.iter().filter(|p| p.is_finite()) {
            if let Some(at) = plot.cell(point.x, point.y) {
                set(buf, at, series.marker.glyph(ascii), styles.of(series.color));
            }
        }
    }
    crosshair(figure, view, &plot, styles, buf);
    for (note, color) in figure.words() {
        let style = color.map_or(styles.text, |c| styles.of(c));
        words(&plot, (note.x, note.y), &note.text, style, buf);
    }
    if let Some(legend) = legend {
        legend.draw(figure, view, styles, buf);
    }
}

/// A whole figure as lines of text: title, drawing, caption.
pub fn text(figure: &Figure, view: &ChartView, columns: u16, rows: u16) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buf = Buffer::empty(area);
    let mut out = String::new();
    let mut line = |text: &str| {
        if !text.is_empty() {
            out.push_str(&fit(&clean_line(text), columns.into()));
            out.push('\n');
        }
    };
    line(&figure.title);
    line(&figure.subtitle);
    draw(figure, view, &Styles::default(), &mut buf, area);
    for y in 0..rows {
        let mut row = String::new();
        let mut x = 0;
        while x < columns {
            let symbol = buf.cell((x, y)).map_or(" ", |c| c.symbol());
            row.push_str(symbol);
            x += u16::try_from(width(symbol)).unwrap_or(1).max(1);
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    if !figure.caption.is_empty() {
        out.push_str(&fit(&clean_line(&figure.caption), columns.into()));
        out.push('\n');
    }
    out
}

fn set(buf: &mut Buffer, at: Position, sign: &str, style: Style) {
    if let Some(cell) = buf.cell_mut(at) {
        cell.set_symbol(sign).set_style(style);
    }
}

fn is_blank(buf: &Buffer, at: Position) -> bool {
    buf.cell(at).is_some_and(|cell| cell.symbol() == " ")
}

fn lines(figure: &Figure, plot: &TerminalPlot, ink: Ink, styles: &Styles, buf: &mut Buffer) {
    let mut canvas = Canvas::new(ink, plot.area.width, plot.area.height);
    let (dots, _) = canvas.size();
    for (index, series) in figure.shown().filter(|(_, s)| s.dash != Dash::None) {
        let places: Vec<(f64, f64)> = series
            .points
            .iter()
            .map(|p| (plot.x.place(p.x), plot.y.place(p.y)))
            .collect();
        let kept = thin(&places, |x| Canvas::dot(x, dots));
        let mut walked = 0;
        // A single point has no line, but where it has no marker either it would be invisible.
        if let ([only], Marker::None) = (kept.as_slice(), series.marker) {
            canvas.line(*only, *only, Dash::Solid, &mut walked, index);
        }
        for pair in kept.windows(2) {
            if let [from, to] = pair {
                canvas.line(*from, *to, series.dash, &mut walked, index);
            }
        }
    }
    for (x, y, sign, index) in canvas.cells() {
        let color = figure.series.get(index).map_or(0, |s| s.color);
        let at = Position::new(plot.area.x + x, plot.area.y + y);
        set(buf, at, sign.encode_utf8(&mut [0; 4]), styles.of(color));
    }
}

/// The interval of a point, as a bar with ends. Its parts outside the window are cut off.
fn bar(
    plot: &TerminalPlot,
    x: f64,
    (low, high): (f64, f64),
    dash: Dash,
    ascii: bool,
    style: Style,
    buf: &mut Buffer,
) {
    let (x, low, high) = (plot.x.place(x), plot.y.place(low), plot.y.place(high));
    let all = [x, low, high].iter().all(|v| v.is_finite());
    if !all || !(0.0..=1.0).contains(&x) || low > high || high < 0.0 || low > 1.0 {
        return;
    }
    let (top, bottom) = (plot.row(high), plot.row(low));
    if top == bottom {
        return;
    }
    let (line, caps) = match (ascii, dash) {
        (true, _) => ("|", ["-", "-"]),
        (false, Dash::Dashed) => ("┆", ["┬", "┴"]),
        (false, Dash::Dotted | Dash::None) => ("┊", ["┬", "┴"]),
        (false, Dash::Solid) => ("│", ["┬", "┴"]),
    };
    for y in top..=bottom {
        let sign = match y {
            _ if y == top && high <= 1.0 => caps[0],
            _ if y == bottom && low >= 0.0 => caps[1],
            _ => line,
        };
        let at = Position::new(plot.column(x), y);
        // Two bars at one place: the ends of both stay.
        if is_blank(buf, at) || sign != line {
            set(buf, at, sign, style);
        }
    }
}

fn crosshair(
    figure: &Figure,
    view: &ChartView,
    plot: &TerminalPlot,
    styles: &Styles,
    buf: &mut Buffer,
) {
    let Some((series, point)) = view.cursor else {
        return;
    };
    let Some(series) = figure.series.get(series).filter(|s| !s.hidden) else {
        return;
    };
    let Some(at) = series.points.get(point).and_then(|p| plot.cell(p.x, p.y)) else {
        return;
    };
    let (down, across) = match view.ink {
        Ink::Ascii => (":", "-"),
        _ => ("┊", "┈"),
    };
    for y in plot.area.top()..plot.area.bottom() {
        let here = Position::new(at.x, y);
        if is_blank(buf, here) {
            set(buf, here, down, styles.axis);
        }
    }
    for x in plot.area.left()..at.x {
        let here = Position::new(x, at.y);
        if is_blank(buf, here) {
            set(buf, here, across, styles.axis);
        }
    }
    let glyph = match series.marker {
        Marker::None => Marker::Circle.glyph(view.ink == Ink::Ascii),
        marker => marker.glyph(view.ink == Ink::Ascii),
    };
    set(buf, at, glyph, styles.of(series.color).patch(styles.cursor));
}

/// Words next to a place, if every cell that they need is blank.
fn words(plot: &TerminalPlot, (x, y): (f64, f64), text: &str, style: Style, buf: &mut Buffer) {
    let Some(at) = plot.cell(x, y) else { return };
    let text = clean_line(text);
    let size = u16::try_from(width(&text)).unwrap_or(u16::MAX);
    let area = plot.area;
    let centred = at.x.saturating_sub(size / 2);
    let candidates = [
        (at.x.saturating_add(2), at.y),
        (at.x.saturating_sub(size.saturating_add(1)), at.y),
        (centred, at.y.saturating_sub(1)),
        (centred, at.y.saturating_add(1)),
        (at.x.saturating_add(1), at.y.saturating_sub(1)),
        (at.x.saturating_add(1), at.y.saturating_add(1)),
    ];
    let fits = |&(left, row): &(u16, u16)| {
        let right = left.saturating_add(size);
        let inside = left >= area.left()
            && right <= area.right()
            && (area.top()..area.bottom()).contains(&row);
        // One blank column before and after keeps it apart from everything else.
        inside
            && (left.saturating_sub(1).max(area.left())..right.saturating_add(1).min(area.right()))
                .all(|x| is_blank(buf, Position::new(x, row)))
    };
    if let Some(&(left, row)) = candidates.iter().find(|c| fits(c)) {
        buf.set_string(left, row, &*text, style);
    }
}

#[cfg(test)]
mod tests;
