//! How tiles of quantized weights lie in memory, and the product with them.
//!
//! A tile is sixteen rows. Their blocks of 32 weights lie side by side: first what scales them, one
//! number for each row, then their bits, four weights of each of the sixteen rows to a vector, so
//! that the sums of the rows stay apart in the vector's lanes and the weights are never shuffled.
//! It is the file's own number of bits, but for Q4_K and Q5_K, whose six-bit factors take eight.

use super::activations::RoundedBlock;
use super::simd::{ROWS, Simd};

/// Vectors of four weights a row in a block.
pub(super) const VECTORS: usize = 8;

/// What scales a block of one tile: weights are `scale · q + offset`, with a pair of numbers for
/// each half of the block.
pub(super) struct Scales<S: Simd> {
    pub scale: [S::Floats; 2],
    pub offset: [S::Floats; 2],
}

/// A layout of weights: groups of blocks.
pub(super) trait Scheme {
    /// Blocks in a group.
    const BLOCKS: usize;
    /// Bytes of a group of one tile.
    const BYTES: usize;
    /// What is subtracted from each quant.
    const ZERO: i32 = 0;
    /// Whether the quants have eight bits (and come with [`Simd::BIAS`]).
    const WIDE: bool = false;
    /// Whether both halves of a block have a scale of their own.
    const HALVES: bool = false;
    /// Whether blocks have an offset.
    const OFFSET: bool = false;

    /// The scales of a block.
    ///
    /// # Safety
    /// As [`Simd`]; `group` points to [`Scheme::BYTES`] bytes, `block` is below
    /// [`Scheme::BLOCKS`].
    unsafe fn scales<S: Simd>(group: *const u8, block: usize) -> Scales<S>;

    /// The quants of a block: vector `i` has the weights `4 · i` to `4 · i + 3` of each row.
    ///
    /// # Safety
    /// As [`Scheme::scales`].
    unsafe fn quants<S: Simd>(group: *const u8, block: usize) -> [S::Bytes; VECTORS];
}

/// The bits below the fifth: vector `i` holds the vectors `i` and `i + 4` of the block.
pub(super) const NIBBLES: usize = 256;
/// The fifth bits: eight masks of 64.
pub(super) const FIFTH: usize = 64;
/// The fifth and sixth bits: two vectors.
pub(super) const PAIRS: usize = 128;
/// One f16 for each row.
pub(super) const HALF: usize = 32;
/// One byte for each row.
pub(super) const BYTE: usize = 16;

