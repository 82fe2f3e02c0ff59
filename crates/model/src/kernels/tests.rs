use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use half::f16;
use s1_core::rng::Rng;

use super::*;

const TYPES: [GgmlDType; 13] = [
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q2K,
    GgmlDType::Q3K,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

/// Rows of weights: two whole tiles and a part of one.
const ROWS_OF_WEIGHTS: usize = 37;

fn product(matrix: &PackedMatrix, x: &Activations, rows: usize) -> Vec<f32> {
    let mut y = vec![0f32; rows * matrix.rows()];
    let mut out = vec![[0f32; ROWS]; rows];
    for tile in 0..matrix.tiles() {
        matrix.tile(tile, x, 0..rows, &mut out);
        for (row, out) in out.iter().enumerate() {
            for (i, value) in out.iter().enumerate() {
                if tile * ROWS + i < matrix.rows() {
                    y[row * matrix.rows() + tile * ROWS + i] = *value;
                }
            }
        }
    }
    y
}

/// Holds the products with some weights, on every instruction set of this machine and with even and
/// odd numbers of rows of activations, against those with what the weights mean.
fn check(kind: TensorType, bytes: &[u8], exact: &[f32]) {
    let (n, k) = (ROWS_OF_WEIGHTS, exact.len() / ROWS_OF_WEIGHTS);
    let mut rng = Rng::new(k as u64);
    // As many rows as are multiplied at once, all parts of them, and one over.
    for m in [1, 2, 7, 9] {
        let x: Vec<f32> = (0..m * k).map(|_| 3.0 * rng.signed_unit()).collect();
        let mut activations = Activations::default();
        activations.fill(m, k, |row, out| {
            out.copy_from_slice(&x[row * k..(row + 1) * k]);
        });
        for set in InstructionSet::available() {
            let matrix = PackedMatrix::pack_for(set, kind, bytes, n, k).unwrap();
            for (i, ours) in product(&matrix, &activations, m).iter().enumerate() {
                let (x, weights) = (&x[i / n * k..][..k], &exact[i % n * k..][..k]);
                let (mut theirs, mut size) = (0f64, 0f64);
                for (x, weight) in x.iter().zip(weights) {
                    theirs += f64::from(*x) * f64::from(*weight);
                    size += f64::from(weight.abs());
                }
                // Activations are rounded to 16 bits of their block's largest. Below the normal
                // floats there is nothing to be right about.
                let error = (f64::from(*ours) - theirs).abs();
                assert!(
                    error <= 1e-4 * size + 1e-30,
                    "{kind:?} on {set:?}, row {}: {ours} {theirs}",
                    i % n
                );
            }
        }
    }
}

/// A user would lose: right numbers. Every type, with odd numbers of blocks, against the weights
/// that candle reads.
#[test]
fn products_are_those_of_the_dequantized_weight() {
    for kind in TYPES {
        let shape = (ROWS_OF_WEIGHTS, 3 * kind.block_size().max(32));
        let weight = Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap();
        let weight = QTensor::quantize(&weight, kind).unwrap();
        let exact = weight.dequantize(&Device::Cpu).unwrap();
        let exact = exact.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        check(kind.into(), &weight.data().unwrap(), &exact);
    }
}

/// The same for the types that candle has not, against the plain reading of their blocks, with the
/// largest and the smallest scales and weights, too.
#[test]
fn products_with_indices_are_those_of_what_they_stand_for() {
    let halves = [0.02, -0.02, f32::from(f16::MAX), -65504.0, 6e-8, 0.0];
    for kind in [Indexed::Iq4Nl, Indexed::Iq4Xs, Indexed::Mxfp4] {
        let mut rng = Rng::new(1);
        let mut bytes = Vec::new();
        for row in 0..ROWS_OF_WEIGHTS {
            for _ in 0..3 {
                let mut block: Vec<u8> = (0..kind.type_size()).map(|_| rng.bits() as u8).collect();
                // Extremes fill whole rows, so that nothing larger in their sum hides them.
                if let Some(same) = [0, 255, 15, 240, 128].get(row % 7) {
                    block.fill(*same);
                }
                match kind {
                    Indexed::Mxfp4 => block[0] = [127, 0, 1, 2, 240, 100][row % 6],
                    Indexed::Iq4Nl | Indexed::Iq4Xs => {
                        let scale = f16::from_f32(halves[row % 6]).to_le_bytes();
                        block[..2].copy_from_slice(&scale);
                    }
                }
                bytes.extend(block);
            }
        }
        let mut exact = vec![0.0; ROWS_OF_WEIGHTS * 3 * kind.block_size()];
        TensorType::from(kind).widen(&bytes, &mut exact);
        check(kind.into(), &bytes, &exact);
    }
}

/// A user would lose: the sentence that a model's file is damaged, and get words instead.
#[test]
fn what_is_computed_with_no_number_is_none() {
    let weight =
        Tensor::ones((ROWS_OF_WEIGHTS, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
    let weight = QTensor::quantize(&weight, GgmlDType::Q4_1).unwrap();
    for wrong in [f32::NAN, -f32::NAN, f32::INFINITY] {
        let mut activations = Activations::default();
        activations.fill(1, 64, |_, out| {
            out.fill(1.0);
            out[5] = wrong;
        });
        for set in InstructionSet::available() {
            let bytes = weight.data().unwrap();
            let kind = GgmlDType::Q4_1.into();
            let matrix = PackedMatrix::pack_for(set, kind, &bytes, ROWS_OF_WEIGHTS, 64).unwrap();
            let computed = product(&matrix, &activations, 1);
            assert!(
                computed.iter().all(|y| !y.is_finite()),
                "{wrong} on {set:?}"
            );
        }
    }
}
