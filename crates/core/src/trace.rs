//! The trace: generated tokens with provenance.
//!
//! A trace is what the model (and the person who steered it) wrote after the prompt. Each token
//! knows where it came from, which phase it belongs to, and what the model thought of it. What is
//! written reaches everybody who keeps a trace as [`Delta`]s, which [`Trace::apply`] takes in.

use std::ops::Deref;
use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// Which part of the output a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Between the opening and the end of thinking.
    Thinking,
    /// From the end-of-thinking delimiter (included) onwards.
    Answer,
}

/// Who put a token into the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The model, by sampling (greedy included).
    Sampled,
    /// Budget forcing: a delimiter or a wait text that the model did not choose.
    Forced,
    /// Words or a choice of the user.
    User,
}

/// Why a token was written, for every token that was not simply sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The policy replaced an attempt to end by the wait text.
    Wait,
    /// The user asked for the wait text.
    UserWait,
    /// End of thinking: the model ended by itself.
    NaturalEnd,
    /// End of thinking: the model ended its turn inside the thought.
    EndOfTurn,
    /// End of thinking: the thinking budget was reached.
    Budget,
    /// End of thinking: the user cut at once.
    Cut,
    /// End of thinking: the user cut at the end of a sentence.
    SentenceCut,
    /// End of thinking: a repeating loop was cut off.
    Loop,
    /// End of thinking: a rule for early exits said so.
    Exit,
    /// The beginning of the answer, written after a forced end so that an answer follows and no
    /// more reasoning.
    FinalAnswer,
    /// The message that the thinking ends, before its end.
    Message,
    /// The same, because the user asked for it.
    UserMessage,
    /// Free text typed into the thought.
    Injected,
    /// The user picked an alternative of the model's own.
    Chosen,
    /// The first token after an attempt to end that the policy ignored, where the wait text is empty
    /// and nothing else could tell of it. Who wrote the token is another matter.
    EndIgnored,
    /// The same, because the user asked for the wait.
    UserEndIgnored,
    /// Text that preceded a delimiter inside the same token and was written again.
    Kept,
}

impl Reason {
    /// Whether tokens with this reason are the end-of-thinking delimiter.
    pub fn ends_thinking(self) -> bool {
        matches!(
            self,
            Reason::NaturalEnd
                | Reason::EndOfTurn
                | Reason::Budget
                | Reason::Cut
                | Reason::SentenceCut
                | Reason::Loop
                | Reason::Exit
        )
    }

    /// The reason as one word for JSON and footnotes.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One of the tokens the model considered at a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    pub id: u32,
    /// What the token would add to the text (lossy where it is part of a character).
    pub text: CompactString,
    /// Natural-log probability over the whole vocabulary, before temperature.
    pub logprob: f32,
}

/// The most probable tokens of a position, best first. They are most of what a token takes, so all
/// copies of a token (the engine's, the screen's, those of its branches) share them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Alternative>", into = "Vec<Alternative>")]
pub struct Alternatives(Arc<[Alternative]>);

impl Alternatives {
    /// Changes them, for this copy alone.
    pub fn make_mut(&mut self) -> &mut [Alternative] {
        Arc::make_mut(&mut self.0)
    }
}

impl Deref for Alternatives {
    type Target = [Alternative];

    fn deref(&self) -> &[Alternative] {
        &self.0
    }
}

impl From<Vec<Alternative>> for Alternatives {
    fn from(alternatives: Vec<Alternative>) -> Alternatives {
        Alternatives(alternatives.into())
    }
}

impl From<Alternatives> for Vec<Alternative> {
    fn from(alternatives: Alternatives) -> Vec<Alternative> {
        alternatives.to_vec()
    }
}

impl FromIterator<Alternative> for Alternatives {
    fn from_iter<I: IntoIterator<Item = Alternative>>(alternatives: I) -> Alternatives {
        Alternatives(alternatives.into_iter().collect())
    }
}

/// One token of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    pub id: u32,
    /// The characters this token completed. A character split over several tokens belongs to the
    /// last of them, so that the texts of a trace concatenate to valid text. A text of up to 24
    /// bytes is held in place: a long trace is not thousands of small pieces of memory.
    pub text: CompactString,
    pub origin: Origin,
    /// Thinking or answer. The end-of-thinking delimiter belongs to the answer.
    pub phase: Phase,
    /// Why it is there, if it is more than plain sampling.
    pub reason: Option<Reason>,
    /// Natural-log probability of this token given everything before it (temperature 1).
    pub logprob: f32,
    /// Entropy of the whole next-token distribution at this position, in nats.
    pub entropy: f32,
    /// Probability, at this position, that the model would have ended its thinking (the sum over
    /// end-of-thinking and end-of-turn tokens). In the answer: that it would have ended its turn.
    pub p_end: f32,
    /// The most probable tokens at this position, best first.
    pub top: Alternatives,
}

