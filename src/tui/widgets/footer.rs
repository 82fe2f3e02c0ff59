//! The footer: the keys that work now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::width;
use crate::tui::theme::Theme;

/// Space between two entries.
const GAP: &str = "   ";

/// One line of `key word` entries for `actions`, most important first: what does not fit is
/// dropped from the right, but the way to all keys always stays. Actions without a key in this
/// context are left out; so are entries for [`Action::Help`], which comes last by itself.
pub fn line(
    actions: &[Action],
    context: Context,
    keymap: &Keymap,
    theme: &Theme,
    columns: usize,
) -> Line<'static> {
    let entry = |action: Action| {
        let key = keymap.key_for(context, action)?;
        Some((key, action.short()))
    };
    let size = |(key, word): &(String, &str)| width(key) + 1 + width(word);
    let help = entry(Action::Help);
    let reserved = help.as_ref().map_or(0, |h| size(h) + GAP.len());
    let mut used = 1;
    let mut shown = Vec::new();
    for entry in actions
        .iter()
        .filter(|a| **a != Action::Help)
        .filter_map(|a| entry(*a))
    {
        let end = used + size(&entry);
        if end + reserved > columns {
            break;
        }
        used = end + GAP.len();
        shown.push(entry);
    }
    shown.extend(help);

    let mut spans = vec![Span::raw(" ")];
    for (i, (key, word)) in shown.into_iter().enumerate() {
        if i > 0 {
            spans.push(Span::raw(GAP));
        }
        spans.push(Span::styled(key, theme.key));
        spans.push(Span::styled(format!(" {word}"), theme.dim));
    }
    Line::from(spans)
}

/// Draws the footer into the first row of an area.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    actions: &[Action],
    context: Context,
    keymap: &Keymap,
    theme: &Theme,
) {
    let area = Rect {
        height: area.height.min(1),
        ..area
    }
    .intersection(buf.area);
    if !area.is_empty() {
        line(actions, context, keymap, theme, usize::from(area.width)).render(area, buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn text(actions: &[Action], columns: usize) -> String {
        let keymap = Keymap::default();
        line(
            actions,
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
            draw(buf, area, RUNNING, Context::Explore, &keymap, &theme);
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
            text(&[Action::Submit, Action::Quit], 80),
            " q quit   ? all keys"
        );
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        survives_every_size(|buf, area| {
            draw(buf, area, RUNNING, Context::Explore, &keymap, &theme);
        });
    }
}
