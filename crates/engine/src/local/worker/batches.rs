//! Batches: lanes of one question that nobody steers, more of them than may compute at once.
//!
//! The lanes of a batch begin as one group ([`crate::group`]). Those that are parted while all
//! places are taken wait, with the logits of their place in hand and without a cache. When the
//! sequence they left has stopped they take over its cache, rewound to the place where they left,
//! the deepest place first: a branch is then a rewind and costs no memory. Where a place is free
//! earlier, they get a copy.

use std::cmp::Reverse;

use super::Worker;
use crate::lanes::{Lanes, StartedLane};
use crate::local::sequence::Sequence;
use crate::outlet::Disconnected;
use s1_core::protocol::{Event, LaneId};
use s1_model::cache::Cache;

/// At most one part in so many of the time goes into reading back, while there is something else.
const READING_BACK: u32 = 3;

impl Worker<'_> {
    /// Starts a row, of which so many tokens were computed before.
    pub(super) fn start_batch(
        &mut self,
        lanes: Vec<StartedLane>,
        computed: usize,
    ) -> Result<(), Disconnected> {
        let Some(&(row, ..)) = lanes.first() else {
            return Ok(());
        };
        let mut hosts = self.start_together(lanes)?;
        if hosts.is_empty() {
            return self.events.emit(Event::Finished { row, computed });
        }
        for host in &hosts {
            if let Some(sequence) = self.sequences.get_mut(host) {
                sequence.batch = Some(row);
                sequence.waiting = true;
            }
        }
        self.batches.insert(row, computed);
        // What resumes waits for the cache of the longest one that begins alike, as if it had just
        // parted from it.
        let len = |id: &LaneId| self.sequences.get(id).map_or(0, |s| s.tokens.len());
        hosts.sort_by_key(|id| (Reverse(len(id)), *id));
        for (i, &id) in hosts.iter().enumerate().skip(1) {
            self.wait_for(id, &hosts[..i]);
        }
        Ok(())
    }

    /// Has a sequence of which nothing is computed wait for the cache of that one of the `others`
    /// with which it shares most.
    fn wait_for(&mut self, id: LaneId, others: &[LaneId]) {
        let Some(ids) = self.sequences.get(&id).map(|s| s.token_ids()) else {
            return;
        };
        let shared = others.iter().filter_map(|&other| {
            let theirs = self.sequences.get(&other)?.token_ids();
            let same = ids.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
            Some((same, Reverse(other)))
        });
        // The last token is computed again: it gives the logits to go on from.
        let usable = ids.len().saturating_sub(1);
        if let Some((same, Reverse(other))) = shared.max()
            && let Some(sequence) = self.sequences.get_mut(&id)
        {
            let held = same.min(usable);
            sequence.source = Some((other, held));
            sequence.pending = ids[held..].to_vec();
        }
    }

    /// Tells how much is computed of each row.
    pub(super) fn tell_computed(&self) -> Result<(), Disconnected> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let mut rows = self.batches.clone();
        for sequence in self.sequences.values() {
            if let Some(computed) = sequence.batch.and_then(|row| rows.get_mut(&row)) {
                *computed += sequence.ahead();
            }
        }
        self.events
            .emit(Event::Computed(rows.into_iter().collect()))
    }

    /// Parts members (`ids`, not all of them) from a sequence; returns the id by which the new
    /// sequence goes.
    pub(super) fn part(&mut self, id: LaneId, ids: &[LaneId]) -> Result<LaneId, Disconnected> {
        let full = self.is_full();
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return Ok(id);
        };
        let (parted, failed) = sequence.part(&self.model, ids, full);
        let new = parted.id();
        if let Some(error) = failed {
            self.events.notice(new, error)?;
        }
        self.events.emit_hosts(&parted)?;
        self.sequences.insert(new, parted);
        Ok(new)
    }

    /// Lets sequences in that wait, as many as may compute at once.
    pub(super) fn admit(&mut self) {
        while !self.is_full()
            && let Some(id) = self.next_in_line()
        {
            self.let_in(id);
        }
    }

    /// First those who find a cache to take over, the deepest first; then new questions; then
    /// those who would need a copy of a cache that is in use.
    fn next_in_line(&self) -> Option<LaneId> {
        let rank = |id: LaneId, sequence: &Sequence| {
            let (rank, depth) = match sequence.source {
                Some((source, held)) if self.has_stopped(source) => (2, held),
                Some((_, held)) => (0, held),
                None if sequence.cache.is_some() => (2, usize::MAX),
                None => (1, 0),
            };
            (rank, depth, Reverse(id))
        };
        let may_read = self.may_read();
        let resumes = |s: &Sequence| s.waiting && s.source.is_none() && s.counted > 0;
        let some_resume = self.sequences.values().any(resumes);
        let can_begin = |sequence: &Sequence| match sequence.source {
            // One that resumes may wait for what its source has not read back yet.
            Some((source, held)) if !self.has_stopped(source) => {
                let source = self.sequences.get(&source);
                source.is_some_and(|s| s.cache.as_ref().is_some_and(|c| c.len() >= held))
            }
            Some(_) => true,
            None if sequence.cache.is_some() => true,
            // Those that resume come before new questions.
            None => !some_resume || (may_read && resumes(sequence)),
        };
        self.sequences
            .iter()
            .filter(|(_, sequence)| sequence.waiting && can_begin(sequence))
            .max_by_key(|&(&id, sequence)| rank(id, sequence))
            .map(|(&id, _)| id)
    }

    /// Whether there is time to read back what an earlier sitting has computed. This sitting may be
    /// as short as that one: where everything were read back first, nothing would ever be added.
    fn may_read(&self) -> bool {
        let busy = self.sequences.values().filter(|s| s.is_busy());
        let (mut none, mut reads) = (true, false);
        for sequence in busy {
            none = false;
            reads |= sequence.is_reading_back();
        }
        none || (!reads && self.reading_back * READING_BACK <= self.computing)
    }

    fn has_stopped(&self, id: LaneId) -> bool {
        self.sequences.get(&id).is_none_or(|s| s.has_stopped())
    }

    fn let_in(&mut self, id: LaneId) {
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return;
        };
        sequence.waiting = false;
        let in_batch = sequence.batch.is_some();
        let Some((source, held)) = sequence.source.take() else {
            return;
        };
        let cache = if in_batch && self.has_stopped(source) {
            // Their places are no deeper: the cache that is taken over holds them, too.
            self.rename_source(source, id);
            let mut cache = self.sequences.get_mut(&source).and_then(|s| s.cache.take());
            if let Some(cache) = &mut cache {
                cache.truncate(held);
            }
            cache
        } else {
            // Now: the source may stop, and give its cache up, before this one computes.
            self.copy_of_beginning(source, held)
        };
        // Without one (no memory for a copy), it asks for a cache of its own later.
        if let Some(sequence) = self.sequences.get_mut(&id) {
            sequence.cache = cache.filter(|cache| cache.len() == held);
        }
    }

    /// Those that wait for the cache of one sequence wait for that of another from here on.
    pub(super) fn rename_source(&mut self, from: LaneId, to: LaneId) {
        for sequence in self.sequences.values_mut() {
            if let Some((source, _)) = &mut sequence.source
                && *source == from
            {
                *source = to;
            }
        }
    }

    fn copy_of_beginning(&self, source: LaneId, held: usize) -> Option<Cache> {
        let cache = self.sequences.get(&source)?.cache.as_ref()?;
        cache.fork(held, self.model.context).ok()
    }

    /// Whether a sequence that waits relies on this one's cache.
    pub(super) fn is_source(&self, id: LaneId) -> bool {
        let relies = |s: &Sequence| s.source.is_some_and(|(source, _)| source == id);
        self.sequences.values().any(relies)
    }

    /// A sequence is about to go back to `len` tokens of its trace: those who wait for more of its
    /// cache get a copy first.
    pub(super) fn preserve_shared_prefixes(&mut self, id: LaneId, len: usize) {
        let prompt = self.sequences.get(&id).map_or(0, |s| s.prompt.len());
        // The last token is computed once more.
        let left = (prompt + len).saturating_sub(1);
        let needs = |s: &Sequence| {
            let (source, held) = s.source?;
            (source == id && held > left).then_some(held)
        };
        let waiting = self.sequences.iter();
        let waiting = waiting.filter_map(|(&waiting, s)| Some((waiting, needs(s)?)));
        for (waiting, held) in waiting.collect::<Vec<_>>() {
            let copy = self.copy_of_beginning(id, held);
            if let Some(sequence) = self.sequences.get_mut(&waiting) {
                sequence.cache = copy;
                sequence.source = None;
            }
        }
    }

    /// Stopped sequences of batches give up memory that nobody needs; a batch whose last one has
    /// stopped ends.
    pub(super) fn end_batches(&mut self) -> Result<(), Disconnected> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let mut open: Vec<LaneId> = Vec::new();
        let mut idle: Vec<LaneId> = Vec::new();
        for (&id, sequence) in &self.sequences {
            match sequence.batch {
                Some(batch) if !sequence.has_stopped() => open.push(batch),
                Some(_) if sequence.cache.is_some() && !self.is_source(id) => idle.push(id),
                _ => {}
            }
        }
        for id in idle {
            self.sequences.entry(id).and_modify(Sequence::give_up_cache);
        }
        let ended = self.batches.keys().filter(|batch| !open.contains(batch));
        for row in ended.copied().collect::<Vec<_>>() {
            self.sequences.retain(|_, s| s.batch != Some(row));
            let computed = self.batches.remove(&row).unwrap_or_default();
            self.events.emit(Event::Finished { row, computed })?;
        }
        Ok(())
    }
}
