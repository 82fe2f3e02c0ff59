//! One step of every busy sequence: decide, compute, tell.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{CHUNK, Worker};
use crate::course::Asked;
use crate::group::Move;
use crate::local::probe::{self, TriedBranch};
use crate::local::sequence::Sequence;
use crate::outlet::Disconnected;
use s1_core::forcing::Edit;
use s1_core::protocol::{Event, LaneId, LaneState};
use s1_core::trace::{Origin, Phase, StopReason};

/// Trial answers that are decoded side by side: more where the model is fast, as a command that
/// interrupts them costs all.
const TRIALS: RangeInclusive<usize> = 8..=32;
/// Of how many tokens that are read at once there is a trial.
const TRIAL_TOKENS: usize = 16;

/// Tokens between two reports of the speed.
const REPORT_EVERY: usize = 4;

impl Worker<'_> {
    /// One step of every busy sequence: decide, compute, tell.
    pub(super) fn step(&mut self) -> Result<(), Disconnected> {
        self.clock += 1;
        self.admit();
        let started = Instant::now();
        self.probe_where_wanted()?;
        self.look_where_asked()?;
        self.look_where_due()?;
        let probed = started.elapsed();
        let running = |s: &Sequence| s.state == LaneState::Running && s.is_ready() && !s.waiting;
        // What is still to be looked at is not decided on: a command came in between.
        let deciding = self.sequences.iter();
        let deciding = deciding.filter(|(_, s)| running(s) && s.look().is_none());
        let deciding: Vec<LaneId> = deciding.map(|(&id, _)| id).collect();
        for id in deciding {
            self.decide(id)?;
        }
        let computed = match self.compute() {
            Ok(computed) => computed,
            Err((id, error)) => {
                self.events.notice(id, error)?;
                return match self.sequences.get_mut(&id) {
                    Some(sequence) => {
                        sequence.probe_wanted = None;
                        match sequence.has_stopped() {
                            true => Ok(()),
                            false => sequence.set_state(&self.events, LaneState::Paused),
                        }
                    }
                    None => Ok(()),
                };
            }
        };
        let spent = started.elapsed().saturating_sub(probed);
        let all: usize = computed.iter().map(|(_, tokens)| tokens).sum();
        let mut back = 0;
        for (id, tokens) in computed {
            back += self.report(id, tokens, spent)?;
        }
        tracing::trace!(
            sequences = self.sequences.len(),
            tokens = all,
            us = spent.as_micros(),
            "step"
        );
        self.computing += spent;
        self.reading_back += spent.mul_f64(back as f64 / all.max(1) as f64);
        self.tell_computed()
    }

    /// Has the rules of a sequence's lanes say what comes next, and parts those that disagree.
    fn decide(&mut self, id: LaneId) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        let mut moves = sequence.next_moves(&self.model).into_iter();
        let Some((own, _)) = moves.next() else {
            return Ok(());
        };
        let mut made = vec![(id, own)];
        for (other, members) in moves {
            made.push((self.part(id, &members)?, other));
        }
        for (id, made) in made {
            self.make(id, made)?;
        }
        Ok(())
    }

    /// Does what the lanes of a sequence have decided.
    fn make(&mut self, id: LaneId, made: Move) -> Result<(), Disconnected> {
        if let Move::Write(edit) = made {
            return self.write(id, edit);
        }
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        sequence.clock.token();
        match made {
            Move::Accept {
                id: token,
                phase,
                reason,
                relabel,
            } => {
                if relabel > 0 {
                    sequence.relabel(relabel);
                }
                let found = sequence.append(&self.model, token, Origin::Sampled, phase, reason);
                // The scores are known already: the reader need not wait for the next forward pass.
                self.events.emit_accepted(sequence, relabel, found)
            }
            Move::Stop(reason) => sequence.set_state(&self.events, LaneState::Stopped(reason)),
            Move::Fail(why) => {
                for lane in sequence.ids() {
                    self.events.notice(lane, &why)?;
                }
                sequence.set_state(&self.events, LaneState::Paused)
            }
            Move::Draw | Move::Write(_) => Ok(()),
        }
    }

    fn write(&mut self, id: LaneId, edit: Edit) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get(&id) else {
            return Ok(());
        };
        let new = edit.ids.len() + edit.keep.len();
        let full = sequence.len() - edit.drop + new > self.model.context;
        if !full && edit.takes_back() {
            self.preserve_shared_prefixes(id, sequence.tokens.len() - edit.drop);
        }
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        for member in &sequence.members {
            let waits = member.machine.pending_waits();
            self.events.emit(Event::PendingWaits(member.id, waits))?;
        }
        if full {
            let state = LaneState::Stopped(StopReason::ContextFull);
            return sequence.set_state(&self.events, state);
        }
        match sequence.edit(&self.model, edit) {
            Ok(()) => Ok(()),
            Err(error) => self.events.notice(id, error),
        }
    }

    /// Tells what a forward pass has brought, which has computed so many tokens. Returns how many of
    /// them were only read back.
    fn report(
        &mut self,
        id: LaneId,
        tokens: usize,
        spent: Duration,
    ) -> Result<usize, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(0);
        };
        let reading = sequence.state == LaneState::Prefill;
        // One that rests reads what a probe needs.
        let count = match sequence.state {
            LaneState::Running => &mut sequence.clock.decode,
            _ => &mut sequence.clock.prefill,
        };
        count.0 += tokens;
        count.1 += spent;
        let total = sequence.len();
        let done = total - sequence.pending.len();
        let new = done - sequence.counted.clamp(done - tokens, done);
        let back = tokens - new;
        if let Some(computed) = sequence.batch.and_then(|b| self.batches.get_mut(&b)) {
            *computed += new;
        }
        let ids = sequence.ids();
        if reading && total > CHUNK {
            for &lane in &ids {
                self.events.emit(Event::Prefill { lane, done, total })?;
            }
        }
        if done < total {
            return Ok(back);
        }
        if let Some(delta) = sequence.news() {
            for &lane in &ids {
                self.events.emit(Event::Tokens(lane, delta.clone()))?;
            }
        }
        let before = sequence.state;
        let state = sequence.advance();
        if state != before || sequence.tokens.len().is_multiple_of(REPORT_EVERY) {
            self.events.emit_speed(sequence, sequence.speed())?;
        }
        if state != before {
            sequence.set_state(&self.events, state)?;
        }
        Ok(back)
    }

    /// Probes where the user wants it, or the interval has passed.
    fn probe_where_wanted(&mut self) -> Result<(), Disconnected> {
        for (&id, sequence) in self.sequences.iter_mut().filter(|(_, s)| s.is_ready()) {
            let thinking = sequence.machine().thinking();
            let every = sequence.members[0].request.probe_every;
            let due = sequence.state == LaneState::Running
                && sequence.machine().phase() == Phase::Thinking
                && every.is_some_and(|n| thinking >= sequence.probed_at + n.max(1));
            let at = match sequence.probe_wanted.take() {
                Some(at) => at.min(sequence.tokens.len()),
                None if due => sequence.tokens.len(),
                None => continue,
            };
            if due {
                sequence.probed_at = thinking;
            }
            // A key must not wait for the probe: it is given up as soon as a command arrives, and
            // a probe the user asked for is made again afterwards.
            let interrupted = || !self.inbox.is_empty() || self.cancelled.load(Ordering::Relaxed);
            match probe::run(&self.model, sequence, at, &interrupted) {
                Ok(Some(probe)) => self.events.emit(Event::Probe(id, probe))?,
                Ok(None) if !due => sequence.probe_wanted = Some(at),
                Ok(None) => {}
                Err(error) => self.events.notice(id, error)?,
            }
        }
        Ok(())
    }

    /// Looks where somebody asked for it: reads scores, then tries some answers, those of all such
    /// sequences side by side. What is left, or was interrupted by a command, is for the next steps.
    fn look_where_asked(&mut self) -> Result<(), Disconnected> {
        let interrupted = || !self.inbox.is_empty() || self.cancelled.load(Ordering::Relaxed);
        let most = (self.chunk / TRIAL_TOKENS).clamp(*TRIALS.start(), *TRIALS.end());
        let asked = self.sequences.values_mut();
        let asked = asked.filter(|s| s.is_ready() && s.asked.next().is_some());
        let (mut tried, mut whose): (Vec<TriedBranch>, Vec<LaneId>) = Default::default();
        for sequence in asked {
            let next = probe::read_scores(&self.model, sequence)
                .and_then(|()| probe::next_trials(&self.model, sequence, most - tried.len()));
            match next {
                Ok(next) => {
                    whose.extend(next.iter().map(|_| sequence.id()));
                    tried.extend(next);
                }
                Err(error) => {
                    sequence.asked = Asked::default();
                    self.events.notice(sequence.id(), error)?;
                }
            }
        }
        match probe::try_all(&self.model, &mut tried, &interrupted) {
            Ok(true) => {
                for (id, tried) in whose.into_iter().zip(tried) {
                    if let Some(sequence) = self.sequences.get_mut(&id) {
                        sequence.asked.sights.push(tried.sight());
                    }
                }
            }
            Ok(false) => {}
            Err(error) => {
                whose.dedup();
                for id in whose {
                    if let Some(sequence) = self.sequences.get_mut(&id) {
                        sequence.asked = Asked::default();
                    }
                    self.events.notice(id, &error)?;
                }
            }
        }
        for sequence in self.sequences.values_mut() {
            if sequence.asked.next().is_none() && !sequence.asked.looks.is_empty() {
                let sights = std::mem::take(&mut sequence.asked).sights;
                self.events.emit(Event::Looked(sequence.id(), sights))?;
            }
        }
        Ok(())
    }

    /// Looks at the thoughts under a rule for early exits, where it says so.
    fn look_where_due(&mut self) -> Result<(), Disconnected> {
        let interrupted = || !self.inbox.is_empty() || self.cancelled.load(Ordering::Relaxed);
        let sequences = self.sequences.values_mut();
        for sequence in
            sequences.filter(|s| s.state == LaneState::Running && s.is_ready() && !s.waiting)
        {
            while let Some((look, member)) = sequence.look() {
                let member = (&look, member);
                match probe::look(&self.model, sequence, member, &interrupted) {
                    Ok(Some(sight)) => {
                        if let Some(computed) =
                            sequence.batch.and_then(|b| self.batches.get_mut(&b))
                        {
                            *computed += sight.tokens;
                        }
                        for lane in sequence.see(member, &sight) {
                            self.events.emit(Event::Sight(lane, sight.clone()))?;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        for lane in sequence.ids() {
                            self.events.notice(lane, &error)?;
                        }
                        sequence.set_state(&self.events, LaneState::Paused)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
