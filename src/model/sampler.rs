//! (being written)
use serde::{Deserialize, Serialize};
/// How tokens are drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f32,
    /// Seed.
    pub seed: u64,
}
