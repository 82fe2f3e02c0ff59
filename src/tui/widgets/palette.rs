//! The command palette: find an action by a few letters of what it does, and run it.

use crossterm::event::{KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Position, Rect};

use super::input::Input;
use super::list::{ListRow, Selection, hint};
use super::modal::{Modal, Reply};
use super::overlay::{boxed, columns, put, rows};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

/// The palette: what is typed, and which of the matching actions is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    actions: Vec<Action>,
    input: Input,
    selection: Selection,
}

impl Palette {
    /// A palette over the actions that can be run now.
    pub fn new(actions: &[Action]) -> Palette {
        Palette {
            actions: actions.to_vec(),
            ..Palette::default()
        }
    }

    /// The actions that match what is typed, best first; those that match half as well as the best
    /// only by chance are left out.
    pub fn matches(&self) -> Vec<Action> {
        let query = self.input.text();
        let mut scored: Vec<(i32, Action)> = self
            .actions
            .iter()
            .filter_map(|&action| {
                let name = score(query, action.short()).map(|s| s + 8);
                let sentence = score(query, action.describe());
                Some((name.max(sentence)?, action))
            })
            .collect();
        // Stable: equals stay in the order of the help.
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let best = scored.first().map_or(0, |(score, _)| *score);
        let good = scored
            .into_iter()
            .take_while(|(score, _)| score * 2 >= best);
        good.map(|(_, action)| action).collect()
    }
}

impl Modal for Palette {
    type Output = Action;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Action> {
        let typed = types(key);
        let action = if typed {
            None
        } else {
            keymap.action(Context::List, key)
        };
        let matches = self.matches();
        match action {
            Some(Action::Accept) => {
                let chosen = self
                    .selection
                    .get(matches.len())
                    .and_then(|i| matches.get(i));
                return chosen.map_or(Reply::Open, |&action| Reply::Done(action));
            }
            Some(Action::Cancel) => return Reply::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Reply::Other(action);
            }
            Some(action) if self.selection.step(action, matches.len()) => {}
            _ => {
                if self.input.handle(key) {
                    self.selection = Selection::default();
                }
            }
        }
        Reply::Open
    }

    fn paste(&mut self, text: &str) {
        self.input.insert(text);
        self.selection = Selection::default();
    }

    /// A box that keeps its place while the list gets shorter.
    fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position> {
        let area = area.intersection(buf.area);
        let width = area.width.saturating_sub(4).clamp(1, 96).min(area.width);
        let height = (area.height * 2 / 3).max(5).min(area.height);
        let place = Rect {
            x: area.x + (area.width - width) / 2,
            y: area.y + (area.height - height) / 4,
            width,
            height,
        };
        let hint = hint(keymap, &[(Action::Accept, "run"), (Action::Cancel, "back")]);
        let inner = boxed(buf, place, "Commands", &hint, theme);
        let [top, list] = rows([Length(1), Fill(1)], inner);
        let [_, line] = columns([Length(2), Fill(1)], top);
        put(buf, top, top.x, top.y, top.width, ":", theme.key);
        let cursor = self.input.draw(buf, line, theme);

        let matches = self.matches();
        if matches.is_empty() {
            put(
                buf,
                list,
                list.x,
                list.y,
                list.width,
                "  no such command",
                theme.dim,
            );
        }
        let row = |action: &Action| {
            let mut contexts = Context::ALL.iter();
            let key = contexts.find_map(|&c| keymap.key_for(c, *action));
            ListRow::new(action.describe(), key.unwrap_or_default())
        };
        let found: Vec<ListRow> = matches.iter().map(row).collect();
        self.selection.draw(buf, list, found.iter(), theme);
        cursor
    }
}

/// Whether a key types a character, in a list that is filtered by typing.
pub fn types(key: KeyEvent) -> bool {
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    key.code.as_char().is_some() && modifiers.is_empty()
}

