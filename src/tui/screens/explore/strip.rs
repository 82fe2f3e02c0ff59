//! The whole trace in one row: how near each part was to ending (or how unsure it was, where colours
//! mean that), what was forced, and where the reader is. A click goes there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::app::live::Live;
use crate::tui::widgets::overlay::{put, skip};
use crate::tui::widgets::spark::{LEVELS, Share};
use crate::tui::widgets::trace::layout::Mark;
use crate::tui::widgets::trace::{ENTROPY_FULL, Heat};
use s1_core::trace::{Origin, Reason, Token};

/// The sign of what begins at a token, if the model did not write it by itself.
fn sign(token: &Token, before: Option<&Token>) -> Option<&'static str> {
    if before.is_some_and(|b| (b.origin, b.reason) == (token.origin, token.reason)) {
        return None;
    }
    match (token.origin, token.reason) {
        (Origin::User, _) => Some(Mark::User.sign()),
        (_, Some(Reason::Wait | Reason::UserWait | Reason::EndIgnored)) => Some(Mark::Wait.sign()),
        (Origin::Forced, _) if token.is_delimiter() => Some(Mark::Ending.sign()),
        (Origin::Sampled, _) if token.is_delimiter() => Some("■"),
        _ => None,
    }
}

pub fn draw(app: &App, live: &Live, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let tokens = &live.lane().tokens;
    let columns = App::strip_columns(tokens.len(), area);
    let (share, full, scale) = match app.heat {
        Heat::Entropy => (Share::Mean, ENTROPY_FULL, "entropy 0–3"),
        Heat::Off | Heat::PEnd => (Share::Peak, 1.0, "P(end) 0–1"),
    };
    let values = tokens.iter().map(|token| match share {
        Share::Mean => token.entropy,
        Share::Peak => token.p_end,
    });
    let shown = columns.shares(values, share);
    let view = &live.branch().view;
    let lines = view.layout().lines();
    let at = |line: usize| lines.get(line).map_or(tokens.len(), |l| l.start.token);
    let first = view.first_line();
    let seen = columns.of(at(first))
        ..=columns.of(at(first + usize::from(app.places.trace.height)).saturating_sub(1));
    let cursor = view.cursor().map(|cursor| columns.of(cursor));
    let style = |column: usize| match cursor == Some(column) {
        true => theme.spark.patch(theme.cursor),
        false if seen.contains(&column) => theme.text,
        false => theme.spark,
    };
    for (column, (x, value)) in (area.left()..area.right()).zip(&shown).enumerate() {
        let level = (value / full * LEVELS.len() as f32) as usize;
        let symbol = LEVELS[level.min(LEVELS.len() - 1)];
        if let Some(cell) = buf.cell_mut((x, area.y)) {
            cell.set_symbol(symbol).set_style(style(column));
        }
    }
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        if let Some(sign) = sign(token, before) {
            let column = columns.of(at);
            if let Some(cell) = buf.cell_mut((area.x + column as u16, area.y)) {
                let style = match sign == Mark::User.sign() {
                    true => theme.user,
                    false => theme.forced,
                };
                cell.set_symbol(sign)
                    .set_style(match cursor == Some(column) {
                        true => style.patch(theme.cursor),
                        false => style,
                    });
            }
        }
    }
    put(
        buf,
        skip(area, area.width.saturating_sub(App::STRIP_SCALE - 1)),
        scale,
        theme.dim,
    );
}
