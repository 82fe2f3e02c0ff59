//! The event loop: terminal, engines, jobs, signals and files on one side, the [`App`] on the other.
//!
//! One thread draws and never waits for a model or a disk. Everything that others have to say comes
//! through one inbox of bounded size: whoever finds it full waits, so a slow terminal slows the
//! engine down and never fills the memory. Everything pending is taken in before a frame is drawn,
//! and frames are drawn on demand, at most 30 a second.
//!
//! Not here: what a job does (`app::jobs`), and what becomes of an engine's events (the application).

use std::io::Write as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossterm::event::{Event as Input, EventStream};
use futures_core::Stream;
use tokio::sync::{mpsc, watch};

use crate::config::Dirs;
use s1_data::hub::{self, Download};
use s1_engine::{LoadOptions, catalog};
use s1_store::db;

use super::app::jobs::{AnyJob, Completion, JobContext};
use super::app::{App, Effect, Notice, Options};
use super::frame::Frames;
use super::screens;
use super::terminal::{self, Signal, Signals, Terminal};

mod clipboard;
mod engines;
mod files;
mod pasted;

use engines::{EngineMessage, EngineSlot, Engines};
use files::{FileJob, Files};

/// While text streams, it is kept at least this often: what a power cut can cost. As often the
/// plots look for what other programs have added.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Trainings are looked at this often, while they are looked at at all.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A file of this name in the data folder says that the tour was seen.
pub const TOURED: &str = "toured";

/// A file of this name in the data folder has the name of the theme that was chosen last.
pub const THEME: &str = "theme";

/// Messages that may wait to be taken in. Between two frames an engine writes far fewer.
const INBOX: usize = 1024;

/// Keys that are taken in together, at most.
const MOST_TOGETHER: usize = 1 << 20;
/// The rest of a paste comes within this time.
const REST_OF_PASTE: Duration = Duration::from_millis(10);

/// What the screen starts with.
#[derive(Debug)]
pub struct Setup {
    /// What the application starts with; its history is read here.
    pub app: Options,
    /// Where sessions and the history live.
    pub dirs: Dirs,
    /// Where the picker looks for models.
    pub models: catalog::ModelFolders,
    /// How to load a model; the path is replaced by the picker's choice.
    pub load: LoadOptions,
    /// A session to open at once.
    pub session: Option<PathBuf>,
}

/// What comes from a thread of its own.
enum LoopMessage {
    /// From an engine: its place, and which of those that had it.
    Engine(EngineSlot, u64, EngineMessage),
    /// What is left to do with what a job has come to, or a save.
    Job(Completion),
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
    let code = runtime.block_on(async { EventLoop::start(setup)?.run().await });
    // A file that is still being read must not hold the program back.
    runtime.shutdown_background();
    code
}

struct EventLoop {
    app: App,
    terminal: Terminal,
    frames: Frames,
    engines: Engines,
    context: JobContext,
    files: Files,
    sender: mpsc::Sender<LoopMessage>,
    inbox: mpsc::Receiver<LoopMessage>,
    /// What is being fetched from the hub: only the newest state counts.
    fetching: watch::Receiver<Option<Download>>,
    exit: Option<u8>,
    /// When what is written at a pace went on last.
    beaten: Instant,
    /// The notice on the screen, and since when.
    noticed: Option<(Notice, Instant)>,
}

