//! The weights of a transformer layer by the names that GGUF gives them, whatever computes with
//! them.
//!
//! Not here: what is computed ([`super::host`], [`super::device`]).

use anyhow::{Context, Result};

use crate::config::ModelConfig;

/// Attention and a gated feed-forward network, each with a norm before it and, where the model has
/// one, a norm after it. `L` is a linear layer, `V` a vector.
#[derive(Debug)]
pub(super) struct LayerWeights<L, V> {
    pub attention_norm: V,
    pub query: L,
    pub key: L,
    pub value: L,
    pub query_norm: Option<V>,
    pub key_norm: Option<V>,
    pub attention_output: L,
    pub post_attention_norm: Option<V>,
    pub ffn_norm: V,
    pub gate: L,
    pub up: L,
    pub down: L,
    pub post_ffn_norm: Option<V>,
}

impl<L, V> LayerWeights<L, V> {
    /// Loads a layer. `linear` is told the name without its ending and the numbers of outputs and
    /// inputs, `vector` the name and the length; it gives `None` for what the file does not have.
    pub(super) fn load(
        config: &ModelConfig,
        index: usize,
        linear: impl Fn(&str, usize, usize) -> Result<L>,
        vector: impl Fn(&str, usize) -> Result<Option<V>>,
    ) -> Result<Self> {
        let c = config;
        let name = |part: &str| format!("blk.{index}.{part}");
        let linear = |part: &str, out, input| linear(&name(part), out, input);
        let norm = |part: &str, len| vector(&name(part), len);
        let needed = |part: &str, len| {
            norm(part, len)?.with_context(|| format!("the file has no tensor {}", name(part)))
        };
        Ok(Self {
            attention_norm: needed("attn_norm.weight", c.hidden)?,
            query: linear("attn_q", c.heads * c.head_dim, c.hidden)?,
            key: linear("attn_k", c.kv_heads * c.head_dim, c.hidden)?,
            value: linear("attn_v", c.kv_heads * c.value_dim, c.hidden)?,
            query_norm: norm("attn_q_norm.weight", c.head_dim)?,
            key_norm: norm("attn_k_norm.weight", c.head_dim)?,
            attention_output: linear("attn_output", c.hidden, c.heads * c.value_dim)?,
            post_attention_norm: norm("post_attention_norm.weight", c.hidden)?,
            ffn_norm: needed("ffn_norm.weight", c.hidden)?,
            gate: linear("ffn_gate", c.ffn, c.hidden)?,
            up: linear("ffn_up", c.ffn, c.hidden)?,
            down: linear("ffn_down", c.hidden, c.ffn)?,
            post_ffn_norm: norm("post_ffw_norm.weight", c.hidden)?,
        })
    }

    /// All linear layers.
    pub(super) fn linears(&self) -> [&L; 7] {
        [
            &self.query,
            &self.key,
            &self.value,
            &self.attention_output,
            &self.gate,
            &self.up,
            &self.down,
        ]
    }

    fn linear_mut(&mut self, part: &str) -> Option<&mut L> {
        Some(match part {
            "attn_q" => &mut self.query,
            "attn_k" => &mut self.key,
            "attn_v" => &mut self.value,
            "attn_output" => &mut self.attention_output,
            "ffn_gate" => &mut self.gate,
            "ffn_up" => &mut self.up,
            "ffn_down" => &mut self.down,
            _ => return None,
        })
    }
}

/// The linear layer of a GGUF name such as `blk.3.attn_q` or `output`.
///
/// # Errors
/// If the model has none of this name.
pub(super) fn linear_named<'a, L, V>(
    layers: &'a mut [LayerWeights<L, V>],
    output: &'a mut L,
    prefix: &str,
) -> Result<&'a mut L> {
    let found = match prefix.strip_prefix("blk.").and_then(|p| p.split_once('.')) {
        Some((index, part)) => index
            .parse()
            .ok()
            .and_then(|index: usize| layers.get_mut(index))
            .and_then(|layer| layer.linear_mut(part)),
        None => (prefix == "output").then_some(output),
    };
    found.with_context(|| format!("the adapter has {prefix}, but the model does not"))
}
