//! The gated feed-forward's non-linearity, `act(gate) · up`, and its backward pass.

use s1_model::config::Activation;

use super::math::{exp, vectorised};

/// `y = act(gate) · up`.
pub fn forward(kind: Activation, gate: &[f32], up: &[f32], y: &mut Vec<f32>) {
    y.resize(gate.len(), 0.0);
    match kind {
        // gpt-oss is not trained.
        Activation::Silu | Activation::ClampedSwiglu => silu(gate, up, y),
        Activation::GeluTanh => gelu(gate, up, y),
    }
}

/// Replaces `dy` by the gradient of `up`, and writes the gradient of `gate`.
pub fn backward(kind: Activation, gate: &[f32], up: &[f32], dy: &mut [f32], dgate: &mut Vec<f32>) {
    dgate.resize(gate.len(), 0.0);
    match kind {
        Activation::Silu | Activation::ClampedSwiglu => silu_backward(gate, up, dy, dgate),
        Activation::GeluTanh => gelu_backward(gate, up, dy, dgate),
    }
}

vectorised! {
    fn silu(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
            *y = g / (1.0 + exp(-g)) * u;
        }
    }
}

vectorised! {
    fn silu_backward(gate: &[f32], up: &[f32], dy: &mut [f32], dgate: &mut [f32]) {
        for (((dy, dg), g), u) in dy.iter_mut().zip(dgate).zip(gate).zip(up) {
            let s = 1.0 / (1.0 + exp(-g));
            *dg = *dy * u * s * (1.0 + g * (1.0 - s));
            *dy *= g * s;
        }
    }
}

/// √(2/π) and the cubic coefficient of the tanh approximation.
const ROOT: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[inline(always)]
fn tanh(z: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * z) + 1.0)
}

vectorised! {
    fn gelu(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
            let t = tanh(ROOT * (g + CUBIC * g * g * g));
            *y = 0.5 * g * (1.0 + t) * u;
        }
    }
}

vectorised! {
    fn gelu_backward(gate: &[f32], up: &[f32], dy: &mut [f32], dgate: &mut [f32]) {
        for (((dy, dg), g), u) in dy.iter_mut().zip(dgate).zip(gate).zip(up) {
            let t = tanh(ROOT * (g + CUBIC * g * g * g));
            let slope = 0.5 * (1.0 + t)
                + 0.5 * g * (1.0 - t * t) * ROOT * (1.0 + 3.0 * CUBIC * g * g);
            *dg = *dy * u * slope;
            *dy *= 0.5 * g * (1.0 + t);
        }
    }
}
