//! What lies over the screen: the notice and the overlay.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Margin, Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::tui::app::overlay::Overlay;
use crate::tui::app::{App, Tone};
use crate::tui::sanitize::{clean_line, width};
use crate::tui::widgets::prose::{prose, wrap};

/// A sentence in a box at the lower right of `panel`, a bordered place of the screen's own (the
/// whole screen but the keys, if it has none); the box grows with its text.
pub fn notice(app: &App, panel: Option<Rect>, buf: &mut Buffer) {
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
        let block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(style);
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

/// The overlay; returns where the terminal's cursor stands in it.
pub fn overlay(app: &App, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let theme = app.theme();
    let keymap = &app.keymap;
    match app.overlay.as_ref()? {
        Overlay::Help(help) => help.draw(buf, area, keymap, theme),
        Overlay::Read(reader) => reader.draw(buf, area, keymap, theme),
        Overlay::Curation(view) => view.draw(buf, area, keymap, theme),
        Overlay::Palette(palette) => return palette.draw(buf, area, keymap, theme),
        Overlay::Pick(_, list) => list.draw(buf, area, keymap, theme),
        Overlay::Line(_, line) => return line.draw(buf, area, keymap, theme),
        Overlay::Sure(_, confirm) => confirm.draw(buf, area, theme),
        Overlay::Models(picker) => return picker.draw(buf, area, keymap, theme),
    }
    None
}
