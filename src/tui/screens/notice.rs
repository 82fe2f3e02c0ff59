//! The notice, which lies over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Margin, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use crate::tui::app::{App, Tone};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::overlay::cells;
use crate::tui::widgets::panel;
use crate::tui::widgets::prose::{prose, wrap};

/// A sentence in a box at the lower right of `panel`, a bordered place of the screen's own (the
/// whole screen but the keys, if it has none); the box grows with its text.
pub fn draw(app: &App, panel: Option<Rect>, buf: &mut Buffer) {
    let Some(notice) = &app.notice else { return };
    let theme = app.theme();
    let (sign, style) = match notice.tone {
        Tone::Info => ("", theme.text),
        Tone::Warning => ("! ", theme.warn),
    };
    let text = format!("{sign}{}", clean_line(&notice.text));
    // Inside the panel of the trace, so that no border with something to say is covered; over
    // everything but the keys where that is too small.
    let panel = panel.filter(|p| p.height >= 6 && p.width >= 6);
    let layout = &app.layout;
    let whole = Rect {
        height: (layout.whole.height)
            .saturating_sub(layout.footer.height)
            .max(1),
        ..layout.whole
    };
    let (within, margin) = match panel {
        Some(panel) => (panel.inner(Margin::new(1, 1)), Margin::new(2, 1)),
        None => (whole, Margin::default()),
    };
    let frame = 2 * margin.horizontal;
    let room = within.width.min(76).saturating_sub(frame).max(1);
    let columns = cells(&text).min(room);
    let rows = wrap(&text, usize::from(columns)).len().min(6) as u16;
    let wide = (columns + frame).min(within.width);
    let high = (rows + 2 * margin.vertical).min(within.height);
    let place = Rect::new(within.right() - wide, within.bottom() - high, wide, high);
    Clear.render(place, buf);
    buf.set_style(place, theme.text);
    if panel.is_some() {
        panel::border(style).render(place, buf);
    }
    let line = Line::styled(text, style);
    prose(vec![line], Alignment::Left, place.inner(margin), buf);
}
