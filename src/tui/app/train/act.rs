//! What keys do on the train screen while a training is watched, and what comes back of it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{TrainPane, TrainingsSnapshot};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::jobs::trainings::{OrderTraining, ReadOutput, ReadTrainings, StartTraining};
use crate::tui::keymap::Context;
use crate::tui::screen::Screen;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::reader::Text;
use s1_core::training::{TrainConfig, TrainOrder};
use s1_store::training::{Training, TrainingState};

/// The learning rate may be multiplied and divided by this much.
const MAX_RATE: f64 = 1024.0;
/// While another screen is shown, trainings are looked at every so many calls.
const IDLE: usize = 8;

impl App {
    /// Goes to the trainings; they are read anew.
    pub(in crate::tui::app) fn show_train(&mut self) {
        self.screen = Screen::Train;
        self.look_at_trainings();
        self.plan_again();
    }

    /// Reads the trainings anew, if they are looked at or one is under way. Called four times a
    /// second; while another screen is shown, most calls do nothing.
    pub fn look_at_trainings(&mut self) {
        let train = &mut self.train;
        if train.looking {
            return;
        }
        if self.screen != Screen::Train {
            train.idle += 1;
            let open = train.list.as_ref().map(|l| l.iter().any(|t| t.is_open()));
            // Once at the beginning: one may be under way from an earlier program.
            if open == Some(false) || train.idle < IDLE && open.is_some() {
                return;
            }
        }
        train.idle = 0;
        train.looking = true;
        let after = train.watched.after();
        let current = train.current.clone().map(|name| (name, after));
        self.start(ReadTrainings(current), App::on_trainings);
    }

    /// Hears what was read of the trainings.
    pub fn on_trainings(&mut self, read: Result<TrainingsSnapshot, String>) {
        self.train.looking = false;
        let TrainingsSnapshot { list, news } = match read {
            Ok(look) => look,
            Err(sentence) => {
                self.train.trouble = Some(sentence);
                return;
            }
        };
        self.train.trouble = None;
        self.tell_of_ends(&list);
        let train = &mut self.train;
        let anew = match (train.current(), &train.current) {
            (Some(old), Some(name)) => list.iter().find(|l| l.name == *name).is_none_or(
                // Resumed: its last steps are computed and written once more.
                |new| new.step < train.watched.after().0 || (new.is_open() && !old.is_open()),
            ),
            _ => false,
        };
        train.form.taken = list.iter().map(|l| l.name.clone()).collect();
        let gone = |name: &String| !list.iter().any(|l| l.name == *name);
        let started = train.starting.is_some();
        if train
            .current
            .as_ref()
            .is_none_or(|name| gone(name) && !started)
        {
            let open = list.iter().find(|l| l.is_open()).or(list.first());
            let first = open.map(|l| l.name.clone());
            train.watch(first);
        } else if anew {
            train.forget();
        }
        train.list = Some(list);
        if let Some(news) = news {
            let total = train.current().map_or(0, |l| l.steps);
            let fits =
                train.current.as_deref() == Some(&news.name) && news.after == train.watched.after();
            if fits {
                train.watched.checkpoints = news.checkpoints;
                train.watched.add(news.steps, news.events, total);
            }
        }
        train.clamp();
        self.plan_again();
    }

    /// Says what became of trainings that were under way.
    fn tell_of_ends(&mut self, new: &[Training]) {
        let old = self.train.list.as_deref().unwrap_or_default();
        let was_open = |name: &str| old.iter().any(|l| l.name == name && l.is_open());
        let ended = new.iter().find(|l| !l.is_open() && was_open(&l.name));
        let Some(ended) = ended else { return };
        let name = &ended.name;
        let fault = ended.fault.as_deref();
        match ended.state {
            TrainingState::Interrupted => self.refuse(format!(
                "The training {name} was interrupted; R resumes it from its last checkpoint."
            )),
            TrainingState::Finished => self.tell(format!(
                "The training {name} is done; c compares it with its base."
            )),
            TrainingState::Failed => self.refuse(fault.unwrap_or("The training has failed.")),
            _ => self.tell(format!(
                "The training {name} is {}; R resumes it.",
                ended.state.name()
            )),
        }
    }

