//! TrainableLinear layers with a backward pass: trained, or frozen with a trained low-rank addition (LoRA).
//!
//! A frozen weight stays in its file's type and is widened to f32 for each product; its own
//! gradient is never formed, so nothing is kept for it (the QLoRA shape). What a backward pass
//! needs is the layer's input, which the caller keeps or computes again.

use std::ops::Range;

use s1_model::weights::rows::WeightRows;

use super::math::{MatrixView, MatrixViewMut, WriteMode, add_scaled, product};
use super::params::Vector;
use s1_core::rng::{mix, unit};

/// A weight matrix `[out, in]`.
#[derive(Debug)]
pub enum Weight {
    /// Part of the parameters.
    Trained(Range<usize>),
    /// As the model file has it.
    Frozen(WeightRows),
}

impl Weight {
    /// Rows `rows` of width `columns` in f32, through `scratch` if they have to be widened.
    pub fn rows<'a>(
        &'a self,
        params: &'a [f32],
        rows: Range<usize>,
        columns: usize,
        scratch: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        match self {
            Weight::Trained(range) => {
                &params[range.start + rows.start * columns..range.start + rows.end * columns]
            }
            Weight::Frozen(frozen) => frozen.widened(rows, scratch),
        }
    }
}

/// `y += scale · B · A · dropout(x)`, with `A` `[rank, in]` and `B` `[out, rank]`.
#[derive(Clone, Debug)]
pub struct LowRankAddition {
    /// Where `A` lies in the parameters.
    pub a: Range<usize>,
    /// Where `B` lies.
    pub b: Range<usize>,
    /// Rows of `A`.
    pub rank: usize,
    /// alpha / rank.
    pub scale: f32,
    /// Share of the inputs that are dropped while training.
    pub dropout: f32,
    /// Tells this layer's dropout from the others'.
    pub key: u64,
}

/// What every layer needs besides its operands.
#[derive(Debug, Default)]
pub struct ProductContext {
    pub threads: usize,
    /// Seed of this step's dropout; `None` outside training.
    pub dropout: Option<u64>,
    weight: Vec<f32>,
    low: Vec<f32>,
    low_grad: Vec<f32>,
    dropped: Vec<f32>,
    dropped_grad: Vec<f32>,
}

impl ProductContext {
    /// A context whose products use this many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            ..Self::default()
        }
    }

    pub fn scratch(&mut self) -> &mut Vec<f32> {
        &mut self.weight
    }
}

/// `y = x · Wᵀ + b`, with an optional low-rank addition.
#[derive(Debug)]
pub struct TrainableLinear {
    pub out: usize,
    pub input: usize,
    pub weight: Weight,
    /// The bias `[out]`.
    pub bias: Option<Vector>,
    pub low_rank: Option<LowRankAddition>,
}

impl TrainableLinear {
    /// `y` `[n, out]` from `x` `[n, in]`.
    pub fn forward(
        &self,
        params: &[f32],
        x: &[f32],
        y: &mut Vec<f32>,
        context: &mut ProductContext,
    ) {
        let n = x.len() / self.input;
        y.resize(n * self.out, 0.0);
        let threads = context.threads;
        let weight = self
            .weight
            .rows(params, 0..self.out, self.input, &mut context.weight);
        product(
            MatrixViewMut::new(y, n, self.out),
            MatrixView::new(x, n, self.input),
            MatrixView::new(weight, self.out, self.input).t(),
            WriteMode::Set,
            1.0,
            threads,
        );
        if let Some(bias) = &self.bias {
            let bias = bias.get(params);
            for row in y.chunks_exact_mut(self.out) {
                add_scaled(row, bias, 1.0);
            }
        }
        if let Some(low) = &self.low_rank {
            let x = dropped(low, x, context.dropout, &mut context.dropped);
            low.down(params, x, n, self.input, &mut context.low, threads);
            product(
                MatrixViewMut::new(y, n, self.out),
                MatrixView::new(&context.low, n, low.rank),
                MatrixView::new(&params[low.b.clone()], self.out, low.rank).t(),
                WriteMode::Add,
                low.scale,
                threads,
            );
        }
    }

