//! Products of quantized weights with activations.
//!
//! Activations are rounded to 16 bits in blocks of 32, not to 8 bits as elsewhere: the rounding then
//! no longer shows in the logits (they differ from exact arithmetic by 0.001 in the mean
//! log-probability of a small model, where 8 bits make that 0.05: `docs/parity.md`). A row of
//! weights is unpacked once and multiplied with all rows of activations.
//!
//! Weights are `d · q + m` with integers `q` of up to 13 bits, activations `e · p` with 16-bit `p`.
//! A block of 32 products is then `d · e · Σ q·p + m · e · Σ p`, whose two sums are exact integers.
//!
//! Not here: how the bytes of each type stand for numbers ([`super::packed`]); Q2_K, whose offsets
//! do not fit blocks of 32, and the floating-point types ([`super::product`]).

use candle_core::Result;
use candle_core::quantized::GgmlDType;

use super::packed::{BLOCK, Packed, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
use crate::parallel::{self, SharedOutput};

/// The largest rounded activation.
const MAX_QUANT: f32 = 32767.0;

/// A block of activations: rounded values, their scale, and scale times their sum.
#[derive(Clone)]
struct Activations {
    quants: [i16; BLOCK],
    scale: f32,
    sum: f32,
}

impl Activations {
    fn new(values: &[f32; BLOCK]) -> Self {
        let max = values.iter().fold(0f32, |m, v| m.max(v.abs()));
        let scale = max / MAX_QUANT;
        let inverse = if max > 0.0 { MAX_QUANT / max } else { 0.0 };
        let quants = values.map(|v| (v * inverse).round_ties_even() as i16);
        let sum: i32 = quants.iter().map(|&q| i32::from(q)).sum();
        Self {
            quants,
            scale,
            sum: scale * sum as f32,
        }
    }
}

/// A row of weights, unpacked.
struct UnpackedRow {
    quants: Vec<[i16; BLOCK]>,
    scales: Vec<(f32, f32)>,
}

impl UnpackedRow {
    #[inline(always)]
    fn unpack<const BYTES: usize, const BLOCKS: usize, T: Packed<BYTES, BLOCKS>>(
        &mut self,
        groups: &[[u8; BYTES]],
    ) {
        let quants = self.quants.as_chunks_mut::<BLOCKS>().0;
        let scales = self.scales.as_chunks_mut::<BLOCKS>().0;
        for ((group, quants), scales) in groups.iter().zip(quants).zip(scales) {
            T::unpack(group, quants, scales);
        }
    }

    #[inline(always)]
    fn dot(&self, activations: &[Activations]) -> f32 {
        let mut total = 0f32;
        for ((w, &(d, m)), x) in self.quants.iter().zip(&self.scales).zip(activations) {
            // One product has up to 28 bits; sixteen of them fit into 32.
            let sum = |range: std::ops::Range<usize>| {
                let products = w[range.clone()].iter().zip(&x.quants[range]);
                let sum: i32 = products.map(|(&w, &x)| i32::from(w) * i32::from(x)).sum();
                sum as f32
            };
            let sum = sum(0..BLOCK / 2) + sum(BLOCK / 2..BLOCK);
            total += d * x.scale * sum + m * x.sum;
        }
        total
    }

    /// [`UnpackedRow::dot`] with the horizontal sum taken once for the row instead of once for a block.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn dot_avx2(&self, activations: &[Activations]) -> f32 {
        use std::arch::x86_64::{
            __m256i, _mm256_add_epi32, _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_loadu_si256,
            _mm256_madd_epi16, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
        };
        let mut lanes = _mm256_setzero_ps();
        let mut offset = 0f32;
        for ((w, &(d, m)), x) in self.quants.iter().zip(&self.scales).zip(activations) {
            let (w, p) = (
                w.as_ptr().cast::<__m256i>(),
                x.quants.as_ptr().cast::<__m256i>(),
            );
            // Each of the eight sums is of four products of up to 28 bits.
            // SAFETY: each block has 32 elements of 2 bytes: two vectors of 32 bytes, and the
            // loads need no alignment.
            let (low, high) = unsafe {
                (
                    _mm256_madd_epi16(_mm256_loadu_si256(w), _mm256_loadu_si256(p)),
                    _mm256_madd_epi16(_mm256_loadu_si256(w.add(1)), _mm256_loadu_si256(p.add(1))),
                )
            };
            let sums = _mm256_cvtepi32_ps(_mm256_add_epi32(low, high));
            lanes = _mm256_fmadd_ps(_mm256_set1_ps(d * x.scale), sums, lanes);
            offset += m * x.sum;
        }
        let mut parts = [0f32; 8];
        // SAFETY: `parts` has room for the vector's eight numbers.
        unsafe { _mm256_storeu_ps(parts.as_mut_ptr(), lanes) };
        parts.iter().sum::<f32>() + offset
    }
}

