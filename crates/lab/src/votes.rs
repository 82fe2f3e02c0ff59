//! Several samples per problem: pass@k, majority@k, and the majority vote at equal total tokens.

use crate::answer::majority;
use crate::report::samples_at;
use crate::stats;
use s1_store::run::{Run, Sample};

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
    /// Upper end.
    pub high: f64,
    /// Mean of the thinking tokens of all `k` samples together: where the vote stands on an axis
    /// of tokens spent.
    pub avg_total_thinking_tokens: f64,
    /// Share of problems that at least one of `k` samples gets right, estimated from all samples:
    /// pass@k.
    pub pass: f64,
}

/// The votes at one point for k = 1, 2, … up to the samples of the run: the equal-token majority
/// line.
pub fn votes(run: &Run, point: usize) -> Vec<Votes> {
    let mut problems: Vec<Vec<&Sample>> = vec![Vec::new(); run.rows.len()];
    for (row, sample) in samples_at(run, point) {
        problems[row].push(sample);
    }
    problems.retain(|samples| samples.iter().any(|s| s.correct.is_some()));
    for samples in &mut problems {
        samples.sort_by_key(|s| s.sample);
    }
    let most = problems.iter().map(Vec::len).max().unwrap_or(0);
    (1..=most).map(|k| vote_of(k, &problems)).collect()
}

fn vote_of(k: usize, problems: &[Vec<&Sample>]) -> Votes {
    let (mut n, mut correct, mut tokens, mut pass) = (0, 0, 0, 0.0);
    for samples in problems {
        let Some(first) = samples.get(..k) else {
            continue;
        };
        n += 1;
        let answers: Vec<Option<&str>> = first.iter().map(|s| s.answer.as_deref()).collect();
        let elected = majority(&answers).map(|(i, _)| first[i]);
        correct += usize::from(elected.is_some_and(|s| s.correct == Some(true)));
        tokens += first.iter().map(|s| s.thinking).sum::<usize>();
        let right = samples.iter().filter(|s| s.correct == Some(true)).count();
        pass += stats::pass_at(k, samples.len(), right).unwrap_or(0.0);
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
        avg_total_thinking_tokens: mean(tokens as f64),
        pass: mean(pass),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let votes = votes(&run(vec![spec(Budget::Natural, 0)], rows), 0);
        let right: Vec<usize> = votes.iter().map(|v| v.correct).collect();
        assert_eq!(right, [0, 0, 1]);
        let tokens: Vec<f64> = votes.iter().map(|v| v.avg_total_thinking_tokens).collect();
        assert_eq!(tokens, [10.0, 20.0, 30.0]);
        // 2 of 3 right and 1 of 3 right.
        assert!((votes[0].pass - 0.5).abs() < 1e-12);
        assert!((votes[1].pass - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!(votes[2].pass, 1.0);
    }
}
