//! Where things are on the screen, as the last layout left them: what the mouse points at.
//!
//! The screens set these before they draw. Not here: how room is divided inside a screen.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Rect;

use crate::tui::widgets::overlay::rows;

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
    pub footer: Rect,
}

impl ShellAreas {
    /// Divides a screen.
    pub fn of(whole: Rect) -> ShellAreas {
        let header = u16::from(whole.height >= HEADER_FROM);
        let footer = u16::from(whole.height >= FOOTER_FROM);
        let [header, body, footer] = rows([Length(header), Fill(1), Length(footer)], whole);
        ShellAreas {
            whole,
            header,
            body,
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
    /// The side panel, its border included; empty where it has no room.
    pub side: Rect,
    /// The line that stands in for the side panel.
    pub summary: Rect,
    /// Whether panels have borders.
    pub bordered: bool,
}
