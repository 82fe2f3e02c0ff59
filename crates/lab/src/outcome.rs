//! What became of an answer: given, missing, cut short, or still reasoning.
//!
//! A cut changes more than accuracy. A model that is made to answer too early may say nothing, run on
//! to the longest answer, go on reasoning inside the answer, or end its thinking a second time. Such
//! samples are counted for themselves, so that a wrong answer and none are told apart.
//!
//! Not here: whether an answer is right.

use s1_core::exit;
use s1_core::sentence::ends_sentence;
use s1_core::trace::{Phase, StopReason, Token};
use s1_store::run::Sample;

/// What the answer of a trace is like, beyond its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The reasoning went on inside the answer, after a forced end: a sentence of it begins as one of
    /// a thought does, or the thinking is ended again.
    pub leaked: bool,
    /// The thinking is ended a second time.
    pub second_end: bool,
}

impl Outcome {
    /// That of a finished trace, whose thinking was cut off or not.
    pub fn of(tokens: &[Token], forced: bool) -> Outcome {
        let text = |delimiter: bool| -> String {
            let own = tokens.iter().filter(|t| t.phase == Phase::Answer);
            let own = own.filter(|t| t.is_delimiter() == delimiter);
            own.map(|t| t.text.as_str()).collect()
        };
        let (end, answer) = (text(true), text(false));
        let end = end.trim();
        let second_end = !end.is_empty() && answer.contains(end);
        Outcome {
            leaked: forced && (second_end || reasons(&answer)),
            second_end,
        }
    }
}

/// Whether a sentence of the text begins as one of a thought does.
fn reasons(text: &str) -> bool {
    let lower = text.to_lowercase();
    let begins = |(at, _): &(usize, char)| {
        let before = lower[..*at].trim_end_matches([' ', '*', '_', '-', '>']);
        before.is_empty() || ends_sentence(before) || before.ends_with('.')
    };
    let starts = lower.char_indices().filter(|(_, c)| c.is_alphabetic());
    starts.filter(begins).any(|(at, _)| {
        exit::words().reasoning.iter().any(|words| {
            let rest = lower[at..].strip_prefix(words.as_str());
            rest.is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
        })
    })
}

/// Samples counted by what became of their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub samples: usize,
    /// An answer could be read.
    pub answered: usize,
    /// None could be read, and the answer had come to its end.
    pub missing: usize,
    /// None could be read, and the answer was ended by its length or by the context.
    pub cut_short: usize,
    /// The reasoning went on inside the answer, whether one could be read or not.
    pub leaked: usize,
    /// The thinking was ended a second time.
    pub second_end: usize,
    /// Samples of which the last two are not known: they were stored before this was looked at.
    pub unknown: usize,
    /// Of the answered ones, graded and right ones.
    pub graded: usize,
    pub right: usize,
}

impl Outcomes {
    /// Counts one more sample.
    pub fn push(&mut self, sample: &Sample) {
        let by_length = matches!(sample.stop, StopReason::AnswerMax | StopReason::ContextFull);
        self.samples += 1;
        match (&sample.answer, by_length) {
            (Some(_), _) => {
                self.answered += 1;
                self.graded += usize::from(sample.correct.is_some());
                self.right += usize::from(sample.correct == Some(true));
            }
            (None, true) => self.cut_short += 1,
            (None, false) => self.missing += 1,
        }
        self.leaked += usize::from(sample.leaked == Some(true));
        self.second_end += usize::from(sample.second_end == Some(true));
        self.unknown += usize::from(sample.leaked.is_none());
    }

    /// Share of right ones among those that were answered; `None` where none was.
    pub fn accuracy_of_answered(&self) -> Option<f64> {
        (self.graded > 0).then(|| self.right as f64 / self.graded as f64)
    }

    /// Whether every sample was answered and none reasoned on.
    pub fn is_clean(&self) -> bool {
        self.answered == self.samples && self.leaked == 0 && self.second_end == 0
    }

    /// What is not clean, in a few words; empty if all is.
    pub fn words(&self) -> String {
        let parts = [
            (self.missing, "without answer"),
            (self.cut_short, "cut short"),
            (self.leaked, "reasoned on"),
            (self.second_end, "ended twice"),
        ];
        let parts = parts.iter().filter(|(n, _)| *n > 0);
        let parts: Vec<String> = parts.map(|(n, what)| format!("{n} {what}")).collect();
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;
    use s1_core::trace::{Origin, Reason};

    fn trace(answer: &str) -> Vec<Token> {
        let end = Token {
            origin: Origin::Forced,
            reason: Some(Reason::Budget),
            ..Token::new(9, "</think>\n\n", Phase::Answer)
        };
        let pieces = answer.split_inclusive(' ');
        let pieces = pieces.map(|text| Token::new(1, text, Phase::Answer));
        let thought = Token::new(0, "So 3 + 4", Phase::Thinking);
        [thought, end].into_iter().chain(pieces).collect()
    }

    #[test]
    fn an_answer_that_goes_on_thinking_is_told_from_one_that_answers() {
        let outcome = |answer| {
            let found = Outcome::of(&trace(answer), true);
            (found.leaked, found.second_end)
        };
        assert_eq!(outcome("The answer is 7."), (false, false));
        assert_eq!(outcome("7 is it. Waiting helps nobody."), (false, false));
        assert_eq!(outcome("They wait for 7 minutes."), (false, false));
        assert_eq!(outcome("Wait, is it 7?"), (true, false));
        assert_eq!(outcome("It is 7. Hmm, no. It is 8."), (true, false));
        assert_eq!(outcome("First\n**Let me see**: 7"), (true, false));
        assert_eq!(outcome("3 + 4 = 7 </think> 7"), (true, true));
        let natural = Outcome::of(&trace("Okay: 7"), false);
        assert!(!natural.leaked, "nobody cut it");
    }

    #[test]
    fn no_answer_and_a_wrong_one_are_counted_apart() {
        let of = |answer: Option<&str>, stop, correct| Sample {
            answer: answer.map(Into::into),
            stop,
            correct: Some(correct),
            ..sample(0, 0, 4, correct)
        };
        let mut counted = Outcomes::default();
        for sample in [
            of(Some("7"), StopReason::EndOfTurn, true),
            of(Some("8"), StopReason::AnswerMax, false),
            of(None, StopReason::EndOfTurn, false),
            of(None, StopReason::AnswerMax, false),
            Sample {
                leaked: Some(true),
                second_end: Some(true),
                ..of(Some("7"), StopReason::EndOfTurn, true)
            },
            Sample {
                leaked: None,
                second_end: None,
                ..of(Some("7"), StopReason::EndOfTurn, true)
            },
        ] {
            counted.push(&sample);
        }
        assert_eq!(
            (counted.samples, counted.answered, counted.unknown),
            (6, 4, 1)
        );
        assert_eq!(
            counted.words(),
            "1 without answer, 1 cut short, 1 reasoned on, 1 ended twice"
        );
        assert_eq!(counted.accuracy_of_answered(), Some(0.75));
        assert_eq!(Outcomes::default().accuracy_of_answered(), None);
        assert!(!counted.is_clean() && Outcomes::default().is_clean());
    }
}
