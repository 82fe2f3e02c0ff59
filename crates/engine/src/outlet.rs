//! Where an engine's worker says what has happened.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::mpsc;

use crate::course::Course;
use s1_core::loops::Loop;
use s1_core::protocol::{Event, LaneId, Speed};
use s1_core::trace::Delta;

/// Nobody reads the events any more, or the engine was told to end.
#[derive(Debug)]
pub(crate) struct Disconnected;

/// Runs an engine's work; a panic in it is told as an event.
pub(crate) fn reporting_panics(events: &mpsc::Sender<Event>, work: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else {
        return;
    };
    let why = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown cause");
    let _ = events.blocking_send(Event::Failed(format!(
        "the engine stopped on an internal error ({why}); please report it"
    )));
}

/// The worker's end of the events. One that is full makes the worker wait.
pub(crate) struct Outlet(pub mpsc::Sender<Event>);

impl Outlet {
    pub fn emit(&self, event: Event) -> Result<(), Disconnected> {
        self.0.blocking_send(event).map_err(|_| Disconnected)
    }

    pub fn notice(&self, id: LaneId, why: impl Display) -> Result<(), Disconnected> {
        self.emit(Event::Notice(id, format!("{why:#}")))
    }

    /// Says that a lane could not be made.
    pub fn refuse(&self, lane: LaneId, error: &anyhow::Error) -> Result<(), Disconnected> {
        // What the system could not give now; all else would be refused again.
        self.refused(lane, error, error.chain().any(|e| e.is::<std::io::Error>()))
    }

    /// Says that a lane could not be made now, and that it may be at another time.
    pub fn refuse_for_now(&self, lane: LaneId, error: &anyhow::Error) -> Result<(), Disconnected> {
        self.refused(lane, error, true)
    }

    fn refused(
        &self,
        lane: LaneId,
        error: &anyhow::Error,
        passing: bool,
    ) -> Result<(), Disconnected> {
        let why = format!("{error:#}");
        self.emit(Event::Refused { lane, why, passing })
    }

    /// Tells of a lane of its own, and of those that are computed with it.
    pub fn emit_hosts(&self, course: &Course) -> Result<(), Disconnected> {
        let first = course.id();
        for lane in course.ids() {
            let host = Some(first).filter(|&host| host != lane);
            self.emit(Event::Rides { lane, host })?;
        }
        Ok(())
    }

    /// Tells every lane of a course of its state.
    pub fn emit_state(&self, course: &Course) -> Result<(), Disconnected> {
        for id in course.ids() {
            self.emit(Event::State(id, course.state))?;
        }
        Ok(())
    }

    /// Tells of the last token of a course, which its lanes have accepted, after the last `relabel` ones
    /// became pieces of an end; and of the loop that was found with it.
    pub fn emit_accepted(
        &self,
        course: &mut Course,
        relabel: usize,
        found: Option<Loop>,
    ) -> Result<(), Disconnected> {
        course.announced = course.tokens.len();
        let delta = Delta {
            drop: 0,
            relabel,
            tokens: course.tokens.last().cloned().into_iter().collect(),
        };
        for lane in course.ids() {
            self.emit(Event::Tokens(lane, delta.clone()))?;
            if let Some(found) = found {
                self.emit(Event::Loop(lane, found))?;
            }
        }
        Ok(())
    }

    /// Tells of a course of one lane that has just been made: its prompt, whose text is `bytes`, its
    /// budget, and where that is less than was `wanted`.
    pub fn introduce(
        &self,
        course: &Course,
        bytes: &[u8],
        wanted: Option<usize>,
    ) -> Result<(), Disconnected> {
        let (lane, budget) = (course.id(), course.machine().budget());
        let (ids, text) = (course.prompt.clone(), String::from_utf8_lossy(bytes));
        let text = text.into_owned();
        self.emit(Event::Prompt { lane, ids, text })?;
        self.emit(Event::Budget(lane, budget))?;
        match wanted.filter(|&wanted| wanted > budget) {
            Some(wanted) => self.notice(
                lane,
                format!("the context leaves room for {budget} thinking tokens, not {wanted}; raise --context for more"),
            ),
            None => Ok(()),
        }
    }

    /// How fast a course is, and how much it fills of its context.
    pub fn emit_speed(&self, course: &Course, speed: Speed) -> Result<(), Disconnected> {
        for id in course.ids() {
            self.emit(Event::Speed(id, speed))?;
            self.emit(Event::Context(id, course.len()))?;
        }
        Ok(())
    }
}
