//! What a forward pass on a device depends on besides weights and caches, as tensors: the rows of the
//! embedding, the rotation, where keys and values go, and what is seen of them.
//!
//! Everything that is computed on the CPU is computed here, before the pass, which is then operations on
//! the device alone. A step of one token a lane is laid out so that the next one has the same shapes and
//! differs in the numbers of these tensors alone: it can be recorded and repeated.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};

use super::TensorCache;
use crate::config::ModelConfig;
use crate::decoder::rope::Rotation;
use crate::decoder::{Logits, Rope, Span};

/// Keys that a repeated step sees are counted up to a multiple of this; those that are not there yet
/// are masked. One recording serves so many tokens.
const BUCKET: usize = 256;

/// The inputs of one forward pass.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Rows of the embedding, `[rows, hidden]`.
    pub x: Tensor,
    /// In layers that see everything.
    pub everything: LayerSight,
    /// In windowed layers, if there are any.
    pub window: Option<LayerSight>,
    /// Factors on the rows of queries, `[rows, 1, 1]`.
    pub scale: Option<Tensor>,
    pub wanted: WantedRows,
    /// Whether the rows are reduced to what drawing from them needs.
    pub reduced: bool,
    /// Whether it is a step that can be repeated: which keys each lane sees then.
    #[cfg(any(test, feature = "cuda"))]
    pub repeats: Option<Vec<usize>>,
}

/// Rows to compute logits for.
#[derive(Debug)]
pub(super) enum WantedRows {
    All,
    Some(Tensor),
    None,
}

/// What the rows of a batch see in layers of one kind.
#[derive(Debug)]
pub(super) struct LayerSight {
    pub rotation: Rotation,
    pub lanes: Vec<LaneSight>,
}

/// The same for the rows of one lane.
#[derive(Debug)]
pub(super) struct LaneSight {
    /// The lane's rows in the batch.
    pub rows: Range<usize>,
    /// Where their keys and values go.
    pub slot: CacheSlot,
    /// The keys that are looked at.
    pub keys: Range<usize>,
    /// `[rows, keys]`: 0 for a key that is seen, -∞ for one that is not. `None` if all are.
    pub mask: Option<Tensor>,
}

/// A place in a cache.
#[derive(Debug)]
pub(super) enum CacheSlot {
    Position(usize),
    /// One position, written to the device: as index of every number of its keys
    /// `[kv_heads, 1, head_dim]` and of its values `[kv_heads, 1, value_dim]`.
    Held {
        keys: Tensor,
        values: Tensor,
    },
}

/// What a batch is of.
pub(super) struct Batch<'a> {
    pub config: &'a ModelConfig,
    /// Of layers that see everything, and of windowed ones.
    pub ropes: (&'a Rope, &'a Rope),
    pub spans: &'a [Span],
    /// Tokens that each lane has room for.
    pub capacities: Vec<usize>,
    pub want: Logits,
    pub reduced: bool,
    pub device: &'a Device,
}

