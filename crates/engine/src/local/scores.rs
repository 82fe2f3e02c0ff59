//! What the model thought of a token: probability, entropy, alternatives, P(end).

use super::loaded::Loaded;
use s1_core::trace::{Alternative, Phase, Token};
use s1_model::sampler::LogitsRow;

/// Alternatives kept for each token.
const TOP: usize = 8;

/// Fills in a token's scores from the logits of the position before it. `phase` is the phase in
/// which the position was reached: it decides which tokens count as an end.
pub(super) fn fill(model: &Loaded, logits: &[f32], phase: Phase, token: &mut Token) {
    let row = LogitsRow::new(logits, model.tokenizer.vocab_size(), TOP);
    token.logprob = row.logprob(token.id);
    token.entropy = row.entropy;
    let ends = match phase {
        Phase::Thinking => &model.think_ends[..],
        Phase::Answer => &model.delimiters.turn_ids[..],
    };
    token.p_end = ends
        .iter()
        .map(|&id| row.logprob(id).exp())
        .sum::<f32>()
        .min(1.0);
    token.top = row
        .top
        .iter()
        .map(|&(id, logprob)| Alternative {
            id,
            text: String::from_utf8_lossy(model.tokenizer.token_bytes(id)).into(),
            logprob,
        })
        .collect();
}
