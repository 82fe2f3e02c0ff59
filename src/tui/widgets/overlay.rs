//! Places on the screen, the box an overlay stands in, and text put into cells without ever leaving
//! them.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Margin, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::panel::border;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::{clean_line, fit, width};
use crate::tui::theme::Theme;

/// Where something over a screen is drawn, and with what.
pub struct DrawContext<'a> {
    pub buf: &'a mut Buffer,
    pub area: Rect,
    pub keymap: &'a Keymap,
    pub theme: &'a Theme,
}

impl<'a> DrawContext<'a> {
    /// What of an area is in the buffer.
    pub fn new(
        buf: &'a mut Buffer,
        area: Rect,
        keymap: &'a Keymap,
        theme: &'a Theme,
    ) -> DrawContext<'a> {
        DrawContext {
            area: area.intersection(buf.area),
            buf,
            keymap,
            theme,
        }
    }

    /// As [`put`].
    pub fn put(&mut self, place: Rect, text: &str, style: impl Into<Style>) -> Rect {
        put(self.buf, place, text, style)
    }

    /// As [`boxed`].
    pub fn boxed(&mut self, place: Rect, title: &str, hint: &str) -> Rect {
        boxed(self.buf, place, title, hint, self.theme)
    }

    /// Keys of a context with a word each, for the lower border of a box.
    pub fn hint(&self, context: Context, actions: &[(Action, &str)]) -> String {
        let entry = |&(action, word): &(Action, &str)| {
            Some(format!("{} {word}", self.keymap.key_for(context, action)?))
        };
        let entries: Vec<String> = actions.iter().filter_map(entry).collect();
        entries.join("   ")
    }
}

/// Writes text (made safe) into the first row of a place, cut with `…` where there is no room.
/// Returns what is left of the place at its right. Writes nothing outside.
pub fn put(buf: &mut Buffer, place: Rect, text: &str, style: impl Into<Style>) -> Rect {
    let place = place.intersection(buf.area);
    if place.is_empty() {
        return place;
    }
    let room = usize::from(place.width);
    let clean = clean_line(text);
    let (end, _) = buf.set_stringn(place.x, place.y, fit(&clean, room), room, style);
    skip(place, end - place.x)
}

/// A place without its first columns.
pub fn skip(place: Rect, columns: u16) -> Rect {
    let columns = columns.min(place.width);
    Rect {
        x: place.x + columns,
        width: place.width - columns,
        ..place
    }
}

/// A place without its first rows.
pub fn below(place: Rect, rows: u16) -> Rect {
    let rows = rows.min(place.height);
    Rect {
        y: place.y + rows,
        height: place.height - rows,
        ..place
    }
}

/// Parts of one line with a gap between two, as many from the first on as there is room for; a
/// space stands before the first.
pub fn fitting<'a>(
    parts: impl IntoIterator<Item = Vec<Span<'a>>>,
    gap: &Span<'a>,
    room: usize,
) -> Vec<Span<'a>> {
    let mut line = vec![Span::raw(" ")];
    let mut used = 1;
    for (i, part) in parts.into_iter().enumerate() {
        let before = Some(gap.clone()).filter(|_| i > 0);
        let part: Vec<Span> = before.into_iter().chain(part).collect();
        used += part.iter().map(Span::width).sum::<usize>();
        if used > room {
            break;
        }
        line.extend(part);
    }
    line
}

/// Width of a text in cells once it is made safe, at most `u16::MAX`.
pub fn cells(text: &str) -> u16 {
    u16::try_from(width(&clean_line(text))).unwrap_or(u16::MAX)
}

/// Divides an area from the top down.
pub fn rows<const N: usize>(heights: [Constraint; N], area: Rect) -> [Rect; N] {
    Layout::vertical(heights).areas(area)
}

/// Divides an area from left to right.
pub fn columns<const N: usize>(widths: [Constraint; N], area: Rect) -> [Rect; N] {
    Layout::horizontal(widths).areas(area)
}

/// A box of at most `width` × `height` cells (border included) in the middle of `area`.
pub fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// The room inside a box: where [`boxed`] leaves it.
pub fn inside(place: Rect) -> Rect {
    match place.width < 6 || place.height < 3 {
        true => place,
        false => place.inner(Margin::new(2, 1)),
    }
}

