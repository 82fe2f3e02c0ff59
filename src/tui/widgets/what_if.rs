//! The what-if map as three strips under the trace: the answer if the thought is cut at a sentence end,
//! after a Wait there, and drawn anew from there. A cell is an answer; a branch can be made of it.
//!
//! Not here: what is tried, and who computes it (`s1_lab::whatif`).

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::modal::{Modal, Reply};
use super::overlay::{DrawContext, below, skip};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::{clean_line, fit};
use crate::tui::theme::Theme;
use crate::tui::widgets::trace::grade_sign;
use s1_lab::whatif::{Answers, Came, Map, WhatIfTrial};

/// Rows of the box: its border, three strips, the place, and what is selected.
pub const ROWS: u16 = 8;
/// Columns before the strips.
const NAMES: u16 = 8;
const STRIPS: [&str; 3] = ["cut", "Wait", "again"];
/// Signs of shares, from 0 to 1.
const SHARES: [&str; 9] = ["▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// One place of the map, as it is shown.
#[derive(Clone, Debug, PartialEq)]
struct MapPlace {
    /// After so many tokens.
    at: usize,
    /// The end of the sentence before it.
    sentence: String,
    cut: Came,
    wait: Came,
    again: Answers,
    /// Continuations that are still to come.
    open: usize,
}

/// The map, and what is selected in it.
#[derive(Clone, Debug, Default)]
pub struct WhatIfMap {
    places: Vec<MapPlace>,
    turning: Option<(usize, f64)>,
    done: usize,
    total: usize,
    place: usize,
    strip: usize,
    /// Where it is drawn: the bottom of this.
    area: Rect,
}

/// What the user picked: a place, and which strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    pub place: usize,
    pub trial: WhatIfTrial,
}

impl WhatIfMap {
    /// Takes in how far the map is. `sentences` are the ends of the sentences before its places.
    pub fn show(&mut self, map: &Map, sentences: &[String]) {
        let places = map.places().iter().enumerate();
        self.places = places
            .map(|(i, &at)| {
                let came = |trial| map.cell(i, trial).map(|c| short(&c.came));
                let drawn = (0..map.again()).filter_map(|n| map.cell(i, WhatIfTrial::Again(n)));
                let open = drawn.filter(|c| matches!(c.came, Came::Nothing | Came::Writing));
                MapPlace {
                    at,
                    sentence: sentences.get(i).cloned().unwrap_or_default(),
                    cut: came(WhatIfTrial::Cut).unwrap_or_default(),
                    wait: came(WhatIfTrial::Wait).unwrap_or_default(),
                    again: map.answers(i),
                    open: open.count(),
                }
            })
            .collect();
        self.turning = map.turning_point();
        (self.done, self.total) = (map.done(), map.len());
        self.place = self.place.min(self.places.len().saturating_sub(1));
    }

    /// The place that is selected: after so many tokens.
    pub fn at(&self) -> Option<usize> {
        self.places.get(self.place).map(|place| place.at)
    }

    /// Where it stands in an area.
    pub fn place_in(area: Rect) -> Rect {
        let height = ROWS.min(area.height);
        Rect {
            y: area.y + area.height - height,
            height,
            ..area
        }
    }

    fn picked(&self) -> Picked {
        Picked {
            place: self.place,
            trial: match self.strip {
                0 => WhatIfTrial::Cut,
                1 => WhatIfTrial::Wait,
                _ => WhatIfTrial::Again(0),
            },
        }
    }

    /// What is said of the selected cell.
    fn words(&self) -> String {
        let Some(place) = self.places.get(self.place) else {
            return String::new();
        };
        let of = |came: &Came| match came {
            Came::Nothing => "not begun".into(),
            Came::Writing => "being written".into(),
            Came::Refused(why) => why.clone(),
            Came::Answer {
                answer, correct, ..
            } => match answer {
                Some(answer) => format!("{answer}{}", grade_sign(*correct)),
                None => "no answer".into(),
            },
        };
        match self.strip {
            0 => format!("cut here: {}", of(&place.cut)),
            1 => format!("a Wait here: {}", of(&place.wait)),
            _ => {
                let again = &place.again;
                let mut parts: Vec<String> = again
                    .given
                    .iter()
                    .map(|(answer, n, correct)| format!("{n}× {answer}{}", grade_sign(*correct)))
                    .collect();
                if again.missing > 0 {
                    parts.push(format!("{}× no answer", again.missing));
                }
                if place.open > 0 {
                    parts.push(format!("{} to come", place.open));
                }
                format!("drawn anew from here: {}", parts.join(", "))
            }
        }
    }

