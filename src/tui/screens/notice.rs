//! What the program has to say: a notice, and the line of the tour. They have rows of their own above
//! the keys, so that they cover nothing.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use crate::tui::app::{App, Tone};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::overlay::skip;
use crate::tui::widgets::prose::{prose, wrap};

/// A longer sentence is cut.
const MOST: usize = 4;

/// The sentences, each with its style.
fn said(app: &App) -> Vec<(String, Style)> {
    let theme = app.theme();
    let notice = app.notice.as_ref().map(|notice| match notice.tone {
        Tone::Info => (notice.text.clone(), theme.text),
        Tone::Warning => (format!("! {}", notice.text), theme.warn),
    });
    let tour = app.tour_line().map(|line| (format!("▸ {line}"), theme.key));
    let lines = notice.into_iter().chain(tour);
    lines
        .map(|(text, style)| (clean_line(&text).into_owned(), style))
        .collect()
}

/// Rows that it takes on a screen of this size.
pub fn rows(app: &App, whole: Rect) -> u16 {
    let columns = usize::from(whole.width.saturating_sub(2)).max(1);
    let rows = said(app).into_iter();
    let rows = rows.map(|(text, _)| wrap(&text, columns).len().min(MOST));
    (rows.sum::<usize>() as u16).min(whole.height / 4)
}

/// Draws it into its rows; on a screen that is too low for any, over the end of the body.
pub fn draw(app: &App, buf: &mut Buffer) {
    let said = said(app);
    let layout = &app.layout;
    let area = match (said.is_empty(), layout.said.is_empty()) {
        (true, _) => return,
        (false, false) => layout.said,
        (false, true) => Rect {
            y: layout.body.bottom().saturating_sub(1).max(layout.body.y),
            height: layout.body.height.min(1),
            ..layout.body
        },
    };
    Clear.render(area, buf);
    buf.set_style(area, app.theme().text);
    let place = match area.width > 2 {
        true => skip(
            Rect {
                width: area.width - 1,
                ..area
            },
            1,
        ),
        false => area,
    };
    let lines = said
        .into_iter()
        .map(|(text, style)| Line::styled(text, style));
    prose(lines.collect(), Alignment::Left, place, buf);
}
