//! Products of weights quantized in blocks of 32 (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0) with activations.
//!
//! Activations are rounded to 16 bits a block, not to 8 as elsewhere: the two cost the same here,
//! and the rounding then no longer shows in the logits. (With 8 bits, two engines that round a
//! little differently differ by 0.05 in the mean log-probability of a small model; that is the
//! noise of both.) A row of weights is unpacked once and multiplied with all rows of activations.
//!
//! Weights are `d · q + m` with small integers `q`, activations `e · p` with 16-bit `p`. A block
//! of 32 products is then `d · e · Σ q·p + m · e · Σ p`, whose two sums are exact integers:
//! |q| ≤ 128 and |p| ≤ 32767 keep them far inside 32 bits.
//!
//! Not here: the K-quants and the floating-point types; they go through candle's kernels.

use candle_core::Result;
use candle_core::quantized::GgmlDType;
use half::f16;

/// Elements in a block.
const BLOCK: usize = 32;
/// The largest rounded activation.
const LARGEST: f32 = 32767.0;

/// A weight type: how a block of `BYTES` bytes stands for 32 numbers.
trait Packed<const BYTES: usize> {
    /// Scale and offset of the block; its quants go to `quants`.
    fn unpack(block: &[u8; BYTES], quants: &mut [i16; BLOCK]) -> (f32, f32);
}

struct Q4_0;
struct Q4_1;
struct Q5_0;
struct Q5_1;
struct Q8_0;

impl Packed<18> for Q4_0 {
    #[inline(always)]
    fn unpack(block: &[u8; 18], quants: &mut [i16; BLOCK]) -> (f32, f32) {
        nibbles(&block[2..], quants);
        let scale = half_at(block, 0);
        (scale, -8.0 * scale)
    }
}

impl Packed<20> for Q4_1 {
    #[inline(always)]
    fn unpack(block: &[u8; 20], quants: &mut [i16; BLOCK]) -> (f32, f32) {
        nibbles(&block[4..], quants);
        (half_at(block, 0), half_at(block, 2))
    }
}

impl Packed<22> for Q5_0 {
    #[inline(always)]
    fn unpack(block: &[u8; 22], quants: &mut [i16; BLOCK]) -> (f32, f32) {
        nibbles(&block[6..], quants);
        fifth_bits([block[2], block[3], block[4], block[5]], quants);
        let scale = half_at(block, 0);
        (scale, -16.0 * scale)
    }
}

impl Packed<24> for Q5_1 {
    #[inline(always)]
    fn unpack(block: &[u8; 24], quants: &mut [i16; BLOCK]) -> (f32, f32) {
        nibbles(&block[8..], quants);
        fifth_bits([block[4], block[5], block[6], block[7]], quants);
        (half_at(block, 0), half_at(block, 2))
    }
}

impl Packed<34> for Q8_0 {
    #[inline(always)]
    fn unpack(block: &[u8; 34], quants: &mut [i16; BLOCK]) -> (f32, f32) {
        for (byte, quant) in block[2..].iter().zip(quants) {
            *quant = i16::from(byte.cast_signed());
        }
        (half_at(block, 0), 0.0)
    }
}

#[inline(always)]
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The low halves of 16 bytes are the first 16 quants, the high halves the others.
#[inline(always)]
fn nibbles(bytes: &[u8], quants: &mut [i16; BLOCK]) {
    let (low, high) = quants.split_at_mut(BLOCK / 2);
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        *low = i16::from(byte & 0x0f);
        *high = i16::from(byte >> 4);
    }
}

#[inline(always)]
fn fifth_bits(bits: [u8; 4], quants: &mut [i16; BLOCK]) {
    let bits = u32::from_le_bytes(bits);
    for (i, quant) in quants.iter_mut().enumerate() {
        *quant |= ((bits >> i & 1) as i16) << 4;
    }
}

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
        let scale = max / LARGEST;
        let inverse = if max > 0.0 { LARGEST / max } else { 0.0 };
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
struct Row {
    quants: Vec<[i16; BLOCK]>,
    scales: Vec<(f32, f32)>,
}

impl Row {
    #[inline(always)]
    fn unpack<const BYTES: usize, T: Packed<BYTES>>(&mut self, blocks: &[[u8; BYTES]]) {
        for ((block, quants), scales) in blocks.iter().zip(&mut self.quants).zip(&mut self.scales) {
            *scales = T::unpack(block, quants);
        }
    }

    #[inline(always)]
    fn dot(&self, activations: &[Activations]) -> f32 {
        let mut total = 0f32;
        for ((w, &(d, m)), x) in self.quants.iter().zip(&self.scales).zip(activations) {
            let products = w.iter().zip(&x.quants);
            let sum: i32 = products.map(|(&w, &x)| i32::from(w) * i32::from(x)).sum();
            total += d * x.scale * sum as f32 + m * x.sum;
        }
        total
    }

