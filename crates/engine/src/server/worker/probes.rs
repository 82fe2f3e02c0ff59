//! Probes: the thought is closed and the answer asked for, as a request of its own.
//!
//! While it is made the lane's own stream rests: on llama.cpp's server a probe beside it would compute
//! the whole beginning again, as each of its places has a memory of its own.

use std::sync::LazyLock;
use std::time::Instant;

use super::Worker;
use crate::course::Asked;
use crate::outlet::Disconnected;
use crate::probe::{self, Given};
use crate::server::dialect::{Said, StreamEnd};
use crate::server::scores;
use crate::server::sequence::{Drawing, Probing, RequestPurpose};
use s1_core::exit::{self, Look, Measure, Seen, Sight, Trial};
use s1_core::protocol::{Event, LaneId, LaneState};
use s1_core::trace::Phase;
use s1_model::tokenizer::StreamDecoder;

/// One token, for what is considered at its place.
static ONE: LazyLock<Trial> = LazyLock::new(|| Trial {
    tokens: 1,
    ..Trial::default()
});

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
        let trial = exit::trial_of(&sequence.members[0].request.probe_text);
        let purpose = RequestPurpose::Probe(asked.is_some());
        match self.attempt(id, (at, 0), &trial, purpose)? {
            Ok(()) => Ok(true),
            Err(why) => {
                self.events.notice(id, why)?;
                Ok(false)
            }
        }
    }

    /// Looks where somebody asked for it. Returns whether that has begun.
    pub(super) fn begin_asked(&mut self, id: LaneId) -> Result<bool, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(false);
        };
        if sequence.probing.is_some() || sequence.trouble.until.is_some_and(|t| t > Instant::now())
        {
            return Ok(false);
        }
        let Some(look) = sequence.asked.next().cloned() else {
            return Ok(false);
        };
        let at = look.at.min(sequence.tokens.len());
        let trial = match &look.measure {
            Measure::Trial(trial) => trial.clone(),
            Measure::Scores => ONE.clone(),
        };
        let begun = self.attempt(id, (at, 0), &trial, RequestPurpose::Asked(look))?;
        if let Err(why) = &begun {
            if let Some(sequence) = self.sequences.get_mut(&id) {
                sequence.asked = Asked::default();
            }
            self.events.notice(id, why)?;
        }
        Ok(begun.is_ok())
    }

    /// Looks at a thought under a rule for early exits, where it says so. Returns whether that needs
    /// its server: nothing is chosen before.
    pub(super) fn begin_look(&mut self, id: LaneId) -> Result<bool, Disconnected> {
        while let Some(sequence) = self.sequences.get_mut(&id)
            && let Some((look, member)) = sequence.look()
        {
            let at = look.at;
            let trial = match &look.measure {
                Measure::Trial(trial) => trial.clone(),
                Measure::Scores if at < sequence.tokens.len() => ONE.clone(),
                // What is drawn next tells.
                Measure::Scores => match sequence.drawn.front() {
                    Some(drawn) => {
                        let sight = Sight {
                            at,
                            seen: Seen::Scores(scores::of_end(&self.remote, drawn)),
                            tokens: 0,
                        };
                        self.seen(id, (&look, member), &sight)?;
                        continue;
                    }
                    None => {
                        self.draw(id)?;
                        return Ok(true);
                    }
                },
            };
            let purpose = RequestPurpose::Look(look, member);
            if let Err(why) = self.attempt(id, (at, member), &trial, purpose)? {
                for lane in self.sequences.get(&id).map(|s| s.ids()).unwrap_or_default() {
                    self.events.notice(lane, &why)?;
                }
                if let Some(sequence) = self.sequences.get_mut(&id) {
                    sequence.set_state(&self.events, LaneState::Paused)?;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Has members see something.
    fn seen(
        &mut self,
        id: LaneId,
        look: (&Look, usize),
        sight: &Sight,
    ) -> Result<(), Disconnected> {
        let lanes = self.sequences.get_mut(&id).map(|s| s.see(look, sight));
        for lane in lanes.unwrap_or_default() {
            self.events.emit(Event::Sight(lane, sight.clone()))?;
        }
        Ok(())
    }

    /// Asks for an answer after `at` tokens, as a member would give it. The sentence says why that
    /// cannot be done.
    fn attempt(
        &mut self,
        id: LaneId,
        (at, member): (usize, usize),
        trial: &Trial,
        purpose: RequestPurpose,
    ) -> Result<Result<(), String>, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(Ok(()));
        };
        let asking = &sequence.members[member];
        let (machine, request) = (&asking.machine, &asking.request);
        let tokens = &sequence.tokens[..at];
        let encode = |text: &str| self.remote.words.encode_plain(text);
        let begun = match probe::begin(machine, tokens, trial, encode) {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(format!("{error:#}"))),
        };
        let drawing = Drawing {
            sampling: probe::sampling(trial, request),
            sample: request.sample,
            mask: match purpose {
                // The end of thinking is what it is asked about.
                RequestPurpose::Look(
                    Look {
                        measure: Measure::Scores,
                        ..
                    },
                    _,
                )
                | RequestPurpose::Asked(Look {
                    measure: Measure::Scores,
                    ..
                }) => Vec::new(),
                _ => self.remote.delimiters.closed().to_vec(),
            },
        };
        let trace = tokens.iter().map(|t| t.id);
        let ids = sequence.prompt.iter().copied().chain(trace);
        let ids: Vec<u32> = ids.chain(begun.ids.iter().copied()).collect();
        let room = self.remote.context.saturating_sub(ids.len());
        if room == 0 {
            return Ok(Err("the context has no room for a probe here".into()));
        }
        sequence.stream = None;
        let most = trial.tokens.min(room);
        match self.open(id, &ids, most, &drawing) {
            Ok(stream) => {
                if let Some(sequence) = self.sequences.get_mut(&id) {
                    sequence.probing = Some(Probing {
                        stream,
                        at,
                        purpose,
                        most,
                        begun,
                        decoder: StreamDecoder::new(),
                        given: Given::default(),
                    });
                }
                Ok(Ok(()))
            }
            Err(fault) => Ok(Err(fault.to_string())),
        }
    }

    /// Takes in what a server has written of an answer that is tried.
    pub(super) fn hear_probe(&mut self, id: LaneId, said: Said) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        let Some(probing) = &mut sequence.probing else {
            return Ok(());
        };
        if let RequestPurpose::Look(look, _) | RequestPurpose::Asked(look) = &probing.purpose
            && look.measure == Measure::Scores
        {
            let Some(drawn) = said.drawn.first() else {
                return Ok(());
            };
            let sight = Sight {
                at: look.at,
                seen: Seen::Scores(scores::of_end(&self.remote, drawn)),
                tokens: 1,
            };
            return match sequence.probing.take().map(|probing| probing.purpose) {
                Some(RequestPurpose::Look(look, member)) => self.seen(id, (&look, member), &sight),
                _ => self.asked_for(id, sight),
            };
        }
        let given = &mut probing.given;
        let mut complete = false;
        for drawn in &said.drawn {
            if given.best.is_empty() {
                given.entropy = scores::entropy(&drawn.top);
            }
            let best = drawn.top.first().unwrap_or(&drawn.token);
            given.best.push(best.logprob.exp());
            complete = probe::ends_with(&self.remote.delimiters, drawn.token.id);
            if complete {
                break;
            }
            let bytes = self.remote.words.bytes(drawn.token.id);
            given.text.push_str(&probing.decoder.push(&bytes));
            complete = probe::is_complete(&probing.begun.text, &given.text);
            if complete {
                break;
            }
        }
        complete |= said.ending == Some(StreamEnd::Turn);
        let full = given.best.len() >= probing.most;
        if !complete && said.ending.is_none() && !full {
            return Ok(());
        }
        let Some(mut probing) = sequence.probing.take() else {
            return Ok(());
        };
        let mut given = probing.given;
        given.text.push_str(&probing.decoder.finish());
        given.complete = complete;
        match probing.purpose {
            RequestPurpose::Probe(_) => {
                let reference = sequence.members[0].request.reference.as_deref();
                let probe = probe::read(&probing.begun.text, probing.at, &given, reference);
                self.events.emit(Event::Probe(id, probe))
            }
            RequestPurpose::Look(look, member) => {
                let sight = probe::sight(&probing.begun, probing.at, &given);
                if let Some(row) = sequence.row.and_then(|row| self.rows.get_mut(&row)) {
                    *row += sight.tokens;
                }
                self.seen(id, (&look, member), &sight)
            }
            RequestPurpose::Asked(look) => {
                let sight = probe::sight(&probing.begun, look.at, &given);
                self.asked_for(id, sight)
            }
        }
    }

    /// Takes in what somebody asked for.
    fn asked_for(&mut self, id: LaneId, sight: Sight) -> Result<(), Disconnected> {
        let sequence = self.sequences.get_mut(&id);
        match sequence.and_then(|sequence| sequence.asked.see(sight)) {
            Some(all) => self.events.emit(Event::Looked(id, all)),
            None => Ok(()),
        }
    }
}
