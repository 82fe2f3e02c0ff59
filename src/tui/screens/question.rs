//! The question box, which all screens that ask something share.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Margin, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::on_border;
use crate::tui::action::Action;
use crate::tui::app::{App, Focus};
use crate::tui::sanitize::{clean_line, fit, width};
use crate::tui::widgets::overlay::{columns, put, skip};
use crate::tui::widgets::panel;
use crate::tui::widgets::prose::wrap;

/// The smallest screen whose question and trace have borders.
const BORDERS_FROM: (u16, u16) = (20, 10);

/// Whether the box and what is below it have borders.
pub fn is_bordered(whole: Rect) -> bool {
    whole.width >= BORDERS_FROM.0 && whole.height >= BORDERS_FROM.1
}

/// The lowest screen where a question without the keys may have several rows, and how many.
const SEVERAL_FROM: u16 = 20;
const SEVERAL: usize = 4;

/// The question as it stands without the keys: what was asked, or what is typed.
fn shown(app: &App) -> String {
    clean_line(&app.shown_question().replace('\n', " ")).into_owned()
}

/// Rows of the box, its border included: what its text needs where it has the keys, a few otherwise;
/// none then on a screen lower than `from`.
pub fn height(app: &App, from: u16) -> u16 {
    let whole = app.layout.whole;
    let border = if is_bordered(whole) { 2 } else { 0 };
    match app.focus {
        Focus::Question => {
            let columns = usize::from(whole.width.saturating_sub(border + 2));
            let wanted = app.question.rows(columns).min(1000) as u16 + border;
            // Without a trace to see, the question may take more.
            wanted.min((whole.height / 3).max(1 + border))
        }
        Focus::Trace if whole.height < from => 0,
        Focus::Trace if whole.height < SEVERAL_FROM => 1 + border,
        Focus::Trace => {
            let columns = usize::from(whole.width.saturating_sub(border + 2));
            wrap(&shown(app), columns.max(1)).len().min(SEVERAL) as u16 + border
        }
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
        block.render(area, buf);
        area.inner(Margin::new(2, 1))
    } else {
        put(buf, area, "? ", theme.dim);
        skip(area, 2)
    };
    if inner.is_empty() {
        return;
    }
    let text = shown(app);
    if focused || text.is_empty() {
        return app.question.area().render(inner, buf);
    }
    let rows = wrap(&text, usize::from(inner.width));
    let more = rows.len() > usize::from(inner.height);
    let whole = format!("{} reads all", app.key(Action::ReadQuestion));
    for (i, (row, place)) in rows.iter().zip(inner.rows()).enumerate() {
        let last = i + 1 == usize::from(inner.height);
        let told = usize::from(place.width) >= 3 * width(&whole);
        if !(more && last && told) {
            let rest = if more && last {
                rows[i..].join(" ")
            } else {
                row.clone()
            };
            put(buf, place, &rest, theme.text);
            continue;
        }
        // At the end of what is seen, how to come to the rest.
        let wide = (width(&whole) as u16 + 1).min(place.width / 2);
        let [start, end] = columns([Fill(1), Length(wide)], place);
        put(buf, start, &rows[i..].join(" "), theme.text);
        put(buf, skip(end, 1), &whole, theme.key);
    }
}
