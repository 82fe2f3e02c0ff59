//! What the blocks of ggml's types mean, in plain Rust: numbers out of blocks, and into those that
//! files are written in. The layouts are ggml's (`ggml-common.h`), the formulas those of
//! `dequantize_row_*` and `quantize_row_*_ref` in its `ggml-quants.c`, in the same order, so that
//! the numbers are the same to the bit.
//!
//! Not here: types whose bits are indices to a table ([`super::indexed`]), and products (see
//! [`crate::kernels`], which is held against this).

use candle_core::quantized::GgmlDType;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// Numbers of 16 bits that are widened at once, without a copy on the heap.
const HALVES: usize = 256;

/// Whole blocks as f32.
pub(super) fn widen(kind: GgmlDType, blocks: &[u8], out: &mut [f32]) {
    let widen_block: fn(&[u8], &mut [f32]) = match kind {
        GgmlDType::F32 => {
            let (words, _) = blocks.as_chunks();
            let values = words.iter().map(|&word| f32::from_le_bytes(word));
            return out.iter_mut().zip(values).for_each(|(out, v)| *out = v);
        }
        GgmlDType::F16 => {
            let widen = |bits: &[f16], out: &mut [f32]| bits.convert_to_f32_slice(out);
            return halves(blocks, out, f16::from_bits, widen);
        }
        GgmlDType::BF16 => {
            let widen = |bits: &[bf16], out: &mut [f32]| bits.convert_to_f32_slice(out);
            return halves(blocks, out, bf16::from_bits, widen);
        }
        GgmlDType::Q4_0 => q4_0,
        GgmlDType::Q4_1 => q4_1,
        GgmlDType::Q5_0 => q5_0,
        GgmlDType::Q5_1 => q5_1,
        GgmlDType::Q8_0 => |block, out| scaled(half(block, 0), &block[2..], out),
        // A scale, a sum that products use, and the numbers.
        GgmlDType::Q8_1 => |block, out| scaled(half(block, 0), &block[4..], out),
        GgmlDType::Q2K => q2_k,
        GgmlDType::Q3K => q3_k,
        GgmlDType::Q4K => q4_k,
        GgmlDType::Q5K => q5_k,
        GgmlDType::Q6K => q6_k,
        // A scale in f32, the numbers, and sums that products use.
        GgmlDType::Q8K => |block, out| {
            let scale = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
            scaled(scale, &block[4..], out);
        },
    };
    let blocks = blocks.chunks_exact(kind.type_size());
    for (block, out) in blocks.zip(out.chunks_exact_mut(kind.block_size())) {
        widen_block(block, out);
    }
}

/// Numbers of 16 bits.
fn halves<T: Copy + Default>(
    bytes: &[u8],
    out: &mut [f32],
    from_bits: fn(u16) -> T,
    widen: fn(&[T], &mut [f32]),
) {
    let mut numbers = [T::default(); HALVES];
    for (bytes, out) in bytes.chunks(2 * HALVES).zip(out.chunks_mut(HALVES)) {
        let (pairs, _) = bytes.as_chunks();
        for (number, &pair) in numbers.iter_mut().zip(pairs) {
            *number = from_bits(u16::from_le_bytes(pair));
        }
        widen(&numbers[..out.len()], out);
    }
}

/// The f16 at a byte of a block.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Signed bytes with one scale.
fn scaled(scale: f32, bytes: &[u8], out: &mut [f32]) {
    for (out, &byte) in out.iter_mut().zip(bytes) {
        *out = f32::from(byte.cast_signed()) * scale;
    }
}

/// The low and the high halves of sixteen bytes, which are 32 numbers of four bits.
fn nibbles(bytes: &[u8], out: &mut [f32], number: impl Fn(usize, u8) -> f32) {
    let (low, high) = out.split_at_mut(16);
    for (j, ((low, high), byte)) in low.iter_mut().zip(high).zip(bytes).enumerate() {
        *low = number(j, byte & 15);
        *high = number(j + 16, byte >> 4);
    }
}

fn q4_0(block: &[u8], out: &mut [f32]) {
    let scale = half(block, 0);
    nibbles(&block[2..], out, |_, q| (f32::from(q) - 8.0) * scale);
}

fn q4_1(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (half(block, 0), half(block, 2));
    nibbles(&block[4..], out, |_, q| f32::from(q) * scale + offset);
}

/// The fifth bit of number `j` of 32, in its place.
fn fifth(bits: u32, j: usize) -> u8 {
    ((bits >> j & 1) << 4) as u8
}

