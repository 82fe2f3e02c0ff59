//! Tensor element types: the numbers GGUF uses for them.

use anyhow::{Result, bail};
use candle_core::quantized::GgmlDType;

/// The types that this program can multiply with, by their numbers.
const CODES: [(u32, GgmlDType); 15] = {
    use GgmlDType::*;
    [
        (0, F32),
        (1, F16),
        (2, Q4_0),
        (3, Q4_1),
        (6, Q5_0),
        (7, Q5_1),
        (8, Q8_0),
        (9, Q8_1),
        (10, Q2K),
        (11, Q3K),
        (12, Q4K),
        (13, Q5K),
        (14, Q6K),
        (15, Q8K),
        (30, BF16),
    ]
};

/// What all types are called, by their numbers, so that the error can name one that is not supported.
const NAMES: [&str; 40] = [
    "F32", "F16", "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K",
    "Q4_K", "Q5_K", "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8", "I16", "I32", "I64", "F64", "IQ1_M", "BF16", "", "", "", "TQ1_0",
    "TQ2_0", "", "", "", "MXFP4",
];

/// The type for a GGUF type number; `name` is the tensor's, for the error.
pub(super) fn from_code(code: u32, name: &str) -> Result<GgmlDType> {
    if let Some((_, kind)) = CODES.iter().find(|(known, _)| *known == code) {
        return Ok(*kind);
    }
    match NAMES.get(code as usize).filter(|name| !name.is_empty()) {
        Some(kind) => bail!(
            "tensor {name} has the type {kind} (number {code}), which is not supported: use a \
             file in F16, Q8_0 or one of the Q*_K types"
        ),
        None => bail!("tensor {name} has the unknown type number {code}"),
    }
}

/// The number GGUF uses for a type.
pub fn type_code(kind: GgmlDType) -> u32 {
    let own = CODES.iter().find(|(_, known)| *known == kind);
    own.map_or(u32::MAX, |(code, _)| *code)
}