/// How well the letters of `query` are found, in order, in `text`; `None` if they are not. Letters
/// that follow each other, and letters that start a word, count more. Spaces in the query and the
/// case of letters do not matter. The best of all ways to match counts; the cost is the product of
/// both lengths, and a query longer than the text is refused at once.
pub fn score(query: &str, text: &str) -> Option<i32> {
    if query.trim().is_empty() {
        return Some(0);
    }
    let letters = |text: &str| {
        text.chars()
            .flat_map(char::to_lowercase)
            .collect::<Vec<_>>()
    };
    let text = letters(text);
    let query: Vec<char> = letters(query)
        .into_iter()
        .filter(|c| !c.is_whitespace())
        .collect();
    if query.len() > text.len() {
        return None;
    }
    // best[i]: the score of the query so far if its last letter is the text's letter i.
    let mut best: Vec<Option<i32>> = Vec::new();
    for (n, wanted) in query.iter().enumerate() {
        let mut before = None;
        let mut next = Vec::with_capacity(text.len());
        for (i, letter) in text.iter().enumerate() {
            let adjacent = i.checked_sub(1).and_then(|p| *best.get(p)?);
            let so_far = if n == 0 {
                Some(0)
            } else {
                adjacent.map(|s| s + 4).max(before)
            };
            let starts_word = i == 0 || !text[i - 1].is_alphanumeric();
            let here = 1 + if starts_word { 3 } else { 0 };
            next.push(so_far.filter(|_| letter == wanted).map(|s| s + here));
            before = before.max(best.get(i).copied().flatten());
        }
        best = next;
    }
    best.into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::KeyCode;

    fn typed(text: &str) -> Palette {
        let keymap = Keymap::default();
        let mut palette = Palette::new(Action::ALL);
        for c in text.chars() {
            palette.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), &keymap);
        }
        palette
    }

    #[test]
    fn a_few_letters_find_the_action_meant() {
        for (query, action) in [
            ("wait", Action::Wait),
            ("cut", Action::Cut),
            ("cut sent", Action::CutSentence),
            ("probe", Action::Probe),
            ("quit", Action::Quit),
            ("branch", Action::Branch),
            ("theme", Action::Theme),
            ("copy tr", Action::CopyTrace),
            ("SAVE", Action::Save),
            ("rewind", Action::Rewind),
            ("clip", Action::CopyTrace),
        ] {
            assert_eq!(typed(query).matches().first(), Some(&action), "{query}");
        }
        assert!(typed("xyzzy").matches().is_empty());
        assert_eq!(typed("").matches(), Action::ALL, "nothing typed shows all");
    }

    #[test]
    fn the_best_way_to_match_counts() {
        assert_eq!(score("", "anything"), Some(0));
        assert_eq!(
            score("sa", "xsa s"),
            Some(1 + 5),
            "a later word must not hide the match"
        );
        assert!(
            score("ab", "x ab") > score("ab", "a x b x"),
            "a run beats two starts of words"
        );
        assert!(score("cs", "cut sentence") > score("cs", "focus"));
        assert_eq!(score("ba", "ab"), None);
        assert_eq!(score("aa", "a"), None);
        assert_eq!(score("日本", "日 本"), Some(4 + 4));
    }

    #[test]
    fn letters_type_and_keys_with_ctrl_move() {
        let keymap = Keymap::default();
        let mut palette = typed("jkq");
        assert_eq!(palette.input.text(), "jkq", "no letter moves or quits");
        let press =
            |p: &mut Palette, code, modifiers| p.key(KeyEvent::new(code, modifiers), &keymap);
        assert_eq!(
            press(&mut palette, KeyCode::Enter, KeyModifiers::NONE),
            Reply::Open
        );
        let mut palette = typed("cut");
        press(&mut palette, KeyCode::Down, KeyModifiers::NONE);
        let second = palette.matches()[1];
        assert_eq!(
            press(&mut palette, KeyCode::Enter, KeyModifiers::NONE),
            Reply::Done(second)
        );
        assert_eq!(
            press(&mut palette, KeyCode::Char('c'), KeyModifiers::CONTROL),
            Reply::Other(Action::Quit)
        );
        assert_eq!(
            press(&mut palette, KeyCode::Esc, KeyModifiers::NONE),
            Reply::Cancelled
        );
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let palette = typed("cut");
        let shown = picture(80, 24, |buf, area| {
            palette.draw(buf, area, &keymap, &theme);
        });
        insta::assert_snapshot!("palette_80x24", shown);
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        for query in ["", "日本語"] {
            let palette = typed(query);
            survives_every_size(|buf, area| {
                palette.draw(buf, area, &keymap, &theme);
            });
        }
    }
}
