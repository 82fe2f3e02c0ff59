//! Tiles of weights in floating point, and the product with them: for each column the sixteen rows
//! side by side. Activations keep their full precision and range: Gemma's overflow f16.

use super::simd::{ROWS, Simd};

/// A floating-point type of weights.
pub(super) trait Element {
    /// Bytes of a number.
    const BYTES: usize;
    /// Whether they are to be multiplied by scales.
    const SCALED: bool = false;

    /// Sixteen numbers.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn load<S: Simd>(at: *const u8) -> S::Floats;
}

pub(super) struct F32;
pub(super) struct F16;
pub(super) struct Bf16;
/// Signed bytes.
pub(super) struct I8;

impl Element for F32 {
    const BYTES: usize = 4;

    #[inline(always)]
    unsafe fn load<S: Simd>(at: *const u8) -> S::Floats {
        unsafe { S::load(at.cast()) }
    }
}

impl Element for F16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<S: Simd>(at: *const u8) -> S::Floats {
        unsafe { S::f16(at) }
    }
}

impl Element for Bf16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<S: Simd>(at: *const u8) -> S::Floats {
        unsafe { S::bf16(at) }
    }
}

impl Element for I8 {
    const BYTES: usize = 1;
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn load<S: Simd>(at: *const u8) -> S::Floats {
        unsafe { S::i8(at) }
    }
}

/// One row of a matrix into a tile.
pub(super) fn pack_row<E: Element>(row: &[u8], index: usize, tile: &mut [u8]) {
    let columns = tile.chunks_exact_mut(ROWS * E::BYTES);
    for (number, column) in row.chunks_exact(E::BYTES).zip(columns) {
        column[index * E::BYTES..][..E::BYTES].copy_from_slice(number);
    }
}

/// Sums kept apart, so that an addition does not wait for the one before.
const CHAINS: usize = 4;

/// A tile times `N` rows of activations.
///
/// # Safety
/// As [`Simd`]; `tile` points to `columns` columns, each of `rows` to as many numbers.
#[inline(always)]
unsafe fn product<S: Simd, E: Element, const N: usize>(
    tile: *const u8,
    columns: usize,
    rows: [*const f32; N],
    out: [*mut f32; N],
) {
    unsafe {
        let mut sums = [[S::floats(0.0); CHAINS]; N];
        let whole = columns / CHAINS * CHAINS;
        for first in (0..whole).step_by(CHAINS) {
            for chain in 0..CHAINS {
                let column = first + chain;
                let w = E::load::<S>(tile.add(column * ROWS * E::BYTES));
                for (row, sums) in rows.iter().zip(&mut sums) {
                    sums[chain] = S::fma(w, S::floats(*row.add(column)), sums[chain]);
                }
            }
        }
        for column in whole..columns {
            let w = E::load::<S>(tile.add(column * ROWS * E::BYTES));
            for (row, sums) in rows.iter().zip(&mut sums) {
                sums[0] = S::fma(w, S::floats(*row.add(column)), sums[0]);
            }
        }
        for ([a, b, c, d], out) in sums.into_iter().zip(out) {
            S::store(S::add(S::add(a, b), S::add(c, d)), out);
        }
    }
}

/// A tile times all rows of activations; `out` gets sixteen numbers for each.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn tile_product<S: Simd, E: Element>(
    tile: *const u8,
    columns: usize,
    rows: &[f32],
    out: &mut [[f32; ROWS]],
) {
    let mut at = rows.as_ptr();
    let (quads, rest) = out.as_chunks_mut::<4>();
    unsafe {
        for quad in quads {
            let x = [
                at,
                at.add(columns),
                at.add(2 * columns),
                at.add(3 * columns),
            ];
            let [a, b, c, d] = quad;
            let out = [
                a.as_mut_ptr(),
                b.as_mut_ptr(),
                c.as_mut_ptr(),
                d.as_mut_ptr(),
            ];
            product::<S, E, 4>(tile, columns, x, out);
            at = at.add(4 * columns);
        }
        for out in rest {
            product::<S, E, 1>(tile, columns, [at], [out.as_mut_ptr()]);
            at = at.add(columns);
        }
    }
}