/// Clears a place and draws a titled box there, with a hint in its lower border (both made safe).
/// Returns the room inside, one column of margin left and right. Where there is no room for a
/// border, there is none.
pub fn boxed(buf: &mut Buffer, place: Rect, title: &str, hint: &str, theme: &Theme) -> Rect {
    let place = place.intersection(buf.area);
    Clear.render(place, buf);
    buf.set_style(place, theme.text);
    if place.width < 6 || place.height < 3 {
        return place;
    }
    let room = usize::from(place.width - 4);
    let (title, hint) = (clean_line(title), clean_line(hint));
    let title = fit(&title, room).into_owned();
    let mut block = border(theme.focus).title(Line::styled(format!(" {title} "), theme.focus));
    if !hint.is_empty() && width(&hint) <= room {
        let hint = Line::styled(format!(" {hint} "), theme.dim).right_aligned();
        block = block.title_bottom(hint);
    }
    block.render(place, buf);
    inside(place)
}

/// The first row to show of `len`, so that the selected one stands in the middle of the `height`
/// rows on screen, or as near to it as the ends of the list allow.
pub fn scroll_to(selected: usize, len: usize, height: usize) -> usize {
    selected
        .saturating_sub(height / 2)
        .min(len.saturating_sub(height))
}

#[cfg(test)]
pub mod testing {
    //! What the tests of all widgets share.

    use super::*;

    /// What a draw function leaves on a screen of a size, as text without trailing spaces.
    pub fn picture<R>(
        width: u16,
        height: u16,
        draw: impl FnOnce(&mut Buffer, Rect) -> R,
    ) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        draw(&mut buf, area);
        let rows = (0..height).map(|y| {
            let mut row = String::new();
            let mut x = 0;
            while x < width {
                let symbol = buf[(x, y)].symbol();
                row.push_str(symbol);
                x += u16::try_from(crate::tui::sanitize::width(symbol))
                    .unwrap()
                    .max(1);
            }
            row.trim_end().to_owned()
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// Draws at every size from 1 × 1 to 60 × 20, and in a corner of a larger screen: nothing may
    /// panic, and nothing outside the area may change.
    pub fn survives_every_size<R>(mut draw: impl FnMut(&mut Buffer, Rect) -> R) {
        for width in 1..=60 {
            for height in 1..=20 {
                let whole = Rect::new(0, 0, width + 3, height + 2);
                let area = Rect::new(2, 1, width, height);
                let mut buf = Buffer::filled(whole, ratatui::buffer::Cell::new("#"));
                draw(&mut buf, area);
                for at in whole.positions().filter(|at| !area.contains(*at)) {
                    assert_eq!(buf[at].symbol(), "#", "{area} was left at {at}");
                }
                let mut exact = Buffer::empty(Rect::new(0, 0, width, height));
                draw(&mut exact, Rect::new(0, 0, width, height));
                // An area that reaches beyond the screen, as after a resize under way.
                draw(&mut exact, Rect::new(0, 0, width + 9, height + 9));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_in_sight_and_no_row_is_wasted() {
        for len in 0..30 {
            for height in 1..12 {
                for selected in 0..len {
                    let first = scroll_to(selected, len, height);
                    assert!((first..first + height).contains(&selected));
                    assert!(first == 0 || first + height <= len);
                }
            }
        }
    }

    /// Found by fuzzing: the name of a training, asked about in a title, turned the screen's
    /// writing round.
    #[test]
    fn titles_and_hints_are_made_safe() {
        let area = Rect::new(0, 0, 30, 4);
        let mut buf = Buffer::empty(area);
        let theme = Theme::default();
        boxed(&mut buf, area, "Kill \u{202e}a\x1b[2J?", "b\u{9b}c", &theme);
        let shown: String = buf.content().iter().map(|cell| cell.symbol()).collect();
        assert!(shown.contains("Kill") && shown.contains('c'));
        assert!(!shown.contains(['\u{202e}', '\x1b', '\u{9b}']), "{shown}");
    }

    #[test]
    fn nothing_is_written_outside_the_area() {
        testing::survives_every_size(|buf, area| {
            let theme = Theme::default();
            let place = centered(area, 30, 8);
            let inner = boxed(buf, place, "a title 日本語", "Esc back", &theme);
            for y in 0..12 {
                put(buf, below(inner, y), "wide 日本語 text\x1b[31m", theme.bad);
            }
        });
    }
}
