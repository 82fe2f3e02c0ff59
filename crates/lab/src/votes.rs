//! Several samples per problem: pass@k, majority@k, and the majority vote at equal total tokens.

use std::collections::BTreeMap;

use crate::answer::VoteCount;
use crate::stats;
use s1_store::run::Sample;

/// The vote of the first `k` samples of every problem at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Votes {
    /// Samples per vote.
    pub k: usize,
    /// Problems with a reference and at least `k` samples.
    pub n: usize,
    /// Problems whose elected answer is right.
    pub correct: usize,
    /// Share of right ones: majority@k; 0 for `n = 0`.
    pub accuracy: f64,
    /// Lower end of Wilson's 95 % interval.
    pub low: f64,
    pub high: f64,
    /// Mean of the thinking tokens of all `k` samples together: the place of the vote on an axis
    /// of tokens spent.
    pub avg_total_thinking_tokens: f64,
    /// Mean of all tokens of all `k` samples together, answers included.
    pub avg_total_tokens: f64,
    /// Share of problems that at least one of `k` samples gets right, estimated from all samples:
    /// pass@k.
    pub pass: f64,
}

/// The votes at one point, counted problem by problem.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ballots {
    /// For k = 1, 2, …: problems whose elected answer is right, and the tokens of all.
    of_first: Vec<FirstVotes>,
    /// Problems by their number of samples and of right ones.
    problems: BTreeMap<(usize, usize), usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct FirstVotes {
    correct: usize,
    thinking: usize,
    answers: usize,
}

impl Ballots {
    /// Counts the samples of a problem; without a grade they are left out.
    pub(crate) fn push(&mut self, samples: &[Sample]) {
        if samples.iter().all(|s| s.correct.is_none()) {
            return;
        }
        let right = samples.iter().filter(|s| s.correct == Some(true)).count();
        *self.problems.entry((samples.len(), right)).or_default() += 1;
        if self.of_first.len() < samples.len() {
            self.of_first.resize(samples.len(), FirstVotes::default());
        }
        let (mut thinking, mut answers) = (0, 0);
        let mut count = VoteCount::default();
        for (sample, first) in samples.iter().zip(&mut self.of_first) {
            thinking += sample.thinking;
            answers += sample.answer_tokens;
            count.push(sample.answer.as_deref());
            let elected = count.leader().map(|(at, _)| &samples[at]);
            first.thinking += thinking;
            first.answers += answers;
            first.correct += usize::from(elected.is_some_and(|s| s.correct == Some(true)));
        }
    }

    /// The votes for k = 1, 2, … up to the most samples of a problem: the equal-token majority
    /// line.
    pub(crate) fn votes(&self) -> Vec<Votes> {
        (1..=self.of_first.len()).map(|k| self.of(k)).collect()
    }

    fn of(&self, k: usize) -> Votes {
        let FirstVotes {
            correct,
            thinking,
            answers,
        } = self.of_first[k - 1];
        let (mut n, mut pass) = (0, 0.0);
        for (&(samples, right), &problems) in &self.problems {
            if let Some(share) = stats::pass_at(k, samples, right) {
                n += problems;
                pass += share * problems as f64;
            }
        }
        let (low, high) = stats::wilson(correct, n);
        let mean = |sum: f64| if n == 0 { 0.0 } else { sum / n as f64 };
        Votes {
            k,
            n,
            correct,
            accuracy: mean(correct as f64),
            low,
            high,
            avg_total_thinking_tokens: mean(thinking as f64),
            avg_total_tokens: mean((thinking + answers) as f64),
            pass: mean(pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::report::tests::{run, sample, spec};
    use s1_store::run::Budget;

    #[test]
    fn the_majority_wins_by_value_and_costs_all_its_tokens() {
        let answer = |index, text: Option<&str>, right| Sample {
            answer: text.map(Into::into),
            ..sample(0, index, 10, right)
        };
        let rows = vec![
            // 8 first, then 7 and 7.0: at three samples the right answer has two votes.
            vec![
                answer(0, Some("8"), false),
                answer(1, Some("7"), true),
                answer(2, Some("7.0"), true),
            ],
            // Without an answer no vote; a tie goes to the first.
            vec![
                answer(0, None, false),
                answer(1, Some("9"), false),
                answer(2, Some("7"), true),
            ],
        ];
        let votes = Report::of(&run(vec![spec(Budget::Natural, 0)], rows)).votes(0);
        let right: Vec<usize> = votes.iter().map(|v| v.correct).collect();
        assert_eq!(right, [0, 0, 1]);
        let tokens: Vec<f64> = votes.iter().map(|v| v.avg_total_thinking_tokens).collect();
        assert_eq!(tokens, [10.0, 20.0, 30.0]);
        let tokens: Vec<f64> = votes.iter().map(|v| v.avg_total_tokens).collect();
        assert_eq!(tokens, [14.0, 28.0, 42.0]);
        // 2 of 3 right and 1 of 3 right.
        assert!((votes[0].pass - 0.5).abs() < 1e-12);
        assert!((votes[1].pass - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!(votes[2].pass, 1.0);
    }
}
