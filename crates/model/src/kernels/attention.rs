//! Attention of one token over a lane's keys and values.
//!
//! The keys of sixteen positions lie side by side, so that sixteen scores are computed at once, and
//! so do sixteen elements of a value. Consecutive query heads that share a key/value head are
//! computed together, so that what they share is read once.
//!
//! Long contexts are cut into segments of [`SEGMENT`] positions, each with a softmax of its own that
//! is merged into the whole (<https://arxiv.org/abs/2205.14135>): threads can share one token's
//! attention, and the result does not depend on whether they do.

use std::ops::Range;

use super::elementwise::{exp, softmax_terms, wide};
use super::float::{Element, F16, F32};
use super::kv::{LaneCache, SEGMENT};
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::simd::{ROWS, Simd};
use super::{InstructionSet, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Elements or positions side by side.
const SIDE: usize = ROWS;

#[inline(always)]
fn merge_all(numbers: &mut [f32], other: &[f32], stride: usize) {
    let heads = numbers.chunks_exact_mut(stride);
    for (ours, theirs) in heads.zip(other.chunks_exact(stride)) {
        let max = ours[0].max(theirs[0]);
        let (a, b) = (exp(ours[0] - max), exp(theirs[0] - max));
        ours[0] = max;
        for (ours, theirs) in ours[1..].iter_mut().zip(&theirs[1..]) {
            *ours = *ours * a + theirs * b;
        }
    }
}

wide!(merge, merge_all, (numbers: &mut [f32], other: &[f32], stride: usize));

/// How queries look at keys.
#[derive(Debug, Clone, Copy)]
pub struct AttentionRule {
    /// Factor on query · key.
    pub scale: f32,
    /// `c · tanh(x / c)` on the scaled scores.
    pub softcap: Option<f32>,
}

/// What some positions add to a token's attention, for the heads of one key/value head: for each the largest score,
/// the sum of the exponentials, and the weighted sum of the values.
pub struct Partial<'a> {
    numbers: &'a mut [f32],
    value_dim: usize,
}

impl<'a> Partial<'a> {
    /// Numbers of a partial result for so many heads.
    pub fn len(heads: usize, value_dim: usize) -> usize {
        heads * Self::stride(value_dim)
    }

    fn stride(value_dim: usize) -> usize {
        2 + value_dim.next_multiple_of(SIDE)
    }

    /// Uses numbers that are there already.
    pub fn over(numbers: &'a mut [f32], value_dim: usize) -> Self {
        Partial { numbers, value_dim }
    }

    /// Nothing yet.
    pub fn clear(&mut self) {
        for head in self.numbers.chunks_exact_mut(Self::stride(self.value_dim)) {
            head.fill(0.0);
            head[0] = f32::NEG_INFINITY;
        }
    }

    /// To begin with, for each head the score of a key that has no value.
    pub fn begin_with(&mut self, scores: &[f32]) {
        let heads = self.numbers.chunks_exact_mut(Self::stride(self.value_dim));
        for (head, score) in heads.zip(scores) {
            (head[0], head[1]) = (*score, 1.0);
        }
    }

    /// Adds what other positions give.
    pub fn merge(&mut self, other: &[f32]) {
        merge(self.numbers, other, Self::stride(self.value_dim));
    }

    /// Writes the attention of each head, `[heads, value_dim]`.
    pub fn finish(&self, out: &mut [f32]) {
        let heads = self.numbers.chunks_exact(Self::stride(self.value_dim));
        for (head, out) in heads.zip(out.chunks_exact_mut(self.value_dim)) {
            for (out, value) in out.iter_mut().zip(&head[2..]) {
                *out = value / head[1];
            }
        }
    }
}

impl LaneCache {
    /// The attention of the query heads `[heads, dim]` that share a key/value head over some
    /// positions of one segment, into `out`, as [`Partial`] lays it out. `scores` is scratch.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn attend(
        &self,
        rule: AttentionRule,
        (layer, kv_head): (usize, usize),
        query: &[f32],
        positions: Range<usize>,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let s = self.shape();
        let heads = query.len() / s.dim;
        let stride = Partial::stride(s.value_dim);
        let segment = positions.start / SEGMENT;
        let positions = positions.start - segment * SEGMENT..positions.end - segment * SEGMENT;
        assert!(!positions.is_empty() && positions.end <= SEGMENT);
        assert_eq!(query.len(), heads * s.dim, "query");
        assert_eq!(out.len(), heads * stride, "partial result");
        let blocks = positions.start / SIDE..positions.end.div_ceil(SIDE);
        let width = blocks.len() * SIDE;
        scores.resize(heads * width, 0.0);

