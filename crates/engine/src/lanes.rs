//! Lanes that are made, forked and forgotten, and whom a command is for: the same for every engine.
//!
//! Lanes that agree are written as one sequence. A command for one of them takes it out of its group
//! first, unless it holds for all. What it then does to the lane is in [`super::steer`].

use std::collections::BTreeMap;
use std::ops::{DerefMut, Range};

use anyhow::{Error, Result, anyhow};

use crate::course::Course;
use crate::group::Member;
use crate::outlet::{Disconnected, Outlet};
use s1_core::protocol::{Command, Event, LaneId, LaneState, Request, Until};
use s1_core::trace::Token;

/// A lane, what it is asked, and what was written of it earlier.
pub(crate) type StartedLane = (LaneId, Request, Vec<Token>);

/// An engine's sequences, each by the id of its first lane.
pub(crate) trait Lanes {
    type Sequence: DerefMut<Target = Course>;

    /// What a session has to fit, as a sentence calls it.
    const MODEL: &'static str;

    fn sequences(&self) -> &BTreeMap<LaneId, Self::Sequence>;
    fn sequences_mut(&mut self) -> &mut BTreeMap<LaneId, Self::Sequence>;
    fn events(&self) -> &Outlet;
    /// Ids from here on do not exist.
    fn vocabulary(&self) -> usize;
    /// Tokens that a sequence may have.
    fn context(&self) -> usize;
    fn text_bytes(&self, ids: &[u32]) -> Vec<u8>;

    /// A sequence of one lane of which nothing is written. Errors, as one sentence, where the prompt
    /// leaves the context no room to think and answer.
    fn sequence(&self, id: LaneId, request: Request) -> Result<Self::Sequence>;
    /// The sequence with tokens that were written earlier.
    fn with_tokens(&self, sequence: Self::Sequence, tokens: Vec<Token>) -> Self::Sequence;
    /// A sequence is a fork of another. Errors, as one sentence, where that cannot be forked.
    fn forked(&self, _from: &Self::Sequence, _new: &mut Self::Sequence) -> Result<()> {
        Ok(())
    }
    /// Says that a lane could not be made.
    fn refuse(&self, lane: LaneId, error: &Error) -> Result<(), Disconnected> {
        self.events().refuse(lane, error)
    }

    /// All lanes of one question; `computed` tokens were computed for them in an earlier sitting.
    fn start_row(&mut self, lanes: Vec<StartedLane>, computed: usize) -> Result<(), Disconnected>;
    /// At most so many lanes are written at once.
    fn limit(&mut self, lanes: usize);
    /// What was kept of these lanes beside their sequences is not needed any more.
    fn leave(&mut self, lanes: &Range<LaneId>);
    /// A sequence goes by another id, as the lane of the first one was forgotten.
    fn renamed(&mut self, _from: LaneId, _to: LaneId) {}
    /// Parts lanes (not all of them) from a sequence; returns the id by which the new one goes.
    fn part(&mut self, key: LaneId, lanes: &[LaneId]) -> Result<LaneId, Disconnected>;
    /// Carries out a command for a lane, the first of its sequence.
    fn steer(&mut self, key: LaneId, lane: LaneId, command: Command) -> Result<(), Disconnected>;

