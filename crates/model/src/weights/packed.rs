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
        let (high, packed) = (array(group, 0), &group[96..108]);
        // Sixteen 6-bit scales: the low nibbles in eight bytes, the upper pairs in four.
        let scale = |i: usize| {
            let nibble = packed[i % 8] >> (4 * (i / 8)) & 15;
            let pair = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
            i16::from(nibble | pair << 4) - 32
        };
        let scales_of = |block: usize| [scale(2 * block), scale(2 * block + 1)];
        let [a, b, c, d, e, f, g, h] = quants;
        let (first, second) = (array(group, 32), array(group, 64));
        three_bits::<0, 0>(first, high, scales_of(0), a);
        three_bits::<2, 1>(first, high, scales_of(1), b);
        three_bits::<4, 2>(first, high, scales_of(2), c);
        three_bits::<6, 3>(first, high, scales_of(3), d);
        three_bits::<0, 4>(second, high, scales_of(4), e);
        three_bits::<2, 5>(second, high, scales_of(5), f);
        three_bits::<4, 6>(second, high, scales_of(6), g);
        three_bits::<6, 7>(second, high, scales_of(7), h);
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
        let [a, b, c, d, e, f, g, h] = quants;
        fifth_bit::<0>(fifth, a);
        fifth_bit::<1>(fifth, b);
        fifth_bit::<2>(fifth, c);
        fifth_bit::<3>(fifth, d);
        fifth_bit::<4>(fifth, e);
        fifth_bit::<5>(fifth, f);
        fifth_bit::<6>(fifth, g);
        fifth_bit::<7>(fifth, h);
    }
}

pub(super) struct Q6K;

impl Packed<210, 8> for Q6K {
    #[inline(always)]
    fn unpack(group: &[u8; 210], quants: &mut [[i16; BLOCK]; 8], scales: &mut [(f32, f32); 8]) {
        let scale = &group[192..208];
        let scales_of =
            |i: usize| [scale[i], scale[i + 1]].map(|scale| i16::from(scale.cast_signed()));
        for (side, quants) in quants.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let (first, second) = (array(group, side * 64), array(group, side * 64 + 32));
            let high = array(group, 128 + side * 32);
            let [a, b, c, d] = quants;
            six_bits::<0, 0>(first, high, scales_of(side * 8), a);
            six_bits::<0, 2>(second, high, scales_of(side * 8 + 2), b);
            six_bits::<4, 4>(first, high, scales_of(side * 8 + 4), c);
            six_bits::<4, 6>(second, high, scales_of(side * 8 + 6), d);
        }
        scales.fill((half_at(group, 208), 0.0));
    }
}

/// 32 bytes from one on.
#[inline(always)]
fn array(bytes: &[u8], at: usize) -> &[u8; BLOCK] {
    // The offsets are constants inside the groups, so the default is never used.
    bytes[at..].first_chunk().unwrap_or(&[0; BLOCK])
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

/// Adds one bit of each byte as the fifth of a quant. (Shifts by constants become vector code.)
#[inline(always)]
fn fifth_bit<const SHIFT: u32>(bytes: &[u8], quants: &mut [i16; BLOCK]) {
    for (quant, byte) in quants.iter_mut().zip(bytes) {
        *quant |= i16::from(byte >> SHIFT & 1) << 4;
    }
}

/// Two bits of `low` and one of `high`, less 4, times the scale of each half.
#[inline(always)]
fn three_bits<const LOW: u32, const HIGH: u32>(
    low: &[u8; BLOCK],
    high: &[u8; BLOCK],
    scales: [i16; 2],
    quants: &mut [i16; BLOCK],
) {
    for ((quant, low), high) in quants.iter_mut().zip(low).zip(high) {
        *quant = i16::from((low >> LOW & 3) | (high >> HIGH & 1) << 2) - 4;
    }
    scale_halves(scales, quants);
}

/// Four bits of `low` and two of `high`, less 32, times the scale of each half.
#[inline(always)]
fn six_bits<const LOW: u32, const HIGH: u32>(
    low: &[u8; BLOCK],
    high: &[u8; BLOCK],
    scales: [i16; 2],
    quants: &mut [i16; BLOCK],
) {
    for ((quant, low), high) in quants.iter_mut().zip(low).zip(high) {
        *quant = i16::from((low >> LOW & 15) | (high >> HIGH & 3) << 4) - 32;
    }
    scale_halves(scales, quants);
}

#[inline(always)]
fn scale_halves([a, b]: [i16; 2], quants: &mut [i16; BLOCK]) {
    let (first, second) = quants.split_at_mut(BLOCK / 2);
    first.iter_mut().for_each(|quant| *quant *= a);
    second.iter_mut().for_each(|quant| *quant *= b);
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
