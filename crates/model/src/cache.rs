//! The key/value cache of one lane: what attention remembers of the tokens so far.
//!
//! Storage is allocated once for the whole capacity (zeroed memory that the system hands out page
//! by page as it is written) and an explicit length says how much of it counts. Rewinding is
//! therefore a number, and a branch is a copy of a prefix. Storage is never shared between caches.
//!
//! Not here: which tokens the entries belong to; the owner of the cache keeps that.

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};

use super::config::ModelConfig;

/// Keys and values of one lane for every layer.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<LayerCache>,
    len: usize,
    capacity: usize,
}

/// Keys and values of one layer, each `[kv_heads, capacity, head_dim]` in f32.
#[derive(Debug)]
pub(super) struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

impl Cache {
    pub(super) fn new(config: &ModelConfig, capacity: usize, device: &Device) -> Result<Self> {
        if capacity == 0 {
            bail!("a cache needs room for at least one token");
        }
        // A GPU's memory is its own; it says itself when it is full.
        if device.is_cpu() {
            super::memory::require(
                Self::bytes(config, capacity),
                &format!("a context of {capacity} tokens"),
                "use a smaller context",
            )?;
        }
        let zeros = |dim| {
            Tensor::zeros(
                (config.kv_heads, capacity, dim),
                candle_core::DType::F32,
                device,
            )
            .with_context(|| {
                format!("no room for a context of {capacity} tokens; use a smaller one")
            })
        };
        let layers = (0..config.layers)
            .map(|_| {
                Ok(LayerCache {
                    keys: zeros(config.head_dim)?,
                    values: zeros(config.value_dim)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            layers,
            len: 0,
            capacity,
        })
    }

    /// Bytes that a cache of this capacity occupies once it is full.
    pub fn bytes(config: &ModelConfig, capacity: usize) -> u64 {
        let per_token = config.layers * config.kv_heads * (config.head_dim + config.value_dim);
        (per_token as u64)
            .saturating_mul(4)
            .saturating_mul(capacity as u64)
    }

    /// Number of tokens remembered.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is remembered yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of tokens there is room for in total.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets everything after the first `len` tokens, in no time. Longer than the present
    /// length changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// An independent cache that remembers the first `len` tokens and has room for `capacity`.
    ///
    /// Fails if this cache remembers fewer tokens, or if they do not fit the capacity.
    pub fn fork(&self, len: usize, capacity: usize) -> Result<Cache> {
        if len > self.len {
            bail!(
                "cannot branch after {len} tokens: only {} are remembered",
                self.len
            );
        }
        if len > capacity || capacity == 0 {
            bail!("cannot branch after {len} tokens into a cache of {capacity}");
        }
        let copy = |from: &Tensor| -> candle_core::Result<Tensor> {
            let (heads, _, dim) = from.dims3()?;
            let to = Tensor::zeros((heads, capacity, dim), from.dtype(), from.device())?;
            if len > 0 {
                to.slice_set(&from.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
            }
            Ok(to)
        };
        let layers = self
            .layers
            .iter()
            .map(|layer| {
                Ok(LayerCache {
                    keys: copy(&layer.keys)?,
                    values: copy(&layer.values)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Cache {
            layers,
            len,
            capacity,
        })
    }

    pub(super) fn layers(&self) -> &[LayerCache] {
        &self.layers
    }

    /// Counts tokens whose keys and values have been written to every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.len = self.len.saturating_add(tokens).min(self.capacity);
    }
}

impl LayerCache {
    /// Writes keys and values, each `[kv_heads, tokens, head_dim]`, at a position.
    pub(super) fn write(
        &self,
        keys: &Tensor,
        values: &Tensor,
        position: usize,
    ) -> candle_core::Result<()> {
        self.keys.slice_set(keys, 1, position)?;
        self.values.slice_set(values, 1, position)
    }

    /// Keys and values of the positions in a range, as views.
    pub(super) fn view(
        &self,
        positions: std::ops::Range<usize>,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        let (start, len) = (positions.start, positions.len());
        Ok((
            self.keys.narrow(1, start, len)?,
            self.values.narrow(1, start, len)?,
        ))
    }
}
