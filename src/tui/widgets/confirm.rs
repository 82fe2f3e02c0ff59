//! An overlay that asks yes or no, before something would be lost.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::overlay::{boxed, cells, centered, put};
use super::prompt_line::Outcome;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

/// A question that is answered with `y` or `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirm {
    /// The question, e.g. `Quit without saving?`.
    pub question: String,
    /// What is at stake, in one sentence.
    pub detail: String,
}

impl Confirm {
    /// Asks.
    pub fn new(question: &str, detail: &str) -> Confirm {
        Confirm {
            question: question.into(),
            detail: detail.into(),
        }
    }

    /// Handles a key: `y` is yes; `n` and whatever leaves a list is no; a second key of quitting
    /// is yes, so that nobody is held back who means it. Enter does nothing.
    pub fn handle(&self, key: KeyEvent, keymap: &Keymap) -> Outcome<bool> {
        if key.kind == KeyEventKind::Release {
            return Outcome::Open;
        }
        match key.code {
            KeyCode::Char('y' | 'Y') if key.modifiers.is_empty() => return Outcome::Done(true),
            KeyCode::Char('n' | 'N') if key.modifiers.is_empty() => return Outcome::Done(false),
            _ => {}
        }
        match keymap.action(Context::List, key) {
            Some(Action::Cancel) => Outcome::Done(false),
            Some(Action::Quit) => Outcome::Done(true),
            Some(action @ (Action::Redraw | Action::Suspend)) => Outcome::Other(action),
            _ => Outcome::Open,
        }
    }

    /// Draws over an area.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let wide = cells(&self.detail)
            .max(cells(&self.question))
            .saturating_add(4);
        let place = centered(area.intersection(buf.area), wide.clamp(36, 90), 4);
        let inner = boxed(buf, place, &self.question, "", theme);
        put(
            buf,
            inner,
            inner.x,
            inner.y,
            inner.width,
            &self.detail,
            theme.text,
        );
        let y = inner.y.saturating_add(1);
        let mut x = inner.x;
        for (text, style) in [
            ("y", theme.key),
            (" yes   ", theme.dim),
            ("n", theme.key),
            (" no", theme.dim),
        ] {
            x = put(buf, inner, x, y, inner.width, text, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::KeyModifiers;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let keymap = Keymap::default();
        let confirm = Confirm::new("Quit without saving?", "2 branches were not saved.");
        let press = |code| confirm.handle(KeyEvent::new(code, KeyModifiers::NONE), &keymap);
        assert_eq!(press(KeyCode::Char('y')), Outcome::Done(true));
        assert_eq!(press(KeyCode::Char('n')), Outcome::Done(false));
        assert_eq!(press(KeyCode::Esc), Outcome::Done(false));
        assert_eq!(press(KeyCode::Enter), Outcome::Open);
        assert_eq!(press(KeyCode::Char('x')), Outcome::Open);
        let shown = picture(50, 6, |buf, area| {
            confirm.draw(buf, area, &Theme::default())
        });
        insta::assert_snapshot!("confirm", shown);
    }

    #[test]
    fn every_size_draws() {
        let confirm = Confirm::new("Quit without saving?", "2 branches were not saved.");
        survives_every_size(|buf, area| confirm.draw(buf, area, &Theme::monochrome()));
    }
}
