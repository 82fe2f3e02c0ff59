//! Pending tokens through the model: all sequences in one batch, each over a cache of its own that
//! takes over what another has computed already.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{CHUNKS, LOOK, Worker};
use crate::local::loaded::Loaded;
use crate::local::scores;
use crate::local::sequence::Sequence;
use s1_core::protocol::LaneId;
use s1_model::cache::Cache;
use s1_model::decoder::Logits;
use s1_model::logits::PositionLogits;

/// Most tokens that get their scores at once: each takes a row of logits.
const SCORED: usize = 64;
/// Caches kept for sequences that are not running.
const IDLE_CACHES: usize = 8;
/// A shared prefix shorter than this is not worth a copy.
const SHARE: usize = 16;

impl Worker<'_> {
    /// Runs every pending token through the model, all sequences together, and hands each its
    /// logits. Returns how many tokens each has computed; on an error, whose it was.
    pub(super) fn compute(&mut self) -> Result<Vec<(LaneId, usize)>, (LaneId, anyhow::Error)> {
        let busy = self.sequences.iter();
        let busy = busy.filter(|(_, s)| s.is_busy() && !s.pending.is_empty());
        let busy: Vec<LaneId> = busy.map(|(&id, _)| id).collect();
        for &id in &busy {
            self.make_cache(id).map_err(|error| (id, error))?;
        }
        let (drafted, busy) = self.take_drafted(busy);
        let mut computed: Vec<_> = drafted.into_iter().map(|id| (id, 1)).collect();
        let draft = self.draft(&busy);
        let share = self.chunk / busy.len().max(1);
        let share = share.max(*CHUNKS.start());
        // Sequences with a draft or with unscored tokens need a row for every token; the others only
        // for the last.
        for want in [Logits::Last, Logits::All] {
            let mut inputs = Vec::new();
            let mut unfinished = true;
            for &id in &busy {
                let Some(sequence) = self.sequences.get(&id) else {
                    continue;
                };
                let left = sequence.pending.len();
                let all = !draft.is_empty() || sequence.unscored > 0 && left <= SCORED;
                if all != (want == Logits::All) {
                    continue;
                }
                let take = if all {
                    left
                } else if sequence.unscored > 0 {
                    // Read what is scored already first: the rest then comes with its rows.
                    (left - SCORED).min(share)
                } else {
                    left.min(share)
                };
                unfinished &= left > take;
                inputs.push((id, take, [&sequence.pending[..take], &draft].concat()));
            }
            let Some(&(first, ..)) = inputs.first() else {
                continue;
            };
            let want = match want {
                Logits::Last if unfinished => Logits::None,
                want => want,
            };
            let mut caches: BTreeMap<LaneId, &mut Cache> = BTreeMap::new();
            for (&id, sequence) in &mut self.sequences {
                caches.extend(sequence.cache.as_mut().map(|cache| (id, cache)));
            }
            let mut batch = Vec::new();
            for (id, _, ids) in &inputs {
                batch.extend(caches.remove(id).map(|cache| (cache, &ids[..])));
            }
            let started = Instant::now();
            let rows = self.model.decoder.next_logits(&mut batch, want);
            let took = started.elapsed();
            let mut rows = rows.map_err(|error| (first, error))?.into_iter();
            if let Some(why) = self.model.decoder.take_notice() {
                // Whether anybody listens is found out with the next event.
                let _ = self.events.notice(first, why);
            }
            self.foresee(inputs.iter().map(|(_, _, ids)| ids.len()).sum(), took);
            for (id, take, ids) in inputs {
                let count = match want {
                    Logits::All => ids.len(),
                    Logits::Last => 1,
                    Logits::None => 0,
                };
                let mut own: Vec<_> = rows.by_ref().take(count).collect();
                if let Some(sequence) = self.sequences.get_mut(&id) {
                    sequence.used = self.clock;
                    let later = own.split_off(own.len().min(take));
                    take_logits(&self.model, sequence, take, own);
                    let place = sequence.len();
                    if let Some(cache) = &mut sequence.cache {
                        cache.set_aside(ids.len() - take);
                    }
                    sequence.lookup.keep(place + 1, &ids[take..], later);
                    if busy.len() == 1 && take == 1 {
                        sequence.lookup.learn(!draft.is_empty(), took);
                    }
                }
                computed.push((id, take));
            }
        }
        Ok(computed)
    }

    /// Learns how many tokens are read between two looks at the commands. Few tokens say little
    /// about that.
    fn foresee(&mut self, tokens: usize, took: Duration) {
        if tokens >= *CHUNKS.start() {
            let fit = tokens as f64 * LOOK.as_secs_f64() / took.as_secs_f64().max(1e-6);
            let fit = (fit as usize).clamp(*CHUNKS.start(), *CHUNKS.end());
            // Half way: one measurement may have been disturbed.
            self.chunk = usize::midpoint(self.chunk, fit);
        }
    }

    /// Gives sequences whose pending token an earlier draft had its logits; returns which they are,
    /// and the others.
    fn take_drafted(&mut self, busy: Vec<LaneId>) -> (Vec<LaneId>, Vec<LaneId>) {
        let clock = self.clock;
        busy.into_iter().partition(|id| {
            let sequence = self.sequences.get_mut(id);
            sequence.is_some_and(|sequence| {
                sequence.used = clock;
                sequence.take_drafted()
            })
        })
    }

    /// What is computed along with the last token of a sequence that is computed alone: several use
    /// the processor as it is.
    fn draft(&mut self, busy: &[LaneId]) -> Vec<u32> {
        match busy {
            [only] if self.model.lookup => {
                let sequence = self.sequences.get_mut(only);
                sequence.map(Sequence::draft).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Makes sure a sequence has a cache, taking over the longest prefix that one has computed.
    fn make_cache(&mut self, id: LaneId) -> Result<()> {
        if self.sequences.get(&id).is_none_or(|s| s.cache.is_some()) {
            return Ok(());
        }
        self.retire_caches();
        self.leave_other_questions(id);
        let Some(sequence) = self.sequences.get(&id) else {
            return Ok(());
        };
        let (ids, batch) = (sequence.token_ids(), sequence.batch);
        // The last token is always computed: it gives the logits to go on from.
        let usable = ids.len().saturating_sub(1);
        let others = self.sequences.iter();
        let others = others.filter(|(other, s)| **other != id && s.batch == batch);
        let shared = others.filter_map(|(other, sequence)| {
            let cache = sequence.cache.as_ref()?;
            let theirs = sequence.token_ids();
            let same = ids.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
            Some((same.min(cache.len()).min(usable), *other, cache))
        });
        let context = self.model.context;
        let cache = match shared.max_by_key(|&(same, other, _)| (same, other)) {
            Some((same, _, cache)) if same >= SHARE => cache.fork(same, context)?,
            _ => {
                let new = self.model.decoder.new_cache(context);
                new.context("no memory for another branch")?
            }
        };
        if let Some(sequence) = self.sequences.get_mut(&id) {
            sequence.pending = ids[cache.len()..].to_vec();
            sequence.cache = Some(cache);
        }
        Ok(())
    }

    /// Gives up the caches of what does not run and belongs to another question than a sequence that
    /// is about to have one: the memory is that one's. Batches see to theirs themselves.
    fn leave_other_questions(&mut self, id: LaneId) {
        let Some(prompt) = self.sequences.get(&id).map(|s| s.prompt.clone()) else {
            return;
        };
        let idle = self.sequences.iter().filter(|(id, s)| {
            let other = s.batch.is_none() && s.cache.is_some() && s.prompt != prompt;
            other && !s.is_busy() && !self.is_source(**id)
        });
        for id in idle.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.sequences.entry(id).and_modify(Sequence::give_up_cache);
        }
    }

    /// Gives up the caches of sequences that have not run for the longest time: those that rest hold
    /// a context together at most. What one of them needs again it mostly shares with another.
    fn retire_caches(&mut self) {
        let mut idle: Vec<(u64, LaneId, usize)> = Vec::new();
        for (&id, sequence) in &self.sequences {
            let rests = !sequence.is_busy() && !self.is_source(id);
            if let Some(cache) = sequence.cache.as_ref().filter(|_| rests) {
                idle.push((sequence.used, id, cache.len()));
            }
        }
        idle.sort_unstable_by(|a, b| b.cmp(a));
        let mut held = 0;
        for (i, (_, id, tokens)) in idle.into_iter().enumerate() {
            held += tokens;
            if i >= IDLE_CACHES || held > self.model.context {
                self.sequences.entry(id).and_modify(Sequence::give_up_cache);
            }
        }
    }
}

/// Takes in the rows of logits after `take` of a sequence's pending tokens.
fn take_logits(model: &Loaded, sequence: &mut Sequence, take: usize, mut own: Vec<PositionLogits>) {
    sequence.pending.drain(..take);
    if !sequence.pending.is_empty() {
        return;
    }
    sequence.logits = own.pop();
    // Row i scores the token after it.
    let n = sequence.tokens.len();
    let unscored = std::mem::take(&mut sequence.unscored).min(own.len()).min(n);
    let rows = &own[own.len() - unscored..];
    for (row, token) in rows.iter().zip(sequence.tokens.last_mut(unscored)) {
        scores::fill(model, row, token.phase, token);
    }
}

#[cfg(test)]
mod tests;