    /// Adds to the parameters' gradients, and writes the input's gradient to `dx` `[n, in]`.
    pub fn backward(
        &self,
        params: &[f32],
        grads: &mut [f32],
        x: &[f32],
        dy: &[f32],
        dx: Option<(&mut [f32], WriteMode)>,
        context: &mut ProductContext,
    ) {
        let n = x.len() / self.input;
        let threads = context.threads;
        if let Weight::Trained(range) = &self.weight {
            product(
                MatrixViewMut::new(&mut grads[range.clone()], self.out, self.input),
                MatrixView::new(dy, n, self.out).t(),
                MatrixView::new(x, n, self.input),
                WriteMode::Add,
                1.0,
                threads,
            );
        }
        if let Some(grad) = self.bias.as_ref().and_then(|bias| bias.grad(grads)) {
            for row in dy.chunks_exact(self.out) {
                add_scaled(grad, row, 1.0);
            }
        }
        let mut dx = dx;
        if let Some((dx, write)) = &mut dx {
            let weight = self
                .weight
                .rows(params, 0..self.out, self.input, &mut context.weight);
            product(
                MatrixViewMut::new(dx, n, self.input),
                MatrixView::new(dy, n, self.out),
                MatrixView::new(weight, self.out, self.input),
                *write,
                1.0,
                threads,
            );
        }
        if let Some(low) = &self.low_rank {
            let dx = dx.map(|(dx, _)| dx);
            self.backward_low_rank(low, params, grads, x, dy, dx, context);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the operands of one formula")]
    fn backward_low_rank(
        &self,
        low: &LowRankAddition,
        params: &[f32],
        grads: &mut [f32],
        x: &[f32],
        dy: &[f32],
        dx: Option<&mut [f32]>,
        context: &mut ProductContext,
    ) {
        let n = x.len() / self.input;
        let threads = context.threads;
        let seed = context.dropout;
        let x = dropped(low, x, seed, &mut context.dropped);
        low.down(params, x, n, self.input, &mut context.low, threads);
        product(
            MatrixViewMut::new(&mut grads[low.b.clone()], self.out, low.rank),
            MatrixView::new(dy, n, self.out).t(),
            MatrixView::new(&context.low, n, low.rank),
            WriteMode::Add,
            low.scale,
            threads,
        );
        context.low_grad.resize(n * low.rank, 0.0);
        product(
            MatrixViewMut::new(&mut context.low_grad, n, low.rank),
            MatrixView::new(dy, n, self.out),
            MatrixView::new(&params[low.b.clone()], self.out, low.rank),
            WriteMode::Set,
            low.scale,
            threads,
        );
        product(
            MatrixViewMut::new(&mut grads[low.a.clone()], low.rank, self.input),
            MatrixView::new(&context.low_grad, n, low.rank).t(),
            MatrixView::new(x, n, self.input),
            WriteMode::Add,
            1.0,
            threads,
        );
        let Some(dx) = dx else { return };
        let a = MatrixView::new(&params[low.a.clone()], low.rank, self.input);
        let dlow = MatrixView::new(&context.low_grad, n, low.rank);
        match seed.filter(|_| low.dropout > 0.0) {
            None => {
                let dx = MatrixViewMut::new(dx, n, self.input);
                product(dx, dlow, a, WriteMode::Add, 1.0, threads);
            }
            Some(seed) => {
                context.dropped_grad.resize(n * self.input, 0.0);
                let grad = MatrixViewMut::new(&mut context.dropped_grad, n, self.input);
                product(grad, dlow, a, WriteMode::Set, 1.0, threads);
                for (i, (dx, grad)) in dx.iter_mut().zip(&context.dropped_grad).enumerate() {
                    *dx += grad * low.keeps(seed, i);
                }
            }
        }
    }
}

impl LowRankAddition {
    /// `x · Aᵀ`, `[n, rank]`.
    fn down(
        &self,
        params: &[f32],
        x: &[f32],
        n: usize,
        input: usize,
        low: &mut Vec<f32>,
        threads: usize,
    ) {
        low.resize(n * self.rank, 0.0);
        product(
            MatrixViewMut::new(low, n, self.rank),
            MatrixView::new(x, n, input),
            MatrixView::new(&params[self.a.clone()], self.rank, input).t(),
            WriteMode::Set,
            1.0,
            threads,
        );
    }

    /// The factor on an input's element: 0 where it is dropped, else what keeps the mean.
    pub(super) fn keeps(&self, seed: u64, element: usize) -> f32 {
        let drawn = unit(mix(seed ^ self.key, element as u64));
        if drawn < self.dropout {
            0.0
        } else {
            1.0 / (1.0 - self.dropout)
        }
    }
}

fn dropped<'a>(
    low: &LowRankAddition,
    x: &'a [f32],
    seed: Option<u64>,
    room: &'a mut Vec<f32>,
) -> &'a [f32] {
    let Some(seed) = seed.filter(|_| low.dropout > 0.0) else {
        return x;
    };
    room.clear();
    room.extend(x.iter().enumerate().map(|(i, x)| x * low.keeps(seed, i)));
    room
}
