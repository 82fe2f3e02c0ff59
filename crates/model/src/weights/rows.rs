//! A weight matrix of a model file as f32 rows on demand: the embedding, the trainer's frozen
//! layers, and converters.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use candle_core::quantized::GgmlDType;
use candle_core::quantized::GgmlType;
use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0, BlockQ8_1, BlockQ8K,
};
use half::{bf16, f16};

use crate::gguf::{AlignedBytes, Bytes, Gguf, TensorType};

/// A matrix `[rows, columns]` (a vector is one row) that stays in its file's type.
#[derive(Clone, Debug)]
pub struct WeightRows {
    bytes: Arc<Bytes>,
    range: Range<usize>,
    kind: TensorType,
    /// Outer dimension.
    pub rows: usize,
    /// Inner dimension.
    pub columns: usize,
}

impl WeightRows {
    /// A tensor of a file. Errors if the file has none of this name.
    pub fn open(gguf: &Gguf, name: &str) -> Result<WeightRows> {
        let info = gguf
            .tensor(name)
            .with_context(|| format!("the file has no tensor {name}"))?;
        let columns = info.shape.last().copied().unwrap_or(1);
        let rows = info.elements() / columns.max(1);
        let (mut bytes, mut range) = gguf.shared(info);
        // Blocks are read in place where they are aligned for their type (f32 is the strictest).
        if !(bytes[range.clone()].as_ptr() as usize).is_multiple_of(align_of::<f32>()) {
            bytes = Arc::new(Bytes::Owned(AlignedBytes::copy_of(&bytes[range])));
            range = 0..bytes.len();
        }
        Ok(WeightRows {
            bytes,
            range,
            kind: info.kind,
            rows,
            columns,
        })
    }

    /// Bytes of the tensor in its own type.
    pub fn bytes(&self) -> usize {
        self.range.len()
    }

    /// The given rows as f32, `[rows, columns]`: in place if that is their type, else through
    /// `scratch`.
    pub fn widened<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        use GgmlDType as D;
        let kind = match self.kind {
            TensorType::Candle(kind) => kind,
            TensorType::Indexed(kind) => {
                scratch.resize(rows.len() * self.columns, 0.0);
                kind.widen(self.data(rows), scratch);
                return scratch;
            }
        };
        match kind {
            D::F32 => self.blocks::<f32>(rows),
            D::F16 => self.convert::<f16>(rows, scratch),
            D::BF16 => self.convert::<bf16>(rows, scratch),
            D::Q4_0 => self.convert::<BlockQ4_0>(rows, scratch),
            D::Q4_1 => self.convert::<BlockQ4_1>(rows, scratch),
            D::Q5_0 => self.convert::<BlockQ5_0>(rows, scratch),
            D::Q5_1 => self.convert::<BlockQ5_1>(rows, scratch),
            D::Q8_0 => self.convert::<BlockQ8_0>(rows, scratch),
            D::Q8_1 => self.convert::<BlockQ8_1>(rows, scratch),
            D::Q2K => self.convert::<BlockQ2K>(rows, scratch),
            D::Q3K => self.convert::<BlockQ3K>(rows, scratch),
            D::Q4K => self.convert::<BlockQ4K>(rows, scratch),
            D::Q5K => self.convert::<BlockQ5K>(rows, scratch),
            D::Q6K => self.convert::<BlockQ6K>(rows, scratch),
            D::Q8K => self.convert::<BlockQ8K>(rows, scratch),
        }
    }

    /// All of it as f32, row after row.
    pub fn to_vec(&self) -> Vec<f32> {
        let mut scratch = Vec::new();
        match self.kind {
            TensorType::Candle(GgmlDType::F32) => self.blocks::<f32>(0..self.rows).to_vec(),
            _ => {
                self.widened(0..self.rows, &mut scratch);
                scratch
            }
        }
    }

    fn data(&self, rows: Range<usize>) -> &[u8] {
        let per_row = self.range.len() / self.rows;
        let data = &self.bytes[self.range.clone()];
        &data[rows.start * per_row..rows.end * per_row]
    }

    fn blocks<T: GgmlType>(&self, rows: Range<usize>) -> &[T] {
        cast(self.data(rows))
    }

    fn convert<'a, T: GgmlType>(
        &'a self,
        rows: Range<usize>,
        scratch: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        scratch.resize(rows.len() * self.columns, 0.0);
        T::to_float(self.blocks::<T>(rows), scratch);
        scratch
    }
}

/// Whole blocks of a type as f32.
pub fn widened(kind: TensorType, blocks: &[u8]) -> Vec<f32> {
    let bytes = AlignedBytes::copy_of(blocks);
    let columns = blocks.len() / kind.type_size() * kind.block_size();
    let rows = WeightRows {
        bytes: Arc::new(Bytes::Owned(bytes)),
        range: 0..blocks.len(),
        kind,
        rows: 1,
        columns,
    };
    rows.to_vec()
}

/// Whole, aligned blocks inside bytes.
fn cast<T: GgmlType>(data: &[u8]) -> &[T] {
    assert!((data.as_ptr() as usize).is_multiple_of(align_of::<T>()));
    // SAFETY: alignment has just been checked and the length is rounded down to whole blocks. `T` is
    // one of candle's block types: plain numbers, for which every bit pattern is a value.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), data.len() / size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::tiny_gguf;
    use crate::weights::{DeviceMatrix, Weights};

    const INDEXED: &[u8] = include_bytes!("../gguf/fixtures/indexed.gguf");

    #[test]
    fn rows_are_the_same_whether_read_one_by_one_or_at_once() {
        for arch in ["llama", "qwen2", "qwen3"] {
            let gguf = Gguf::from_bytes(tiny_gguf(arch, 3)).unwrap();
            let rows = WeightRows::open(&gguf, "blk.0.ffn_down.weight").unwrap();
            assert_eq!((rows.rows, rows.columns), (64, 96));
            let all = rows.to_vec();
            let mut scratch = Vec::new();
            for row in 0..rows.rows {
                let one = rows.widened(row..row + 1, &mut scratch);
                assert_eq!(one, &all[row * 96..(row + 1) * 96], "{arch}");
            }
        }
    }

    /// A user would lose: the weights that llama.cpp sees. The file is the `gguf` package's, with
    /// its own reading of the blocks beside them (`tests/peers/make_indexed_gguf.py`).
    #[test]
    fn types_that_candle_has_not_mean_what_ggml_says() {
        let gguf = Gguf::from_bytes(INDEXED.to_vec()).unwrap();
        for name in ["IQ4_NL", "IQ4_XS", "MXFP4"] {
            let ours = WeightRows::open(&gguf, name).unwrap();
            let theirs = WeightRows::open(&gguf, &format!("{name}.f32")).unwrap();
            assert_eq!(ours.to_vec(), theirs.to_vec(), "{name}");
            let (last, mut scratch) = (ours.rows - 1, Vec::new());
            let row = ours.widened(last..last + 1, &mut scratch);
            assert_eq!(row, &theirs.to_vec()[last * ours.columns..], "{name}");

            let weights = Weights::new(&gguf);
            let tensor = weights.tensor(name, ours.rows, ours.columns).unwrap();
            let DeviceMatrix::Numbers(tensor) = tensor else {
                panic!("candle has no blocks of it");
            };
            let tensor = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(tensor, theirs.to_vec(), "{name} for candle");
            assert!(weights.is_rounded(name));
        }
    }
}
