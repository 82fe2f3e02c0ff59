use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

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

/// A user would lose: right numbers. Every type, on every instruction set of this machine, with odd
/// numbers of rows and blocks, against the product with the weights that candle reads.
#[test]
fn products_are_those_of_the_dequantized_weight() {
    let n = 37;
    for dtype in TYPES {
        let k = 3 * dtype.block_size().max(32);
        let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
        let weight = QTensor::quantize(&weight, dtype).unwrap();
        let exact = weight.dequantize(&Device::Cpu).unwrap();
        for m in [1, 2, 7] {
            let x = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
            let lhs = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let theirs = x.matmul(&exact.t().unwrap()).unwrap();
            let theirs = theirs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let mut activations = Activations::default();
            activations.fill(m, k, |row, out| {
                out.copy_from_slice(&lhs[row * k..(row + 1) * k]);
            });
            for set in InstructionSet::available() {
                let bytes = weight.data().unwrap();
                let matrix = PackedMatrix::pack_for(set, dtype, &bytes, n, k).unwrap();
                for (ours, theirs) in product(&matrix, &activations, m).iter().zip(&theirs) {
                    assert!(
                        (ours - theirs).abs() < 5e-3,
                        "{dtype:?} on {set:?}: {ours} {theirs}"
                    );
                }
            }
        }
    }
}
