//! A weight matrix of a model file as f32 rows on demand: the embedding, the trainer's frozen
//! layers, and converters.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::gguf::{Bytes, Gguf, TensorType};

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
        let (bytes, range) = gguf.shared(info);
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

    /// The given rows as f32, `[rows, columns]`, in `scratch`.
    pub fn widened<'a>(&self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(rows.len() * self.columns, 0.0);
        self.kind.widen(self.data(rows), scratch);
        scratch
    }

    /// All of it as f32, row after row.
    pub fn to_vec(&self) -> Vec<f32> {
        let mut all = Vec::new();
        self.widened(0..self.rows, &mut all);
        all
    }

    fn data(&self, rows: Range<usize>) -> &[u8] {
        let per_row = self.range.len() / self.rows;
        let data = &self.bytes[self.range.clone()];
        &data[rows.start * per_row..rows.end * per_row]
    }
}

/// Whole blocks of a type as f32.
pub fn widened(kind: TensorType, blocks: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; blocks.len() / kind.type_size() * kind.block_size()];
    kind.widen(blocks, &mut out);
    out
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
