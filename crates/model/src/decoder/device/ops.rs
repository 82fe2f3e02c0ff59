//! The small operations between the matrix products on other devices, fused where candle has them
//! fused: at one token per step a GPU's time goes into starting its kernels.

use candle_core::{Result, Tensor};
use candle_nn::{ops, rotary_emb};

use crate::config::{Activation, RopeLayout};

/// `x / sqrt(mean(x²) + eps) · weight` over the last dimension.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    ops::rms_norm(&x.contiguous()?, weight, eps)
}

/// Rotates the leading pairs of every head of `x` `[rows, heads, dim]` by the angles whose cosines
/// and sines are given as `[rows, pairs]`.
pub(in crate::decoder) fn rotate(
    x: &Tensor,
    cos: &Tensor,
    sin: &Tensor,
    layout: RopeLayout,
) -> Result<Tensor> {
    let dim = x.dim(2)?;
    let turning = 2 * cos.dim(1)?;
    let turned = x.narrow(2, 0, turning)?.contiguous()?;
    let turned = match layout {
        RopeLayout::HalfSplit => rotary_emb::rope_thd(&turned.unsqueeze(0)?, cos, sin)?,
        RopeLayout::Interleaved => {
            let by_head = turned.transpose(0, 1)?.contiguous()?.unsqueeze(0)?;
            rotary_emb::rope_i(&by_head, cos, sin)?
                .transpose(1, 2)?
                .contiguous()?
        }
    };
    let turned = turned.squeeze(0)?;
    if turning == dim {
        return Ok(turned);
    }
    Tensor::cat(&[turned, x.narrow(2, turning, dim - turning)?], 2)
}

/// `activation(gate) · up`, element by element.
pub(super) fn gated(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    let gate = match activation {
        Activation::Silu => gate.silu()?,
        // candle's `gelu` is the tanh approximation.
        Activation::GeluTanh => gate.gelu()?,
        Activation::ClampedSwiglu => {
            let gate = gate.minimum(f64::from(Activation::LIMIT))?;
            let turned = (&gate * ops::sigmoid(&(&gate * f64::from(Activation::SLOPE))?)?)?;
            return turned * (up.clamp(-Activation::LIMIT, Activation::LIMIT)? + 1.0)?;
        }
    };
    gate * up
}