#[inline(always)]
unsafe fn nibbles<S: Simd>(at: *const u8) -> [S::Bytes; VECTORS] {
    unsafe {
        let packed = [
            S::bytes(at),
            S::bytes(at.add(64)),
            S::bytes(at.add(128)),
            S::bytes(at.add(192)),
        ];
        let [a, b, c, d] = packed;
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

#[inline(always)]
unsafe fn fifth_bits<S: Simd>(quants: &mut [S::Bytes; VECTORS], at: *const u8) {
    for (i, quants) in quants.iter_mut().enumerate() {
        unsafe {
            let mask = at.cast::<u64>().add(i).read_unaligned();
            *quants = S::fifth_bit(*quants, mask);
        }
    }
}

#[inline(always)]
unsafe fn one_scale<S: Simd>(group: *const u8) -> Scales<S> {
    unsafe {
        let scale = S::f16(group);
        Scales {
            scale: [scale; 2],
            offset: [S::floats(0.0); 2],
        }
    }
}

#[inline(always)]
unsafe fn scale_and_offset<S: Simd>(group: *const u8) -> Scales<S> {
    unsafe {
        Scales {
            offset: [S::f16(group.add(HALF)); 2],
            ..one_scale(group)
        }
    }
}

/// Four bits and a scale: Q4_0.
pub(super) struct Q4_0;

impl Scheme for Q4_0 {
    const BLOCKS: usize = 1;
    const BYTES: usize = HALF + NIBBLES;
    const ZERO: i32 = 8;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, _: usize) -> Scales<S> {
        unsafe { one_scale(group) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, _: usize) -> [S::Bytes; VECTORS] {
        unsafe { nibbles::<S>(group.add(HALF)) }
    }
}

/// Four bits, a scale and an offset: Q4_1.
pub(super) struct Q4_1;

impl Scheme for Q4_1 {
    const BLOCKS: usize = 1;
    const BYTES: usize = 2 * HALF + NIBBLES;
    const OFFSET: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, _: usize) -> Scales<S> {
        unsafe { scale_and_offset(group) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, _: usize) -> [S::Bytes; VECTORS] {
        unsafe { nibbles::<S>(group.add(2 * HALF)) }
    }
}

/// Five bits and a scale: Q5_0.
pub(super) struct Q5_0;

impl Scheme for Q5_0 {
    const BLOCKS: usize = 1;
    const BYTES: usize = HALF + NIBBLES + FIFTH;
    const ZERO: i32 = 16;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, _: usize) -> Scales<S> {
        unsafe { one_scale(group) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, _: usize) -> [S::Bytes; VECTORS] {
        unsafe {
            let mut quants = nibbles::<S>(group.add(HALF));
            fifth_bits::<S>(&mut quants, group.add(HALF + NIBBLES));
            quants
        }
    }
}

/// Five bits, a scale and an offset: Q5_1.
pub(super) struct Q5_1;

impl Scheme for Q5_1 {
    const BLOCKS: usize = 1;
    const BYTES: usize = 2 * HALF + NIBBLES + FIFTH;
    const OFFSET: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, _: usize) -> Scales<S> {
        unsafe { scale_and_offset(group) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, _: usize) -> [S::Bytes; VECTORS] {
        unsafe {
            let mut quants = nibbles::<S>(group.add(2 * HALF));
            fifth_bits::<S>(&mut quants, group.add(2 * HALF + NIBBLES));
            quants
        }
    }
}

/// Eight bits and a scale: Q8_0.
pub(super) struct Q8_0;

impl Scheme for Q8_0 {
    const BLOCKS: usize = 1;
    const BYTES: usize = HALF + 2 * NIBBLES;
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, _: usize) -> Scales<S> {
        unsafe { one_scale(group) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, _: usize) -> [S::Bytes; VECTORS] {
        unsafe {
            let at = group.add(HALF);
            [
                S::biased(at),
                S::biased(at.add(64)),
                S::biased(at.add(128)),
                S::biased(at.add(192)),
                S::biased(at.add(256)),
                S::biased(at.add(320)),
                S::biased(at.add(384)),
                S::biased(at.add(448)),
            ]
        }
    }
}

/// Scale and offset of blocks whose group has one of each, and the blocks a factor of eight bits.
#[inline(always)]
unsafe fn factors<S: Simd>(group: *const u8, block: *const u8) -> Scales<S> {
    unsafe {
        let scale = S::mul(S::f16(group), S::u8(block));
        let offset = S::mul(S::f16(group.add(HALF)), S::u8(block.add(BYTE)));
        Scales {
            scale: [scale; 2],
            offset: [offset; 2],
        }
    }
}

/// Four bits, scale and offset in groups of eight blocks: Q4_K. The group's offset is negated.
pub(super) struct Q4K;

impl Q4K {
    pub(super) const BLOCK: usize = 2 * BYTE + NIBBLES;
}

impl Scheme for Q4K {
    const BLOCKS: usize = 8;
    const BYTES: usize = 2 * HALF + 8 * Self::BLOCK;
    const OFFSET: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, block: usize) -> Scales<S> {
        unsafe { factors(group, group.add(2 * HALF + block * Self::BLOCK)) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, block: usize) -> [S::Bytes; VECTORS] {
        unsafe { nibbles::<S>(group.add(2 * HALF + block * Self::BLOCK + 2 * BYTE)) }
    }
}

/// Five bits, scale and offset in groups of eight blocks: Q5_K. The group's offset is negated.
pub(super) struct Q5K;

impl Q5K {
    pub(super) const BLOCK: usize = 2 * BYTE + NIBBLES + FIFTH;
}

impl Scheme for Q5K {
    const BLOCKS: usize = 8;
    const BYTES: usize = 2 * HALF + 8 * Self::BLOCK;
    const OFFSET: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, block: usize) -> Scales<S> {
        unsafe { factors(group, group.add(2 * HALF + block * Self::BLOCK)) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, block: usize) -> [S::Bytes; VECTORS] {
        unsafe {
            let at = group.add(2 * HALF + block * Self::BLOCK + 2 * BYTE);
            let mut quants = nibbles::<S>(at);
            fifth_bits::<S>(&mut quants, at.add(NIBBLES));
            quants
        }
    }
}

/// Scales of blocks whose halves have a signed factor each.
#[inline(always)]
unsafe fn two_factors<S: Simd>(group: *const u8, block: *const u8) -> Scales<S> {
    unsafe {
        let scale = S::f16(group);
        Scales {
            scale: [
                S::mul(scale, S::i8(block)),
                S::mul(scale, S::i8(block.add(BYTE))),
            ],
            offset: [S::floats(0.0); 2],
        }
    }
}

/// Six bits, a scale in groups of eight blocks: Q6_K.
pub(super) struct Q6K;

impl Q6K {
    pub(super) const BLOCK: usize = 2 * BYTE + NIBBLES + PAIRS;
}

impl Scheme for Q6K {
    const BLOCKS: usize = 8;
    const BYTES: usize = HALF + 8 * Self::BLOCK;
    const ZERO: i32 = 32;
    const HALVES: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, block: usize) -> Scales<S> {
        unsafe { two_factors(group, group.add(HALF + block * Self::BLOCK)) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, block: usize) -> [S::Bytes; VECTORS] {
        unsafe {
            let at = group.add(HALF + block * Self::BLOCK + 2 * BYTE);
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
    }
}

/// Three bits, kept in four, a scale in groups of eight blocks: Q3_K.
pub(super) struct Q3K;

impl Q3K {
    pub(super) const BLOCK: usize = 2 * BYTE + NIBBLES;
}

impl Scheme for Q3K {
    const BLOCKS: usize = 8;
    const BYTES: usize = HALF + 8 * Self::BLOCK;
    const ZERO: i32 = 4;
    const HALVES: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, block: usize) -> Scales<S> {
        unsafe { two_factors(group, group.add(HALF + block * Self::BLOCK)) }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, block: usize) -> [S::Bytes; VECTORS] {
        unsafe { nibbles::<S>(group.add(HALF + block * Self::BLOCK + 2 * BYTE)) }
    }
}

/// Two bits, kept in four, scale and offset in groups of eight blocks, each half of a block with
/// factors of its own: Q2_K. The group's offset is negated.
pub(super) struct Q2K;

impl Q2K {
    pub(super) const BLOCK: usize = 4 * BYTE + NIBBLES;
}

impl Scheme for Q2K {
    const BLOCKS: usize = 8;
    const BYTES: usize = 2 * HALF + 8 * Self::BLOCK;
    const HALVES: bool = true;
    const OFFSET: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(group: *const u8, block: usize) -> Scales<S> {
        unsafe {
            let at = group.add(2 * HALF + block * Self::BLOCK);
            let (scale, offset) = (S::f16(group), S::f16(group.add(HALF)));
            Scales {
                scale: [S::mul(scale, S::u8(at)), S::mul(scale, S::u8(at.add(BYTE)))],
                offset: [
                    S::mul(offset, S::u8(at.add(2 * BYTE))),
                    S::mul(offset, S::u8(at.add(3 * BYTE))),
                ],
            }
        }
    }

    #[inline(always)]
    unsafe fn quants<S: Simd>(group: *const u8, block: usize) -> [S::Bytes; VECTORS] {
        unsafe { nibbles::<S>(group.add(2 * HALF + block * Self::BLOCK + 4 * BYTE)) }
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
                let scales = Q::scales::<S>(at, block);
                let quants = Q::quants::<S>(at, block);
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
        let zero = if Q::WIDE { S::BIAS } else { Q::ZERO };
        // One product has up to 23 bits; 32 of them fit.
        let (mut high, mut low) = (S::ints(0), S::ints(-zero * values));
        let mut i = FROM;
        while i < TO {
            let (x_high, x_low) = (x.high.as_ptr().add(4 * i), x.low.as_ptr().add(4 * i));
            if Q::WIDE {
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
        if Q::HALVES {
            let first = part_product::<S, Q, 0, 4>(quants, x, x.sums[0]);
            let second = part_product::<S, Q, 4, 8>(quants, x, x.sums[1]);
            let both = S::fma(first, scales.scale[0], S::mul(second, scales.scale[1]));
            sum = S::fma(both, scale, sum);
        } else {
            let all = part_product::<S, Q, 0, 8>(quants, x, x.sums[0] + x.sums[1]);
            sum = S::fma(all, S::mul(scales.scale[0], scale), sum);
        }
        if Q::OFFSET && Q::HALVES {
            let sums = [x.scale * x.sums[0] as f32, x.scale * x.sums[1] as f32];
            sum = S::fma(scales.offset[0], S::floats(sums[0]), sum);
            sum = S::fma(scales.offset[1], S::floats(sums[1]), sum);
        } else if Q::OFFSET {
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
                8.. if !Q::HALVES => {
                    product::<S, Q, 8>(tile, groups, x, results);
                    8
                }
                4.. => {
                    product::<S, Q, 4>(tile, groups, x, results);
                    4
                }
                2.. => {
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
