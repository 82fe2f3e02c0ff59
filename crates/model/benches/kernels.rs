//! Speed of the weight products, for each type of weights and instruction set, on one thread: bytes of
//! weights read a second with one row of activations, multiplications a second with 64.
//!
//! `cargo bench -p s1-model --bench kernels`

use std::hint::black_box;
use std::time::Instant;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use s1_model::gguf::TensorType;
use s1_model::gguf::indexed::Indexed;
use s1_model::kernels::{Activations, InstructionSet, PackedMatrix, ROWS};

const TYPES: [GgmlDType; 9] = [
    GgmlDType::F16,
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q8_0,
    GgmlDType::Q3K,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

const INDEXED: [Indexed; 3] = [Indexed::Iq4Nl, Indexed::Iq4Xs, Indexed::Mxfp4];

fn main() -> anyhow::Result<()> {
    // A matrix that fits into the second cache, so that the kernel is measured and not the memory.
    let (n, k) = (512, 1536);
    println!("{}", InstructionSet::chosen().name());
    let mut matrices: Vec<(TensorType, Vec<u8>)> = Vec::new();
    for kind in TYPES {
        let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu)?;
        let weight = QTensor::quantize(&weight, kind)?;
        matrices.push((kind.into(), weight.data()?.into_owned()));
    }
    for kind in INDEXED {
        // Any byte but a few makes a scale.
        let bytes = vec![0x38; n * k / kind.block_size() * kind.type_size()];
        matrices.push((kind.into(), bytes));
    }
    for (kind, bytes) in matrices {
        let started = Instant::now();
        let matrix = PackedMatrix::pack(kind, &bytes, n, k)?;
        let pack = bytes.len() as f64 / started.elapsed().as_secs_f64() / 1e9;
        let mut line = format!("{kind:?}: laid out {pack:.2} GB/s");
        for m in [1usize, 4, 8, 64] {
            let mut x = Activations::default();
            x.fill(m, k, |row, values| {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = ((row * 31 + i * 17) % 101) as f32 / 50.0 - 1.0;
                }
            });
            let mut out = vec![[0f32; ROWS]; m];
            let mut best = f64::INFINITY;
            for _ in 0..200 / m.min(20) {
                let started = Instant::now();
                for tile in 0..matrix.tiles() {
                    matrix.tile(tile, &x, 0..m, &mut out);
                    black_box(&out);
                }
                best = best.min(started.elapsed().as_secs_f64());
            }
            let (read, products) = (matrix.bytes() as f64, (m * n * k) as f64);
            line += &format!(
                "; {m} rows {:.1} GB/s, {:.1} G multiplications/s",
                read / best / 1e9,
                products / best / 1e9
            );
        }
        println!("{line}");
    }
    Ok(())
}
