//! Keys and pastes: to the overlay, the question box or the screen, whichever has them.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::overlay::{Ask, Overlay, Pick, Sure};
use super::train::form::Field;
use super::{App, Effect, Focus};
use crate::config::expand_home;
use crate::tui::action::Action;
use crate::tui::keymap::Context;
use crate::tui::screen::Screen;
use crate::tui::widgets::model_picker::Picker;
use crate::tui::widgets::palette::Palette;
use crate::tui::widgets::prompt_line::Outcome;
use s1_engine::catalog::CatalogEntry;

impl App {
    /// Takes a key in.
    pub fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.notice = None;
        if let Some(overlay) = self.overlay.take() {
            return self.overlay_key(overlay, key);
        }
        let context = self.context();
        match self.keymap.action(context, key) {
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
            None => {}
        }
    }

    /// Takes a paste in. Outside of text fields it goes to the question box, if there is one.
    pub fn on_paste(&mut self, text: &str) {
        self.notice = None;
        match &mut self.overlay {
            Some(Overlay::Line(_, line)) => line.paste(text),
            Some(Overlay::Palette(palette)) => palette.paste(text),
            Some(Overlay::Models(picker)) => picker.paste(text),
            Some(_) => {}
            None if self.screen.has_question() => {
                self.focus = Focus::Question;
                self.question.paste(text);
            }
            None => {}
        }
    }

    /// Where keys go now, if no overlay has them.
    pub fn context(&self) -> Context {
        if self.is_typing() {
            Context::Editor
        } else {
            self.screen.context()
        }
    }

    /// Whether keys go into the question box.
    pub(super) fn is_typing(&self) -> bool {
        self.focus == Focus::Question && self.screen.has_question()
    }

    /// What a key says in something to read over the screen: the key that opened it, of the action
    /// `opener`, closes it.
    fn action_over(&self, key: KeyEvent, opener: Action) -> Option<Action> {
        let own = self.keymap.action(self.screen.context(), key);
        let listed = || self.keymap.action(Context::List, key);
        own.filter(|action| *action == opener).or_else(listed)
    }

    fn overlay_key(&mut self, mut overlay: Overlay, key: KeyEvent) {
        match &mut overlay {
            Overlay::Help(help) => match self.keymap.action(Context::List, key) {
                Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                    self.act(action);
                }
                Some(action) if help.handle(action) => return,
                _ => {}
            },
            Overlay::Read(reader) => match self.action_over(key, Action::ShowPrompt) {
                Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                    self.act(action);
                }
                Some(action) if reader.handle(action) => return,
                _ => {}
            },
            Overlay::Curation(view) => match self.action_over(key, Action::ShowCuration) {
                Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                    self.act(action);
                }
                Some(action) if view.handle(action) => return,
                _ => {}
            },
            Overlay::Palette(palette) => match palette.handle(key, &self.keymap) {
                Outcome::Open => {}
                Outcome::Done(action) => return self.act(action),
                Outcome::Cancelled => return,
                Outcome::Other(action) => self.act(action),
            },
            Overlay::Pick(pick, list) => {
                let Some(action) = self.keymap.action(Context::List, key) else {
                    self.overlay = Some(overlay);
                    return;
                };
                match list.handle(action) {
                    Outcome::Open => {}
                    Outcome::Done(row) => return self.picked(pick.clone(), row),
                    Outcome::Cancelled => return,
                    Outcome::Other(action) => self.act(action),
                }
            }
            Overlay::Line(ask, line) => match line.handle(key, &self.keymap) {
                Outcome::Open => {}
                Outcome::Done(text) => match self.typed(*ask, &text) {
                    Ok(()) => return,
                    Err(sentence) => line.error = Some(sentence),
                },
                Outcome::Cancelled => return self.untyped(*ask),
                Outcome::Other(action) => self.act(action),
            },
            Overlay::Models(picker) => match picker.handle(key, &self.keymap) {
                Outcome::Open => {}
                Outcome::Done(path) => return self.model_chosen(path),
                Outcome::Cancelled => return,
                Outcome::Other(action) => self.act(action),
            },
            Overlay::Sure(sure, confirm) => match confirm.handle(key, &self.keymap) {
                Outcome::Open => {}
                Outcome::Done(true) => {
                    return match sure {
                        Sure::Quit => self.quit_anyway(),
                        Sure::Ask => self.ask_now(),
                        Sure::KillTraining => self.kill_training(),
                    };
                }
                Outcome::Done(false) | Outcome::Cancelled => return,
                Outcome::Other(action) => self.act(action),
            },
        }
        // An action may have put another overlay there.
        if self.overlay.is_none() {
            self.overlay = Some(overlay);
        }
    }

    fn picked(&mut self, pick: Pick, row: usize) {
        match pick {
            Pick::Alternative { at, ids } => {
                if let Some(&id) = ids.get(row) {
                    self.choose(at, id);
                }
            }
            Pick::Branch(ids) => {
                if let Some(&id) = ids.get(row) {
                    self.switch(id);
                }
            }
            Pick::WaitText(texts) => match texts.get(row) {
                Some(text) => self.choose_wait_text(text),
                None => self.overlay = Some(Overlay::wait_text(&self.request.policy.wait_text)),
            },
            Pick::Session(paths) => match paths.get(row) {
                Some(path) => self.wish(Effect::OpenSession(path.clone())),
                None => self.overlay = Some(Overlay::open_path()),
            },
            Pick::Setting => self.edit_setting(row),
            Pick::Preset => self.choose_preset(row),
            Pick::Strategy(place) => self.choose_strategy(place, row),
            Pick::Line => self.toggle_line(row),
            Pick::Sweep => self.sweep_row(row),
            Pick::Export => self.export_trained(row),
        }
    }

    /// Takes a typed line. An error keeps the prompt open and stands below it.
    fn typed(&mut self, ask: Ask, text: &str) -> Result<(), String> {
        match ask {
            Ask::Inject { resume } => self.inject(text, resume),
            Ask::Reference => self.set_reference(text),
            Ask::Save => self.save_as(&expand_home(text.trim()).display().to_string()),
            Ask::Open if text.trim().is_empty() => return Err("Write a path.".into()),
            Ask::Open => self.wish(Effect::OpenSession(expand_home(text.trim()))),
            Ask::Strategy(place, kind) => self.set_strategy(place, kind, text)?,
            Ask::WaitText if text.is_empty() => return Err("Write some text.".into()),
            Ask::WaitText => self.choose_wait_text(text),
            Ask::Figure => self.save_figure(text)?,
            Ask::Sweep(field) => self.set_sweep_field(field, text)?,
            Ask::Train(field) => self.set_train_field(field, text)?,
            Ask::Setting(setting) => {
                self.set(setting, text)?;
                self.back_to_settings(setting);
            }
        }
        Ok(())
    }

    /// Leaves a prompt without an answer.
    fn untyped(&mut self, ask: Ask) {
        match ask {
            Ask::Inject { resume } => self.resume(resume),
            Ask::Setting(setting) => self.back_to_settings(setting),
            Ask::Sweep(field) => self.back_to_sweep(field),
            _ => {}
        }
    }

    pub(super) fn open_palette(&mut self) {
        let actions: Vec<Action> = Action::ALL
            .iter()
            .copied()
            .filter(|&a| self.in_palette(a))
            .collect();
        self.overlay = Some(Overlay::Palette(Palette::new(&actions)));
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

    /// Ends the engine and starts one with another model; what the old one wrote stays.
    pub fn load(&mut self, path: PathBuf) {
        self.on_model_change(true);
        self.model_path = Some(path.clone());
        self.wish(Effect::LoadModel(path));
    }

    /// A model was chosen: for a lane or a training, if that is what the picker was opened for.
    fn model_chosen(&mut self, path: PathBuf) {
        if std::mem::take(&mut self.train.wants_base) {
            let base = path.display().to_string();
            return match self.set_train_field(Field::BASE, &base) {
                Ok(()) => {}
                Err(sentence) => self.refuse(sentence),
            };
        }
        match self.compare.wants_model.take() {
            Some(place) => self.set_lane_model(place, path),
            None => self.load(path),
        }
    }

    /// Opens the picker, while models are still being looked for.
    pub fn open_models(&mut self) {
        self.compare.wants_model = None;
        self.train.wants_base = false;
        let mut picker = Picker::default();
        picker.searching = true;
        picker.current = self.model_path.clone();
        self.overlay = Some(Overlay::Models(picker));
        self.wish(Effect::FindModels);
    }

    /// Shows the models that were found.
    pub fn on_models(&mut self, entries: Vec<CatalogEntry>) {
        if let Some(Overlay::Models(picker)) = &mut self.overlay {
            picker.set_entries(entries);
        }
    }
}
