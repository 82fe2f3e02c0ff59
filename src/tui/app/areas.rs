//! Where things are on the screen, as the last layout left them: what the mouse points at.
//!
//! The screens set these before they draw. Not here: how room is divided inside a screen.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Rect;

use crate::tui::widgets::overlay::rows;

/// The narrowest screen with a side panel in the explorer.
pub const SIDE_FROM: u16 = 100;
/// The lowest screen with a header.
const HEADER_FROM: u16 = 8;
/// The lowest screen with a footer.
const FOOTER_FROM: u16 = 4;

/// Where the shell and the body of a screen are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellAreas {
    /// The whole screen; what has room is decided by its size.
    pub whole: Rect,
    /// Program name, tabs, model.
    pub header: Rect,
    /// What belongs to the screen shown.
    pub body: Rect,
    /// What the program has to say; empty while that is nothing.
    pub said: Rect,
    pub footer: Rect,
}

impl ShellAreas {
    /// Divides a screen; `said` is the number of rows for what the program has to say.
    pub fn of(whole: Rect, said: u16) -> ShellAreas {
        let header = u16::from(whole.height >= HEADER_FROM);
        let footer = u16::from(whole.height >= FOOTER_FROM);
        let heights = [Length(header), Fill(1), Length(said), Length(footer)];
        let [header, body, said, footer] = rows(heights, whole);
        ShellAreas {
            whole,
            header,
            body,
            said,
            footer,
        }
    }
}

/// Where things are in the explorer; the comparison shares all but the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExploreAreas {
    /// The question box, its border included.
    pub question: Rect,
    /// The panel of the trace, its border included.
    pub panel: Rect,
    /// The text of the trace.
    pub trace: Rect,
    /// The whole trace in one row, where it does not fit on the screen.
    pub strip: Rect,
    /// The side panel, its border included; empty where it has no room.
    pub side: Rect,
    /// The line that stands in for the side panel.
    pub summary: Rect,
    /// Whether panels have borders.
    pub bordered: bool,
}
