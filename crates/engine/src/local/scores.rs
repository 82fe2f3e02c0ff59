//! What the model thought of a token: probability, entropy, alternatives, P(end).

use super::loaded::Loaded;
use s1_core::trace::{Alternative, Phase, Token};
use s1_model::logits::PositionLogits;

/// Alternatives kept for each token.
const TOP: usize = 8;

/// Fills in a token's scores from the logits of the position before it. `phase` is the phase in
/// which the position was reached: it decides which tokens count as an end.
pub(super) fn fill(model: &Loaded, logits: &PositionLogits, phase: Phase, token: &mut Token) {
    let ends = match phase {
        Phase::Thinking => &model.think_ends[..],
        Phase::Answer => &model.delimiters.turn_ids[..],
    };
    let asked = [&[token.id], ends].concat();
    let read = match logits.read(model.tokenizer.vocab_size(), TOP, &asked) {
        Ok(read) => read,
        // The next pass ends with the device's sentence.
        Err(error) => return tracing::error!("a token has no scores: {error:#}"),
    };
    token.logprob = read.asked[0];
    token.entropy = read.entropy;
    let p_end: f32 = read.asked[1..].iter().map(|logprob| logprob.exp()).sum();
    token.p_end = p_end.min(1.0);
    token.top = read
        .top
        .iter()
        .map(|&(id, logprob)| Alternative {
            id,
            text: String::from_utf8_lossy(model.tokenizer.token_bytes(id)).into(),
            logprob,
        })
        .collect();
}
