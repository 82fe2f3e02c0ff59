//! The key/value cache of one lane: what attention remembers of the tokens so far.
//!
//! An explicit length says how many tokens count. Rewinding is therefore a number. On the CPU memory
//! is taken as a lane grows, and a branch shares what it has in common with its source; a device's
//! tensors have the whole capacity from the start, and a branch is a copy.
//!
//! Not here: which tokens the entries belong to; the owner of the cache keeps that.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::config::ModelConfig;
use super::decoder::device::TensorCache;
use super::device::Place;
pub use super::kernels::kv::CacheType;
use super::kernels::kv::{CacheShape, LaneCache, SpareSegments};

/// Keys and values of one lane for every layer.
#[derive(Debug)]
pub struct Cache {
    layers: Layers,
    len: usize,
    /// Tokens behind these that were set aside.
    aside: usize,
    capacity: usize,
}

#[derive(Debug)]
enum Layers {
    Host(LaneCache),
    Tensors(Vec<TensorCache>),
}

impl Cache {
    pub(super) fn new(
        config: &ModelConfig,
        capacity: usize,
        place: &Place,
        numbers: CacheType,
        spare: &Arc<SpareSegments>,
    ) -> Result<Self> {
        if capacity == 0 {
            bail!("a cache needs room for at least one token");
        }
        let shape = CacheShape {
            layers: config.own_kv,
            kv_heads: config.kv_heads,
            dim: config.head_dim,
            value_dim: config.value_dim,
            numbers,
        };
        // A GPU's memory is its own; it says itself when it is full.
        if place.is_cpu() {
            super::memory::require(
                shape.bytes(capacity),
                &format!("a context of {capacity} tokens"),
                "use a smaller context",
            )?;
        }
        let layers = match place {
            Place::Host => Layers::Host(LaneCache::new(shape, spare)),
            Place::Tensors(device) => Layers::Tensors(
                (0..config.own_kv)
                    .map(|_| TensorCache::new(config, capacity, numbers, device))
                    .collect::<Result<_>>()?,
            ),
        };
        Ok(Self {
            layers,
            len: 0,
            aside: 0,
            capacity,
        })
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
        self.aside = 0;
    }

    /// Forgets the last tokens, but so that [`Cache::restore`] can take them back in, until something
    /// else is computed or forgotten.
    pub fn set_aside(&mut self, tokens: usize) {
        self.aside = tokens.min(self.len);
        self.len -= self.aside;
    }

    /// Takes in the next of the tokens that were set aside; whether there are so many.
    pub fn restore(&mut self, tokens: usize) -> bool {
        let there = self.aside >= tokens;
        if there {
            self.len += tokens;
            self.aside -= tokens;
        }
        there
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
        let layers = match &self.layers {
            Layers::Host(lane) => Layers::Host(lane.fork(len)?),
            Layers::Tensors(layers) => Layers::Tensors(
                layers
                    .iter()
                    .map(|layer| layer.fork(len, capacity))
                    .collect::<Result<_>>()?,
            ),
        };
        Ok(Cache {
            layers,
            len,
            aside: 0,
            capacity,
        })
    }

    /// Number of layers.
    pub(super) fn layers(&self) -> usize {
        match &self.layers {
            Layers::Host(lane) => lane.layers(),
            Layers::Tensors(layers) => layers.len(),
        }
    }

    /// To be called before anything is computed, which writes over what was set aside.
    pub(super) fn begin(&mut self) {
        self.aside = 0;
    }

    /// The CPU's cache, ready for so many more tokens.
    pub(super) fn host(&mut self, tokens: usize) -> Result<&mut LaneCache> {
        match &mut self.layers {
            Layers::Host(lane) => {
                lane.prepare(self.len..self.len + tokens)?;
                Ok(lane)
            }
            Layers::Tensors(_) => bail!("the cache belongs to another model"),
        }
    }

    pub(super) fn tensors(&self) -> Result<&[TensorCache]> {
        match &self.layers {
            Layers::Tensors(layers) => Ok(layers),
            Layers::Host(_) => bail!("the cache belongs to another model"),
        }
    }

    /// Counts tokens whose keys and values have been written to every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.len = self.len.saturating_add(tokens).min(self.capacity);
    }
}
