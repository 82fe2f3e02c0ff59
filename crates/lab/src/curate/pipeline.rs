//! What has become of each item so far, and of how many in each stage.

use std::collections::BTreeMap;
use std::time::Instant;

use super::plan::CurationProgress;
use super::result::{Decision, DecisionReason, Stage, StageKind};

/// A pool on its way through the stages.
#[derive(Debug)]
pub(super) struct FilterPipeline {
    /// What became of each item, and in which stage; `None` while it is undecided.
    pub decisions: Vec<Option<(StageKind, Decision)>>,
    /// The stages that are done.
    pub stages: Vec<Stage>,
    began: Instant,
}

impl Default for FilterPipeline {
    fn default() -> FilterPipeline {
        FilterPipeline {
            decisions: Vec::new(),
            stages: Vec::new(),
            began: Instant::now(),
        }
    }
}

impl FilterPipeline {
    /// The number of items, once it is known.
    pub(super) fn fill(&mut self, items: usize) {
        self.decisions = vec![None; items];
    }

    pub(super) fn open(&self) -> Vec<bool> {
        self.decisions.iter().map(Option::is_none).collect()
    }

    /// The indexes of the undecided items.
    pub(super) fn left(&self) -> Vec<usize> {
        let decisions = self.decisions.iter().enumerate();
        decisions
            .filter(|(_, f)| f.is_none())
            .map(|(i, _)| i)
            .collect()
    }

    pub(super) fn begin(&mut self, stage: StageKind, tell: &mut dyn FnMut(CurationProgress)) {
        self.began = Instant::now();
        tell(CurationProgress::Began(stage));
    }

    /// Ends a stage with what it decided for each item; items that are gone stay as they are.
    pub(super) fn end(
        &mut self,
        stage: StageKind,
        decisions: Vec<Option<Decision>>,
        note: Option<String>,
        tell: &mut dyn FnMut(CurationProgress),
    ) {
        let input = self.left().len();
        let mut reasons: BTreeMap<DecisionReason, usize> = BTreeMap::new();
        for (decision, new) in self.decisions.iter_mut().zip(decisions) {
            if decision.is_some() {
                continue;
            }
            if let Some(reason) = new
                .as_ref()
                .map(|f| f.reason)
                .filter(|r| *r != DecisionReason::Drawn)
            {
                *reasons.entry(reason).or_default() += 1;
            }
            *decision = new.map(|new| (stage, new));
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
        tell(CurationProgress::Stage(done));
    }
}
