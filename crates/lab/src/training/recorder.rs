//! The thread that has the database, so that a slow disk does not slow the steps down. What cannot
//! be written is kept and tried again, and never ends a training.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use s1_core::training::{TrainEvent, TrainOrder};
use s1_data::sanitize::clean_line;
use s1_store::Db;
use s1_store::training::TrainingState;
use s1_train::TrainControl;

/// How often orders are looked for.
const LISTEN_EVERY: Duration = Duration::from_millis(80);
/// How long a checkpoint waits at most for what came before it to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How often steps are written.
const WRITE_EVERY: Duration = Duration::from_millis(250);

enum JournalEntry {
    Event(TrainEvent),
    /// To be answered once everything before it is written.
    Flush(Sender<()>),
    End(TrainingState, Option<String>),
}

/// Records a training from the thread that trains.
pub(super) struct Recorder {
    entries: Sender<JournalEntry>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Starts the thread; it passes orders on to `control`, and calls `kill` where one of them is
    /// to end at once.
    pub(super) fn start(
        db: Db,
        name: String,
        control: Arc<TrainControl>,
        kill: impl FnOnce() + Send + 'static,
    ) -> Result<Recorder> {
        let (entries, inbox) = channel();
        let journal = Journal {
            db,
            name,
            state: TrainingState::Running,
            fault: None,
            events: Vec::new(),
            changed: false,
            complained: false,
        };
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                if journal.keep(&inbox, &control) {
                    kill();
                }
            })
            .context("cannot record the training")?;
        Ok(Recorder { entries, thread })
    }

    /// Records an event. The thread lives as long as this, unless the process is being killed.
    pub(super) fn record(&self, event: TrainEvent) {
        let _ = self.entries.send(JournalEntry::Event(event));
    }

    /// Waits until everything so far is written, or a while where the disk does not take it.
    pub(super) fn flush(&self) {
        let (written, wait) = channel();
        let _ = self.entries.send(JournalEntry::Flush(written));
        let _ = wait.recv_timeout(FLUSH_TIMEOUT);
    }

    /// Waits until everything is written.
    pub(super) fn finish(self, state: TrainingState, fault: Option<String>) {
        let _ = self.entries.send(JournalEntry::End(state, fault));
        let _ = self.thread.join();
    }
}

/// What is to be written.
struct Journal {
    db: Db,
    name: String,
    state: TrainingState,
    fault: Option<String>,
    events: Vec<TrainEvent>,
    changed: bool,
    complained: bool,
}

impl Journal {
    /// Writes to the end; whether the process is to be killed.
    fn keep(mut self, inbox: &Receiver<JournalEntry>, control: &TrainControl) -> bool {
        let (mut written, mut listened) = (Instant::now(), Instant::now());
        loop {
            let mut end = false;
            match inbox.recv_timeout(LISTEN_EVERY) {
                Ok(JournalEntry::Event(event)) => self.add(event),
                Ok(JournalEntry::Flush(done)) => {
                    self.write();
                    // Nobody waits any more if it took too long.
                    let _ = done.send(());
                }
                Ok(JournalEntry::End(state, fault)) => {
                    self.fault = fault;
                    self.set(state);
                    end = true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => end = true,
            }
            if end || self.changed || written.elapsed() >= WRITE_EVERY {
                self.write();
                written = Instant::now();
            }
            if end {
                return false;
            }
            if listened.elapsed() >= LISTEN_EVERY {
                listened = Instant::now();
                if self.pass_orders(control) {
                    self.set(TrainingState::Killed);
                    self.write();
                    return true;
                }
            }
        }
    }

    /// An event, or the state that it tells of.
    fn add(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Paused { .. } => self.set(TrainingState::Paused),
            TrainEvent::Resumed { .. } => self.set(TrainingState::Running),
            TrainEvent::Writing { .. } => self.set(TrainingState::Writing),
            event => self.events.push(event),
        }
    }

    fn set(&mut self, state: TrainingState) {
        self.changed |= self.state != state;
        self.state = state;
    }

    fn write(&mut self) {
        if self.events.is_empty() && !self.changed {
            return;
        }
        let fault = self.fault.as_deref();
        match self
            .db
            .record_training(&self.name, self.state, fault, &self.events)
        {
            Ok(()) => {
                self.events.clear();
                self.changed = false;
            }
            // Kept for the next time; a full disk may have room again.
            Err(error) if !self.complained => {
                self.complained = true;
                eprintln!("progress is not recorded: {}", sentence(&error));
            }
            Err(_) => {}
        }
    }

    /// Passes orders on; whether one of them is to end at once.
    fn pass_orders(&mut self, control: &TrainControl) -> bool {
        let Ok(orders) = self.db.take_training_orders(&self.name) else {
            return false;
        };
        for order in orders {
            if order == TrainOrder::Kill {
                return true;
            }
            control.order(order);
        }
        false
    }
}

/// An error as one line that a terminal can show.
pub(super) fn sentence(error: &anyhow::Error) -> String {
    clean_line(&format!("{error:#}")).into_owned()
}
