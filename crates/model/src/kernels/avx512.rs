//! x86-64 with AVX-512 and its byte products (VNNI).

use std::arch::x86_64::*;

use super::simd::Simd;

pub(super) struct Avx512;

impl Simd for Avx512 {
    type Bytes = __m512i;
    type Ints = __m512i;
    type Floats = __m512;

    const BIAS: i32 = 128;

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn biased(at: *const u8) -> __m512i {
        unsafe { _mm512_xor_si512(Self::bytes(at), _mm512_set1_epi8(-128)) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn fifth_bit(bytes: __m512i, mask: u64) -> __m512i {
        unsafe { _mm512_mask_add_epi8(bytes, mask, bytes, _mm512_set1_epi8(16)) }
    }

    #[inline(always)]
    unsafe fn upper_bits<const FIELD: u32>(bytes: __m512i, pairs: __m512i) -> __m512i {
        unsafe {
            let shifted = match FIELD {
                0 => _mm512_slli_epi16::<4>(pairs),
                1 => _mm512_slli_epi16::<2>(pairs),
                2 => pairs,
                _ => _mm512_srli_epi16::<2>(pairs),
            };
            _mm512_or_si512(bytes, _mm512_and_si512(shifted, _mm512_set1_epi8(0x30)))
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: __m512i, indices: __m512i) -> __m512i {
        unsafe { _mm512_shuffle_epi8(table, indices) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m512i, weights: __m512i, x: *const i8) -> __m512i {
        unsafe {
            let x = x.cast::<i32>().read_unaligned();
            _mm512_dpbusd_epi32(sum, weights, _mm512_set1_epi32(x))
        }
    }

    #[inline(always)]
    unsafe fn dot_wide(sum: __m512i, weights: __m512i, x: *const i8) -> __m512i {
        unsafe { Self::dot(sum, weights, x) }
    }

    #[inline(always)]
    unsafe fn ints(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn joined(high: __m512i, low: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32::<8>(high), low)) }
    }

    #[inline(always)]
    unsafe fn floats(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline(always)]
    unsafe fn store(values: __m512, at: *mut f32) {
        unsafe { _mm512_storeu_ps(at, values) }
    }

    #[inline(always)]
    unsafe fn f16(at: *const u8) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())) }
    }

    #[inline(always)]
    unsafe fn bf16(at: *const u8) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(at.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn u8(at: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at.cast()))) }
    }

    #[inline(always)]
    unsafe fn i8(at: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(at.cast()))) }
    }

    #[inline(always)]
    unsafe fn powers(at: *const u8) -> __m512 {
        unsafe {
            let exponents = _mm_subs_epu8(_mm_loadu_si128(at.cast()), _mm_set1_epi8(1));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_cvtepu8_epi32(exponents)))
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
}
