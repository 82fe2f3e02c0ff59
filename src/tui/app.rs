//! The application: one state, changed by keys, pastes, the mouse and engine events.
//!
//! Nothing here knows a terminal, a thread, a file or a clock. What the state wants of the world
//! comes out of [`App::drain`]: commands for the engine and [`Effect`]s for everything else; what
//! becomes of them comes back through the `on_…` functions. So the whole program runs in a test.
//!
//! Not here: drawing ([`super::screens`]) and the event loop ([`super::run`]).

use std::path::PathBuf;
use std::time::Duration;

use s1_core::protocol::{Command, ModelInfo, Request};
use s1_data::hub::Download;
use s1_engine::is_server;
use s1_store::session::Document;

use super::action::Action;
use super::keymap::Keymap;
use super::screen::Screen;
use super::theme::Theme;
use super::widgets::help::Keys;
use super::widgets::trace::Heat;
use crate::config::TextChoices;

pub mod areas;
mod ask;
mod branch;
pub mod compare;
mod events;
mod explore;
mod files;
mod find;
mod input;
pub mod jobs;
pub mod live;
mod look;
mod models;
pub mod overlay;
mod pace;
pub mod params;
pub mod plots;
pub mod question;
mod settings;
mod steer;
#[cfg(test)]
mod tests;
mod tour;
pub mod train;
mod tune;
mod what_if;

#[cfg(test)]
pub(crate) use tests::testing;

use areas::{ExploreAreas, ShellAreas};
use compare::Compare;
use jobs::{AnyJob, Job};
use live::Live;
use overlay::Overlay;
use question::QuestionBox;
use tour::TourStage;

/// What the application starts with.
#[derive(Debug)]
pub struct Options {
    /// What a question is asked with; its `question` is the text in the box at the start.
    pub request: Request,
    pub keymap: Keymap,
    /// Texts to choose from.
    pub texts: TextChoices,
    /// The themes to walk through; never empty in practice, a plain one otherwise.
    pub themes: Vec<Theme>,
    /// The settings name the theme to begin with.
    pub theme_set: bool,
    /// Questions of earlier runs, oldest first.
    pub history: Vec<String>,
    /// The model that is being loaded already, if any.
    pub model: Option<PathBuf>,
    /// What the form of a training depends on.
    pub place: train::form::FormDefaults,
    /// Continuations that the what-if map draws at each place.
    pub continuations: usize,
    /// Tokens per second at which a thought is written; see [`crate::config::Config::pace`].
    pub pace: Option<usize>,
    /// The tour begins by itself.
    pub tour: bool,
    /// Clicks and the wheel come to the program.
    pub mouse: bool,
}

/// What the application wants of the world.
#[derive(Debug, PartialEq, strum::IntoStaticStr)]
pub enum Effect {
    Quit,
    /// Put a text on the clipboard.
    Copy(String),
    /// Save a session; answered by [`App::on_saved`].
    Save(Box<Save>),
    /// Give the mouse to the terminal, which selects text with it, or take it.
    Mouse(bool),
    /// The tour was seen: it does not begin by itself again.
    Toured,
    /// The theme of this name is that of the next start, too, where the settings name none.
    KeepTheme(String),
    /// Keep the questions for the next run.
    SaveHistory(Vec<String>),
    /// End the engine and start one with this model.
    LoadModel(PathBuf),
    /// End the engine while it loads.
    CancelLoad,
    /// Start another engine, under this number; what it says comes back through
    /// [`App::on_other`].
    StartOther(usize, PathBuf),
    /// A command for one of the other engines.
    TellOther(usize, Box<Command>),
    /// End one of the other engines.
    EndOther(usize),
    /// Do something on a thread of its own.
    Job(AnyJob),
    /// Draw every cell again.
    Redraw,
    /// Go into the background.
    Suspend,
}

impl Effect {
    /// This job, whatever is done with its outputs.
    #[cfg(test)]
    fn job(job: impl Job) -> Effect {
        Effect::Job(AnyJob::new(job, |_, _| {}))
    }

    /// The job that is wanted, if it is of this kind.
    #[cfg(test)]
    fn as_job<J: Job>(&self) -> Option<&J> {
        match self {
            Effect::Job(job) => job.downcast_ref(),
            _ => None,
        }
    }
}

/// A session to be saved.
#[derive(Debug, PartialEq)]
pub struct Save {
    pub target: SaveTarget,
    pub document: Document,
}

/// What is saved, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveTarget {
    /// Where; `None` is the file this session is kept in by itself.
    pub path: Option<PathBuf>,
    /// Which of this run's sessions it is.
    pub number: usize,
    /// The revision that the document holds.
    pub revision: u64,
}

