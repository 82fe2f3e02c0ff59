//! One transformer layer in candle's tensors.

use candle_core::Tensor;

use super::attention::CachedAttention;
use super::inputs::LayerSight;
use super::ops::{self, rms_norm};
use super::{Linear, TensorCache};
use crate::config::{ExpertConfig, ModelConfig};
use crate::decoder::layer::{Experts, FeedForward, Gated, LayerWeights};
use crate::decoder::router;

pub(super) type TensorLayer = LayerWeights<Linear, Tensor>;

/// What a layer is given besides the rows.
pub(super) struct LayerInputs<'a> {
    pub sight: &'a LayerSight,
    /// Whether it has a rotary embedding.
    pub rotates: bool,
    /// Factors on the rows of queries, `[rows, 1, 1]`.
    pub scale: Option<&'a Tensor>,
}

impl LayerInputs<'_> {
    fn query(&self, q: Tensor) -> candle_core::Result<Tensor> {
        let q = self.key(q)?;
        match self.scale {
            Some(scale) => q.broadcast_mul(scale),
            None => Ok(q),
        }
    }

    fn key(&self, k: Tensor) -> candle_core::Result<Tensor> {
        match self.rotates {
            true => self.sight.rotation.apply(&k),
            false => Ok(k),
        }
    }
}

impl TensorLayer {
    /// Remembers the rows' keys and values and attends: `x` `[rows, hidden]` to the heads'
    /// outputs `[rows, heads · value_dim]`.
    pub(super) fn attend<'a>(
        &self,
        config: &ModelConfig,
        x: &Tensor,
        of: &LayerInputs,
        caches: impl Iterator<Item = &'a TensorCache>,
    ) -> candle_core::Result<Tensor> {
        let c = config;
        let rows = x.dim(0)?;
        let x = rms_norm(x, &self.attention_norm, c.norm_eps)?;
        let q = self
            .query
            .forward(&x)?
            .reshape((rows, c.heads, c.head_dim))?;
        let q = of.query(normed(q, &self.query_norm, c.norm_eps)?)?;
        let Some(memory) = &self.memory else {
            candle_core::bail!("a layer without keys and values of its own is for the CPU");
        };
        let k = memory
            .key
            .forward(&x)?
            .reshape((rows, c.kv_heads, c.head_dim))?;
        let k = of.key(normed(k, &memory.key_norm, c.norm_eps)?)?;
        let v = memory
            .value
            .forward(&x)?
            .reshape((rows, c.kv_heads, c.value_dim))?;
        let lanes = &of.sight.lanes;
        let mut outputs = Vec::with_capacity(lanes.len());
        for (lane, cache) in lanes.iter().zip(caches) {
            let rows = |x: &Tensor| x.narrow(0, lane.rows.start, lane.rows.len());
            let by_head = |x: &Tensor| rows(x)?.transpose(0, 1)?.contiguous();
            let stored = |x: &Tensor| by_head(x)?.to_dtype(cache.dtype());
            lane.write(cache, &stored(&k)?, &stored(&v)?)?;
            let (keys, values) = cache.view(lane.keys.clone())?;
            let attention = CachedAttention {
                scale: c.attention_scale,
                softcap: c.attention_softcap,
                mask: lane.mask.as_ref(),
                sinks: self.sinks.as_ref(),
            };
            outputs.push(attention.attend(&rows(&q)?, &keys, &values)?);
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
        let scaled = |y: Tensor| match config.residual_scale {
            1.0 => Ok(y),
            scale => y * f64::from(scale),
        };
        let attended = self.attention_output.forward(heads)?;
        let x = (x + scaled(normed(attended, &self.post_attention_norm, eps)?)?)?;

        let y = rms_norm(&x, &self.ffn_norm, eps)?;
        let y = match (&self.feed_forward, &config.experts) {
            (FeedForward::Dense(network), _) => network.forward(config, &y)?,
            (FeedForward::Experts(experts), Some(of)) => experts.forward(config, of, &y)?,
            // A model without experts has no such layer.
            (FeedForward::Experts(_), None) => y,
        };
        x + scaled(normed(y, &self.post_ffn_norm, eps)?)?
    }
}

impl Gated<Linear> {
    fn forward(&self, config: &ModelConfig, x: &Tensor) -> candle_core::Result<Tensor> {
        let (gate, up) = (self.gate.forward(x)?, self.up.forward(x)?);
        self.down
            .forward(&ops::gated(&gate, &up, config.activation)?)
    }
}

impl Experts<Linear> {
    /// What the experts make of rows. Which rows go where is decided on the CPU.
    fn forward(
        &self,
        config: &ModelConfig,
        of: &ExpertConfig,
        x: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let scores = self.router.forward(x)?.flatten_all()?.to_vec1::<f32>()?;
        let mut sum = x.zeros_like()?;
        for (expert, members) in router::by_expert(of, &scores) {
            let Some(network) = self.experts.get(expert) else {
                continue;
            };
            let rows: Vec<u32> = members.iter().map(|(row, _)| *row as u32).collect();
            let weights: Vec<f32> = members.iter().map(|(_, weight)| *weight).collect();
            let rows = Tensor::new(rows, x.device())?;
            let weights = Tensor::new(weights, x.device())?.unsqueeze(1)?;
            let made = network.forward(config, &x.index_select(&rows, 0)?)?;
            sum = sum.index_add(&rows, &made.broadcast_mul(&weights)?, 0)?;
        }
        let Some((network, share)) = &self.shared else {
            return Ok(sum);
        };
        let share = candle_nn::ops::sigmoid(&share.forward(x)?)?;
        sum + network.forward(config, x)?.broadcast_mul(&share)?
    }
}

/// Normed, where the model has a norm there.
fn normed(x: Tensor, norm: &Option<Tensor>, eps: f32) -> candle_core::Result<Tensor> {
    match norm {
        Some(weight) => rms_norm(&x, weight, eps),
        None => Ok(x),
    }
}
