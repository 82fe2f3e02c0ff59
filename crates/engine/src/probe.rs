//! The forced-answer probe: what would the model answer if its thinking were cut here?
//!
//! Here is what does not depend on who computes it: what closes the thought, when the answer is
//! long enough, and how it is read.

use s1_core::delimiters::Delimiters;
use s1_core::trace::{Phase, Token};
use s1_core::tree::Probe;

/// Longest answer a probe waits for, in tokens. Enough for "The answer is …".
pub const MAX_TOKENS: usize = 48;

/// The tokens that close a thought in front of the forced answer.
///
/// # Errors
/// If the trace has left the thinking there.
pub fn closing<'a>(
    delimiters: &'a Delimiters,
    think: bool,
    tokens: &[Token],
) -> anyhow::Result<&'a [u32]> {
    if !think || tokens.iter().any(|t| t.phase != Phase::Thinking) {
        anyhow::bail!("a probe needs a position inside the thinking; move the cursor there");
    }
    let last = tokens.iter().rev().find(|t| !t.text.is_empty());
    Ok(match last {
        Some(token) if token.text.ends_with('\n') => &delimiters.forced_close,
        _ => &delimiters.forced_close_midline,
    })
}

/// Whether the model ends its answer with this token.
pub fn ends_with(delimiters: &Delimiters, id: u32) -> bool {
    let turn = delimiters.natural_close.is_some() && delimiters.end_ids.contains(&id);
    turn || delimiters.turn_ids.contains(&id)
}

/// Whether the answer is complete: one line is enough, more would only delay the thought.
pub fn is_complete(text: &str) -> bool {
    text.trim_start().contains('\n')
}

/// Reads the answer that was given after `at` tokens.
pub fn read(at: usize, text: &str, reference: Option<&str>) -> Probe {
    let text = text.trim().to_string();
    Probe {
        at,
        answer: s1_grading::extract(&text, None).map(|a| a.text),
        correct: reference.map(|r| s1_grading::grade(r, &text).verdict.equal),
        text,
    }
}
