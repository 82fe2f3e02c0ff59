//! Rows: lanes of one question that nobody steers, more of them than are written at once.
//!
//! The lanes of a row begin as one group ([`crate::group`]). Those that part while all places are
//! taken wait. When the sequence they left has stopped, the deepest goes first: its server has the
//! beginning at hand, and the next one's beginning is shorter.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Instant;

use super::Worker;
use super::streams::PATIENT;
use crate::lanes::{Lanes, StartedLane};
use crate::outlet::Disconnected;
use crate::server::http::may_pass;
use crate::server::places::pause;
use crate::server::sequence::Sequence;
use s1_core::protocol::{Event, LaneId};

/// Rows that have not begun: while no server answers, nobody knows the tokens of their prompts.
#[derive(Default)]
pub(super) struct Later {
    /// Their lanes, and the tokens that were computed of them before.
    rows: VecDeque<(Vec<StartedLane>, usize)>,
    /// How often the first was tried in vain, and when it is tried again.
    times: u32,
    again: Option<Instant>,
}

impl Later {
    /// When it is time to try again, if anything waits.
    pub fn until(&self) -> Option<Instant> {
        self.again.filter(|_| !self.rows.is_empty())
    }

    pub fn retain(&mut self, wanted: impl Fn(LaneId) -> bool) {
        self.rows
            .retain(|(lanes, _)| lanes.first().is_some_and(|&(id, ..)| wanted(id)));
    }
}

impl Worker<'_> {
    /// Starts a row, of which so many tokens were computed before, after those that wait to begin.
    pub(super) fn start_row(
        &mut self,
        lanes: Vec<StartedLane>,
        computed: usize,
    ) -> Result<(), Disconnected> {
        self.later.rows.push_back((lanes, computed));
        self.begin_rows()
    }

    /// Begins the rows that wait, as long as a server says what tokens their prompts have. One that never
    /// does has them refused.
    pub(super) fn begin_rows(&mut self) -> Result<(), Disconnected> {
        while self.later.until().is_none_or(|t| t <= Instant::now())
            && let Some((lanes, computed)) = self.later.rows.pop_front()
        {
            let first = lanes.first().filter(|_| !self.remote.chats());
            let prompt = first.map(|(_, request, _)| self.remote.prompt(request));
            let silent = matches!(prompt, Some(Err(error)) if may_pass(&error));
            let later = &mut self.later;
            if silent && later.times < PATIENT {
                let client = self.places.client(0);
                later.again = Some(Instant::now() + pause(client, later.times));
                later.times += 1;
                later.rows.push_front((lanes, computed));
                break;
            }
            if !silent {
                later.times = 0;
            }
            self.begin_row(lanes, computed)?;
        }
        Ok(())
    }

    fn begin_row(&mut self, lanes: Vec<StartedLane>, computed: usize) -> Result<(), Disconnected> {
        let Some(&(row, ..)) = lanes.first() else {
            return Ok(());
        };
        let hosts = self.start_together(lanes)?;
        for host in &hosts {
            if let Some(sequence) = self.sequences.get_mut(host) {
                sequence.row = Some(row);
                sequence.waiting = true;
            }
        }
        self.rows.insert(row, computed);
        Ok(())
    }

    /// Whether as many sequences of rows are under way as may be.
    pub(super) fn is_full(&self) -> bool {
        let busy = self
            .sequences
            .values()
            .filter(|s| s.is_busy() && s.row.is_some());
        busy.count() >= self.limit.min(self.remote.places)
    }

    pub(super) fn can_admit(&self) -> bool {
        !self.is_full() && self.sequences.values().any(|s| s.waiting)
    }

    /// Lets sequences in that wait, as many as may be under way at once.
    pub(super) fn admit(&mut self) {
        while self.can_admit() {
            let waiting = self.sequences.iter().filter(|(_, s)| s.waiting);
            let rank = |(id, sequence): (&LaneId, &Sequence)| {
                let gone = |source| self.sequences.get(&source).is_none_or(|s| s.has_stopped());
                let depth = sequence.tokens.len();
                let rank = match sequence.source {
                    Some(source) if gone(source) => (2, depth),
                    Some(_) => (0, depth),
                    // What resumes comes before new questions.
                    None => (1, depth),
                };
                (rank, Reverse(*id))
            };
            let first = waiting.max_by_key(|&(id, s)| rank((id, s)));
            let Some(id) = first.map(|(&id, _)| id) else {
                return;
            };
            if let Some(sequence) = self.sequences.get_mut(&id) {
                sequence.waiting = false;
            }
        }
    }

    /// Tells how much is computed of each row.
    pub(super) fn tell_computed(&self) -> Result<(), Disconnected> {
        // While rows wait to begin it is told, too: whoever listens may want to end.
        if self.rows.is_empty() && self.later.until().is_none() {
            return Ok(());
        }
        let rows = self.rows.iter().map(|(&row, &n)| (row, n)).collect();
        self.events.emit(Event::Computed(rows))
    }

    /// A row whose last sequence has stopped ends.
    pub(super) fn end_rows(&mut self) -> Result<(), Disconnected> {
        let open = |row: &LaneId| {
            let mut sequences = self.sequences.values();
            sequences.any(|s| s.row == Some(*row) && !s.has_stopped())
        };
        let ended: Vec<LaneId> = self.rows.keys().copied().filter(|row| !open(row)).collect();
        for row in ended {
            self.sequences.retain(|_, s| s.row != Some(row));
            let computed = self.rows.remove(&row).unwrap_or_default();
            self.events.emit(Event::Finished { row, computed })?;
        }
        Ok(())
    }
}
