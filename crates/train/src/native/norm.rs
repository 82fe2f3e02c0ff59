//! RMS norm and its backward pass.

use super::math::vectorised;

/// `y = x / sqrt(mean(x²) + eps) · w` over rows as wide as `w`.
pub fn forward(x: &[f32], weight: &[f32], eps: f32, y: &mut Vec<f32>) {
    y.resize(x.len(), 0.0);
    rows(x, weight, eps, y);
}

vectorised! {
    fn rows(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
        let width = weight.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let scale = scale(x, eps);
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * scale * w;
            }
        }
    }
}

vectorised! {
    /// Adds the input's gradient to `dx` and the weight's to `dw`.
    ///
    /// With `s = 1 / sqrt(mean(x²) + eps)` and `g = dy · w`: `dx = s · g − s³ · x · mean(g · x)`.
    pub fn backward(
        x: &[f32],
        weight: &[f32],
        eps: f32,
        dy: &[f32],
        dx: &mut [f32],
        dw: Option<&mut [f32]>,
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.clone().zip(dx.chunks_exact_mut(width)) {
            let s = scale(x, eps);
            let mut sums = [0f32; 8];
            for (i, ((x, dy), w)) in x.iter().zip(dy).zip(weight).enumerate() {
                sums[i % 8] += x * dy * w;
            }
            let mean = sums.iter().sum::<f32>() / width as f32;
            let pull = s * s * s * mean;
            for (((dx, x), dy), w) in dx.iter_mut().zip(x).zip(dy).zip(weight) {
                *dx += s * dy * w - pull * x;
            }
        }
        if let Some(dw) = dw {
            for (x, dy) in rows {
                let s = scale(x, eps);
                for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
                    *dw += s * x * dy;
                }
            }
        }
    }
}

#[inline(always)]
fn scale(x: &[f32], eps: f32) -> f32 {
    let mut sums = [0f32; 8];
    let (whole, rest) = x.as_chunks::<8>();
    for x in whole {
        for lane in 0..8 {
            sums[lane] += x[lane] * x[lane];
        }
    }
    let sum = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
    1.0 / (sum / x.len() as f32 + eps).sqrt()
}
