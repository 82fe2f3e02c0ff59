//! Rotary position embeddings: frequencies and their scaling variants.
//!
//! Frequencies are computed in f64 and rounded to f32 once; angles are f32 products of position
//! and frequency, as transformers computes them. Tables cover only the positions asked for, so
//! that a long context costs nothing until it is used.

use anyhow::{Result, bail};
use candle_core::{Device, Tensor};

use super::device::ops;
use crate::config::{RopeConfig, RopeLayout, RopeScaling};

/// Frequencies ready for use.
#[derive(Clone, Debug)]
pub struct Rope {
    layout: RopeLayout,
    /// Radians per position, one for each pair.
    frequencies: Vec<f32>,
    /// Factor on cosine and sine.
    magnitude: f32,
}

/// Cosines and sines `[rows, dims / 2]` for the positions of a batch.
#[derive(Debug)]
pub(super) struct Rotation {
    layout: RopeLayout,
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// `divisors` are the file's own divisors of the frequencies (Llama 3), one for each pair.
    pub fn new(config: &RopeConfig, divisors: Option<&[f32]>) -> Result<Self> {
        let pairs = config.dims / 2;
        if let Some(divisors) = divisors
            && (divisors.len() != pairs || divisors.iter().any(|d| !(d.is_finite() && *d > 0.0)))
        {
            bail!("the divisors of the rotary embedding are not {pairs} positive numbers");
        }
        let divisor = |i: usize| divisors.map_or(1.0, |d| f64::from(d[i]));
        let stretch = stretches(config);
        let frequencies = (0..pairs)
            .map(|i| (unscaled(config, i) * stretch(i) / divisor(i)) as f32)
            .collect();
        Ok(Self {
            layout: config.layout,
            frequencies,
            magnitude: magnitude(&config.scaling),
        })
    }

    /// Tables for rows at the given positions.
    pub(super) fn at(&self, positions: &[u32], device: &Device) -> candle_core::Result<Rotation> {
        let shape = (positions.len(), self.frequencies.len());
        let (cos, sin) = self.tables(positions);
        Ok(Rotation {
            layout: self.layout,
            cos: Tensor::from_vec(cos, shape, device)?,
            sin: Tensor::from_vec(sin, shape, device)?,
        })
    }

    /// Cosines and sines `[positions, dims / 2]`.
    pub fn tables(&self, positions: &[u32]) -> (Vec<f32>, Vec<f32>) {
        let table = |f: fn(f32) -> f32| {
            let angles = positions.iter().flat_map(|&p| {
                self.frequencies
                    .iter()
                    .map(move |w| f(p as f32 * w) * self.magnitude)
            });
            angles.collect()
        };
        (table(f32::cos), table(f32::sin))
    }
}

impl Rotation {
    /// Rotates every head of `[rows, heads, head_dim]`.
    pub(super) fn apply(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::rotate(x, &self.cos, &self.sin, self.layout)
    }

    /// Its tables.
    #[cfg(any(test, feature = "cuda"))]
    pub(super) fn tensors(&self) -> [&Tensor; 2] {
        [&self.cos, &self.sin]
    }
}

fn unscaled(config: &RopeConfig, pair: usize) -> f64 {
    f64::from(config.base).powf(-2.0 * pair as f64 / config.dims as f64)
}

/// The factor on each pair's frequency.
fn stretches(config: &RopeConfig) -> impl Fn(usize) -> f64 {
    let dims = config.dims as f64;
    let base = f64::from(config.base);
    let (factor, low, high) = match config.scaling {
        // Their divisors are the file's own.
        RopeScaling::None | RopeScaling::LongRope { .. } => (1.0, 0.0, 0.0),
        // A ramp that lies wholly below the first pair divides every frequency.
        RopeScaling::Linear { factor } => (f64::from(factor), -2.0, -1.0),
        RopeScaling::Yarn {
            factor,
            original_context,
            beta_fast,
            beta_slow,
            whole,
            ..
        } => {
            // The pair that turns `rotations` times over the original context.
            let pair = |rotations: f32| {
                let turns =
                    original_context as f64 / (f64::from(rotations) * std::f64::consts::TAU);
                dims * turns.ln() / (2.0 * base.ln())
            };
            let (low, high) = (pair(beta_fast), pair(beta_slow));
            let (low, high) = match whole {
                true => (low.floor(), high.ceil()),
                false => (low, high),
            };
            (f64::from(factor), low.max(0.0), high.min(dims - 1.0))
        }
    };
    move |pair| {
        let ramp = ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        (1.0 - ramp) + ramp / factor
    }
}

fn magnitude(scaling: &RopeScaling) -> f32 {
    match *scaling {
        RopeScaling::Yarn {
            factor,
            attention_factor,
            ..
        } if factor > 1.0 => attention_factor * (0.1 * factor.ln() + 1.0),
        RopeScaling::Yarn {
            attention_factor, ..
        }
        | RopeScaling::LongRope {
            attention_factor, ..
        } => attention_factor,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(base: f32, scaling: RopeScaling, divisors: Option<&[f32]>) -> Rope {
        let layout = RopeLayout::HalfSplit;
        let config = RopeConfig {
            layout,
            dims: 16,
            base,
            scaling,
        };
        Rope::new(&config, divisors).unwrap()
    }

    fn assert_frequencies(rope: &Rope, expected: [f32; 8]) {
        for (ours, theirs) in rope.frequencies.iter().zip(expected) {
            assert!((ours / theirs - 1.0).abs() < 1e-6, "{ours} and {theirs}");
        }
    }

    #[test]
    fn linear_scaling_and_divisors_divide() {
        let plain = rope(10_000.0, RopeScaling::None, None);
        assert!((plain.frequencies[4] - 0.01).abs() < 1e-8);
        let linear = rope(10_000.0, RopeScaling::Linear { factor: 8.0 }, None);
        let divided = rope(10_000.0, RopeScaling::None, Some(&[8.0; 8]));
        for rope in [linear, divided] {
            let expected = plain
                .frequencies
                .iter()
                .map(|w| w / 8.0)
                .collect::<Vec<_>>();
            assert_frequencies(&rope, expected.try_into().unwrap());
            assert_eq!(rope.magnitude, 1.0);
        }
    }

    /// The numbers are those of transformers' `_compute_yarn_parameters`.
    #[test]
    fn yarn_is_that_of_transformers() {
        let yarn = RopeScaling::Yarn {
            factor: 4.0,
            original_context: 4096,
            attention_factor: 1.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            whole: true,
        };
        let rope = rope(10_000.0, yarn, None);
        let expected = [
            1.0,
            0.31622777,
            0.1,
            0.025693506,
            0.00625,
            0.0013834965,
            0.00025,
            7.905694e-5,
        ];
        assert_frequencies(&rope, expected);
        assert!((rope.magnitude - 1.138_629_4).abs() < 1e-6);
    }

    #[test]
    fn divisors_that_cannot_divide_are_refused() {
        let layout = RopeLayout::HalfSplit;
        let config = RopeConfig {
            layout,
            dims: 4,
            base: 1e4,
            scaling: RopeScaling::None,
        };
        for divisors in [&[1.0][..], &[1.0, 0.0], &[1.0, f32::NAN]] {
            assert!(Rope::new(&config, Some(divisors)).is_err());
        }
    }
}
