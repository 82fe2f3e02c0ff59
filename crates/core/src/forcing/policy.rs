//! The rules of one generation, as plain data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ending::Ending;
use crate::exit::Exit;
use crate::param;
use crate::param::{Access, Lens, Param, Word};

/// Window of a cut at a sentence end where none is named, in tokens.
const SENTENCE_WINDOW: usize = 64;
/// Last part of the budget in which the end is made likely, where none is named.
const RAMP: u8 = 30;
/// Among how many best tokens the end has to be, and how long it may take, where it is not named.
const RANK: (usize, usize) = (3, 1024);
/// The message before the end: Qwen's own.
const MESSAGE: &str = "Considering the limited time by the user, I have to give the solution based on the thinking directly now.";
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
    /// At the first sentence end once the budget is used up, at most this many tokens later.
    NextSentence {
        /// Tokens beyond the budget at most.
        within: usize,
    },
    /// At the budget; over the last part of it the end is made more and more likely.
    Ramp {
        /// The last part of the budget, in per cent.
        percent: u8,
    },
    /// As soon as the end is among the best tokens once the budget is used up.
    Rank {
        /// Among how many.
        best: usize,
        /// Tokens beyond the budget at most.
        within: usize,
    },
}

impl CutAt {
    /// What [`CutAt`] reads.
    const NOTATION: &str = "\"token\", \"sentence:N\", \"next-sentence:N\", \"ramp:P\" or \"rank:K:N\" (numbers may be left out)";

    /// Tokens beyond the budget that the end may take.
    pub(super) fn overtime(self) -> usize {
        match self {
            CutAt::NextSentence { within } | CutAt::Rank { within, .. } => within,
            CutAt::Token | CutAt::Sentence { .. } | CutAt::Ramp { .. } => 0,
        }
    }
}

/// `token`, `sentence:N`, `next-sentence:N`, `ramp:P` or `rank:K:N`, usual numbers left out.
impl fmt::Display for CutAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            CutAt::Token => f.write_str("token"),
            CutAt::Sentence {
                window: SENTENCE_WINDOW,
            } => f.write_str("sentence"),
            CutAt::Sentence { window } => write!(f, "sentence:{window}"),
            CutAt::NextSentence {
                within: SENTENCE_WINDOW,
            } => f.write_str("next-sentence"),
            CutAt::NextSentence { within } => write!(f, "next-sentence:{within}"),
            CutAt::Ramp { percent: RAMP } => f.write_str("ramp"),
            CutAt::Ramp { percent } => write!(f, "ramp:{percent}"),
            CutAt::Rank { best, within } if (best, within) == RANK => f.write_str("rank"),
            CutAt::Rank { best, within } => write!(f, "rank:{best}:{within}"),
        }
    }
}

impl FromStr for CutAt {
    type Err = ();

    fn from_str(text: &str) -> Result<CutAt, ()> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let mut number = |usual: usize, most: usize| match parts.next().map(str::parse) {
            None => Ok(usual),
            Some(Ok(n)) if (1..=most).contains(&n) => Ok(n),
            Some(_) => Err(()),
        };
        const MOST: usize = 1_000_000;
        let cut = match name {
            "token" => CutAt::Token,
            "sentence" => CutAt::Sentence {
                window: number(SENTENCE_WINDOW, MOST)?,
            },
            "next-sentence" => CutAt::NextSentence {
                within: number(SENTENCE_WINDOW, MOST)?,
            },
            "ramp" => CutAt::Ramp {
                percent: number(RAMP.into(), 100)? as u8,
            },
            "rank" => CutAt::Rank {
                best: number(RANK.0, 1000)?,
                within: number(RANK.1, MOST)?,
            },
            _ => return Err(()),
        };
        match parts.next() {
            None => Ok(cut),
            Some(_) => Err(()),
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
    /// What ends the thinking.
    pub ending: Ending,
    /// The message before the end, for [`Ending::Message`] and for wrapping up.
    pub ending_text: String,
    /// Tokens between the message and the end.
    pub ending_before: usize,
    /// Whether the thinking, once it was ended for the model, cannot be ended again in the whole
    /// answer; otherwise so only until something is answered. A model that reasons on in its answer
    /// never comes to it with this, and ends its thinking twice without.
    pub mask_close: bool,
    /// Whether the answer is begun for the model where its thinking was ended for it.
    #[serde(default = "Priming::before")]
    pub final_answer: Priming,
    /// Upper bound on what the model writes after the end-of-thinking delimiter.
    pub answer_max: usize,
    /// What to do about a repeating loop.
    pub on_loop: OnLoop,
    /// The rule that ends the thinking early.
    pub exit: Exit,
    /// What such a rule writes to try an answer; empty for its own text.
    pub exit_text: String,
    /// Whether words that take up another thread cannot be chosen in the thinking.
    pub nowait: bool,
}

impl Policy {
    /// The first of its rules that writes into a text, or looks at it on the way, which takes whoever
    /// continues from chosen tokens; `None` if a bound on the thinking is all there is.
    pub fn steers(&self) -> Option<&'static str> {
        let usual = Policy::default();
        let rules = [
            (self.waits > 0, "waits"),
            (self.min_thinking > 0, "a least length of the thinking"),
            (self.cut_at != usual.cut_at, "a place to cut at"),
            (self.ending != usual.ending, "words that end the thinking"),
            (
                self.final_answer == Priming::On,
                "the beginning of the answer",
            ),
            (self.exit != usual.exit, "a rule for early exits"),
        ];
        rules.iter().find(|(set, _)| *set).map(|(_, what)| *what)
    }

