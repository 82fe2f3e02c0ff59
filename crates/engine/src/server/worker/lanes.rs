//! How a sequence goes on: its lanes decide, and what they decide is done.

use std::time::Instant;

use super::Worker;
use crate::group::Move;
use crate::outlet::Disconnected;
use crate::server::sequence::Sequence;
use s1_core::forcing::Edit;
use s1_core::protocol::{Event, LaneId, LaneState, Until};
use s1_core::trace::{Origin, StopReason};

/// Tokens between two reports of the speed.
const REPORT_EVERY: usize = 4;

impl Worker<'_> {
    /// Takes a sequence as far as it goes with what its server has written, and asks for more.
    pub(super) fn advance(&mut self, id: LaneId) -> Result<(), Disconnected> {
        loop {
            if self.begin_probe(id)? || self.begin_asked(id)? {
                return Ok(());
            }
            let Some(sequence) = self.sequences.get_mut(&id) else {
                return Ok(());
            };
            match (sequence.state, sequence.until) {
                _ if sequence.waiting || sequence.probing.is_some() => return Ok(()),
                (LaneState::Paused | LaneState::Stopped(_), _) => return Ok(()),
                (LaneState::Prefill, Until::Tokens(0)) => {
                    return sequence.set_state(&self.events, LaneState::Paused);
                }
                _ => {}
            }
            if sequence.trouble.until.is_some_and(|t| t > Instant::now()) {
                return Ok(());
            }
            sequence.trouble.until = None;
            if self.begin_look(id)? {
                return Ok(());
            }
            let Some(sequence) = self.sequences.get_mut(&id) else {
                return Ok(());
            };
            let mut moves = sequence.next_moves(&self.remote).into_iter();
            let Some((own, _)) = moves.next() else {
                return Ok(());
            };
            let mut made = Vec::new();
            for (other, members) in moves {
                made.push((self.part(id, &members)?, other));
            }
            for (parted, other) in made {
                self.make(parted, other)?;
            }
            if !self.make(id, own)? {
                return Ok(());
            }
        }
    }

    /// Parts members (`ids`, not all of them) from a sequence; returns the id by which the new
    /// sequence goes.
    pub(super) fn part(&mut self, id: LaneId, ids: &[LaneId]) -> Result<LaneId, Disconnected> {
        let full = self.is_full();
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(id);
        };
        let mut parted = sequence.part(ids);
        parted.waiting = parted.row.is_some() && (full || sequence.waiting);
        let new = parted.id();
        self.events.emit_hosts(&parted)?;
        self.sequences.insert(new, parted);
        Ok(new)
    }

    /// Does what the lanes of a sequence have decided. Returns whether it goes on.
    fn make(&mut self, id: LaneId, made: Move) -> Result<bool, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(false);
        };
        match made {
            Move::Draw => {
                if !sequence.waiting {
                    self.draw(id)?;
                }
                Ok(false)
            }
            Move::Stop(reason) => {
                sequence.set_state(&self.events, LaneState::Stopped(reason))?;
                Ok(false)
            }
            Move::Fail(why) => {
                for lane in sequence.ids() {
                    self.events.notice(lane, &why)?;
                }
                sequence.set_state(&self.events, LaneState::Paused)?;
                Ok(false)
            }
            Move::Write(edit) => self.write(id, edit),
            Move::Accept {
                id: token,
                phase,
                reason,
                relabel,
            } => {
                if relabel > 0 {
                    sequence.relabel(relabel);
                }
                let found = sequence.append(&self.remote, token, Origin::Sampled, phase, reason);
                self.events.emit_accepted(sequence, relabel, found)?;
                self.after(id)
            }
        }
    }

    fn write(&mut self, id: LaneId, edit: Edit) -> Result<bool, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(false);
        };
        for member in &sequence.members {
            let waits = member.machine.pending_waits();
            self.events.emit(Event::PendingWaits(member.id, waits))?;
        }
        let new = edit.ids.len() + edit.keep.len();
        if sequence.len() - edit.drop.min(sequence.tokens.len()) + new > self.remote.context {
            let state = LaneState::Stopped(StopReason::ContextFull);
            sequence.set_state(&self.events, state)?;
            return Ok(false);
        }
        if let Err(error) = sequence.edit(&self.remote, edit) {
            for lane in sequence.ids() {
                self.events.notice(lane, &error)?;
            }
            sequence.set_state(&self.events, LaneState::Paused)?;
            return Ok(false);
        }
        self.tell_news(id)?;
        self.after(id)
    }

    /// Tells of what was written and not told of yet.
    pub(super) fn tell_news(&mut self, id: LaneId) -> Result<(), Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(());
        };
        if let Some(delta) = sequence.news() {
            for lane in sequence.ids() {
                self.events.emit(Event::Tokens(lane, delta.clone()))?;
            }
        }
        Ok(())
    }

    /// The state after something was written. Returns whether it goes on.
    fn after(&mut self, id: LaneId) -> Result<bool, Disconnected> {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(false);
        };
        let before = sequence.state;
        if before == LaneState::Prefill {
            // Something was written: it has begun.
            sequence.state = LaneState::Running;
        }
        let state = sequence.advance();
        if state != before || sequence.tokens.len().is_multiple_of(REPORT_EVERY) {
            let speed = sequence.clock.speed();
            self.events.emit_speed(sequence, speed)?;
        }
        if state != before {
            sequence.set_state(&self.events, state)?;
        }
        Ok(goes_on(sequence))
    }
}

fn goes_on(sequence: &Sequence) -> bool {
    sequence.state == LaneState::Running && !sequence.waiting
}
