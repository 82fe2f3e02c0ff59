//! From a row of logits to one token: greedy, or drawn.
//!
//! Pure numbers: no tensor, no clock, no state. A draw depends only on the seed, the index of the
//! sample and the position in the text, so that the same seed gives the same text again, position
//! by position, whatever was rewound in between; and thinking cut at a small budget is a prefix
//! of thinking cut at a larger one.
//!
//! Filters apply in the order of Hugging Face transformers: repetition penalty, temperature,
//! top-k, top-p, min-p. (llama.cpp applies the temperature last.)

mod row;

pub use row::Row;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How the next token is chosen. The default is greedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the logits; 0 takes the best token always.
    pub temperature: f32,
    /// Keep this many best tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the fewest best tokens that hold this much probability; 1 keeps all.
    pub top_p: f32,
    /// Keep tokens of at least this fraction of the best token's probability; 0 keeps all.
    pub min_p: f32,
    /// Divides the positive logits (multiplies the negative ones) of tokens that occurred
    /// lately; 1 changes nothing. Keskar et al. 2019, "CTRL".
    pub repetition_penalty: f32,
    /// How many of the last tokens count as "lately".
    pub repetition_window: usize,
    /// The seed of every draw.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            repetition_window: 64,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Whether the choice is certain: no draw, the seed does not matter.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Refuses settings without a meaning, naming the setting and its range.
    pub fn validate(&self) -> Result<()> {
        let (t, p, m, r) = (
            self.temperature,
            self.top_p,
            self.min_p,
            self.repetition_penalty,
        );
        if !(0.0..=100.0).contains(&t) {
            bail!("temperature must be between 0 (greedy) and 100, but is {t}");
        }
        if !(p > 0.0 && p <= 1.0) {
            bail!("top_p must be above 0 and at most 1 (off), but is {p}");
        }
        if !(0.0..=1.0).contains(&m) {
            bail!("min_p must be between 0 (off) and 1, but is {m}");
        }
        if !(0.01..=100.0).contains(&r) {
            bail!("repetition_penalty must be between 0.01 and 100 (1 is off), but is {r}");
        }
        Ok(())
    }
}

/// A token that may be drawn, with its weight relative to the best one (which has 1).
#[derive(Clone, Copy)]
struct Candidate {
    id: u32,
    logit: f32,
    weight: f64,
}

/// Best first; among equals the lower id.
fn best_first(a: &Candidate, b: &Candidate) -> Ordering {
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
fn candidates(row: &[f32], best: f32, temperature: f32) -> Vec<Candidate> {
    let weigh = |(id, &logit): (usize, &f32)| {
        let distance = (f64::from(logit) - f64::from(best)) / f64::from(temperature);
        let weight = distance.exp();
        (weight > 0.0).then_some(Candidate {
            id: id as u32,
            logit,
            weight,
        })
    };
    row.iter().enumerate().filter_map(weigh).collect()
}

/// Top-k, then top-p, then min-p.
fn filter(mut kept: Vec<Candidate>, s: &Sampling) -> Vec<Candidate> {
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
fn draw(candidates: &[Candidate], point: f64) -> u32 {
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

/// A number in `[0, 1)` that depends on nothing but its three arguments: each is mixed in by the
/// finalizer of SplitMix64 (Steele, Lea and Flood 2014), and the upper 53 bits make a double.
pub fn uniform(seed: u64, sample: u64, position: u64) -> f64 {
    let mixed = [seed, sample, position]
        .into_iter()
        .fold(0, |state: u64, part| {
            let mut z = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        });
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests;
