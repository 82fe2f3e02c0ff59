//! How a thought is ended for the model: what is written, and how the end may come softly.
//!
//! *When* a thought ends is [`CutAt`](super::CutAt), *what* is written is [`Ending`], and a [`Lean`] is
//! what the machine asks of a draw on the way there. Sources: Qwen's budget message (Qwen3 #1481,
//! vLLM #18127), the ramp (vLLM #45727, omlx #1812), the rank (ds4), the next newline (NIM).

use serde::{Deserialize, Serialize};

use super::Machine;
use super::decision::Edit;
use crate::trace::{Origin, Phase, Reason};

/// What ends a thought by force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The delimiter as the family's reference evaluation writes it.
    #[default]
    Auto,
    /// The delimiter and nothing before it.
    Bare,
    /// The delimiter on a line of its own.
    Newline,
    /// A message, and the delimiter on a line of its own.
    Message,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Ending::Auto => "auto",
            Ending::Bare => "bare",
            Ending::Newline => "newline",
            Ending::Message => "message",
        })
    }
}

impl Ending {
    /// Whether the delimiter begins a line; `None` leaves it to the family.
    pub fn newline(self) -> Option<bool> {
        match self {
            Ending::Auto => None,
            Ending::Bare => Some(false),
            Ending::Newline | Ending::Message => Some(true),
        }
    }
}

/// What an ending that comes softly asks of a draw. The tokens meant are those of
/// [`Delimiters::ends`](crate::delimiters::Delimiters::ends).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lean {
    /// Nothing.
    None,
    /// Their best logit is raised by this share of what it lacks: see [`raise`].
    Raise(f32),
    /// If one of them is among so many most probable tokens, [`Machine::end_now`] instead of a draw.
    Best(usize),
}

/// How far below the best token a wholly raised one stands, in logits.
const BELOW: f32 = 0.25;

/// Raises the best of `ids` by `share` of what it lacks: z ← max(z, z + s · ((z_top − 0.25) − z)).
/// Under greedy sampling a raised token never comes first; drawn ones it makes likely.
pub fn raise(logits: &mut [f32], ids: impl Iterator<Item = u32>, share: f32) {
    let best = ids
        .map(|id| id as usize)
        .filter(|&id| logits.get(id).is_some_and(|z| z.is_finite()))
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    let Some(best) = best else { return };
    let finite = logits.iter().copied().filter(|z| z.is_finite());
    let top = finite.fold(f32::NEG_INFINITY, f32::max);
    let now = logits[best];
    logits[best] = now.max(now + share * ((top - BELOW) - now));
}

/// Whether one of `ids` is among the `best` most probable tokens.
pub fn among_best(logits: &[f32], ids: impl Iterator<Item = u32>, best: usize) -> bool {
    let of_ends = ids.filter_map(|id| logits.get(id as usize).copied());
    let own = of_ends.fold(f32::NEG_INFINITY, f32::max);
    own.is_finite() && logits.iter().filter(|&&z| z > own).count() < best
}

/// That the thought has been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Thinking tokens when the message had been written.
    at: usize,
    /// Why it ends.
    why: Reason,
}

impl Machine {
    /// What the end in force asks of the next draw.
    pub fn lean(&self) -> Lean {
        use super::CutAt;
        if self.phase != Phase::Thinking || !self.end_counts() {
            return Lean::None;
        }
        let budget = self.budget();
        match self.policy.cut_at {
            CutAt::Ramp { percent } => {
                let length = (budget as f64 * f64::from(percent) / 100.0).max(1.0);
                let left = budget.saturating_sub(self.thinking) as f64;
                match 1.0 - left / length {
                    x if x < 0.0 => Lean::None,
                    // From nearly 0 at the start of the ramp to nearly 1 at its end.
                    x => Lean::Raise((1.0 / (1.0 + (-12.0 * (x - 0.5)).exp())) as f32),
                }
            }
            CutAt::Rank { best, .. } if self.thinking >= budget => Lean::Best(best),
            _ => Lean::None,
        }
    }

    /// The end of the thinking because its budget is used up: for an end token that is among the best.
    pub fn end_now(&self) -> Edit {
        self.end(Reason::Budget)
    }

    /// The message now, as the user's wish; the end follows as many tokens later as the policy says.
    ///
    /// # Errors
    /// Outside a thought, without a message, and beyond the budget. One sentence.
    pub fn wrap_up(&self) -> Result<Edit, String> {
        if self.texts.message.is_empty() && self.phase == Phase::Thinking {
            return Err("the ending text is empty: there is nothing to write here".into());
        }
        self.insert(
            self.texts.message.clone(),
            Origin::Forced,
            Reason::UserMessage,
        )
    }

    /// Why the thought ends after a message: a number of tokens after it. One that could not be
    /// written before the budget ran low, as for a cut of the user's, is followed by the end at once.
    pub(super) fn told_to_end(&self) -> Option<Reason> {
        let told = self.told?;
        let before = self.policy.ending_before;
        let holds = matches!(told.why, Reason::Cut | Reason::Exit)
            || told.at.saturating_add(before) >= self.limit();
        let due = self.thinking >= told.at.saturating_add(if holds { before } else { 0 });
        due.then(|| match told.why {
            Reason::Budget if self.cut => Reason::Cut,
            Reason::Budget if self.cut_at_sentence.is_some() => Reason::SentenceCut,
            why => why,
        })
    }

    /// Takes note of a thinking token that belongs to a message.
    pub(super) fn hear(&mut self, reason: Option<Reason>) {
        let why = match (reason, self.told) {
            (Some(Reason::UserMessage), _) => Reason::Cut,
            (Some(Reason::Message), Some(told)) => told.why,
            (Some(Reason::Message), None) if self.loop_ends_it() => Reason::Loop,
            (Some(Reason::Message), None) if self.watch.is_over() => Reason::Exit,
            (Some(Reason::Message), None) => Reason::Budget,
            _ => return,
        };
        let at = self.thinking;
        self.told = Some(Told { at, why });
    }

    /// The message that is due because the budget runs low.
    pub(super) fn message_due(&self) -> Option<Edit> {
        let after = self.thinking.saturating_add(self.texts.message.len());
        let due = after.saturating_add(self.policy.ending_before) >= self.limit();
        self.message_edit().filter(|_| due)
    }

    /// What ends the thinking, beginning with the message where there is one that fits.
    pub(super) fn end(&self, reason: Reason) -> Edit {
        self.message_edit().unwrap_or_else(|| self.close(reason))
    }

    /// The message, where the policy has one, it was not written yet and the budget has room for it.
    fn message_edit(&self) -> Option<Edit> {
        let wanted = self.policy.ending == Ending::Message && self.told.is_none();
        let fits = self.thinking.saturating_add(self.texts.message.len()) <= self.limit();
        (wanted && fits && !self.texts.message.is_empty()).then(|| Edit {
            drop: 0,
            keep: String::new(),
            ids: self.texts.message.clone(),
            origin: Origin::Forced,
            phase: Phase::Thinking,
            reason: Reason::Message,
        })
    }
}