    /// The sign of a cell, and its style.
    fn sign(&self, strip: usize, place: &MapPlace, theme: &Theme) -> (&'static str, Style) {
        let came = match strip {
            0 => &place.cut,
            1 => &place.wait,
            _ => {
                let again = &place.again;
                if again.n() == 0 {
                    return ("·", theme.dim);
                }
                let share = again.right().unwrap_or_else(|| again.agreement());
                let sign = SHARES[((share * 8.0).round() as usize).min(8)];
                let right = again.right().map(|share| share >= 0.5);
                return (sign, theme.graded(right, theme.text));
            }
        };
        match came {
            Came::Nothing => ("·", theme.dim),
            Came::Writing => ("…", theme.dim),
            Came::Refused(_) => ("–", theme.dim),
            Came::Answer { answer: None, .. } => ("–", theme.warn),
            Came::Answer {
                answer: Some(answer),
                correct,
                ..
            } => match correct {
                Some(true) => ("✓", theme.good),
                Some(false) => ("✗", theme.bad),
                // Without a reference the same letter is the same answer.
                None => (self.letter(answer), theme.text),
            },
        }
    }

    /// A letter for an answer: the first that is given is A.
    fn letter(&self, answer: &str) -> &'static str {
        const LETTERS: [&str; 12] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"];
        let given = |came: &Came| match came {
            Came::Answer { answer, .. } => answer.clone(),
            _ => None,
        };
        let cuts = self.places.iter().filter_map(|p| given(&p.cut));
        let waits = self.places.iter().filter_map(|p| given(&p.wait));
        let mut known: Vec<String> = Vec::new();
        for given in cuts.chain(waits) {
            if !known.contains(&given) {
                known.push(given);
            }
        }
        let at = known.iter().position(|known| known == answer);
        at.and_then(|at| LETTERS.get(at)).copied().unwrap_or("*")
    }
}

/// What came of a trial, without its tokens.
fn short(came: &Came) -> Came {
    match came {
        Came::Answer {
            answer,
            correct,
            stop,
            ..
        } => Came::Answer {
            answer: answer.clone(),
            correct: *correct,
            shared: 0,
            tokens: Vec::new(),
            stop: *stop,
        },
        other => other.clone(),
    }
}

