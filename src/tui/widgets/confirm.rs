//! An overlay that asks yes or no, before something would be lost.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use ratatui::layout::Position;

use super::modal::{Modal, Reply};
use super::overlay::{DrawContext, below, cells, centered};
use super::prose::wrap;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::clean_line;

/// A question that is answered with `y` or `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirm {
    /// The question, e.g. `Quit without saving?`.
    pub question: String,
    /// What is at stake, in one sentence.
    pub detail: String,
}

impl Confirm {
    pub fn new(question: &str, detail: &str) -> Confirm {
        Confirm {
            question: question.into(),
            detail: detail.into(),
        }
    }
}

impl Modal for Confirm {
    /// Yes; no is no answer.
    type Output = ();

    /// `y` is yes; `n` and whatever leaves a list is no; a second key of quitting is yes, so that
    /// nobody is held back who means it. Enter does nothing.
    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<()> {
        if key.kind == KeyEventKind::Release {
            return Reply::Open;
        }
        match key.code {
            KeyCode::Char('y' | 'Y') if key.modifiers.is_empty() => return Reply::Done(()),
            KeyCode::Char('n' | 'N') if key.modifiers.is_empty() => return Reply::Cancelled,
            _ => {}
        }
        match keymap.action(Context::List, key) {
            Some(Action::Cancel) => Reply::Cancelled,
            Some(Action::Quit) => Reply::Done(()),
            Some(action @ (Action::Redraw | Action::Suspend)) => Reply::Other(action),
            _ => Reply::Open,
        }
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let theme = on.theme;
        let wide = cells(&self.detail).max(cells(&self.question));
        let wide = wide.saturating_add(4).clamp(36, 90).min(on.area.width);
        // What is at stake is read whole, however narrow the screen.
        let detail = clean_line(&self.detail);
        let rows = wrap(&detail, usize::from(wide.saturating_sub(4)).max(1));
        let told =
            rows.len()
                .clamp(1, usize::from(on.area.height.saturating_sub(3).max(1))) as u16;
        let inner = on.boxed(centered(on.area, wide, told + 3), &self.question, "");
        for (row, place) in rows.iter().take(usize::from(told)).zip(inner.rows()) {
            on.put(place, row, theme.text);
        }
        let mut answers = below(inner, told);
        for (text, style) in [
            ("y", theme.key),
            (" yes   ", theme.dim),
            ("n", theme.key),
            (" no", theme.dim),
        ] {
            answers = on.put(answers, text, style);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Theme;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::KeyModifiers;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let keymap = Keymap::default();
        let mut confirm = Confirm::new("Quit without saving?", "2 branches were not saved.");
        let mut press = |code| confirm.key(KeyEvent::new(code, KeyModifiers::NONE), &keymap);
        assert_eq!(press(KeyCode::Char('y')), Reply::Done(()));
        assert_eq!(press(KeyCode::Char('n')), Reply::Cancelled);
        assert_eq!(press(KeyCode::Esc), Reply::Cancelled);
        assert_eq!(press(KeyCode::Enter), Reply::Open);
        assert_eq!(press(KeyCode::Char('x')), Reply::Open);
        let shown = picture(50, 6, |buf, area| {
            confirm.draw(&mut DrawContext::new(buf, area, &keymap, &Theme::default()));
        });
        insta::assert_snapshot!("confirm", shown);
    }

    #[test]
    fn every_size_draws() {
        let confirm = Confirm::new("Quit without saving?", "2 branches were not saved.");
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        survives_every_size(|buf, area| {
            confirm.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
