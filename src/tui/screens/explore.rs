//! The explorer: a question, its thought, and the instruments beside it.
//!
//! Draw functions only read the state; what depends on the size of the screen (line breaks, the
//! room of each panel) is settled by [`prepare`] before. Panels give way in a fixed order as the
//! screen shrinks: the side panel becomes one line, then that line, the header and the borders
//! go. The trace is the last to go.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Rect;

use super::{on_border, question};
use crate::tui::app::areas::{ExploreAreas, SIDE_FROM, ShellAreas};
use crate::tui::app::{App, Focus};
use crate::tui::widgets::overlay::{columns, rows};
use crate::tui::widgets::panel;
use crate::tui::widgets::trace::GradedAnswer;
use crate::tui::widgets::what_if::WhatIfMap;

mod blank;
mod narrow;
mod side;
mod strip;
mod thought;

/// The lowest trace with a strip below it.
const STRIP_FROM: u16 = 8;

/// Divides the body of the screen.
fn areas(app: &App, shell: &ShellAreas) -> ExploreAreas {
    let area = shell.whole;
    let bordered = question::is_bordered(area);
    let question = question::height(app, 5);
    let side = match app.side && area.width >= SIDE_FROM && bordered && app.live.is_some() {
        true => (area.width * 31 / 100).clamp(38, 56),
        false => 0,
    };
    let summary = u16::from(side == 0 && area.height >= 7 && app.live.is_some());
    let [question, body] = rows([Length(question), Fill(1)], shell.body);
    let [body, side] = columns([Fill(1), Length(side)], body);
    let [panel, summary] = rows([Fill(1), Length(summary)], body);
    let mut trace = match bordered {
        true => panel::text(panel),
        false => panel,
    };
    let mut strip = Rect::default();
    let total = (app.live.as_ref()).map_or(0, |live| live.branch().view.total());
    if bordered && trace.height >= STRIP_FROM && total > usize::from(trace.height) {
        [trace, strip] = rows([Fill(1), Length(1)], trace);
    }
    ExploreAreas {
        question,
        panel,
        trace,
        strip,
        side,
        summary,
        bordered,
    }
}

/// Settles what depends on the size of the screen: where panels are, and how the trace is laid
/// out.
pub fn prepare(app: &mut App) {
    let mut shell = app.layout;
    if app.shows_what_if() {
        // The trace ends where the map begins.
        let map = WhatIfMap::place_in(shell.whole);
        shell.body.height = map.y.saturating_sub(shell.body.y).min(shell.body.height);
    }
    app.places = areas(app, &shell);
    let theme = app.theme().clone();
    app.question.dress(app.focus == Focus::Question, &theme);
    let trace = app.places.trace;
    let (show, raw) = (app.show_delimiters, app.raw_maths);
    let Some(live) = app.live.as_mut() else {
        return;
    };
    let branch = live.branch_mut();
    let tail = branch.verdict.as_ref().map_or(0, |_| GradedAnswer::LINES);
    let size = (usize::from(trace.width), usize::from(trace.height));
    branch.view.show_raw(raw);
    branch.view.update(&branch.lane.tokens, size, show, tail);
}

/// Draws the body.
pub fn paint(app: &App, buf: &mut Buffer) {
    let places = &app.places;
    question::draw(app, places.question, places.bordered, buf);
    thought::draw(app, places, buf);
    if let Some(live) = app.live.as_ref().filter(|_| !places.strip.is_empty()) {
        strip::draw(app, live, places.strip, buf);
    }
    if !places.side.is_empty() {
        side::draw(app, places.side, buf);
    }
    if !places.summary.is_empty() {
        narrow::draw(app, places.summary, buf);
    }
}

#[cfg(test)]
mod tests;
