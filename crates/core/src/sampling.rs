//! How the next token is chosen: the settings. What they do to a row of logits is the model's
//! business.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

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
