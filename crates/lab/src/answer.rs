//! The answer of a finished trace: read out, graded, and voted on.

use s1_core::trace::{Phase, StopReason, Token, phase_text};
use s1_grading::{equal, extract, grade};

/// An answer, read out of a trace that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The extracted answer; `None` where none could be read.
    pub text: Option<String>,
    /// Whether it equals the reference, where there is one.
    pub correct: Option<bool>,
}

impl Answer {
    /// The answer of a trace. A blank reference is none.
    pub fn of(tokens: &[Token], reference: Option<&str>) -> Answer {
        let text = phase_text(tokens, Phase::Answer);
        let reference = reference.filter(|r| !r.trim().is_empty());
        let (found, correct) = match reference {
            Some(reference) => {
                let graded = grade(reference, &text);
                (graded.extracted, Some(graded.verdict.equal))
            }
            None => (extract(&text, None), None),
        };
        Answer {
            text: found.map(|a| a.text),
            correct,
        }
    }

    /// The answer of a trace that may not have one: `None` before its end, and where the user
    /// stopped it before it answered.
    pub fn of_ended(
        tokens: &[Token],
        stop: Option<StopReason>,
        reference: Option<&str>,
    ) -> Option<Answer> {
        let blank = || phase_text(tokens, Phase::Answer).trim().is_empty();
        if stop? == StopReason::User && blank() {
            return None;
        }
        Some(Answer::of(tokens, reference))
    }
}

/// The majority among answers, by value: the index of the first that gives it, and how many do.
/// Where two have as many votes, the one that was given first wins; no answer is no vote.
pub fn majority(answers: &[Option<&str>]) -> Option<(usize, usize)> {
    let mut candidates: Vec<(usize, &str, usize)> = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        let Some(answer) = answer else { continue };
        let same = |(_, known, _): &&mut (usize, &str, usize)| {
            known == answer || equal(known, answer).equal
        };
        match candidates.iter_mut().find(same) {
            Some((_, _, votes)) => *votes += 1,
            None => candidates.push((i, answer, 1)),
        }
    }
    let (first, _, votes) = candidates.into_iter().rev().max_by_key(|c| c.2)?;
    Some((first, votes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_most_frequent_values_wins() {
        assert_eq!(majority(&[]), None);
        assert_eq!(majority(&[None, None]), None);
        assert_eq!(majority(&[None, Some("9"), Some("7")]), Some((1, 1)));
        let answers = [
            Some("8"),
            None,
            Some("7"),
            Some("8.0"),
            Some("7.0"),
            Some("14/2"),
        ];
        assert_eq!(majority(&answers), Some((2, 3)));
    }
}
