//! Axes: lines, ticks, labels.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Styles, along, set};
use crate::{Figure, Range};
use s1_data::sanitize::{clean_line, width};

/// Narrower or lower than this there are no labels.
const LABELS_FROM: (u16, u16) = (18, 4);
/// From this height on, the horizontal axis has its title.
const TITLE_FROM: u16 = 12;

type Ticks = Vec<(f64, String)>;

/// Where the axes are and what they say.
pub struct Frame {
    /// The area of the lines themselves.
    pub plot: Rect,
    whole: Rect,
    x: (Range, Ticks),
    y: (Range, Ticks),
    titled: bool,
}

impl Frame {
    /// Divides an area between the axes and the lines.
    pub fn new(area: Rect, x: Range, y: Range) -> Frame {
        let labelled = area.width >= LABELS_FROM.0 && area.height >= LABELS_FROM.1;
        let titled = labelled && area.height >= TITLE_FROM;
        let below = if labelled { 2 + u16::from(titled) } else { 0 };
        let rows = area.height - below;
        let y_ticks = match labelled {
            true => y.ticks_that_fit(f64::from(rows), |_| 2.5),
            false => Vec::new(),
        };
        let label = y_ticks.iter().map(|(_, l)| width(l)).max().unwrap_or(0);
        let gutter = match labelled {
            true => (label as u16 + 1).min(area.width / 2),
            false => 0,
        };
        let plot = Rect {
            x: area.x + gutter,
            width: area.width - gutter,
            height: rows,
            ..area
        };
        let x_ticks = match labelled {
            true => x.ticks_that_fit(f64::from(plot.width), |l| width(l) as f64 + 2.0),
            false => Vec::new(),
        };
        Frame {
            plot,
            whole: area,
            x: (x, x_ticks),
            y: (y, y_ticks),
            titled,
        }
    }

    /// Draws the axes.
    pub fn draw(&self, figure: &Figure, ascii: bool, styles: &Styles, buf: &mut Buffer) {
        let plot = self.plot;
        if plot.height == self.whole.height {
            return;
        }
        let sign = |fancy, plain| if ascii { plain } else { fancy };
        let (axis_x, axis_y) = (plot.x.saturating_sub(1), plot.bottom());
        for y in plot.top()..plot.bottom() {
            set(buf, Position::new(axis_x, y), sign("│", "|"), styles.axis);
        }
        for x in plot.left()..plot.right() {
            set(buf, Position::new(x, axis_y), sign("─", "-"), styles.axis);
        }
        set(
            buf,
            Position::new(axis_x, axis_y),
            sign("╰", "+"),
            styles.axis,
        );

        let (range, ticks) = &self.y;
        for (value, label) in ticks {
            let y = plot.y + along(1.0 - range.place(*value), plot.height);
            set(buf, Position::new(axis_x, y), sign("┤", "+"), styles.axis);
            let size = width(label) as u16;
            if let Some(x) = axis_x.checked_sub(size).filter(|x| *x >= self.whole.x) {
                buf.set_string(x, y, label, styles.dim);
            }
        }
        let (range, ticks) = &self.x;
        let mut end = self.whole.left();
        for (value, label) in ticks {
            let x = plot.x + along(range.place(*value), plot.width);
            set(buf, Position::new(x, axis_y), sign("┬", "+"), styles.axis);
            let size = width(label) as u16;
            let left = x
                .saturating_sub(size / 2)
                .min(self.whole.right().saturating_sub(size));
            if left >= end {
                buf.set_string(left, axis_y + 1, label, styles.dim);
                end = left + size + 1;
            }
        }
        if range.has_zero_apart() {
            // The axis is broken between zero and the first value that has a logarithm.
            let x = plot.x + along(0.04, plot.width);
            set(buf, Position::new(x, axis_y), sign("╱", "/"), styles.axis);
        }
        if self.titled {
            let title = clean_line(&figure.x.label);
            let size = width(&title) as u16;
            if size <= plot.width {
                buf.set_string(plot.right() - size, axis_y + 2, &*title, styles.dim);
            }
        }
    }
}
