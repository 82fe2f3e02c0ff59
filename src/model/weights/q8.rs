//! Products of Q4_1, Q5_0 and Q5_1 weights with activations rounded to eight bits.
//!
//! candle has only scalar loops for these three types (and in Q8_1 activations it rounds the block
//! sums twice, which moves logits visibly away from llama.cpp's). Here a row of weights is unpacked
//! to bytes once and multiplied with all rows of activations in loops that compile to vector code.
//!
//! Weights are `d · q + m` with unsigned `q`; activations `e · p` with signed bytes `p`. A block
//! of 32 products is then `d · e · Σ q·p + m · e · Σ p`, whose two sums are exact integers. The
//! rounding of activations is that of ggml (`quantize_row_q8_0` and `quantize_row_q8_1`).
//!
//! Not here: other types; they go through candle's kernels.

use candle_core::Result;
use candle_core::quantized::GgmlDType;
use half::f16;

/// Elements in a block.
const BLOCK: usize = 32;

/// A weight type: how a block of `BYTES` bytes stands for 32 numbers.
trait Packed<const BYTES: usize> {
    /// Scale and offset of the block; its unsigned quants go to `quants`.
    fn unpack(block: &[u8; BYTES], quants: &mut [u8; BLOCK]) -> (f32, f32);
}

struct Q4_1;
struct Q5_0;
struct Q5_1;

impl Packed<20> for Q4_1 {
    #[inline(always)]
    fn unpack(block: &[u8; 20], quants: &mut [u8; BLOCK]) -> (f32, f32) {
        nibbles(&block[4..], quants);
        (half_at(block, 0), half_at(block, 2))
    }
}

impl Packed<22> for Q5_0 {
    #[inline(always)]
    fn unpack(block: &[u8; 22], quants: &mut [u8; BLOCK]) -> (f32, f32) {
        nibbles(&block[6..], quants);
        fifth_bits([block[2], block[3], block[4], block[5]], quants);
        let scale = half_at(block, 0);
        (scale, -16.0 * scale)
    }
}

impl Packed<24> for Q5_1 {
    #[inline(always)]
    fn unpack(block: &[u8; 24], quants: &mut [u8; BLOCK]) -> (f32, f32) {
        nibbles(&block[8..], quants);
        fifth_bits([block[4], block[5], block[6], block[7]], quants);
        (half_at(block, 0), half_at(block, 2))
    }
}

#[inline(always)]
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The low halves of 16 bytes are the first 16 quants, the high halves the others.
#[inline(always)]
fn nibbles(bytes: &[u8], quants: &mut [u8; BLOCK]) {
    let (low, high) = quants.split_at_mut(BLOCK / 2);
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        *low = byte & 0x0f;
        *high = byte >> 4;
    }
}

#[inline(always)]
fn fifth_bits(bits: [u8; 4], quants: &mut [u8; BLOCK]) {
    let bits = u32::from_le_bytes(bits);
    for (i, quant) in quants.iter_mut().enumerate() {
        *quant |= ((bits >> i & 1) as u8) << 4;
    }
}

/// A block of activations: signed quants, their scale, and scale times their sum.
#[derive(Clone)]
struct Activations {
    quants: [i8; BLOCK],
    scale: f32,
    sum: f32,
}

impl Activations {
    /// Rounds 32 values; `rounded_sum` stores the sum in half precision, as Q8_1 does.
    fn new(values: &[f32; BLOCK], rounded_sum: bool) -> Self {
        let max = values.iter().fold(0f32, |m, v| m.max(v.abs()));
        let scale = max / 127.0;
        let inverse = if max > 0.0 { 127.0 / max } else { 0.0 };
        let quants = values.map(|v| (v * inverse).round_ties_even() as i8);
        let sum: i32 = quants.iter().map(|&q| i32::from(q)).sum();
        let half = f16::from_f32(scale).to_f32();
        let sum = match rounded_sum {
            true => f16::from_f32(scale * sum as f32).to_f32(),
            false => half * sum as f32,
        };
        Self { quants, scale: half, sum }
    }
}

