//! Numbers into the types that weights are stored as: for a file that is written, and for a model
//! that is rounded while it is loaded.
//!
//! Not here: the way back ([`super::rows`]).

use anyhow::{Result, bail};
use candle_core::quantized::GgmlDType;
use half::f16;
use s1_core::training::Quantization;

use crate::gguf::blocks;

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
        GgmlDType::Q8_0 => blocks::to_q8_0(values),
        GgmlDType::Q4_0 => blocks::to_q4_0(values),
        other => bail!("nothing is stored as {other:?} here"),
    })
}
