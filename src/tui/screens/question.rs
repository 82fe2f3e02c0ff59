//! The question box, which all screens that ask something share.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::on_border;
use crate::tui::app::{App, Focus};
use crate::tui::sanitize::{clean_line, fit};
use crate::tui::screen::Screen;
use crate::tui::widgets::overlay::put;
use crate::tui::widgets::panel;

/// Rows the text needs in `columns` columns.
pub fn rows(app: &App, columns: usize) -> usize {
    match app.focus {
        Focus::Question => app.question.rows(columns).min(1000),
        Focus::Trace => 1,
    }
}

/// Draws the box, with a border if there is room for one.
pub fn draw(app: &App, area: Rect, bordered: bool, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme();
    let focused = app.focus == Focus::Question;
    let inner = if bordered {
        let (border, title) = if focused {
            (theme.focus, theme.focus)
        } else {
            (theme.border, theme.title)
        };
        let mut block =
            panel::border(border).title(Line::styled(" Question ", on_border(theme, title)));
        if let Some(reference) = app.reference() {
            let text = clean_line(reference);
            let text = fit(&text, usize::from(area.width) / 3);
            block = block.title_top(
                Line::styled(format!(" reference ▸ {text} "), theme.dim).right_aligned(),
            );
        }
        let inner = block.inner(area);
        block.render(area, buf);
        Rect {
            x: inner.x + 1,
            width: inner.width.saturating_sub(2),
            ..inner
        }
    } else {
        put(buf, area, area.x, area.y, 2, "? ", theme.dim);
        Rect {
            x: area.x + 2.min(area.width),
            width: area.width.saturating_sub(2),
            ..area
        }
    };
    if inner.is_empty() {
        return;
    }
    let asked = match app.screen {
        Screen::Compare => app.compare.run.as_ref().map(|r| &r.request),
        _ => app.live.as_ref().map(|l| &l.request),
    };
    match asked.filter(|_| !focused) {
        Some(request) => {
            let line = request.question.replace('\n', " ");
            put(buf, inner, inner.x, inner.y, inner.width, &line, theme.text);
        }
        None => app.question.area().render(inner, buf),
    }
}
