//! The small operations between the matrix products: RMS norm, rotation, the feed-forward gate and
//! the residual sum.
//!
//! Each has two forms that compute the same: a loop of our own for the CPU, spread over our own
//! threads, and candle's operations for other devices, fused where candle has them fused (at one
//! token per step a GPU's time goes into starting its kernels).

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use candle_nn::{ops, rotary_emb};

use crate::config::{Activation, RopeLayout};
use crate::parallel::{self, SharedOutput};

/// `x / sqrt(mean(x²) + eps) · weight` over the last dimension.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let x = x.contiguous()?;
    if x.device().is_cpu() {
        return x.apply_op2_no_bwd(weight, &RmsNorm { eps });
    }
    ops::rms_norm(&x, weight, eps)
}

/// Rotates the leading pairs of every head of `x` `[rows, heads, dim]` by the angles whose cosines
/// and sines are given as `[rows, pairs]`.
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor, layout: RopeLayout) -> Result<Tensor> {
    let x = x.contiguous()?;
    if x.device().is_cpu() {
        return x.apply_op3_no_bwd(cos, sin, &Rotate { layout });
    }
    rotate_elsewhere(&x, cos, sin, layout)
}

fn rotate_elsewhere(x: &Tensor, cos: &Tensor, sin: &Tensor, layout: RopeLayout) -> Result<Tensor> {
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
    if gate.device().is_cpu() {
        return gate.apply_op2_no_bwd(up, &Elementwise::Gate(activation));
    }
    gated_elsewhere(gate, up, activation)
}

fn gated_elsewhere(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    let gate = match activation {
        Activation::Silu => gate.silu()?,
        // candle's `gelu` is the tanh approximation.
        Activation::GeluTanh => gate.gelu()?,
    };
    gate * up
}

/// `x + y`, element by element.
pub(super) fn sum(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.apply_op2_no_bwd(y, &Elementwise::Sum);
    }
    x + y
}

/// The elements of a contiguous f32 tensor on the CPU.
pub(super) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("expected a contiguous tensor, got {layout:?}"),
    }
}

