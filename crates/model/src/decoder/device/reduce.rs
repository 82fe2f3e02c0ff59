//! What drawing a token needs of a row of logits, worked out on the device, so that a few numbers are
//! copied from it and not a vocabulary.
//!
//! Not here: what is drawn ([`crate::sampler`]).

use candle_core::{DType, Device, Result, Tensor};

use crate::logits::{BestLogits, PositionLogits};

/// Logits that are kept of each row.
pub(super) const BEST: usize = 64;
/// Columns that are sorted at once: what the threads of a block do on a GPU.
const SORTED: usize = 1024;
/// Numbers of a row before those kept: the largest, the sum of e^d, and of d e^d.
const SUMS: usize = 3;
/// Where e^d is 0; times minus infinity it would be no number.
const FARTHEST: f32 = -1e4;
/// Ids are copied as floats, which hold whole numbers up to here.
const MOST_IDS: usize = 1 << 24;

/// What is kept of rows of logits.
#[derive(Debug)]
pub(in crate::decoder) struct Reduction {
    /// Ids below it can be drawn.
    vocab: usize,
    /// Ids whose logits are always wanted, and the same on the device.
    named: Vec<u32>,
    named_there: Tensor,
    /// All ids, `[1, vocab]`.
    ids: Tensor,
    /// The largest logit, and a distance at which a weight is 0, each `[1, 1]`.
    largest: Tensor,
    farthest: Tensor,
}

impl Reduction {
    /// `None` where a vocabulary is too large to be reduced, or so small that it need not be.
    pub(super) fn new(vocab: usize, named: &[u32], device: &Device) -> Result<Option<Reduction>> {
        if !(BEST..=MOST_IDS).contains(&vocab) {
            return Ok(None);
        }
        let named: Vec<u32> = named
            .iter()
            .copied()
            .filter(|&id| (id as usize) < vocab)
            .collect();
        let ids: Vec<f32> = (0..vocab).map(|id| id as f32).collect();
        let number = |x: f32| Tensor::full(x, (1, 1), device);
        Ok(Some(Reduction {
            largest: number(f32::MAX)?,
            farthest: number(FARTHEST)?,
            named_there: Tensor::from_slice(&named, named.len(), device)?,
            named,
            ids: Tensor::from_vec(ids, (1, vocab), device)?,
            vocab,
        }))
    }

    /// What is kept of each row of logits `[rows, vocabulary]`, as one row of numbers: operations on
    /// the device alone, nothing is copied to it.
    pub(super) fn of(&self, logits: &Tensor) -> Result<Tensor> {
        let logits = logits.narrow(1, 0, self.vocab)?.contiguous()?;
        let void = (logits.zeros_like()? + f64::NEG_INFINITY)?;
        // What is not a number is impossible, and infinity merely very large.
        let logits = logits.ne(&logits)?.where_cond(&void, &logits)?;
        let logits = logits.broadcast_minimum(&self.largest)?;
        let max = logits.max_keepdim(1)?;
        let distance = logits.broadcast_sub(&max)?;
        let distance = distance.broadcast_maximum(&self.farthest)?;
        let weights = distance.exp()?;
        let weighted = (distance * &weights)?.sum_keepdim(1)?;
        let sum = weights.sum_keepdim(1)?;
        let (best, ids) = self.best(&logits)?;
        let mut parts = vec![max, sum, weighted, best, ids];
        if !self.named.is_empty() {
            parts.push(logits.index_select(&self.named_there, 1)?);
        }
        Tensor::cat(&parts, 1)
    }

    /// The best logits of each row and their ids, each `[rows, BEST]`: those of every piece of a row,
    /// then those of them, until one piece is left.
    fn best(&self, logits: &Tensor) -> Result<(Tensor, Tensor)> {
        let rows = logits.dim(0)?;
        let mut values = logits.clone();
        let mut ids = self.ids.broadcast_as((rows, self.vocab))?.contiguous()?;
        loop {
            let width = values.dim(1)?;
            let pieces = width.div_ceil(SORTED);
            let missing = match pieces {
                1 => 0,
                pieces => pieces * SORTED - width,
            };
            if missing > 0 {
                let zeros = Tensor::zeros((rows, missing), DType::F32, values.device())?;
                let void = (&zeros + f64::NEG_INFINITY)?;
                values = Tensor::cat(&[&values, &void], 1)?;
                ids = Tensor::cat(&[&ids, &zeros], 1)?;
            }
            let piece = (rows * pieces, (width + missing) / pieces);
            let (split, split_ids) = (values.reshape(piece)?, ids.reshape(piece)?);
            let order = split.arg_sort_last_dim(false)?;
            let order = order.narrow(1, 0, BEST)?.contiguous()?;
            let chosen = (rows, pieces * BEST);
            values = split.gather(&order, 1)?.reshape(chosen)?;
            ids = split_ids.gather(&order, 1)?.reshape(chosen)?;
            if pieces == 1 {
                return Ok((values, ids));
            }
        }
    }

    /// Reads the numbers of the rows; `logits` are those they were made of.
    pub(super) fn read(&self, kept: &Tensor, logits: &Tensor) -> Result<Vec<PositionLogits>> {
        let rows = kept.to_vec2::<f32>()?;
        let rows = rows.iter().enumerate().map(|(i, row)| {
            let (sums, rest) = row.split_at(SUMS);
            let (best, rest) = rest.split_at(BEST);
            let (ids, named) = rest.split_at(BEST);
            let mut best: Vec<(u32, f32)> = ids
                .iter()
                .map(|&id| id as u32)
                .zip(best.iter().copied())
                .collect();
            best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            Ok(PositionLogits::Best(BestLogits {
                best,
                named: self
                    .named
                    .iter()
                    .copied()
                    .zip(named.iter().copied())
                    .collect(),
                vocab: self.vocab,
                sum: f64::from(sums[1]),
                weighted: f64::from(sums[2]),
                all: logits.get(i)?,
            }))
        });
        rows.collect()
    }

    /// The numbers that two reductions of the same logits have in common, whatever the order of equals.
    #[cfg(feature = "cuda")]
    pub(super) fn sums(kept: &Tensor) -> Result<Tensor> {
        kept.narrow(1, 0, SUMS)
    }
}
