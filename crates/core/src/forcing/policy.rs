//! The rules of one generation, as plain data.

use serde::{Deserialize, Serialize};

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
    /// The wait text.
    pub wait_text: String,
    /// Attempts to end do not count before this many thinking tokens.
    pub min_thinking: usize,
    /// Where the thinking is cut at the budget.
    pub cut_at: CutAt,
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
            answer_max: 512,
            on_loop: OnLoop::Report,
        }
    }
}
