//! The weights of a transformer layer by the names that GGUF gives them, whatever computes with
//! them.
//!
//! Not here: what is computed ([`super::host`], [`super::device`]).

use anyhow::{Context, Result};

use crate::config::ModelConfig;

/// Attention and a feed-forward network, each with a norm before it and, where the model has
/// one, a norm after it. `L` is a linear layer, `V` a vector.
#[derive(Debug)]
pub(super) struct LayerWeights<L, V> {
    pub attention_norm: V,
    pub query: L,
    pub query_norm: Option<V>,
    /// What makes the keys and values; none where the layer sees those of an earlier one.
    pub memory: Option<Memory<L, V>>,
    /// For each query head the score of a key that has no value.
    pub sinks: Option<V>,
    pub attention_output: L,
    pub post_attention_norm: Option<V>,
    pub ffn_norm: V,
    pub feed_forward: FeedForward<L>,
    pub post_ffn_norm: Option<V>,
}

/// What of a token is remembered for later ones.
#[derive(Debug)]
pub(super) struct Memory<L, V> {
    pub key: L,
    pub value: L,
    pub key_norm: Option<V>,
}

/// What every token goes through after attention.
#[derive(Debug)]
pub(super) enum FeedForward<L> {
    Dense(Gated<L>),
    Experts(Box<Experts<L>>),
}

/// `down(activation(gate) · up)`.
#[derive(Debug)]
pub(super) struct Gated<L> {
    pub gate: L,
    pub up: L,
    pub down: L,
}

/// Networks of which each token goes through few.
#[derive(Debug)]
pub(super) struct Experts<L> {
    /// The score of each for a token.
    pub router: L,
    pub experts: Vec<Gated<L>>,
    /// One that every token goes through as well, and the layer of one row that says how much of it
    /// counts.
    pub shared: Option<(Gated<L>, L)>,
}

impl<L> Gated<L> {
    fn linears(&self) -> [&L; 3] {
        [&self.gate, &self.up, &self.down]
    }
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
        let gated = |suffix: &str, ffn| {
            Ok::<_, anyhow::Error>(Gated {
                gate: linear(&format!("ffn_gate{suffix}"), ffn, c.hidden)?,
                up: linear(&format!("ffn_up{suffix}"), ffn, c.hidden)?,
                down: linear(&format!("ffn_down{suffix}"), c.hidden, ffn)?,
            })
        };
        let norm = |part: &str, len| vector(&name(part), len);
        let needed = |part: &str, len| {
            norm(part, len)?.with_context(|| format!("the file has no tensor {}", name(part)))
        };
        // gpt-oss has one norm before each half, and calls the second as others call a third.
        let (post_attention, before_ffn) = match c.architecture.as_str() {
            "gpt-oss" => (None, "post_attention_norm.weight"),
            _ => (Some("post_attention_norm.weight"), "ffn_norm.weight"),
        };
        Ok(Self {
            attention_norm: needed("attn_norm.weight", c.hidden)?,
            query: linear("attn_q", c.heads * c.head_dim, c.hidden)?,
            query_norm: norm("attn_q_norm.weight", c.head_dim)?,
            memory: match c.kv_of(index) == index {
                true => Some(Memory {
                    key: linear("attn_k", c.kv_heads * c.head_dim, c.hidden)?,
                    value: linear("attn_v", c.kv_heads * c.value_dim, c.hidden)?,
                    key_norm: norm("attn_k_norm.weight", c.head_dim)?,
                }),
                false => None,
            },
            sinks: match c.architecture.as_str() {
                "gpt-oss" => Some(needed("attn_sinks.weight", c.heads)?),
                _ => None,
            },
            attention_output: linear("attn_output", c.hidden, c.heads * c.value_dim)?,
            post_attention_norm: match post_attention {
                Some(name) => norm(name, c.hidden)?,
                None => None,
            },
            ffn_norm: needed(before_ffn, c.hidden)?,
            feed_forward: match &c.experts {
                None => FeedForward::Dense(gated("", c.ffn)?),
                Some(of) => FeedForward::Experts(Box::new(Experts {
                    router: linear("ffn_gate_inp", of.count, c.hidden)?,
                    experts: (0..of.count)
                        .map(|expert| gated(&format!(".{expert}"), of.ffn))
                        .collect::<Result<_>>()?,
                    shared: match of.shared_ffn {
                        Some(ffn) => {
                            let share = linear("ffn_gate_inp_shexp", 1, c.hidden)?;
                            Some((gated("_shexp", ffn)?, share))
                        }
                        None => None,
                    },
                })),
            },
            post_ffn_norm: norm("post_ffw_norm.weight", c.hidden)?,
        })
    }

    /// Bytes of weights that computing one token reads, of which `bytes` are a linear layer's.
    pub(super) fn bytes_per_token(&self, config: &ModelConfig, bytes: impl Fn(&L) -> u64) -> u64 {
        let of = |network: &Gated<L>| network.linears().map(&bytes).iter().sum::<u64>();
        let memory = self.memory.iter().flat_map(|m| [&m.key, &m.value]);
        let attention = memory.chain([&self.query, &self.attention_output]);
        let attention: u64 = attention.map(&bytes).sum();
        let feed_forward = match (&self.feed_forward, &config.experts) {
            (FeedForward::Dense(network), _) => of(network),
            (FeedForward::Experts(all), Some(config)) => {
                let experts: u64 = all.experts.iter().map(of).sum();
                let shared = all.shared.iter().map(|(network, _)| of(network));
                let used = experts * config.used as u64 / config.count.max(1) as u64;
                bytes(&all.router) + used + shared.sum::<u64>()
            }
            (FeedForward::Experts(_), None) => 0,
        };
        attention + feed_forward
    }

    fn linear_mut(&mut self, part: &str) -> Option<&mut L> {
        Some(match (part, &mut self.feed_forward) {
            ("attn_q", _) => &mut self.query,
            ("attn_k", _) => &mut self.memory.as_mut()?.key,
            ("attn_v", _) => &mut self.memory.as_mut()?.value,
            ("attn_output", _) => &mut self.attention_output,
            ("ffn_gate", FeedForward::Dense(network)) => &mut network.gate,
            ("ffn_up", FeedForward::Dense(network)) => &mut network.up,
            ("ffn_down", FeedForward::Dense(network)) => &mut network.down,
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
