//! What has become of each item so far, and of how many in each stage.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Progress;
use super::result::{Fate, Reason, Stage, StageKind};

/// A pool on its way through the stages.
#[derive(Debug)]
pub(super) struct Sieve {
    /// What became of each item; `None` while it goes on.
    pub fates: Vec<Option<Fate>>,
    /// The stages that are done.
    pub stages: Vec<Stage>,
    began: Instant,
}

impl Default for Sieve {
    fn default() -> Sieve {
        Sieve {
            fates: Vec::new(),
            stages: Vec::new(),
            began: Instant::now(),
        }
    }
}

impl Sieve {
    /// The number of items, once it is known.
    pub(super) fn fill(&mut self, items: usize) {
        self.fates = vec![None; items];
    }

    /// Which items go on.
    pub(super) fn open(&self) -> Vec<bool> {
        self.fates.iter().map(Option::is_none).collect()
    }

    /// The indexes of those.
    pub(super) fn left(&self) -> Vec<usize> {
        let fates = self.fates.iter().enumerate();
        fates.filter(|(_, f)| f.is_none()).map(|(i, _)| i).collect()
    }

    pub(super) fn begin(&mut self, stage: StageKind, tell: &mut dyn FnMut(Progress)) {
        self.began = Instant::now();
        tell(Progress::Began(stage));
    }

    /// Ends a stage with what it decided for each item; items that are gone stay as they are.
    pub(super) fn end(
        &mut self,
        stage: StageKind,
        fates: Vec<Option<Fate>>,
        note: Option<String>,
        tell: &mut dyn FnMut(Progress),
    ) {
        let input = self.left().len();
        let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
        for (fate, new) in self.fates.iter_mut().zip(fates) {
            if fate.is_some() {
                continue;
            }
            if let Some(reason) = new
                .as_ref()
                .map(|f| f.reason)
                .filter(|r| *r != Reason::Drawn)
            {
                *reasons.entry(reason).or_default() += 1;
            }
            *fate = new;
        }
        let done = Stage {
            stage,
            input,
            output: input - reasons.values().sum::<usize>(),
            reasons,
            seconds: self.began.elapsed().as_secs_f64(),
            note,
        };
        self.stages.push(done.clone());
        tell(Progress::Stage(done));
    }
}
