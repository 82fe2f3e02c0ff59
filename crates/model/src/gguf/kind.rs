//! Tensor element types: the numbers GGUF uses for them and the sizes of their blocks.

use anyhow::{Result, bail};
use candle_core::quantized::GgmlDType;

/// The element type of a tensor: one that this program can multiply with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorKind(GgmlDType);

impl TensorKind {
    /// The type for a GGUF type number; `name` is the tensor's, for the error.
    pub(crate) fn from_code(code: u32, name: &str) -> Result<Self> {
        use GgmlDType as D;
        Ok(Self(match code {
            0 => D::F32,
            1 => D::F16,
            2 => D::Q4_0,
            3 => D::Q4_1,
            6 => D::Q5_0,
            7 => D::Q5_1,
            8 => D::Q8_0,
            9 => D::Q8_1,
            10 => D::Q2K,
            11 => D::Q3K,
            12 => D::Q4K,
            13 => D::Q5K,
            14 => D::Q6K,
            15 => D::Q8K,
            30 => D::BF16,
            _ => match unsupported_name(code) {
                Some(kind) => bail!(
                    "tensor {name} has the type {kind} (number {code}), which is not supported: \
                     use a file in F16, Q8_0 or one of the Q*_K types"
                ),
                None => bail!("tensor {name} has the unknown type number {code}"),
            },
        }))
    }

    /// The number GGUF uses for the type.
    pub fn code(self) -> u32 {
        use GgmlDType as D;
        match self.0 {
            D::F32 => 0,
            D::F16 => 1,
            D::Q4_0 => 2,
            D::Q4_1 => 3,
            D::Q5_0 => 6,
            D::Q5_1 => 7,
            D::Q8_0 => 8,
            D::Q8_1 => 9,
            D::Q2K => 10,
            D::Q3K => 11,
            D::Q4K => 12,
            D::Q5K => 13,
            D::Q6K => 14,
            D::Q8K => 15,
            D::BF16 => 30,
        }
    }

    /// The same type as candle names it.
    pub fn dtype(self) -> GgmlDType {
        self.0
    }

    pub fn block_elements(self) -> usize {
        self.0.block_size()
    }

    pub fn block_bytes(self) -> usize {
        self.0.type_size()
    }
}

impl From<GgmlDType> for TensorKind {
    fn from(dtype: GgmlDType) -> Self {
        Self(dtype)
    }
}

/// Names of the types that exist elsewhere but not here, so that the error can name them.
fn unsupported_name(code: u32) -> Option<&'static str> {
    Some(match code {
        4 => "Q4_2",
        5 => "Q4_3",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return None,
    })
}
