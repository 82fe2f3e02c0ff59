//! Commands that make lanes and forget them, and whom the others are for.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::anyhow;

use super::Worker;
use crate::group::Member;
use crate::lanes::{Begun, Lanes};
use crate::outlet::Disconnected;
use crate::server::chat;
use crate::server::http::may_pass;
use crate::server::sequence::{Continued, Sequence};
use crate::steer::Steering;
use s1_core::protocol::{Command, LaneId, LaneState, Request, Until};
use s1_core::trace::Token;

impl<'a> Lanes for Worker<'a> {
    type Sequence = Sequence;

    fn sequences(&self) -> &BTreeMap<LaneId, Sequence> {
        &self.sequences
    }

    fn start(&mut self, (id, request, tokens): Begun, run: bool) -> Result<(), Disconnected> {
        self.make_lane(id, request, tokens, run).map(|_| ())
    }

    fn start_together(&mut self, lanes: Vec<Begun>) -> Result<(), Disconnected> {
        Worker::start_together(self, lanes).map(|_| ())
    }

    fn start_row(&mut self, lanes: Vec<Begun>, computed: usize) -> Result<(), Disconnected> {
        self.start_row(lanes, computed)
    }

    fn limit(&mut self, lanes: usize) {
        self.limit = lanes;
    }

    fn fork(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Disconnected> {
        self.branch(from, to, at)
    }

    fn forget(&mut self, lanes: &Range<LaneId>) -> Result<(), Disconnected> {
        self.drop_lanes(lanes)
    }

    fn part(&mut self, key: LaneId, lanes: &[LaneId]) -> Result<LaneId, Disconnected> {
        Worker::part(self, key, lanes)
    }

    fn steer(&mut self, key: LaneId, id: LaneId, command: Command) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&key) else {
            return Ok(());
        };
        if sequence.chats
            && let Some(why) = chat::cannot(&command)
        {
            return self.events.notice(id, why);
        }
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
}

impl Worker<'_> {
    /// Makes a sequence, with tokens that were written earlier. Returns whether it could be made.
    pub(super) fn make_lane(
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
        match may_pass(error) {
            true => self.events.refuse_for_now(lane, error),
            false => self.events.refuse(lane, error),
        }
        .map(|()| false)
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

    fn branch(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Disconnected> {
        let parent = self.find(from);
        let parent = parent.and_then(|(key, index)| Some((self.sequences.get(&key)?, index)));
        let Some((parent, index)) = parent else {
            let why = anyhow!("there is no such branch to fork");
            return self.refuse(to, &why).map(|_| ());
        };
        if parent.chats {
            return self.refuse(to, &anyhow!(chat::no_branch())).map(|_| ());
        }
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
    fn drop_lanes(&mut self, lanes: &Range<LaneId>) -> Result<(), Disconnected> {
        self.rows.retain(|id, _| !lanes.contains(id));
        self.later.retain(|id| !lanes.contains(&id));
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
