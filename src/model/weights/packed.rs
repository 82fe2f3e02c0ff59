//! How the bytes of each quantized type stand for numbers: blocks of 32 weights `d · q + m`.
//!
//! The layouts are those of ggml (`ggml-quants.c`). Types in groups of 256 have scales of their own
//! for every 16 or 32 weights; where it is 16, the scale is multiplied into the quants, which then
//! have up to 13 bits.

use half::f16;

/// Weights in a block.
pub(super) const BLOCK: usize = 32;

/// A weight type: how a group of `BYTES` bytes stands for `BLOCKS` blocks.
pub(super) trait Packed<const BYTES: usize, const BLOCKS: usize> {
    /// Writes the blocks' quants `q`, at most 4096 in magnitude, and their scales and offsets
    /// `(d, m)`.
    fn unpack(
        group: &[u8; BYTES],
        quants: &mut [[i16; BLOCK]; BLOCKS],
        scales: &mut [(f32, f32); BLOCKS],
    );
}

pub(super) struct Q4_0;

impl Packed<18, 1> for Q4_0 {
    #[inline(always)]
    fn unpack(b: &[u8; 18], [quants]: &mut [[i16; BLOCK]; 1], [scales]: &mut [(f32, f32); 1]) {
        nibbles(&b[2..], quants);
        let d = half_at(b, 0);
        *scales = (d, -8.0 * d);
    }
}

pub(super) struct Q4_1;

impl Packed<20, 1> for Q4_1 {
    #[inline(always)]
    fn unpack(b: &[u8; 20], [quants]: &mut [[i16; BLOCK]; 1], [scales]: &mut [(f32, f32); 1]) {
        nibbles(&b[4..], quants);
        *scales = (half_at(b, 0), half_at(b, 2));
    }
}

pub(super) struct Q5_0;

impl Packed<22, 1> for Q5_0 {
    #[inline(always)]
    fn unpack(b: &[u8; 22], [quants]: &mut [[i16; BLOCK]; 1], [scales]: &mut [(f32, f32); 1]) {
        nibbles(&b[6..], quants);
        fifth_bits([b[2], b[3], b[4], b[5]], quants);
        let d = half_at(b, 0);
        *scales = (d, -16.0 * d);
    }
}

pub(super) struct Q5_1;

impl Packed<24, 1> for Q5_1 {
    #[inline(always)]
    fn unpack(b: &[u8; 24], [quants]: &mut [[i16; BLOCK]; 1], [scales]: &mut [(f32, f32); 1]) {
        nibbles(&b[8..], quants);
        fifth_bits([b[4], b[5], b[6], b[7]], quants);
        *scales = (half_at(b, 0), half_at(b, 2));
    }
}

pub(super) struct Q8_0;

impl Packed<34, 1> for Q8_0 {
    #[inline(always)]
    fn unpack(b: &[u8; 34], [quants]: &mut [[i16; BLOCK]; 1], [scales]: &mut [(f32, f32); 1]) {
        for (byte, quant) in b[2..].iter().zip(quants) {
            *quant = i16::from(byte.cast_signed());
        }
        *scales = (half_at(b, 0), 0.0);
    }
}

pub(super) struct Q3K;

impl Packed<110, 8> for Q3K {
    #[inline(always)]
    fn unpack(group: &[u8; 110], quants: &mut [[i16; BLOCK]; 8], scales: &mut [(f32, f32); 8]) {
        let (high, low, packed) = (&group[..32], &group[32..96], &group[96..108]);
        // Sixteen 6-bit scales: the low nibbles in eight bytes, the upper pairs in four.
        let scale = |i: usize| {
            let nibble = packed[i % 8] >> (4 * (i / 8)) & 15;
            let pair = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
            i16::from(nibble | pair << 4) - 32
        };
        for (block, quants) in quants.iter_mut().enumerate() {
            let (from, shift) = (block / 4 * 32, block % 4 * 2);
            for (half, quants) in quants.chunks_exact_mut(16).enumerate() {
                let scale = scale(2 * block + half);
                let at = half * 16;
                let low = &low[from + at..from + at + 16];
                for ((quant, low), high) in quants.iter_mut().zip(low).zip(&high[at..at + 16]) {
                    let bits = i16::from(low >> shift & 3) + i16::from(high >> block & 1) * 4;
                    *quant = scale * (bits - 4);
                }
            }
        }
        scales.fill((half_at(group, 108), 0.0));
    }
}

