//! Probes: the thought is closed and the answer asked for, as a request of its own.
//!
//! While it is made the lane's own stream rests: on llama.cpp's server a probe beside it would compute
//! the whole beginning again, as each of its places has a memory of its own.

use super::Worker;
use crate::outlet::Disconnected;
use crate::probe::{self, ProbeAnswer};
use crate::server::dialect::{Ending, Said};
use crate::server::sequence::{Drawing, Probing};
use s1_core::protocol::{Event, LaneId, LaneState};
use s1_core::sampling::Sampling;
use s1_core::trace::Phase;
use s1_model::tokenizer::StreamDecoder;

impl Worker<'_> {
    /// Begins a probe of a sequence where the user wants it, or the interval has passed. Returns
    /// whether one has begun.
    pub(super) fn begin_probe(&mut self, id: LaneId) -> Result<bool, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(false);
        };
        if sequence.probing.is_some() || sequence.waiting {
            return Ok(false);
        }
        let thinking = sequence.machine().thinking();
        let every = sequence.members[0].request.probe_every;
        let due = sequence.state == LaneState::Running
            && sequence.machine().phase() == Phase::Thinking
            && every.is_some_and(|n| thinking >= sequence.probed_at + n.max(1));
        let asked = sequence.probe_wanted.take();
        let at = match asked {
            Some(at) => at.min(sequence.tokens.len()),
            None if due => sequence.tokens.len(),
            None => return Ok(false),
        };
        if due {
            sequence.probed_at = thinking;
        }
        let machine = sequence.machine();
        let (primer, tokens) = (machine.primer(), &sequence.tokens[..at]);
        let close = match probe::closing(machine, tokens) {
            Ok(close) => close,
            Err(error) => {
                self.events.notice(id, error)?;
                return Ok(false);
            }
        };
        let trace = tokens.iter().map(|t| t.id);
        let ids = sequence.prompt.iter().copied().chain(trace).chain(close);
        let ids: Vec<u32> = ids.collect();
        let room = self.remote.context.saturating_sub(ids.len());
        if room == 0 {
            self.events
                .notice(id, "the context has no room for a probe here")?;
            return Ok(false);
        }
        sequence.stream = None;
        let drawing = Drawing {
            sampling: Sampling::default(),
            sample: 0,
            mask: self.remote.delimiters.closed().to_vec(),
        };
        match self.open(id, &ids, probe::MAX_TOKENS.min(room), &drawing) {
            Ok(stream) => {
                if let Some(sequence) = self.sequences.get_mut(&id) {
                    sequence.probing = Some(Probing {
                        stream,
                        at,
                        wanted: asked.is_some(),
                        primer,
                        decoder: StreamDecoder::new(),
                        text: String::new(),
                    });
                }
                Ok(true)
            }
            Err(fault) => {
                self.events.notice(id, fault)?;
                Ok(false)
            }
        }
    }

    /// Takes in what a server has written of a forced answer.
    pub(super) fn hear_probe(&mut self, id: LaneId, said: Said) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        let Some(probing) = &mut sequence.probing else {
            return Ok(());
        };
        let mut complete = false;
        for drawn in &said.drawn {
            complete = probe::ends_with(&self.remote.delimiters, drawn.token.id);
            if complete {
                break;
            }
            let bytes = self.remote.words.bytes(drawn.token.id);
            probing.text.push_str(&probing.decoder.push(&bytes));
            complete = probe::is_complete(probing.primer, &probing.text);
            if complete {
                break;
            }
        }
        complete |= said.ending == Some(Ending::Turn);
        if !complete && said.ending.is_none() {
            return Ok(());
        }
        let Some(mut probing) = sequence.probing.take() else {
            return Ok(());
        };
        probing.text.push_str(&probing.decoder.finish());
        let given = ProbeAnswer {
            text: probing.text,
            complete,
        };
        let reference = sequence.members[0].request.reference.as_deref();
        let probe = probe::read(probing.primer, probing.at, &given, reference);
        self.events.emit(Event::Probe(id, probe))
    }
}