impl Token {
    /// A sampled token whose scores are not known.
    pub fn new(id: u32, text: impl Into<CompactString>, phase: Phase) -> Token {
        Token {
            id,
            text: text.into(),
            origin: Origin::Sampled,
            phase,
            reason: None,
            logprob: 0.0,
            entropy: 0.0,
            p_end: 0.0,
            top: Alternatives::default(),
        }
    }

    /// Whether this token is part of the end-of-thinking delimiter.
    pub fn is_delimiter(&self) -> bool {
        self.reason.is_some_and(Reason::ends_thinking)
    }
}

/// What was written to a trace in one go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Tokens that are taken off the end first: pieces of a delimiter that was then replaced.
    pub drop: usize,
    /// Tokens before the new ones that turned out to be the end-of-thinking delimiter.
    pub relabel: usize,
    pub tokens: Vec<Token>,
}

impl From<Vec<Token>> for Delta {
    fn from(tokens: Vec<Token>) -> Delta {
        Delta {
            tokens,
            ..Delta::default()
        }
    }
}

/// The tokens that one sequence has written so far. It changes by [`Delta`]s alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    tokens: Vec<Token>,
    counts: Counts,
}

/// What every frame of a screen asks of a trace, counted as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    thinking: usize,
    waits: usize,
}

impl Counts {
    fn of(tokens: &[Token]) -> Counts {
        Counts {
            thinking: thinking_tokens(tokens),
            waits: wait_positions(tokens, ALL_WAITS).len(),
        }
    }
}

impl Trace {
    /// Writes a delta. Returns the index of the first token that is not as it was before; where
    /// `drop` or `relabel` reach further than the trace, they mean all of it.
    pub fn apply(&mut self, delta: &Delta) -> usize {
        let kept = self.tokens.len().saturating_sub(delta.drop);
        self.tokens.truncate(kept);
        let first = kept.saturating_sub(delta.relabel);
        for token in &mut self.tokens[first..] {
            token.phase = Phase::Answer;
            token.reason = Some(Reason::NaturalEnd);
        }
        self.tokens.extend_from_slice(&delta.tokens);
        self.counts = match (delta.drop, delta.relabel) {
            (0, 0) => Counts {
                thinking: self.counts.thinking + thinking_tokens(&delta.tokens),
                waits: self.counts.waits + waits_from(&self.tokens, kept, ALL_WAITS).count(),
            },
            _ => Counts::of(&self.tokens),
        };
        first
    }

    /// The last `n` tokens, to fill in scores that became known after they were written.
    pub fn last_mut(&mut self, n: usize) -> &mut [Token] {
        let from = self.tokens.len().saturating_sub(n);
        &mut self.tokens[from..]
    }

    /// Number of thinking tokens, as [`thinking_tokens`] counts them.
    pub fn thinking(&self) -> usize {
        self.counts.thinking
    }

    /// Number of waits of anybody.
    pub fn waits(&self) -> usize {
        self.counts.waits
    }
}

impl Deref for Trace {
    type Target = [Token];

    fn deref(&self) -> &[Token] {
        &self.tokens
    }
}

impl From<Vec<Token>> for Trace {
    fn from(tokens: Vec<Token>) -> Trace {
        let counts = Counts::of(&tokens);
        Trace { tokens, counts }
    }
}

/// Why generation came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,
    /// The answer reached its limit.
    AnswerMax,
    /// The box that was opened for the answer is closed.
    BoxClosed,
    ContextFull,
    /// The user stopped it.
    User,
}