/// What became of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Model {
    /// None was asked for.
    #[default]
    None,
    /// Loading, 0 to 1.
    Loading(f32),
    Ready(Box<ModelInfo>),
    /// It could not be loaded, or died. One sentence.
    Failed(String),
}

/// Which part of the screen has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The question box.
    Question,
    Trace,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Info,
    /// Something was refused or failed.
    Warning,
}

/// One sentence for the user; it stays until the next key, and goes by itself after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
}

impl Notice {
    /// After this time it has been read. A warning stays longer: one may have looked away.
    pub fn reading_time(&self) -> Duration {
        let least = match self.tone {
            Tone::Info => 4,
            Tone::Warning => 20,
        };
        let letters = self.text.chars().count().min(1000) as u64;
        Duration::from_secs(least) + Duration::from_millis(50 * letters)
    }
}

/// The state of the program.
#[derive(Debug)]
pub struct App {
    /// What the next question is asked with.
    pub request: Request,
    pub keymap: Keymap,
    texts: TextChoices,
    themes: Vec<Theme>,
    theme: usize,
    /// The settings name the theme to begin with.
    theme_set: bool,
    pub model: Model,
    /// What is being fetched from the hub, for whichever part of the program.
    pub fetching: Option<Download>,
    /// The question on screen, once one was asked.
    pub live: Option<Live>,
    pub compare: Compare,
    pub question: QuestionBox,
    /// Which part of the screen has the keys.
    pub focus: Focus,
    /// What lies over the screen.
    pub overlay: Option<Box<dyn Overlay>>,
    /// What there is to say.
    pub notice: Option<Notice>,
    /// What colours mean.
    pub heat: Heat,
    /// The side panel is wanted where there is room for it.
    pub side: bool,
    /// The delimiter's tokens are shown.
    pub show_delimiters: bool,
    /// Formulas are shown as they were written.
    pub raw_maths: bool,
    pub screen: Screen,
    /// Where the parts of every screen are; set before each drawing.
    pub layout: ShellAreas,
    /// Where things are in the explorer; set before each drawing.
    pub places: ExploreAreas,
    pub plots: plots::Plots,
    pub train: train::Train,
    /// The what-if map that was made last.
    what_if: Option<what_if::WhatIf>,
    continuations: usize,
    /// The file of the model in use, or the address of its server.
    pub model_path: Option<PathBuf>,
    /// The server that was used last.
    server: Option<PathBuf>,
    /// Where in the tour the user is.
    tour: Option<TourStage>,
    /// Tokens per second at which a thought is written; see [`crate::config::Config::pace`].
    pace: Option<usize>,
    /// Clicks and the wheel come to the program.
    mouse: bool,
    /// The last budget that was set and is none of those that keys step through.
    own_budget: Option<usize>,
    /// What was searched for last.
    search: String,
    /// While the thought on screen is probed along its length: the places to come, the next one last.
    probing: Option<Vec<usize>>,
    /// The question that the reference answer belongs to; none is the next one that is asked.
    referred: Option<String>,
    /// The question waits for the model.
    queued: bool,
    /// Leave as soon as the session is saved.
    quitting: bool,
    /// The last attempt to keep a session failed: say so before anything is lost.
    unkept: Option<String>,
    /// A save is under way for this revision.
    saving: Option<u64>,
    sessions: usize,
    next_lane: usize,
    commands: Vec<Command>,
    effects: Vec<Effect>,
}