impl EventLoop {
    fn start(setup: Setup) -> Result<EventLoop> {
        let (sender, inbox) = mpsc::channel(INBOX);
        let answer = sender.clone();
        let saved = move |save, result| {
            let hear = move |app: &mut App| app.on_saved(&save, result);
            // Nobody listens once the loop has ended.
            let _ = answer.blocking_send(LoopMessage::Job(Box::new(hear)));
        };
        let files = Files::start(&setup.dirs, Box::new(saved))?;
        let (fetched, fetching) = watch::channel(None);
        hub::listen(move |download| {
            let _ = fetched.send(download.cloned());
        });
        let model = setup.app.model.clone();
        let mouse = setup.app.mouse;
        let app = App::new(Options {
            history: files.history(),
            ..setup.app
        });
        let mut load = setup.load;
        if let Some(model) = &model {
            load.path.clone_from(model);
        }
        let mut this = EventLoop {
            app,
            terminal: Terminal::enter(mouse)?,
            frames: Frames::default(),
            engines: Engines::new(sender.clone()),
            context: JobContext {
                sessions: files.folder.clone(),
                database: setup.dirs.data.join(db::FILE),
                models: setup.models,
                load,
            },
            files,
            sender,
            inbox,
            fetching,
            exit: None,
            beaten: Instant::now(),
            noticed: None,
        };
        match (model, &setup.session) {
            (Some(model), _) => this.load(EngineSlot::Main, model),
            (None, None) => this.app.open_models(),
            // A session replays without a model.
            (None, Some(_)) => {}
        }
        if let Some(session) = setup.session {
            this.app.open_session(session);
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
                    self.files.put(FileJob::Session(save));
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
        terminal::end_if_stalled().context("cannot listen for signals")?;
        let mut keep = tokio::time::interval(KEEP_EVERY);
        keep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.frames.request();
        loop {
            if let Some(bug) = terminal::panic_elsewhere() {
                self.app.on_bug(bug);
                self.frames.request();
            }
            self.serve()?;
            if let Some(code) = self.exit {
                return Ok(code);
            }
            let now = Instant::now();
            let wait = self.frames.wait(now);
            let beat = self.app.beat();
            let beat = beat.map(|every| (self.beaten + every).saturating_duration_since(now));
            tokio::select! {
                event = next(&mut input) => match event {
                    Some(Ok(event)) => {
                        for event in self.together(event, &mut input).await {
                            self.input(event);
                        }
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => self.leave(1),
                },
                // With a frame due, whatever comes is taken in then: each wake-up in between would
                // take a core from the engine for nothing that can be seen.
                Some(message) = self.inbox.recv(), if wait.is_none() => {
                    self.take(message);
                    self.take_pending();
                }
                Ok(()) = self.fetching.changed() => {
                    self.app.fetching = self.fetching.borrow_and_update().clone();
                }
                signal = signals.next() => match signal {
                    Signal::Continue => self.terminal.take_back()?,
                    signal => self.leave(signal.exit_code().unwrap_or(1)),
                },
                _ = keep.tick() => {
                    self.app.keep();
                    self.app.look_for_runs();
                }
                _ = look.tick() => {
                    self.app.look_at_trainings();
                    if !self.notice_fades() {
                        // There is something to draw once an answer comes.
                        continue;
                    }
                }
                () = tokio::time::sleep(beat.unwrap_or_default()), if beat.is_some() => {
                    self.beaten = Instant::now();
                    self.app.on_beat();
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

    /// Takes a notice off the screen that was there long enough to be read; `true` if it did.
    fn notice_fades(&mut self) -> bool {
        let Some(notice) = &self.app.notice else {
            self.noticed = None;
            return false;
        };
        match &self.noticed {
            Some((shown, since)) if shown == notice => {
                let fades = since.elapsed() > notice.reading_time();
                if fades {
                    self.app.notice = None;
                }
                fades
            }
            _ => {
                self.noticed = Some((notice.clone(), Instant::now()));
                false
            }
        }
    }

    /// The events that have come together with one, where text is typed: what was pasted among them
    /// is one paste, whether the terminal says so or not.
    async fn together(&self, first: Input, input: &mut EventStream) -> Vec<Input> {
        let mut events = vec![first];
        if !self.app.takes_text() {
            return events;
        }
        while events.len() < MOST_TOGETHER {
            let more = match pasted::may_go_on(&events) {
                // The rest of a long paste may still be on its way.
                true => tokio::time::timeout(REST_OF_PASTE, next(input)).await.ok(),
                false => ready(input).await,
            };
            // An end of the terminal is met again where the next event is waited for.
            match more {
                Some(Some(Ok(event))) => events.push(event),
                _ => break,
            }
        }
        pasted::joined(events)
    }

    fn input(&mut self, event: Input) {
        match event {
            Input::Key(key) => self.app.on_key(key),
            Input::Paste(text) => self.app.on_paste(&text),
            Input::Mouse(mouse) => self.app.on_mouse(mouse),
            Input::Resize(..) | Input::FocusGained | Input::FocusLost => {}
        }
    }

    /// Takes in what is waiting, but no more than the inbox holds: the loop has other things to
    /// look at.
    fn take_pending(&mut self) {
        for _ in 0..INBOX {
            match self.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, message: LoopMessage) {
        match message {
            LoopMessage::Engine(slot, serial, message) => {
                let event = self.engines.take(slot, serial, message);
                match (slot, event) {
                    (_, None) => {}
                    (EngineSlot::Main, Some(event)) => self.app.on_event(event),
                    (EngineSlot::Other(number), Some(event)) => self.app.on_other(number, event),
                }
            }
            LoopMessage::Job(completion) => completion(&mut self.app),
        }
    }

    /// Carries out what the application wants.
    fn serve(&mut self) -> Result<()> {
        let (commands, effects) = self.app.drain();
        for command in commands {
            self.engines.send(EngineSlot::Main, command);
        }
        for effect in effects {
            let kind: &str = (&effect).into();
            tracing::debug!(kind, "effect");
            match effect {
                Effect::Quit => self.exit = self.exit.or(Some(0)),
                Effect::Copy(text) => {
                    self.terminal
                        .send(&clipboard::osc52(&text))
                        .context("cannot copy")?;
                }
                Effect::Save(save) => self.files.put(FileJob::Session(save)),
                Effect::Mouse(on) => self.terminal.mouse(on).context("cannot set the mouse")?,
                Effect::Toured => self.files.put(FileJob::Toured),
                Effect::KeepTheme(name) => self.files.put(FileJob::Theme(name)),
                Effect::SaveHistory(history) => self.files.put(FileJob::History(history)),
                Effect::LoadModel(path) => self.load(EngineSlot::Main, path),
                Effect::CancelLoad => {
                    self.engines.end(EngineSlot::Main);
                    self.app.on_model_change(false);
                }
                Effect::StartOther(number, path) => self.load(EngineSlot::Other(number), path),
                Effect::TellOther(number, command) => {
                    self.engines.send(EngineSlot::Other(number), *command);
                }
                Effect::EndOther(number) => self.engines.end(EngineSlot::Other(number)),
                Effect::Job(job) => self.spawn(job),
                Effect::Redraw => self.terminal.redraw().context("cannot redraw")?,
                Effect::Suspend => self.terminal.suspend().context("cannot suspend")?,
            }
        }
        Ok(())
    }

    fn load(&mut self, slot: EngineSlot, path: PathBuf) {
        self.engines.start(slot, self.context.load_options(path));
    }

    /// Does a job on a thread of its own.
    fn spawn(&self, job: AnyJob) {
        let (context, sender) = (self.context.clone(), self.sender.clone());
        std::thread::spawn(move || {
            job.run(&context, &mut |completion| {
                // Nobody listens once the loop has ended.
                let _ = sender.blocking_send(LoopMessage::Job(completion));
            });
        });
    }

    /// Leaves because the system says so.
    fn leave(&mut self, code: u8) {
        self.exit = Some(code);
        self.app.on_hangup();
    }

    /// Gives the terminal back and waits until everything is written; says what was kept.
    fn finish(self) {
        drop(self.terminal);
        for line in self.app.farewell() {
            // Standard output may be gone with the terminal.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        // Whoever waits for room in the inbox would wait for ever, the thread that writes among
        // them.
        drop(self.inbox);
        drop(self.engines);
        self.files.finish();
    }
}

/// The next event of the terminal, if it is there already.
async fn ready(input: &mut EventStream) -> Option<Option<std::io::Result<Input>>> {
    std::future::poll_fn(|cx| match Pin::new(&mut *input).poll_next(cx) {
        Poll::Ready(event) => Poll::Ready(Some(event)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The next event of the terminal.
async fn next(input: &mut EventStream) -> Option<std::io::Result<Input>> {
    std::future::poll_fn(|cx| Pin::new(&mut *input).poll_next(cx)).await
}

#[cfg(test)]
mod tests;
