//! The mean negative log-likelihood of the tokens that carry loss, and its gradient.
//!
//! Logits are formed for a few rows at a time, and the vocabulary is widened in tiles, so that
//! neither a long batch nor a vocabulary of 150,000 tokens dominates memory.

use super::linear::{ProductContext, Weight};
use super::math::{MatrixView, MatrixViewMut, WriteMode, exp, product, vectorised};

/// Logits held at once, in elements (16 MiB).
const LOGITS: usize = 4 << 20;
/// Rows of the output matrix that are widened at once.
const TILE: usize = 4096;

/// The output layer: final hidden states to logits.
#[derive(Debug)]
pub struct OutputHead<'a> {
    /// The matrix `[vocab, hidden]`.
    pub weight: &'a Weight,
    pub vocab: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// `c · tanh(x / c)` on logits.
    pub softcap: Option<f32>,
}

#[derive(Debug, Default)]
pub struct LossScratch {
    logits: Vec<f32>,
}

impl OutputHead<'_> {
    /// The sum of `-log p(target)` over the rows of `x` `[n, hidden]`.
    ///
    /// If `back` is given, as gradients of the parameters, of `x` (set), and the factor on the
    /// loss, adds to the first and writes the second.
    pub fn loss(
        &self,
        params: &[f32],
        x: &[f32],
        targets: &[u32],
        mut back: Option<(&mut [f32], &mut [f32], f32)>,
        scratch: &mut LossScratch,
        context: &mut ProductContext,
    ) -> f64 {
        let rows_at_once = (LOGITS / self.vocab.max(1)).max(1);
        let mut sum = 0.0;
        for (chunk, targets) in targets.chunks(rows_at_once).enumerate() {
            let n = targets.len();
            let first = chunk * rows_at_once;
            let x = &x[first * self.hidden..(first + n) * self.hidden];
            scratch.logits.resize(n * self.vocab, 0.0);
            self.logits(params, x, n, &mut scratch.logits, context);
            let factor = back.as_ref().map(|(_, _, factor)| *factor);
            for (logits, &target) in scratch.logits.chunks_exact_mut(self.vocab).zip(targets) {
                sum += self.row(logits, target as usize, factor);
            }
            if let Some((grads, dx, _)) = &mut back {
                let dx = &mut dx[first * self.hidden..(first + n) * self.hidden];
                self.backward(params, grads, x, n, dx, scratch, context);
            }
        }
        sum
    }

    fn logits(
        &self,
        params: &[f32],
        x: &[f32],
        n: usize,
        out: &mut [f32],
        context: &mut ProductContext,
    ) {
        let threads = context.threads;
        for first in (0..self.vocab).step_by(TILE) {
            let tile = TILE.min(self.vocab - first);
            let weight =
                self.weight
                    .rows(params, first..first + tile, self.hidden, context.scratch());
            product(
                MatrixViewMut::strided(&mut out[first..], n, tile, self.vocab),
                MatrixView::new(x, n, self.hidden),
                MatrixView::new(weight, tile, self.hidden).t(),
                WriteMode::Set,
                1.0,
                threads,
            );
        }
    }

    /// `-log p(target)`; with a factor, the logits become their gradients.
    fn row(&self, logits: &mut [f32], target: usize, factor: Option<f32>) -> f64 {
        let capped = |x: f32| self.softcap.map_or(x, |cap| cap * (x / cap).tanh());
        if self.softcap.is_some() {
            for logit in logits.iter_mut() {
                *logit = capped(*logit);
            }
        }
        let log_sum = log_sum_exp(logits);
        let loss = f64::from(log_sum - logits[target]);
        if let Some(factor) = factor {
            let at_target = logits[target];
            match self.softcap {
                None => probabilities(logits, log_sum, factor),
                Some(cap) => {
                    for logit in logits.iter_mut() {
                        let t = *logit / cap;
                        *logit = exp(*logit - log_sum) * factor * (1.0 - t * t);
                    }
                }
            }
            let slope = self.softcap.map_or(1.0, |cap| {
                let t = at_target / cap;
                1.0 - t * t
            });
            logits[target] -= factor * slope;
        }
        loss
    }

    #[expect(clippy::too_many_arguments, reason = "the operands of one formula")]
    fn backward(
        &self,
        params: &[f32],
        grads: &mut [f32],
        x: &[f32],
        n: usize,
        dx: &mut [f32],
        scratch: &LossScratch,
        context: &mut ProductContext,
    ) {
        let threads = context.threads;
        for first in (0..self.vocab).step_by(TILE) {
            let tile = TILE.min(self.vocab - first);
            let dlogits = MatrixView::strided(&scratch.logits[first..], n, tile, self.vocab);
            if let Weight::Trained(range) = self.weight {
                let at = range.start + first * self.hidden;
                product(
                    MatrixViewMut::new(&mut grads[at..at + tile * self.hidden], tile, self.hidden),
                    dlogits.t(),
                    MatrixView::new(x, n, self.hidden),
                    WriteMode::Add,
                    1.0,
                    threads,
                );
            }
            let weight =
                self.weight
                    .rows(params, first..first + tile, self.hidden, context.scratch());
            product(
                MatrixViewMut::new(dx, n, self.hidden),
                dlogits,
                MatrixView::new(weight, tile, self.hidden),
                if first == 0 {
                    WriteMode::Set
                } else {
                    WriteMode::Add
                },
                1.0,
                threads,
            );
        }
    }
}

vectorised! {
    fn log_sum_exp(logits: &[f32]) -> f32 {
        let max = logits.iter().fold(f32::NEG_INFINITY, |m, &s| if s > m { s } else { m });
        let mut sums = [0f32; 8];
        let (whole, rest) = logits.as_chunks::<8>();
        for x in whole {
            for lane in 0..8 {
                sums[lane] += exp(x[lane] - max);
            }
        }
        let rest: f32 = rest.iter().map(|x| exp(x - max)).sum();
        max + (sums.iter().sum::<f32>() + rest).ln()
    }
}

vectorised! {
    fn probabilities(logits: &mut [f32], log_sum: f32, factor: f32) {
        for logit in logits.iter_mut() {
            *logit = exp(*logit - log_sum) * factor;
        }
    }
}
