//! The footer: the keys that work now.

use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::overlay::DrawContext;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;

/// Space between two entries.
const GAP: &str = "   ";

/// An entry: the column it begins at, what it does, its key and a word.
type FooterEntry = (usize, Action, [Span<'static>; 2]);

/// The entries for actions and what they do now in a word, most important first: what does not fit is
/// dropped from the right, but the way to all keys always stays. Actions without a key in this
/// context are left out; so are entries for [`Action::Help`], which comes last by itself.
fn entries(
    actions: &[(Action, &str)],
    context: Context,
    keymap: &Keymap,
    theme: &Theme,
    columns: usize,
) -> Vec<FooterEntry> {
    let entry = |(action, word): (Action, &str)| {
        let key = Span::styled(keymap.key_for(context, action)?, theme.key);
        let word = Span::styled(format!(" {word}"), theme.dim);
        Some((action, [key, word]))
    };
    let size = |entry: &[Span; 2]| entry.iter().map(Span::width).sum::<usize>();
    let help = entry((Action::Help, Action::Help.short()));
    let reserved = help.as_ref().map_or(0, |(_, help)| size(help) + GAP.len());
    let room = columns.saturating_sub(reserved);
    let others = actions.iter().filter(|(action, _)| *action != Action::Help);
    // A space stands before the first.
    let mut at = 1;
    let mut found = Vec::new();
    for (action, entry) in others.filter_map(|action| entry(*action)) {
        if at + size(&entry) > room {
            break;
        }
        let next = at + size(&entry) + GAP.len();
        found.push((at, action, entry));
        at = next;
    }
    found.extend(help.map(|(action, entry)| (at, action, entry)));
    found
}

/// The entries as one line.
fn line(entries: Vec<FooterEntry>) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    for (at, _, entry) in entries {
        spans.push(Span::raw(" ".repeat(at - used)));
        used = at + entry.iter().map(Span::width).sum::<usize>();
        spans.extend(entry);
    }
    Line::from(spans)
}

/// What the entry at a column of the footer does.
pub fn action_at(
    actions: &[(Action, &str)],
    context: Context,
    keymap: &Keymap,
    columns: usize,
    column: usize,
) -> Option<Action> {
    let entries = entries(actions, context, keymap, &Theme::default(), columns);
    let under = entries.into_iter().rfind(|(at, ..)| *at <= column);
    let (at, action, entry) = under?;
    let size = entry.iter().map(Span::width).sum::<usize>();
    (column < at + size).then_some(action)
}

/// Draws the footer into the first row.
pub fn draw(on: &mut DrawContext, actions: &[(Action, &str)], context: Context) {
    let columns = usize::from(on.area.width);
    let entries = entries(actions, context, on.keymap, on.theme, columns);
    line(entries).render(on.area, on.buf);
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
        let theme = Theme::default();
        let actions = worded(actions);
        line(entries(
            &actions,
            Context::Explore,
            &keymap,
            &theme,
            columns,
        ))
        .to_string()
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 1, |buf, area| {
            let mut canvas = DrawContext::new(buf, area, &keymap, &theme);
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

    /// A user would lose: the mouse, on the keys that the footer shows.
    #[test]
    fn what_is_clicked_is_what_stands_there() {
        let keymap = Keymap::default();
        let at = |column| {
            let actions = worded(RUNNING);
            action_at(&actions, Context::Explore, &keymap, 40, column)
        };
        assert_eq!(text(RUNNING, 40), " w Wait   x cut   ? all keys");
        assert_eq!(at(0), None);
        assert_eq!((at(1), at(6)), (Some(Action::Wait), Some(Action::Wait)));
        assert_eq!((at(7), at(10)), (None, Some(Action::Cut)));
        assert_eq!((at(18), at(39)), (Some(Action::Help), None));
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
            let mut canvas = DrawContext::new(buf, area, &keymap, &theme);
            draw(&mut canvas, &worded(RUNNING), Context::Explore);
        });
    }
}
