//! Attention of a few tokens over a lane's keys and values.
//!
//! The keys of sixteen positions lie side by side, so that sixteen scores are computed at once, and
//! so do sixteen elements of a value. Consecutive query heads that share a key/value head, and the same of
//! consecutive tokens, are computed together, so that what they share is read once; what a token gets does
//! not depend on the others.
//!
//! Long contexts are cut into segments of [`SEGMENT`] positions, each with a softmax of its own that
//! is merged into the whole (<https://arxiv.org/abs/2205.14135>): threads can share one token's
//! attention, and the result does not depend on whether they do.

use half::f16;

use super::elementwise::{exp, softmax_terms, wide};
use super::float::{Element, F16, F32, I8};
use super::kv::{CacheType, GROUP, LaneCache, SEGMENT};
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
    /// The attention of the query heads `[tokens, heads, dim]` that share the key/value head `place`
    /// (layer, head) over some positions of one segment, into `out`, for each token as [`Partial`] lays it
    /// out. Each token sees the positions from `start` up to its own of `ends`, which do not fall. `scores`
    /// is scratch.
    ///
    /// # Panics
    /// If the sizes do not fit, or a token sees nothing.
    pub fn attend(
        &self,
        rule: AttentionRule,
        place: (usize, usize),
        query: &[f32],
        positions: (usize, &[usize]),
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let set = InstructionSet::chosen();
        self.attend_on(set, rule, place, query, positions, scores, out);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "those of `attend`, and the instruction set"
    )]
    fn attend_on(
        &self,
        set: InstructionSet,
        rule: AttentionRule,
        (layer, kv_head): (usize, usize),
        query: &[f32],
        (start, ends): (usize, &[usize]),
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let s = self.shape();
        let heads = query.len() / s.dim;
        let stride = Partial::stride(s.value_dim);
        let segment = start / SEGMENT;
        let first_end = ends.first().copied().unwrap_or(0);
        let last_end = ends.last().copied().unwrap_or(0);
        assert!(start < first_end && ends.is_sorted() && last_end <= (segment + 1) * SEGMENT);
        let positions = start - segment * SEGMENT..last_end - segment * SEGMENT;
        let heads_of_one = heads / ends.len();
        assert_eq!(query.len(), heads * s.dim, "query");
        assert_eq!(out.len(), heads * stride, "partial result");
        let blocks = positions.start / SIDE..positions.end.div_ceil(SIDE);
        let width = blocks.len() * SIDE;
        scores.resize(2 * heads * width, 0.0);
        let (scores, weights) = scores.split_at_mut(heads * width);

        let head = self.head(layer, kv_head, segment);
        let bytes = s.number_bytes();
        let scaled = s.numbers == CacheType::Q8_0;
        let groups = blocks.start * s.dim.div_ceil(GROUP) * SIDE * size_of::<f16>();
        let keys = KeyRows {
            at: head.keys[blocks.start * s.dim * SIDE * bytes..].as_ptr(),
            scales: head.key_scales[if scaled { groups } else { 0 }..].as_ptr(),
            blocks: blocks.len(),
            dim: s.dim,
        };
        let kernels = match s.numbers {
            CacheType::F32 => kernels::<F32>(set),
            CacheType::F16 => kernels::<F16>(set),
            CacheType::Q8_0 => kernels::<I8>(set),
        };
        // SAFETY: the kernels are of an instruction set that is there. From `keys.at` on there
        // are `blocks.len()` blocks of keys, `heads` rows of queries, and as many of `width` scores.
        unsafe { (kernels.scores)(keys, query, scores) };

        let visible = positions.start - blocks.start * SIDE..positions.end - blocks.start * SIDE;
        for (head, (scores, out)) in scores
            .chunks_exact_mut(width)
            .zip(out.chunks_exact_mut(stride))
            .enumerate()
        {
            let hidden = last_end - ends[head / heads_of_one];
            let (scores, unseen) = scores[visible.clone()].split_at_mut(visible.len() - hidden);
            unseen.fill(0.0);
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
        let vectors = head.values.chunks_exact(SEGMENT * SIDE * bytes);
        for (vector, values) in vectors.enumerate() {
            if scaled && vector % (GROUP / SIDE) == 0 {
                let group = vector / (GROUP / SIDE) * SEGMENT + blocks.start * SIDE;
                let scales = &head.value_scales[group * size_of::<f16>()..];
                assert!(scales.len() >= width * size_of::<f16>());
                // SAFETY: as above; there are `width` scales, and as many weights as scores.
                unsafe { (kernels.weights)(scales.as_ptr(), scores, weights, width) };
            }
            let weights = if scaled { &*weights } else { &*scores };
            let values = Values {
                at: values[positions.start * SIDE * bytes..].as_ptr(),
                positions: positions.len(),
                scores_stride: width,
                out_stride: stride,
                heads,
            };
            let (weights, out) = (&weights[visible.start..], &mut out[2 + vector * SIDE..]);
            // SAFETY: as above; from `at` on there are as many positions, and each head has its
            // weights from `visible.start` on and its sums from `2 + vector · 16` on.
            unsafe { (kernels.sums)(values, weights.as_ptr(), out.as_mut_ptr()) };
        }
    }
}

