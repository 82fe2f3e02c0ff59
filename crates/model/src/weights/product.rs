//! Products with weights whose kernels are candle's: the floating-point types, and the few quantized
//! ones that [`super::quantized`] leaves out.
//! Only the loops around the kernels are here, spread over our own threads.

use candle_core::Result;
use candle_core::quantized::GgmlType;

use crate::parallel::{self, SharedOutput};

/// Rows of weights that a kernel takes at once.
const QUAD: usize = 4;

fn check<T: GgmlType>(
    (m, k, n): (usize, usize, usize),
    lhs: &[f32],
    weight: &[T],
    dst: &[f32],
) -> Result<()> {
    let blocks = k / T::BLCK_SIZE;
    let fits = k.is_multiple_of(T::BLCK_SIZE)
        && lhs.len() == m * k
        && weight.len() == n * blocks
        && dst.len() == m * n
        && k > 0;
    if !fits {
        candle_core::bail!("matrix product with wrong sizes ({m}, {k}, {n})");
    }
    Ok(())
}

/// `dst[m, n] = lhs[m, k] · weight[n, k]ᵀ` for unquantized weights, widened row by row so that
/// activations keep their f32 precision and range (candle would round them to the weight's type:
/// f16 overflows at 65504, which Gemma's feed-forward activations reach).
pub(super) fn unquantized<T: GgmlType>(
    (m, k, n): (usize, usize, usize),
    lhs: &[f32],
    weight: &[T],
    dst: &mut [f32],
) -> Result<()> {
    check((m, k, n), lhs, weight, dst)?;
    let out = SharedOutput::new(dst);
    parallel::split(n, m * k, |columns| {
        let mut wide = vec![0f32; k];
        for column in columns {
            T::to_float(&weight[column * k..(column + 1) * k], &mut wide);
            for (row, x) in lhs.chunks_exact(k).enumerate() {
                // SAFETY: every column is given to exactly one thread.
                unsafe { out.set(row * n + column, f32::vec_dot(k, &wide, x)) };
            }
        }
    });
    Ok(())
}

/// `dst[m, n] = lhs[m, k] · weight[n, k]ᵀ` for quantized weights: the activations are rounded to
/// the type that candle's kernel for this weight type multiplies with.
pub(super) fn rounded<T: GgmlType>(
    (m, k, n): (usize, usize, usize),
    lhs: &[f32],
    weight: &[T],
    dst: &mut [f32],
) -> Result<()> {
    check((m, k, n), lhs, weight, dst)?;
    let blocks = k / T::BLCK_SIZE;
    let mut activations = vec![T::VecDotType::zeros(); m * blocks];
    for (x, y) in lhs
        .chunks_exact(k)
        .zip(activations.chunks_exact_mut(blocks))
    {
        T::VecDotType::from_float(x, y);
    }
    let out = SharedOutput::new(dst);
    let weights = |column: usize| &weight[column * blocks..(column + 1) * blocks];
    parallel::split(n.div_ceil(QUAD), QUAD * m * k, |quads| {
        for quad in quads {
            let first = quad * QUAD;
            for (row, x) in activations.chunks_exact(blocks).enumerate() {
                // SAFETY: every column is given to exactly one thread.
                let set = |column: usize, y| unsafe { out.set(row * n + column, y) };
                if first + QUAD <= n {
                    let w = [first, first + 1, first + 2, first + 3].map(weights);
                    let (a, b, c, d) = T::vec_dot_4(k, w[0], w[1], w[2], w[3], x);
                    for (i, y) in [a, b, c, d].into_iter().enumerate() {
                        set(first + i, y);
                    }
                } else {
                    for column in first..n {
                        set(column, T::vec_dot(k, weights(column), x));
                    }
                }
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    use crate::gguf::{AlignedBytes, Bytes};
    use crate::parallel::Pool;
    use crate::weights::mapped::storage_over;

    /// A user would lose: the same trace from the same seed on another machine. The number of
    /// threads changes no bit of a product, of any type; and the product is right.
    #[test]
    fn the_number_of_threads_changes_nothing() {
        use GgmlDType as D;
        let (m, k, n) = (3, 512, 511);
        let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
        let x = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
        let lhs = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for dtype in [
            D::F32,
            D::F16,
            D::BF16,
            D::Q4_0,
            D::Q5_1,
            D::Q8_0,
            D::Q2K,
            D::Q3K,
            D::Q4K,
            D::Q5K,
            D::Q6K,
        ] {
            let rounded = QTensor::quantize(&weight, dtype).unwrap();
            let bytes = Bytes::Owned(AlignedBytes::copy_of(&rounded.data().unwrap()));
            let len = bytes.len();
            let storage = storage_over(dtype, Arc::new(bytes), 0..len).unwrap();
            let on = |threads| {
                Pool::new(threads).enter();
                let mut dst = vec![0f32; m * n];
                storage.matmul_t((m, k, n), &lhs, &mut dst).unwrap();
                dst
            };
            let alone = on(1);
            for threads in [2, 5] {
                assert_eq!(alone, on(threads), "{dtype:?} on {threads} threads");
            }
            let exact = rounded.dequantize(&Device::Cpu).unwrap().t().unwrap();
            let exact = x.matmul(&exact).unwrap().flatten_all().unwrap();
            for (y, exact) in alone.iter().zip(exact.to_vec1::<f32>().unwrap()) {
                // Products of about 23 in the mean square; activations are rounded to 8 bits.
                assert!((y - exact).abs() < 1.0, "{dtype:?}: {y} and {exact}");
            }
        }
    }
}
