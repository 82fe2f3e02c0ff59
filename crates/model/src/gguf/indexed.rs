//! Types of weights that candle has not, whose four bits are indices to a table of sixteen numbers:
//! what their blocks mean, in plain Rust. The layouts are ggml's (`ggml-common.h`, and
//! `dequantize_row_*` in `ggml-quants.c`).
//!
//! Not here: products with them (see [`crate::kernels`], which is held against this).

use half::f16;

/// What the indices of IQ4_NL and IQ4_XS stand for: close together around zero, where most weights
/// are.
pub(crate) const UNEVEN: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// What those of MXFP4 stand for: twice the floats of a sign, two bits of exponent and one more bit
/// (E2M1).
pub(crate) const FLOATS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// A type of indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Indexed {
    /// A scale and 32 indices to [`UNEVEN`].
    Iq4Nl,
    /// A scale and eight times a signed factor of six bits and 32 indices to [`UNEVEN`].
    Iq4Xs,
    /// A power of two and 32 indices to [`FLOATS`].
    Mxfp4,
}

impl Indexed {
    /// Weights in a block.
    pub const fn block_size(self) -> usize {
        match self {
            Indexed::Iq4Nl | Indexed::Mxfp4 => 32,
            Indexed::Iq4Xs => 256,
        }
    }

    /// Bytes of a block.
    pub const fn type_size(self) -> usize {
        match self {
            Indexed::Iq4Nl => 18,
            Indexed::Iq4Xs => 136,
            Indexed::Mxfp4 => 17,
        }
    }

    /// Whole blocks as f32.
    pub(super) fn widen(self, blocks: &[u8], out: &mut [f32]) {
        let blocks = blocks.chunks_exact(self.type_size());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.block_size())) {
            match self {
                Indexed::Iq4Nl => look_up(&UNEVEN, scale(block), &block[2..], out),
                Indexed::Iq4Xs => {
                    let upper = u16::from_le_bytes([block[2], block[3]]);
                    for (j, out) in out.chunks_exact_mut(32).enumerate() {
                        let low = block[4 + j / 2] >> (4 * (j % 2)) & 15;
                        let high = (upper >> (2 * j) & 3) as u8;
                        let factor = f32::from(low | high << 4) - 32.0;
                        look_up(&UNEVEN, scale(block) * factor, &block[8 + 16 * j..], out);
                    }
                }
                Indexed::Mxfp4 => {
                    // Its exponent has a bias of 127; one more halves the numbers of the table.
                    let scale = 2f64.powi(i32::from(block[0]) - 128) as f32;
                    look_up(&FLOATS, scale, &block[1..], out);
                }
            }
        }
    }
}

fn scale(block: &[u8]) -> f32 {
    f16::from_le_bytes([block[0], block[1]]).to_f32()
}

/// 32 weights: the indices of the first half are the lower halves of the first sixteen bytes.
fn look_up(table: &[i8; 16], scale: f32, indices: &[u8], out: &mut [f32]) {
    let (first, second) = out.split_at_mut(16);
    for ((first, second), byte) in first.iter_mut().zip(second).zip(indices) {
        *first = scale * f32::from(table[usize::from(byte & 15)]);
        *second = scale * f32::from(table[usize::from(byte >> 4)]);
    }
}
