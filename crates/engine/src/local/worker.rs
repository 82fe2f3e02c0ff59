//! The engine's thread: takes commands between two tokens, decides with the rules of each lane what
//! comes next, and computes all sequences in one batch.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::loaded::{LoadOptions, Loaded};
use super::sequence::Sequence;
use crate::lanes::Lanes as _;
use crate::outlet::{self, Disconnected, Outlet};
use s1_core::protocol::{Command, Event, LaneId};

mod batches;
mod commands;
mod compute;
mod step;

/// Time that passes at most, as well as can be foreseen, between two looks at the commands while
/// prompts are read: a key must not wait longer than a tenth of a second.
const LOOK: Duration = Duration::from_millis(60);
/// Tokens read at once: at first, at least, and at most.
const CHUNK: usize = 64;
const CHUNKS: RangeInclusive<usize> = 16..=512;

/// Serves until told to stop, until nobody listens, or until the model cannot be loaded.
pub(super) fn run(
    options: LoadOptions,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    cancelled: &AtomicBool,
) {
    outlet::reporting_panics(&events.clone(), || {
        let mut progress = |done: f32| {
            // A full channel only costs a step of the progress bar.
            let _ = events.try_send(Event::Loading(done));
            !cancelled.load(Ordering::Relaxed)
        };
        let started = std::time::Instant::now();
        let model = match Loaded::open(&options, &mut progress) {
            Ok(model) => model,
            Err(error) => {
                tracing::warn!("the model cannot be used");
                let _ = events.blocking_send(Event::Failed(format!("{error:#}")));
                return;
            }
        };
        let info = Box::new(model.info.clone());
        tracing::info!(
            architecture = info.architecture,
            parameters = info.parameters,
            device = info.device,
            threads = info.threads,
            context = info.context,
            family = info.family,
            ms = started.elapsed().as_millis(),
            "model loaded"
        );
        if events.blocking_send(Event::Loaded(info)).is_err() {
            return;
        }
        let worker = Worker {
            model,
            inbox,
            events: Outlet(events.clone()),
            cancelled,
            sequences: BTreeMap::new(),
            batches: BTreeMap::new(),
            limit: usize::MAX,
            clock: 0,
            chunk: CHUNK,
            computing: Duration::ZERO,
            reading_back: Duration::ZERO,
        };
        // Ending because nobody listens is the ordinary way to end.
        let _: Result<(), Disconnected> = worker.serve();
    });
}

struct Worker<'a> {
    model: Loaded,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: Outlet,
    cancelled: &'a AtomicBool,
    /// What is computed, by the id of its first lane.
    sequences: BTreeMap<LaneId, Sequence>,
    /// Tokens that went through the model, by batch.
    batches: BTreeMap<LaneId, usize>,
    /// Most sequences that compute at once.
    limit: usize,
    clock: u64,
    /// Tokens that are read in [`LOOK`].
    chunk: usize,
    /// Time spent computing, and how much of it for what was computed in an earlier sitting.
    computing: Duration,
    reading_back: Duration,
}

impl Worker<'_> {
    fn serve(mut self) -> Result<(), Disconnected> {
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Disconnected);
            }
            let command = if self.is_idle() {
                Some(self.inbox.blocking_recv().ok_or(Disconnected)?)
            } else {
                self.inbox.try_recv().ok()
            };
            match command {
                Some(command) => self.handle(command)?,
                None => self.step()?,
            }
            self.end_batches()?;
        }
    }

    fn is_idle(&self) -> bool {
        let mut sequences = self.sequences.values();
        self.limit == 0 || sequences.all(|sequence| !sequence.is_busy() && !sequence.waiting)
    }

    /// Whether as many sequences compute as may.
    fn is_full(&self) -> bool {
        let busy = self.sequences.values().filter(|s| s.is_busy());
        busy.count() >= self.limit
    }
}
