//! Every key, grouped: drawn from the one list of actions and the keymap in use.

use std::convert::Infallible;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::modal::{Modal, Reply, read_key};
use super::overlay::{boxed, centered};
use super::prose::wrap;
use crate::tui::action::{Action, Group};
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::{fit, width};
use crate::tui::screen::Screen;
use crate::tui::theme::Theme;

/// Columns for the keys of an entry.
const KEYS: usize = 16;

/// A column narrower than this reads badly.
const MIN_COLUMN: usize = 54;

/// The help overlay: the keys of one screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    screen: Screen,
    /// First row shown.
    scroll: usize,
}

impl Help {
    /// The keys of a screen.
    pub fn of(screen: Screen) -> Help {
        Help { screen, scroll: 0 }
    }

    /// Handles an action of [`Context::List`]; `true` if the help is to be closed.
    fn handle(&mut self, action: Action) -> bool {
        let page = 10;
        match action {
            Action::Up => self.scroll = self.scroll.saturating_sub(1),
            Action::Down => self.scroll = self.scroll.saturating_add(1),
            Action::PageUp => self.scroll = self.scroll.saturating_sub(page),
            Action::PageDown => self.scroll = self.scroll.saturating_add(page),
            Action::Home => self.scroll = 0,
            Action::End => self.scroll = usize::MAX,
            Action::Cancel | Action::Accept | Action::Help => return true,
            _ => {}
        }
        false
    }
}

impl Modal for Help {
    type Output = Infallible;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Infallible> {
        read_key(key, keymap, None, |action| self.handle(action))
    }

    /// Without this, rows scrolled beyond the end would have to be scrolled back one by one.
    fn prepare(&mut self, area: Rect, keymap: &Keymap) {
        let (rows, room) = layout(self.screen, area, keymap, &Theme::default());
        self.scroll = self.scroll.min(rows.len().saturating_sub(room));
    }

    fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position> {
        let area = area.intersection(buf.area);
        let (rows, room) = layout(self.screen, area, keymap, theme);
        let first = self.scroll.min(rows.len().saturating_sub(room));
        let key = |action| keymap.key_for(Context::List, action);
        let hint = match (key(Action::Up), key(Action::Down)) {
            (Some(up), Some(down)) if rows.len() > room => {
                let last = (first + room).min(rows.len());
                format!("{up} {down}   {}–{last} of {}   ", first + 1, rows.len())
            }
            _ => String::new(),
        };
        let close = key(Action::Cancel)
            .map(|k| format!("{k} back"))
            .unwrap_or_default();
        let inner = boxed(
            buf,
            place(area, rows.len()),
            "Keys",
            &(hint + &close),
            theme,
        );
        for (line, row) in rows.into_iter().skip(first).zip(inner.rows()) {
            line.render(row, buf);
        }
        None
    }
}

/// Where the box stands: as high as its rows need, as wide as three columns can be.
fn place(area: Rect, rows: usize) -> Rect {
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX);
    centered(area, 190, height)
}

/// The rows of the help for an area, and how many of them are seen at once.
fn layout(
    screen: Screen,
    area: Rect,
    keymap: &Keymap,
    theme: &Theme,
) -> (Vec<Line<'static>>, usize) {
    let outer = place(area, usize::MAX / 2);
    let columns = (usize::from(outer.width).saturating_sub(4) / MIN_COLUMN).clamp(1, 3);
    let inner = usize::from(outer.width).saturating_sub(4).max(1);
    let gap = 2 * (columns - 1);
    let column = (inner - gap.min(inner - 1)) / columns;
    let blocks = blocks(screen, column, keymap, theme);
    let rows = join(balance(blocks, columns), column);
    (rows, usize::from(outer.height).saturating_sub(2).max(1))
}

/// The groups of a screen as blocks of lines, each `column` cells wide at most.
fn blocks(
    screen: Screen,
    column: usize,
    keymap: &Keymap,
    theme: &Theme,
) -> Vec<Vec<Line<'static>>> {
    let mut blocks: Vec<(Group, Vec<Line<'static>>)> = Vec::new();
    for &action in Action::ALL.iter().filter(|&&a| screen.has(a)) {
        let group = action.group();
        if blocks.last().is_none_or(|(last, _)| *last != group) {
            blocks.push((group, vec![Line::styled(group.title(), theme.title)]));
        }
        if let Some((_, lines)) = blocks.last_mut() {
            lines.extend(entry(screen, action, column, keymap, theme));
        }
    }
    blocks.into_iter().map(|(_, lines)| lines).collect()
}

