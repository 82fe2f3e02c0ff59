//! Weights from a file's blocks into the tiles of [`super::scheme`]: the layouts of ggml
//! (`ggml-quants.c`) on one side, sixteen rows side by side on the other.

use super::scheme::{
    BYTE, HALF, Iq4Nl, Iq4Xs, Mxfp4, NIBBLES, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K,
    Q8_0, Scheme,
};
use crate::gguf::blocks;

/// The lower half of each byte.
const LOW: u32 = 0x0f0f_0f0f;

/// Where the blocks of one row go: the group of a tile and the row in it.
pub(super) struct RowPlace<'a> {
    pub group: &'a mut [u8],
    pub row: usize,
}

impl RowPlace<'_> {
    /// Two bytes of each row, in the file's order.
    fn half(&mut self, offset: usize, bytes: [u8; 2]) {
        self.group[offset + 2 * self.row..][..2].copy_from_slice(&bytes);
    }

    fn byte(&mut self, offset: usize, byte: u8) {
        self.group[offset + self.row] = byte;
    }

    /// Four bytes of vector `i`.
    fn word(&mut self, offset: usize, i: usize, word: u32) {
        let at = offset + 64 * i + 4 * self.row;
        self.group[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    /// Packs two quants to a byte: `quants(i)` are those of vector `i`, four of at most 4 bits.
    fn nibbles(&mut self, offset: usize, quants: impl Fn(usize) -> u32) {
        for i in 0..4 {
            self.word(offset, i, quants(i) | quants(i + 4) << 4);
        }
    }

    /// The fifth bits: `bits(i)` are the four of vector `i`.
    fn fifth(&mut self, offset: usize, bits: impl Fn(usize) -> u8) {
        for i in 0..8 {
            let at = offset + 8 * i + self.row / 2;
            self.group[at] |= bits(i) << (4 * (self.row % 2));
        }
    }
}

/// A type of weights in a file.
pub(super) trait PackSource {
    /// How its tiles lie in memory.
    type Tiles: Scheme;
    /// Bytes of a group of blocks in the file.
    const BYTES: usize;

    /// Puts a group into its place, which is all zeros.
    fn pack(group: &[u8], place: RowPlace);
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Blocks of 32 weights whose low four bits fill `bytes`, the first sixteen weights in the low
/// halves.
fn half_split(bytes: &[u8]) -> impl Fn(usize) -> u32 {
    move |i| match i {
        0..4 => word(bytes, 4 * i) & LOW,
        _ => word(bytes, 4 * i - 16) >> 4 & LOW,
    }
}

/// The four bits of vector `i` out of 32 in a row.
fn in_a_row(bytes: &[u8]) -> impl Fn(usize) -> u8 {
    let bits = word(bytes, 0);
    move |i| (bits >> (4 * i) & 15) as u8
}

/// Bit `bit` of each of the four bytes of vector `i`.
fn one_of_each(bytes: &[u8], bit: usize) -> impl Fn(usize) -> u8 {
    move |i| {
        let bits = word(bytes, 4 * i) >> bit & 0x0101_0101;
        ((bits | bits >> 7 | bits >> 14 | bits >> 21) & 15) as u8
    }
}

impl PackSource for Q4_0 {
    type Tiles = Self;
    const BYTES: usize = 18;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        place.nibbles(Self::quants(0), half_split(&group[2..]));
    }
}

impl PackSource for Q4_1 {
    type Tiles = Self;
    const BYTES: usize = 20;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        place.half(HALF, [group[2], group[3]]);
        place.nibbles(Self::quants(0), half_split(&group[4..]));
    }
}

impl PackSource for Q5_0 {
    type Tiles = Self;
    const BYTES: usize = 22;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        place.nibbles(Self::quants(0), half_split(&group[6..]));
        place.fifth(Self::quants(0) + NIBBLES, in_a_row(&group[2..]));
    }
}

impl PackSource for Q5_1 {
    type Tiles = Self;
    const BYTES: usize = 24;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        place.half(HALF, [group[2], group[3]]);
        place.nibbles(Self::quants(0), half_split(&group[8..]));
        place.fifth(Self::quants(0) + NIBBLES, in_a_row(&group[4..]));
    }
}

impl PackSource for Q8_0 {
    type Tiles = Self;
    const BYTES: usize = 34;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        for i in 0..8 {
            place.word(Self::quants(0), i, word(group, 2 + 4 * i));
        }
    }
}

/// Q8_0 with a sum that products have no use for.
pub(super) struct Q8_1;

impl PackSource for Q8_1 {
    type Tiles = Q8_0;
    const BYTES: usize = 36;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        for i in 0..8 {
            place.word(Q8_0::quants(0), i, word(group, 4 + 4 * i));
        }
    }
}

/// The scale and the offset of a Q4_K or Q5_K group and the eight pairs of factors on them. The offset
/// is negated.
fn six_bit_factors<T: Scheme>(group: &[u8], place: &mut RowPlace) {
    place.half(0, [group[0], group[1]]);
    place.half(HALF, [group[2], group[3] ^ 0x80]);
    for j in 0..8 {
        let (scale, offset) = blocks::pair_of_factors(&group[4..16], j);
        let block = T::block(j);
        place.byte(block, scale);
        place.byte(block + BYTE, offset);
    }
}

