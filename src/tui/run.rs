//! The event loop: terminal, engine, signals and files on one side, the [`App`] on the other.
//!
//! One thread draws and never waits for a model or a disk. Engine events are taken off the
//! engine's bounded channel by a thread of their own, so that a slow terminal never holds the
//! engine back; files are written by another, in order. Everything pending is taken in before a
//! frame is drawn, and frames are drawn on demand, at most 30 a second.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossterm::event::{Event as Input, EventStream};
use futures_core::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::Dirs;
use s1_core::protocol::{Event, Request};
use s1_data::hub::{self, Download};
use s1_engine::{Engine, LoadOptions, catalog};
use s1_lab::curate::CurationReport;
use s1_lab::sweep::Control;
use s1_lab::training::{self, Preview};
use s1_store::db;
use s1_store::run::{Row, Run, RunSummary};
use s1_store::session::{self, Document, Saved};
use s1_store::training::Training;

use super::app::train::form::FormDefaults;
use super::app::train::{Purpose, TrainingsSnapshot};
use super::app::{App, Effect, Options, SaveResult};
use super::frame::Frames;
use super::keymap::Keymap;
use super::screens;
use super::terminal::{Signal, Signals, Terminal};
use super::theme::Theme;

mod clipboard;
mod files;
mod runs;
mod sweeps;
mod trainings;

use files::{Files, Job};
use sweeps::Said;

/// While text streams, it is kept at least this often: what a power cut can cost. As often the
/// plots look for what other programs have added.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Trainings are looked at this often, while they are looked at at all.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Examples shown before a training.
const EXAMPLES: usize = 8;

/// Engine events taken in before the loop looks at anything else.
const BATCH: usize = 4096;

/// What the screen starts with.
#[derive(Debug)]
pub struct Setup {
    /// What a question is asked with; its `question` is the text in the box at the start.
    pub request: Request,
    /// Keys.
    pub keymap: Keymap,
    /// The themes to walk through, the first in use, fit for this terminal.
    pub themes: Vec<Theme>,
    /// Report the mouse.
    pub mouse: bool,
    /// Where sessions and the history live.
    pub dirs: Dirs,
    /// Where the picker looks for models.
    pub models: catalog::ModelFolders,
    /// How to load a model; the path is replaced by the picker's choice.
    pub load: LoadOptions,
    /// The model to load at once.
    pub model: Option<PathBuf>,
    /// What an hour of this machine costs, in dollars.
    pub price: f64,
    /// A session to open at once.
    pub session: Option<PathBuf>,
}

/// What comes back from a thread of its own.
enum Done {
    /// An engine was started (or not), for this generation.
    Started(u64, Result<(Engine, tokio::sync::mpsc::Receiver<Event>)>),
    /// An engine of this generation says something.
    Event(u64, Event),
    /// The same for an engine started beside, by its number.
    StartedOther(usize, Result<(Engine, tokio::sync::mpsc::Receiver<Event>)>),
    EventOther(usize, Event),
    Fetching(Option<Download>),
    Saved(SaveResult),
    Sessions(Vec<Saved>),
    Opened(PathBuf, Result<Box<Document>, String>),
    Models(Vec<catalog::CatalogEntry>),
    Runs(Result<Vec<RunSummary>, String>),
    Run(String, Result<Box<Run>, String>),
    Rows(String, Result<Vec<Row>, String>),
    Trace(Result<Box<Document>, String>),
    Figure(Result<PathBuf, String>),
    Sweep(Said),
    Trainings(Result<Box<TrainingsSnapshot>, String>),
    TrainingPlanned(Result<Box<Preview>, String>),
    Curation(Result<Box<CurationReport>, String>),
    TrainingStarted(String, Result<(), String>),
    Ordered(Result<(), String>),
    Trained(Box<Training>, Purpose, Result<PathBuf, String>),
    Exported(Result<PathBuf, String>),
}