    fn handle(&mut self, command: Command) -> Result<(), Disconnected> {
        match command {
            Command::Start { lane, request, run } => {
                self.start((lane, request, Vec::new()), run).map(|_| ())
            }
            Command::StartTogether(lanes) => self.start_together(fresh(lanes)).map(|_| ()),
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
            } => self.start((lane, request, tokens), false).map(|_| ()),
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

    /// Makes a sequence of one lane, with what was written of it earlier. Returns whether it could be
    /// made.
    fn start(&mut self, lane: StartedLane, run: bool) -> Result<bool, Disconnected> {
        let (id, request, tokens) = lane;
        let wanted = request.policy.max_thinking;
        let mut sequence = match self.sequence(id, request) {
            Ok(sequence) => sequence,
            Err(error) => return self.refuse(id, &error).map(|()| false),
        };
        if tokens.iter().any(|t| t.id as usize >= self.vocabulary())
            || sequence.prompt.len() + tokens.len() > self.context()
        {
            let why = anyhow!(
                "this session does not fit {}; open it with the model it was made with",
                Self::MODEL
            );
            return self.refuse(id, &why).map(|()| false);
        }
        if !tokens.is_empty() {
            sequence.members[0].machine.resume(&tokens);
            sequence = self.with_tokens(sequence, tokens);
        }
        sequence.until = if run { Until::End } else { Until::Tokens(0) };
        self.enter(sequence, wanted)?;
        Ok(true)
    }

    /// Tells of a new sequence of one lane, and has it read its prompt.
    fn enter(
        &mut self,
        mut sequence: Self::Sequence,
        wanted: Option<usize>,
    ) -> Result<(), Disconnected> {
        let bytes = self.text_bytes(&sequence.prompt);
        self.events().introduce(&sequence, &bytes, wanted)?;
        sequence.state = LaneState::Prefill;
        self.events().emit_state(&sequence)?;
        self.sequences_mut().insert(sequence.id(), sequence);
        Ok(())
    }

    /// Starts lanes that are written together as long as they agree; the first of each prompt (and
    /// of what is written after it) is host. Returns the hosts.
    fn start_together(&mut self, lanes: Vec<StartedLane>) -> Result<Vec<LaneId>, Disconnected> {
        let mut hosts: Vec<LaneId> = Vec::new();
        for lane in lanes {
            let id = lane.0;
            if !self.start(lane, true)? {
                continue;
            }
            let Some(mut sequence) = self.sequences_mut().remove(&id) else {
                continue;
            };
            let same = |host: &&LaneId| {
                let host = self.sequences().get(host);
                host.is_some_and(|h| h.prompt == sequence.prompt && h.tokens == sequence.tokens)
            };
            let host = hosts.iter().find(same).copied();
            match host.and_then(|host| self.sequences_mut().get_mut(&host)) {
                Some(host) => {
                    host.members.append(&mut sequence.members);
                    let host = Some(host.id());
                    self.events().emit(Event::Rides { lane: id, host })?;
                }
                None => {
                    self.sequences_mut().insert(id, sequence);
                    hosts.push(id);
                }
            }
        }
        Ok(hosts)
    }

    fn fork(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Disconnected> {
        let parent = self.find(from);
        let parent = parent.and_then(|(key, index)| Some((self.sequences().get(&key)?, index)));
        let Some((parent, index)) = parent else {
            return self.refuse(to, &anyhow!("there is no such branch to fork"));
        };
        let Member {
            request, machine, ..
        } = parent.members[index].clone();
        let tokens = parent.tokens[..at.min(parent.tokens.len())].to_vec();
        let made = self.sequence(to, request).and_then(|mut sequence| {
            self.forked(parent, &mut sequence)?;
            Ok(sequence)
        });
        let mut sequence = match made {
            Ok(sequence) => sequence,
            Err(error) => return self.refuse(to, &error),
        };
        let member = &mut sequence.members[0];
        member.machine = machine;
        member.machine.rewind(&tokens);
        sequence = self.with_tokens(sequence, tokens);
        sequence.until = Until::Tokens(0);
        self.enter(sequence, None)
    }

    /// Forgets lanes. Those that were written with them go on.
    fn forget(&mut self, lanes: &Range<LaneId>) -> Result<(), Disconnected> {
        self.leave(lanes);
        let mut renamed = Vec::new();
        for (key, mut sequence) in std::mem::take(self.sequences_mut()) {
            sequence.members.retain(|m| !lanes.contains(&m.id));
            if sequence.members.is_empty() {
                continue;
            }
            let id = sequence.id();
            if id != key {
                self.events().emit_hosts(&sequence)?;
                renamed.push((key, id));
            }
            self.sequences_mut().insert(id, sequence);
        }
        for (from, to) in renamed {
            self.renamed(from, to);
        }
        Ok(())
    }
}

/// Lanes of which nothing is written yet.
fn fresh(lanes: Vec<(LaneId, Request)>) -> Vec<StartedLane> {
    let fresh = |(id, request)| (id, request, Vec::new());
    lanes.into_iter().map(fresh).collect()
}
