//! The answer of a finished trace: read out, graded, and voted on.

use s1_core::trace::{Phase, Reason, StopReason, Token, phase_text};
use s1_grading::{equal, extract, grade};

/// An answer, read out of a trace that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalAnswer {
    /// The extracted answer; `None` where none could be read.
    pub text: Option<String>,
    /// Whether it equals the reference, where there is one.
    pub correct: Option<bool>,
}

impl FinalAnswer {
    /// The answer of a trace. A blank reference counts as none.
    pub fn of(tokens: &[Token], reference: Option<&str>) -> FinalAnswer {
        let text = phase_text(tokens, Phase::Answer);
        let reference = reference.filter(|r| !r.trim().is_empty());
        let (found, correct) = match reference {
            Some(reference) => {
                let graded = grade(reference, &text);
                (graded.extracted, Some(graded.verdict.equal))
            }
            None => (extract(&text, None), None),
        };
        FinalAnswer {
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
    ) -> Option<FinalAnswer> {
        let begun = |t: &Token| t.reason == Some(Reason::FinalAnswer) || t.text.trim().is_empty();
        let answer = || tokens.iter().filter(|t| t.phase == Phase::Answer);
        let blank = || answer().all(|t| t.is_delimiter() || begun(t));
        if stop? == StopReason::User && blank() {
            return None;
        }
        Some(FinalAnswer::of(tokens, reference))
    }
}

/// The majority among answers, by value: the index of the first that gives it, and how many do.
/// Where two have as many votes, the one that was given first wins; a missing answer does not count.
pub fn majority(answers: &[Option<&str>]) -> Option<(usize, usize)> {
    let mut count = VoteCount::default();
    answers.iter().for_each(|answer| count.push(*answer));
    count.leader()
}

/// Every value with its votes, the most frequent first; of those with as many, the earlier.
pub fn tally<'a>(answers: &[Option<&'a str>]) -> Vec<(&'a str, usize)> {
    let mut count = VoteCount::default();
    answers.iter().for_each(|answer| count.push(*answer));
    let mut tally: Vec<(&str, usize)> = count.candidates.iter().map(|c| (c.1, c.2)).collect();
    tally.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    tally
}

/// Answers counted one after another, as [`majority`] counts them.
#[derive(Default)]
pub(crate) struct VoteCount<'a> {
    /// For every value: the first answer that gives it, by its index, and how many do.
    candidates: Vec<(usize, &'a str, usize)>,
    given: usize,
}

impl<'a> VoteCount<'a> {
    pub(crate) fn push(&mut self, answer: Option<&'a str>) {
        self.given += 1;
        let Some(answer) = answer else { return };
        let same = |(_, known, _): &&mut (usize, &str, usize)| {
            *known == answer || equal(known, answer).equal
        };
        match self.candidates.iter_mut().find(same) {
            Some((_, _, votes)) => *votes += 1,
            None => self.candidates.push((self.given - 1, answer, 1)),
        }
    }

    /// The first answer of those with the most votes, by its index, and their number.
    pub(crate) fn leader(&self) -> Option<(usize, usize)> {
        let leader = self.candidates.iter().rev().max_by_key(|c| c.2)?;
        Some((leader.0, leader.2))
    }
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
        assert_eq!(tally(&answers), [("7", 3), ("8", 2)]);
    }
}
