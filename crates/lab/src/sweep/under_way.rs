//! What is written of the rows under way, saved now and then, and gone on with.
//!
//! A row is saved as it was at one moment between two steps of the engine. Drawing is seeded by
//! position, so reading what was written and going on gives what would have come anyway, bit by bit
//! on a CPU, and so the same row.
//!
//! Not here: the finished rows.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Progress, Sweep};
use s1_core::protocol::{Command, LaneId, LaneState, Request};
use s1_core::view::LaneView;
use s1_store::run::{OpenLane, OpenRow};

/// Between two saves, once it has run for a while.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// A sitting may be short: at first they are as close as this part of it.
const PART: u32 = 8;
/// Saving takes at most one part in so many of the time.
const COST: u32 = 10;

/// What is known of the rows under way beyond their lanes.
pub(super) struct UnderWay {
    /// Rows that were written to since they were saved, by their first lane.
    pub changed: BTreeSet<LaneId>,
    /// Tokens computed for each row at the last moment between two steps.
    pub computed: Vec<(LaneId, usize)>,
    saved: Instant,
    /// How long saving took.
    took: Duration,
}

impl Default for UnderWay {
    fn default() -> UnderWay {
        UnderWay {
            changed: BTreeSet::new(),
            computed: Vec::new(),
            saved: Instant::now(),
            took: Duration::ZERO,
        }
    }
}

impl Sweep<'_> {
    /// Says how many lanes may compute. A sitting that resumes may be as short as the one before: it
    /// begins with one lane, and has another each second, so that it does not end before all have
    /// read their prompts.
    pub(super) fn limit(&mut self) {
        let most = match self.plan.resume {
            true => 1 + self.spent().as_secs() as usize,
            false => usize::MAX,
        };
        let limit = most.min(self.plan.lanes);
        if limit != self.limit {
            self.limit = limit;
            self.engine.send(Command::Limit(limit));
        }
    }

    /// Saves the rows under way if it is time, or `now`. To be called between two steps of the
    /// engine, when all lanes are at one moment.
    pub(super) fn save(&mut self, now: bool) -> Result<()> {
        let spent = self.spent();
        let pause = (spent / PART)
            .min(SAVE_EVERY)
            .max(self.under_way.took * COST);
        if self.under_way.changed.is_empty() || !now && self.under_way.saved.elapsed() < pause {
            return Ok(());
        }
        let started = Instant::now();
        let changed = std::mem::take(&mut self.under_way.changed);
        let rows = changed.iter().filter_map(|&first| self.open_row(first));
        let rows: Vec<OpenRow<'_>> = rows.collect();
        let spent_on = spent.saturating_sub(self.committed);
        self.db.save_open(&self.plan.name, &rows, spent_on)?;
        self.committed = spent;
        self.under_way.saved = Instant::now();
        self.under_way.took = started.elapsed();
        Ok(())
    }

    /// The row as it is; `None` if it is about to be finished.
    fn open_row(&self, first: LaneId) -> Option<OpenRow<'_>> {
        let &problem = self.flying.get(&first)?;
        let computed = self.under_way.computed.iter();
        let computed = computed.filter(|(row, _)| self.row_of(*row) == first);
        let lanes = (first..first + self.members()).map(|id| match self.lanes.get(id) {
            Some(lane) => OpenLane {
                tokens: Cow::Borrowed(&lane.tokens),
                stop: lane.stop,
            },
            None => OpenLane::default(),
        });
        let lanes: Vec<OpenLane<'_>> = lanes.collect();
        lanes
            .iter()
            .any(|lane| lane.stop.is_none())
            .then_some(OpenRow {
                problem,
                computed: computed.map(|(_, n)| n).sum(),
                lanes,
            })
    }

    /// What an earlier sitting has written of a problem. What cannot be used is computed again.
    pub(super) fn earlier(
        &self,
        problem: usize,
        lanes: usize,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Option<OpenRow<'static>>> {
        if !self.plan.resume {
            return Ok(None);
        }
        Ok(match self.db.open_row(&self.plan.name, problem) {
            Ok(row) => row.filter(|row| {
                let open = row.lanes.iter().any(|lane| lane.stop.is_none());
                open && row.lanes.len() == lanes
            }),
            Err(error) => {
                let id = &self.plan.problems.problems[problem].id;
                tell(Progress::Notice(format!(
                    "problem {id} begins again: {error:#}"
                )));
                None
            }
        })
    }

    /// Goes on with a row: what has ended is known, the others are read back.
    pub(super) fn resume(
        &mut self,
        requests: Vec<(LaneId, Request)>,
        row: OpenRow<'static>,
    ) -> Command {
        let mut lanes = Vec::new();
        for ((id, request), lane) in requests.into_iter().zip(row.lanes) {
            let tokens = lane.tokens.into_owned();
            let view = LaneView {
                tokens: tokens.clone().into(),
                stop: lane.stop,
                state: lane.stop.map(LaneState::Stopped),
                ..LaneView::default()
            };
            self.lanes.put(id, view);
            if lane.stop.is_none() {
                lanes.push((id, request, tokens));
            }
        }
        Command::ResumeRow {
            lanes,
            computed: row.computed,
        }
    }
}
