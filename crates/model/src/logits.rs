//! The logits of a position: all of them, or where a device computes them the best ones and what all
//! come to together, so that a token costs one small copy. The rest is fetched only if it decides.
//!
//! Not here: how they are computed ([`crate::decoder`]), and how a token is chosen ([`crate::sampler`]).

use std::borrow::Cow;

use anyhow::{Context, Result};
use candle_core::Tensor;
use s1_core::sampling::Sampling;

use crate::sampler::{self, BestRow, LogitsRow};

/// The logits of one position.
#[derive(Clone, Debug)]
pub enum PositionLogits {
    Whole(Vec<f32>),
    Best(BestLogits),
}

/// What a device has made of the logits of one position.
#[derive(Clone, Debug)]
pub struct BestLogits {
    /// Best first, among equals the lower id.
    pub(crate) best: Vec<(u32, f32)>,
    /// Of ids that are asked for again and again.
    pub(crate) named: Vec<(u32, f32)>,
    /// Ids that can be chosen.
    pub(crate) vocab: usize,
    /// With d the distance of a logit to the best one: the sum of e^d, and that of d e^d.
    pub(crate) sum: f64,
    pub(crate) weighted: f64,
    /// All of them, `[vocabulary]`, on the device.
    pub(crate) all: Tensor,
}

/// What the logits of a position say as probabilities, as [`LogitsRow`] works them out.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    /// Shannon entropy in nats.
    pub entropy: f32,
    /// The best tokens with their log-probabilities, best first.
    pub top: Vec<(u32, f32)>,
    /// The log-probabilities of the tokens asked for, in their order.
    pub asked: Vec<f32>,
}

impl PositionLogits {
    /// All logits, fetched where the device has them.
    ///
    /// # Errors
    /// If the device does not give them.
    pub fn whole(&self) -> Result<Cow<'_, [f32]>> {
        match self {
            PositionLogits::Whole(all) => Ok(Cow::Borrowed(all)),
            PositionLogits::Best(best) => best.fetch().map(Cow::Owned),
        }
    }

    /// The same, without a copy of those that are here.
    ///
    /// # Errors
    /// As [`PositionLogits::whole`].
    pub fn into_whole(self) -> Result<Vec<f32>> {
        match self {
            PositionLogits::Whole(all) => Ok(all),
            PositionLogits::Best(best) => best.fetch(),
        }
    }

    /// The probabilities of the `top` best tokens and of `asked`, among ids below `vocab`.
    ///
    /// # Errors
    /// As [`PositionLogits::whole`], where other logits than the best are asked for.
    pub fn read(&self, vocab: usize, top: usize, asked: &[u32]) -> Result<Probabilities> {
        if let PositionLogits::Best(best) = self
            && let Some(reading) = best.read(top, asked)
        {
            return Ok(reading);
        }
        let all = self.whole()?;
        let row = LogitsRow::new(&all, vocab, top);
        Ok(Probabilities {
            asked: asked.iter().map(|&id| row.logprob(id)).collect(),
            entropy: row.entropy,
            top: row.top,
        })
    }

    /// Chooses the next token, as [`sampler::sample`] does from all logits.
    ///
    /// # Errors
    /// If no token is possible, and as [`PositionLogits::whole`], where other logits than the best
    /// decide.
    pub fn sample(
        &self,
        vocab: usize,
        banned: &[u32],
        history: &[u32],
        s: &Sampling,
        position: u64,
        sample: u64,
    ) -> Result<u32> {
        if let PositionLogits::Best(best) = self
            && let Some(id) = sampler::sample_best(best.row(), banned, s, position, sample)
        {
            return Ok(id);
        }
        let all = self.whole()?;
        sampler::sample(&all, vocab, banned, history, s, position, sample)
    }
}

impl BestLogits {
    fn fetch(&self) -> Result<Vec<f32>> {
        let all = self.all.to_vec1();
        all.context("the logits cannot be copied from the device")
    }

    fn row(&self) -> BestRow<'_> {
        BestRow {
            best: &self.best,
            complete: self.best.len() >= self.vocab,
            sum: self.sum,
        }
    }

    /// `None` where not all that is asked for is at hand.
    pub(crate) fn read(&self, top: usize, asked: &[u32]) -> Option<Probabilities> {
        let &(_, highest) = self.best.first()?;
        let last = self.best.last()?.1;
        // The lower id comes first among equals, and of those that equal the last one some are not here.
        let worst = top.checked_sub(1).map(|worst| self.best.get(worst));
        let certain = worst.is_none_or(|worst| worst.is_some_and(|&(_, z)| z > last));
        let whole = self.row().complete || certain;
        let possible = self.sum > 0.0 && highest > f32::NEG_INFINITY;
        if !whole || !possible {
            return None;
        }
        let log_sum = f64::from(highest) + self.sum.ln();
        let logprob = |logit: f32| (f64::from(logit) - log_sum) as f32;
        let known = |id: &u32| {
            let mut all = self.best.iter().chain(&self.named);
            all.find(|(known, _)| known == id)
                .map(|&(_, logit)| logprob(logit))
        };
        Some(Probabilities {
            entropy: (self.sum.ln() - self.weighted / self.sum).max(0.0) as f32,
            top: self.best[..top.min(self.best.len())]
                .iter()
                .map(|&(id, logit)| (id, logprob(logit)))
                .collect(),
            asked: asked.iter().map(known).collect::<Option<_>>()?,
        })
    }
}
