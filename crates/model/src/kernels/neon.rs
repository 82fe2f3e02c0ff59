//! 64-bit ARM with the byte products of its dot-product extension: four vectors for the sixteen rows.

use std::arch::aarch64::*;

use super::simd::Simd;

pub(super) struct Neon;

/// The same operation on all four vectors. (In place of closures: those are not compiled for the
/// instruction set of the function around them.)
macro_rules! each {
    ($a:expr, |$x:ident| $e:expr) => {{
        let [a, b, c, d] = $a;
        [
            {
                let $x = a;
                $e
            },
            {
                let $x = b;
                $e
            },
            {
                let $x = c;
                $e
            },
            {
                let $x = d;
                $e
            },
        ]
    }};
}

/// Pairs up the vectors of two operands.
#[inline(always)]
fn zip<A: Copy, B: Copy>(a: [A; 4], b: [B; 4]) -> [(A, B); 4] {
    [(a[0], b[0]), (a[1], b[1]), (a[2], b[2]), (a[3], b[3])]
}

/// Sixteen bytes as 32-bit numbers.
#[inline(always)]
unsafe fn widened(bytes: uint8x16_t) -> [uint32x4_t; 4] {
    unsafe {
        let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
        [
            vmovl_u16(vget_low_u16(low)),
            vmovl_high_u16(low),
            vmovl_u16(vget_low_u16(high)),
            vmovl_high_u16(high),
        ]
    }
}

