//! Trial answers: what would the model answer if its thinking ended here?
//!
//! Here is what does not depend on who computes it: what ends the thought and begins the answer, when
//! the answer is long enough, and how it is read: as a probe that somebody looks at, or as a sight of
//! a rule for early exits.

use s1_core::delimiters::{Delimiters, Primer};
use s1_core::exit::{Scores, Seen, Sight, Trial, Tried};
use s1_core::forcing::{Braces, Machine};
use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_core::trace::{Phase, Token};
use s1_core::tree::Probe;
use s1_grading::ExtractionRule;

/// Of how many most probable tokens the confidence of a place is.
pub const CONSIDERED: usize = 20;

/// What is written before an answer is tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    pub ids: Vec<u32>,
    /// What of it belongs to the answer.
    pub text: String,
}

/// What begins a trial after `tokens`; `encode` gives the tokens of a text.
///
/// # Errors
/// If the trace has left the thinking there; those of `encode`.
pub fn begin(
    machine: &Machine,
    tokens: &[Token],
    trial: &Trial,
    encode: impl Fn(&str) -> anyhow::Result<Vec<u32>>,
) -> anyhow::Result<Begun> {
    if !machine.policy().think || tokens.iter().any(|t| t.phase != Phase::Thinking) {
        anyhow::bail!("a probe needs a position inside the thinking; move the cursor there");
    }
    let mut ids = Vec::new();
    // A trial without words of its own begins as the answer after a cut does.
    let primer = match (trial.after_end, trial.text.is_empty()) {
        (true, true) => machine.primer(),
        _ => Primer::None,
    };
    if trial.after_end {
        let last = tokens.iter().rev().find(|t| !t.text.is_empty());
        let after_newline = last.is_some_and(|token| token.text.ends_with('\n'));
        let end = machine.delimiters().forced(primer);
        let newline = machine.policy().ending.newline();
        ids.extend(end.close(after_newline, newline));
        ids.extend(&end.primer);
    }
    ids.extend(encode(&trial.text)?);
    Ok(Begun {
        ids,
        text: format!("{}{}", primer.text(), trial.text),
    })
}

/// How a trial of a request is drawn.
pub fn sampling(trial: &Trial, request: &Request) -> Sampling {
    Sampling {
        temperature: trial.temperature,
        top_p: trial.top_p,
        seed: request.sampling.seed,
        ..Sampling::default()
    }
}

/// Whether the model ends its answer with this token.
pub fn ends_with(delimiters: &Delimiters, id: u32) -> bool {
    let turn = delimiters.natural_close.is_some() && delimiters.end_ids.contains(&id);
    turn || delimiters.turn_ids.contains(&id)
}

/// Whether an answer that was begun so is complete: the box is closed, or there is a line.
/// More would only delay the thought.
pub fn is_complete(begun: &str, text: &str) -> bool {
    let mut braces = Braces::default();
    braces.push(begun);
    // "\boxed" without its brace waits for one.
    let boxed = braces.are_opened() || begun.ends_with("\\boxed");
    braces.push(text);
    boxed && braces.are_closed() || text.trim_start().contains('\n')
}

/// What a model answered to a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Its words, without those it was begun with.
    pub text: String,
    /// Whether it came to an end.
    pub complete: bool,
    /// Probability of the best token, at each of its places.
    pub best: Vec<f32>,
    /// Entropy at the first of them, in nats.
    pub entropy: f32,
}

impl Given {
    /// Mean probability of its tokens; the first, which has yet to choose how to begin, is left out.
    pub fn confidence(&self) -> f32 {
        let counted = match &self.best[..] {
            [_, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        counted.iter().sum::<f32>() / counted.len().max(1) as f32
    }

    /// The answer in it, and its whole text.
    fn read(&self, begun: &str) -> (Option<String>, String) {
        let text = format!("{begun}{}", self.text).trim().to_string();
        // Half a sentence is no answer, only because it is short.
        let half = |rule| !self.complete && rule == ExtractionRule::Whole;
        let answer = s1_grading::extract(&text, None).filter(|found| !half(found.rule));
        (answer.map(|found| found.text), text)
    }
}

/// The probe made after `at` tokens, whose answer was begun with `begun`.
pub fn read(begun: &str, at: usize, given: &Given, reference: Option<&str>) -> Probe {
    let (answer, text) = given.read(begun);
    Probe {
        at,
        // Where nothing was read there is nothing to be right or wrong.
        correct: reference
            .filter(|_| answer.is_some())
            .map(|r| s1_grading::grade(r, &text).verdict.equal),
        answer,
        text,
        confidence: Some(given.confidence()),
        entropy: Some(given.entropy),
    }
}

/// What a rule for early exits sees in it.
pub fn sight(begun: &Begun, at: usize, given: &Given) -> Sight {
    let (answer, _) = given.read(&begun.text);
    Sight {
        at,
        seen: Seen::Trial(Tried {
            answer,
            text: given.text.clone(),
            confidence: given.confidence(),
            entropy: given.entropy,
        }),
        tokens: begun.ids.len() + given.best.len(),
    }
}

/// What the most probable tokens of a place, best first, say about the end of thinking. `rank` is that
/// of the best end, with its log-probability, where it is known.
pub fn scores(
    top: &[(u32, f32)],
    rank: Option<(usize, f32)>,
    is_end: impl Fn(u32) -> bool,
) -> Scores {
    let other = top.iter().find(|(id, _)| !is_end(*id));
    let other = other.map_or(f32::NEG_INFINITY, |(_, logprob)| *logprob);
    let least = top.last().map_or(0.0, |(_, logprob)| *logprob);
    let sum: f32 = top.iter().map(|(_, logprob)| logprob).sum();
    Scores {
        margin: other - rank.map_or(least, |(_, logprob)| logprob),
        rank: rank.map(|(rank, _)| rank),
        confidence: -sum / top.len().max(1) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(primer: Primer, text: &str, complete: bool) -> Probe {
        let given = Given {
            text: text.into(),
            complete,
            ..Given::default()
        };
        read(primer.text(), 3, &given, Some("27"))
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
        assert!(is_complete(Primer::Boxed.text(), "\\frac{1}{2}}"));
        assert!(!is_complete(Primer::Boxed.text(), "\\frac{1}{2}"));
        assert!(!is_complete(Primer::Answer.text(), "\n \\frac{1}{2}"));
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

    #[test]
    fn the_first_token_says_little_about_how_sure_an_answer_is() {
        let given = |best: &[f32]| Given {
            best: best.into(),
            ..Given::default()
        };
        assert_eq!(given(&[0.1, 0.5, 1.0]).confidence(), 0.75);
        assert_eq!(given(&[0.25]).confidence(), 0.25, "it is all there is");
        assert_eq!(given(&[]).confidence(), 0.0);
        // DEER's text ends before the brace, which the model writes.
        assert!(!is_complete("\\boxed", "{4"));
        assert!(is_complete("\\boxed", "{4}"));
    }

    #[test]
    fn the_end_is_as_far_as_what_is_told() {
        let top = [(1, -0.5), (9, -1.0), (3, -3.0)];
        let near = scores(&top, Some((2, -1.0)), |id| id == 9);
        assert_eq!((near.margin, near.rank), (0.5, Some(2)));
        assert_eq!(near.confidence, 1.5);
        let unknown = scores(&top, None, |id| id == 7);
        assert_eq!((unknown.margin, unknown.rank), (2.5, None), "at least");
        let first = scores(&top, Some((1, -0.5)), |id| id == 1);
        assert_eq!(first.margin, -0.5);
    }
}
