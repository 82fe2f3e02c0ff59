//! The names of all panels in one row: which has the keys, which others are on the screen, and which
//! are not.
//!
//! Not here: what a panel shows, and which there are.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::overlay::{cells, put, skip};
use crate::tui::theme::Theme;

/// One panel's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tab<T> {
    pub pane: T,
    pub name: &'static str,
    /// It is on the screen.
    pub shown: bool,
}

/// Columns of the sign before a name, and of the gap behind it.
const SIGN: u16 = 1;
const GAP: u16 = 1;

/// The tabs from one on that find room, each with the column it begins at and its width. The one with
/// the keys is always among them.
fn places<T: Copy + PartialEq>(tabs: &[Tab<T>], focused: T, room: u16) -> Vec<(usize, u16, u16)> {
    let here = tabs.iter().position(|tab| tab.pane == focused).unwrap_or(0);
    let wide = |tab: &Tab<T>| SIGN + cells(tab.name) + GAP;
    let from = (0..=here)
        .find(|&from| tabs[from..=here].iter().map(wide).sum::<u16>() <= room + GAP)
        .unwrap_or(here);
    let mut x = 0;
    let mut placed = Vec::new();
    for (index, tab) in tabs.iter().enumerate().skip(from) {
        if x + wide(tab) > room + GAP && !placed.is_empty() {
            break;
        }
        placed.push((index, x, (wide(tab) - GAP).min(room)));
        x += wide(tab);
    }
    placed
}

/// Draws the names into the first row of an area.
pub fn draw<T: Copy + PartialEq>(
    tabs: &[Tab<T>],
    focused: T,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    for (index, x, wide) in places(tabs, focused, area.width) {
        let tab = tabs[index];
        let (sign, style) = match (tab.pane == focused, tab.shown) {
            (true, _) => ("▸", theme.key),
            (false, true) => (" ", theme.text),
            (false, false) => (" ", theme.dim),
        };
        let place = Rect {
            width: wide,
            ..skip(area, x)
        };
        put(buf, place, &format!("{sign}{}", tab.name), style);
    }
}

/// The panel whose name is at a place.
pub fn at<T: Copy + PartialEq>(tabs: &[Tab<T>], focused: T, area: Rect, at: Position) -> Option<T> {
    let column = at.x.checked_sub(area.x).filter(|_| area.contains(at))?;
    let placed = places(tabs, focused, area.width);
    let mut under = placed
        .iter()
        .filter(|(_, x, wide)| (*x..x + wide).contains(&column));
    under.next().map(|(index, ..)| tabs[*index].pane)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    fn tabs() -> Vec<Tab<usize>> {
        let names = ["curve", "items", "lengths", "runs"];
        let tab = |(pane, name)| Tab {
            pane,
            name,
            shown: pane != 1,
        };
        names.into_iter().enumerate().map(tab).collect()
    }

    /// A user would lose: the panels that nothing on a small screen tells of.
    #[test]
    fn all_names_are_told_and_the_one_with_the_keys_is_always_seen_and_can_be_clicked() {
        let theme = Theme::monochrome();
        let shown = |focused, columns| {
            picture(columns, 1, |buf, area| {
                draw(&tabs(), focused, &theme, area, buf);
            })
        };
        assert_eq!(shown(0, 40), "▸curve  items  lengths  runs");
        assert_eq!(shown(3, 40), " curve  items  lengths ▸runs");
        assert_eq!(shown(0, 20), "▸curve  items");
        assert_eq!(shown(3, 20), " lengths ▸runs");
        assert_eq!(shown(2, 4), "▸le…");
        let area = Rect::new(5, 2, 40, 1);
        let under = |x, y| at(&tabs(), 0, area, Position::new(x, y));
        assert_eq!(under(7, 2), Some(0));
        assert_eq!(under(15, 2), Some(1));
        assert_eq!((under(60, 2), under(7, 3)), (None, None));
    }

    #[test]
    fn every_size_draws() {
        let theme = Theme::monochrome();
        survives_every_size(|buf, area| draw(&tabs(), 2, &theme, area, buf));
    }
}
