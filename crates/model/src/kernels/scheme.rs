//! How tiles of quantized weights lie in memory, and the product with them.
//!
//! A tile is sixteen rows. Their blocks of 32 weights lie side by side: first what scales them, one
//! number for each row, then their bits, four weights of each of the sixteen rows to a vector, so
//! that the sums of the rows stay apart in the vector's lanes and the weights are never shuffled.
//! It is the file's own number of bits, but for what takes less than four, which is kept in four,
//! and the six-bit factors of Q4_K and Q5_K, which take eight.
//!
//! Blocks that share a scale are a group: its scales come first, then its blocks, each with its
//! factors on them. All of a scheme is known when the kernels are compiled, so none of the choices
//! here is left in them.

use super::activations::RoundedBlock;
use super::simd::{ROWS, Simd};
use crate::gguf::indexed;

/// Vectors of four weights a row in a block.
const VECTORS: usize = 8;

/// The bits below the fifth: vector `i` holds the vectors `i` and `i + 4` of the block.
pub(super) const NIBBLES: usize = 256;
/// The fifth bits: eight masks of 64.
const FIFTH: usize = 64;
/// The fifth and sixth bits: two vectors.
const PAIRS: usize = 128;
/// One f16 for each row.
pub(super) const HALF: usize = 32;
/// One byte for each row.
pub(super) const BYTE: usize = 16;

/// How many bits the quants of a block have.
#[derive(Clone, Copy)]
pub(super) enum Bits {
    Four,
    /// The fifth bits come after the others.
    Five,
    /// The fifth and sixth bits come after the others.
    Six,
    /// With a sign.
    Eight,
    /// Four, which are indices to a table of quants.
    Indices(&'static QuantTable),
}

/// Sixteen quants, four times, so that they fill a vector.
type QuantTable = [[i8; 16]; 4];

impl Bits {
    /// Bytes of a block of one tile.
    const fn bytes(self) -> usize {
        match self {
            Bits::Four | Bits::Indices(_) => NIBBLES,
            Bits::Five => NIBBLES + FIFTH,
            Bits::Six => NIBBLES + PAIRS,
            Bits::Eight => 2 * NIBBLES,
        }
    }

    /// Whether the quants fill eight bits (and come with [`Simd::BIAS`]).
    const fn wide(self) -> bool {
        match self {
            Bits::Four | Bits::Five | Bits::Six => false,
            Bits::Eight => true,
            // Tables that have negative quants begin with one.
            Bits::Indices(table) => table[0][0] < 0,
        }
    }
}

/// What scales a block.
#[derive(Clone, Copy)]
pub(super) enum Scaling {
    /// A scale of its own.
    Scale,
    /// A scale and an offset of its own.
    ScaleAndOffset,
    /// A scale of its own, which is a power of two, given by its exponent.
    Power,
    /// A signed factor on the group's scale.
    Factor,
    /// A factor on the group's scale and one on its offset.
    Factors,
    /// A signed factor on the group's scale for each half of the block.
    Halves,
    /// A factor on the group's scale and one on its offset for each half of the block.
    HalvesAndOffsets,
}

impl Scaling {
    /// Blocks in a group.
    const fn blocks(self) -> usize {
        match self {
            Scaling::Scale | Scaling::ScaleAndOffset | Scaling::Power => 1,
            Scaling::Factor | Scaling::Factors | Scaling::Halves | Scaling::HalvesAndOffsets => 8,
        }
    }

    /// Bytes of the scales of a group.
    const fn head(self) -> usize {
        match self {
            Scaling::Power => BYTE,
            _ if self.has_offset() => 2 * HALF,
            _ => HALF,
        }
    }

    /// Bytes of the factors of a block.
    const fn factors(self) -> usize {
        match self {
            Scaling::Scale | Scaling::ScaleAndOffset | Scaling::Power => 0,
            Scaling::Factor => BYTE,
            Scaling::Factors | Scaling::Halves => 2 * BYTE,
            Scaling::HalvesAndOffsets => 4 * BYTE,
        }
    }

    const fn has_offset(self) -> bool {
        matches!(
            self,
            Scaling::ScaleAndOffset | Scaling::Factors | Scaling::HalvesAndOffsets
        )
    }

    const fn has_halves(self) -> bool {
        matches!(self, Scaling::Halves | Scaling::HalvesAndOffsets)
    }
}

/// A layout of weights: groups of blocks.
pub(super) trait Scheme {
    const BITS: Bits;
    const SCALING: Scaling;
    /// What is subtracted from each quant of less than eight bits.
    const ZERO: i32;