/// One action: its keys, and its sentence wrapped beside them.
fn entry(
    screen: Screen,
    action: Action,
    column: usize,
    keymap: &Keymap,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let room = KEYS.min(column / 3);
    let keys = keys(screen, action, keymap, room.saturating_sub(1));
    let style = if keys.is_empty() {
        theme.dim
    } else {
        theme.key
    };
    let mut left = if keys.is_empty() {
        "no key".into()
    } else {
        keys
    };
    wrap(action.describe(), column - room)
        .into_iter()
        .map(|text| {
            let shown = fit(&std::mem::take(&mut left), room.saturating_sub(1)).into_owned();
            let pad = " ".repeat(room - width(&shown));
            Line::from(vec![
                Span::styled(shown, style),
                Span::raw(pad),
                Span::styled(text, theme.text),
            ])
        })
        .collect()
}

/// The keys of an action in the first context that has any, the screen's own before those of text
/// fields and lists: as many as there is room for.
fn keys(screen: Screen, action: Action, keymap: &Keymap, room: usize) -> String {
    let contexts = [screen.context(), Context::Editor, Context::List];
    let found = contexts
        .iter()
        .map(|&c| keymap.keys_for(c, action))
        .find(|keys| !keys.is_empty());
    let mut shown = String::new();
    for key in found.unwrap_or_default() {
        if shown.is_empty() {
            shown = key;
        } else if width(&shown) + 1 + width(&key) <= room {
            shown = format!("{shown} {key}");
        }
    }
    shown
}

/// Deals blocks to columns in order, so that the highest column is as low as possible.
fn balance(blocks: Vec<Vec<Line<'static>>>, columns: usize) -> Vec<Vec<Line<'static>>> {
    let fits = |height: usize| {
        let (mut used, mut needed) = (0, 1);
        for block in &blocks {
            let gap = usize::from(used > 0);
            if used > 0 && used + gap + block.len() > height {
                needed += 1;
                used = block.len();
            } else {
                used += gap + block.len();
            }
        }
        needed <= columns
    };
    let total: usize = blocks.iter().map(|b| b.len() + 1).sum();
    let tallest = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let height = (tallest..=total).find(|&h| fits(h)).unwrap_or(total);
    let mut dealt: Vec<Vec<Line<'static>>> = vec![Vec::new()];
    for block in blocks {
        let used = dealt.last().map_or(0, Vec::len);
        if used > 0 && used + 1 + block.len() > height {
            dealt.push(Vec::new());
        }
        if let Some(column) = dealt.last_mut() {
            if !column.is_empty() {
                column.push(Line::default());
            }
            column.extend(block);
        }
    }
    dealt
}

/// Puts columns side by side.
fn join(columns: Vec<Vec<Line<'static>>>, column: usize) -> Vec<Line<'static>> {
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|row| {
            let mut spans = Vec::new();
            for (i, lines) in columns.iter().enumerate() {
                let line = lines.get(row).cloned().unwrap_or_default();
                let wide = line.width();
                spans.extend(line.spans.into_iter().map(|s| s.patch_style(line.style)));
                if i + 1 < columns.len() {
                    spans.push(Span::raw(" ".repeat(column.saturating_sub(wide) + 2)));
                }
            }
            Line::from(spans)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 24, |buf, area| {
            Help::default().draw(buf, area, &keymap, &theme)
        });
        insta::assert_snapshot!("help_80x24", shown);
    }

    #[test]
    fn every_action_is_listed_with_the_key_in_use() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let words = |text: &str| {
            text.split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        let mut listed: Vec<Action> = Vec::new();
        for screen in Screen::ALL {
            let shown = picture(200, 120, |buf, area| {
                Help::of(screen).draw(buf, area, &keymap, &theme);
            });
            let all = words(&shown);
            for &action in Action::ALL.iter().filter(|&&a| screen.has(a)) {
                let start: Vec<String> = words(action.describe()).into_iter().take(3).collect();
                assert!(
                    all.windows(start.len()).any(|w| w == start),
                    "{}",
                    action.name()
                );
                assert!(shown.contains(&keys(screen, action, &keymap, KEYS - 1)));
                listed.push(action);
            }
        }
        for action in Action::ALL {
            assert!(listed.contains(action), "no screen has {}", action.name());
        }
    }

    #[test]
    fn scrolling_ends_at_the_last_row_and_comes_back_at_once() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let area = Rect::new(0, 0, 80, 24);
        let mut help = Help::default();
        help.handle(Action::End);
        let shown = picture(80, 24, |buf, area| help.draw(buf, area, &keymap, &theme));
        assert!(
            shown.contains("Leave; asks only if something would be lost"),
            "{shown}"
        );
        help.prepare(area, &keymap);
        let before = help.scroll;
        help.handle(Action::Up);
        assert_eq!(help.scroll, before - 1);
        assert!(help.handle(Action::Cancel));
        assert!(!help.handle(Action::Wait));
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        let mut help = Help::default();
        survives_every_size(|buf, area| {
            help.draw(buf, area, &keymap, &theme);
            help.handle(Action::PageDown);
        });
    }
}