/// The low four bits of block `j` of a Q4_K or Q5_K group: 32 bytes hold two blocks.
fn pair_split(bytes: &[u8], j: usize) -> impl Fn(usize) -> u32 {
    let bytes = &bytes[32 * (j / 2)..];
    move |i| word(bytes, 4 * i) >> (4 * (j % 2)) & LOW
}

impl PackSource for Q4K {
    type Tiles = Self;
    const BYTES: usize = 144;

    fn pack(group: &[u8], mut place: RowPlace) {
        six_bit_factors::<Self>(group, &mut place);
        for j in 0..8 {
            place.nibbles(Self::quants(j), pair_split(&group[16..], j));
        }
    }
}

impl PackSource for Q5K {
    type Tiles = Self;
    const BYTES: usize = 176;

    fn pack(group: &[u8], mut place: RowPlace) {
        six_bit_factors::<Self>(group, &mut place);
        for j in 0..8 {
            let quants = Self::quants(j);
            place.nibbles(quants, pair_split(&group[48..], j));
            place.fifth(quants + NIBBLES, one_of_each(&group[16..], j));
        }
    }
}

impl PackSource for Q6K {
    type Tiles = Self;
    const BYTES: usize = 210;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[208], group[209]]);
        for j in 0..8 {
            let (side, quarter) = (j / 4, j % 4);
            let low = &group[64 * side + 32 * (quarter % 2)..];
            let high = &group[128 + 32 * side..];
            let (block, quants) = (Self::block(j), Self::quants(j));
            place.byte(block, group[192 + 2 * j]);
            place.byte(block + BYTE, group[193 + 2 * j]);
            place.nibbles(quants, |i| word(low, 4 * i) >> (4 * (quarter / 2)) & LOW);
            for (vector, fields) in [0..4, 4..8].into_iter().enumerate() {
                let pairs = fields.map(|i| {
                    let pairs = word(high, 4 * i) >> (2 * quarter) & 0x0303_0303;
                    pairs << (2 * (i % 4))
                });
                place.word(quants + NIBBLES, vector, pairs.fold(0, |a, b| a | b));
            }
        }
    }
}

impl PackSource for Q3K {
    type Tiles = Self;
    const BYTES: usize = 110;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[108], group[109]]);
        let factor = |i| blocks::q3_k_factor(&group[96..108], i).cast_unsigned();
        for j in 0..8 {
            let (side, quarter) = (j / 4, j % 4);
            let low = &group[32 + 32 * side..];
            let block = Self::block(j);
            place.byte(block, factor(2 * j));
            place.byte(block + BYTE, factor(2 * j + 1));
            place.nibbles(Self::quants(j), |i| {
                let low = word(low, 4 * i) >> (2 * quarter) & 0x0303_0303;
                let high = word(group, 4 * i) >> j & 0x0101_0101;
                low | high << 2
            });
        }
    }
}

impl PackSource for Q2K {
    type Tiles = Self;
    const BYTES: usize = 84;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[80], group[81]]);
        place.half(HALF, [group[82], group[83] ^ 0x80]);
        for j in 0..8 {
            let (side, quarter) = (j / 4, j % 4);
            let bits = &group[16 + 32 * side..];
            let block = Self::block(j);
            for half in 0..2 {
                let factors = group[2 * j + half];
                place.byte(block + half * BYTE, factors & 15);
                place.byte(block + (2 + half) * BYTE, factors >> 4);
            }
            place.nibbles(Self::quants(j), |i| {
                word(bits, 4 * i) >> (2 * quarter) & 0x0303_0303
            });
        }
    }
}

impl PackSource for Iq4Nl {
    type Tiles = Self;
    const BYTES: usize = 18;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        place.nibbles(Self::quants(0), half_split(&group[2..]));
    }
}

impl PackSource for Mxfp4 {
    type Tiles = Self;
    const BYTES: usize = 17;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.byte(0, group[0]);
        place.nibbles(Self::quants(0), half_split(&group[1..]));
    }
}

impl PackSource for Iq4Xs {
    type Tiles = Self;
    const BYTES: usize = 136;

    fn pack(group: &[u8], mut place: RowPlace) {
        place.half(0, [group[0], group[1]]);
        // Eight 6-bit factors: the low nibbles in four bytes, the upper pairs in two before them.
        let pairs = u16::from_le_bytes([group[2], group[3]]);
        for j in 0..8 {
            let nibble = group[4 + j / 2] >> (4 * (j % 2)) & 15;
            let pair = (pairs >> (2 * j) & 3) as u8;
            place.byte(Self::block(j), (nibble | pair << 4).wrapping_sub(32));
            place.nibbles(Self::quants(j), half_split(&group[8 + 16 * j..]));
        }
    }
}

/// One row of a matrix into a tile whose groups lie one after another.
pub(super) fn pack_row<T: PackSource>(row: &[u8], index: usize, tile: &mut [u8]) {
    let groups = row.chunks_exact(T::BYTES);
    for (source, group) in groups.zip(tile.chunks_exact_mut(T::Tiles::BYTES)) {
        T::pack(source, RowPlace { group, row: index });
    }
}
