//! Requests to servers, what comes of them, and what is done where nothing comes.

use std::time::Instant;

use serde_json::Value;

use super::Worker;
use crate::outlet::Disconnected;
use crate::server::chat;
use crate::server::dialect::{Considered, Continuation, Drawn, Said, StreamEnd, seed};
use crate::server::http::RequestFault;
use crate::server::sequence::{Drawing, RequestPurpose, Trouble};
use crate::server::stream::{Stream, StreamKey, StreamMessage};
use s1_core::protocol::{Event, LaneId, LaneState};
use s1_core::trace::StopReason;

/// How often something that fails is tried where nobody looks on: some three minutes.
pub(super) const PATIENT: u32 = 12;
/// And where somebody waits.
const IMPATIENT: u32 = 2;

impl Worker<'_> {
    /// Has a sequence's server draw its next tokens, unless it is at it.
    pub(super) fn draw(&mut self, id: LaneId) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        if sequence.chats {
            return self.draw_reply(id);
        }
        let Some(wanted) = sequence.wanted() else {
            return Ok(());
        };
        let refused = !sequence.drawn.is_empty();
        if sequence.stream.is_some() && !refused && sequence.is_served(&wanted) {
            return Ok(());
        }
        sequence.leave();
        // What must not come hardly ever does: it is ruled out where it came.
        let drawing = match refused {
            true => wanted,
            false => Drawing {
                mask: Vec::new(),
                ..wanted
            },
        };
        let (ids, most) = (sequence.token_ids(), sequence.most(self.remote.context));
        let new = sequence.len() - sequence.counted;
        sequence.counted = sequence.len();
        if let Some(computed) = sequence.row.and_then(|row| self.rows.get_mut(&row)) {
            *computed += new;
        }
        self.follow(id, &ids, most, drawing)
    }

    /// Has a server that only chats write its reply, unless it is at it. One that has to be asked again
    /// begins anew: such a server goes on from nothing.
    fn draw_reply(&mut self, id: LaneId) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        if sequence.stream.is_some() {
            return Ok(());
        }
        if sequence.ended {
            // It has come to the end of what the server writes at once.
            return sequence.set_state(&self.events, LaneState::Stopped(StopReason::ContextFull));
        }
        let request = &sequence.members[0].request;
        let drawing = Drawing {
            sampling: request.sampling.clone(),
            sample: request.sample,
            mask: Vec::new(),
        };
        let again = !sequence.tokens.is_empty();
        sequence.begin_anew(&self.remote);
        if again {
            self.tell_news(id)?;
        }
        self.follow(id, &[], 0, drawing)
    }

    /// Opens the stream that a sequence goes on with.
    fn follow(
        &mut self,
        id: LaneId,
        ids: &[u32],
        most: usize,
        drawing: Drawing,
    ) -> Result<(), Disconnected> {
        match self.open(id, ids, most, &drawing) {
            Ok(stream) => {
                if let Some(sequence) = self.sequences.get_mut(&id) {
                    sequence.place = Some(stream.place);
                    sequence.stream = Some(stream);
                    sequence.drawing = drawing;
                    sequence.heard = Instant::now();
                }
                Ok(())
            }
            Err(fault) => self.in_trouble(id, None, &fault),
        }
    }

    /// Asks for a continuation of these ids.
    pub(super) fn open(
        &mut self,
        id: LaneId,
        ids: &[u32],
        most: usize,
        drawing: &Drawing,
    ) -> Result<Stream, RequestFault> {
        let home = self.sequences.get(&id).and_then(|s| s.place);
        let at = |place: usize| {
            let streams = self.sequences.values();
            let streams = streams.filter_map(|s| s.stream.as_ref());
            streams.filter(|stream| stream.place == place).count()
        };
        let place = self.places.choose(home, at);
        let asked = self.sequences.get(&id).map(|s| &s.members[0].request);
        let asked = asked.cloned().unwrap_or_default();
        let request = self.remote.dialect.request(&Continuation {
            chat: &match self.remote.chats() {
                true => chat::body(&self.remote, &asked),
                false => Value::Null,
            },
            prompt: ids,
            most,
            sampling: &drawing.sampling,
            seed: seed(drawing.sampling.seed, drawing.sample, ids.len()),
            mask: &drawing.mask,
            model: self.remote.model.as_deref(),
        });
        self.next_key += 1;
        tracing::debug!(
            key = self.next_key,
            place,
            tokens = ids.len(),
            most,
            "request"
        );
        Stream::open(
            (self.next_key, place),
            self.places.client(place),
            (self.remote.dialect.path(), self.remote.reader(&asked)),
            request,
            self.mouth.clone(),
        )
    }

    /// Takes in what a server has written. What belongs to a stream that was left is nobody's.
    pub(super) fn take_in(&mut self, message: StreamMessage) -> Result<(), Disconnected> {
        let StreamMessage { key, said } = message;
        let mut sequences = self.sequences.iter_mut();
        let Some((&id, sequence)) = sequences.find(|(_, s)| s.listens_to(key)) else {
            return Ok(());
        };
        let said = said.and_then(|mut said| {
            self.remote.words.take_in(&mut said.drawn)?;
            Ok(said)
        });
        let said = match said {
            Ok(said) => said,
            Err(fault) => {
                if sequence.chats {
                    // What has come by then is all that there will be of it.
                    self.advance(id)?;
                }
                return self.in_trouble(id, Some(key), &fault);
            }
        };
        if sequence.probing.is_some() {
            return self.hear_probe(id, said);
        }
        if let Some(stream) = &sequence.stream {
            self.places.works(stream.place);
        }
        let Said { drawn, ending, .. } = said;
        sequence.heard(drawn.len());
        sequence.counted += drawn.len();
        if let Some(computed) = sequence.row.and_then(|row| self.rows.get_mut(&row)) {
            *computed += drawn.len();
        }
        sequence.drawn.extend(drawn);
        if ending.is_some() {
            sequence.stream = None;
            sequence.ended = true;
            sequence.trouble = Trouble::default();
        }
        let turns = &self.remote.delimiters.turn_ids;
        let last = sequence.drawn.back();
        if ending == Some(StreamEnd::Turn)
            && last.is_none_or(|drawn| !turns.contains(&drawn.token.id))
            && let Some(&turn) = turns.first()
        {
            // A token that the server stops at and does not show.
            sequence.drawn.push_back(Drawn {
                token: Considered {
                    id: turn,
                    bytes: None,
                    logprob: 0.0,
                },
                top: Vec::new(),
            });
        }
        Ok(())
    }

    /// A request has failed. It is made again, of another server or later, if that may help; what
    /// somebody looks at is held still before long, with the sentence, and goes on when it is told to.
    fn in_trouble(
        &mut self,
        id: LaneId,
        key: Option<StreamKey>,
        fault: &RequestFault,
    ) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        let mut stream = sequence.stream.take();
        if let Some(probing) = sequence.probing.take() {
            if let RequestPurpose::Probe(_) = probing.purpose {
                sequence.stream = stream;
                if fault.passing {
                    self.places.failed(probing.stream.place, fault.wait);
                }
                return self.events.notice(id, format!("no probe: {fault}"));
            }
            // The thought cannot go on before it was looked at.
            stream = Some(probing.stream);
        }
        let place = stream.filter(|s| Some(s.key) == key);
        let place = place.map(|stream| stream.place);
        if fault.passing && place.is_some() {
            sequence.place = None;
        }
        let again = match (fault.passing, place) {
            (true, Some(place)) => self.places.failed(place, fault.wait),
            _ => Instant::now(),
        };
        sequence.trouble.times += 1;
        let times = match sequence.row {
            Some(_) => PATIENT,
            // It would begin anew, and what is written would be gone.
            None if sequence.has_reply() => 0,
            None => IMPATIENT + self.places.len() as u32 - 1,
        };
        if fault.passing && sequence.trouble.times <= times {
            sequence.trouble.until = Some(again);
            return Ok(());
        }
        if sequence.row.is_some() {
            // Nobody could tell it to go on; what is written is kept by whoever started it.
            self.events.emit(Event::Failed(fault.why.clone()))?;
            return Err(Disconnected);
        }
        let again = match sequence.has_reply() {
            true => "run it to ask again, from the beginning",
            false => "run it to try again",
        };
        for lane in sequence.ids() {
            let why = format!("{fault}; what is written stays: {again}");
            self.events.notice(lane, why)?;
        }
        sequence.set_state(&self.events, LaneState::Paused)
    }
}
