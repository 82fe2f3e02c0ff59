//! The tensors of a model file by name, each in the form in which it is computed with: laid out for
//! the CPU's kernels, as candle's tensors, or as plain numbers.
//!
//! On a GPU the weights of a small model are widened: candle's products with blocks round the
//! activations to eight bits, which a small model shows most (`docs/parity.md`) and saves no time
//! for. So are weights of a type that candle has not.
//!
//! Not here: which tensors a model has.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};

use super::gguf::{AlignedBytes, Gguf, TensorInfo, TensorType};
use super::kernels::PackedMatrix;
use super::kernels::kv::CacheType;
use super::parallel;
use rows::WeightRows;

pub mod encode;
pub mod rows;

/// Largest number of parameters of a model whose weights are widened on a GPU, to 4 GB.
const WIDE: u64 = 1_000_000_000;

/// The low-rank addition of one linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRankFactors {
    /// Rows of A.
    pub rank: usize,
    /// Factor on B · A.
    pub scale: f32,
    /// `[rank, in]`.
    pub a: Vec<f32>,
    /// `[out, rank]`, rows in GGUF's order.
    pub b: Vec<f32>,
}

/// Reads a model's tensors by name, checking every shape.
pub struct Weights<'a> {
    gguf: &'a Gguf,
    device: Device,
}

impl<'a> Weights<'a> {
    /// A reader of the tensors of `gguf`.
    pub fn new(gguf: &'a Gguf) -> Self {
        Self {
            gguf,
            device: Device::Cpu,
        }
    }

    /// The same, with tensors on a device.
    pub fn on(&self, device: &Device) -> Self {
        Self {
            gguf: self.gguf,
            device: device.clone(),
        }
    }

    /// A matrix `[rows, columns]` for the CPU's kernels. Its pages of the file are given back.
    pub fn packed(&self, name: &str, rows: usize, columns: usize) -> Result<PackedMatrix> {
        let info = self.info(name, &[rows, columns])?;
        let (kind, blocks) = self.blocks(name, info)?;
        let matrix = PackedMatrix::pack(kind, &blocks, rows, columns)
            .with_context(|| format!("cannot load tensor {name}"))?;
        self.gguf.forget(info);
        Ok(matrix)
    }

    /// A matrix `[rows, columns]` on the device, and whether to multiply with it in f32.
    pub fn tensor(&self, name: &str, rows: usize, columns: usize) -> Result<(QTensor, bool)> {
        let info = self.info(name, &[rows, columns])?;
        // The upload casts the bytes to blocks and insists on their alignment.
        let (kind, copy) = match self.blocks(name, info)? {
            (TensorType::Candle(kind), blocks) => (kind, AlignedBytes::copy_of(&blocks)),
            (TensorType::Indexed(_), _) => {
                let values = WeightRows::open(self.gguf, name)?.to_vec();
                let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
                (GgmlDType::F32, AlignedBytes::copy_of(&bytes))
            }
        };
        let bytes = Cow::Borrowed(copy.as_slice());
        let load = || {
            let storage = QStorage::from_data(bytes, &self.device, kind)?;
            QTensor::new(storage, (rows, columns))
        };
        let tensor = load().with_context(|| format!("cannot load tensor {name}"))?;
        Ok((tensor, Weights::are_widened(self.gguf)))
    }

    /// A matrix `[rows, columns]` whose rows are widened when they are needed.
    pub fn rows(&self, name: &str, rows: usize, columns: usize) -> Result<WeightRows> {
        self.info(name, &[rows, columns])?;
        WeightRows::open(self.gguf, name)
    }

    /// A vector of `len` numbers (converted if the file holds another type).
    pub fn numbers(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.info(name, &[len])?;
        Ok(WeightRows::open(self.gguf, name)?.to_vec())
    }

    /// A vector if the file has it.
    pub fn optional_numbers(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>> {
        match self.contains(name) {
            true => self.numbers(name, len).map(Some),
            false => Ok(None),
        }
    }

    /// [`Weights::numbers`] on the device.
    pub fn vector(&self, name: &str, len: usize) -> Result<Tensor> {
        let numbers = self.numbers(name, len)?;
        Tensor::from_vec(numbers, len, &self.device)
            .with_context(|| format!("cannot load tensor {name}"))
    }

    /// A vector on the device if the file has it.
    pub fn optional_vector(&self, name: &str, len: usize) -> Result<Option<Tensor>> {
        match self.contains(name) {
            true => self.vector(name, len).map(Some),
            false => Ok(None),
        }
    }

    /// Whether the file has this tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }

    /// Whether matrices are f32 on a device, whatever they are in the file.
    pub fn are_widened(gguf: &Gguf) -> bool {
        gguf.parameters() <= WIDE
    }

    /// How a model remembers keys and values, where nobody says otherwise.
    pub fn cache_type(&self) -> CacheType {
        match self.is_rounded("blk.0.attn_k.weight") {
            true => CacheType::F16,
            false => CacheType::F32,
        }
    }

    /// Whether a tensor is computed with in less than full precision.
    pub fn is_rounded(&self, name: &str) -> bool {
        let info = self.gguf.tensor(name);
        info.is_some_and(|info| self.gguf.loaded_type(name, info) != GgmlDType::F32)
    }

    /// The blocks of a tensor in the type in which it is to be loaded.
    fn blocks(&self, name: &str, info: &TensorInfo) -> Result<(TensorType, Cow<'a, [u8]>)> {
        let data = self.gguf.data(info);
        let kind = self.gguf.loaded_type(name, info);
        let TensorType::Candle(to) = kind else {
            return Ok((kind, data));
        };
        if kind == info.kind {
            return Ok((kind, data));
        }
        // Rows of each thread's own: rounding a large model takes longer than reading it.
        let rows = info.shape.first().copied().unwrap_or(1);
        let row_bytes = data.len() / rows.max(1);
        let share = rows.div_ceil(parallel::threads()).max(1) * row_bytes.max(1);
        let encoded = std::thread::scope(|scope| {
            let threads: Vec<_> = data
                .chunks(share)
                .map(|part| scope.spawn(move || round(info.kind, part, row_bytes, to)))
                .collect();
            let parts = threads.into_iter().map(|thread| match thread.join() {
                Ok(part) => part,
                Err(_) => bail!("rounding tensor {name} failed"),
            });
            parts.collect::<Result<Vec<_>>>()
        })?;
        Ok((kind, encoded.concat().into()))
    }

    fn info(&self, name: &str, shape: &[usize]) -> Result<&'a TensorInfo> {
        let Some(info) = self.gguf.tensor(name) else {
            bail!("the file has no tensor {name}");
        };
        if info.shape != shape {
            bail!(
                "tensor {name} has the shape {:?}; the metadata implies {shape:?}",
                info.shape
            );
        }
        Ok(info)
    }
}

/// Rows of blocks in another type.
fn round(from: TensorType, rows: &[u8], row_bytes: usize, to: GgmlDType) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows.chunks(row_bytes.max(1)) {
        out.extend(encode::encode(to, &rows::widened(from, row))?);
    }
    Ok(out)
}
