//! Which screens there are, what belongs to each, and their tabs in the header.
//!
//! Not here: drawing ([`super::screens`]) and state ([`super::app`]).

use ratatui::layout::{Position, Rect};
use strum::{IntoStaticStr, VariantArray};

use super::action::{Action, Group};
use super::keymap::Context;
use super::sanitize::width;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum Screen {
    /// One thought, steered while it runs.
    #[default]
    Explore,
    /// One question, several strategies side by side.
    Compare,
    /// What a thinking budget buys.
    Plots,
    /// Trainings: planned, watched, compared.
    Train,
}

impl Screen {
    /// Every screen, in the order of the tabs.
    pub const ALL: &'static [Screen] = Screen::VARIANTS;

    pub fn title(self) -> &'static str {
        self.into()
    }

    /// The action that shows it.
    pub fn action(self) -> Action {
        match self {
            Screen::Explore => Action::ShowExplore,
            Screen::Compare => Action::ShowCompare,
            Screen::Plots => Action::ShowPlots,
            Screen::Train => Action::ShowTrain,
        }
    }

    /// Where its keys are bound.
    pub fn context(self) -> Context {
        match self {
            Screen::Explore => Context::Explore,
            Screen::Compare => Context::Compare,
            Screen::Plots => Context::Plots,
            Screen::Train => Context::Train,
        }
    }

    /// Whether the question box, which all screens that ask something share, stands on it.
    pub fn has_question(self) -> bool {
        match self {
            Screen::Explore | Screen::Compare => true,
            Screen::Plots | Screen::Train => false,
        }
    }

    /// The actions that do something on it: what its help and its palette list. Those of the
    /// program come by themselves.
    fn groups(self) -> &'static [Group] {
        match self {
            Screen::Explore => &[
                Group::Run,
                Group::Steer,
                Group::Move,
                Group::Scroll,
                Group::Look,
                Group::Branch,
                Group::Session,
            ],
            Screen::Compare => &[Group::Run, Group::Lanes, Group::Scroll],
            Screen::Plots => &[Group::Plot, Group::Scroll],
            Screen::Train => &[Group::Train, Group::Scroll],
        }
    }

    /// Whether an action does something on it.
    pub fn has(self, action: Action) -> bool {
        match action.group() {
            Group::Screens | Group::Program => true,
            Group::Steer if self == Screen::Compare => {
                // These also steer the selected lane.
                matches!(action, Action::Wait | Action::Cut | Action::WrapUp)
            }
            Group::Plot if self == Screen::Train => {
                use Action as A;
                // Its panels and charts are walked through by the same keys.
                matches!(
                    action,
                    A::PanelNext | A::PanelPrevious | A::PointLeft | A::PointRight | A::LogAxis
                )
            }
            group => self.groups().contains(&group),
        }
    }
}

/// Columns between two tabs.
pub const GAP: u16 = 2;

/// The program's name, with the room around it.
pub const NAME: &str = " s1-tui   ";

/// What a tab says: the digit that shows its screen, and its title.
pub fn tab(i: usize, screen: Screen) -> String {
    format!("{} {}", i + 1, screen.title())
}

/// The screen whose tab is at a place of the header.
pub fn tab_at(area: Rect, at: Position) -> Option<Screen> {
    let mut x = area.x + width(NAME) as u16;
    for (i, &screen) in Screen::ALL.iter().enumerate() {
        let wide = width(&tab(i, screen)) as u16;
        let place = Rect {
            x,
            width: wide,
            ..area
        };
        if place.intersection(area).contains(at) {
            return Some(screen);
        }
        x += wide + GAP;
    }
    None
}