    /// [`Row::dot`] with the horizontal sum taken once for the row instead of once for a block.
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
trait Write: Fn(usize, usize, f32) {}
impl<F: Fn(usize, usize, f32)> Write for F {}

/// The rows `columns` of the weight times all activations.
#[inline(always)]
fn columns<const BYTES: usize, T: Packed<BYTES>>(
    weight: &[[u8; BYTES]],
    activations: &[Activations],
    blocks: usize,
    columns: std::ops::Range<usize>,
    dot: impl Fn(&Row, &[Activations]) -> f32,
    write: &impl Write,
) {
    let mut row = Row {
        quants: vec![[0; BLOCK]; blocks],
        scales: vec![(0.0, 0.0); blocks],
    };
    for column in columns {
        row.unpack::<BYTES, T>(&weight[column * blocks..(column + 1) * blocks]);
        for (index, activations) in activations.chunks_exact(blocks).enumerate() {
            write(index, column, dot(&row, activations));
        }
    }
}

/// The same compiled for wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn columns_avx2<const BYTES: usize, T: Packed<BYTES>>(
    weight: &[[u8; BYTES]],
    activations: &[Activations],
    blocks: usize,
    range: std::ops::Range<usize>,
    write: &impl Write,
) {
    let dot = |row: &Row, activations: &[Activations]| row.dot_avx2(activations);
    columns::<BYTES, T>(weight, activations, blocks, range, dot, write);
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn product<const BYTES: usize, T: Packed<BYTES>>(
    (m, k, n): (usize, usize, usize),
    lhs: &[f32],
    weight: &[u8],
    dst: &mut [f32],
) -> Result<()> {
    let blocks = k / BLOCK;
    let (weight, rest) = weight.as_chunks::<BYTES>();
    let (lhs_blocks, lhs_rest) = lhs.as_chunks::<BLOCK>();
    let fits = k.is_multiple_of(BLOCK)
        && rest.is_empty()
        && lhs_rest.is_empty()
        && weight.len() == n * blocks
        && lhs_blocks.len() == m * blocks
        && dst.len() == m * n
        && blocks > 0;
    if !fits {
        candle_core::bail!("matrix product with wrong sizes ({m}, {k}, {n})");
    }
    let activations: Vec<Activations> = lhs_blocks.iter().map(Activations::new).collect();
    let out = dst.as_mut_ptr() as usize;
    let write = |row: usize, column: usize, value: f32| {
        // SAFETY: `row < m` and `column < n`, so the element is inside `dst`, which outlives the
        // call; each column is given to exactly one worker.
        unsafe { *(out as *mut f32).add(row * n + column) = value };
    };
    let avx2 = has_avx2();
    candle_core::utils::barrier_pool().execute_chunked(n, |range| {
        #[cfg(target_arch = "x86_64")]
        if avx2 {
            // SAFETY: the features have been detected.
            unsafe { columns_avx2::<BYTES, T>(weight, &activations, blocks, range, &write) };
            return;
        }
        let _ = avx2;
        columns::<BYTES, T>(weight, &activations, blocks, range, Row::dot, &write);
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
        GgmlDType::Q4_0 => product::<18, Q4_0>(mkn, lhs, weight, dst),
        GgmlDType::Q4_1 => product::<20, Q4_1>(mkn, lhs, weight, dst),
        GgmlDType::Q5_0 => product::<22, Q5_0>(mkn, lhs, weight, dst),
        GgmlDType::Q5_1 => product::<24, Q5_1>(mkn, lhs, weight, dst),
        GgmlDType::Q8_0 => product::<34, Q8_0>(mkn, lhs, weight, dst),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::QTensor;
    use candle_core::{Device, Tensor};

    const TYPES: [GgmlDType; 5] = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
    ];

    #[test]
    fn products_are_those_of_the_dequantized_weight() {
        // An odd number of blocks and rows, one and several rows of activations.
        let (k, n) = (96, 13);
        for dtype in TYPES {
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
                    // Rounding to 1/32767 of a block's largest value, 96 times.
                    assert!((ours - theirs).abs() < 5e-3, "{dtype:?}: {ours} {theirs}");
                }
            }
        }
    }

    #[test]
    fn the_vector_code_computes_what_the_plain_code_does() {
        let values: [f32; BLOCK] = std::array::from_fn(|i| (i as f32 * 0.7).sin() * 3.0);
        let row = Row {
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
        assert!(matmul(GgmlDType::Q4K, (1, 32, 1), &[0.0; 32], &[0; 34], &mut dst).is_none());
    }
}
