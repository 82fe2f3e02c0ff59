//! Rows: lanes of one question that nobody steers, more of them than may compute at once.
//!
//! The lanes of a row ride together ([`super::riders`]). One that leaves its host while all places
//! are taken waits, with the logits of its place in hand and without a cache. When its host has
//! stopped it takes over that lane's cache, rewound to the place where it left, the deepest place
//! first: a branch is then a rewind and costs no memory. Where a place is free earlier, it gets a
//! copy.

use std::cmp::Reverse;

use super::{Gone, Worker, is_busy};
use crate::lane::Lane;
use s1_core::protocol::{Event, LaneId, LaneState, Request};

impl Worker<'_> {
    pub(super) fn start_row(&mut self, requests: Vec<(LaneId, Request)>) -> Result<(), Gone> {
        let ids: Vec<LaneId> = requests.iter().map(|(id, _)| *id).collect();
        let Some(&row) = ids.first() else {
            return Ok(());
        };
        self.start_together(requests)?;
        let mut started = false;
        for id in ids {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.row = Some(row);
                lane.waiting = lane.host.is_none();
                started = true;
            }
        }
        if !started {
            return self.tell(Event::Finished { row, computed: 0 });
        }
        self.rows.insert(row, 0);
        Ok(())
    }

    /// Whether as many lanes compute as may.
    pub(super) fn is_full(&self) -> bool {
        let own = |lane: &&Lane| is_busy(lane) && lane.host.is_none();
        self.lanes.values().filter(own).count() >= self.limit
    }

    /// Lets lanes in that wait, as many as may compute at once.
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
        let rank = |id: LaneId, lane: &Lane| {
            let (rank, depth) = match lane.donor {
                Some((donor, held)) if self.has_stopped(donor) => (2, held),
                Some((_, held)) => (0, held),
                None if lane.cache.is_some() => (2, usize::MAX),
                None => (1, 0),
            };
            (rank, depth, Reverse(id))
        };
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.waiting)
            .max_by_key(|&(&id, lane)| rank(id, lane))
            .map(|(&id, _)| id)
    }

    fn has_stopped(&self, id: LaneId) -> bool {
        let state = self.lanes.get(&id).map(|lane| lane.state);
        state.is_none_or(|state| matches!(state, LaneState::Stopped(_)))
    }

    fn let_in(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        lane.waiting = false;
        let in_row = lane.row.is_some();
        let Some((donor, held)) = lane.donor.take() else {
            return;
        };
        let cache = if in_row && self.has_stopped(donor) {
            for lane in self.lanes.values_mut() {
                if let Some((other, _)) = &mut lane.donor
                    && *other == donor
                {
                    // Its place is no deeper: the cache that is taken over holds it, too.
                    *other = id;
                }
            }
            let mut cache = self.lanes.get_mut(&donor).and_then(|d| d.cache.take());
            if let Some(cache) = &mut cache {
                cache.truncate(held);
            }
            cache
        } else {
            // Now: the donor may stop, and give its cache up, before this lane computes.
            self.copy_of_beginning(donor, held)
        };
        // Without one (no memory for a copy), the lane asks for a cache of its own later.
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.cache = cache.filter(|cache| cache.len() == held);
        }
    }

    fn copy_of_beginning(&self, donor: LaneId, held: usize) -> Option<s1_model::cache::Cache> {
        let cache = self.lanes.get(&donor)?.cache.as_ref()?;
        cache.fork(held, self.model.context).ok()
    }

    /// Whether a lane that waits relies on this one's cache.
    pub(super) fn is_donor(&self, id: LaneId) -> bool {
        let relies = |lane: &Lane| lane.donor.is_some_and(|(donor, _)| donor == id);
        self.lanes.values().any(relies)
    }

    /// A lane is about to go back to `len` tokens of its trace: those who wait behind them get a
    /// copy first.
    pub(super) fn rescue_beginnings(&mut self, id: LaneId, len: usize) {
        let Some(lane) = self.lanes.get(&id) else {
            return;
        };
        // The last token is computed once more.
        let left = (lane.prompt.len() + len).saturating_sub(1);
        let deeper = |(_, lane): &(&LaneId, &Lane)| {
            lane.donor
                .is_some_and(|(donor, held)| donor == id && held > left)
        };
        let waiting: Vec<LaneId> = self.lanes.iter().filter(deeper).map(|(&w, _)| w).collect();
        for waiting in waiting {
            let Some((donor, held)) = self.lanes.get(&waiting).and_then(|lane| lane.donor) else {
                continue;
            };
            let copy = self.copy_of_beginning(donor, held);
            if let Some(lane) = self.lanes.get_mut(&waiting) {
                lane.cache = copy;
                lane.donor = None;
            }
        }
    }

    /// After a lane has stopped: its memory goes if nobody needs it, and with the last of a row
    /// the row ends.
    pub(super) fn leave_row(&mut self, id: LaneId, state: LaneState) -> Result<(), Gone> {
        let row = self.lanes.get(&id).and_then(|lane| lane.row);
        let (LaneState::Stopped(_), Some(row)) = (state, row) else {
            return Ok(());
        };
        if !self.is_donor(id)
            && let Some(lane) = self.lanes.get_mut(&id)
        {
            lane.give_up_cache();
        }
        let mut own = self.lanes.values().filter(|lane| lane.row == Some(row));
        if own.any(|lane| !matches!(lane.state, LaneState::Stopped(_))) {
            return Ok(());
        }
        self.lanes.retain(|_, lane| lane.row != Some(row));
        match self.rows.remove(&row) {
            Some(computed) => self.tell(Event::Finished { row, computed }),
            None => Ok(()),
        }
    }
}