struct RmsNorm {
    eps: f32,
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(x, x_layout)?;
        let weight = contiguous(weight, weight_layout)?;
        let width = weight.len();
        if width == 0 || !x.len().is_multiple_of(width) {
            bail!(
                "a norm of width {width} does not fit {:?}",
                x_layout.shape()
            );
        }
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks_exact(width) {
            let mean_square = sum_of_squares(row) / width as f32;
            let scale = 1.0 / (mean_square + self.eps).sqrt();
            out.extend(row.iter().zip(weight).map(|(x, w)| x * scale * w));
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// Eight partial sums: more exact than one, and the compiler can keep them in a vector register.
fn sum_of_squares(row: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let chunks = row.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// What to do with each pair of elements.
enum Elementwise {
    Gate(Activation),
    Sum,
}

impl CustomOp2 for Elementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y) = (contiguous(x, x_layout)?, contiguous(y, y_layout)?);
        if x.len() != y.len() {
            bail!("{x_layout:?} and {y_layout:?} do not match");
        }
        let out = match self {
            Elementwise::Gate(Activation::Silu) => {
                pairwise(x, y, 16, |x, y| x / (1.0 + (-x).exp()) * y)
            }
            Elementwise::Gate(Activation::GeluTanh) => {
                let c = (2.0 / std::f32::consts::PI).sqrt();
                let gelu =
                    move |x: f32| 0.5 * x * (1.0 + f32::tanh(c * x * (1.0 + 0.044715 * x * x)));
                pairwise(x, y, 32, move |x, y| gelu(x) * y)
            }
            Elementwise::Sum => pairwise(x, y, 1, |x, y| x + y),
        };
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// `f` of each pair of elements; one costs about as much as `multiplications`.
fn pairwise(
    x: &[f32],
    y: &[f32],
    multiplications: usize,
    f: impl Fn(f32, f32) -> f32 + Sync,
) -> Vec<f32> {
    let mut out = vec![0f32; x.len()];
    let output = SharedOutput::new(&mut out);
    parallel::split(x.len(), multiplications, |range| {
        // SAFETY: each element is given to one thread.
        let out = unsafe { output.part(range.clone()) };
        for ((out, x), y) in out.iter_mut().zip(&x[range.clone()]).zip(&y[range]) {
            *out = f(*x, *y);
        }
    });
    out
}

struct Rotate {
    layout: RopeLayout,
}

impl CustomOp3 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, heads, dim) = x_layout.shape().dims3()?;
        let (table_rows, pairs) = cos_layout.shape().dims2()?;
        if table_rows != rows || sin_layout.shape() != cos_layout.shape() || 2 * pairs > dim {
            bail!("rotation tables {cos_layout:?} do not fit {x_layout:?}");
        }
        let mut out = contiguous(x, x_layout)?.to_vec();
        let (cos, sin) = (contiguous(cos, cos_layout)?, contiguous(sin, sin_layout)?);
        if pairs == 0 {
            return Ok((CpuStorage::F32(out), x_layout.shape().clone()));
        }
        let tables = cos.chunks_exact(pairs).zip(sin.chunks_exact(pairs));
        for (row, (cos, sin)) in out.chunks_exact_mut(heads * dim).zip(tables) {
            for head in row.chunks_exact_mut(dim) {
                match self.layout {
                    RopeLayout::HalfSplit => {
                        let (a, b) = head[..2 * pairs].split_at_mut(pairs);
                        for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                            (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
                        }
                    }
                    RopeLayout::Interleaved => {
                        for ((pair, c), s) in head.chunks_exact_mut(2).zip(cos).zip(sin) {
                            let (a, b) = (pair[0], pair[1]);
                            (pair[0], pair[1]) = (a * c - b * s, b * c + a * s);
                        }
                    }
                }
            }
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn ramp(shape: &[usize]) -> Tensor {
        let n = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..n)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0)
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn assert_close(a: &Tensor, b: &Tensor) {
        let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
    }

    #[test]
    fn other_devices_normalise_like_the_cpu() {
        let (x, weight) = (ramp(&[3, 19]), ramp(&[19]));
        let fast = rms_norm(&x, &weight, 1e-5).unwrap();
        assert_close(&fast, &ops::rms_norm(&x, &weight, 1e-5).unwrap());
    }

    #[test]
    fn other_devices_rotate_like_the_cpu() {
        let x = ramp(&[3, 2, 12]);
        for pairs in [6, 4] {
            let (cos, sin) = (ramp(&[3, pairs]), (ramp(&[3, pairs]) * 0.5).unwrap());
            for layout in [RopeLayout::Interleaved, RopeLayout::HalfSplit] {
                let fast = rotate(&x, &cos, &sin, layout).unwrap();
                assert_close(&fast, &rotate_elsewhere(&x, &cos, &sin, layout).unwrap());
            }
        }
    }

    #[test]
    fn other_devices_gate_like_the_cpu() {
        let (x, y) = (ramp(&[5, 40]), (ramp(&[5, 40]) * 0.5).unwrap());
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let fast = gated(&x, &y, activation).unwrap();
            assert_close(&fast, &gated_elsewhere(&x, &y, activation).unwrap());
        }
        assert_close(&sum(&x, &y).unwrap(), &(&x + &y).unwrap());
    }

    #[test]
    fn pairs_are_what_the_two_layouts_say() {
        let x = Tensor::new(&[[[1f32, 2., 3., 4.]]], &Device::Cpu).unwrap();
        // A quarter turn of the first pair, none of the second.
        let cos = Tensor::new(&[[0f32, 1.]], &Device::Cpu).unwrap();
        let sin = Tensor::new(&[[1f32, 0.]], &Device::Cpu).unwrap();
        let head = |layout| {
            let y = rotate(&x, &cos, &sin, layout).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(head(RopeLayout::Interleaved), [-2., 1., 3., 4.]);
        assert_eq!(head(RopeLayout::HalfSplit), [-3., 2., 1., 4.]);
    }
}