impl Batch<'_> {
    /// The inputs of a pass; `x` are the rows of the embedding.
    pub(super) fn inputs(&self, x: Tensor) -> Result<Inputs> {
        let (config, device) = (self.config, self.device);
        let rows = x.dim(0)?;
        let positions: Vec<u32> = self
            .spans
            .iter()
            .flat_map(|s| (s.position..s.position + s.tokens).map(|p| p as u32))
            .collect();
        let scale = match config.position_scale {
            Some(scale) => {
                let factors = positions.iter().map(|&p| scale.at(p as usize)).collect();
                Some(Tensor::from_vec(factors, (rows, 1, 1), device)?)
            }
            None => None,
        };
        let repeats = self.repeats();
        let sight = |rope: &Rope, window| -> Result<LayerSight> {
            let seen = repeats.as_deref();
            let lanes = (0..self.spans.len()).map(|lane| self.lane(lane, window, seen));
            Ok(LayerSight {
                rotation: rope.at(&positions, device)?,
                lanes: lanes.collect::<Result<_>>()?,
            })
        };
        let x = match config.embedding_scale {
            1.0 => x,
            scale => (x * f64::from(scale))?,
        };
        Ok(Inputs {
            x,
            everything: sight(self.ropes.0, None)?,
            window: match &config.window {
                Some(window) => Some(sight(self.ropes.1, Some(window.size))?),
                None => None,
            },
            scale,
            wanted: self.wanted_rows()?,
            reduced: self.reduced,
            #[cfg(any(test, feature = "cuda"))]
            repeats,
        })
    }

    /// Whether the next step of these lanes has the same shapes, and how many keys each sees then. Which
    /// experts are computed is decided on the CPU, in the middle of a pass; and Metal has no recordings.
    fn repeats(&self) -> Option<Vec<usize>> {
        let steps = self.spans.iter().all(|span| span.tokens == 1);
        let on_the_device = self.config.experts.is_none() && !self.device.is_metal();
        let wanted = self.want != Logits::None;
        let seen = |(span, capacity): (&Span, &usize)| {
            (span.position + 1).next_multiple_of(BUCKET).min(*capacity)
        };
        (steps && on_the_device && wanted)
            .then(|| self.spans.iter().zip(&self.capacities).map(seen).collect())
    }

    /// What one lane sees, within a window if there is one.
    fn lane(
        &self,
        lane: usize,
        window: Option<usize>,
        repeats: Option<&[usize]>,
    ) -> Result<LaneSight> {
        let span = &self.spans[lane];
        let end = span.position + span.tokens;
        let keys = match repeats {
            Some(seen) => 0..seen[lane],
            // What lies before the first query's window is seen by no query.
            None => window.map_or(0, |w| (span.position + 1).saturating_sub(w))..end,
        };
        let mask = match (repeats, span.tokens) {
            (None, 1) => None,
            _ => Some(self.mask(span, window, &keys)?),
        };
        let slot = match repeats {
            Some(_) => self.held(span.position)?,
            None => CacheSlot::Position(span.position),
        };
        Ok(LaneSight {
            rows: span.row..span.row + span.tokens,
            slot,
            keys,
            mask,
        })
    }

    fn mask(&self, span: &Span, window: Option<usize>, keys: &Range<usize>) -> Result<Tensor> {
        let mut mask = Vec::with_capacity(span.tokens * keys.len());
        for position in span.position..span.position + span.tokens {
            let first = window.map_or(0, |w| (position + 1).saturating_sub(w));
            let seen = first..position + 1;
            mask.extend(keys.clone().map(|key| match seen.contains(&key) {
                true => 0.0,
                false => f32::NEG_INFINITY,
            }));
        }
        Tensor::from_vec(mask, (span.tokens, keys.len()), self.device)
    }

    fn held(&self, position: usize) -> Result<CacheSlot> {
        let index = |dim: usize| {
            let shape = (self.config.kv_heads, 1, dim);
            let index = vec![position as u32; self.config.kv_heads * dim];
            Tensor::from_vec(index, shape, self.device)
        };
        Ok(CacheSlot::Held {
            keys: index(self.config.head_dim)?,
            values: index(self.config.value_dim)?,
        })
    }

    fn wanted_rows(&self) -> Result<WantedRows> {
        Ok(match self.want {
            Logits::None => WantedRows::None,
            Logits::Last if self.spans.iter().any(|s| s.tokens > 1) => {
                let last = self.spans.iter();
                let last = last.map(|s| (s.row + s.tokens - 1) as u32).collect();
                WantedRows::Some(Tensor::from_vec(last, self.spans.len(), self.device)?)
            }
            // With one token each, the last rows are all rows.
            Logits::Last | Logits::All => WantedRows::All,
        })
    }
}

impl LaneSight {
    /// Writes a lane's keys and values, each `[kv_heads, rows, head_dim]`.
    pub(super) fn write(&self, cache: &TensorCache, keys: &Tensor, values: &Tensor) -> Result<()> {
        match &self.slot {
            CacheSlot::Position(position) => {
                cache.keys.slice_set(keys, 1, *position)?;
                cache.values.slice_set(values, 1, *position)
            }
            CacheSlot::Held {
                keys: at_keys,
                values: at_values,
            } => {
                cache.keys.scatter_set(at_keys, keys, 1)?;
                cache.values.scatter_set(at_values, values, 1)
            }
        }
    }
}

#[cfg(any(test, feature = "cuda"))]
impl Inputs {
    /// Takes over the numbers of a step of the same shapes.
    pub(super) fn take(&self, other: &Inputs) -> Result<()> {
        for (own, new) in self.tensors().into_iter().zip(other.tensors()) {
            own.slice_set(new, 0, 0)?;
        }
        Ok(())
    }

    /// All that changes from step to step.
    fn tensors(&self) -> Vec<&Tensor> {
        let mut all = vec![&self.x];
        all.extend(&self.scale);
        for sight in [Some(&self.everything), self.window.as_ref()]
            .into_iter()
            .flatten()
        {
            all.extend(sight.rotation.tensors());
            for lane in &sight.lanes {
                all.extend(&lane.mask);
                if let CacheSlot::Held { keys, values } = &lane.slot {
                    all.extend([keys, values]);
                }
            }
        }
        all
    }
}
