//! Any processor, in plain Rust: what the other instruction sets are held against.

use half::{bf16, f16};

use super::simd::{ROWS, Simd};

pub(super) struct Portable;

const BYTES: usize = 4 * ROWS;

unsafe fn array<T: Copy, const N: usize>(at: *const T) -> [T; N] {
    // SAFETY: the caller's pointer is valid for `N` elements.
    unsafe { at.cast::<[T; N]>().read_unaligned() }
}

impl Simd for Portable {
    type Bytes = [u8; BYTES];
    type Ints = [i32; ROWS];
    type Floats = [f32; ROWS];

    const BIAS: i32 = 0;

    // More would be code without end, as nothing here is one instruction.
    const TOGETHER: usize = 1;

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> [u8; BYTES] {
        unsafe { array(at) }
    }

    #[inline(always)]
    unsafe fn biased(at: *const u8) -> [u8; BYTES] {
        unsafe { array(at) }
    }

    #[inline(always)]
    unsafe fn low(bytes: [u8; BYTES]) -> [u8; BYTES] {
        bytes.map(|b| b & 15)
    }

    #[inline(always)]
    unsafe fn high(bytes: [u8; BYTES]) -> [u8; BYTES] {
        bytes.map(|b| b >> 4)
    }

    #[inline(always)]
    unsafe fn fifth_bit(bytes: [u8; BYTES], mask: u64) -> [u8; BYTES] {
        std::array::from_fn(|i| bytes[i] | ((mask >> i & 1) as u8) << 4)
    }

    #[inline(always)]
    unsafe fn upper_bits<const FIELD: u32>(bytes: [u8; BYTES], pairs: [u8; BYTES]) -> [u8; BYTES] {
        std::array::from_fn(|i| bytes[i] | (pairs[i] >> (2 * FIELD) & 3) << 4)
    }

    #[inline(always)]
    unsafe fn look_up(table: [u8; BYTES], indices: [u8; BYTES]) -> [u8; BYTES] {
        indices.map(|i| table[usize::from(i)])
    }

    #[inline(always)]
    unsafe fn dot(sum: [i32; ROWS], weights: [u8; BYTES], x: *const i8) -> [i32; ROWS] {
        let x: [i8; 4] = unsafe { array(x) };
        let (weights, _) = weights.as_chunks::<4>();
        std::array::from_fn(|row| {
            let product = |i: usize| i32::from(weights[row][i].cast_signed()) * i32::from(x[i]);
            sum[row] + product(0) + product(1) + product(2) + product(3)
        })
    }

    #[inline(always)]
    unsafe fn dot_wide(sum: [i32; ROWS], weights: [u8; BYTES], x: *const i8) -> [i32; ROWS] {
        unsafe { Self::dot(sum, weights, x) }
    }

    #[inline(always)]
    unsafe fn ints(value: i32) -> [i32; ROWS] {
        [value; ROWS]
    }

    #[inline(always)]
    unsafe fn joined(high: [i32; ROWS], low: [i32; ROWS]) -> [f32; ROWS] {
        std::array::from_fn(|row| (256 * high[row] + low[row]) as f32)
    }

    #[inline(always)]
    unsafe fn floats(value: f32) -> [f32; ROWS] {
        [value; ROWS]
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> [f32; ROWS] {
        unsafe { array(at) }
    }

    #[inline(always)]
    unsafe fn store(values: [f32; ROWS], at: *mut f32) {
        unsafe { at.cast::<[f32; ROWS]>().write_unaligned(values) }
    }

    #[inline(always)]
    unsafe fn f16(at: *const u8) -> [f32; ROWS] {
        unsafe { array::<[u8; 2], ROWS>(at.cast()) }.map(|b| f16::from_le_bytes(b).to_f32())
    }

    #[inline(always)]
    unsafe fn bf16(at: *const u8) -> [f32; ROWS] {
        unsafe { array::<[u8; 2], ROWS>(at.cast()) }.map(|b| bf16::from_le_bytes(b).to_f32())
    }

    #[inline(always)]
    unsafe fn u8(at: *const u8) -> [f32; ROWS] {
        unsafe { array::<u8, ROWS>(at) }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn i8(at: *const u8) -> [f32; ROWS] {
        unsafe { array::<i8, ROWS>(at.cast()) }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn powers(at: *const u8) -> [f32; ROWS] {
        let power = |b: u8| f32::from_bits(u32::from(b.saturating_sub(1)) << 23);
        unsafe { array::<u8, ROWS>(at) }.map(power)
    }

    #[inline(always)]
    unsafe fn add(a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn fma(a: [f32; ROWS], b: [f32; ROWS], c: [f32; ROWS]) -> [f32; ROWS] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
}
