//! How the next token is chosen: the settings. What they do to a row of logits is the model's
//! business.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::param;
use crate::param::{ABOVE_ZERO, Param, validate};

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

    /// Refuses a value that its row does not allow.
    ///
    /// # Errors
    /// The sentence names the parameter and what it allows.
    pub fn validate(&self) -> Result<()> {
        validate(SAMPLING, self)
    }
}

/// The parameters of a [`Sampling`].
pub const SAMPLING: &[Param<Sampling>] = &[
    param!(Sampling.temperature, Float, 0.0, 100.0)
        .named("Temperature", "T")
        .help("How freely tokens are drawn: 0.6 to 1 varies.")
        .meaning("0", "greedy")
        .flags(&["temp", "temperature"]),
    param!(Sampling.top_k, Int, 0, 1_000_000)
        .named("Top-k", "K")
        .help("Draw from this many of the most likely tokens only.")
        .meaning("0", "off"),
    param!(Sampling.top_p, Float, ABOVE_ZERO, 1.0)
        .named("Top-p", "P")
        .help("Draw from the most likely tokens that sum up to this probability, e.g. 0.95.")
        .meaning("1", "off"),
    param!(Sampling.min_p, Float, 0.0, 1.0)
        .named("Min-p", "P")
        .help("Leave out tokens less likely than this share of the most likely one, e.g. 0.05.")
        .meaning("0", "off"),
    param!(Sampling.repetition_penalty, Float, 0.01, 100.0)
        .named("Repetition penalty", "R")
        .help("Make tokens that occurred lately less likely, e.g. 1.1.")
        .meaning("1", "off"),
    param!(Sampling.repetition_window, Int, 0, 1_000_000)
        .named("Repetition window", "N")
        .help("How many of the last tokens count for the repetition penalty.")
        .unit("tokens"),
    param!(Sampling.seed, Int, 0, u64::MAX)
        .named("Seed", "N")
        .help("The same seed gives the same text again."),
];