    /// Blocks in a group.
    const BLOCKS: usize = Self::SCALING.blocks();
    /// Bytes of a block of one tile.
    const BLOCK: usize = Self::SCALING.factors() + Self::BITS.bytes();
    /// Bytes of a group of one tile.
    const BYTES: usize = Self::SCALING.head() + Self::BLOCKS * Self::BLOCK;

    /// Where a block begins in its group: with its factors.
    #[inline(always)]
    fn block(index: usize) -> usize {
        Self::SCALING.head() + index * Self::BLOCK
    }

    /// Where the bits of a block begin in its group.
    #[inline(always)]
    fn quants(index: usize) -> usize {
        Self::block(index) + Self::SCALING.factors()
    }
}

/// Defines the types of weights: the bits of their quants, what scales them, and the quant that
/// stands for zero.
macro_rules! schemes {
    ($($name:ident: $bits:ident $(($table:expr))?, $scaling:ident, $zero:expr;)+) => {$(
        pub(super) struct $name;

        impl Scheme for $name {
            const BITS: Bits = Bits::$bits $((&$table))?;
            const SCALING: Scaling = Scaling::$scaling;
            const ZERO: i32 = $zero;
        }
    )+};
}

schemes! {
    Q4_0: Four, Scale, 8;
    Q4_1: Four, ScaleAndOffset, 0;
    Q5_0: Five, Scale, 16;
    Q5_1: Five, ScaleAndOffset, 0;
    Q8_0: Eight, Scale, 0;
    Q2K: Four, HalvesAndOffsets, 0;
    Q3K: Four, Halves, 4;
    Q4K: Four, Factors, 0;
    Q5K: Five, Factors, 0;
    Q6K: Six, Halves, 32;
    Iq4Nl: Indices(raised(&indexed::UNEVEN, 0)), Scale, 0;
    Iq4Xs: Indices(raised(&indexed::UNEVEN, 0)), Factor, 0;
    // From zero on, these are small enough for the faster products.
    Mxfp4: Indices(raised(&indexed::FLOATS, MXFP4_ZERO)), Power, MXFP4_ZERO as i32;
}

/// The largest number that MXFP4's indices stand for.
const MXFP4_ZERO: i8 = 12;

/// A table with a number added to each of its entries.
const fn raised(table: &[i8; 16], by: i8) -> QuantTable {
    let mut raised = *table;
    let mut i = 0;
    while i < 16 {
        raised[i] += by;
        i += 1;
    }
    [raised; 4]
}

/// The quants of a block: vector `i` has the weights `4 · i` to `4 · i + 3` of each row.
///
/// # Safety
/// As [`Simd`]; `at` points to the block's bits.
#[inline(always)]
unsafe fn quants<S: Simd>(bits: Bits, at: *const u8) -> [S::Bytes; VECTORS] {
    unsafe {
        match bits {
            Bits::Four => nibbles::<S>(at),
            Bits::Five => {
                let mut quants = nibbles::<S>(at);
                for (i, quants) in quants.iter_mut().enumerate() {
                    let mask = at.add(NIBBLES).cast::<u64>().add(i).read_unaligned();
                    *quants = S::fifth_bit(*quants, mask);
                }
                quants
            }
            Bits::Six => {
                let [a, b, c, d, e, f, g, h] = nibbles::<S>(at);
                let (first, second) = (S::bytes(at.add(NIBBLES)), S::bytes(at.add(NIBBLES + 64)));
                [
                    S::upper_bits::<0>(a, first),
                    S::upper_bits::<1>(b, first),
                    S::upper_bits::<2>(c, first),
                    S::upper_bits::<3>(d, first),
                    S::upper_bits::<0>(e, second),
                    S::upper_bits::<1>(f, second),
                    S::upper_bits::<2>(g, second),
                    S::upper_bits::<3>(h, second),
                ]
            }
            Bits::Eight => [
                S::biased(at),
                S::biased(at.add(64)),
                S::biased(at.add(128)),
                S::biased(at.add(192)),
                S::biased(at.add(256)),
                S::biased(at.add(320)),
                S::biased(at.add(384)),
                S::biased(at.add(448)),
            ],
            Bits::Indices(table) => {
                let table = table.as_ptr().cast();
                let table = if bits.wide() {
                    S::biased(table)
                } else {
                    S::bytes(table)
                };
                let [a, b, c, d, e, f, g, h] = nibbles::<S>(at);
                [
                    S::look_up(table, a),
                    S::look_up(table, b),
                    S::look_up(table, c),
                    S::look_up(table, d),
                    S::look_up(table, e),
                    S::look_up(table, f),
                    S::look_up(table, g),
                    S::look_up(table, h),
                ]
            }
        }
    }
}

#[inline(always)]
unsafe fn nibbles<S: Simd>(at: *const u8) -> [S::Bytes; VECTORS] {
    unsafe {
        let a = S::bytes(at);
        let b = S::bytes(at.add(64));
        let c = S::bytes(at.add(128));
        let d = S::bytes(at.add(192));
        [
            S::low(a),
            S::low(b),
            S::low(c),
            S::low(d),
            S::high(a),
            S::high(b),
            S::high(c),
            S::high(d),
        ]
    }
}

/// What scales a block of one tile: weights are `scale · q + offset`, with a pair of numbers for
/// each half of the block.
struct Scales<S: Simd> {
    scale: [S::Floats; 2],
    offset: [S::Floats; 2],
}

/// The scales of a block.
///
/// # Safety
/// As [`Simd`]; `group` points to the group, `block` to the block in it.
#[inline(always)]
unsafe fn scales<S: Simd>(scaling: Scaling, group: *const u8, block: *const u8) -> Scales<S> {
    unsafe {
        let scale = match scaling {
            Scaling::Power => S::powers(group),
            _ => S::f16(group),
        };
        let offset = if scaling.has_offset() {
            S::f16(group.add(HALF))
        } else {
            S::floats(0.0)
        };
        match scaling {
            Scaling::Scale | Scaling::ScaleAndOffset | Scaling::Power => Scales {
                scale: [scale; 2],
                offset: [offset; 2],
            },
            Scaling::Factor => Scales {
                scale: [S::mul(scale, S::i8(block)); 2],
                offset: [offset; 2],
            },
            Scaling::Factors => Scales {
                scale: [S::mul(scale, S::u8(block)); 2],
                offset: [S::mul(offset, S::u8(block.add(BYTE))); 2],
            },
            Scaling::Halves => Scales {
                scale: [
                    S::mul(scale, S::i8(block)),
                    S::mul(scale, S::i8(block.add(BYTE))),
                ],
                offset: [offset; 2],
            },
            Scaling::HalvesAndOffsets => Scales {
                scale: [
                    S::mul(scale, S::u8(block)),
                    S::mul(scale, S::u8(block.add(BYTE))),
                ],
                offset: [
                    S::mul(offset, S::u8(block.add(2 * BYTE))),
                    S::mul(offset, S::u8(block.add(3 * BYTE))),
                ],
            },
        }
    }
}

/// A body for each number below a constant of at most eight. The compiler would leave it a loop that
/// keeps its sums in memory.
macro_rules! unrolled {
    ($number:ident < $n:ident => $body:block) => {
        unrolled!(@ $number $n $body 0 1 2 3 4 5 6 7)
    };
    (@ $number:ident $n:ident $body:block $($i:literal)*) => {
        $(if $i < $n {
            let $number: usize = $i;
            $body
        })*
    };
}

/// Bytes between a block and what is asked for while it is multiplied. With several rows of
/// activations the blocks follow one another too slowly for the processor to see by itself that the
/// next ones will be wanted.
const AHEAD: usize = 4096;

/// Asks for what lies [`AHEAD`] bytes behind a block.
#[inline(always)]
unsafe fn ask_ahead<S: Simd, Q: Scheme>(group: *const u8, block: usize) {
    /// Lines of the cache that the largest block fills.
    const LINES: usize = 8;
    let bytes = Q::BYTES / Q::BLOCKS;
    let at = group.wrapping_add(block * bytes + AHEAD);
    unrolled!(line < LINES => {
        if 64 * line < bytes {
            unsafe { S::prefetch(at.wrapping_add(64 * line)) };
        }
    });
}

/// A tile of `groups` groups times `N` rows of activations, which lie one after another; `out` gets
/// sixteen numbers for each.
///
/// # Safety
/// As [`Simd`]; `tile` points to so many groups, `rows` to `N` rows of all their blocks, `out` to
/// `N` results.
#[inline(always)]
unsafe fn product<S: Simd, Q: Scheme, const N: usize>(
    tile: *const u8,
    groups: usize,
    rows: *const RoundedBlock,
    out: *mut [f32; ROWS],
) {
    unsafe {
        let blocks = groups * Q::BLOCKS;
        let mut sums = [S::floats(0.0); N];
        for group in 0..groups {
            let at = tile.add(group * Q::BYTES);
            for block in 0..Q::BLOCKS {
                let scales = scales::<S>(Q::SCALING, at, at.add(Q::block(block)));
                let quants = quants::<S>(Q::BITS, at.add(Q::quants(block)));
                ask_ahead::<S, Q>(at, block);
                let x = rows.add(group * Q::BLOCKS + block);
                unrolled!(row < N => {
                    let x = &*x.add(row * blocks);
                    sums[row] = block_product::<S, Q>(&quants, &scales, x, sums[row]);
                });
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            S::store(sum, out.add(row).cast());
        }
    }
}

/// The products of the vectors `FROM..TO` of a block, the sum of whose activations is `values`.
#[inline(always)]
unsafe fn part_product<S: Simd, Q: Scheme, const FROM: usize, const TO: usize>(
    quants: &[S::Bytes; VECTORS],
    x: &RoundedBlock,
    values: i32,
) -> S::Floats {
    unsafe {
        let zero = if Q::BITS.wide() { S::BIAS } else { Q::ZERO };
        // One product has up to 23 bits; 32 of them fit.
        let (mut high, mut low) = (S::ints(0), S::ints(-zero * values));
        let mut i = FROM;
        while i < TO {
            let (x_high, x_low) = (x.high.as_ptr().add(4 * i), x.low.as_ptr().add(4 * i));
            if Q::BITS.wide() {
                high = S::dot_wide(high, quants[i], x_high);
                low = S::dot_wide(low, quants[i], x_low);
            } else {
                high = S::dot(high, quants[i], x_high);
                low = S::dot(low, quants[i], x_low);
            }
            i += 1;
        }
        S::joined(high, low)
    }
}

/// Adds the products of one block.
#[inline(always)]
unsafe fn block_product<S: Simd, Q: Scheme>(
    quants: &[S::Bytes; VECTORS],
    scales: &Scales<S>,
    x: &RoundedBlock,
    sum: S::Floats,
) -> S::Floats {
    unsafe {
        let scale = S::floats(x.scale);
        let mut sum = sum;
        if Q::SCALING.has_halves() {
            let first = part_product::<S, Q, 0, 4>(quants, x, x.sums[0]);
            let second = part_product::<S, Q, 4, 8>(quants, x, x.sums[1]);
            let both = S::fma(first, scales.scale[0], S::mul(second, scales.scale[1]));
            sum = S::fma(both, scale, sum);
        } else {
            let all = part_product::<S, Q, 0, 8>(quants, x, x.sums[0] + x.sums[1]);
            sum = S::fma(all, S::mul(scales.scale[0], scale), sum);
        }
        if Q::SCALING.has_offset() && Q::SCALING.has_halves() {
            let sums = [x.scale * x.sums[0] as f32, x.scale * x.sums[1] as f32];
            sum = S::fma(scales.offset[0], S::floats(sums[0]), sum);
            sum = S::fma(scales.offset[1], S::floats(sums[1]), sum);
        } else if Q::SCALING.has_offset() {
            sum = S::fma(scales.offset[0], S::floats(x.sum), sum);
        }
        sum
    }
}

/// A tile times all rows of activations, which lie one after another; `out` gets sixteen numbers for
/// each.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn tile_product<S: Simd, Q: Scheme>(
    tile: *const u8,
    blocks: usize,
    rows: &[RoundedBlock],
    out: &mut [[f32; ROWS]],
) {
    let groups = blocks / Q::BLOCKS;
    let mut row = 0;
    while row < out.len() {
        unsafe {
            let x = rows.as_ptr().add(row * blocks);
            let results = out.as_mut_ptr().add(row);
            row += match out.len() - row {
                // Blocks with two scales leave no registers for so many rows.
                8.. if const { S::TOGETHER >= 8 && !Q::SCALING.has_halves() } => {
                    product::<S, Q, 8>(tile, groups, x, results);
                    8
                }
                4.. if const { S::TOGETHER >= 4 } => {
                    product::<S, Q, 4>(tile, groups, x, results);
                    4
                }
                2.. if const { S::TOGETHER >= 2 } => {
                    product::<S, Q, 2>(tile, groups, x, results);
                    2
                }
                _ => {
                    product::<S, Q, 1>(tile, groups, x, results);
                    1
                }
            };
        }
    }
}
