//! What a server's model thought of a token, as far as the most probable ones tell.
//!
//! Of the rest only its sum is known. Entropy is what it is at least; the probability of an end is
//! that of the ends that are among the most probable.

use super::connect::Remote;
use super::dialect::{Considered, Drawn};
use crate::probe::{self, CONSIDERED};
use s1_core::exit::Scores;
use s1_core::trace::{Alternative, Phase, Token};

/// Alternatives kept for each token: as many as the local engine keeps.
const KEPT: usize = 8;

/// Fills in a token's scores from what was considered at its place. `phase` is the phase in which the
/// place was reached: it decides which tokens count as an end.
pub(super) fn fill(remote: &Remote, drawn: &Drawn, phase: Phase, token: &mut Token) {
    if drawn.top.is_empty() {
        // Nothing was said of it.
        return;
    }
    let all = || drawn.top.iter().chain([&drawn.token]);
    let of = |id: u32| all().find(|t| t.id == id).map(|t| t.logprob);
    let least = drawn.top.last().map_or(0.0, |t| t.logprob);
    // One that is not among them is less probable than all of them.
    token.logprob = of(token.id).unwrap_or(least);
    token.entropy = entropy(&drawn.top);
    let ends = match phase {
        Phase::Thinking => &remote.think_ends,
        Phase::Answer => &remote.delimiters.turn_ids,
    };
    let ends = ends.iter().filter_map(|&id| of(id));
    // Of none the sum would be -0.
    token.p_end = ends.map(f32::exp).fold(0.0, |sum: f32, p| sum + p).min(1.0);
    let kept = drawn.top.iter().take(KEPT).map(|t| Alternative {
        id: t.id,
        text: String::from_utf8_lossy(&remote.words.bytes(t.id))
            .as_ref()
            .into(),
        logprob: t.logprob,
    });
    token.top = kept.collect();
}

/// What is known of the end of thinking at a place where this was drawn.
pub(super) fn of_end(remote: &Remote, drawn: &Drawn) -> Scores {
    let is_end = |id: u32| remote.think_ends.contains(&id);
    let top: Vec<(u32, f32)> = drawn.top.iter().map(|t| (t.id, t.logprob)).collect();
    let end = top.iter().position(|(id, _)| is_end(*id));
    let considered = &top[..top.len().min(CONSIDERED)];
    probe::scores(considered, end.map(|i| (i + 1, top[i].1)), is_end)
}

/// The least entropy, in nats, that a distribution with these most probable tokens has: all others
/// are as probable as the last of these.
pub(super) fn entropy(top: &[Considered]) -> f32 {
    let of = |t: &Considered| -t.logprob.exp() * t.logprob;
    let known: f32 = top.iter().map(of).sum();
    let mass: f32 = top.iter().map(|t| t.logprob.exp()).sum();
    let least = top.last().map_or(0.0, |t| t.logprob);
    known - (1.0 - mass).max(0.0) * least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_what_it_is_at_least() {
        let token = |p: f32| Considered {
            id: 0,
            bytes: None,
            logprob: p.ln(),
        };
        // Four equally probable tokens, of which two are known.
        let half = entropy(&[token(0.25), token(0.25)]);
        assert!((half - 4f32.ln()).abs() < 1e-5, "{half}");
        assert!(entropy(&[token(1.0)]).abs() < 1e-6);
    }
}
