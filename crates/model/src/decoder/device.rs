//! The decoder through candle's tensors: on a GPU, and on the CPU to hold it against our own.

use std::ops::Range;

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};

use super::layer::linear_named;
use super::{Logits, Rope, Span};
use crate::cache::CacheType;
use crate::config::ModelConfig;
use crate::logits::PositionLogits;
use crate::weights::rows::WeightRows;
use crate::weights::{DeviceMatrix, LowRankFactors, Weights};
use inputs::{Batch, Inputs, WantedRows};
use layer::{LayerInputs, TensorLayer};
#[cfg(feature = "cuda")]
use recorded::Recordings;
use reduce::Reduction;

mod attention;
mod inputs;
mod layer;
pub(super) mod ops;
#[cfg(feature = "cuda")]
mod recorded;
pub(super) mod reduce;
#[cfg(test)]
mod tests;

/// A model whose weights are candle's tensors.
#[derive(Debug)]
pub(super) struct TensorDecoder {
    device: Device,
    embedding: WeightRows,
    layers: Vec<TensorLayer>,
    norm: Tensor,
    output: Linear,
    /// What is kept of the logits that tokens are drawn from.
    reduction: Option<Reduction>,
    /// Steps that are recorded once and repeated.
    #[cfg(feature = "cuda")]
    recordings: Recordings,
}

/// What a pass gives, on the device.
#[derive(Debug)]
struct Rows {
    /// `[rows, vocabulary]`.
    logits: Tensor,
    /// What is kept of each row where tokens are drawn from it.
    reduced: Option<Tensor>,
}

/// A linear layer: `y = x · weightᵀ + bias`, with an adapter's low-rank addition if it has one.
#[derive(Debug)]
struct Linear {
    weight: DeviceMatrix,
    bias: Option<Tensor>,
    /// `[in, rank]` and `[rank, out]`, the adapter's scale included.
    low_rank: Option<(Tensor, Tensor)>,
}

impl Linear {
    fn load(weights: &Weights, prefix: &str, out: usize, input: usize) -> Result<Self> {
        Ok(Linear {
            weight: weights.tensor(&format!("{prefix}.weight"), out, input)?,
            bias: weights.optional_vector(&format!("{prefix}.bias"), out)?,
            low_rank: None,
        })
    }

    fn add_low_rank(&mut self, factors: &LowRankFactors, device: &Device) -> Result<()> {
        let rank = factors.rank.max(1);
        let (out, input) = (factors.b.len() / rank, factors.a.len() / rank);
        let tensor = |values: &[f32], shape| Tensor::from_slice(values, shape, device);
        let up = tensor(&factors.b, (out, rank))?.t()?.contiguous()?;
        let down = tensor(&factors.a, (rank, input))?.t()?.contiguous()?;
        self.low_rank = Some((down, (up * f64::from(factors.scale))?));
        Ok(())
    }

    /// Applies the layer to contiguous f32 rows `[rows, in]`, giving `[rows, out]`.
    fn forward(&self, rows: &Tensor) -> candle_core::Result<Tensor> {
        let mut y = self.weight.product(rows)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(bias)?;
        }
        match &self.low_rank {
            Some((down, up)) => y + rows.matmul(down)?.matmul(up)?,
            None => Ok(y),
        }
    }
}

/// Keys and values of one layer of one lane, each `[kv_heads, capacity, head_dim]` in f32 or f16.
#[derive(Debug)]
pub(crate) struct TensorCache {
    keys: Tensor,
    values: Tensor,
}

impl TensorCache {
    pub(crate) fn new(
        config: &ModelConfig,
        capacity: usize,
        numbers: CacheType,
        device: &Device,
    ) -> Result<Self> {
        let dtype = match numbers {
            CacheType::F16 => DType::F16,
            _ => DType::F32,
        };
        let zeros = |dim| {
            let shape = (config.kv_heads, capacity, dim);
            Tensor::zeros(shape, dtype, device).with_context(|| {
                format!("no room for a context of {capacity} tokens; use a smaller one")
            })
        };
        Ok(TensorCache {
            keys: zeros(config.head_dim)?,
            values: zeros(config.value_dim)?,
        })
    }

