//! Commands that make lanes and forget them, and whom the others are for.

use std::ops::Range;

use anyhow::anyhow;

use super::Worker;
use crate::group::Member;
use crate::outlet::Disconnected;
use crate::server::sequence::{Continued, Sequence};
use crate::steer::Steering;
use s1_core::protocol::{Command, LaneId, LaneState, Request, Until};
use s1_core::trace::Token;

/// Lanes of which nothing is written yet.
fn fresh(lanes: Vec<(LaneId, Request)>) -> Vec<(LaneId, Request, Vec<Token>)> {
    let fresh = |(id, request)| (id, request, Vec::new());
    lanes.into_iter().map(fresh).collect()
}

impl Worker<'_> {
    pub(super) fn handle(&mut self, command: Command) -> Result<(), Disconnected> {
        match command {
            Command::Start { lane, request, run } => {
                self.start(lane, request, Vec::new(), run).map(|_| ())
            }
            Command::StartTogether(lanes) => self.start_together(fresh(lanes)).map(|_| ()),
            Command::StartRow(lanes) => self.start_row(fresh(lanes), 0),
            Command::ResumeRow { lanes, computed } => self.start_row(lanes, computed),
            Command::Limit(lanes) => {
                self.limit = lanes;
                Ok(())
            }
            Command::Restore {
                lane,
                request,
                tokens,
            } => self.start(lane, request, tokens, false).map(|_| ()),
            Command::Fork { from, to, at } => self.fork(from, to, at),
            Command::Forget(lanes) => self.forget(&lanes),
            Command::Shutdown => Err(Disconnected),
            Command::Ask(id, _)
            | Command::WaitText(id, _)
            | Command::Budget(id, _)
            | Command::Policy(id, _)
            | Command::Sampling(id, ..)
            | Command::Probe(id, _)
            | Command::ProbeEvery(id, _) => self.steer(id, true, command),
            Command::Run(id, _)
            | Command::Step(id, _)
            | Command::PauseOrRun(id)
            | Command::Pause(id)
            | Command::Stop(id) => self.steer(id, false, command),
        }
    }

    /// A command for one lane. Running and stopping a host holds for all of its group; `alone` is for
    /// what takes a host out of its group, too.
    fn steer(&mut self, id: LaneId, alone: bool, command: Command) -> Result<(), Disconnected> {
        let Some((mut key, index)) = self.find(id) else {
            return Ok(());
        };
        if index > 0 {
            key = self.part(key, &[id])?;
        } else if alone {
            let members = self.sequences.get(&key).map(|s| s.ids());
            let others: Vec<LaneId> = members.into_iter().flatten().skip(1).collect();
            if !others.is_empty() {
                self.part(key, &others)?;
            }
        }
        let Some(sequence) = self.sequences.get_mut(&key) else {
            return Ok(());
        };
        if !matches!(command, Command::Probe(..)) {
            // A key must not wait for a probe.
            sequence.put_off_probe();
        }
        let steering = Steering {
            steered: Continued {
                remote: &self.remote,
                sequence,
            },
            events: &self.events,
            id,
        };
        steering.handle(command)?;
        self.tell_news(key)
    }

    /// The sequence that a lane is written as, and its place among the members.
    fn find(&self, id: LaneId) -> Option<(LaneId, usize)> {
        let place = |s: &Sequence| s.members.iter().position(|m| m.id == id);
        if let Some(index) = self.sequences.get(&id).and_then(place) {
            return Some((id, index));
        }
        let mut sequences = self.sequences.iter();
        sequences.find_map(|(&key, s)| Some((key, place(s)?)))
    }

    /// Makes a sequence, with tokens that were written earlier. Returns whether it could be made.
    pub(super) fn start(
        &mut self,
        id: LaneId,
        request: Request,
        tokens: Vec<Token>,
        run: bool,
    ) -> Result<bool, Disconnected> {
        let wanted = request.policy.max_thinking;
        let mut sequence = match Sequence::new(&self.remote, id, request) {
            Ok(sequence) => sequence,
            Err(error) => return self.refuse(id, &error),
        };
        let vocabulary = self.remote.words.vocabulary;
        if tokens.iter().any(|t| t.id as usize >= vocabulary)
            || sequence.prompt.len() + tokens.len() > self.remote.context
        {
            let why = anyhow!(
                "this session does not fit the server's model; open it with the model it was made with"
            );
            return self.refuse(id, &why);
        }
        if !tokens.is_empty() {
            sequence.members[0].machine.resume(&tokens);
            sequence = sequence.with_tokens(&self.remote, tokens);
        }
        sequence.until = if run { Until::End } else { Until::Tokens(0) };
        self.insert(sequence, wanted)?;
        Ok(true)
    }

    /// Says that a lane could not be made.
    fn refuse(&self, lane: LaneId, error: &anyhow::Error) -> Result<bool, Disconnected> {
        self.events.refuse(lane, error).map(|()| false)
    }

    /// Tells of a new sequence of one lane.
    fn insert(
        &mut self,
        mut sequence: Sequence,
        wanted: Option<usize>,
    ) -> Result<(), Disconnected> {
        let bytes = self.remote.words.text_bytes(&sequence.prompt);
        self.events.introduce(&sequence, &bytes, wanted)?;
        sequence.set_state(&self.events, LaneState::Prefill)?;
        self.sequences.insert(sequence.id(), sequence);
        Ok(())
    }

    fn fork(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Disconnected> {
        let parent = self.find(from);
        let parent = parent.and_then(|(key, index)| Some((self.sequences.get(&key)?, index)));
        let Some((parent, index)) = parent else {
            let why = anyhow!("there is no such branch to fork");
            return self.refuse(to, &why).map(|_| ());
        };
        let Member {
            request, machine, ..
        } = parent.members[index].clone();
        let (tokens, place) = (&parent.tokens, parent.place);
        let tokens = tokens[..at.min(tokens.len())].to_vec();
        let mut sequence = match Sequence::new(&self.remote, to, request) {
            Ok(sequence) => sequence,
            Err(error) => return self.refuse(to, &error).map(|_| ()),
        };
        let member = &mut sequence.members[0];
        member.machine = machine;
        member.machine.rewind(&tokens);
        sequence = sequence.with_tokens(&self.remote, tokens);
        sequence.until = Until::Tokens(0);
        sequence.place = place;
        self.insert(sequence, None)
    }

    /// Forgets lanes. Those that were written with them go on.
    fn forget(&mut self, lanes: &Range<LaneId>) -> Result<(), Disconnected> {
        self.rows.retain(|id, _| !lanes.contains(id));
        for (key, mut sequence) in std::mem::take(&mut self.sequences) {
            sequence.members.retain(|m| !lanes.contains(&m.id));
            if sequence.members.is_empty() {
                continue;
            }
            let id = sequence.id();
            if id != key {
                self.events.emit_hosts(&sequence)?;
            }
            self.sequences.insert(id, sequence);
        }
        Ok(())
    }
}
