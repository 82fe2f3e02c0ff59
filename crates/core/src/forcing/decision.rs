//! What the machine says: sample, write or stop; and what becomes of a proposed token.

use crate::trace::{Origin, Phase, Reason, StopReason};

/// What happens before the model is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Sample a token; these ids cannot be chosen.
    Sample {
        /// Ids that cannot be chosen at this position.
        mask: Vec<u32>,
    },
    /// Write this first.
    Edit(Edit),
    /// Generation is over.
    Stop(StopReason),
}

/// What becomes of a token the model proposed.
#[derive(Clone, Debug, PartialEq)]
pub enum ForcingDecision {
    Accept {
        /// The phase it belongs to.
        phase: Phase,
        /// Why, if it is more than plain sampling.
        reason: Option<Reason>,
        /// How many tokens before it turn out to belong to the same delimiter.
        relabel: usize,
    },
    /// It is dropped, and this is written instead.
    Edit(Edit),
    /// It is dropped, and generation is over.
    Stop(StopReason),
}

/// Tokens to take off the end of the trace, and tokens to append.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Number of tokens to take off first: pieces of a delimiter that had arrived already.
    pub drop: usize,
    /// Text of the dropped tokens that precedes the delimiter; written again as thinking.
    pub keep: String,
    /// Tokens to append. May be empty (an empty wait text).
    pub ids: Vec<u32>,
    pub origin: Origin,
    /// The phase they belong to.
    pub phase: Phase,
    pub reason: Reason,
}

impl Edit {
    /// Whether the machine has to follow the shortened trace anew before anything is appended.
    pub fn takes_back(&self) -> bool {
        self.drop > 0 || (self.ids.is_empty() && self.keep.is_empty())
    }
}
