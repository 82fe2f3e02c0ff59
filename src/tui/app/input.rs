//! Keys and pastes: to the overlay, the question box or the screen, whichever has them.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::jobs::files::{DeleteModel, DescribeModels, FindModels};
use super::overlay::Outcome;
use super::{App, Effect, Focus};
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Key};
use crate::tui::screen::Screen;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::model_picker::{FoundModels, ModelChoice, ModelPicker};
use crate::tui::widgets::palette::palette;
use s1_core::format;
use s1_data::hub;
use s1_engine::is_server;

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

    /// Ends the engine and starts one with another model; what the old one wrote stays.
    pub fn load(&mut self, path: PathBuf) {
        self.on_model_change(true);
        self.model_path = Some(path.clone());
        if is_server(&path) {
            self.server = Some(path.clone());
        }
        self.wish(Effect::LoadModel(path));
    }

    /// Opens the picker of models for what one is needed for, while files are still being looked for.
    pub(super) fn ask_for_model<O: Outcome + 'static>(
        &mut self,
        answered: impl Fn(&mut App, PathBuf) -> O + Send + Sync + 'static,
    ) {
        self.pick_model(Arc::new(move |app: &mut App, path: PathBuf| {
            answered(app, path).outcome()
        }));
    }

    fn pick_model(&mut self, answered: ModelAnswer) {
        let act = Arc::clone(&answered);
        self.ask_over(ModelPicker::looking(), move |app, choice| match choice {
            ModelChoice::Load(path) => act(app, path),
            ModelChoice::Delete(path) => app.ask_to_delete_model(path, Arc::clone(&answered)),
        });
        self.start(FindModels, App::on_models);
    }

    /// Deletes a model's files, if the user means it; the picker comes back.
    fn ask_to_delete_model(&mut self, path: PathBuf, then: ModelAnswer) -> Result<(), String> {
        if self.model_path.as_ref() == Some(&path) {
            return Err("This model is in use; load another one first.".into());
        }
        if hub::is_hub(&path) || is_server(&path) {
            return Err("This model is not on this machine.".into());
        }
        let detail = format!("{} is removed from the disk.", path.display());
        let confirm = Confirm::new("Delete this model?", &detail);
        let back = Arc::clone(&then);
        let delete = move |app: &mut App, ()| {
            let then = Arc::clone(&then);
            app.start(DeleteModel(path.clone()), move |app, deleted| {
                app.pick_model(then);
                if let Some(freed) = app.taken(deleted) {
                    app.tell(format!("{} are free now.", format::size(freed)));
                }
            });
        };
        self.ask_or(confirm, delete, move |app| {
            app.pick_model(Arc::clone(&back))
        });
        Ok(())
    }

    /// Opens the picker for the model in use.
    pub fn open_models(&mut self) {
        self.ask_for_model(App::load);
    }

    /// Shows the models that were found, and has it looked at what each needs.
    pub fn on_models(&mut self, found: Result<FoundModels, String>) {
        let (current, server) = (self.model_path.clone(), self.server.clone());
        let Some(found) = self.taken(found) else {
            return;
        };
        let Some(picker) = self.component::<ModelPicker>() else {
            return;
        };
        let known = found.here.iter().all(|(_, need)| need.is_some());
        picker.show(found.clone(), server.as_deref(), current.as_deref());
        if !known {
            self.start(DescribeModels(found), App::on_models);
        }
    }
}

/// What is done with a model that was chosen.
type ModelAnswer = Arc<dyn Fn(&mut App, PathBuf) -> Result<(), String> + Send + Sync>;
