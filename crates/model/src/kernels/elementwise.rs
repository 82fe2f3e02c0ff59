//! The functions between the products, written so that the compiler turns their loops into vector
//! code.

use crate::config::{Activation, RopeLayout};

/// `eˣ`, within two units of the last place; 0 below −87.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// ln 2 in two parts: the first has so few bits that its multiples are exact.
    const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    const SHIFT: f32 = 12_582_912.0;
    let bounded = x.clamp(-87.3, 88.0);
    // x = n · ln 2 + r with |r| ≤ ln 2 / 2; adding 1.5 · 2²³ rounds to an integer.
    let shifted = bounded.mul_add(std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = n.mul_add(-LN2.1, n.mul_add(-LN2.0, bounded));
    // The series of eʳ, its coefficients fitted to the interval (Cephes, expf.c).
    let series = 1.987_569_2e-4_f32
        .mul_add(r, 1.398_199_9e-3)
        .mul_add(r, 8.333_452e-3)
        .mul_add(r, 4.166_579_6e-2)
        .mul_add(r, 1.666_666_6e-1)
        .mul_add(r, 0.5)
        .mul_add(r * r, r)
        + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    let value = series * f32::from_bits(power);
    if x < -87.3 { 0.0 } else { value }
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The tanh approximation of GELU: `tanh(u)` is `1 − 2 / (e²ᵘ + 1)`.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let u = SQRT_2_OVER_PI * x * (0.044_715 * x * x + 1.0);
    x - x / (exp(2.0 * u) + 1.0)
}

#[inline(always)]
fn gate_all(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = silu(*gate) * up;
            }
        }
        Activation::GeluTanh => {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = gelu(*gate) * up;
            }
        }
        Activation::ClampedSwiglu => {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = Activation::clamped(*gate, *up);
            }
        }
    }
}

/// Sixteen numbers made one by halves, so that none waits for all before it.
#[inline(always)]
pub(super) fn folded<T: Copy>(numbers: [T; 16], fold: impl Fn(T, T) -> T) -> T {
    let eight: [T; 8] = std::array::from_fn(|i| fold(numbers[i], numbers[i + 8]));
    let four: [T; 4] = std::array::from_fn(|i| fold(eight[i], eight[i + 4]));
    fold(fold(four[0], four[2]), fold(four[1], four[3]))
}