/// Runs the screens until the user leaves. Returns the exit code: 0, or 128 + n after signal n.
///
/// # Errors
/// If there is no terminal, or it breaks.
pub fn run(setup: Setup) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let code = runtime.block_on(async { Loop::start(setup)?.run().await });
    // A file that is still being read must not hold the program back.
    runtime.shutdown_background();
    code
}

struct Loop {
    app: App,
    terminal: Terminal,
    frames: Frames,
    engine: Option<Engine>,
    /// Engines started beside it, by number; `None` until they have started.
    others: BTreeMap<usize, Option<Engine>>,
    /// Counts the engines started; what an earlier one still says is passed over.
    generation: u64,
    load: LoadOptions,
    models: catalog::ModelFolders,
    sessions: PathBuf,
    database: PathBuf,
    /// Pauses and cancels the sweep that is under way.
    sweep: Option<Control>,
    files: Files,
    done: UnboundedSender<Done>,
    inbox: UnboundedReceiver<Done>,
    exit: Option<u8>,
}

impl Loop {
    fn start(setup: Setup) -> Result<Loop> {
        let (done, inbox) = unbounded_channel();
        let answer = done.clone();
        let files = Files::start(&setup.dirs, move |saved| {
            // Nobody listens once the loop has ended.
            let _ = answer.send(Done::Saved(saved));
        })?;
        let fetching = done.clone();
        hub::listen(move |download| {
            let _ = fetching.send(Done::Fetching(download.cloned()));
        });
        let app = App::new(Options {
            request: setup.request,
            keymap: setup.keymap,
            themes: setup.themes,
            history: files.history(),
            model: setup.model.clone(),
            place: FormDefaults {
                folder: setup.dirs.data.join("trainings"),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                price: setup.price,
            },
        });
        let terminal = Terminal::enter(setup.mouse)?;
        let mut this = Loop {
            app,
            terminal,
            frames: Frames::default(),
            engine: None,
            others: BTreeMap::new(),
            generation: 0,
            load: setup.load,
            models: setup.models,
            sessions: files.folder().to_owned(),
            database: setup.dirs.data.join(db::FILE),
            sweep: None,
            files,
            done,
            inbox,
            exit: None,
        };
        match (setup.model, &setup.session) {
            (Some(model), _) => {
                this.load.path.clone_from(&model);
                this.load(model);
            }
            (None, None) => this.app.open_models(),
            // A session replays without a model.
            (None, Some(_)) => {}
        }
        if let Some(session) = setup.session {
            this.open(session);
        }
        Ok(this)
    }

    async fn run(mut self) -> Result<u8> {
        let ended = self.work().await;
        if ended.is_err() {
            // The terminal is gone; what was written must not go with it.
            self.app.on_hangup();
            let (_, effects) = self.app.drain();
            for effect in effects {
                if let Effect::Save(save) = effect {
                    self.files.put(Job::Session(save));
                }
            }
        }
        self.finish();
        ended
    }

