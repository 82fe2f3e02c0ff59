//! The forced-answer probe: what would the model answer if its thinking were cut here?
//!
//! Here is what does not depend on who computes it: what closes the thought and begins the answer
//! (the same as a cut writes), when the answer is long enough, and how it is read.

use s1_core::delimiters::{Delimiters, Primer};
use s1_core::forcing::{Braces, Machine};
use s1_core::trace::{Phase, Token};
use s1_core::tree::Probe;
use s1_grading::ExtractionRule;

/// Longest answer a probe waits for, in tokens. Enough for "The answer is …".
pub const MAX_TOKENS: usize = 48;

/// The tokens that close a thought in front of the forced answer, and begin it.
///
/// # Errors
/// If the trace has left the thinking there.
pub fn closing(machine: &Machine, tokens: &[Token]) -> anyhow::Result<Vec<u32>> {
    if !machine.policy().think || tokens.iter().any(|t| t.phase != Phase::Thinking) {
        anyhow::bail!("a probe needs a position inside the thinking; move the cursor there");
    }
    let last = tokens.iter().rev().find(|t| !t.text.is_empty());
    let after_newline = last.is_some_and(|token| token.text.ends_with('\n'));
    let end = machine.delimiters().forced(machine.primer());
    let newline = machine.policy().ending.newline();
    Ok([end.close(after_newline, newline), &end.primer].concat())
}

/// Whether the model ends its answer with this token.
pub fn ends_with(delimiters: &Delimiters, id: u32) -> bool {
    let turn = delimiters.natural_close.is_some() && delimiters.end_ids.contains(&id);
    turn || delimiters.turn_ids.contains(&id)
}

/// Whether the answer that follows `primer` is complete: the box is closed, or there is a line.
/// More would only delay the thought.
pub fn is_complete(primer: Primer, text: &str) -> bool {
    let mut braces = Braces::default();
    braces.push(primer.text());
    let boxed = braces.are_opened();
    braces.push(text);
    boxed && braces.are_closed() || text.trim_start().contains('\n')
}

/// What a model answered to a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Its words, without the primer.
    pub text: String,
    /// Whether it came to an end.
    pub complete: bool,
}

/// Reads the answer that was given after `at` tokens, following `primer`.
pub fn read(primer: Primer, at: usize, given: &ProbeAnswer, reference: Option<&str>) -> Probe {
    let text = format!("{}{}", primer.text(), given.text)
        .trim()
        .to_string();
    // Half a sentence is no answer, only because it is short.
    let half = |rule| !given.complete && rule == ExtractionRule::Whole;
    let answer = s1_grading::extract(&text, None).filter(|found| !half(found.rule));
    let answer = answer.map(|found| found.text);
    Probe {
        at,
        // Where nothing was read there is nothing to be right or wrong.
        correct: reference
            .filter(|_| answer.is_some())
            .map(|r| s1_grading::grade(r, &text).verdict.equal),
        answer,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(primer: Primer, text: &str, complete: bool) -> Probe {
        let given = ProbeAnswer {
            text: text.into(),
            complete,
        };
        read(primer, 3, &given, Some("27"))
    }

    #[test]
    fn an_answer_is_read_together_with_what_was_begun_for_it() {
        let boxed = probe(Primer::Boxed, "27}", true);
        assert_eq!(
            (boxed.answer.as_deref(), boxed.correct),
            (Some("27"), Some(true))
        );
        assert_eq!(boxed.text, "Final Answer: \\boxed{27}");
        let plain = probe(Primer::Answer, " 26 pens\n", true);
        assert_eq!(
            (plain.answer.as_deref(), plain.correct),
            (Some("26 pens"), Some(false))
        );
        assert!(is_complete(Primer::Boxed, "\\frac{1}{2}}"));
        assert!(!is_complete(Primer::Boxed, "\\frac{1}{2}"));
        assert!(!is_complete(Primer::Answer, "\n \\frac{1}{2}"));
    }

    #[test]
    fn half_a_sentence_is_neither_right_nor_wrong() {
        let half = probe(
            Primer::None,
            "To determine how many pens are left, we need",
            false,
        );
        assert_eq!((half.answer, half.correct), (None, None));
        assert_eq!(probe(Primer::None, "27", true).correct, Some(true));
    }
}