    /// A cache for `capacity` tokens with the first `len` of this one.
    pub(crate) fn fork(&self, len: usize, capacity: usize) -> Result<Self> {
        let copy = |from: &Tensor| -> candle_core::Result<Tensor> {
            let (heads, _, dim) = from.dims3()?;
            let to = Tensor::zeros((heads, capacity, dim), from.dtype(), from.device())?;
            if len > 0 {
                to.slice_set(&from.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
            }
            Ok(to)
        };
        Ok(TensorCache {
            keys: copy(&self.keys)?,
            values: copy(&self.values)?,
        })
    }

    fn dtype(&self) -> DType {
        self.keys.dtype()
    }

    /// Tokens there is room for.
    fn capacity(&self) -> usize {
        self.keys.dims().get(1).copied().unwrap_or(0)
    }

    /// Keys and values of the positions in a range, in f32; views where they are kept so.
    fn view(&self, positions: Range<usize>) -> candle_core::Result<(Tensor, Tensor)> {
        let view = |all: &Tensor| {
            let part = all.narrow(1, positions.start, positions.len())?;
            part.to_dtype(DType::F32)
        };
        Ok((view(&self.keys)?, view(&self.values)?))
    }
}

impl TensorDecoder {
    pub(super) fn load(
        weights: &Weights,
        config: &ModelConfig,
        device: &Device,
        step: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let weights = &weights.on(device);
        let name = match weights.contains("output.weight") {
            true => "output",
            false => "token_embd",
        };
        let output = Linear::load(weights, name, config.vocab, config.hidden)?;
        let mut layers = Vec::new();
        for index in 0..config.layers {
            step(index + 1)?;
            layers.push(TensorLayer::load(
                config,
                index,
                |prefix, out, input| Linear::load(weights, prefix, out, input),
                |name, len| weights.optional_vector(name, len),
            )?);
        }
        Ok(TensorDecoder {
            device: device.clone(),
            embedding: weights.rows("token_embd.weight", config.vocab, config.hidden)?,
            layers,
            norm: weights.vector("output_norm.weight", config.hidden)?,
            output,
            reduction: None,
            #[cfg(feature = "cuda")]
            recordings: Recordings::on(device),
        })
    }

    pub(super) fn add_low_rank(&mut self, prefix: &str, factors: &LowRankFactors) -> Result<()> {
        linear_named(&mut self.layers, &mut self.output, prefix)?
            .add_low_rank(factors, &self.device)
    }

    /// Bytes of weights that computing one token reads.
    pub(super) fn weight_bytes(&self, config: &ModelConfig) -> u64 {
        let layers = self.layers.iter();
        let bytes = |linear: &Linear| linear.weight.bytes();
        let layers = layers.map(|layer| layer.bytes_per_token(config, bytes));
        layers.sum::<u64>() + self.output.weight.bytes()
    }

    /// What tokens are drawn from is reduced on the device: ids below `vocab`, of which those `named`
    /// are always looked at.
    pub(super) fn draw_from(&mut self, vocab: usize, named: &[u32]) -> Result<()> {
        // What has not been tried is not used: sorting on Metal.
        if !self.device.is_metal() {
            self.reduction = Reduction::new(vocab, named, &self.device)?;
        }
        Ok(())
    }

    /// Computes the rows of a batch: lane after lane, whose tokens are `ids`. `to_draw` is whether
    /// tokens are drawn from the rows, and nothing else is done with them.
    pub(super) fn forward(
        &self,
        config: &ModelConfig,
        ropes: (&Rope, &Rope),
        caches: &[&[TensorCache]],
        ids: Vec<u32>,
        spans: &[Span],
        (want, to_draw): (Logits, bool),
    ) -> Result<Vec<PositionLogits>> {
        let capacity = |cache: &&[TensorCache]| cache.first().map_or(0, TensorCache::capacity);
        let batch = Batch {
            config,
            ropes,
            spans,
            capacities: caches.iter().map(capacity).collect(),
            want,
            reduced: to_draw && self.reduction.is_some(),
            device: &self.device,
        };
        self.embed(config, &ids)
            .and_then(|x| batch.inputs(x))
            .and_then(|inputs| self.pass(config, caches, inputs))
            .and_then(|rows| rows.map_or(Ok(Vec::new()), |rows| self.read(&rows)))
            .context("the forward pass failed")
    }