impl Modal for WhatIfMap {
    type Output = Picked;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Picked> {
        let last = self.places.len().saturating_sub(1);
        match keymap.action(Context::Explore, key) {
            Some(Action::Left | Action::SentenceLeft) => self.place = self.place.saturating_sub(1),
            Some(Action::Right | Action::SentenceRight) => self.place = (self.place + 1).min(last),
            Some(Action::Up) => self.strip = self.strip.saturating_sub(1),
            Some(Action::Down) => self.strip = (self.strip + 1).min(STRIPS.len() - 1),
            Some(Action::Home) => self.place = 0,
            Some(Action::End) => self.place = last,
            Some(Action::Alternatives) => return Reply::Done(self.picked()),
            Some(Action::WhatIf | Action::Stop) => return Reply::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Reply::Other(action);
            }
            _ => {}
        }
        Reply::Open
    }

    fn show_error(&mut self, _sentence: &str) -> bool {
        false
    }

    fn prepare(&mut self, area: Rect, _keymap: &Keymap) {
        self.area = area;
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let theme = on.theme;
        let key = |action| {
            on.keymap
                .key_for(Context::Explore, action)
                .unwrap_or_default()
        };
        let hint = format!(
            "{} {} place   {} {} strip   {} branch   {} close",
            key(Action::Left),
            key(Action::Right),
            key(Action::Up),
            key(Action::Down),
            key(Action::Alternatives),
            key(Action::WhatIf),
        );
        let title = match self.done < self.total {
            true => format!("what if ─ {} of {}", self.done, self.total),
            false => "what if".to_owned(),
        };
        let mut inner = on.boxed(Self::place_in(on.area), &title, &hint);
        let columns = usize::from(inner.width.saturating_sub(NAMES)).max(1);
        // The selected place stays in sight; one place is a column, or more where there is room.
        let wide = (columns / self.places.len().max(1)).clamp(1, 4);
        let shown = (columns / wide).max(1);
        let from = super::overlay::scroll_to(self.place, self.places.len(), shown);
        for (strip, name) in STRIPS.iter().enumerate() {
            let style = match strip == self.strip {
                true => theme.title,
                false => theme.dim,
            };
            on.put(inner, name, style);
            let mut cells = skip(inner, NAMES);
            for (i, place) in self.places.iter().enumerate().skip(from).take(shown) {
                let (sign, style) = self.sign(strip, place, theme);
                let style = match i == self.place && strip == self.strip {
                    true => style.patch(theme.cursor),
                    false => style,
                };
                on.put(cells, sign, style);
                cells = skip(cells, wide as u16);
            }
            inner = below(inner, 1);
        }
        // Where the answers turn, and where one is.
        let mut marks = skip(inner, NAMES);
        on.put(inner, "turns at", theme.dim);
        for i in from..self.places.len().min(from + shown) {
            let turning = self.turning.is_some_and(|(place, _)| place == i);
            let (sign, style) = match (i == self.place, turning) {
                (_, true) => ("▲", theme.warn),
                (true, false) => ("╵", theme.dim),
                _ => (" ", theme.dim),
            };
            on.put(marks, sign, style);
            marks = skip(marks, wide as u16);
        }
        inner = below(inner, 1);
        if let Some(place) = self.places.get(self.place) {
            let turning = match self.turning {
                Some((at, by)) if at == self.place => {
                    format!("  ▲ this sentence moves {:.0}% of the answers", by * 100.0)
                }
                _ => String::new(),
            };
            let sentence = clean_line(&place.sentence);
            let room = usize::from(inner.width).saturating_sub(turning.len() + 14);
            let text = format!("after {}: {}{turning}", place.at, fit(&sentence, room));
            on.put(inner, &text, theme.dim);
            on.put(below(inner, 1), &self.words(), theme.text);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::KeyCode;
    use s1_core::trace::StopReason;

    fn came(answer: &str, correct: Option<bool>) -> Came {
        Came::Answer {
            answer: (!answer.is_empty()).then(|| answer.into()),
            correct,
            shared: 0,
            tokens: Vec::new(),
            stop: StopReason::EndOfTurn,
        }
    }

    fn map(graded: bool) -> WhatIfMap {
        let grade = |right: bool| graded.then_some(right);
        let place = |at: usize, sentence: &str, cut, wait, right: usize| MapPlace {
            at,
            sentence: sentence.into(),
            cut,
            wait,
            again: Answers {
                given: [("7", right, true), ("8", 4 - right, false)]
                    .into_iter()
                    .filter(|(_, n, _)| *n > 0)
                    .map(|(a, n, right)| (a.to_owned(), n, grade(right)))
                    .collect(),
                missing: 0,
            },
            open: 0,
        };
        WhatIfMap {
            places: vec![
                place(
                    12,
                    "3 + 4 is 8.",
                    came("8", grade(false)),
                    came("7", grade(true)),
                    1,
                ),
                place(
                    30,
                    "No, wait: it is 7.",
                    came("7", grade(true)),
                    came("", None),
                    4,
                ),
                place(
                    41,
                    "So 7.",
                    Came::Writing,
                    Came::Refused("no room".into()),
                    4,
                ),
            ],
            turning: Some((1, 0.75)),
            done: 16,
            total: 18,
            place: 1,
            strip: 2,
            area: Rect::default(),
        }
    }

    #[test]
    fn pictures_of_a_map() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        for (name, graded, columns, rows) in [
            ("map_80x12", true, 80, 12),
            ("map_ungraded_80x12", false, 80, 12),
            ("map_40x8", true, 40, 8),
            ("map_160x20", true, 160, 20),
        ] {
            let shown = picture(columns, rows, |buf, area| {
                map(graded).draw(&mut DrawContext::new(buf, area, &keymap, &theme));
            });
            insta::assert_snapshot!(name, shown);
        }
        survives_every_size(|buf, area| {
            map(true).draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }

    #[test]
    fn keys_walk_over_the_cells_and_pick_one() {
        let keymap = Keymap::default();
        let mut map = map(true);
        let mut press = |code| map.key(KeyEvent::from(code), &keymap);
        for (code, place, trial) in [
            (KeyCode::Left, 0, WhatIfTrial::Again(0)),
            (KeyCode::Up, 0, WhatIfTrial::Wait),
            (KeyCode::Up, 0, WhatIfTrial::Cut),
            (KeyCode::End, 2, WhatIfTrial::Cut),
        ] {
            assert_eq!(press(code), Reply::Open);
            let picked = Picked { place, trial };
            assert_eq!(press(KeyCode::Enter), Reply::Done(picked));
        }
        assert_eq!(press(KeyCode::Char('M')), Reply::Cancelled);
        assert_eq!(press(KeyCode::Esc), Reply::Cancelled);
    }
}