        let (keys, values) = self.head(layer, kv_head, segment);
        let bytes = s.number_bytes();
        let keys = Keys {
            at: keys[blocks.start * s.dim * SIDE * bytes..].as_ptr(),
            blocks: blocks.len(),
            dim: s.dim,
        };
        let set = InstructionSet::chosen();
        let kernels = match s.halved {
            true => kernels::<F16>(set),
            false => kernels::<F32>(set),
        };
        // SAFETY: the kernels are of an instruction set that is there. From `keys.at` on there
        // are `blocks.len()` blocks of keys, `heads` rows of queries, and as many of `width` scores.
        unsafe { (kernels.scores)(keys, query, scores) };

        let visible = positions.start - blocks.start * SIDE..positions.end - blocks.start * SIDE;
        for (scores, out) in scores
            .chunks_exact_mut(width)
            .zip(out.chunks_exact_mut(stride))
        {
            let scores = &mut scores[visible.clone()];
            for score in scores.iter_mut() {
                *score *= rule.scale;
            }
            if let Some(cap) = rule.softcap {
                for score in scores.iter_mut() {
                    *score = (*score / cap).tanh() * cap;
                }
            }
            (out[0], out[1]) = softmax_terms(scores);
        }
        for (vector, values) in values.chunks_exact(SEGMENT * SIDE * bytes).enumerate() {
            let values = Values {
                at: values[positions.start * SIDE * bytes..].as_ptr(),
                positions: positions.len(),
                scores_stride: width,
                out_stride: stride,
                heads,
            };
            let (scores, out) = (&scores[visible.start..], &mut out[2 + vector * SIDE..]);
            // SAFETY: as above; from `at` on there are as many positions, and each head has its
            // scores from `visible.start` on and its sums from `2 + vector · 16` on.
            unsafe { (kernels.sums)(values, scores.as_ptr(), out.as_mut_ptr()) };
        }
    }
}

#[derive(Clone, Copy)]
struct Keys {
    at: *const u8,
    blocks: usize,
    dim: usize,
}

#[derive(Clone, Copy)]
struct Values {
    at: *const u8,
    positions: usize,
    scores_stride: usize,
    out_stride: usize,
    heads: usize,
}

struct Kernels {
    scores: unsafe fn(Keys, &[f32], &mut [f32]),
    sums: unsafe fn(Values, *const f32, *mut f32),
}

/// Calls `$run::<S, E, N>` with `N` the number of heads left, at most four.
macro_rules! by_heads {
    ($left:expr, $run:ident::<$s:ty, $e:ty>($($arg:expr),*)) => {
        match $left {
            1 => $run::<$s, $e, 1>($($arg),*),
            2 => $run::<$s, $e, 2>($($arg),*),
            3 => $run::<$s, $e, 3>($($arg),*),
            _ => $run::<$s, $e, 4>($($arg),*),
        }
    };
}

/// Scores `[heads, positions]` of queries `[heads, dim]`.
#[inline(always)]
unsafe fn all_scores<S: Simd, E: Element>(keys: Keys, query: &[f32], scores: &mut [f32]) {
    let heads = query.len() / keys.dim;
    let width = keys.blocks * SIDE;
    let mut head = 0;
    while head < heads {
        unsafe {
            let query = query.as_ptr().add(head * keys.dim);
            let scores = scores.as_mut_ptr().add(head * width);
            by_heads!(heads - head, some_scores::<S, E>(keys, query, scores));
        }
        head += 4;
    }
}

#[inline(always)]
unsafe fn some_scores<S: Simd, E: Element, const N: usize>(
    keys: Keys,
    query: *const f32,
    scores: *mut f32,
) {
    unsafe {
        let width = keys.blocks * SIDE;
        for block in 0..keys.blocks {
            let at = keys.at.add(block * keys.dim * SIDE * E::BYTES);
            // Two chains, so that an addition does not wait for the one before.
            let mut sums = [[S::floats(0.0); 2]; N];
            let mut d = 0;
            while d + 2 <= keys.dim {
                let a = E::load::<S>(at.add(d * SIDE * E::BYTES));
                let b = E::load::<S>(at.add((d + 1) * SIDE * E::BYTES));
                let mut head = 0;
                while head < N {
                    let q = query.add(head * keys.dim + d);
                    sums[head][0] = S::fma(a, S::floats(*q), sums[head][0]);
                    sums[head][1] = S::fma(b, S::floats(*q.add(1)), sums[head][1]);
                    head += 1;
                }
                d += 2;
            }
            let mut head = 0;
            while head < N {
                let mut sum = S::add(sums[head][0], sums[head][1]);
                if d < keys.dim {
                    let last = E::load::<S>(at.add(d * SIDE * E::BYTES));
                    sum = S::fma(last, S::floats(*query.add(head * keys.dim + d)), sum);
                }
                S::store(sum, scores.add(head * width + block * SIDE));
                head += 1;
            }
        }
    }
}

