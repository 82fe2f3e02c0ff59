//! One step of every busy lane: decide, compute, tell.

use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;

use super::{CHUNK, Gone, Worker};
use crate::lane::Lane;
use crate::probe;
use s1_core::forcing::{Edit, ForcingDecision, Next};
use s1_core::loops::Loop;
use s1_core::protocol::{Event, LaneId, LaneState, Until};
use s1_core::sampling::Sampling;
use s1_core::sentence::ends_sentence;
use s1_core::trace::{Delta, Origin, Phase, StopReason, Token};
use s1_model::sampler;

/// Tokens between two reports of the speed.
const REPORT_EVERY: usize = 4;

impl Worker<'_> {
    /// One step of every busy lane: decide, compute, tell.
    pub(super) fn step(&mut self) -> Result<(), Gone> {
        self.clock += 1;
        self.admit();
        let started = Instant::now();
        let ids: Vec<LaneId> = self.lanes.keys().copied().collect();
        for &id in &ids {
            self.probe_if_wanted(id)?;
        }
        let probed = started.elapsed();
        for &id in &ids {
            self.decide(id)?;
        }
        let computed = match self.compute() {
            Ok(computed) => computed,
            Err((id, error)) => {
                self.notice(id, error)?;
                return self.set_state(id, LaneState::Paused);
            }
        };
        let spent = started.elapsed().saturating_sub(probed);
        for (id, rows) in computed {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            let reading = lane.state == LaneState::Prefill;
            let count = if reading {
                &mut lane.clock.prefill
            } else {
                &mut lane.clock.decode
            };
            count.0 += rows;
            count.1 += spent;
            if let Some(computed) = lane.row.and_then(|row| self.rows.get_mut(&row)) {
                *computed += rows;
            }
            if reading {
                let total = lane.len();
                let done = total - lane.pending.len();
                if total > CHUNK {
                    for lane in self.with_riders(id) {
                        self.tell(Event::Prefill { lane, done, total })?;
                    }
                }
            }
            self.announce(id)?;
            self.advance(id)?;
        }
        Ok(())
    }

    /// Lets the state machine of a running lane say what comes next.
    fn decide(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if lane.state != LaneState::Running || !lane.is_ready() || lane.waiting {
            return Ok(());
        }
        self.part_by_next(id)?;
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        let mask = match lane.machine.next() {
            Next::Edit(edit) => return self.write(id, edit),
            Next::Stop(reason) => return self.set_state(id, LaneState::Stopped(reason)),
            Next::Sample { mask } => mask,
        };
        if lane.len() >= self.model.context {
            return self.set_state(id, LaneState::Stopped(StopReason::ContextFull));
        }
        lane.clock.token();
        let Some(lane) = self.lanes.get(&id) else {
            return Ok(());
        };
        let sampled = self.draw(lane, &lane.request.sampling, lane.request.sample, &mask);
        let token = match sampled {
            Ok(token) => token,
            Err(error) => {
                self.alone(id)?;
                self.notice(id, error)?;
                return self.set_state(id, LaneState::Paused);
            }
        };
        let (verdict, others) = self.part_by_verdict(id, token, &mask)?;
        if let Some(verdict) = verdict {
            self.settle(id, token, verdict)?;
        }
        for (id, (token, verdict)) in others {
            self.settle(id, token, verdict)?;
        }
        Ok(())
    }

    /// Draws the token after the trace of a lane that is ready.
    pub(super) fn draw(
        &self,
        lane: &Lane,
        sampling: &Sampling,
        sample: u64,
        mask: &[u32],
    ) -> Result<u32> {
        let history: Vec<u32> = if sampling.repetition_penalty == 1.0 {
            Vec::new()
        } else {
            lane.ids()
        };
        let logits = lane.logits.as_deref().unwrap_or_default();
        let vocab = self.model.tokenizer.vocab_size();
        let position = lane.tokens.len() as u64;
        sampler::sample(logits, vocab, mask, &history, sampling, position, sample)
    }

    /// Writes a proposed token, or what its lane wants instead, to the lane and its riders.
    fn settle(&mut self, id: LaneId, token: u32, verdict: ForcingDecision) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        match verdict {
            ForcingDecision::Accept {
                phase,
                reason,
                relabel,
            } => {
                let from = lane.tokens.len() - relabel;
                if relabel > 0 {
                    for token in &mut lane.tokens[from..] {
                        token.phase = phase;
                        token.reason = reason;
                    }
                    lane.machine.take_back(&lane.tokens);
                }
                let found = lane.append(&self.model, token, Origin::Sampled, phase, reason);
                // The scores are known already: the reader need not wait for the next forward pass.
                let tokens = lane.tokens[from + relabel..].to_vec();
                lane.announced = lane.tokens.len();
                self.mirror(id, from + relabel, relabel > 0);
                for lane in self.with_riders(id) {
                    let delta = Delta {
                        drop: 0,
                        relabel,
                        tokens: tokens.clone(),
                    };
                    self.tell(Event::Tokens(lane, delta))?;
                    self.tell_loop(lane, found)?;
                }
                Ok(())
            }
            ForcingDecision::Edit(edit) => {
                let pending = lane.machine.pending_waits();
                self.tell(Event::PendingWaits(id, pending))?;
                self.write(id, edit)
            }
            ForcingDecision::Stop(reason) => self.set_state(id, LaneState::Stopped(reason)),
        }
    }

    fn write(&mut self, id: LaneId, edit: Edit) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        let new = edit.ids.len() + edit.keep.len();
        if lane.len() - edit.drop + new > self.model.context {
            return self.set_state(id, LaneState::Stopped(StopReason::ContextFull));
        }
        let base = lane.tokens.len() - edit.drop;
        let taken_back = edit.takes_back();
        if taken_back {
            self.rescue_beginnings(id, base);
        }
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        match lane.edit(&self.model, edit) {
            Ok(()) => {
                self.mirror(id, base, taken_back);
                Ok(())
            }
            Err(error) => {
                self.alone(id)?;
                self.notice(id, error)
            }
        }
    }

    /// A lane, and those that ride on it.
    fn with_riders(&self, id: LaneId) -> Vec<LaneId> {
        let mut all = vec![id];
        all.extend(self.riders(id));
        all
    }

    fn tell_loop(&self, id: LaneId, found: Option<Loop>) -> Result<(), Gone> {
        match found {
            None => Ok(()),
            Some(Loop { period, repeats }) => self.tell(Event::Loop {
                lane: id,
                period,
                repeats,
            }),
        }
    }

    /// Tells of tokens that were written and have their scores now.
    fn announce(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if !lane.pending.is_empty() {
            return Ok(());
        }
        let drop = std::mem::take(&mut lane.dropped);
        let from = lane.announced.saturating_sub(drop).min(lane.tokens.len());
        let tokens = lane.tokens[from..].to_vec();
        lane.announced = lane.tokens.len();
        if drop > 0 || !tokens.is_empty() {
            self.mirror_scores(id, from);
            for lane in self.with_riders(id) {
                let delta = Delta {
                    drop,
                    relabel: 0,
                    tokens: tokens.clone(),
                };
                self.tell(Event::Tokens(lane, delta))?;
            }
        }
        Ok(())
    }

    /// After a step: is the lane where it was told to run to?
    fn advance(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if !lane.pending.is_empty() {
            return Ok(());
        }
        let tokens = lane.tokens.len();
        let (speed, context) = (lane.clock.speed(), lane.len());
        let report = tokens.is_multiple_of(REPORT_EVERY);
        let before = lane.state;
        let state = match (before, lane.until) {
            (LaneState::Prefill, Until::Tokens(0)) => LaneState::Paused,
            (LaneState::Prefill, _) => LaneState::Running,
            (LaneState::Running, Until::Tokens(n)) => {
                lane.until = Until::Tokens(n.saturating_sub(1));
                if n <= 1 {
                    LaneState::Paused
                } else {
                    LaneState::Running
                }
            }
            (LaneState::Running, Until::Sentence) => {
                let from = tokens.saturating_sub(8);
                let tail: String = lane.tokens[from..]
                    .iter()
                    .map(|t| t.text.as_str())
                    .collect();
                let ended = lane.machine.phase() == Phase::Answer
                    && lane.tokens.last().is_some_and(Token::is_delimiter);
                if ended || ends_sentence(&tail) {
                    LaneState::Paused
                } else {
                    LaneState::Running
                }
            }
            (state, _) => state,
        };
        if report || state != before {
            for lane in self.with_riders(id) {
                self.tell(Event::Speed(lane, speed))?;
                self.tell(Event::Context(lane, context))?;
            }
        }
        if state != before {
            self.set_state(id, state)?;
        }
        Ok(())
    }

    /// Probes a lane if the user wants it or the interval has passed.
    fn probe_if_wanted(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if !lane.is_ready() {
            return Ok(());
        }
        let thinking = lane.machine.thinking();
        let due = lane.state == LaneState::Running
            && lane.machine.phase() == Phase::Thinking
            && lane
                .request
                .probe_every
                .is_some_and(|n| thinking >= lane.probed_at + n.max(1));
        let at = match lane.probe_wanted.take() {
            Some(at) => at.min(lane.tokens.len()),
            None if due => lane.tokens.len(),
            None => return Ok(()),
        };
        if due {
            lane.probed_at = thinking;
        }
        // A key must not wait for the probe: it is given up as soon as a command arrives, and
        // a probe the user asked for is made again afterwards.
        let interrupted = || !self.inbox.is_empty() || self.cancelled.load(Ordering::Relaxed);
        match probe::run(&self.model, lane, at, &interrupted) {
            Ok(probe::ProbeOutcome::Done(probe)) => self.tell(Event::Probe(id, probe)),
            Ok(probe::ProbeOutcome::Interrupted) => {
                if !due {
                    lane.probe_wanted = Some(at);
                }
                Ok(())
            }
            Err(error) => self.notice(id, error),
        }
    }
}
