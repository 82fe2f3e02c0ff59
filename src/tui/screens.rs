//! The screens: a shell of header and footer, and one body at a time between them.
//!
//! The engine and everything that runs belong to the [`App`], not to a screen: whatever is under
//! way goes on while another screen is shown.
//!
//! # How a screen is added
//! 1. A variant of [`Screen`], at its place in [`Screen::ALL`]. The compiler then lists what it
//!    needs: a title, the action that shows it, the context of its keys, the groups of its actions,
//!    and whether the shared question box stands on it.
//! 2. Its actions in [`Action`], in a [`Group`] of their own, and one `show_…` action among the
//!    screens; its keys as a context of the [keymap](super::keymap) and a section of
//!    `assets/keymap.toml` (`program` holds what all screens share, a digit for the new one too).
//!    Help, palette and tab bar need nothing more.
//! 3. A module here that draws: `prepare` settles what depends on the size (the only one that may
//!    change state), `paint` only reads. Both get the [`Layout`]; the body is theirs.
//! 4. A module in [`super::app`] with what the keys do (`act`), what the footer shows (`footer`),
//!    and the state as one field of [`App`].
//!
//! Not here: what keys do, and the state of any screen.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Clear, Widget};

use super::action::{Action, Group};
use super::app::App;
use super::app::overlay::Overlay;
use super::keymap::Context;
use super::theme::Theme;
use super::widgets::footer;

pub mod compare;
pub mod curation;
pub mod explore;
mod header;
mod over;
pub mod picker;
pub mod plots;
mod question;
pub mod train;

/// The lowest screen with a header.
const HEADER_FROM: u16 = 8;
/// The lowest screen with a footer.
const FOOTER_FROM: u16 = 4;

/// What can be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// One thought, steered while it runs.
    #[default]
    Explore,
    /// One question, several strategies side by side.
    Compare,
    /// What a thinking budget buys.
    Plots,
    /// Trainings: planned, watched, compared.
    Train,
}

impl Screen {
    /// Every screen, in the order of the tabs.
    pub const ALL: [Screen; 4] = [
        Screen::Explore,
        Screen::Compare,
        Screen::Plots,
        Screen::Train,
    ];

    /// What its tab says.
    pub fn title(self) -> &'static str {
        match self {
            Screen::Explore => "Explore",
            Screen::Compare => "Compare",
            Screen::Plots => "Plots",
            Screen::Train => "Train",
        }
    }

    /// The action that shows it.
    pub fn action(self) -> Action {
        match self {
            Screen::Explore => Action::ShowExplore,
            Screen::Compare => Action::ShowCompare,
            Screen::Plots => Action::ShowPlots,
            Screen::Train => Action::ShowTrain,
        }
    }

    /// Where its keys are bound.
    pub fn context(self) -> Context {
        match self {
            Screen::Explore => Context::Explore,
            Screen::Compare => Context::Compare,
            Screen::Plots => Context::Plots,
            Screen::Train => Context::Train,
        }
    }

    /// Whether the question box, which all screens that ask something share, stands on it.
    pub fn has_question(self) -> bool {
        match self {
            Screen::Explore | Screen::Compare => true,
            Screen::Plots | Screen::Train => false,
        }
    }

    /// The actions that do something on it: what its help and its palette list. Those of the
    /// program come by themselves.
    fn groups(self) -> &'static [Group] {
        match self {
            Screen::Explore => &[
                Group::Run,
                Group::Steer,
                Group::Move,
                Group::Scroll,
                Group::Look,
                Group::Branch,
                Group::Session,
            ],
            Screen::Compare => &[Group::Run, Group::Lanes, Group::Scroll],
            Screen::Plots => &[Group::Plot, Group::Scroll],
            Screen::Train => &[Group::Train, Group::Scroll],
        }
    }

    /// Whether an action does something on it.
    pub fn has(self, action: Action) -> bool {
        match action.group() {
            Group::Screens | Group::Program => true,
            Group::Steer if self == Screen::Compare => {
                // These also steer the selected lane.
                matches!(action, Action::Wait | Action::Cut)
            }
            Group::Plot if self == Screen::Train => {
                use Action as A;
                // Its panels and charts are walked through by the same keys.
                matches!(
                    action,
                    A::PanelNext | A::PanelPrevious | A::PointLeft | A::PointRight | A::LogAxis
                )
            }
            group => self.groups().contains(&group),
        }
    }

    /// The screen that an action shows.
    pub fn shown_by(action: Action) -> Option<Screen> {
        Screen::ALL.into_iter().find(|s| s.action() == action)
    }
}

/// Where the shell and the body of a screen are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The whole screen; what has room is decided by its size.
    pub whole: Rect,
    /// Program name, tabs, model.
    pub header: Rect,
    /// What belongs to the screen shown.
    pub body: Rect,
    /// The keys.
    pub footer: Rect,
}

impl Layout {
    /// Divides a screen.
    pub fn of(whole: Rect) -> Layout {
        let header = u16::from(whole.height >= HEADER_FROM);
        let footer = u16::from(whole.height >= FOOTER_FROM);
        let row = |y, height| Rect { y, height, ..whole };
        Layout {
            whole,
            header: row(whole.y, header),
            body: row(whole.y + header, whole.height - header - footer),
            footer: row(whole.bottom() - footer, footer),
        }
    }
}

/// Settles what depends on the size of the screen. Call it before [`draw`].
pub fn prepare(app: &mut App, area: Rect) {
    app.layout = Layout::of(area);
    if let Some(Overlay::Read(reader)) = &mut app.overlay {
        reader.settle(area);
    }
    match app.screen {
        Screen::Explore => explore::prepare(app),
        Screen::Compare => compare::prepare(app),
        // Nothing of them is kept from one drawing to the next.
        Screen::Plots | Screen::Train => {}
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
    let notices = match app.screen {
        Screen::Explore => explore::paint(app, buf),
        Screen::Compare => compare::paint(app, buf),
        Screen::Plots => plots::paint(app, buf),
        Screen::Train => train::paint(app, buf),
    };
    footer::draw(
        buf,
        app.layout.footer,
        &app.footer(),
        app.context(),
        &app.keymap,
        theme,
    );
    over::notice(app, notices, buf);
    over::overlay(app, area, buf)
}

/// A style for text that stands in a border: without what the border's style would add to it.
fn on_border(theme: &Theme, style: Style) -> Style {
    Style::reset().patch(theme.text).patch(style)
}

/// The tab at a place of the header.
pub fn tab_at(app: &App, at: Position) -> Option<Screen> {
    header::tab_at(app.layout.header, at)
}