impl StopReason {
    /// The reason in words.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The positions where an attempt to end was replaced: where a wait text begins, or where an end was
/// ignored without one. `reasons` tells whose waits count.
pub fn wait_positions(tokens: &[Token], reasons: &[Reason]) -> Vec<usize> {
    waits_from(tokens, 0, reasons).collect()
}

/// The [`wait_positions`] from token `from` on.
fn waits_from<'a>(
    tokens: &'a [Token],
    from: usize,
    reasons: &'a [Reason],
) -> impl Iterator<Item = usize> + 'a {
    let begins = move |&i: &usize| {
        let Some(reason) = tokens[i].reason.filter(|r| reasons.contains(r)) else {
            return false;
        };
        match reason {
            // One token for each.
            Reason::EndIgnored | Reason::UserEndIgnored => true,
            // A text may have several.
            _ => i == 0 || tokens[i - 1].reason != Some(reason),
        }
    };
    (from..tokens.len()).filter(begins)
}

/// Waits of the policy, for [`wait_positions`].
pub const POLICY_WAITS: &[Reason] = &[Reason::Wait, Reason::EndIgnored];

/// Waits of anybody, for [`wait_positions`].
pub const ALL_WAITS: &[Reason] = &[
    Reason::Wait,
    Reason::UserWait,
    Reason::EndIgnored,
    Reason::UserEndIgnored,
];

/// Number of thinking tokens: every token of the phase, injected ones included, delimiters not.
pub fn thinking_tokens(tokens: &[Token]) -> usize {
    tokens.iter().filter(|t| t.phase == Phase::Thinking).count()
}

/// Text of one phase, without the end-of-thinking delimiter.
pub fn phase_text(tokens: &[Token], phase: Phase) -> String {
    tokens
        .iter()
        .filter(|t| t.phase == phase && !t.is_delimiter())
        .map(|t| t.text.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: u32) -> Token {
        Token::new(id, "x", Phase::Thinking)
    }

    /// Ids, with a minus where a token is the delimiter.
    fn written(trace: &Trace) -> Vec<i64> {
        let sign = |t: &Token| if t.is_delimiter() { -1 } else { 1 };
        trace.iter().map(|t| sign(t) * i64::from(t.id)).collect()
    }

    #[test]
    fn a_delta_drops_relabels_and_appends_in_this_order() {
        let mut trace = Trace::default();
        let ids = |ids: &[u32]| ids.iter().map(|&id| token(id)).collect::<Vec<Token>>();
        assert_eq!(trace.apply(&ids(&[1, 2, 3, 4]).into()), 0);
        assert_eq!(trace.apply(&ids(&[5]).into()), 4, "only new ones");
        // 5 is taken back; 3 and 4 turn out to be the delimiter; 6 comes after them.
        let first = trace.apply(&Delta {
            drop: 1,
            relabel: 2,
            tokens: ids(&[6]),
        });
        assert_eq!(first, 2);
        assert_eq!(written(&trace), [1, 2, -3, -4, 6]);
        assert_eq!(
            (trace[2].phase, trace[1].phase),
            (Phase::Answer, Phase::Thinking)
        );
        assert_eq!(trace[3].reason, Some(Reason::NaturalEnd));
        // More than there is means all of it.
        let first = trace.apply(&Delta {
            drop: 3,
            relabel: 9,
            tokens: vec![],
        });
        assert_eq!((first, written(&trace)), (0, vec![-1, -2]));
        let all = Delta {
            drop: 9,
            ..ids(&[7]).into()
        };
        assert_eq!((trace.apply(&all), written(&trace)), (0, vec![7]));
    }

    #[test]
    fn what_is_counted_along_the_way_is_what_a_count_of_all_of_it_says() {
        let mut trace = Trace::default();
        let wait = |reason| Token {
            reason: Some(reason),
            ..token(1)
        };
        let write = |tokens: Vec<Token>| Delta::from(tokens);
        let back = |drop, relabel| Delta {
            drop,
            relabel,
            tokens: vec![token(2)],
        };
        let answer = Token::new(3, "x", Phase::Answer);
        let deltas = [
            write(vec![token(0), wait(Reason::Wait)]),
            // The text goes on: still one wait.
            write(vec![wait(Reason::Wait), token(1)]),
            write(vec![wait(Reason::EndIgnored), wait(Reason::EndIgnored)]),
            write(vec![wait(Reason::UserWait)]),
            back(3, 1),
            write(vec![answer]),
            back(9, 0),
        ];
        let mut counts = Vec::new();
        for delta in deltas {
            trace.apply(&delta);
            let whole = Trace::from(trace.to_vec());
            assert_eq!(trace, whole);
            counts.push((trace.thinking(), trace.waits()));
        }
        assert_eq!(
            counts,
            [(2, 1), (4, 1), (6, 3), (7, 4), (4, 1), (4, 1), (1, 0)]
        );
    }
}