pub(super) struct Q4K;

impl Packed<144, 8> for Q4K {
    #[inline(always)]
    fn unpack(group: &[u8; 144], quants: &mut [[i16; BLOCK]; 8], scales: &mut [(f32, f32); 8]) {
        six_bit_scales(group, scales);
        let (bytes, _) = group[16..].as_chunks::<32>();
        for (bytes, pair) in bytes.iter().zip(quants.as_chunks_mut::<2>().0) {
            nibbles_of_pair(bytes, pair);
        }
    }
}

pub(super) struct Q5K;

impl Packed<176, 8> for Q5K {
    #[inline(always)]
    fn unpack(group: &[u8; 176], quants: &mut [[i16; BLOCK]; 8], scales: &mut [(f32, f32); 8]) {
        six_bit_scales(group, scales);
        let fifth = &group[16..48];
        let (bytes, _) = group[48..].as_chunks::<32>();
        for (bytes, pair) in bytes.iter().zip(quants.as_chunks_mut::<2>().0) {
            nibbles_of_pair(bytes, pair);
        }
        for (block, quants) in quants.iter_mut().enumerate() {
            for (quant, bits) in quants.iter_mut().zip(fifth) {
                *quant |= i16::from(bits >> block & 1) << 4;
            }
        }
    }
}

pub(super) struct Q6K;

impl Packed<210, 8> for Q6K {
    #[inline(always)]
    fn unpack(group: &[u8; 210], quants: &mut [[i16; BLOCK]; 8], scales: &mut [(f32, f32); 8]) {
        let (low, high, scale) = (&group[..128], &group[128..192], &group[192..208]);
        for (block, quants) in quants.iter_mut().enumerate() {
            let (side, part) = (block / 4, block % 4);
            let low = &low[side * 64 + part % 2 * 32..][..32];
            let high = &high[side * 32..][..32];
            let (low_shift, high_shift) = (part / 2 * 4, part * 2);
            for (half, quants) in quants.chunks_exact_mut(16).enumerate() {
                let scale = i16::from(scale[side * 8 + part * 2 + half].cast_signed());
                let range = half * 16..half * 16 + 16;
                for ((quant, low), high) in
                    quants.iter_mut().zip(&low[range.clone()]).zip(&high[range])
                {
                    let bits = (low >> low_shift & 15) | (high >> high_shift & 3) << 4;
                    *quant = scale * (i16::from(bits) - 32);
                }
            }
        }
        scales.fill((half_at(group, 208), 0.0));
    }
}

#[inline(always)]
fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
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

/// The low halves of 32 bytes are the first block, the high halves the second.
#[inline(always)]
fn nibbles_of_pair(bytes: &[u8; 32], [low, high]: &mut [[i16; BLOCK]; 2]) {
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

/// The scales and offsets of Q4_K and Q5_K: two halves, then twelve bytes that hold eight pairs of
/// 6-bit factors, the first four pairs in the low six bits of eight bytes.
#[inline(always)]
fn six_bit_scales(group: &[u8], scales: &mut [(f32, f32); 8]) {
    let (d, m) = (half_at(group, 0), half_at(group, 2));
    let b = &group[4..16];
    for (j, scales) in scales.iter_mut().enumerate() {
        let (scale, offset) = if j < 4 {
            (b[j] & 63, b[j + 4] & 63)
        } else {
            let (upper_scale, upper_offset) = (b[j - 4] >> 6, b[j] >> 6);
            (
                (b[j + 4] & 15) | upper_scale << 4,
                b[j + 4] >> 4 | upper_offset << 4,
            )
        };
        *scales = (d * f32::from(scale), -m * f32::from(offset));
    }
}
