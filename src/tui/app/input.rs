//! Keys and pastes: to the overlay, the question box or the screen, whichever has them.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, Focus};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Key};
use crate::tui::screen::Screen;
use crate::tui::widgets::palette::palette;

impl App {
    /// Takes a key in.
    pub fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.notice = None;
        if let Some(mut overlay) = self.overlay.take() {
            // What an answer does may have put another overlay there.
            if overlay.key(key, self) && self.overlay.is_none() {
                self.overlay = Some(overlay);
            }
            self.follow_what_if();
            return;
        }
        let context = self.context();
        let action = self.keymap.action(context, key);
        if self.tour_key(action) {
            return;
        }
        match action {
            Some(action) => self.act(action),
            None if self.is_typing() => self.question.key(key),
            // Esc and a key typed right after it look like Alt and that key.
            None if key.modifiers == KeyModifiers::ALT => {
                self.on_key(KeyEvent::from(KeyCode::Esc));
                self.on_key(KeyEvent {
                    modifiers: KeyModifiers::NONE,
                    ..key
                });
            }
            None => self.say_dead(key),
        }
    }

    /// A key that is bound to nothing says so: on another keyboard layout all of them may be.
    fn say_dead(&mut self, key: KeyEvent) {
        if let Some(label) = Key::of(key).map(|key| key.label()) {
            let help = self.key(Action::Help);
            self.refuse(format!(
                "{label} does nothing here; {help} shows the keys that do."
            ));
        }
    }

    /// Takes a paste in. Outside of text fields it goes to the question box, if there is one.
    pub fn on_paste(&mut self, text: &str) {
        self.notice = None;
        match &mut self.overlay {
            Some(overlay) => overlay.paste(text),
            None if self.screen.has_question() => {
                self.focus = Focus::Question;
                self.question.paste(text);
            }
            None => {}
        }
    }

    /// Whether what is typed becomes text: in the question box, and in what lies over the screen.
    pub fn takes_text(&self) -> bool {
        self.overlay.is_some() || self.is_typing()
    }

    /// Where keys go now, if no overlay has them.
    pub fn context(&self) -> Context {
        if self.is_typing() {
            Context::Editor
        } else {
            self.screen.context()
        }
    }

    /// How an action is typed on the screen shown; `–` where it has no key.
    pub fn key(&self, action: Action) -> String {
        let key = self.keymap.key_for(self.screen.context(), action);
        key.unwrap_or_else(|| "–".into())
    }

    /// How to come to an action from here: its key; where the question box has the keys, the one that
    /// leaves it and then that.
    pub fn way_to(&self, action: Action) -> String {
        let now = self.keymap.key_for(self.context(), action);
        let leave = self.keymap.key_for(Context::Editor, Action::Cancel);
        match (now, leave) {
            (Some(key), _) => key,
            (None, Some(leave)) if self.is_typing() => format!("{leave} {}", self.key(action)),
            _ => self.key(action),
        }
    }

    /// Whether keys go into the question box.
    pub(super) fn is_typing(&self) -> bool {
        self.focus == Focus::Question && self.screen.has_question()
    }

    pub(super) fn open_palette(&mut self) {
        let actions = Action::ALL.iter().copied();
        let actions = actions.filter(|&action| self.in_palette(action));
        self.ask_over(
            palette(actions, &self.keymap, self.screen.context()),
            App::act,
        );
    }

    /// Whether an action makes sense as a command by name.
    fn in_palette(&self, action: Action) -> bool {
        use Action as A;
        self.screen.has(action)
            && !matches!(
                action,
                A::Newline
                    | A::HistoryBack
                    | A::HistoryForward
                    | A::Accept
                    | A::Cancel
                    | A::Palette
            )
    }

    /// The actions worth a place in the footer now, most useful first.
    pub fn footer(&self) -> Vec<Action> {
        match self.screen {
            Screen::Explore => self.explore_footer(),
            Screen::Compare => self.compare_footer(),
            Screen::Plots => self.plots_footer(),
            Screen::Train => self.train_footer(),
        }
    }

    /// What an action does now, in a word or two.
    pub fn word(&self, action: Action) -> &'static str {
        let paused = match self.screen {
            Screen::Explore => self.live.as_ref().is_some_and(|live| !live.is_busy()),
            Screen::Compare => self.compare.run.as_ref().is_some_and(|run| run.is_paused()),
            Screen::Plots | Screen::Train => false,
        };
        let sweep = self.plots.sweep.as_ref();
        match action {
            Action::Pause if paused => "resume",
            Action::Stop if self.goes_back() => "back",
            Action::PauseSweep if sweep.is_none_or(|s| s.control.is_paused()) => "go on",
            _ => action.short(),
        }
    }
}
