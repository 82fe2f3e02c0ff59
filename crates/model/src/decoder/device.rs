//! The decoder through candle's tensors: on a GPU, and on the CPU to hold it against our own.

use anyhow::{Context, Result};
use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Module, Tensor};

use super::layer::linear_named;
use super::{Logits, Rope, Span};
use crate::config::ModelConfig;
use crate::weights::LowRankFactors;
use crate::weights::Weights;
use crate::weights::rows::WeightRows;
use layer::{TensorLayer, Turn};

mod attention;
mod layer;
pub(super) mod ops;

/// A model whose weights are candle's tensors.
#[derive(Debug)]
pub(super) struct TensorDecoder {
    device: Device,
    embedding: WeightRows,
    layers: Vec<TensorLayer>,
    norm: Tensor,
    output: Linear,
}

/// A linear layer: `y = x · weightᵀ + bias`, with an adapter's low-rank addition if it has one.
#[derive(Debug)]
struct Linear {
    weight: QMatMul,
    /// Bytes of the weight on the device.
    bytes: u64,
    bias: Option<Tensor>,
    /// Whether the weight is stored in less than full precision.
    rounded: bool,
    /// `[in, rank]` and `[rank, out]`, the adapter's scale included.
    low_rank: Option<(Tensor, Tensor)>,
}

impl Linear {
    fn load(weights: &Weights, prefix: &str, out: usize, input: usize) -> Result<Self> {
        let (weight, wide) = weights.tensor(&format!("{prefix}.weight"), out, input)?;
        let bias = weights.optional_vector(&format!("{prefix}.bias"), out)?;
        Self::new(weight, wide, bias)
    }

    fn new(weight: QTensor, wide: bool, bias: Option<Tensor>) -> Result<Self> {
        let rounded = weight.dtype() != GgmlDType::F32;
        let bytes = match wide {
            true => 4 * weight.shape().elem_count() as u64,
            false => weight.storage_size_in_bytes() as u64,
        };
        let weight = match wide {
            true => QMatMul::Tensor(weight.dequantize(&weight.device())?),
            false => QMatMul::from_qtensor(weight)?,
        };
        Ok(Linear {
            weight,
            bytes,
            bias,
            rounded,
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
        let mut y = self.weight.forward(rows)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(bias)?;
        }
        match &self.low_rank {
            Some((down, up)) => y + rows.matmul(down)?.matmul(up)?,
            None => Ok(y),
        }
    }
}

/// Keys and values of one layer of one lane, each `[kv_heads, capacity, head_dim]` in f32.
#[derive(Debug)]
pub(crate) struct TensorCache {
    keys: Tensor,
    values: Tensor,
}

impl TensorCache {
    pub(crate) fn new(config: &ModelConfig, capacity: usize, device: &Device) -> Result<Self> {
        let zeros = |dim| {
            let shape = (config.kv_heads, capacity, dim);
            Tensor::zeros(shape, candle_core::DType::F32, device).with_context(|| {
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

    /// Writes keys and values, each `[kv_heads, tokens, head_dim]`, at a position.
    fn write(&self, keys: &Tensor, values: &Tensor, position: usize) -> candle_core::Result<()> {
        self.keys.slice_set(keys, 1, position)?;
        self.values.slice_set(values, 1, position)
    }

    /// Keys and values of the positions in a range, as views.
    fn view(&self, positions: std::ops::Range<usize>) -> candle_core::Result<(Tensor, Tensor)> {
        let (start, len) = (positions.start, positions.len());
        Ok((
            self.keys.narrow(1, start, len)?,
            self.values.narrow(1, start, len)?,
        ))
    }
}

/// Rows to compute logits for.
enum WantedRows {
    All,
    Some(Tensor),
    None,
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
        })
    }

    pub(super) fn add_low_rank(&mut self, prefix: &str, factors: &LowRankFactors) -> Result<()> {
        linear_named(&mut self.layers, &mut self.output, prefix)?
            .add_low_rank(factors, &self.device)
    }

    /// Bytes of weights that computing one token reads.
    pub(super) fn weight_bytes(&self, config: &ModelConfig) -> u64 {
        let layers = self.layers.iter();
        let bytes = |linear: &Linear| linear.bytes;
        let layers = layers.map(|layer| layer.bytes_per_token(config, bytes));
        layers.sum::<u64>() + self.output.bytes
    }

    /// Computes the rows of a batch: lane after lane, whose tokens are `ids`.
    pub(super) fn forward(
        &self,
        config: &ModelConfig,
        ropes: (&Rope, &Rope),
        caches: &[&[TensorCache]],
        ids: Vec<u32>,
        spans: &[Span],
        want: Logits,
    ) -> Result<Vec<Vec<f32>>> {
        let logits = self
            .compute(config, ropes, caches, &ids, spans, want)
            .and_then(|logits| logits.map(|logits| logits.to_vec2()).transpose())
            .context("the forward pass failed")?;
        Ok(logits.unwrap_or_default())
    }

    fn compute(
        &self,
        config: &ModelConfig,
        (rope, local_rope): (&Rope, &Rope),
        caches: &[&[TensorCache]],
        ids: &[u32],
        spans: &[Span],
        want: Logits,
    ) -> candle_core::Result<Option<Tensor>> {
        let positions: Vec<u32> = spans
            .iter()
            .flat_map(|s| (s.position..s.position + s.tokens).map(|p| p as u32))
            .collect();
        let wanted = self.wanted_rows(spans, want)?;

        let (mut x, mut wide) = (Vec::new(), Vec::new());
        for &id in ids {
            x.extend_from_slice(
                self.embedding
                    .widened(id as usize..id as usize + 1, &mut wide),
            );
        }
        let mut x = Tensor::from_vec(x, (ids.len(), config.hidden), &self.device)?;
        if config.embedding_scale != 1.0 {
            x = (x * f64::from(config.embedding_scale))?;
        }
        let rotation = rope.at(&positions, &self.device)?;
        let local_rotation = match &config.window {
            Some(_) => Some(local_rope.at(&positions, &self.device)?),
            None => None,
        };
        let scale = match config.position_scale {
            Some(scale) => {
                let factors = positions.iter().map(|&p| scale.at(p as usize)).collect();
                Some(Tensor::from_vec(factors, (ids.len(), 1, 1), &self.device)?)
            }
            None => None,
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let window = config.window_of(index);
            let rotation = match (&local_rotation, window) {
                (Some(local), Some(_)) => local,
                _ => &rotation,
            };
            let turn = Turn {
                rotation: config.is_rotated(index).then_some(rotation),
                scale: scale.as_ref(),
            };
            let caches = caches.iter().map(|cache| &cache[index]);
            let heads = layer.attend(config, &x, &turn, window, spans, caches)?;
            // After the last attention nothing looks at other rows any more.
            let (x_kept, heads) = match &wanted {
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
        Ok(Some(match config.logit_softcap.map(f64::from) {
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        }))
    }

    fn wanted_rows(&self, spans: &[Span], want: Logits) -> candle_core::Result<WantedRows> {
        Ok(match want {
            Logits::None => WantedRows::None,
            Logits::Last if spans.iter().any(|s| s.tokens > 1) => {
                let last = spans
                    .iter()
                    .map(|s| (s.row + s.tokens - 1) as u32)
                    .collect();
                WantedRows::Some(Tensor::from_vec(last, spans.len(), &self.device)?)
            }
            // With one token each, the last rows are all rows.
            Logits::Last | Logits::All => WantedRows::All,
        })
    }
}
