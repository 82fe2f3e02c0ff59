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

/// Types that exist elsewhere but not here, so that the error can name them.
const UNSUPPORTED: [(u32, &str); 19] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

/// The type for a GGUF type number; `name` is the tensor's, for the error.
pub(super) fn from_code(code: u32, name: &str) -> Result<GgmlDType> {
    if let Some((_, kind)) = CODES.iter().find(|(known, _)| *known == code) {
        return Ok(*kind);
    }
    match UNSUPPORTED.iter().find(|(known, _)| *known == code) {
        Some((_, kind)) => bail!(
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