fn word(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

fn q5_0(block: &[u8], out: &mut [f32]) {
    let (scale, bits) = (half(block, 0), word(block, 2));
    nibbles(&block[6..], out, |j, q| {
        (f32::from(q | fifth(bits, j)) - 16.0) * scale
    });
}

fn q5_1(block: &[u8], out: &mut [f32]) {
    let (scale, offset, bits) = (half(block, 0), half(block, 2), word(block, 4));
    nibbles(&block[8..], out, |j, q| {
        f32::from(q | fifth(bits, j)) * scale + offset
    });
}

fn q2_k(block: &[u8], out: &mut [f32]) {
    let (factors, bits) = (&block[..16], &block[16..80]);
    let (scale, offset) = (half(block, 80), half(block, 82));
    for (i, (out, factors)) in out.chunks_exact_mut(16).zip(factors).enumerate() {
        let (scale, offset) = (
            scale * f32::from(factors & 15),
            offset * f32::from(factors >> 4),
        );
        let (side, quarter, half) = (i / 8, i / 2 % 4, i % 2);
        let bits = &bits[32 * side + 16 * half..];
        for (out, byte) in out.iter_mut().zip(bits) {
            *out = scale * f32::from(byte >> (2 * quarter) & 3) - offset;
        }
    }
}

/// Factor `i` of sixteen on the scale of a Q3_K block, of six bits less 32, out of twelve bytes: the
/// low nibbles are in eight of them, the upper pairs in four.
pub(crate) fn q3_k_factor(bytes: &[u8], i: usize) -> i8 {
    let nibble = bytes[i % 8] >> (4 * (i / 8)) & 15;
    let pair = bytes[8 + i % 4] >> (2 * (i / 4)) & 3;
    (nibble | pair << 4).cast_signed() - 32
}

fn q3_k(block: &[u8], out: &mut [f32]) {
    let (third, bits, factors) = (&block[..32], &block[32..96], &block[96..108]);
    let scale = half(block, 108);
    for (i, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = scale * f32::from(q3_k_factor(factors, i));
        let (side, quarter, half) = (i / 8, i / 2 % 4, i % 2);
        let (third, bits) = (&third[16 * half..], &bits[32 * side + 16 * half..]);
        for (out, (third, byte)) in out.iter_mut().zip(third.iter().zip(bits)) {
            let q = byte >> (2 * quarter) & 3 | (third >> (i / 2) & 1) << 2;
            *out = scale * (f32::from(q) - 4.0);
        }
    }
}

/// Factor `j` of eight on the scale of a Q4_K or Q5_K block and the one on its offset, of six bits
/// each, out of twelve bytes.
pub(crate) fn pair_of_factors(bytes: &[u8], j: usize) -> (u8, u8) {
    match j {
        0..4 => (bytes[j] & 63, bytes[j + 4] & 63),
        _ => (
            bytes[j + 4] & 15 | bytes[j - 4] >> 6 << 4,
            bytes[j + 4] >> 4 | bytes[j] >> 6 << 4,
        ),
    }
}

fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (half(block, 0), half(block, 2));
    for (j, out) in out.chunks_exact_mut(32).enumerate() {
        let on = pair_of_factors(&block[4..], j);
        let (scale, offset) = (scale * f32::from(on.0), offset * f32::from(on.1));
        let bytes = &block[16 + 32 * (j / 2)..];
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = scale * f32::from(byte >> (4 * (j % 2)) & 15) - offset;
        }
    }
}

fn q5_k(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (half(block, 0), half(block, 2));
    for (j, out) in out.chunks_exact_mut(32).enumerate() {
        let on = pair_of_factors(&block[4..], j);
        let (scale, offset) = (scale * f32::from(on.0), offset * f32::from(on.1));
        let (fifth, bytes) = (&block[16..48], &block[48 + 32 * (j / 2)..]);
        for (out, (fifth, byte)) in out.iter_mut().zip(fifth.iter().zip(bytes)) {
            let q = byte >> (4 * (j % 2)) & 15 | (fifth >> j & 1) << 4;
            *out = scale * f32::from(q) - offset;
        }
    }
}

fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low, high, factors) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half(block, 208);
    for (i, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = scale * f32::from(factors[i].cast_signed());
        let (side, quarter, half) = (i / 8, i / 2 % 4, i % 2);
        let low = &low[64 * side + 32 * (quarter % 2) + 16 * half..];
        let high = &high[32 * side + 16 * half..];
        for (out, (low, high)) in out.iter_mut().zip(low.iter().zip(high)) {
            let q = low >> (4 * (quarter / 2)) & 15 | (high >> (2 * quarter) & 3) << 4;
            *out = scale * (f32::from(q) - 32.0);
        }
    }
}

/// Numbers as blocks of Q8_0: 32 signed bytes of which the largest is 127.
pub(crate) fn to_q8_0(values: &[f32]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(values.len() / 32 * 34);
    for values in values.chunks_exact(32) {
        let largest = values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let scale = largest / 127.0;
        let per_scale = inverse(scale);
        blocks.extend(f16::from_f32(scale).to_le_bytes());
        blocks.extend(values.iter().map(|v| (v * per_scale).round() as i8 as u8));
    }
    blocks
}

