//! What lanes on a server are made of, and what steers them.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Error, Result, bail};

use super::Worker;
use crate::lanes::{Lanes, StartedLane};
use crate::outlet::{Disconnected, Outlet};
use crate::server::chat;
use crate::server::http::may_pass;
use crate::server::sequence::{Continued, Sequence};
use crate::steer::Steering;
use s1_core::protocol::{Command, LaneId, Request};
use s1_core::trace::Token;

impl Lanes for Worker<'_> {
    type Sequence = Sequence;

    const MODEL: &'static str = "the server's model";

    fn sequences(&self) -> &BTreeMap<LaneId, Sequence> {
        &self.sequences
    }

    fn sequences_mut(&mut self) -> &mut BTreeMap<LaneId, Sequence> {
        &mut self.sequences
    }

    fn events(&self) -> &Outlet {
        &self.events
    }

    fn vocabulary(&self) -> usize {
        self.remote.words.vocabulary
    }

    fn context(&self) -> usize {
        self.remote.context
    }

    fn text_bytes(&self, ids: &[u32]) -> Vec<u8> {
        self.remote.words.text_bytes(ids)
    }

    fn sequence(&self, id: LaneId, request: Request) -> Result<Sequence> {
        Sequence::new(&self.remote, id, request)
    }

    fn with_tokens(&self, sequence: Sequence, tokens: Vec<Token>) -> Sequence {
        sequence.with_tokens(&self.remote, tokens)
    }

    fn forked(&self, from: &Sequence, new: &mut Sequence) -> Result<()> {
        if from.chats {
            bail!(chat::no_branch());
        }
        new.place = from.place;
        Ok(())
    }

    fn refuse(&self, lane: LaneId, error: &Error) -> Result<(), Disconnected> {
        match may_pass(error) {
            true => self.events.refuse_for_now(lane, error),
            false => self.events.refuse(lane, error),
        }
    }

    fn start_row(&mut self, lanes: Vec<StartedLane>, computed: usize) -> Result<(), Disconnected> {
        self.start_row(lanes, computed)
    }

    fn limit(&mut self, lanes: usize) {
        self.limit = lanes;
    }

    fn leave(&mut self, lanes: &Range<LaneId>) {
        self.rows.retain(|id, _| !lanes.contains(id));
        self.later.retain(|id| !lanes.contains(&id));
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
