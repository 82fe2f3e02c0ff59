//! A bordered place with words in its borders, and what it says while there is nothing in it.
//!
//! Not here: the box of what lies over a screen ([`super::overlay::boxed`]), which has the keys
//! always.

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Widget};

use super::prose::middle;
use crate::tui::sanitize::{clean_line, fit};
use crate::tui::theme::Theme;

/// The smallest place with a border.
const BORDER_FROM: (u16, u16) = (8, 3);

/// The border that all panels have.
pub fn border(style: Style) -> Block<'static> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
}

/// The room that a panel leaves inside its border; all of it where there is no room for one.
pub fn inside(area: Rect) -> Rect {
    match area.width < BORDER_FROM.0 || area.height < BORDER_FROM.1 {
        true => area,
        false => area.inner(Margin::new(2, 1)),
    }
}

/// Where the text of a trace stands in a panel: one column of margin at its left, where marks are.
pub fn text(panel: Rect) -> Rect {
    Rect {
        x: panel.x + 2,
        y: panel.y + 1,
        width: panel.width.saturating_sub(3),
        height: panel.height.saturating_sub(2),
    }
}

/// A panel: words in its borders, cut where there is no room.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    theme: &'a Theme,
    title: &'a str,
    below: &'a str,
    focused: bool,
}

impl<'a> Panel<'a> {
    /// A panel with a title; `focused` ones have the keys.
    pub fn new(title: &'a str, focused: bool, theme: &'a Theme) -> Panel<'a> {
        Panel {
            theme,
            title,
            below: "",
            focused,
        }
    }

    /// Words in the lower border.
    pub fn below(self, below: &'a str) -> Panel<'a> {
        Panel { below, ..self }
    }

    /// Draws the border, where there is room for one; returns the room inside, one column of margin
    /// left and right.
    pub fn draw(self, area: Rect, buf: &mut Buffer) -> Rect {
        let area = area.intersection(buf.area);
        let inner = inside(area);
        if inner == area {
            return area;
        }
        let theme = self.theme;
        let (style, words) = match self.focused {
            true => (theme.focus, theme.focus),
            false => (theme.border, theme.title),
        };
        let room = usize::from(area.width.saturating_sub(6));
        let shown = |text: &str| format!(" {} ", fit(&clean_line(text), room));
        let mut block = border(style);
        if !self.title.is_empty() {
            block = block.title(Line::styled(shown(self.title), words));
        }
        if !self.below.is_empty() {
            block = block.title_bottom(Line::styled(shown(self.below), theme.text));
        }
        block.render(area, buf);
        inner
    }

    /// Draws it with a sentence in its middle, on why there is nothing else.
    pub fn empty(self, sentence: &str, area: Rect, buf: &mut Buffer) {
        let inner = self.draw(area, buf);
        let line = Line::styled(clean_line(sentence), self.theme.dim);
        middle(vec![line], inner, buf);
    }
}
