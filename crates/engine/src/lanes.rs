//! Whom a command is for: the same for every engine.
//!
//! Lanes that agree are written as one sequence. A command for one of them takes it out of its group
//! first, unless it holds for all. What it then does to the lane is in [`super::steer`].

use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use crate::course::Course;
use crate::outlet::Disconnected;
use s1_core::protocol::{Command, LaneId, Request};
use s1_core::trace::Token;

/// A lane, what it is asked, and what was written of it earlier.
pub(crate) type Begun = (LaneId, Request, Vec<Token>);

/// An engine's sequences, each by the id of its first lane.
pub(crate) trait Lanes {
    type Sequence: Deref<Target = Course>;

    fn sequences(&self) -> &BTreeMap<LaneId, Self::Sequence>;

    fn start(&mut self, lane: Begun, run: bool) -> Result<(), Disconnected>;
    fn start_together(&mut self, lanes: Vec<Begun>) -> Result<(), Disconnected>;
    /// All lanes of one question; `computed` tokens were computed for them in an earlier sitting.
    fn start_row(&mut self, lanes: Vec<Begun>, computed: usize) -> Result<(), Disconnected>;
    /// At most so many lanes are written at once.
    fn limit(&mut self, lanes: usize);
    fn fork(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Disconnected>;
    fn forget(&mut self, lanes: &Range<LaneId>) -> Result<(), Disconnected>;
    /// Parts lanes (not all of them) from a sequence; returns the id by which the new one goes.
    fn part(&mut self, key: LaneId, lanes: &[LaneId]) -> Result<LaneId, Disconnected>;
    /// Carries out a command for a lane, the first of its sequence.
    fn steer(&mut self, key: LaneId, lane: LaneId, command: Command) -> Result<(), Disconnected>;

    fn handle(&mut self, command: Command) -> Result<(), Disconnected> {
        match command {
            Command::Start { lane, request, run } => self.start((lane, request, Vec::new()), run),
            Command::StartTogether(lanes) => self.start_together(fresh(lanes)),
            Command::StartRow(lanes) => self.start_row(fresh(lanes), 0),
            Command::ResumeRow { lanes, computed } => self.start_row(lanes, computed),
            Command::Limit(lanes) => {
                self.limit(lanes);
                Ok(())
            }
            Command::Restore {
                lane,
                request,
                tokens,
            } => self.start((lane, request, tokens), false),
            Command::Fork { from, to, at } => self.fork(from, to, at),
            Command::Forget(lanes) => self.forget(&lanes),
            Command::Shutdown => Err(Disconnected),
            Command::Ask(id, _)
            | Command::WaitText(id, _)
            | Command::Budget(id, _)
            | Command::Policy(id, _)
            | Command::Sampling(id, ..)
            | Command::Probe(id, _)
            | Command::Look(id, _)
            | Command::ProbeEvery(id, _) => self.reach(id, true, command),
            Command::Run(id, _)
            | Command::Step(id, _)
            | Command::PauseOrRun(id)
            | Command::Pause(id)
            | Command::Stop(id) => self.reach(id, false, command),
        }
    }

    /// A command for one lane. It is looked up here, once. Running and stopping a host holds for
    /// all of its group; `alone` is for what takes a host out of its group, too.
    fn reach(&mut self, id: LaneId, alone: bool, command: Command) -> Result<(), Disconnected> {
        let Some((mut key, index)) = self.find(id) else {
            return Ok(());
        };
        if index > 0 {
            key = self.part(key, &[id])?;
        } else if alone {
            let members = self.sequences().get(&key).map(|s| s.ids());
            let others: Vec<LaneId> = members.into_iter().flatten().skip(1).collect();
            if !others.is_empty() {
                self.part(key, &others)?;
            }
        }
        self.steer(key, id, command)
    }

    /// The sequence that a lane is written as, and its place among the members.
    fn find(&self, id: LaneId) -> Option<(LaneId, usize)> {
        let place = |s: &Self::Sequence| s.members.iter().position(|m| m.id == id);
        let sequences = self.sequences();
        if let Some(index) = sequences.get(&id).and_then(place) {
            return Some((id, index));
        }
        let mut all = sequences.iter();
        all.find_map(|(&key, s)| Some((key, place(s)?)))
    }
}

/// Lanes of which nothing is written yet.
fn fresh(lanes: Vec<(LaneId, Request)>) -> Vec<Begun> {
    let fresh = |(id, request)| (id, request, Vec::new());
    lanes.into_iter().map(fresh).collect()
}
