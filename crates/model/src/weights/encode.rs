//! Numbers into the types that weights are stored as: for a file that is written, and for a model
//! that is rounded while it is loaded.
//!
//! Not here: the way back ([`super::rows`]).

use anyhow::{Result, bail};
use candle_core::quantized::k_quants::{BlockQ4_0, BlockQ8_0};
use candle_core::quantized::{GgmlDType, GgmlType};
use half::f16;
use s1_core::training::Quantization;

/// The type of one tensor: vectors stay in f32, and rows that are not whole blocks in f16.
pub fn tensor_type(kind: Quantization, name: &str, shape: &[usize]) -> GgmlDType {
    let columns = shape.last().copied().unwrap_or(1);
    let outer = matches!(name, "token_embd.weight" | "output.weight");
    match kind {
        _ if shape.len() < 2 => GgmlDType::F32,
        Quantization::F32 => GgmlDType::F32,
        Quantization::F16 => GgmlDType::F16,
        _ if !columns.is_multiple_of(32) => GgmlDType::F16,
        Quantization::Q4_0 if !outer => GgmlDType::Q4_0,
        _ => GgmlDType::Q8_0,
    }
}

/// Values in a tensor type's bytes.
///
/// # Errors
/// For a type that nothing is stored as.
pub fn encode(kind: GgmlDType, values: &[f32]) -> Result<Vec<u8>> {
    Ok(match kind {
        GgmlDType::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        GgmlDType::F16 => values
            .iter()
            .flat_map(|&v| f16::from_f32(v).to_le_bytes())
            .collect(),
        GgmlDType::Q8_0 => blocks::<BlockQ8_0>(values),
        GgmlDType::Q4_0 => blocks::<BlockQ4_0>(values),
        other => bail!("nothing is stored as {other:?} here"),
    })
}

fn blocks<T: GgmlType>(values: &[f32]) -> Vec<u8> {
    let mut blocks = vec![T::zeros(); values.len() / T::BLCK_SIZE];
    T::from_float(values, &mut blocks);
    // SAFETY: candle's block types are plain numbers without padding, so all their bytes are
    // initialised; the slice covers exactly the vector's blocks and lives while it does.
    let bytes = unsafe {
        std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), size_of_val(&blocks[..]))
    };
    bytes.to_vec()
}
