//! One lane of a comparison: its strategy, and one run or several samples of it.

use super::strategy::Strategy;
use super::{LaneId, LaneState, Policy, Request, Token, policy_of};
use crate::answer::{FinalAnswer, majority, tally};
use s1_core::view::LaneView;

/// What several samples voted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The answer most of them gave.
    pub answer: FinalAnswer,
    pub votes: usize,
    pub of: usize,
}

/// One thought of a lane, and its answer.
#[derive(Clone, Debug, Default)]
pub struct LaneRun {
    /// The engine's name for it.
    pub id: LaneId,
    /// What the engine has said of it.
    pub lane: LaneView,
    /// What it answered, once it has ended.
    pub answer: Option<FinalAnswer>,
}

impl LaneRun {
    /// Reads the answer, once there is one.
    pub(super) fn grade(&mut self, reference: Option<&str>) {
        if self.answer.is_none() {
            self.answer = FinalAnswer::of_ended(&self.lane.tokens, self.lane.stop, reference);
        }
    }
}

/// One column of the comparison.
#[derive(Clone, Debug)]
pub struct Lane {
    pub strategy: Strategy,
    /// Index of its source.
    pub origin: usize,
    /// Its samples; one, unless it is a vote.
    pub runs: Vec<LaneRun>,
    /// The sample that is shown.
    pub sample: usize,
    /// It was asked for, or is not to be any more.
    pub(super) began: bool,
    /// Somebody has steered or stopped it: it is not what its strategy alone would make of it.
    pub(super) by_hand: bool,
}

impl Lane {
    pub(super) fn new(strategy: Strategy, origin: usize) -> Lane {
        Lane {
            runs: vec![LaneRun::default(); strategy.samples.clamp(1, super::MAX_SAMPLES)],
            strategy,
            origin,
            sample: 0,
            began: false,
            by_hand: false,
        }
    }

    /// The sample that is shown.
    pub fn run(&self) -> &LaneRun {
        &self.runs[self.sample.min(self.runs.len() - 1)]
    }

    /// Whether it cannot start before the natural length is known.
    pub fn waits_for_natural(&self) -> bool {
        !self.began
            && self.strategy.needs_natural()
            && !self.runs.iter().any(|r| r.lane.has_ended())
    }

    /// What it asks of the engine, sample by sample.
    pub(super) fn begin(
        &mut self,
        request: &Request,
        limit: Option<usize>,
    ) -> Vec<(LaneId, Request)> {
        self.began = true;
        let of = |sample: usize| self.request(request, limit, sample);
        let asked = (0..self.runs.len()).map(|i| (self.runs[i].id, of(i)));
        let asked = asked.collect();
        for run in &mut self.runs {
            run.lane.state = Some(LaneState::Prefill);
        }
        asked
    }

    /// Begins with a part of another lane's thought.
    pub(super) fn take_over(
        &mut self,
        request: &Request,
        thought: &[Token],
        limit: Option<usize>,
    ) -> (LaneId, Policy) {
        self.began = true;
        let policy = policy_of(request, &self.strategy, limit);
        let run = &mut self.runs[0];
        run.lane.state = Some(LaneState::Prefill);
        run.lane.tokens = thought.to_vec().into();
        // Its last token is read once more, for what comes after it.
        run.lane.computed = 1;
        (run.id, policy)
    }

    /// What one of its samples asks.
    pub fn request(&self, request: &Request, limit: Option<usize>, sample: usize) -> Request {
        let mut own = Request {
            policy: policy_of(request, &self.strategy, limit),
            sample: request.sample + sample as u64,
            probe_every: None,
            probe_text: String::new(),
            ..request.clone()
        };
        if let Some(temperature) = self.strategy.temperature {
            own.sampling.temperature = temperature;
        }
        own
    }

    /// Every answer of its samples so far with its votes, the most frequent first.
    pub fn tally(&self) -> Vec<(&str, usize)> {
        let answers = self.runs.iter().filter_map(|r| r.answer.as_ref());
        let texts: Vec<Option<&str>> = answers.map(|a| a.text.as_deref()).collect();
        tally(&texts)
    }

    /// What its samples voted for so far; the earlier answer where two have as many votes. For a
    /// single run, its answer.
    pub fn ballot(&self) -> Option<Ballot> {
        let answers: Vec<&FinalAnswer> =
            self.runs.iter().filter_map(|r| r.answer.as_ref()).collect();
        let texts: Vec<Option<&str>> = answers.iter().map(|a| a.text.as_deref()).collect();
        // Without any vote, they agree on no answer.
        let (first, votes) = majority(&texts).unwrap_or((0, answers.len()));
        Some(Ballot {
            answer: (*answers.get(first)?).clone(),
            votes,
            of: answers.len(),
        })
    }
}