/// `sum + products`, four signed bytes to a sum. (The intrinsic is not stable.)
#[inline(always)]
unsafe fn sdot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: reads and writes registers alone; the caller has the dot-product extension.
    unsafe {
        std::arch::asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

impl Simd for Neon {
    type Bytes = [uint8x16_t; 4];
    type Ints = [int32x4_t; 4];
    type Floats = [float32x4_t; 4];

    const BIAS: i32 = 0;

    #[inline(always)]
    unsafe fn bytes(at: *const u8) -> Self::Bytes {
        unsafe { each!([at, at.add(16), at.add(32), at.add(48)], |at| vld1q_u8(at)) }
    }

    #[inline(always)]
    unsafe fn biased(at: *const u8) -> Self::Bytes {
        unsafe { Self::bytes(at) }
    }

    #[inline(always)]
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes {
        unsafe { each!(bytes, |x| vandq_u8(x, vdupq_n_u8(15))) }
    }

    #[inline(always)]
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes {
        unsafe { each!(bytes, |x| vshrq_n_u8::<4>(x)) }
    }

    #[inline(always)]
    unsafe fn fifth_bit(bytes: Self::Bytes, mask: u64) -> Self::Bytes {
        // Each byte of the mask goes to the eight bytes whose bits it holds.
        unsafe {
            let bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
            let parts = [mask, mask >> 16, mask >> 32, mask >> 48];
            let set = each!(parts, |part| {
                let low = vdup_n_u8(part as u8);
                let high = vdup_n_u8((part >> 8) as u8);
                let set = vtstq_u8(vcombine_u8(low, high), bit);
                vandq_u8(set, vdupq_n_u8(16))
            });
            each!(zip(bytes, set), |pair| vorrq_u8(pair.0, pair.1))
        }
    }

    #[inline(always)]
    unsafe fn upper_bits<const FIELD: u32>(bytes: Self::Bytes, pairs: Self::Bytes) -> Self::Bytes {
        unsafe {
            each!(zip(bytes, pairs), |pair| {
                let shifted = match FIELD {
                    0 => vshlq_n_u8::<4>(pair.1),
                    1 => vshlq_n_u8::<2>(pair.1),
                    2 => pair.1,
                    _ => vshrq_n_u8::<2>(pair.1),
                };
                vorrq_u8(pair.0, vandq_u8(shifted, vdupq_n_u8(0x30)))
            })
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: Self::Bytes, indices: Self::Bytes) -> Self::Bytes {
        unsafe { each!(zip(table, indices), |pair| vqtbl1q_u8(pair.0, pair.1)) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, x: *const i8) -> Self::Ints {
        unsafe {
            let x = vreinterpretq_s8_s32(vdupq_n_s32(x.cast::<i32>().read_unaligned()));
            each!(zip(sum, weights), |pair| sdot(
                pair.0,
                vreinterpretq_s8_u8(pair.1),
                x
            ))
        }
    }

    #[inline(always)]
    unsafe fn dot_wide(sum: Self::Ints, weights: Self::Bytes, x: *const i8) -> Self::Ints {
        unsafe { Self::dot(sum, weights, x) }
    }

    #[inline(always)]
    unsafe fn ints(value: i32) -> Self::Ints {
        unsafe { [vdupq_n_s32(value); 4] }
    }

    #[inline(always)]
    unsafe fn joined(high: Self::Ints, low: Self::Ints) -> Self::Floats {
        unsafe {
            each!(zip(high, low), |pair| vcvtq_f32_s32(vaddq_s32(
                vshlq_n_s32::<8>(pair.0),
                pair.1
            )))
        }
    }

    #[inline(always)]
    unsafe fn floats(value: f32) -> Self::Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::Floats {
        unsafe { each!([at, at.add(4), at.add(8), at.add(12)], |at| vld1q_f32(at)) }
    }

    #[inline(always)]
    unsafe fn store(values: Self::Floats, at: *mut f32) {
        let [a, b, c, d] = values;
        unsafe {
            vst1q_f32(at, a);
            vst1q_f32(at.add(4), b);
            vst1q_f32(at.add(8), c);
            vst1q_f32(at.add(12), d);
        }
    }

    #[inline(always)]
    unsafe fn f16(at: *const u8) -> Self::Floats {
        unsafe {
            each!([at, at.add(8), at.add(16), at.add(24)], |at| {
                let halves = vld1_u16(at.cast());
                let wide: float32x4_t;
                std::arch::asm!(
                    "fcvtl {wide:v}.4s, {halves:v}.4h",
                    wide = out(vreg) wide,
                    halves = in(vreg) halves,
                    options(pure, nomem, nostack, preserves_flags)
                );
                wide
            })
        }
    }

    #[inline(always)]
    unsafe fn bf16(at: *const u8) -> Self::Floats {
        unsafe {
            each!([at, at.add(8), at.add(16), at.add(24)], |at| {
                vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(at.cast())))
            })
        }
    }

    #[inline(always)]
    unsafe fn u8(at: *const u8) -> Self::Floats {
        unsafe { each!(widened(vld1q_u8(at)), |x| vcvtq_f32_u32(x)) }
    }

    #[inline(always)]
    unsafe fn i8(at: *const u8) -> Self::Floats {
        unsafe {
            let bytes = vld1q_s8(at.cast());
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
            let wide = [
                vmovl_s16(vget_low_s16(low)),
                vmovl_high_s16(low),
                vmovl_s16(vget_low_s16(high)),
                vmovl_high_s16(high),
            ];
            each!(wide, |x| vcvtq_f32_s32(x))
        }
    }

    #[inline(always)]
    unsafe fn powers(at: *const u8) -> Self::Floats {
        unsafe {
            let exponents = widened(vqsubq_u8(vld1q_u8(at), vdupq_n_u8(1)));
            each!(exponents, |x| vreinterpretq_f32_u32(vshlq_n_u32::<23>(x)))
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { each!(zip(a, b), |pair| vaddq_f32(pair.0, pair.1)) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { each!(zip(a, b), |pair| vmulq_f32(pair.0, pair.1)) }
    }

    #[inline(always)]
    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        let [c0, c1, c2, c3] = c;
        unsafe {
            [
                vfmaq_f32(c0, a[0], b[0]),
                vfmaq_f32(c1, a[1], b[1]),
                vfmaq_f32(c2, a[2], b[2]),
                vfmaq_f32(c3, a[3], b[3]),
            ]
        }
    }
}