/// Where results go: `write(row, column, value)`.
trait WriteResult: Fn(usize, usize, f32) {}
impl<F: Fn(usize, usize, f32)> WriteResult for F {}

/// The rows `columns` of the weight times all activations.
#[inline(always)]
fn columns<const BYTES: usize, const BLOCKS: usize, T: Packed<BYTES, BLOCKS>>(
    weight: &[[u8; BYTES]],
    activations: &[Activations],
    blocks: usize,
    columns: std::ops::Range<usize>,
    dot: impl Fn(&UnpackedRow, &[Activations]) -> f32,
    write: &impl WriteResult,
) {
    let mut row = UnpackedRow {
        quants: vec![[0; BLOCK]; blocks],
        scales: vec![(0.0, 0.0); blocks],
    };
    let groups = blocks / BLOCKS;
    for column in columns {
        row.unpack::<BYTES, BLOCKS, T>(&weight[column * groups..(column + 1) * groups]);
        for (index, activations) in activations.chunks_exact(blocks).enumerate() {
            write(index, column, dot(&row, activations));
        }
    }
}

/// The same compiled for wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn columns_avx2<const BYTES: usize, const BLOCKS: usize, T: Packed<BYTES, BLOCKS>>(
    weight: &[[u8; BYTES]],
    activations: &[Activations],
    blocks: usize,
    range: std::ops::Range<usize>,
    write: &impl WriteResult,
) {
    let dot = |row: &UnpackedRow, activations: &[Activations]| row.dot_avx2(activations);
    columns::<BYTES, BLOCKS, T>(weight, activations, blocks, range, dot, write);
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn product<const BYTES: usize, const BLOCKS: usize, T: Packed<BYTES, BLOCKS>>(
    (m, k, n): (usize, usize, usize),
    lhs: &[f32],
    weight: &[u8],
    dst: &mut [f32],
) -> Result<()> {
    let blocks = k / BLOCK;
    let (weight, rest) = weight.as_chunks::<BYTES>();
    let (lhs_blocks, lhs_rest) = lhs.as_chunks::<BLOCK>();
    let fits = k.is_multiple_of(BLOCK * BLOCKS)
        && rest.is_empty()
        && lhs_rest.is_empty()
        && weight.len() == n * blocks / BLOCKS
        && lhs_blocks.len() == m * blocks
        && dst.len() == m * n
        && blocks > 0;
    if !fits {
        candle_core::bail!("matrix product with wrong sizes ({m}, {k}, {n})");
    }
    let activations: Vec<Activations> = lhs_blocks.iter().map(Activations::new).collect();
    let out = SharedOutput::new(dst);
    // SAFETY: each column is given to exactly one thread.
    let write = |row: usize, column: usize, y: f32| unsafe { out.set(row * n + column, y) };
    let avx2 = has_avx2();
    parallel::split(n, m * k, |range| {
        #[cfg(target_arch = "x86_64")]
        if avx2 {
            // SAFETY: the features have been detected.
            unsafe {
                columns_avx2::<BYTES, BLOCKS, T>(weight, &activations, blocks, range, &write)
            };
            return;
        }
        let _ = avx2;
        columns::<BYTES, BLOCKS, T>(
            weight,
            &activations,
            blocks,
            range,
            UnpackedRow::dot,
            &write,
        );
    });
    Ok(())
}

/// `dst[m, n] = lhs[m, k] · weight[n, k]ᵀ` for the types of this module; `None` for others.
pub(super) fn matmul(
    dtype: GgmlDType,
    mkn: (usize, usize, usize),
    lhs: &[f32],
    weight: &[u8],
    dst: &mut [f32],
) -> Option<Result<()>> {
    Some(match dtype {
        GgmlDType::Q4_0 => product::<18, 1, Q4_0>(mkn, lhs, weight, dst),
        GgmlDType::Q4_1 => product::<20, 1, Q4_1>(mkn, lhs, weight, dst),
        GgmlDType::Q5_0 => product::<22, 1, Q5_0>(mkn, lhs, weight, dst),
        GgmlDType::Q5_1 => product::<24, 1, Q5_1>(mkn, lhs, weight, dst),
        GgmlDType::Q8_0 => product::<34, 1, Q8_0>(mkn, lhs, weight, dst),
        GgmlDType::Q3K => product::<110, 8, Q3K>(mkn, lhs, weight, dst),
        GgmlDType::Q4K => product::<144, 8, Q4K>(mkn, lhs, weight, dst),
        GgmlDType::Q5K => product::<176, 8, Q5K>(mkn, lhs, weight, dst),
        GgmlDType::Q6K => product::<210, 8, Q6K>(mkn, lhs, weight, dst),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::QTensor;
    use candle_core::{Device, Tensor};

    const TYPES: [GgmlDType; 9] = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];

    #[test]
    fn products_are_those_of_the_dequantized_weight() {
        // An odd number of blocks and rows, one and several rows of activations.
        let n = 13;
        for dtype in TYPES {
            let k = 3 * dtype.block_size();
            let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
            let weight = QTensor::quantize(&weight, dtype).unwrap();
            let exact = weight.dequantize(&Device::Cpu).unwrap();
            for m in [1, 5] {
                let x = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
                let lhs = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let mut dst = vec![0f32; m * n];
                let bytes = weight.data().unwrap();
                matmul(dtype, (m, k, n), &lhs, &bytes, &mut dst)
                    .unwrap()
                    .unwrap();
                let theirs = x.matmul(&exact.t().unwrap()).unwrap();
                let theirs = theirs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                for (ours, theirs) in dst.iter().zip(theirs) {
                    // Rounding to 1/32767 of a block's largest value, a hundred times or more.
                    assert!((ours - theirs).abs() < 5e-3, "{dtype:?}: {ours} {theirs}");
                }
            }
        }
    }

    #[test]
    fn the_vector_code_computes_what_the_plain_code_does() {
        let values: [f32; BLOCK] = std::array::from_fn(|i| (i as f32 * 0.7).sin() * 3.0);
        let row = UnpackedRow {
            quants: vec![std::array::from_fn(|i| i as i16 * 4 - 64); 3],
            scales: vec![(0.5, -1.0), (0.25, 0.0), (2.0, 1.0)],
        };
        let activations = vec![Activations::new(&values); 3];
        let plain = row.dot(&activations);
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the features have been detected.
            let wide = unsafe { row.dot_avx2(&activations) };
            assert!(
                (plain - wide).abs() <= 1e-4 * plain.abs().max(1.0),
                "{plain} {wide}"
            );
        }
        let mut exact = 0f64;
        for (w, (d, m)) in row.quants.iter().zip(&row.scales) {
            for (q, v) in w.iter().zip(&values) {
                exact += f64::from(d * f32::from(*q) + m) * f64::from(*v);
            }
        }
        assert!((f64::from(plain) - exact).abs() < 0.1, "{plain} {exact}");
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let mut dst = [0f32; 1];
        let short = matmul(GgmlDType::Q4_1, (1, 32, 1), &[0.0; 32], &[0; 19], &mut dst);
        assert!(short.unwrap().is_err());
        assert!(matmul(GgmlDType::Q2K, (1, 32, 1), &[0.0; 32], &[0; 34], &mut dst).is_none());
        let split = matmul(GgmlDType::Q4K, (1, 32, 1), &[0.0; 32], &[0; 144], &mut dst);
        assert!(split.unwrap().is_err());
    }
}
