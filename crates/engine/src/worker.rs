//! The engine's thread: takes commands between two tokens, decides with each lane's state machine
//! what comes next, and computes all lanes in one batch.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::lane::Lane;
use super::loaded::{LoadOptions, Loaded};
use s1_core::protocol::{Command, Event, LaneId, LaneState};

mod commands;
mod compute;
mod riders;
mod rows;
mod step;

/// Prompt tokens read between two looks at the commands.
const CHUNK: usize = 64;

/// Nobody reads the events any more.
struct Gone;

/// Serves until told to stop, until nobody listens, or until the model cannot be loaded.
pub(super) fn run(
    options: LoadOptions,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    cancelled: &AtomicBool,
) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut progress = |done: f32| {
            // A full channel only costs a step of the progress bar.
            let _ = events.try_send(Event::Loading(done));
            !cancelled.load(Ordering::Relaxed)
        };
        let model = match Loaded::open(&options, &mut progress) {
            Ok(model) => model,
            Err(error) => {
                let _ = events.blocking_send(Event::Failed(format!("{error:#}")));
                return;
            }
        };
        let info = Box::new(model.info.clone());
        if events.blocking_send(Event::Loaded(info)).is_err() {
            return;
        }
        let worker = Worker {
            model,
            inbox,
            events: events.clone(),
            cancelled,
            lanes: BTreeMap::new(),
            rows: BTreeMap::new(),
            limit: usize::MAX,
            clock: 0,
        };
        // Ending because nobody listens is the ordinary way to end.
        let _: Result<(), Gone> = worker.serve();
    }));
    if let Err(panic) = outcome {
        let why = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        let _ = events.blocking_send(Event::Failed(format!(
            "the engine stopped on an internal error ({why}); please report it"
        )));
    }
}

struct Worker<'a> {
    model: Loaded,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    cancelled: &'a AtomicBool,
    lanes: BTreeMap<LaneId, Lane>,
    /// Tokens that went through the model, by row.
    rows: BTreeMap<LaneId, usize>,
    /// Most lanes that compute at once.
    limit: usize,
    clock: u64,
}

impl Worker<'_> {
    fn serve(mut self) -> Result<(), Gone> {
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            let command = if self.is_idle() {
                Some(self.inbox.blocking_recv().ok_or(Gone)?)
            } else {
                self.inbox.try_recv().ok()
            };
            match command {
                Some(command) => self.obey(command)?,
                None => self.step()?,
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.limit == 0
            || self
                .lanes
                .values()
                .all(|lane| !is_busy(lane) && !lane.waiting)
    }

    fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.blocking_send(event).map_err(|_| Gone)
    }

    fn notice(&self, id: LaneId, error: impl std::fmt::Display) -> Result<(), Gone> {
        self.tell(Event::Notice(id, format!("{error:#}")))
    }

    fn set_state(&mut self, id: LaneId, state: LaneState) -> Result<(), Gone> {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.state = state;
        }
        self.tell(Event::State(id, state))?;
        self.mirror_state(id, state)?;
        self.leave_row(id, state)
    }
}

/// Whether a lane has something to do without being told.
fn is_busy(lane: &Lane) -> bool {
    !lane.waiting
        && (matches!(lane.state, LaneState::Prefill | LaneState::Running)
            || (lane.probe_wanted.is_some() && lane.is_ready()))
}
