//! x86-64 with AVX2: two vectors for the sixteen rows.

use std::arch::x86_64::*;

use super::simd::Simd;

pub(super) struct Avx2;

/// The same operation on both halves. (In place of closures: those are not compiled for the
/// instruction set of the function around them.)
macro_rules! both {
    ($a:expr, |$x:ident| $e:expr) => {{
        let [a, b] = $a;
        [
            {
                let $x = a;
                $e
            },
            {
                let $x = b;
                $e
            },
        ]
    }};
}

#[inline(always)]
unsafe fn four(x: *const i8) -> __m256i {
    unsafe { _mm256_set1_epi32(x.cast::<i32>().read_unaligned()) }
}

/// Adds pairs of 16-bit numbers to 32-bit sums.
#[inline(always)]
unsafe fn add_pairs(sum: __m256i, pairs: __m256i, factor: i16) -> __m256i {
    unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(factor))) }
}

impl Simd for Avx2 {
    type Bytes = [__m256i; 2];
    type Ints = [__m256i; 2];
    type Floats = [__m256; 2];

    const BIAS: i32 = 128;

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> [__m256i; 2] {
        unsafe {
            [
                _mm256_loadu_si256(at.cast()),
                _mm256_loadu_si256(at.add(32).cast()),
            ]
        }
    }

    #[inline(always)]
    unsafe fn biased(at: *const u8) -> [__m256i; 2] {
        unsafe {
            both!(Self::bytes(at), |x| _mm256_xor_si256(
                x,
                _mm256_set1_epi8(-128)
            ))
        }
    }

    #[inline(always)]
    unsafe fn low(bytes: [__m256i; 2]) -> [__m256i; 2] {
        unsafe { both!(bytes, |x| _mm256_and_si256(x, _mm256_set1_epi8(15))) }
    }

    #[inline(always)]
    unsafe fn high(bytes: [__m256i; 2]) -> [__m256i; 2] {
        unsafe { Self::low(both!(bytes, |x| _mm256_srli_epi16::<4>(x))) }
    }

    #[inline(always)]
    unsafe fn fifth_bit(bytes: [__m256i; 2], mask: u64) -> [__m256i; 2] {
        // Each byte of the mask goes to the eight bytes whose bits it holds.
        unsafe {
            let which = _mm256_set_epi64x(
                0x0303_0303_0303_0303,
                0x0202_0202_0202_0202,
                0x0101_0101_0101_0101,
                0,
            );
            let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
            let [a, b] = both!([mask as u32, (mask >> 32) as u32], |half| {
                let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(half.cast_signed()), which);
                let set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
                _mm256_and_si256(set, _mm256_set1_epi8(16))
            });
            [_mm256_or_si256(bytes[0], a), _mm256_or_si256(bytes[1], b)]
        }
    }

    #[inline(always)]
    unsafe fn upper_bits<const FIELD: u32>(
        bytes: [__m256i; 2],
        pairs: [__m256i; 2],
    ) -> [__m256i; 2] {
        unsafe {
            let [a, b] = both!(pairs, |x| {
                let shifted = match FIELD {
                    0 => _mm256_slli_epi16::<4>(x),
                    1 => _mm256_slli_epi16::<2>(x),
                    2 => x,
                    _ => _mm256_srli_epi16::<2>(x),
                };
                _mm256_and_si256(shifted, _mm256_set1_epi8(0x30))
            });
            [_mm256_or_si256(bytes[0], a), _mm256_or_si256(bytes[1], b)]
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: [__m256i; 2], indices: [__m256i; 2]) -> [__m256i; 2] {
        unsafe {
            [
                _mm256_shuffle_epi8(table[0], indices[0]),
                _mm256_shuffle_epi8(table[1], indices[1]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn dot(sum: [__m256i; 2], weights: [__m256i; 2], x: *const i8) -> [__m256i; 2] {
        unsafe {
            let x = four(x);
            [
                add_pairs(sum[0], _mm256_maddubs_epi16(weights[0], x), 1),
                add_pairs(sum[1], _mm256_maddubs_epi16(weights[1], x), 1),
            ]
        }
    }

    #[inline(always)]
    unsafe fn dot_wide(sum: [__m256i; 2], weights: [__m256i; 2], x: *const i8) -> [__m256i; 2] {
        // Two products of eight unsigned and eight signed bits do not fit into 16 bits, so the
        // highest bit of the weights is multiplied by itself.
        unsafe {
            let x = four(x);
            let lower = both!(weights, |w| _mm256_and_si256(w, _mm256_set1_epi8(127)));
            let highest = both!(weights, |w| _mm256_and_si256(
                _mm256_srli_epi16::<7>(w),
                _mm256_set1_epi8(1)
            ));
            both!(
                [
                    (sum[0], lower[0], highest[0]),
                    (sum[1], lower[1], highest[1])
                ],
                |part| {
                    let sum = add_pairs(part.0, _mm256_maddubs_epi16(part.1, x), 1);
                    add_pairs(sum, _mm256_maddubs_epi16(part.2, x), 128)
                }
            )
        }
    }

    #[inline(always)]
    unsafe fn ints(value: i32) -> [__m256i; 2] {
        unsafe { [_mm256_set1_epi32(value); 2] }
    }

    #[inline(always)]
    unsafe fn joined(high: [__m256i; 2], low: [__m256i; 2]) -> [__m256; 2] {
        unsafe {
            both!([(high[0], low[0]), (high[1], low[1])], |part| {
                _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32::<8>(part.0), part.1))
            })
        }
    }

    #[inline(always)]
    unsafe fn floats(value: f32) -> [__m256; 2] {
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> [__m256; 2] {
        unsafe { [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))] }
    }

    #[inline(always)]
    unsafe fn store(values: [__m256; 2], at: *mut f32) {
        unsafe {
            _mm256_storeu_ps(at, values[0]);
            _mm256_storeu_ps(at.add(8), values[1]);
        }
    }

    #[inline(always)]
    unsafe fn f16(at: *const u8) -> [__m256; 2] {
        unsafe {
            both!([at, at.add(16)], |at| _mm256_cvtph_ps(_mm_loadu_si128(
                at.cast()
            )))
        }
    }

    #[inline(always)]
    unsafe fn bf16(at: *const u8) -> [__m256; 2] {
        unsafe {
            both!([at, at.add(16)], |at| _mm256_castsi256_ps(
                _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast())))
            ))
        }
    }

    #[inline(always)]
    unsafe fn u8(at: *const u8) -> [__m256; 2] {
        unsafe {
            both!([at, at.add(8)], |at| _mm256_cvtepi32_ps(
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast()))
            ))
        }
    }

    #[inline(always)]
    unsafe fn i8(at: *const u8) -> [__m256; 2] {
        unsafe {
            both!([at, at.add(8)], |at| _mm256_cvtepi32_ps(
                _mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast()))
            ))
        }
    }

    #[inline(always)]
    unsafe fn powers(at: *const u8) -> [__m256; 2] {
        unsafe {
            both!([at, at.add(8)], |at| {
                let exponents = _mm_subs_epu8(_mm_loadl_epi64(at.cast()), _mm_set1_epi8(1));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_cvtepu8_epi32(exponents)))
            })
        }
    }

    #[inline(always)]
    unsafe fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn fma(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }
}