/// A row of weights, unpacked.
struct Row {
    quants: Vec<[u8; BLOCK]>,
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
            let products = w.iter().zip(&x.quants).map(|(&w, &x)| i32::from(w) * i32::from(x));
            total += d * x.scale * products.sum::<i32>() as f32 + m * x.sum;
        }
        total
    }
}

/// The rows `columns` of the weight times all activations; `write(row, column, value)` gets the
/// results.
#[inline(always)]
fn columns<const BYTES: usize, T: Packed<BYTES>>(
    weight: &[[u8; BYTES]],
    activations: &[Activations],
    blocks: usize,
    columns: std::ops::Range<usize>,
    write: &impl Fn(usize, usize, f32),
) {
    let mut row = Row { quants: vec![[0; BLOCK]; blocks], scales: vec![(0.0, 0.0); blocks] };
    for column in columns {
        row.unpack::<BYTES, T>(&weight[column * blocks..(column + 1) * blocks]);
        for (index, activations) in activations.chunks_exact(blocks).enumerate() {
            write(index, column, row.dot(activations));
        }
    }
}

/// The same code compiled for wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn columns_avx2<const BYTES: usize, T: Packed<BYTES>>(
    weight: &[[u8; BYTES]],
    activations: &[Activations],
    blocks: usize,
    range: std::ops::Range<usize>,
    write: &impl Fn(usize, usize, f32),
) {
    columns::<BYTES, T>(weight, activations, blocks, range, write);
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
    rounded_sum: bool,
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
    let activations: Vec<Activations> =
        lhs_blocks.iter().map(|values| Activations::new(values, rounded_sum)).collect();
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
        columns::<BYTES, T>(weight, &activations, blocks, range, &write);
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
        GgmlDType::Q4_1 => product::<20, Q4_1>(mkn, lhs, weight, dst, true),
        GgmlDType::Q5_0 => product::<22, Q5_0>(mkn, lhs, weight, dst, false),
        GgmlDType::Q5_1 => product::<24, Q5_1>(mkn, lhs, weight, dst, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::QTensor;
    use candle_core::{Device, Tensor};

    /// The product must be that of the dequantized weight, up to the rounding of activations.
    #[test]
    fn products_are_those_of_the_dequantized_weight() {
        // An odd number of blocks and rows, one and several rows of activations.
        let (k, n) = (96, 13);
        for dtype in [GgmlDType::Q4_1, GgmlDType::Q5_0, GgmlDType::Q5_1] {
            let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
            let weight = QTensor::quantize(&weight, dtype).unwrap();
            let exact = weight.dequantize(&Device::Cpu).unwrap();
            for m in [1, 5] {
                let x = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
                let lhs = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let mut dst = vec![0f32; m * n];
                let bytes = weight.data().unwrap();
                matmul(dtype, (m, k, n), &lhs, &bytes, &mut dst).unwrap().unwrap();
                let ours = Tensor::from_vec(dst, (m, n), &Device::Cpu).unwrap();
                let theirs = x.matmul(&exact.t().unwrap()).unwrap();
                let error = (ours - theirs).unwrap().sqr().unwrap().mean_all().unwrap();
                // Rounding to 1/127 of a block's largest value: variance (max/127)²/12 for each
                // of 96 products with weights of unit variance.
                let rms = error.to_scalar::<f32>().unwrap().sqrt();
                assert!(rms < 0.12, "{dtype:?}: {rms}");
            }
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let mut dst = [0f32; 1];
        let short = matmul(GgmlDType::Q4_1, (1, 32, 1), &[0.0; 32], &[0; 19], &mut dst);
        assert!(short.unwrap().is_err());
        assert!(matmul(GgmlDType::Q8_0, (1, 32, 1), &[0.0; 32], &[0; 34], &mut dst).is_none());
    }
}
