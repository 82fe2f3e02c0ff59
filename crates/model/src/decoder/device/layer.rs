//! One transformer layer in candle's tensors.

use candle_core::{DType, Tensor};

use super::attention::CachedAttention;
use super::ops::{self, rms_norm};
use super::{Linear, TensorCache};
use crate::config::ModelConfig;
use crate::decoder::Span;
use crate::decoder::layer::LayerWeights;
use crate::decoder::rope::Rotation;

pub(super) type TensorLayer = LayerWeights<Linear, Tensor>;

impl TensorLayer {
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
