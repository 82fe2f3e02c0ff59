//! Tensor element types: the numbers GGUF uses for them.

use std::fmt;

use anyhow::{Result, bail};
use candle_core::quantized::GgmlDType;

use super::blocks;
use super::indexed::Indexed;

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum TensorType {
    /// One that candle has.
    Candle(GgmlDType),
    /// One that it has not.
    Indexed(Indexed),
}

impl TensorType {
    /// Elements in a block.
    pub fn block_size(self) -> usize {
        match self {
            TensorType::Candle(kind) => kind.block_size(),
            TensorType::Indexed(kind) => kind.block_size(),
        }
    }

    /// Bytes of a block.
    pub fn type_size(self) -> usize {
        match self {
            TensorType::Candle(kind) => kind.type_size(),
            TensorType::Indexed(kind) => kind.type_size(),
        }
    }

    /// Whole blocks as f32.
    pub(crate) fn widen(self, blocks: &[u8], out: &mut [f32]) {
        match self {
            TensorType::Candle(kind) => blocks::widen(kind, blocks, out),
            TensorType::Indexed(kind) => kind.widen(blocks, out),
        }
    }
}

impl From<GgmlDType> for TensorType {
    fn from(kind: GgmlDType) -> Self {
        TensorType::Candle(kind)
    }
}

impl From<Indexed> for TensorType {
    fn from(kind: Indexed) -> Self {
        TensorType::Indexed(kind)
    }
}

impl PartialEq<GgmlDType> for TensorType {
    fn eq(&self, other: &GgmlDType) -> bool {
        *self == TensorType::Candle(*other)
    }
}

impl fmt::Debug for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TensorType::Candle(kind) => kind.fmt(f),
            TensorType::Indexed(kind) => kind.fmt(f),
        }
    }
}

/// The types that this program can multiply with, by their numbers.
const CODES: [(u32, TensorType); 18] = {
    use GgmlDType::*;
    use TensorType::Candle;
    [
        (0, Candle(F32)),
        (1, Candle(F16)),
        (2, Candle(Q4_0)),
        (3, Candle(Q4_1)),
        (6, Candle(Q5_0)),
        (7, Candle(Q5_1)),
        (8, Candle(Q8_0)),
        (9, Candle(Q8_1)),
        (10, Candle(Q2K)),
        (11, Candle(Q3K)),
        (12, Candle(Q4K)),
        (13, Candle(Q5K)),
        (14, Candle(Q6K)),
        (15, Candle(Q8K)),
        (20, TensorType::Indexed(Indexed::Iq4Nl)),
        (23, TensorType::Indexed(Indexed::Iq4Xs)),
        (30, Candle(BF16)),
        (39, TensorType::Indexed(Indexed::Mxfp4)),
    ]
};

/// What all types are called, by their numbers, so that the error can name one that is not supported.
const NAMES: [&str; 42] = [
    "F32",
    "F16",
    "Q4_0",
    "Q4_1",
    "Q4_2",
    "Q4_3",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q8_1",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "Q8_K",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ3_XXS",
    "IQ1_S",
    "IQ4_NL",
    "IQ3_S",
    "IQ2_S",
    "IQ4_XS",
    "I8",
    "I16",
    "I32",
    "I64",
    "F64",
    "IQ1_M",
    "BF16",
    "Q4_0_4_4",
    "Q4_0_4_8",
    "Q4_0_8_8",
    "TQ1_0",
    "TQ2_0",
    "IQ4_NL_4_4",
    "IQ4_NL_4_8",
    "IQ4_NL_8_8",
    "MXFP4",
    "NVFP4",
    "Q1_0",
];

/// The type for a GGUF type number; `name` is the tensor's, for the error.
pub(super) fn from_code(code: u32, name: &str) -> Result<TensorType> {
    if let Some((_, kind)) = CODES.iter().find(|(known, _)| *known == code) {
        return Ok(*kind);
    }
    match NAMES.get(code as usize).filter(|name| !name.is_empty()) {
        Some(kind) => bail!(
            "tensor {name} has the type {kind} (number {code}), which is not supported: use a \
             file in F16, Q8_0, IQ4_XS or one of the Q*_K types"
        ),
        None => bail!("tensor {name} has the unknown type number {code}"),
    }
}

/// The number GGUF uses for a type.
pub fn type_code(kind: impl Into<TensorType>) -> u32 {
    let kind = kind.into();
    let own = CODES.iter().find(|(_, known)| *known == kind);
    own.map_or(u32::MAX, |(code, _)| *code)
}
