//! One transformer layer: attention and a gated feed-forward network, each with a norm before it
//! and, where the model has one, a norm after it.

use anyhow::Result;
use candle_core::{DType, Tensor};

use super::attention::CachedAttention;
use super::ops::{self, rms_norm};
use super::{Linear, TensorCache};
use crate::config::ModelConfig;
use crate::decoder::Span;
use crate::decoder::rope::Rotation;
use crate::weights::Weights;

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct TensorLayer {
    attention_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Option<Tensor>,
    key_norm: Option<Tensor>,
    attention_output: Linear,
    post_attention_norm: Option<Tensor>,
    ffn_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
    post_ffn_norm: Option<Tensor>,
}

impl TensorLayer {
    pub(super) fn load(weights: &Weights, config: &ModelConfig, index: usize) -> Result<Self> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let c = config;
        let linear = |part: &str, out, input| Linear::load(weights, &name(part), out, input);
        let norm = |part: &str, len| weights.optional_vector(&name(part), len);
        Ok(Self {
            attention_norm: weights.vector(&name("attn_norm.weight"), c.hidden)?,
            query: linear("attn_q", c.heads * c.head_dim, c.hidden)?,
            key: linear("attn_k", c.kv_heads * c.head_dim, c.hidden)?,
            value: linear("attn_v", c.kv_heads * c.value_dim, c.hidden)?,
            query_norm: norm("attn_q_norm.weight", c.head_dim)?,
            key_norm: norm("attn_k_norm.weight", c.head_dim)?,
            attention_output: linear("attn_output", c.hidden, c.heads * c.value_dim)?,
            post_attention_norm: norm("post_attention_norm.weight", c.hidden)?,
            ffn_norm: weights.vector(&name("ffn_norm.weight"), c.hidden)?,
            gate: linear("ffn_gate", c.ffn, c.hidden)?,
            up: linear("ffn_up", c.ffn, c.hidden)?,
            down: linear("ffn_down", c.hidden, c.ffn)?,
            post_ffn_norm: norm("post_ffw_norm.weight", c.hidden)?,
        })
    }

    /// Bytes of weights that computing one token reads.
    pub(super) fn weight_bytes(&self) -> u64 {
        let attention = [&self.query, &self.key, &self.value, &self.attention_output];
        let all = attention
            .into_iter()
            .chain([&self.gate, &self.up, &self.down]);
        all.map(|linear| linear.bytes).sum()
    }

    /// The linear layer that GGUF calls `part`.
    pub(super) fn linear_mut(&mut self, part: &str) -> Option<&mut Linear> {
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

    /// Remembers the rows' keys and values and attends: `x` `[rows, hidden]` to the heads'
    /// outputs `[rows, heads · value_dim]`.
    pub(super) fn attend<'a>(
        &self,
        config: &ModelConfig,
        x: &Tensor,
        rotation: &Rotation,
        window: Option<usize>,
        spans: &[Span],
        caches: impl Iterator<Item = &'a TensorCache>,
    ) -> candle_core::Result<Tensor> {
        let c = config;
        let rows = x.dim(0)?;
        let x = rms_norm(x, &self.attention_norm, c.norm_eps)?;
        let q = self
            .query
            .forward(&x)?
            .reshape((rows, c.heads, c.head_dim))?;
        let q = rotation.apply(&normed(q, &self.query_norm, c.norm_eps)?)?;
        let k = self
            .key
            .forward(&x)?
            .reshape((rows, c.kv_heads, c.head_dim))?;
        let k = rotation.apply(&normed(k, &self.key_norm, c.norm_eps)?)?;
        let v = self
            .value
            .forward(&x)?
            .reshape((rows, c.kv_heads, c.value_dim))?;
        let (k, v) = if self.key.rounded {
            // Models are published and measured with keys and values remembered in half
            // precision; weights that are rounded themselves are best followed there.
            (halved(&k)?, halved(&v)?)
        } else {
            (k, v)
        };

        let mut outputs = Vec::with_capacity(spans.len());
        for (span, cache) in spans.iter().zip(caches) {
            let lane = |x: &Tensor| x.narrow(0, span.row, span.tokens);
            let by_head = |x: &Tensor| lane(x)?.transpose(0, 1)?.contiguous();
            cache.write(&by_head(&k)?, &by_head(&v)?, span.position)?;

            let end = span.position + span.tokens;
            // What lies before the first query's window is seen by no query.
            let start = window.map_or(0, |w| (span.position + 1).saturating_sub(w));
            let (keys, values) = cache.view(start..end)?;
            let attention = CachedAttention {
                scale: c.attention_scale,
                softcap: c.attention_softcap,
                first: span.position - start,
                window,
            };
            outputs.push(attention.attend(&lane(&q)?, &keys, &values)?);
        }
        match outputs.as_slice() {
            [only] => Ok(only.clone()),
            _ => Tensor::cat(&outputs, 0),
        }
    }

    /// Adds attention's outputs to the residual stream `x`, then the feed-forward network.
    pub(super) fn feed_forward(
        &self,
        config: &ModelConfig,
        x: Tensor,
        heads: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let eps = config.norm_eps;
        let attended = self.attention_output.forward(heads)?;
        let x = (x + normed(attended, &self.post_attention_norm, eps)?)?;

        let y = rms_norm(&x, &self.ffn_norm, eps)?;
        let (gate, up) = (self.gate.forward(&y)?, self.up.forward(&y)?);
        let y = self
            .down
            .forward(&ops::gated(&gate, &up, config.activation)?)?;
        x + normed(y, &self.post_ffn_norm, eps)?
    }
}

/// Normed, where the model has a norm there.
fn normed(x: Tensor, norm: &Option<Tensor>, eps: f32) -> candle_core::Result<Tensor> {
    match norm {
        Some(weight) => rms_norm(&x, weight, eps),
        None => Ok(x),
    }
}

/// The same numbers, rounded to half precision.
fn halved(x: &Tensor) -> candle_core::Result<Tensor> {
    x.to_dtype(DType::F16)?.to_dtype(DType::F32)
}
