//! Pending tokens through the model: all lanes in one batch, each over a cache of its own that
//! takes over what another lane has computed already.

use anyhow::{Context, Result};

use super::{CHUNK, Worker, is_busy};
use crate::scores;
use s1_core::protocol::LaneId;
use s1_model::decoder::Logits;

/// Caches kept for lanes that are not running.
const IDLE_CACHES: usize = 8;
/// A shared prefix shorter than this is not worth a copy.
const SHARE: usize = 16;

impl Worker<'_> {
    /// Runs every pending token through the model, all lanes together, and hands each lane its
    /// logits. Returns how many tokens each lane computed.
    pub(super) fn compute(&mut self) -> Result<Vec<(LaneId, usize)>, (LaneId, anyhow::Error)> {
        let mut computed = Vec::new();
        let busy: Vec<LaneId> = self
            .lanes
            .iter()
            .filter(|(_, lane)| is_busy(lane) && !lane.pending.is_empty())
            .map(|(&id, _)| id)
            .collect();
        for &id in &busy {
            self.make_cache(id).map_err(|error| (id, error))?;
        }
        // Lanes with unscored tokens need a row for every token; the others only for the last.
        for want in [Logits::Last, Logits::All] {
            let mut members = Vec::new();
            for (&id, lane) in &mut self.lanes {
                let left = lane.pending.len();
                let all = lane.unscored > 0 && left <= CHUNK;
                if busy.contains(&id) && all == (want == Logits::All) {
                    lane.used = self.clock;
                    let take = if lane.unscored > 0 && left > CHUNK {
                        // Read what is scored already first: the rest then comes with its rows.
                        (left - CHUNK).min(CHUNK)
                    } else {
                        left.min(CHUNK)
                    };
                    members.push((id, take));
                }
            }
            if members.is_empty() {
                continue;
            }
            let unfinished = |(id, take): &(LaneId, usize)| {
                self.lanes.get(id).is_some_and(|l| l.pending.len() > *take)
            };
            let want = if want == Logits::Last && members.iter().all(unfinished) {
                Logits::None
            } else {
                want
            };
            self.forward(want, &members)?;
            computed.extend(members);
        }
        Ok(computed)
    }

    fn forward(
        &mut self,
        want: Logits,
        members: &[(LaneId, usize)],
    ) -> Result<(), (LaneId, anyhow::Error)> {
        let blame = members.first().map_or(0, |(id, _)| *id);
        let mut batch = Vec::new();
        for (id, lane) in &mut self.lanes {
            if let Some((_, take)) = members.iter().find(|(member, _)| member == id)
                && let Some(cache) = lane.cache.as_mut()
            {
                batch.push((cache, &lane.pending[..*take]));
            }
        }
        let rows = self
            .model
            .decoder
            .forward(&mut batch, want)
            .and_then(|logits| Ok(logits.map(|l| l.to_vec2::<f32>()).transpose()?))
            .map_err(|error| (blame, error))?
            .unwrap_or_default();
        let mut rows = rows.into_iter();
        for &(id, take) in members {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            let count = match want {
                Logits::All => take,
                Logits::Last => 1,
                Logits::None => 0,
            };
            let mut own: Vec<Vec<f32>> = rows.by_ref().take(count).collect();
            lane.pending.drain(..take);
            if !lane.pending.is_empty() {
                continue;
            }
            lane.logits = own.pop();
            // Row i scores the token after it.
            let n = lane.tokens.len();
            let unscored = std::mem::take(&mut lane.unscored).min(own.len()).min(n);
            let offset = own.len() - unscored;
            for (row, token) in own[offset..].iter().zip(&mut lane.tokens[n - unscored..]) {
                scores::fill(&self.model, row, token.phase, token);
            }
        }
        Ok(())
    }

    /// Makes sure a lane has a cache, taking over the longest prefix some lane has computed.
    fn make_cache(&mut self, id: LaneId) -> Result<()> {
        if self.lanes.get(&id).is_none_or(|lane| lane.cache.is_some()) {
            return Ok(());
        }
        self.retire_caches();
        let Some((ids, row)) = self.lanes.get(&id).map(|lane| (lane.ids(), lane.row)) else {
            return Ok(());
        };
        let shared = self
            .lanes
            .iter()
            .filter(|(other, lane)| **other != id && lane.row == row)
            .filter_map(|(other, lane)| {
                let cache = lane.cache.as_ref()?;
                let theirs = lane.ids();
                let same = ids.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
                Some((same.min(cache.len()), *other))
            })
            .max();
        let context = self.model.context;
        // The last token is always computed: it gives the logits to go on from.
        let usable = |same: usize| same.min(ids.len().saturating_sub(1));
        let cache = match shared {
            Some((same, other)) if usable(same) >= SHARE => self
                .lanes
                .get(&other)
                .and_then(|lane| lane.cache.as_ref())
                .map(|cache| cache.fork(usable(same), context))
                .transpose()?,
            _ => None,
        };
        let cache = match cache {
            Some(cache) => cache,
            None => self
                .model
                .decoder
                .new_cache(context)
                .context("no memory for another branch")?,
        };
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.pending = ids[cache.len()..].to_vec();
            lane.cache = Some(cache);
        }
        Ok(())
    }

    /// Gives up the caches of lanes that have not run for the longest time.
    fn retire_caches(&mut self) {
        let mut idle: Vec<(u64, LaneId)> = self
            .lanes
            .iter()
            .filter(|(id, lane)| !is_busy(lane) && lane.cache.is_some() && !self.is_donor(**id))
            .map(|(&id, lane)| (lane.used, id))
            .collect();
        idle.sort_unstable();
        let surplus = idle.len().saturating_sub(IDLE_CACHES);
        for (_, id) in idle.into_iter().take(surplus) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.give_up_cache();
            }
        }
    }
}
