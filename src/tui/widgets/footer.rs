//! The footer: the keys that work now.

use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::overlay::{Canvas, fitting};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

/// Space between two entries.
const GAP: &str = "   ";

/// One line of `key word` entries for actions and what they do now in a word, most important first: what does not fit is
/// dropped from the right, but the way to all keys always stays. Actions without a key in this
/// context are left out; so are entries for [`Action::Help`], which comes last by itself.
pub fn line(
    actions: &[(Action, &str)],
    context: Context,
    keymap: &Keymap,
    theme: &Theme,
    columns: usize,
) -> Line<'static> {
    let entry = |(action, word): (Action, &str)| {
        let key = Span::styled(keymap.key_for(context, action)?, theme.key);
        let word = Span::styled(format!(" {word}"), theme.dim);
        Some(vec![key, word])
    };
    let size = |entry: &Vec<Span>| entry.iter().map(Span::width).sum::<usize>();
    let help = entry((Action::Help, Action::Help.short()));
    let reserved = help.as_ref().map_or(0, |help| size(help) + GAP.len());
    let others = actions.iter().filter(|(action, _)| *action != Action::Help);
    let entries = others.filter_map(|action| entry(*action));
    let mut spans = fitting(entries, &Span::raw(GAP), columns.saturating_sub(reserved));
    if let Some(help) = help {
        let first = spans.len() == 1;
        spans.extend(Some(Span::raw(GAP)).filter(|_| !first));
        spans.extend(help);
    }
    Line::from(spans)
}

/// Draws the footer into the first row.
pub fn draw(on: &mut Canvas, actions: &[(Action, &str)], context: Context) {
    let columns = usize::from(on.area.width);
    line(actions, context, on.keymap, on.theme, columns).render(on.area, on.buf);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sanitize::width;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};

    const RUNNING: &[Action] = &[
        Action::Wait,
        Action::Cut,
        Action::CutSentence,
        Action::Pause,
        Action::StepToken,
        Action::Branch,
        Action::Probe,
        Action::Inject,
        Action::BudgetUp,
        Action::BudgetDown,
        Action::Heat,
        Action::Save,
        Action::Quit,
    ];

    fn worded(actions: &[Action]) -> Vec<(Action, &'static str)> {
        actions
            .iter()
            .map(|action| (*action, action.short()))
            .collect()
    }

    fn text(actions: &[Action], columns: usize) -> String {
        let keymap = Keymap::default();
        line(
            &worded(actions),
            Context::Explore,
            &keymap,
            &Theme::default(),
            columns,
        )
        .to_string()
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 1, |buf, area| {
            let mut canvas = Canvas::new(buf, area, &keymap, &theme);
            draw(&mut canvas, &worded(RUNNING), Context::Explore);
        });
        insta::assert_snapshot!("footer_80x24", shown);
    }

    #[test]
    fn what_does_not_fit_is_dropped_from_the_right_but_never_the_way_to_all_keys() {
        assert_eq!(text(RUNNING, 40), " w Wait   x cut   ? all keys");
        assert_eq!(text(RUNNING, 27), " w Wait   ? all keys");
        assert_eq!(text(RUNNING, 11), " ? all keys");
        assert_eq!(
            text(RUNNING, 3),
            " ? all keys",
            "cut by the area, from the right"
        );
        assert_eq!(text(&[], 80), " ? all keys");
        assert_eq!(
            text(&[Action::Help, Action::Quit], 80),
            " q quit   ? all keys"
        );
        for columns in 11..200 {
            let line = text(RUNNING, columns);
            assert!(width(&line) <= columns && line.ends_with("? all keys"));
        }
    }

    #[test]
    fn an_action_without_a_key_here_is_not_shown() {
        assert_eq!(
            text(&[Action::Newline, Action::Quit], 80),
            " q quit   ? all keys"
        );
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        survives_every_size(|buf, area| {
            let mut canvas = Canvas::new(buf, area, &keymap, &theme);
            draw(&mut canvas, &worded(RUNNING), Context::Explore);
        });
    }
}