impl App {
    /// The program as it starts.
    pub fn new(options: Options) -> App {
        let mut themes = options.themes;
        if themes.is_empty() {
            themes.push(Theme::default());
        }
        let question = QuestionBox::new(&options.request.question, options.history);
        let referred = Some(options.request.question.clone()).filter(|q| !q.trim().is_empty());
        let mut plots = plots::Plots::default();
        plots.plan = plots::sweep::small();
        plots.price = plots::exits::USUAL_PRICE;
        App {
            request: Request {
                question: String::new(),
                ..options.request
            },
            keymap: options.keymap,
            texts: options.texts,
            themes,
            theme: 0,
            theme_set: options.theme_set,
            model: match options.model {
                Some(_) => Model::Loading(0.0),
                None => Model::None,
            },
            fetching: None,
            live: None,
            compare: Compare::default(),
            question,
            focus: Focus::Question,
            overlay: None,
            notice: None,
            heat: Heat::Off,
            side: true,
            show_delimiters: false,
            raw_maths: false,
            screen: Screen::default(),
            layout: ShellAreas::default(),
            places: ExploreAreas::default(),
            plots,
            train: train::Train::new(options.place),
            what_if: None,
            continuations: options.continuations,
            server: options.model.clone().filter(|path| is_server(path)),
            model_path: options.model,
            tour: options.tour.then_some(TourStage::Loading),
            pace: options.pace,
            mouse: options.mouse,
            own_budget: None,
            search: String::new(),
            probing: None,
            referred,
            queued: false,
            quitting: false,
            unkept: None,
            saving: None,
            sessions: 0,
            next_lane: 0,
            commands: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Commands for the engine and wishes to the world that have come up since the last call, in
    /// order.
    pub fn drain(&mut self) -> (Vec<Command>, Vec<Effect>) {
        (
            std::mem::take(&mut self.commands),
            std::mem::take(&mut self.effects),
        )
    }

    /// The theme in use.
    pub fn theme(&self) -> &Theme {
        &self.themes[self.theme]
    }

    /// Says something; it stays until the next key.
    fn tell(&mut self, text: impl Into<String>) {
        let (tone, text) = (Tone::Info, text.into());
        self.notice = Some(Notice { tone, text });
    }

    /// Says that something was refused or has failed.
    fn refuse(&mut self, text: impl Into<String>) {
        let (tone, text) = (Tone::Warning, text.into());
        self.notice = Some(Notice { tone, text });
    }

    /// A part of the program has ended that should not have.
    pub fn on_bug(&mut self, sentence: String) {
        self.refuse(sentence);
    }

    /// What came of something; where it is a sentence, that is shown.
    fn taken<T>(&mut self, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|sentence| self.refuse(sentence)).ok()
    }

    fn send(&mut self, command: Command) {
        self.commands.push(command);
    }

    fn wish(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Wishes for a job; `done` takes in what comes of it: a fault as one sentence.
    fn start<J: Job>(
        &mut self,
        job: J,
        done: impl FnOnce(&mut App, Result<J::Output, String>) + Send + 'static,
    ) {
        self.wish(Effect::Job(AnyJob::new(job, done)));
    }

    /// The model in use, once it is ready.
    pub fn info(&self) -> Option<&ModelInfo> {
        match &self.model {
            Model::Ready(info) => Some(info),
            _ => None,
        }
    }

    /// Whether the scores of tokens are those of the most probable ones alone, as a server gives them: what
    /// they come to is a bound.
    pub fn scores_are_bounds(&self) -> bool {
        self.info().is_some_and(ModelInfo::is_server)
    }

    /// Does what an action says. What belongs to the program or to the question box is done here;
    /// everything else is the screen's.
    pub fn act(&mut self, action: Action) {
        use Action as A;
        match action {
            A::EditQuestion => self.focus = Focus::Question,
            A::ReadQuestion => self.read_question(),
            A::EditReference => self.open_reference(),
            A::Newline => self.question.newline(),
            A::HistoryBack => self.question.older(),
            A::HistoryForward => self.question.newer(),
            A::Cancel => self.leave_question(),
            A::ShowExplore => self.screen = Screen::Explore,
            A::ShowCompare => self.screen = Screen::Compare,
            A::ShowPlots => self.show_plots(),
            A::ShowTrain => self.show_train(),
            A::Models => self.open_models(),
            A::Theme => {
                self.theme = (self.theme + 1) % self.themes.len();
                let name = self.themes[self.theme].name.clone();
                self.tell(match self.theme_set {
                    true => format!(
                        "Theme: {name}, until you leave: the setting “theme” names another."
                    ),
                    false => format!("Theme: {name}, for the next start, too."),
                });
                self.wish(Effect::KeepTheme(name));
            }
            A::Mouse => {
                self.mouse = !self.mouse;
                self.tell(match self.mouse {
                    true => "The mouse is the program's: clicks and the wheel.",
                    false => "The mouse is the terminal's: it selects text.",
                });
                self.wish(Effect::Mouse(self.mouse));
            }
            A::Tour => self.start_tour(),
            A::Settings => self.show_settings(""),
            A::Help => self.read_over(Keys(self.screen)),
            A::Palette => self.open_palette(),
            A::Redraw => self.wish(Effect::Redraw),
            A::Suspend => self.wish(Effect::Suspend),
            A::Accept => {}
            A::Quit => self.quit(),
            _ => match self.screen {
                Screen::Explore => self.explore(action),
                Screen::Compare => self.compare(action),
                Screen::Plots => self.plots(action),
                Screen::Train => self.train(action),
            },
        }
    }
}