    /// The same, ended like another.
    pub fn ending_as(self, other: &Policy) -> Policy {
        Policy {
            cut_at: other.cut_at,
            ending: other.ending,
            ending_text: other.ending_text.clone(),
            ending_before: other.ending_before,
            mask_close: other.mask_close,
            exit: other.exit,
            exit_text: other.exit_text.clone(),
            ..self
        }
    }
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
            ending: Ending::Auto,
            ending_text: MESSAGE.into(),
            ending_before: 0,
            mask_close: false,
            final_answer: Priming::Auto,
            answer_max: 512,
            on_loop: OnLoop::Report,
            exit: Exit::Off,
            exit_text: String::new(),
            nowait: false,
        }
    }
}

const ON_LOOP: &[Word] = &[
    ("report", "Say so and go on."),
    ("answer", "Cut the thinking off, so that the model answers."),
];

const ENDINGS: &[Word] = &[
    ("auto", "As the family's reference evaluation does."),
    ("bare", "The end-of-thinking delimiter alone."),
    ("newline", "The delimiter on a line of its own."),
    (
        "message",
        "The ending text, and the delimiter on a line of its own.",
    ),
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
        .named("Cut at", "WHERE")
        .help("Where the thinking is cut: token (at the budget), sentence:N (the last sentence end in the N tokens before it), next-sentence:N (the first in the N after it), ramp:P (the end is made likely over the last P per cent), rank:K:N (once the end is among the K best tokens, at most N later).")
        .allowed(CutAt::NOTATION),
    param!(
        "ending",
        Access::Choice(
            ENDINGS,
            Lens {
                get: |policy: &Policy| policy.ending.to_string(),
                set: |policy: &mut Policy, word| {
                    policy.ending = match word.as_str() {
                        "bare" => Ending::Bare,
                        "newline" => Ending::Newline,
                        "message" => Ending::Message,
                        _ => Ending::Auto,
                    }
                },
            },
        )
    )
    .named("Ending", "HOW")
    .help("What ends the thinking where it is cut."),
    param!(Policy.ending_text, Text)
        .named("Ending text", "TEXT")
        .help("The message before the end of thinking, with --ending message and for wrapping up; it counts as thinking, and is left out where the budget has no room for it."),
    param!(Policy.ending_before, Int, 0, 1_000_000)
        .named("Message before the end", "N")
        .help("How many tokens before the end of thinking the ending text is written.")
        .unit("tokens"),
    param!(Policy.mask_close, Switch)
        .named("No second end", "BOOL")
        .help("Whether the end-of-thinking token cannot be chosen in all of an answer after a forced end; otherwise so only until something is answered."),
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
    param!(Policy.exit, Parsed)
        .named("Early exit", "RULE")
        .help("A rule that ends the thinking by itself, from what looking at it shows: consistency:K, deer:C, dynasor:N:K, eat:ALPHA:V, thinkbrake:M, close-rank:K, deepconf:N:C, or off. Numbers left out are the papers'.")
        .allowed(Exit::NOTATION),
    param!(Policy.exit_text, AnyText)
        .named("Exit probe", "TEXT")
        .help("What an early exit writes to try an answer; empty is the rule's own text."),
    param!(Policy.nowait, Switch)
        .named("No \"wait\"", "BOOL")
        .help("Whether words that take up another thread (wait, but, alternatively and the like) cannot be chosen in the thinking."),
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
