//! A short list of reasoning models to begin with (`assets/models.toml`), and what each needs.
//!
//! Not here: models that are on this machine ([`crate::catalog`]).

use anyhow::{Context, Result};
use serde::Deserialize;

const BUNDLED: &str = include_str!("../../../assets/models.toml");

/// What lies between the weights, and the rows of logits: about that of a small model.
const WORKSPACE: u64 = 150_000_000;

/// A model that can be fetched.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// What it is called here.
    pub name: String,
    /// The file of the hub, `owner/name:file`.
    pub get: String,
    /// About the size of the file.
    pub bytes: u64,
    layers: u64,
    kv_heads: u64,
    head_dim: u64,
    pub licence: String,
    /// What there is to know, in a few words.
    pub about: String,
}

#[derive(Deserialize)]
struct SuggestionsFile {
    model: Vec<Suggestion>,
}

impl Suggestion {
    /// About the memory in bytes that it needs with a context of so many tokens.
    pub fn memory(&self, context: usize) -> u64 {
        let token = 2 * 2 * self.layers * self.kv_heads * self.head_dim;
        self.bytes + WORKSPACE + token.saturating_mul(context as u64)
    }
}

/// The list, the smallest first.
///
/// # Errors
/// If the bundled file is no such list.
pub fn all() -> Result<Vec<Suggestion>> {
    let file: SuggestionsFile =
        toml::from_str(BUNDLED).context("the bundled list of models is damaged")?;
    Ok(file.model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_names_each_once_and_grows() {
        let all = all().unwrap();
        assert!(all.len() >= 5);
        for pair in all.windows(2) {
            assert!(pair[0].bytes <= pair[1].bytes && pair[0].name != pair[1].name);
        }
        let small = &all[0];
        assert_eq!(small.name, "qwen3-0.6b");
        // 28 layers of 8 heads of 128, keys and values of two bytes: 114,688 bytes a token.
        assert_eq!(small.memory(1000) - small.memory(0), 114_688_000);
        for one in &all {
            assert_eq!(one.get.split([':', '/']).count(), 3, "{}", one.get);
            assert!(one.get.ends_with(".gguf"));
        }
    }
}
