//! What a local engine's lanes are made of, and what steers them.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;

use super::Worker;
use crate::lanes::{Lanes, StartedLane};
use crate::local::sequence::{Computed, Sequence};
use crate::outlet::{Disconnected, Outlet};
use crate::steer::Steering;
use s1_core::protocol::{Command, LaneId, Request};
use s1_core::trace::Token;

impl Lanes for Worker<'_> {
    type Sequence = Sequence;

    const MODEL: &'static str = "the loaded model";

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
        self.model.decoder.config().vocab
    }

    fn context(&self) -> usize {
        self.model.context
    }

    fn text_bytes(&self, ids: &[u32]) -> Vec<u8> {
        let bytes = ids.iter().map(|&id| self.model.tokenizer.token_bytes(id));
        bytes.collect::<Vec<_>>().concat()
    }

    fn sequence(&self, id: LaneId, request: Request) -> Result<Sequence> {
        Sequence::new(&self.model, id, request)
    }

    fn with_tokens(&self, sequence: Sequence, tokens: Vec<Token>) -> Sequence {
        sequence.with_tokens(&self.model, tokens)
    }

    fn start_row(&mut self, lanes: Vec<StartedLane>, computed: usize) -> Result<(), Disconnected> {
        self.start_batch(lanes, computed)
    }

    fn limit(&mut self, lanes: usize) {
        self.limit = lanes;
    }

    fn leave(&mut self, lanes: &Range<LaneId>) {
        self.batches.retain(|id, _| !lanes.contains(id));
    }

    fn renamed(&mut self, from: LaneId, to: LaneId) {
        self.rename_source(from, to);
    }

    fn part(&mut self, key: LaneId, lanes: &[LaneId]) -> Result<LaneId, Disconnected> {
        Worker::part(self, key, lanes)
    }

    fn steer(&mut self, key: LaneId, id: LaneId, command: Command) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&key) else {
            return Ok(());
        };
        let steering = Steering {
            steered: Computed {
                model: &self.model,
                sequence,
            },
            events: &self.events,
            id,
        };
        steering.handle(command)
    }
}
