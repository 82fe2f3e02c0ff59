//! One lane of a comparison: its strategy, and one run or several samples of it.

use super::strategy::Strategy;
use super::{LaneId, LaneState, Phase, Policy, Request, Token, policy_of};
use s1_core::protocol::Speed;
use s1_core::trace::{Reason, StopReason, phase_text};
use s1_grading::{equal, extract, grade};

/// An answer, read out of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The extracted answer; `None` where none could be read.
    pub text: Option<String>,
    /// Whether it equals the reference, where there is one.
    pub correct: Option<bool>,
}

/// What several samples voted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The answer most of them gave.
    pub answer: Answer,
    /// How many gave it.
    pub votes: usize,
    /// How many have voted.
    pub of: usize,
}

/// One thought and its answer.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The engine's name for it.
    pub id: LaneId,
    /// The rendered prompt.
    pub prompt: Vec<u32>,
    /// What was written.
    pub tokens: Vec<Token>,
    /// Tokens before this one are as they were when a screen last laid them out.
    pub unchanged: usize,
    /// What the engine does with it; `None` before it starts.
    pub state: Option<LaneState>,
    /// The lane it is computed with.
    pub host: Option<LaneId>,
    /// Tokens that were computed for it alone.
    pub computed: usize,
    /// The thinking budget in force.
    pub budget: Option<usize>,
    /// Speed so far.
    pub speed: Speed,
    /// It repeats itself.
    pub repeats: bool,
    /// What it answered, once it has ended.
    pub answer: Option<Answer>,
    /// Why it cannot run. One sentence.
    pub refused: Option<String>,
}

impl Run {
    /// Whether it runs, or is about to.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, Some(LaneState::Prefill | LaneState::Running))
    }

    /// Whether it will not go on by itself.
    pub fn has_ended(&self) -> bool {
        self.refused.is_some() || matches!(self.state, Some(LaneState::Stopped(_)))
    }

    pub(super) fn write(&mut self, drop: usize, relabel: usize, tokens: Vec<Token>) {
        if self.host.is_none() {
            self.computed += tokens.len();
        }
        let kept = self.tokens.len().saturating_sub(drop);
        self.tokens.truncate(kept);
        let relabelled = kept.saturating_sub(relabel);
        for token in &mut self.tokens[relabelled..] {
            token.phase = Phase::Answer;
            token.reason = Some(Reason::NaturalEnd);
        }
        self.unchanged = self.unchanged.min(relabelled);
        self.tokens.extend(tokens);
    }

    /// Reads the answer, once there is one.
    pub(super) fn judge(&mut self, reference: Option<&str>) {
        let Some(LaneState::Stopped(reason)) = self.state else {
            return;
        };
        if self.answer.is_some() {
            return;
        }
        let text = phase_text(&self.tokens, Phase::Answer);
        // Stopped by the user before there was anything to judge.
        if reason == StopReason::User && text.trim().is_empty() {
            return;
        }
        let reference = reference.filter(|r| !r.trim().is_empty());
        let (found, correct) = match reference {
            Some(reference) => {
                let graded = grade(reference, &text);
                (graded.extracted, Some(graded.verdict.equal))
            }
            None => (extract(&text, None), None),
        };
        self.answer = Some(Answer {
            text: found.map(|a| a.text),
            correct,
        });
    }
}

/// One column of the comparison.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What it does.
    pub strategy: Strategy,
    /// Index of its source.
    pub origin: usize,
    /// Its samples; one, unless it is a vote.
    pub runs: Vec<Run>,
    /// The sample that is shown.
    pub sample: usize,
    /// It only measures the natural length.
    pub(super) hidden: bool,
    pub(super) began: bool,
}

impl Lane {
    pub(super) fn new(strategy: Strategy, origin: usize) -> Lane {
        Lane {
            runs: vec![Run::default(); strategy.samples.clamp(1, super::MOST_SAMPLES)],
            strategy,
            origin,
            sample: 0,
            hidden: false,
            began: false,
        }
    }

    /// The sample that is shown.
    pub fn run(&self) -> &Run {
        &self.runs[self.sample.min(self.runs.len() - 1)]
    }

    /// The same, to change what a screen keeps with it.
    pub fn run_mut(&mut self) -> &mut Run {
        let at = self.sample.min(self.runs.len() - 1);
        &mut self.runs[at]
    }

    /// Whether it cannot start before the natural length is known.
    pub fn waits_for_natural(&self) -> bool {
        !self.began && self.strategy.needs_natural() && !self.runs.iter().any(Run::has_ended)
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
            run.state = Some(LaneState::Prefill);
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
        let run = self.run_mut();
        run.state = Some(LaneState::Prefill);
        run.tokens = thought.to_vec();
        run.unchanged = 0;
        // Its last token is read once more, for what comes after it.
        run.computed = 1;
        (run.id, policy)
    }

    /// What one of its samples asks.
    pub fn request(&self, request: &Request, limit: Option<usize>, sample: usize) -> Request {
        let mut own = Request {
            policy: policy_of(request, &self.strategy, limit),
            sample: request.sample + sample as u64,
            probe_every: None,
            ..request.clone()
        };
        if let Some(temperature) = self.strategy.temperature {
            own.sampling.temperature = temperature;
        }
        own
    }

    /// What its samples voted for so far; the earlier answer where two have as many votes. For a
    /// single run, its answer.
    pub fn ballot(&self) -> Option<Ballot> {
        let answers: Vec<&Answer> = self.runs.iter().filter_map(|r| r.answer.as_ref()).collect();
        let mut kinds: Vec<(&Answer, usize)> = Vec::new();
        for answer in &answers {
            let same = |(known, _): &&mut (&Answer, usize)| match (&known.text, &answer.text) {
                (Some(a), Some(b)) => equal(a, b).equal,
                (a, b) => a == b,
            };
            match kinds.iter_mut().find(same) {
                Some((_, votes)) => *votes += 1,
                None => kinds.push((answer, 1)),
            }
        }
        // No answer is no vote, unless nobody has one.
        let with_text = |k: &(&Answer, usize)| k.0.text.is_some();
        let voted = kinds.iter().any(with_text);
        let best = kinds
            .iter()
            .filter(|k| !voted || with_text(k))
            .rev()
            .max_by_key(|(_, votes)| *votes)?;
        Some(Ballot {
            answer: best.0.clone(),
            votes: best.1,
            of: answers.len(),
        })
    }
}
