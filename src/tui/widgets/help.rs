//! Every key, grouped: drawn from the one list of actions and the keymap in use.

use ratatui::text::{Line, Span};

use super::prose::wrap;
use super::reader::Readable;
use crate::tui::action::{Action, Group};
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::{fit, width};
use crate::tui::screen::Screen;
use crate::tui::theme::Theme;

/// Columns for the keys of an entry.
const KEYS: usize = 16;

/// A column narrower than this reads badly.
const MIN_COLUMN: usize = 54;

/// The keys of one screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys(pub Screen);

impl Readable for Keys {
    /// As wide as three columns can be.
    const WIDTH: u16 = 190;
    const FINDS: bool = true;

    fn title(&self) -> &str {
        "Keys"
    }

    fn opener(&self) -> (Context, Action) {
        (Context::List, Action::Help)
    }

    fn rows(
        &self,
        wanted: &str,
        columns: usize,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Vec<Line<'static>> {
        let side_by_side = (columns / MIN_COLUMN).clamp(1, 3);
        let gap = 2 * (side_by_side - 1);
        let column = (columns - gap.min(columns - 1)) / side_by_side;
        let blocks = blocks(self.0, wanted, column, keymap, theme);
        if blocks.is_empty() {
            return vec![Line::styled("no key does that here", theme.dim)];
        }
        join(balance(blocks, side_by_side), column)
    }
}

/// Whether what is typed is found in what an action does, in its group or among its keys: every word
/// somewhere, whatever the case of its letters; a single letter is a key.
fn is_wanted(screen: Screen, action: Action, wanted: &str, keymap: &Keymap) -> bool {
    let keys = keys(screen, action, keymap, usize::MAX);
    let says = format!("{} {}", action.group().title(), action.describe()).to_lowercase();
    let found = |word: &str| match word.chars().count() {
        1 => keys.split(' ').any(|key| key == word),
        _ => {
            says.contains(&word.to_lowercase())
                || keys.to_lowercase().contains(&word.to_lowercase())
        }
    };
    wanted.split_whitespace().all(found)
}

/// The groups of a screen as blocks of lines, each `column` cells wide at most, with the actions that
/// are wanted.
fn blocks(
    screen: Screen,
    wanted: &str,
    column: usize,
    keymap: &Keymap,
    theme: &Theme,
) -> Vec<Vec<Line<'static>>> {
    let mut blocks: Vec<(Group, Vec<Line<'static>>)> = Vec::new();
    let wanted = |&&a: &&Action| screen.has(a) && is_wanted(screen, a, wanted, keymap);
    for &action in Action::ALL.iter().filter(wanted) {
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
    use crate::tui::widgets::modal::{Modal, Reply};
    use crate::tui::widgets::overlay::DrawContext;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crate::tui::widgets::reader::Reader;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use ratatui::layout::Rect;

    fn help(screen: Screen) -> Reader<Keys> {
        Reader::new(Keys(screen))
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 24, |buf, area| {
            help(Screen::Explore).draw(&mut DrawContext::new(buf, area, &keymap, &theme))
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
        for &screen in Screen::ALL {
            let shown = picture(200, 120, |buf, area| {
                help(screen).draw(&mut DrawContext::new(buf, area, &keymap, &theme));
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

    /// A user would lose: one key among a hundred rows.
    #[test]
    fn typing_finds_a_key_by_what_it_does_and_by_its_letter() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = |typed: &str| {
            let mut help = help(Screen::Explore);
            for letter in typed.chars() {
                let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
                assert_eq!(help.key(key, &keymap), Reply::Open);
            }
            picture(80, 60, |buf, area| {
                help.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
            })
        };
        let found = shown("cut sent");
        assert!(found.contains("X               Cut the thinking off at the end"));
        assert!(!found.contains("Force Wait"), "{found}");
        let found = shown("w");
        assert!(found.contains("w               Force Wait"), "{found}");
        assert!(!found.contains("Choose the wait text"), "{found}");
        assert!(shown("jump over the moon").contains("no key does that here"));
        // The key that opened it closes it, and what is typed can be taken back.
        let mut help = help(Screen::Explore);
        let mut press = |code| help.key(KeyEvent::new(code, KeyModifiers::NONE), &keymap);
        press(KeyCode::Char('w'));
        press(KeyCode::Backspace);
        assert_eq!(press(KeyCode::Char('?')), Reply::Cancelled);
        assert_eq!(help.wanted.text(), "");
    }

    #[test]
    fn scrolling_ends_at_the_last_row_and_comes_back_at_once() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let area = Rect::new(0, 0, 80, 24);
        let mut help = help(Screen::Explore);
        help.prepare(area, &keymap);
        help.handle(Action::End);
        let shown = picture(80, 24, |buf, area| {
            help.draw(&mut DrawContext::new(buf, area, &keymap, &theme))
        });
        assert!(
            shown.contains("Leave; asks only if something would be lost"),
            "{shown}"
        );
        let before = help.scroll;
        help.handle(Action::Up);
        assert_eq!(help.scroll, before - 1);
        assert!(help.handle(Action::Cancel));
        assert!(!help.handle(Action::Wait));
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        let mut help = help(Screen::Explore);
        survives_every_size(|buf, area| {
            help.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
            help.handle(Action::PageDown);
        });
    }
}
