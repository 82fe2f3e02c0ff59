//! The command palette: find an action by a few letters of what it does, and run it.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::finder::{Entry, Finder, FinderSpec};
use super::list::ListRow;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};

static PALETTE: FinderSpec<Action> = FinderSpec {
    title: "Commands",
    sign: ":",
    placeholder: "",
    accept: "run",
    others: &[],
    columns: &[],
    gap: 0,
    place,
    typed: |_| None,
    check: |_| Ok(()),
    takes_typed: "",
    nothing: |_, theme| vec![Line::styled("  no such command", theme.dim)],
};

fn place(area: Rect, _: usize) -> Rect {
    let width = area.width.saturating_sub(4).clamp(1, 96).min(area.width);
    let height = (area.height * 2 / 3).max(5).min(area.height);
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 4,
        width,
        height,
    }
}

/// A palette over the actions that can be run now, with their keys on a screen.
pub fn palette(
    actions: impl IntoIterator<Item = Action>,
    keymap: &Keymap,
    screen: Context,
) -> Finder<Action> {
    let entry = |action: Action| {
        // Not the keys of other screens: there they may do something else.
        let mut contexts = [screen, Context::Editor, Context::List].into_iter();
        let key = contexts.find_map(|context| keymap.key_for(context, action));
        Entry {
            value: action,
            row: ListRow::new(action.describe(), key.unwrap_or_default()),
            text: action.describe().into(),
            name: action.short(),
            cells: Vec::new(),
            about: String::new(),
            fault: None,
        }
    };
    let mut palette = Finder::searching(&PALETTE);
    palette.set_entries(actions.into_iter().map(entry).collect());
    palette
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Theme;
    use crate::tui::widgets::modal::{Modal, Reply};
    use crate::tui::widgets::overlay::DrawContext;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn typed(text: &str) -> Finder<Action> {
        let keymap = Keymap::default();
        let mut palette = palette(Action::ALL.iter().copied(), &keymap, Context::Explore);
        for c in text.chars() {
            palette.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), &keymap);
        }
        palette
    }

    fn found(palette: &Finder<Action>) -> Vec<Action> {
        palette.matches().iter().map(|entry| entry.value).collect()
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
            assert_eq!(found(&typed(query)).first(), Some(&action), "{query}");
        }
        assert!(found(&typed("xyzzy")).is_empty());
        assert_eq!(found(&typed("")), Action::ALL, "nothing typed shows all");
    }

    /// A user would lose: the right key, learned from the list of commands of another screen.
    #[test]
    fn a_command_names_its_key_on_the_screen_shown() {
        let keymap = Keymap::default();
        for (screen, action, key) in [
            (Context::Explore, Action::Submit, "A"),
            (Context::Compare, Action::Submit, "A"),
            (Context::Explore, Action::Reroll, "r"),
            (Context::Plots, Action::PauseSweep, "p"),
            (Context::Train, Action::Newline, "Alt-Enter"),
        ] {
            let palette = palette([action], &keymap, screen);
            assert_eq!(palette.matches()[0].row.right, key, "{}", action.name());
        }
    }

    #[test]
    fn letters_type_and_keys_with_ctrl_move() {
        let keymap = Keymap::default();
        let mut palette = typed("jkq");
        assert_eq!(palette.input.text(), "jkq", "no letter moves or quits");
        let press = |p: &mut Finder<Action>, code, modifiers| {
            p.key(KeyEvent::new(code, modifiers), &keymap)
        };
        assert_eq!(
            press(&mut palette, KeyCode::Enter, KeyModifiers::NONE),
            Reply::Open
        );
        let mut palette = typed("cut");
        press(&mut palette, KeyCode::Down, KeyModifiers::NONE);
        let second = found(&palette)[1];
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
            palette.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("palette_80x24", shown);
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        for query in ["", "日本語"] {
            let palette = typed(query);
            survives_every_size(|buf, area| {
                palette.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
            });
        }
    }
}
