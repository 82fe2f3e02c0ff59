//! From a row of logits to one token: greedy, or drawn.
//!
//! Pure numbers: no tensor, no clock, no state. A draw depends only on the seed, the index of the
//! sample and the position in the text, so that the same seed gives the same text again, position
//! by position, whatever was rewound in between; and thinking cut at a small budget is a prefix
//! of thinking cut at a larger one.
//!
//! Filters apply in the order of Hugging Face transformers: repetition penalty, temperature,
//! top-k, top-p, min-p. (llama.cpp applies the temperature last.)

mod best;
mod row;

pub(crate) use best::{BestRow, sample_best};
pub use row::LogitsRow;

use anyhow::{Result, bail};
use s1_core::rng::uniform;
use s1_core::sampling::Sampling;
use std::cmp::Ordering;

/// A token that may be drawn, with its weight relative to the best one (which has 1).
#[derive(Clone, Copy)]
struct TokenCandidate {
    id: u32,
    logit: f32,
    weight: f64,
}

/// Best first; among equals the lower id.
fn best_first(a: &TokenCandidate, b: &TokenCandidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// Chooses the next token.
///
/// `logits` is one row; ids from `vocab` on are padding and never chosen, nor are `banned` ids.
/// `history` is the text so far, for the repetition penalty. `position` is the place of the new
/// token in the text and `sample` the index among samples of the same prompt; with the seed they
/// decide the draw. Greedy choice takes the lowest id among equals. A logit that is not a number
/// counts as impossible.
///
/// Errors: no token is possible, because the row holds no number or every token is banned.
pub fn sample(
    logits: &[f32],
    vocab: usize,
    banned: &[u32],
    history: &[u32],
    s: &Sampling,
    position: u64,
    sample: u64,
) -> Result<u32> {
    let mut row: Vec<f32> = logits
        .iter()
        .take(vocab)
        .map(|&logit| row::number(logit))
        .collect();
    penalize(&mut row, history, s);
    for &id in banned {
        if let Some(logit) = row.get_mut(id as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
    let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if best == f32::NEG_INFINITY {
        bail!(
            "no token can follow: the model's output holds no number for any allowed token; the model file may be damaged"
        );
    }
    if s.is_greedy() {
        let first = row
            .iter()
            .position(|&logit| logit == best)
            .unwrap_or_default();
        return Ok(first as u32);
    }
    let candidates = filter(candidates(&row, best, s.temperature), s);
    Ok(draw(&candidates, uniform(s.seed, sample, position)))
}

/// Makes recent tokens less likely.
fn penalize(row: &mut [f32], history: &[u32], s: &Sampling) {
    if s.repetition_penalty == 1.0 {
        return;
    }
    let recent = &history[history.len().saturating_sub(s.repetition_window)..];
    let recent: std::collections::BTreeSet<u32> = recent.iter().copied().collect();
    for id in recent {
        if let Some(logit) = row.get_mut(id as usize) {
            let p = s.repetition_penalty;
            *logit = row::number(if *logit > 0.0 { *logit / p } else { *logit * p });
        }
    }
}

/// The possible tokens in order of ids.
fn candidates(row: &[f32], best: f32, temperature: f32) -> Vec<TokenCandidate> {
    let weigh = |(id, &logit): (usize, &f32)| {
        let distance = (f64::from(logit) - f64::from(best)) / f64::from(temperature);
        let weight = distance.exp();
        (weight > 0.0).then_some(TokenCandidate {
            id: id as u32,
            logit,
            weight,
        })
    };
    row.iter().enumerate().filter_map(weigh).collect()
}

/// Top-k, then top-p, then min-p.
fn filter(mut kept: Vec<TokenCandidate>, s: &Sampling) -> Vec<TokenCandidate> {
    if s.top_k > 0 && s.top_k < kept.len() {
        kept.select_nth_unstable_by(s.top_k - 1, best_first);
        kept.truncate(s.top_k);
        kept.sort_unstable_by(best_first);
    }
    if s.top_p < 1.0 {
        let total: f64 = kept.iter().map(|c| c.weight).sum();
        // Tokens lighter than this hold less than 1 - top_p together, so the nucleus has none of
        // them; without them there is little left to sort.
        let floor = (1.0 - f64::from(s.top_p)) * total / kept.len() as f64;
        kept.retain(|c| c.weight >= floor);
        kept.sort_unstable_by(best_first);
        let mut mass = 0.0;
        let enough = kept.iter().position(|c| {
            mass += c.weight;
            mass >= f64::from(s.top_p) * total
        });
        kept.truncate(enough.map_or(kept.len(), |last| last + 1));
    }
    if s.min_p > 0.0 {
        kept.retain(|c| c.weight >= f64::from(s.min_p));
    }
    kept
}

/// The candidate at a point of the unit interval, each holding its share of it in order.
fn draw(candidates: &[TokenCandidate], point: f64) -> u32 {
    let total: f64 = candidates.iter().map(|c| c.weight).sum();
    let mut left = point * total;
    for candidate in candidates {
        left -= candidate.weight;
        if left < 0.0 {
            return candidate.id;
        }
    }
    // Rounding may leave a crumb beyond the last one.
    candidates.last().map_or(0, |c| c.id)
}

#[cfg(test)]
mod tests;