    /// Does what an action says on the train screen.
    pub(in crate::tui::app) fn train(&mut self, action: Action) {
        use Action as A;
        match action {
            A::NewTraining => return self.open_form(),
            A::ShowCuration => return self.show_curation(),
            A::CopyCommand => return self.copy_command(),
            _ if self.train.shows_form() => return self.form(action),
            _ => {}
        }
        match action {
            A::PanelNext => self.train.walk(true),
            A::PanelPrevious => self.train.walk(false),
            A::PointLeft | A::PointRight | A::Up | A::Down => self.train.go(action),
            A::PageUp | A::PageDown | A::Home | A::End => self.train.go(action),
            A::WatchTraining => self.train.view.cursor = None,
            A::LogAxis => self.train.watched.turn_axis(),
            A::TrainEnter => self.enter_pane(),
            A::PauseTraining => self.pause_training(),
            A::StopTraining => self.order(
                TrainOrder::Stop,
                "It ends after this step, with a checkpoint.",
            ),
            A::KillTraining => self.ask_to_kill(),
            A::SaveCheckpoint => {
                self.order(TrainOrder::Save, "A checkpoint is written after this step.")
            }
            A::RateDown => self.change_rate(0.5),
            A::RateUp => self.change_rate(2.0),
            A::ResumeTraining => self.resume_training(),
            A::BeforeAfter => self.compare_before_after(),
            A::OpenTrained => self.open_trained(super::Purpose::Explore),
            A::LaneTrained => self.open_trained(super::Purpose::Lane),
            A::ExportTrained => self.open_export(),
            A::ShowOutput => self.show_output(),
            _ => {}
        }
    }

    /// Shows what the processes of the training that is watched printed.
    fn show_output(&mut self) {
        let Some(current) = self.watched_training() else {
            return;
        };
        let title = format!("what {} printed", current.name);
        self.start(ReadOutput(Box::new(current)), move |app, read| {
            // A user who has turned to something else meanwhile is not interrupted.
            if app.overlay.is_none() && app.screen == Screen::Train {
                app.on_output(&title, read);
            }
        });
    }

    /// Hears what they printed.
    fn on_output(&mut self, title: &str, read: Result<String, String>) {
        match self.taken(read) {
            Some(text) if text.trim().is_empty() => self.tell("It has printed nothing yet."),
            Some(text) => {
                let opener = (Context::Train, Action::ShowOutput);
                self.read_over(Text::new(title.to_owned(), &text, opener));
            }
            None => {}
        }
    }