    /// Works until somebody leaves; the exit code.
    async fn work(&mut self) -> Result<u8> {
        let mut input = EventStream::new();
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        let mut keep = tokio::time::interval(KEEP_EVERY);
        keep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.frames.request();
        loop {
            self.serve()?;
            if let Some(code) = self.exit {
                return Ok(code);
            }
            let wait = self.frames.wait(Instant::now());
            tokio::select! {
                event = next(&mut input) => match event {
                    Some(Ok(event)) => self.input(event),
                    // The terminal is gone.
                    Some(Err(_)) | None => self.leave(1),
                },
                // With a frame due, whatever comes is taken in then: each wake-up in between would
                // take a core from the engine for nothing that can be seen.
                Some(done) = self.inbox.recv(), if wait.is_none() => self.take(done),
                signal = signals.next() => match signal {
                    Signal::Continue => self.terminal.take_back()?,
                    signal => self.leave(signal.exit_code().unwrap_or(1)),
                },
                _ = keep.tick() => {
                    self.app.keep();
                    self.app.look_for_runs();
                }
                _ = look.tick() => {
                    // There is something to draw once an answer comes.
                    self.app.look_at_trainings();
                    continue;
                }
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                    self.take_pending();
                    self.draw()?;
                    continue;
                }
            }
            self.frames.request();
        }
    }

    fn draw(&mut self) -> Result<()> {
        let app = &mut self.app;
        let drawn = self.terminal.draw(|frame| {
            screens::prepare(app, frame.area());
            screens::draw(app, frame);
        });
        self.frames.drawn(Instant::now());
        drawn.context("the terminal does not take the screen")
    }

    fn input(&mut self, event: Input) {
        match event {
            Input::Key(key) => self.app.on_key(key),
            Input::Paste(text) => self.app.on_paste(&text),
            Input::Mouse(mouse) => self.app.on_mouse(mouse),
            Input::Resize(..) | Input::FocusGained | Input::FocusLost => {}
        }
    }

    /// Takes one thing in, and whatever else is waiting already.
    fn take(&mut self, done: Done) {
        self.take_one(done);
        self.take_pending();
    }

    fn take_pending(&mut self) {
        for _ in 0..BATCH {
            match self.inbox.try_recv() {
                Ok(done) => self.take_one(done),
                Err(_) => return,
            }
        }
    }

    fn take_one(&mut self, done: Done) {
        match done {
            Done::Event(generation, event) if generation == self.generation => {
                self.app.on_event(event);
            }
            Done::Event(..) => {}
            Done::Started(generation, started) if generation == self.generation => {
                self.started(started);
            }
            // An engine nobody wants any more: dropping it ends it.
            Done::Started(..) => {}
            Done::EventOther(number, event) => self.app.on_other(number, event),
            Done::Fetching(download) => self.app.on_fetching(download),
            Done::StartedOther(number, started) => self.started_other(number, started),
            Done::Saved(saved) => self.app.on_saved(saved),
            Done::Sessions(sessions) => self.app.on_sessions(sessions),
            Done::Opened(path, read) => self.app.on_opened(path, read.map(|document| *document)),
            Done::Models(entries) => self.app.on_models(entries),
            Done::Runs(listed) => self.app.on_runs(listed),
            Done::Run(name, read) => self.app.on_run(&name, read.map(|run| *run)),
            Done::Rows(name, read) => self.app.on_rows(&name, read),
            Done::Trace(read) => self.app.on_trace(read.map(|document| *document)),
            Done::Sweep(Said::Progress(progress)) => self.app.on_sweep(progress),
            Done::Sweep(Said::Ended(outcome)) => {
                self.sweep = None;
                self.app.on_sweep_ended(outcome);
            }
            Done::Figure(written) => self.app.on_figure(written),
            Done::Trainings(read) => self.app.on_trainings(read.map(|look| *look)),
            Done::TrainingPlanned(plan) => self.app.on_training_planned(plan.map(|plan| *plan)),
            Done::Curation(read) => self.app.on_curation(read),
            Done::TrainingStarted(name, outcome) => self.app.on_training_started(&name, outcome),
            Done::Ordered(given) => self.app.on_ordered(given),
            Done::Trained(training, purpose, found) => {
                self.app.on_trained(&training, purpose, found);
            }
            Done::Exported(written) => self.app.on_exported(written),
        }
    }

    fn started(&mut self, started: Result<(Engine, tokio::sync::mpsc::Receiver<Event>)>) {
        match started {
            Ok((engine, events)) => {
                self.engine = Some(engine);
                let generation = self.generation;
                self.listen(events, move |event| Done::Event(generation, event));
            }
            Err(error) => self.app.on_event(Event::Failed(format!("{error:#}"))),
        }
    }

    fn started_other(
        &mut self,
        number: usize,
        started: Result<(Engine, tokio::sync::mpsc::Receiver<Event>)>,
    ) {
        // Nobody wants it any more: dropping it ends it.
        let Some(place) = self.others.get_mut(&number) else {
            return;
        };
        match started {
            Ok((engine, events)) => {
                *place = Some(engine);
                self.listen(events, move |event| Done::EventOther(number, event));
            }
            Err(error) => self
                .app
                .on_other(number, Event::Failed(format!("{error:#}"))),
        }
    }

    /// Takes the events of an engine off its channel, on a thread of their own.
    fn listen(
        &self,
        mut events: tokio::sync::mpsc::Receiver<Event>,
        done: impl Fn(Event) -> Done + Send + 'static,
    ) {
        let inbox = self.done.clone();
        std::thread::spawn(move || {
            while let Some(event) = events.blocking_recv() {
                if inbox.send(done(event)).is_err() {
                    return;
                }
            }
        });
    }

    /// Carries out what the application wants.
    fn serve(&mut self) -> Result<()> {
        let (commands, effects) = self.app.drain();
        if let Some(engine) = &self.engine {
            for command in commands {
                engine.send(command);
            }
        }
        for effect in effects {
            match effect {
                Effect::Quit => self.exit = self.exit.or(Some(0)),
                Effect::Copy(text) => {
                    self.terminal
                        .send(&clipboard::osc52(&text))
                        .context("cannot copy")?;
                }
                Effect::Save(save) => self.files.put(Job::Session(save)),
                Effect::SaveHistory(history) => self.files.put(Job::History(history)),
                Effect::FindSessions => {
                    let folder = self.sessions.clone();
                    self.aside(move || Done::Sessions(session::list(&folder)));
                }
                Effect::OpenSession(path) => self.open(path),
                Effect::FindModels => {
                    let places = self.models.clone();
                    self.aside(move || {
                        let found = catalog::find(&places).into_iter();
                        Done::Models(found.chain(catalog::bundled()).collect())
                    });
                }
                Effect::FindRuns => {
                    let database = self.database.clone();
                    self.aside(move || Done::Runs(runs::list(&database)));
                }
                Effect::ReadRun(name) => {
                    let database = self.database.clone();
                    self.aside(move || {
                        let read = runs::read(&database, &name).map(Box::new);
                        Done::Run(name, read)
                    });
                }
                Effect::ReadRows { name, known } => {
                    let database = self.database.clone();
                    self.aside(move || {
                        let read = runs::rows(&database, &name, &known);
                        Done::Rows(name, read)
                    });
                }
                Effect::ReadTrace { run, row, sample } => {
                    let database = self.database.clone();
                    self.aside(move || {
                        let read = runs::trace(&database, &run, row, sample);
                        Done::Trace(read.map(Box::new))
                    });
                }
                Effect::StartSweep { launch, request } => {
                    let job = sweeps::Job {
                        load: self.how_to_load(launch.model),
                        plan: launch.plan,
                        prefix: launch.prefix,
                        request: *request,
                        db: self.database.clone(),
                    };
                    let done = self.done.clone();
                    self.sweep = Some(sweeps::start(job, move |said| {
                        // Nobody listens once the loop has ended.
                        let _ = done.send(Done::Sweep(said));
                    }));
                }
                Effect::PauseSweep(paused) => {
                    if let Some(sweep) = &self.sweep {
                        sweep.pause(paused);
                    }
                }
                Effect::CancelSweep => {
                    if let Some(sweep) = &self.sweep {
                        sweep.cancel();
                    }
                }
                Effect::SaveFigure { figure, path } => self.aside(move || {
                    let written = s1_plot::write(&figure, &path).map(|()| path);
                    Done::Figure(said(written))
                }),
                Effect::LoadModel(path) => self.load(path),
                Effect::CancelLoad => {
                    self.generation += 1;
                    self.engine = None;
                    self.app.on_model_change(false);
                }
                Effect::StartOther(number, path) => {
                    self.others.insert(number, None);
                    let options = self.how_to_load(path);
                    self.aside(move || Done::StartedOther(number, Engine::spawn(options)));
                }
                Effect::TellOther(number, command) => {
                    if let Some(Some(engine)) = self.others.get(&number) {
                        engine.send(*command);
                    }
                }
                Effect::EndOther(number) => {
                    self.others.remove(&number);
                }
                Effect::LookAtTrainings(of) => {
                    let database = self.database.clone();
                    self.aside(move || {
                        Done::Trainings(trainings::look(&database, of).map(Box::new))
                    });
                }
                Effect::PlanTraining(config) => self.aside(move || {
                    let plan = training::preview(&config, EXAMPLES);
                    Done::TrainingPlanned(said(plan).map(Box::new))
                }),
                Effect::ReadCuration(data) => self
                    .aside(move || Done::Curation(said(CurationReport::read(&data)).map(Box::new))),
                Effect::StartTraining {
                    config,
                    name,
                    resume,
                } => {
                    let database = self.database.clone();
                    self.aside(move || {
                        let started = training::start(*config, Some(&name), &database, resume);
                        Done::TrainingStarted(name, said(started.map(|_| ())))
                    });
                }
                Effect::OrderTraining(name, order) => {
                    let database = self.database.clone();
                    self.aside(move || Done::Ordered(trainings::order(&database, &name, order)));
                }
                Effect::OpenTrained {
                    training,
                    step,
                    purpose,
                } => self.aside(move || {
                    let found = said(training::opened(&training, step));
                    Done::Trained(training, purpose, found)
                }),
                Effect::ExportTrained {
                    training,
                    step,
                    product,
                } => self.aside(move || {
                    Done::Exported(said(training::export(&training, step, product)))
                }),
                Effect::Redraw => self.terminal.redraw().context("cannot redraw")?,
                Effect::Suspend => self.terminal.suspend().context("cannot suspend")?,
            }
        }
        Ok(())
    }

    fn open(&mut self, path: PathBuf) {
        self.aside(move || {
            let read = Document::read(&path)
                .map(Box::new)
                .map_err(|e| format!("{e:#}"));
            Done::Opened(path, read)
        });
    }

    /// How to load a model; an adapter that was named beside one at the start belongs to that one.
    fn how_to_load(&self, path: PathBuf) -> LoadOptions {
        let adapter = self.load.adapter.clone();
        LoadOptions {
            adapter: adapter.filter(|_| path == self.load.path),
            path,
            ..self.load.clone()
        }
    }

    /// Ends the engine and starts another; both may take a while.
    fn load(&mut self, path: PathBuf) {
        self.generation += 1;
        let generation = self.generation;
        let options = self.how_to_load(path);
        let old = self.engine.take();
        self.aside(move || {
            // The old model's memory is free before the new one's is taken.
            if let Some(old) = old {
                old.shutdown();
            }
            Done::Started(generation, Engine::spawn(options))
        });
    }

    /// Does something that may take a while beside the loop.
    fn aside(&self, work: impl FnOnce() -> Done + Send + 'static) {
        let done = self.done.clone();
        std::thread::spawn(move || {
            // Nobody listens once the loop has ended.
            let _ = done.send(work());
        });
    }

    /// Leaves because the system says so.
    fn leave(&mut self, code: u8) {
        self.exit = Some(code);
        self.app.on_hangup();
    }

    /// Gives the terminal back and waits until everything is written.
    fn finish(self) {
        drop(self.terminal);
        drop(self.engine);
        self.files.finish();
    }
}

/// An error as one sentence.
fn said<T>(outcome: Result<T>) -> Result<T, String> {
    outcome.map_err(|e| format!("{e:#}"))
}

/// The next event of the terminal.
async fn next(input: &mut EventStream) -> Option<std::io::Result<Input>> {
    std::future::poll_fn(|cx| Pin::new(&mut *input).poll_next(cx)).await
}