    /// Copies what is wanted of the rows from the device.
    fn read(&self, rows: &Rows) -> candle_core::Result<Vec<PositionLogits>> {
        match (&rows.reduced, &self.reduction) {
            (Some(reduced), Some(reduction)) => reduction.read(reduced, &rows.logits),
            _ => {
                let rows = rows.logits.to_vec2()?.into_iter();
                Ok(rows.map(PositionLogits::Whole).collect())
            }
        }
    }

    /// Why steps are not recorded and repeated, if that was tried; said once.
    #[cfg(feature = "cuda")]
    pub(super) fn take_notice(&self) -> Option<String> {
        self.recordings.take_notice()
    }

    /// The rows of the embedding `[rows, hidden]`.
    fn embed(&self, config: &ModelConfig, ids: &[u32]) -> candle_core::Result<Tensor> {
        let (mut x, mut wide) = (Vec::new(), Vec::new());
        for &id in ids {
            let row = id as usize..id as usize + 1;
            x.extend_from_slice(self.embedding.widened(row, &mut wide));
        }
        Tensor::from_vec(x, (ids.len(), config.hidden), &self.device)
    }

    /// A pass, repeated from a recording where there is one.
    fn pass(
        &self,
        config: &ModelConfig,
        caches: &[&[TensorCache]],
        inputs: Inputs,
    ) -> candle_core::Result<Option<Rows>> {
        let compute = |inputs: &Inputs| self.compute(config, caches, inputs);
        #[cfg(feature = "cuda")]
        {
            let first = |cache: &&[TensorCache]| cache.first().map(|layer| layer.keys.id());
            let lanes = caches.iter().filter_map(first).collect();
            self.recordings.pass(lanes, inputs, compute)
        }
        #[cfg(not(feature = "cuda"))]
        compute(&inputs)
    }

    /// The pass itself: operations on the device alone.
    fn compute(
        &self,
        config: &ModelConfig,
        caches: &[&[TensorCache]],
        inputs: &Inputs,
    ) -> candle_core::Result<Option<Rows>> {
        let mut x = inputs.x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            let sight = match (&inputs.window, config.window_of(index)) {
                (Some(window), Some(_)) => window,
                _ => &inputs.everything,
            };
            let of = LayerInputs {
                sight,
                rotates: config.is_rotated(index),
                scale: inputs.scale.as_ref(),
            };
            let caches = caches.iter().map(|cache| &cache[index]);
            let heads = layer.attend(config, &x, &of, caches)?;
            // After the last attention nothing looks at other rows any more.
            let (x_kept, heads) = match &inputs.wanted {
                _ if index + 1 < self.layers.len() => (x, heads),
                WantedRows::All => (x, heads),
                WantedRows::Some(rows) => (x.index_select(rows, 0)?, heads.index_select(rows, 0)?),
                WantedRows::None => return Ok(None),
            };
            x = layer.feed_forward(config, x_kept, &heads)?;
        }
        let x = ops::rms_norm(&x, &self.norm, config.norm_eps)?;
        let mut logits = self.output.forward(&x)?;
        if config.logit_scale != 1.0 {
            logits = (logits * f64::from(config.logit_scale))?;
        }
        if let Some(cap) = config.logit_softcap.map(f64::from) {
            logits = ((logits / cap)?.tanh()? * cap)?;
        }
        let reduction = self.reduction.as_ref().filter(|_| inputs.reduced);
        let reduced = reduction.map(|reduction| reduction.of(&logits));
        Ok(Some(Rows {
            reduced: reduced.transpose()?,
            logits,
        }))
    }
}