/// Sums of sixteen elements of the values, weighted by each head's scores.
#[inline(always)]
unsafe fn all_sums<S: Simd, E: Element>(values: Values, scores: *const f32, out: *mut f32) {
    let mut head = 0;
    while head < values.heads {
        unsafe {
            let scores = scores.add(head * values.scores_stride);
            let out = out.add(head * values.out_stride);
            by_heads!(values.heads - head, some_sums::<S, E>(values, scores, out));
        }
        head += 4;
    }
}

#[inline(always)]
unsafe fn some_sums<S: Simd, E: Element, const N: usize>(
    values: Values,
    scores: *const f32,
    out: *mut f32,
) {
    unsafe {
        let mut sums = [[S::floats(0.0); 2]; N];
        let mut position = 0;
        while position + 2 <= values.positions {
            let a = E::load::<S>(values.at.add(position * SIDE * E::BYTES));
            let b = E::load::<S>(values.at.add((position + 1) * SIDE * E::BYTES));
            let mut head = 0;
            while head < N {
                let score = scores.add(head * values.scores_stride + position);
                sums[head][0] = S::fma(a, S::floats(*score), sums[head][0]);
                sums[head][1] = S::fma(b, S::floats(*score.add(1)), sums[head][1]);
                head += 1;
            }
            position += 2;
        }
        let mut head = 0;
        while head < N {
            let mut sum = S::add(sums[head][0], sums[head][1]);
            if position < values.positions {
                let last = E::load::<S>(values.at.add(position * SIDE * E::BYTES));
                let score = *scores.add(head * values.scores_stride + position);
                sum = S::fma(last, S::floats(score), sum);
            }
            S::store(sum, out.add(head * values.out_stride));
            head += 1;
        }
    }
}

fn kernels<E: Element>(set: InstructionSet) -> Kernels {
    // SAFETY of the calls: the caller's contract.
    unsafe fn scores_portable<E: Element>(keys: Keys, query: &[f32], scores: &mut [f32]) {
        unsafe { all_scores::<portable::Portable, E>(keys, query, scores) }
    }
    unsafe fn sums_portable<E: Element>(values: Values, scores: *const f32, out: *mut f32) {
        unsafe { all_sums::<portable::Portable, E>(values, scores, out) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scores_avx2<E: Element>(keys: Keys, query: &[f32], scores: &mut [f32]) {
        unsafe { all_scores::<avx2::Avx2, E>(keys, query, scores) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn sums_avx2<E: Element>(values: Values, scores: *const f32, out: *mut f32) {
        unsafe { all_sums::<avx2::Avx2, E>(values, scores, out) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vnni")]
    unsafe fn scores_avx512<E: Element>(keys: Keys, query: &[f32], scores: &mut [f32]) {
        unsafe { all_scores::<avx512::Avx512, E>(keys, query, scores) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vnni")]
    unsafe fn sums_avx512<E: Element>(values: Values, scores: *const f32, out: *mut f32) {
        unsafe { all_sums::<avx512::Avx512, E>(values, scores, out) }
    }
    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn scores_neon<E: Element>(keys: Keys, query: &[f32], scores: &mut [f32]) {
        unsafe { all_scores::<neon::Neon, E>(keys, query, scores) }
    }
    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn sums_neon<E: Element>(values: Values, scores: *const f32, out: *mut f32) {
        unsafe { all_sums::<neon::Neon, E>(values, scores, out) }
    }
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => Kernels {
            scores: scores_neon::<E>,
            sums: sums_neon::<E>,
        },
        InstructionSet::Portable => Kernels {
            scores: scores_portable::<E>,
            sums: sums_portable::<E>,
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => Kernels {
            scores: scores_avx2::<E>,
            sums: sums_avx2::<E>,
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => Kernels {
            scores: scores_avx512::<E>,
            sums: sums_avx512::<E>,
        },
    }
}
