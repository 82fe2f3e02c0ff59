//! Causal attention over documents that lie one after another in a batch, and its backward pass.
//!
//! Scores are formed for a block of queries at a time and formed again in the backward pass, so
//! that memory grows with the length of a document, not with its square. What is kept for the
//! backward pass is one number per row and head: the logarithm of the sum of exponentials.

use std::ops::Range;

use super::math::{MatrixView, MatrixViewMut, WriteMode, dot, exp, product, vectorised};

/// Queries whose scores are held at once.
const BLOCK: usize = 64;

/// Shapes and constants of a layer's attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a query or key head.
    pub dim: usize,
    /// Width of a value head.
    pub value_dim: usize,
    /// Factor on query · key.
    pub scale: f32,
    /// `c · tanh(s / c)` on scores.
    pub softcap: Option<f32>,
    /// Latest tokens that are seen, the current one included.
    pub window: Option<usize>,
}

#[derive(Debug, Default)]
pub struct AttentionScratch {
    scores: Vec<f32>,
    grads: Vec<f32>,
    slopes: Vec<f32>,
}

/// Queries, keys and values of a batch, `[rows, heads · dim]` each.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
}

#[derive(Debug)]
pub struct Gradients<'a> {
    pub q: &'a mut [f32],
    pub k: &'a mut [f32],
    pub v: &'a mut [f32],
}

/// One block of queries of one head of one document.
struct Block {
    head: usize,
    /// First row of the queries and their number.
    row: usize,
    rows: usize,
    /// First row of the keys and their number.
    key: usize,
    keys: usize,
}

impl AttentionShape {
    /// Outputs `[rows, heads · value_dim]`, and for every row and head the logarithm of the sum of
    /// its exponentials.
    pub fn forward(
        &self,
        documents: &[Range<usize>],
        x: Operands,
        out: &mut [f32],
        log_sums: &mut [f32],
        scratch: &mut AttentionScratch,
    ) {
        let width = self.heads * self.value_dim;
        self.blocks(documents, |block| {
            self.scores(&block, x, scratch);
            for (i, scores) in scratch.scores.chunks_exact_mut(block.keys).enumerate() {
                let seen = self.seen(&block, i);
                let log_sum = softmax(scores, seen.start, seen.end);
                log_sums[(block.row + i) * self.heads + block.head] = log_sum;
            }
            let at = block.row * width + block.head * self.value_dim;
            product(
                MatrixViewMut::strided(&mut out[at..], block.rows, self.value_dim, width),
                MatrixView::new(&scratch.scores, block.rows, block.keys),
                self.values(&block, x.v),
                WriteMode::Set,
                1.0,
                1,
            );
        });
    }

    /// Adds the gradients of queries, keys and values.
    #[expect(clippy::too_many_arguments, reason = "the operands of one formula")]
    pub fn backward(
        &self,
        documents: &[Range<usize>],
        x: Operands,
        out: &[f32],
        log_sums: &[f32],
        dout: &[f32],
        dx: &mut Gradients,
        scratch: &mut AttentionScratch,
    ) {
        let width = self.heads * self.value_dim;
        self.blocks(documents, |block| {
            self.scores(&block, x, scratch);
            let at = block.row * width + block.head * self.value_dim;
            scratch.grads.resize(block.rows * block.keys, 0.0);
            let dout_block = MatrixView::strided(&dout[at..], block.rows, self.value_dim, width);
            product(
                MatrixViewMut::new(&mut scratch.grads, block.rows, block.keys),
                dout_block,
                self.values(&block, x.v).t(),
                WriteMode::Set,
                1.0,
                1,
            );
            let rows = scratch.scores.chunks_exact_mut(block.keys);
            for (i, (scores, grads)) in rows
                .zip(scratch.grads.chunks_exact_mut(block.keys))
                .enumerate()
            {
                let row = (block.row + i) * width + block.head * self.value_dim;
                let columns = row..row + self.value_dim;
                let mean = dot(&dout[columns.clone()], &out[columns]);
                let log_sum = log_sums[(block.row + i) * self.heads + block.head];
                let seen = self.seen(&block, i);
                softmax_backward(scores, grads, seen.start, seen.end, log_sum, mean);
            }
            if self.softcap.is_some() {
                for (grad, slope) in scratch.grads.iter_mut().zip(&scratch.slopes) {
                    *grad *= slope;
                }
            }
            let kv = block.head / (self.heads / self.kv_heads);
            let value = block.key * self.kv_heads * self.value_dim + kv * self.value_dim;
            product(
                MatrixViewMut::strided(
                    &mut dx.v[value..],
                    block.keys,
                    self.value_dim,
                    self.kv_heads * self.value_dim,
                ),
                MatrixView::new(&scratch.scores, block.rows, block.keys).t(),
                dout_block,
                WriteMode::Add,
                1.0,
                1,
            );
            let query = block.row * self.heads * self.dim + block.head * self.dim;
            product(
                MatrixViewMut::strided(
                    &mut dx.q[query..],
                    block.rows,
                    self.dim,
                    self.heads * self.dim,
                ),
                MatrixView::new(&scratch.grads, block.rows, block.keys),
                self.keys(&block, x.k),
                WriteMode::Add,
                self.scale,
                1,
            );
            let key = block.key * self.kv_heads * self.dim + kv * self.dim;
            product(
                MatrixViewMut::strided(
                    &mut dx.k[key..],
                    block.keys,
                    self.dim,
                    self.kv_heads * self.dim,
                ),
                MatrixView::new(&scratch.grads, block.rows, block.keys).t(),
                self.queries(&block, x.q),
                WriteMode::Add,
                self.scale,
                1,
            );
        });
    }

