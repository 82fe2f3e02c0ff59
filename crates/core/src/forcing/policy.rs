//! The rules of one generation, as plain data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::param;
use crate::param::{Access, Lens, Param, Word};

/// Window of a cut at a sentence end where none is named, in tokens.
const SENTENCE_WINDOW: usize = 64;
/// More tokens than any context has.
const MOST_TOKENS: u64 = 10_000_000;

/// Where the thinking is cut when its budget runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutAt {
    /// At the last token of the budget.
    #[default]
    Token,
    /// At the first sentence end within this many tokens before the budget is used up; at the
    /// budget itself if there is none. The budget stays the hard limit.
    Sentence {
        /// Size of the window before the budget, in tokens.
        window: usize,
    },
}

/// `token`, `sentence` or `sentence:N`.
impl fmt::Display for CutAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            CutAt::Token => f.write_str("token"),
            CutAt::Sentence {
                window: SENTENCE_WINDOW,
            } => f.write_str("sentence"),
            CutAt::Sentence { window } => write!(f, "sentence:{window}"),
        }
    }
}

impl FromStr for CutAt {
    type Err = ();

    fn from_str(text: &str) -> Result<CutAt, ()> {
        let window = match text.split_once(':') {
            None if text == "token" => return Ok(CutAt::Token),
            None if text == "sentence" => SENTENCE_WINDOW,
            Some(("sentence", window)) => window.parse().map_err(|_| ())?,
            _ => return Err(()),
        };
        match window {
            1..=1_000_000 => Ok(CutAt::Sentence { window }),
            _ => Err(()),
        }
    }
}

/// What to do about a repeating loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoop {
    /// Report it and continue.
    #[default]
    Report,
    /// Cut the thinking off, so that the model answers.
    Answer,
}

/// Whether a thought that is ended for the model is followed by the beginning of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priming {
    /// Where the model needs it.
    #[default]
    Auto,
    On,
    Off,
}

impl Priming {
    /// What was done before it could be chosen: what is stored without it means this.
    fn before() -> Priming {
        Priming::Off
    }

    /// What the user says; `None` leaves it to the model.
    pub(super) fn wanted(self) -> Option<bool> {
        match self {
            Priming::Auto => None,
            Priming::On => Some(true),
            Priming::Off => Some(false),
        }
    }
}

/// The rules of one generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Think at all. `false` starts with the answer.
    pub think: bool,
    /// Upper bound on all thinking tokens, injected ones included. `None`: what the context allows.
    pub max_thinking: Option<usize>,
    /// How many attempts to end the thinking are replaced by the wait text.
    pub waits: usize,
    pub wait_text: String,
    /// Attempts to end do not count before this many thinking tokens.
    pub min_thinking: usize,
    /// Where the thinking is cut at the budget.
    pub cut_at: CutAt,
    /// Whether the answer is begun for the model where its thinking was ended for it.
    #[serde(default = "Priming::before")]
    pub final_answer: Priming,
    /// Upper bound on what the model writes after the end-of-thinking delimiter.
    pub answer_max: usize,
    /// What to do about a repeating loop.
    pub on_loop: OnLoop,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            think: true,
            max_thinking: None,
            waits: 0,
            wait_text: "Wait".into(),
            min_thinking: 0,
            cut_at: CutAt::Token,
            final_answer: Priming::Auto,
            answer_max: 512,
            on_loop: OnLoop::Report,
        }
    }
}

const ON_LOOP: &[Word] = &[
    ("report", "Say so and go on."),
    ("answer", "Cut the thinking off, so that the model answers."),
];

const PRIMING: &[Word] = &[
    (
        "auto",
        "For models that were not trained to end a thought; s1's delimiter has the words already.",
    ),
    ("on", "For every model."),
    ("off", "Never."),
];

/// The parameters of a [`Policy`].
pub const POLICY: &[Param<Policy>] = &[
    param!(Policy.max_thinking, Int, 0, MOST_TOKENS)
        .named("Thinking budget", "N")
        .help("Thinking tokens at most, forced and typed ones included; auto is what the context allows.")
        .none("auto")
        .unit("tokens"),
    param!(Policy.waits, Int, 0, 1000)
        .named("Waits", "K")
        .help("How many attempts to end the thinking are replaced by the wait text."),
    param!(Policy.wait_text, Text)
        .named("Wait text", "TEXT")
        .help("The text that replaces an attempt to end the thinking."),
    param!(Policy.think, Switch)
        .named("Think", "BOOL")
        .help("Whether the model thinks before it answers.")
        .shortcut("no-think", "false", "Answer at once, without thinking."),
    param!(Policy.min_thinking, Int, 0, MOST_TOKENS)
        .named("Least thinking", "N")
        .help("Attempts to end do not count before this many thinking tokens.")
        .unit("tokens"),
    param!(Policy.cut_at, Parsed)
        .named("Cut at", "token|sentence[:N]")
        .help("Cut at the budget itself (token), or at the last sentence end in the N tokens before it.")
        .allowed("\"token\", \"sentence\", or \"sentence:N\" with a window of N tokens"),
    param!(
        "final_answer",
        Access::Choice(
            PRIMING,
            Lens {
                get: |policy: &Policy| match policy.final_answer {
                    Priming::Auto => "auto".into(),
                    Priming::On => "on".into(),
                    Priming::Off => "off".into(),
                },
                set: |policy: &mut Policy, word| {
                    policy.final_answer = match word.as_str() {
                        "on" => Priming::On,
                        "off" => Priming::Off,
                        _ => Priming::Auto,
                    }
                },
            },
        )
    )
    .named("Begin the answer", "auto|on|off")
    .help("Whether a forced end of thinking goes on with \"Final Answer:\", and \\boxed{ where the question asks for one, so that a model that was not trained to think answers instead of reasoning on."),
    param!(Policy.answer_max, Int, 1, 1_000_000)
        .named("Longest answer", "N")
        .help("Tokens that the model writes after its thinking at most.")
        .unit("tokens"),
    param!(
        "on_loop",
        Access::Choice(
            ON_LOOP,
            Lens {
                get: |policy: &Policy| match policy.on_loop {
                    OnLoop::Report => "report".into(),
                    OnLoop::Answer => "answer".into(),
                },
                set: |policy: &mut Policy, word| {
                    policy.on_loop = match word.as_str() {
                        "answer" => OnLoop::Answer,
                        _ => OnLoop::Report,
                    }
                },
            },
        )
    )
    .named("On a loop", "WHAT")
    .help("What to do about a thought that repeats itself.")
    .shortcut("cut-loops", "answer", "Cut the thinking off when it repeats itself in a loop."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_answers_were_begun_means_what_it_meant() {
        let stored: Policy = serde_json::from_str(r#"{"waits":1}"#).unwrap();
        assert_eq!(stored.final_answer, Priming::Off);
        let now = serde_json::to_string(&Policy::default()).unwrap();
        assert_eq!(
            serde_json::from_str::<Policy>(&now).unwrap(),
            Policy::default()
        );
    }
}
