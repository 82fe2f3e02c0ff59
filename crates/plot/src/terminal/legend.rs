//! The legend: to the right of the drawing if that is wide, else below it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{ChartView, Ink, Styles};
use crate::{Dash, Figure, Marker, Series};
use s1_data::sanitize::{clean_line, fit, width};

/// From this width on the legend is to the right of the drawing.
const BESIDE_FROM: u16 = 96;
/// Lower than this there is none.
const FROM_HEIGHT: u16 = 8;
/// The sign and the space behind it.
const SIGN: usize = 4;
const GAP: usize = 3;

/// Where the legend is.
pub struct Legend {
    area: Rect,
    /// To the right of the drawing, and not below it.
    beside: bool,
}

/// Takes the legend's room from an area.
pub fn split(figure: &Figure, area: Rect) -> (Option<Legend>, Rect) {
    let sizes: Vec<usize> = entries(figure)
        .map(|(_, _, name)| SIGN + width(&name))
        .collect();
    let Some(&widest) = sizes.iter().max().filter(|w| **w > SIGN) else {
        return (None, area);
    };
    if area.height < FROM_HEIGHT || area.width < 30 {
        return (None, area);
    }
    if area.width >= BESIDE_FROM {
        let columns = (widest as u16 + 2).min(area.width * 3 / 10);
        let [rest, _, area] = Layout::horizontal([
            Constraint::Fill(1),
            Constraint::Length(2),
            Constraint::Length(columns - 2),
        ])
        .areas(area);
        return (Some(Legend { area, beside: true }), rest);
    }
    let rows = rows(&sizes, area.width.into()).min(usize::from(area.height / 5).clamp(1, 3)) as u16;
    let [rest, area] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(rows)]).areas(area);
    let beside = false;
    (Some(Legend { area, beside }), rest)
}

/// Index, series and name of every entry: those that are shown, then the hidden ones.
fn entries(figure: &Figure) -> impl Iterator<Item = (usize, &Series, String)> {
    let all = || figure.series.iter().enumerate();
    let shown = all().filter(|(_, s)| !s.hidden);
    shown
        .chain(all().filter(|(_, s)| s.hidden))
        .map(|(index, series)| {
            let hidden = if series.hidden { " (hidden)" } else { "" };
            let name = clean_line(&series.name).into_owned() + hidden;
            (index, series, name)
        })
}

/// How many rows entries of these sizes take.
fn rows(sizes: &[usize], room: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for &size in sizes {
        let size = size.min(room);
        if used > 0 && used + GAP + size > room {
            rows += 1;
            used = size;
        } else {
            used += size + if used > 0 { GAP } else { 0 };
        }
    }
    rows
}

impl Legend {
    /// Draws it. Entries that do not fit are counted at the end.
    pub fn draw(&self, figure: &Figure, view: &ChartView, styles: &Styles, buf: &mut Buffer) {
        let Legend { area, beside } = *self;
        let (mut x, mut y) = (area.x, area.y);
        let total = figure.series.len();
        for (place, (index, series, name)) in entries(figure).enumerate() {
            let size = (SIGN + width(&name)).min(area.width.into()) as u16;
            let wraps = if beside {
                place > 0
            } else {
                x > area.x && x + size > area.right()
            };
            // The last row says how many are missing, behind what it still holds.
            let next = y + u16::from(wraps);
            let missing = if beside {
                (next + 1 >= area.bottom() && place + 1 < total).then_some((area.x, next))
            } else {
                (next >= area.bottom()).then_some((x, y))
            };
            if let Some((x, y)) = missing {
                let room = area.right().saturating_sub(x);
                let text = format!("… {} more", total - place);
                let text = if width(&text) > room.into() {
                    "…"
                } else {
                    &text
                };
                buf.set_stringn(x, y.min(area.bottom() - 1), text, room.into(), styles.dim);
                return;
            }
            if wraps {
                (x, y) = (area.x, y + 1);
            }
            let style = if series.hidden {
                styles.dim
            } else {
                styles.of(series.color)
            };
            buf.set_string(x, y, sign(series, view.ink), style);
            let name_style = match view.cursor {
                Some((at, _)) if at == index => styles.text.patch(styles.cursor),
                _ if series.hidden => styles.dim,
                _ => styles.text,
            };
            let room = usize::from(size).saturating_sub(SIGN);
            let at = x + SIGN as u16;
            buf.set_string(at, y, fit(&name, room), name_style);
            if !beside {
                x += size + GAP as u16;
            }
        }
    }
}

/// Three cells that show line and marker of a series.
fn sign(series: &Series, ink: Ink) -> String {
    let ascii = ink == Ink::Ascii;
    let line = match (series.dash, ascii) {
        (Dash::Solid, false) => "─",
        (Dash::Dashed, false) => "╌",
        (Dash::Dotted, false) => "┈",
        (Dash::Solid | Dash::Dashed, true) => "-",
        (Dash::Dotted, true) => ".",
        (Dash::None, _) => " ",
    };
    let marker = match series.marker {
        Marker::None => line,
        marker => marker.glyph(ascii),
    };
    format!("{line}{marker}{line}")
}
