//! The screens: a shell of header and footer, and one body at a time between them.
//!
//! The engine and everything that runs belong to the [`App`], not to a screen: whatever is under
//! way goes on while another screen is shown.
//!
//! # How a screen is added
//! 1. A variant of [`Screen`], at its place in [`Screen::ALL`]. The compiler then lists what it
//!    needs: a title, the action that shows it, the context of its keys, the groups of its actions,
//!    and whether the shared question box stands on it.
//! 2. Its actions in [`Action`](super::action::Action), in a [`Group`](super::action::Group) of their own, and one `show_…` action among the
//!    screens; its keys as a context of the [keymap](super::keymap) and a section of
//!    `assets/keymap.toml` (`program` holds what all screens share, a digit for the new one too).
//!    Help, palette and tab bar need nothing more.
//! 3. A module here that draws: `prepare` settles what depends on the size (the only one that may
//!    change state), `paint` only reads. Both get the [areas](ShellAreas); the body is theirs.
//! 4. A module in [`super::app`] with what the keys do (`act`), what the footer shows (`footer`),
//!    and the state as one field of [`App`].
//!
//! Not here: what keys do, and the state of any screen. All modules are private: neither the
//! application nor a widget can lean on how something is drawn.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::action::Action;
use super::app::App;
use super::app::areas::ShellAreas;
use super::screen::Screen;
use super::theme::Theme;
use super::widgets::footer;
use super::widgets::overlay::DrawContext;

mod compare;
mod explore;
mod header;
mod notice;
mod plots;
mod question;
mod train;

/// Settles what depends on the size of the screen. Call it before [`draw`].
pub fn prepare(app: &mut App, area: Rect) {
    app.layout = ShellAreas::of(area, notice::rows(app, area));
    if let Some(overlay) = &mut app.overlay {
        overlay.prepare(area, &app.keymap);
    }
    match app.screen {
        Screen::Explore => explore::prepare(app),
        Screen::Compare => compare::prepare(app),
        Screen::Plots => plots::prepare(app),
        Screen::Train => train::prepare(app),
    }
}

/// Draws the whole screen.
pub fn draw(app: &App, frame: &mut Frame) {
    let area = frame.area();
    let cursor = paint(app, area, frame.buffer_mut());
    if let Some(position) = cursor.filter(|p| area.contains(*p)) {
        frame.set_cursor_position(position);
    }
}

/// Draws into a buffer; returns where the terminal's cursor stands, if it is to be seen.
pub fn paint(app: &App, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let theme = app.theme();
    Clear.render(area, buf);
    buf.set_style(area, theme.text);
    header::draw(app, app.layout.header, buf);
    match app.screen {
        Screen::Explore => explore::paint(app, buf),
        Screen::Compare => compare::paint(app, buf),
        Screen::Plots => plots::paint(app, buf),
        Screen::Train => train::paint(app, buf),
    }
    let mut canvas = DrawContext::new(buf, app.layout.footer, &app.keymap, theme);
    footer::draw(&mut canvas, &app.footer_words(), app.context());
    notice::draw(app, buf);
    let mut canvas = DrawContext::new(buf, area, &app.keymap, theme);
    app.overlay.as_ref()?.draw(&mut canvas)
}

/// A key, and what it does; where a text field has the keys, first the one that leaves it.
fn keyed(app: &App, action: Action, what: &str) -> Line<'static> {
    Line::from(vec![
        Span::styled(app.way_to(action), app.theme().key),
        Span::styled(format!(" {what}"), app.theme().text),
    ])
}

/// A style for text that stands in a border: without what the border's style would add to it.
fn on_border(theme: &Theme, style: Style) -> Style {
    Style::reset().patch(theme.text).patch(style)
}