#[derive(Clone, Copy)]
struct KeyRows {
    at: *const u8,
    /// Of [`GROUP`] elements each, where they have any.
    scales: *const u8,
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
    scores: unsafe fn(KeyRows, &[f32], &mut [f32]),
    weights: unsafe fn(*const u8, &[f32], &mut [f32], usize),
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
unsafe fn all_scores<S: Simd, E: Element>(keys: KeyRows, query: &[f32], scores: &mut [f32]) {
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
    keys: KeyRows,
    query: *const f32,
    scores: *mut f32,
) {
    unsafe {
        let width = keys.blocks * SIDE;
        let groups = keys.dim.div_ceil(GROUP);
        for block in 0..keys.blocks {
            let at = keys.at.add(block * keys.dim * SIDE * E::BYTES);
            let mut scores_of = [S::floats(0.0); N];
            let mut first = 0;
            while first < keys.dim {
                let end = if E::SCALED {
                    keys.dim.min(first + GROUP)
                } else {
                    keys.dim
                };
                // Two chains, so that an addition does not wait for the one before.
                let mut sums = [[S::floats(0.0); 2]; N];
                let mut d = first;
                while d + 2 <= end {
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
                    if d < end {
                        let last = E::load::<S>(at.add(d * SIDE * E::BYTES));
                        sum = S::fma(last, S::floats(*query.add(head * keys.dim + d)), sum);
                    }
                    scores_of[head] = match E::SCALED {
                        false => sum,
                        true => {
                            let group = (block * groups + first / GROUP) * SIDE;
                            let scales = S::f16(keys.scales.add(group * size_of::<f16>()));
                            S::fma(sum, scales, scores_of[head])
                        }
                    };
                    head += 1;
                }
                first = end;
            }
            let mut head = 0;
            while head < N {
                S::store(scores_of[head], scores.add(head * width + block * SIDE));
                head += 1;
            }
        }
    }
}

/// Each head's scores `[heads, width]` times the scales of the values at those positions.
#[inline(always)]
unsafe fn all_weights<S: Simd>(scales: *const u8, scores: &[f32], out: &mut [f32], width: usize) {
    let heads = scores.chunks_exact(width).zip(out.chunks_exact_mut(width));
    for (scores, out) in heads {
        for block in (0..width).step_by(SIDE) {
            unsafe {
                let scale = S::f16(scales.add(block * size_of::<f16>()));
                let score = S::load(scores.as_ptr().add(block));
                S::store(S::mul(score, scale), out.as_mut_ptr().add(block));
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
        // The last goes where it would with another behind it that is not seen.
        let last = position < values.positions;
        let mut head = 0;
        while head < N {
            if last {
                let value = E::load::<S>(values.at.add(position * SIDE * E::BYTES));
                let score = *scores.add(head * values.scores_stride + position);
                sums[head][0] = S::fma(value, S::floats(score), sums[head][0]);
            }
            let sum = S::add(sums[head][0], sums[head][1]);
            S::store(sum, out.add(head * values.out_stride));
            head += 1;
        }
    }
}

/// The kernels for one instruction set.
macro_rules! compiled {
    ($e:ident, $set:ty $(, $features:literal)?) => {{
        // SAFETY of the calls: the caller's contract.
        $(#[target_feature(enable = $features)])?
        unsafe fn scores<E: Element>(keys: KeyRows, query: &[f32], scores: &mut [f32]) {
            unsafe { all_scores::<$set, E>(keys, query, scores) }
        }
        $(#[target_feature(enable = $features)])?
        unsafe fn weights(scales: *const u8, scores: &[f32], out: &mut [f32], width: usize) {
            unsafe { all_weights::<$set>(scales, scores, out, width) }
        }
        $(#[target_feature(enable = $features)])?
        unsafe fn sums<E: Element>(values: Values, weights: *const f32, out: *mut f32) {
            unsafe { all_sums::<$set, E>(values, weights, out) }
        }
        Kernels {
            scores: scores::<$e>,
            weights,
            sums: sums::<$e>,
        }
    }};
}

fn kernels<E: Element>(set: InstructionSet) -> Kernels {
    match set {
        InstructionSet::Portable => compiled!(E, portable::Portable),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => compiled!(E, avx2::Avx2, "avx2,fma,f16c"),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => {
            compiled!(
                E,
                avx512::Avx512,
                "avx2,fma,f16c,avx512f,avx512bw,avx512vnni"
            )
        }
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => compiled!(E, neon::Neon, "neon,dotprod"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::kv::CacheShape;
    use super::*;
    use s1_core::rng::Rng;

    const HEADS: usize = 3;

    /// Attention in double precision over what was written.
    fn plain(
        rule: AttentionRule,
        query: &[f32],
        keys: &[Vec<f32>],
        values: &[Vec<f32>],
    ) -> Vec<f64> {
        let score = |key: &Vec<f32>| {
            let products = query
                .iter()
                .zip(key)
                .map(|(q, k)| f64::from(*q) * f64::from(*k));
            let score = products.sum::<f64>() * f64::from(rule.scale);
            match rule.softcap.map(f64::from) {
                Some(cap) => (score / cap).tanh() * cap,
                None => score,
            }
        };
        let scores: Vec<f64> = keys.iter().map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let element = |i: usize| {
            let weighed = weights.iter().zip(values);
            weighed.map(|(w, v)| w * f64::from(v[i])).sum::<f64>() / sum
        };
        (0..values[0].len()).map(element).collect()
    }

    /// A user would lose: right numbers far into a thought. Odd sizes, a part of a segment, all types
    /// of caches on every instruction set.
    #[test]
    fn attention_is_that_of_its_definition() {
        let rule = AttentionRule {
            scale: 0.2,
            softcap: Some(20.0),
        };
        for (dim, value_dim) in [(64, 64), (40, 70), (7, 3)] {
            for (numbers, error) in [
                (CacheType::F32, 1e-5),
                (CacheType::F16, 2e-3),
                (CacheType::Q8_0, 3e-2),
            ] {
                let shape = CacheShape {
                    layers: 1,
                    kv_heads: 2,
                    dim,
                    value_dim,
                    numbers,
                };
                let mut rng = Rng::new(dim as u64);
                let mut row = |n: usize| -> Vec<f32> {
                    // Some groups are much larger than others.
                    let size = [0.5, 2.0][rng.below(2)];
                    (0..n).map(|_| rng.signed_unit() * size).collect()
                };
                let mut cache = LaneCache::new(shape, &Arc::default());
                cache.prepare(0..300).unwrap();
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for position in 0..300 {
                    let (k, v) = (row(2 * dim), row(2 * value_dim));
                    cache.write(0, position, &k, &v);
                    keys.push(k[dim..].to_vec());
                    values.push(v[value_dim..].to_vec());
                }
                let query = row(HEADS * dim);
                for positions in [0..256, 5..41, 256..300] {
                    for set in InstructionSet::available() {
                        let mut numbers_of = vec![0.0; Partial::len(HEADS, value_dim)];
                        Partial::over(&mut numbers_of, value_dim).clear();
                        let mut scratch = Vec::new();
                        let range = positions.clone();
                        let out = &mut numbers_of;
                        let seen = (range.start, &[range.end][..]);
                        cache.attend_on(set, rule, (0, 1), &query, seen, &mut scratch, out);
                        let mut ours = vec![0.0; HEADS * value_dim];
                        Partial::over(&mut numbers_of, value_dim).finish(&mut ours);
                        for (head, ours) in ours.chunks_exact(value_dim).enumerate() {
                            let query = &query[head * dim..(head + 1) * dim];
                            let range = positions.clone();
                            let exact = plain(rule, query, &keys[range.clone()], &values[range]);
                            for (ours, exact) in ours.iter().zip(exact) {
                                assert!(
                                    (f64::from(*ours) - exact).abs() < error,
                                    "{numbers:?} on {set:?}, {dim}: {ours} {exact}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    /// A user would lose: the same text, asked alone and beside others: what a token gets is the same, bit
    /// by bit, whoever is computed with it.
    #[test]
    fn tokens_together_get_what_they_get_alone() {
        let rule = AttentionRule {
            scale: 0.2,
            softcap: None,
        };
        for numbers in CacheType::ALL {
            let shape = CacheShape {
                layers: 1,
                kv_heads: 1,
                dim: 32,
                value_dim: 48,
                numbers,
            };
            let mut rng = Rng::new(5);
            let mut row = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.signed_unit()).collect() };
            let mut cache = LaneCache::new(shape, &Arc::default());
            cache.prepare(0..60).unwrap();
            for position in 0..60 {
                cache.write(0, position, &row(32), &row(48));
            }
            let query = row(4 * HEADS * 32);
            let len = Partial::len(HEADS, 48);
            for set in InstructionSet::available() {
                for (start, ends) in [(0, [37, 38, 39, 40]), (3, [20, 20, 20, 20])] {
                    let mut scratch = Vec::new();
                    let mut together = vec![0.0; 4 * len];
                    let seen = (start, &ends[..]);
                    cache.attend_on(set, rule, (0, 0), &query, seen, &mut scratch, &mut together);
                    for (token, together) in together.chunks_exact(len).enumerate() {
                        let query = &query[token * HEADS * 32..(token + 1) * HEADS * 32];
                        let mut alone = vec![0.0; len];
                        let seen = (start, &ends[token..=token]);
                        cache.attend_on(set, rule, (0, 0), query, seen, &mut scratch, &mut alone);
                        assert_eq!(alone, together, "{numbers:?} on {set:?}");
                    }
                }
            }
        }
    }
}
