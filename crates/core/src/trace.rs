//! The trace: generated tokens with provenance.
//!
//! A trace is what the model (and whoever steered it) wrote after the prompt. Each token knows
//! where it came from, which phase it belongs to, and what the model thought of it.

use serde::{Deserialize, Serialize};

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

/// Why a token stands where it stands, for every token that is more than plain sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Free text typed into the thought.
    Injected,
    /// The user picked an alternative of the model's own.
    Chosen,
    /// The first token after an attempt to end that the policy ignored, where the wait text is empty
    /// and nothing else could tell of it. Who wrote the token is another matter.
    EndIgnored,
    /// The same, because the user asked for the wait.
    UserEndIgnored,
    /// Text that stood before a delimiter inside the same token and was written again.
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
        )
    }

    /// The reason as one word for JSON and footnotes.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Wait => "wait",
            Reason::UserWait => "user_wait",
            Reason::NaturalEnd => "natural_end",
            Reason::EndOfTurn => "end_of_turn",
            Reason::Budget => "budget",
            Reason::Cut => "cut",
            Reason::SentenceCut => "sentence_cut",
            Reason::Loop => "loop",
            Reason::Injected => "injected",
            Reason::Chosen => "chosen",
            Reason::EndIgnored => "end_ignored",
            Reason::UserEndIgnored => "user_end_ignored",
            Reason::Kept => "kept",
        }
    }
}

/// One of the tokens the model considered at a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// Token id.
    pub id: u32,
    /// What the token would add to the text (lossy where it is part of a character).
    pub text: String,
    /// Natural-log probability over the whole vocabulary, before temperature.
    pub logprob: f32,
}

/// One token of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Token id.
    pub id: u32,
    /// The characters this token completed. A character split over several tokens belongs to the
    /// last of them, so that the texts of a trace concatenate to valid text.
    pub text: String,
    /// Who put it there.
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
    pub top: Vec<Alternative>,
}

impl Token {
    /// Whether this token is part of the end-of-thinking delimiter.
    pub fn is_delimiter(&self) -> bool {
        self.reason.is_some_and(Reason::ends_thinking)
    }
}

/// Why generation came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,
    /// The answer reached its limit.
    AnswerMax,
    /// The context is full.
    ContextFull,
    /// The user stopped it.
    User,
}

impl StopReason {
    /// The reason in words.
    pub fn name(self) -> &'static str {
        match self {
            StopReason::EndOfTurn => "end_of_turn",
            StopReason::AnswerMax => "answer_max",
            StopReason::ContextFull => "context_full",
            StopReason::User => "user",
        }
    }
}

/// The positions where an attempt to end was replaced: where a wait text begins, or where an end was
/// ignored without one. `reasons` tells whose waits count.
pub fn wait_positions(tokens: &[Token], reasons: &[Reason]) -> Vec<usize> {
    let begins = |i: usize| {
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
    (0..tokens.len()).filter(|&i| begins(i)).collect()
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