    fn blocks(&self, documents: &[Range<usize>], mut each: impl FnMut(Block)) {
        for document in documents {
            for head in 0..self.heads {
                for row in document.clone().step_by(BLOCK) {
                    let rows = BLOCK.min(document.end - row);
                    let key = match self.window {
                        Some(window) => (row + 1).saturating_sub(window).max(document.start),
                        None => document.start,
                    };
                    each(Block {
                        head,
                        row,
                        rows,
                        key,
                        keys: row + rows - key,
                    });
                }
            }
        }
    }

    /// The keys that query `i` of a block sees, counted from the block's first key.
    fn seen(&self, block: &Block, i: usize) -> Range<usize> {
        let end = block.row + i + 1 - block.key;
        let start = self.window.map_or(0, |w| end.saturating_sub(w));
        start..end
    }

    /// Scaled (and capped) scores of all of a block's pairs, seen or not.
    fn scores(&self, block: &Block, x: Operands, scratch: &mut AttentionScratch) {
        scratch.scores.resize(block.rows * block.keys, 0.0);
        product(
            MatrixViewMut::new(&mut scratch.scores, block.rows, block.keys),
            self.queries(block, x.q),
            self.keys(block, x.k).t(),
            WriteMode::Set,
            self.scale,
            1,
        );
        if let Some(cap) = self.softcap {
            scratch.slopes.clear();
            for score in &mut scratch.scores {
                let t = (*score / cap).tanh();
                scratch.slopes.push(1.0 - t * t);
                *score = cap * t;
            }
        }
    }

    fn queries<'a>(&self, block: &Block, q: &'a [f32]) -> MatrixView<'a> {
        let width = self.heads * self.dim;
        let at = block.row * width + block.head * self.dim;
        MatrixView::strided(&q[at..], block.rows, self.dim, width)
    }

    fn keys<'a>(&self, block: &Block, k: &'a [f32]) -> MatrixView<'a> {
        let width = self.kv_heads * self.dim;
        let at = block.key * width + block.head / (self.heads / self.kv_heads) * self.dim;
        MatrixView::strided(&k[at..], block.keys, self.dim, width)
    }

    fn values<'a>(&self, block: &Block, v: &'a [f32]) -> MatrixView<'a> {
        let width = self.kv_heads * self.value_dim;
        let at = block.key * width + block.head / (self.heads / self.kv_heads) * self.value_dim;
        MatrixView::strided(&v[at..], block.keys, self.value_dim, width)
    }
}

vectorised! {
    /// Replaces scores by probabilities over `start..end`, zero elsewhere; returns the logarithm
    /// of the sum of exponentials.
    fn softmax(scores: &mut [f32], start: usize, end: usize) -> f32 {
        let seen = &mut scores[start..end];
        let max = seen.iter().fold(f32::NEG_INFINITY, |m, &s| if s > m { s } else { m });
        let mut sums = [0f32; 8];
        for (i, s) in seen.iter_mut().enumerate() {
            *s = exp(*s - max);
            sums[i % 8] += *s;
        }
        let sum: f32 = sums.iter().sum();
        let inverse = 1.0 / sum;
        for s in seen.iter_mut() {
            *s *= inverse;
        }
        scores[..start].fill(0.0);
        scores[end..].fill(0.0);
        max + sum.ln()
    }
}

vectorised! {
    /// Replaces scores by probabilities and their gradients by the scores' gradients
    /// `p · (dp − mean)`, zero where nothing is seen.
    fn softmax_backward(
        scores: &mut [f32],
        grads: &mut [f32],
        start: usize,
        end: usize,
        log_sum: f32,
        mean: f32,
    ) {
        for (s, g) in scores[start..end].iter_mut().zip(&mut grads[start..end]) {
            *s = exp(*s - log_sum);
            *g = *s * (*g - mean);
        }
        for unseen in [0..start, end..scores.len()] {
            scores[unseen.clone()].fill(0.0);
            grads[unseen].fill(0.0);
        }
    }
}
