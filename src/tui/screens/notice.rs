//! The notice, which lies over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Margin, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use crate::tui::app::{App, Tone};
use crate::tui::sanitize::{clean_line, width};
use crate::tui::widgets::panel;
use crate::tui::widgets::prose::{prose, wrap};

/// A sentence in a box at the lower right of `panel`, a bordered place of the screen's own (the
/// whole screen but the keys, if it has none); the box grows with its text.
pub fn draw(app: &App, panel: Option<Rect>, buf: &mut Buffer) {
    let Some(notice) = &app.notice else { return };
    let theme = app.theme();
    let style = match notice.tone {
        Tone::Info => theme.text,
        Tone::Warning => theme.warn,
    };
    let sign = if notice.tone == Tone::Warning {
        "! "
    } else {
        ""
    };
    let text = format!("{sign}{}", clean_line(&notice.text));
    // Inside the panel of the trace, so that no border with something to say is covered; over
    // everything but the keys where that is too small.
    let panel = panel.filter(|p| p.height >= 6 && p.width >= 6);
    let bordered = panel.is_some();
    let layout = &app.layout;
    let within = match panel {
        Some(panel) => panel.inner(Margin::new(1, 1)),
        None => Rect {
            height: layout
                .whole
                .height
                .saturating_sub(layout.footer.height)
                .max(1),
            ..layout.whole
        },
    };
    let frame = if bordered { 4 } else { 0 };
    let room = usize::from(within.width)
        .min(76)
        .saturating_sub(frame)
        .max(1);
    let columns = width(&text).min(room);
    let rows = wrap(&text, columns).len().min(6);
    let wide = ((columns + frame) as u16).min(within.width);
    let high = ((rows + if bordered { 2 } else { 0 }) as u16).min(within.height);
    let place = Rect {
        x: within.right() - wide,
        y: within.bottom() - high,
        width: wide,
        height: high,
    };
    Clear.render(place, buf);
    buf.set_style(place, theme.text);
    let mut inner = place;
    if bordered {
        let block = panel::border(style);
        inner = block.inner(place);
        inner = Rect {
            x: inner.x + 1,
            width: inner.width.saturating_sub(2),
            ..inner
        };
        block.render(place, buf);
    }
    prose(vec![Line::styled(text, style)], Alignment::Left, inner, buf);
}