    /// A click gives the keys to a panel and selects a row, a click on what is selected opens it; the
    /// wheel goes through rows and points.
    pub(in crate::tui::app) fn train_mouse(&mut self, mouse: MouseEvent, at: Position) {
        let form = self.train.shows_form();
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.notice = None;
                let again = match form {
                    true => self.click_form(at),
                    false => self.train.click(at),
                };
                if again {
                    self.train(Action::TrainEnter);
                }
            }
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let down = mouse.kind == MouseEventKind::ScrollDown;
                let chart = !form && self.train.pane.is_chart();
                let over_plan = form && self.train.areas.plan.contains(at);
                self.train(match (chart, over_plan, down) {
                    (true, _, true) => Action::PointRight,
                    (true, _, false) => Action::PointLeft,
                    (_, true, true) => Action::PageDown,
                    (_, true, false) => Action::PageUp,
                    (.., true) => Action::Down,
                    (.., false) => Action::Up,
                });
            }
            _ => {}
        }
    }

    /// The actions worth a place in the footer now, most useful first.
    pub(in crate::tui::app) fn train_footer(&self) -> Vec<Action> {
        use Action as A;
        if self.train.shows_form() {
            let mut keys = vec![
                A::TrainEnter,
                A::CopyCommand,
                A::ShowExplore,
                A::Theme,
                A::Quit,
            ];
            if self.train.list.as_ref().is_some_and(|l| !l.is_empty()) {
                keys.insert(1, A::WatchTraining);
            }
            return keys;
        }
        let Some(current) = self.train.current() else {
            return vec![A::NewTraining, A::ShowExplore, A::Quit];
        };
        let mut keys = if current.is_open() {
            vec![
                A::PauseTraining,
                A::StopTraining,
                A::PanelNext,
                A::RateDown,
                A::RateUp,
                A::KillTraining,
                A::SaveCheckpoint,
                A::NewTraining,
            ]
        } else if current.can_resume() {
            vec![
                A::ResumeTraining,
                A::NewTraining,
                A::PanelNext,
                A::BeforeAfter,
                A::OpenTrained,
                A::ExportTrained,
                A::ShowOutput,
            ]
        } else {
            vec![
                A::BeforeAfter,
                A::OpenTrained,
                A::PanelNext,
                A::ExportTrained,
                A::LaneTrained,
                A::NewTraining,
            ]
        };
        match self.train.pane {
            TrainPane::List | TrainPane::Checkpoints => keys.insert(1, A::TrainEnter),
            TrainPane::Sample if self.train.sample().1 > 1 => keys.insert(2, A::PointLeft),
            _ => {}
        }
        keys
    }

    /// Enter: the selected training, or the selected checkpoint.
    fn enter_pane(&mut self) {
        match self.train.pane {
            TrainPane::List => {
                let list = self.train.list.as_deref().unwrap_or_default();
                let name = list.get(self.train.row).map(|l| l.name.clone());
                if name.is_some() && name != self.train.current {
                    self.train.watch(name);
                    self.look_at_trainings();
                }
            }
            TrainPane::Checkpoints => self.open_trained(super::Purpose::Explore),
            _ => {}
        }
    }

    /// The training that is watched; says so where there is none.
    pub(super) fn watched_training(&mut self) -> Option<Training> {
        let current = self.train.current().cloned();
        if current.is_none() {
            self.refuse("There is no training yet; n plans one.");
        }
        current
    }

    /// Gives an order to the training that is watched, if it is at work.
    fn order(&mut self, order: TrainOrder, said: &str) {
        let Some(current) = self.watched_training() else {
            return;
        };
        let (name, state) = (&current.name, current.state.name());
        if !current.is_open() {
            let sentence = format!("The training {name} is {state}: it takes no orders.");
            return self.refuse(sentence);
        }
        self.tell(said);
        let name = current.name;
        self.start(OrderTraining(name, order), App::on_ordered);
    }

    fn pause_training(&mut self) {
        let paused = self.train.current().map(|l| l.state);
        match paused {
            Some(TrainingState::Paused) => self.order(TrainOrder::Resume, "It resumes."),
            _ => self.order(
                TrainOrder::Pause,
                "It pauses after this step, with a checkpoint.",
            ),
        }
    }

    fn ask_to_kill(&mut self) {
        let Some(current) = self.train.current().filter(|l| l.is_open()) else {
            return self.order(TrainOrder::Kill, "");
        };
        let question = format!("Kill the training {}?", current.name);
        let detail = "It ends at once; R resumes from its last checkpoint. t stops it cleanly.";
        let confirm = Confirm::new(&question, detail);
        self.ask_over(confirm, |app, ()| {
            app.order(TrainOrder::Kill, "It ends at once.");
        });
    }

    /// Multiplies the scheduled learning rate.
    fn change_rate(&mut self, factor: f64) {
        let Some(current) = self.train.current() else {
            return self.order(TrainOrder::Rate(factor), "");
        };
        let rate = (current.rate * factor).clamp(1.0 / MAX_RATE, MAX_RATE);
        let said = format!("The learning rate is × {rate} from the next step on.");
        let name = current.name.clone();
        let open = current.is_open();
        self.order(TrainOrder::Rate(rate), &said);
        let mut list = self.train.list.iter_mut().flatten();
        if let Some(listed) = list.find(|l| open && l.name == name) {
            // The next press multiplies this one, read back or not.
            listed.rate = rate;
        }
    }

    fn resume_training(&mut self) {
        let Some(current) = self.watched_training() else {
            return;
        };
        let Training { name, config, .. } = current.clone();
        if !current.can_resume() {
            return self.refuse(format!("The training {name} is {}.", current.state.name()));
        }
        if let Some(name) = &self.train.starting {
            let sentence = format!("{name} is being started.");
            return self.refuse(sentence);
        }
        self.tell(format!("{name} resumes from its last checkpoint."));
        self.launch_training(config, name, true);
    }

    /// Starts a training, or resumes it from its newest checkpoint.
    pub(super) fn launch_training(&mut self, config: TrainConfig, name: String, resume: bool) {
        self.train.starting = Some(name.clone());
        let job = StartTraining {
            config,
            name: name.clone(),
            resume,
        };
        self.start(job, move |app, outcome| {
            app.on_training_started(&name, outcome);
        });
    }

    /// Hears that an order was given, or could not be.
    pub fn on_ordered(&mut self, given: Result<(), String>) {
        self.taken(given);
    }

    /// Hears what became of the start of a training.
    pub fn on_training_started(&mut self, name: &str, outcome: Result<(), String>) {
        self.train.starting = None;
        if self.taken(outcome).is_none() {
            return;
        }
        self.notice = None;
        self.train.planning = false;
        self.train.form.started();
        if self.train.current.as_deref() == Some(name) {
            self.train.forget();
        } else {
            self.train.watch(Some(name.to_owned()));
        }
        self.train.looking = false;
        self.look_at_trainings();
    }
}