/// Numbers as blocks of Q4_0: 32 of four bits, of which the largest, with its sign, is -8.
pub(crate) fn to_q4_0(values: &[f32]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(values.len() / 32 * 18);
    for values in values.chunks_exact(32) {
        let largest = values.iter().fold(
            0.0f32,
            |most, &v| {
                if v.abs() > most.abs() { v } else { most }
            },
        );
        let scale = largest / -8.0;
        let per_scale = inverse(scale);
        let quant = |v: f32| 15.min((v * per_scale + 8.5) as u8);
        blocks.extend(f16::from_f32(scale).to_le_bytes());
        let (low, high) = values.split_at(16);
        blocks.extend(
            low.iter()
                .zip(high)
                .map(|(&l, &h)| quant(l) | quant(h) << 4),
        );
    }
    blocks
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::{QStorage, QTensor};
    use candle_core::{Device, Tensor};
    use s1_core::rng::Rng;

    use super::*;

    const BLOCKS: usize = 40;

    /// Blocks of random bits whose scales are numbers.
    fn random_blocks(kind: GgmlDType, rng: &mut Rng) -> Vec<u8> {
        use GgmlDType as D;
        let scales: &[usize] = match kind {
            D::Q4_0 | D::Q5_0 | D::Q8_0 => &[0],
            D::Q4_1 | D::Q5_1 | D::Q8_1 | D::Q4K | D::Q5K => &[0, 2],
            D::Q2K => &[80, 82],
            D::Q3K => &[108],
            D::Q6K => &[208],
            D::F32 | D::F16 | D::BF16 | D::Q8K => &[],
        };
        let mut blocks = Vec::new();
        for _ in 0..BLOCKS * 256 / kind.block_size() {
            let mut block: Vec<u8> = (0..kind.type_size()).map(|_| rng.bits() as u8).collect();
            for &at in scales {
                block[at..at + 2].copy_from_slice(&f16::from_f32(rng.signed_unit()).to_le_bytes());
            }
            match kind {
                D::F32 | D::Q8K => block[..4].copy_from_slice(&rng.signed_unit().to_le_bytes()),
                D::F16 => block = f16::from_f32(rng.signed_unit()).to_le_bytes().to_vec(),
                D::BF16 => block = bf16::from_f32(rng.signed_unit()).to_le_bytes().to_vec(),
                _ => {}
            }
            blocks.extend(block);
        }
        blocks
    }

    /// A user would lose: the weights that everyone else sees in the same file.
    #[test]
    fn blocks_mean_what_candle_says() {
        use GgmlDType as D;
        let mut rng = Rng::new(11);
        for kind in [
            D::F32,
            D::F16,
            D::BF16,
            D::Q4_0,
            D::Q4_1,
            D::Q5_0,
            D::Q5_1,
            D::Q8_0,
            D::Q2K,
            D::Q3K,
            D::Q4K,
            D::Q5K,
            D::Q6K,
            D::Q8K,
        ] {
            let blocks = random_blocks(kind, &mut rng);
            let mut ours = vec![0.0; 256 * BLOCKS];
            widen(kind, &blocks, &mut ours);
            let storage = QStorage::from_data(blocks.into(), &Device::Cpu, kind).unwrap();
            let theirs = QTensor::new(storage, ours.len()).unwrap();
            let theirs = theirs.dequantize(&Device::Cpu).unwrap();
            assert_eq!(ours, theirs.to_vec1::<f32>().unwrap(), "{kind:?}");
        }
    }

    /// Candle has no reading of it.
    #[test]
    fn a_sum_in_a_block_is_no_weight() {
        let mut block = vec![0; 36];
        block[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
        block[2] = 77;
        (block[4], block[35]) = (3, (-5i8).cast_unsigned());
        let mut out = [1.0; 32];
        widen(GgmlDType::Q8_1, &block, &mut out);
        assert_eq!((out[0], out[1], out[31]), (1.5, 0.0, -2.5));
    }

    #[test]
    fn numbers_are_rounded_as_candle_rounds_them() {
        let mut rng = Rng::new(12);
        let mut values: Vec<f32> = (0..256 * BLOCKS).map(|_| rng.signed_unit()).collect();
        values[..32].fill(0.0);
        for (kind, ours) in [
            (GgmlDType::Q8_0, to_q8_0(&values)),
            (GgmlDType::Q4_0, to_q4_0(&values)),
        ] {
            let tensor = Tensor::from_slice(&values, values.len(), &Device::Cpu).unwrap();
            let theirs = QTensor::quantize(&tensor, kind).unwrap();
            assert_eq!(ours, &theirs.data().unwrap()[..], "{kind:?}");
        }
    }
}