/// The last numbers, filled up to sixteen.
#[inline(always)]
fn filled(rest: &[f32], with: f32) -> [f32; 16] {
    let mut chunk = [with; 16];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

/// Replaces each score by its exponential relative to the largest; gives the largest and their sum.
#[inline(always)]
fn exponentials(scores: &mut [f32]) -> (f32, f32) {
    let (chunks, rest) = scores.as_chunks_mut::<16>();
    // What is added has no exponential: it changes neither.
    let mut last = filled(rest, f32::NEG_INFINITY);
    let mut maxima = last;
    for chunk in &*chunks {
        for (max, score) in maxima.iter_mut().zip(chunk) {
            *max = max.max(*score);
        }
    }
    let max = folded(maxima, f32::max);
    let mut sums = [0f32; 16];
    for chunk in chunks.iter_mut().chain([&mut last]) {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    rest.copy_from_slice(&last[..rest.len()]);
    (max, folded(sums, |a, b| a + b))
}

/// The mean of a function of numbers.
#[inline(always)]
fn mean(x: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0f32; 16];
    let (chunks, rest) = x.as_chunks::<16>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += of(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += of(*x);
    }
    folded(sums, |a, b| a + b) / x.len() as f32
}

#[inline(always)]
fn mean_square_of(x: &[f32]) -> f32 {
    mean(x, |x| x * x)
}

/// `weight[i] · x[i] / sqrt(mean(x²) + eps)` in place.
#[inline(always)]
fn norm_all(x: &mut [f32], weight: &[f32], eps: f32) {
    let scale = 1.0 / (mean_square_of(x) + eps).sqrt();
    for (x, w) in x.iter_mut().zip(weight) {
        *x = *x * scale * w;
    }
}

#[inline(always)]
fn unit_norm_all(x: &mut [f32], eps: f32) {
    let scale = 1.0 / (mean_square_of(x) + eps).sqrt();
    x.iter_mut().for_each(|x| *x *= scale);
}

#[inline(always)]
fn above_all(x: &mut [f32], deviations: f32) {
    let middle = mean(x, |x| x);
    let spread = mean(x, |x| (x - middle) * (x - middle)).sqrt();
    let cutoff = middle + deviations * spread;
    x.iter_mut().for_each(|x| *x = (*x - cutoff).max(0.0));
}

/// Turns the leading pairs of a head by the angles with these cosines and sines.
#[inline(always)]
fn rotate_all(layout: RopeLayout, cos: &[f32], sin: &[f32], head: &mut [f32]) {
    let pairs = cos.len();
    match layout {
        RopeLayout::HalfSplit => {
            let (a, b) = head[..2 * pairs].split_at_mut(pairs);
            for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
        RopeLayout::Interleaved => {
            for (([a, b], c), s) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

/// Numbers of which [`maxima`] gives one.
pub const GROUP: usize = 64;

#[inline(always)]
fn group_maxima(numbers: &[f32], out: &mut [f32]) {
    for (group, out) in numbers.chunks(GROUP).zip(out) {
        let (chunks, rest) = group.as_chunks::<16>();
        let mut maxima = filled(rest, f32::NEG_INFINITY);
        for chunk in chunks {
            for (max, number) in maxima.iter_mut().zip(chunk) {
                *max = max.max(*number);
            }
        }
        *out = folded(maxima, f32::max);
    }
}

#[inline(always)]
fn moments_all(logits: &[f32], max: f32) -> (f64, f64) {
    /// Terms that are added in single precision.
    const RUN: usize = 1024;
    let (mut sum, mut weighted) = (0f64, 0f64);
    for run in logits.chunks(RUN) {
        let (mut sums, mut products) = ([0f32; 16], [0f32; 16]);
        let mut add = |lane: usize, logit: f32| {
            // Far below the largest the term vanishes; also for what is not a number, which `max`
            // passes over and `clamp` would not.
            let bounded = (logit - max).max(-100.0);
            let distance = bounded.min(0.0);
            let term = exp(distance);
            sums[lane] += term;
            products[lane] += term * distance;
        };
        let (chunks, rest) = run.as_chunks::<16>();
        for chunk in chunks {
            for (lane, logit) in chunk.iter().enumerate() {
                add(lane, *logit);
            }
        }
        for (lane, logit) in rest.iter().enumerate() {
            add(lane, *logit);
        }
        sum += sums.iter().map(|x| f64::from(*x)).sum::<f64>();
        weighted += products.iter().map(|x| f64::from(*x)).sum::<f64>();
    }
    (sum, weighted)
}

#[inline(always)]
fn sum_all(numbers: &[u64]) -> u64 {
    let mut sums = [0u64; 64];
    for chunk in numbers.as_chunks::<64>().0 {
        for (sum, number) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*number);
        }
    }
    sums.iter().fold(0, |a, b| a.wrapping_add(*b))
}

/// Defines a function that calls `$plain`, compiled for wider vectors where there are some.
macro_rules! wide {
    ($(#[$doc:meta])* $vis:vis $name:ident, $plain:ident,
     ($($arg:ident: $type:ty),*) $(-> $out:ty)?) => {
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::InstructionSet;

                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $out)? {
                    $plain($($arg),*)
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512bw")]
                fn avx512($($arg: $type),*) $(-> $out)? {
                    $plain($($arg),*)
                }
                // SAFETY: a set is only chosen where the machine has it.
                match InstructionSet::chosen() {
                    InstructionSet::Avx512 => return unsafe { avx512($($arg),*) },
                    InstructionSet::Avx2 => return unsafe { avx2($($arg),*) },
                    InstructionSet::Portable => {}
                }
            }
            $plain($($arg),*)
        }
    };
}
pub(super) use wide;

wide!(
    /// `activation(gate) · up`, element by element, in place of `gate`.
    pub gated, gate_all, (activation: Activation, gate: &mut [f32], up: &[f32])
);
wide!(
    /// Replaces each score by its exponential relative to the largest; gives the largest and the
    /// sum of the exponentials.
    pub softmax_terms, exponentials, (scores: &mut [f32]) -> (f32, f32)
);
wide!(
    /// Turns the leading pairs of a head by the angles with these cosines and sines.
    pub rotate, rotate_all, (layout: RopeLayout, cos: &[f32], sin: &[f32], head: &mut [f32])
);
wide!(
    /// The largest of each [`GROUP`] numbers, of those that are numbers.
    pub maxima, group_maxima, (numbers: &[f32], out: &mut [f32])
);
wide!(
    /// The sums of `e^d` and of `d · e^d` over the distances `d` to a row's largest logit.
    pub softmax_moments, moments_all, (logits: &[f32], max: f32) -> (f64, f64)
);
wide!(
    /// The sum of whole groups of 64 numbers: it takes as long as reading them.
    pub sum, sum_all, (numbers: &[u64]) -> u64
);
wide!(
    /// `weight[i] · x[i] / sqrt(mean(x²) + eps)`, in place.
    pub rms_norm, norm_all, (x: &mut [f32], weight: &[f32], eps: f32)
);
wide!(
    /// `x[i] / sqrt(mean(x²) + eps)`, in place.
    pub unit_norm, unit_norm_all, (x: &mut [f32], eps: f32)
);
wide!(
    /// The mean of the squares.
    pub mean_square, mean_square_of, (x: &[f32]) -> f32
);
wide!(
    /// By how much each number is larger than all but the few that lie so many standard deviations above
    /// the mean; 0 for those that are not. In place.
    pub above, above_all, (x: &mut [f32], deviations: f32)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_places() {
        for i in -8_800..8_800 {
            let x = i as f32 / 100.0;
            let (ours, exact) = (exp(x), f64::from(x).exp());
            let error = (f64::from(ours) - exact).abs();
            assert!(x < -87.0 || error <= 3e-7 * exact, "{x}: {ours} {exact}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn gates_are_the_functions_they_are_named_after() {
        for i in -200..200 {
            let x = i as f32 / 10.0;
            let exact = f64::from(x);
            let mut gate = [x];
            gated(Activation::Silu, &mut gate, &[2.0]);
            let silu = 2.0 * exact / (1.0 + (-exact).exp());
            assert!((f64::from(gate[0]) - silu).abs() < 1e-5, "{x}");
            let mut gate = [x];
            gated(Activation::GeluTanh, &mut gate, &[2.0]);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (exact + 0.044715 * exact.powi(3));
            assert!(
                (f64::from(gate[0]) - exact * (1.0 + u.tanh())).abs() < 1e-5,
                "{x}"
            );
        }
    }

    #[test]
    fn softmax_terms_come_with_their_maximum_and_sum() {
        let mut scores: Vec<f32> = (0..37).map(|i| (i % 7) as f32).collect();
        scores[3] = f32::NEG_INFINITY;
        let (max, sum) = softmax_terms(&mut scores);
        assert_eq!((max, scores[3]), (6.0, 0.0));
        assert!((scores.iter().sum::<f32>() - sum).abs() < 1e-5);
    }

    #[test]
    fn a_norm_has_the_weights_mean_square() {
        let mut x: Vec<f32> = (0..50).map(|i| i as f32 - 20.0).collect();
        rms_norm(&mut x, &[2.0; 50], 0.0);
        let mean = x.iter().map(|x| x * x).sum::<f32>() / 50.0;
        assert!((mean - 4.0).abs() < 1e-4);
        unit_norm(&mut x, 0.0);
        assert!((mean_square(&x) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn only_what_stands_out_is_left() {
        // The mean is 2, the standard deviation 4.
        let mut x = [0.0, 0.0, 10.0, 0.0, 0.0];
        above(&mut x, 0.5);
        assert_eq!(x, [0.0, 0.0, 6.0, 0.0, 0.0]);
        let mut all = [-1.0, 1.0];
        above(&mut all, -2.0);
        assert_eq!(all, [1.0, 3.0]);
    }
}
