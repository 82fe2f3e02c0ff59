//! The tensors of a model file by name, each in the form in which it is computed with: laid out for
//! the CPU's kernels, as candle's tensors, or as plain numbers.
//!
//! On a GPU the weights of a small model are widened: candle's products with blocks round the
//! activations to eight bits, which a small model shows most (`docs/parity.md`) and saves no time
//! for. A large one's are multiplied as its file has them: blocks, or halves (BF16), to which
//! the activations are then rounded, too.
//!
//! Not here: which tensors a model has.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Tensor};

use super::gguf::{AlignedBytes, Gguf, TensorInfo, TensorType};
use super::kernels::PackedMatrix;
use super::kernels::kv::CacheType;
use super::parallel;
use rows::WeightRows;

pub mod encode;
pub mod rows;

/// Largest number of parameters of a model whose weights are widened on a GPU, to 4 GB.
const WIDE: u64 = 1_000_000_000;

/// What numbers are multiplied in where they are not widened: not f16, in which the activations of some
/// models would overflow. It holds all of MXFP4, what was BF16 before it was F16, and others within a
/// quarter of a percent.
const HALVES: DType = DType::BF16;

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

/// A matrix `[rows, columns]` on a device, as products are made with it.
#[derive(Debug)]
pub enum DeviceMatrix {
    /// The blocks of the file: candle's products round the activations to eight bits.
    Blocks(QMatMul, u64),
    /// Numbers, in f32 or in BF16.
    Numbers(Tensor),
}

impl DeviceMatrix {
    /// Bytes that a product reads.
    pub fn bytes(&self) -> u64 {
        match self {
            DeviceMatrix::Blocks(_, bytes) => *bytes,
            DeviceMatrix::Numbers(matrix) => {
                (matrix.elem_count() * matrix.dtype().size_in_bytes()) as u64
            }
        }
    }

    /// Rows `[n, columns]` in f32 times this, `[n, rows]` in f32.
    pub fn product(&self, rows: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            DeviceMatrix::Blocks(matrix, _) => matrix.forward(rows),
            DeviceMatrix::Numbers(matrix) => {
                let product = rows.to_dtype(matrix.dtype())?.matmul(&matrix.t()?)?;
                product.to_dtype(DType::F32)
            }
        }
    }
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

    /// A matrix `[rows, columns]` on the device.
    pub fn tensor(&self, name: &str, rows: usize, columns: usize) -> Result<DeviceMatrix> {
        let info = self.info(name, &[rows, columns])?;
        self.matrix(name, info, Weights::are_widened(self.gguf))
            .with_context(|| format!("cannot load tensor {name}"))
    }

    /// The same, widened to f32 or not.
    fn matrix(&self, name: &str, info: &TensorInfo, wide: bool) -> Result<DeviceMatrix> {
        let shape = &info.shape[..];
        let (kind, blocks) = self.blocks(name, info)?;
        let numbers = match kind {
            TensorType::Candle(GgmlDType::F32) => Some(DType::F32),
            TensorType::Candle(GgmlDType::F16) => Some(DType::F16),
            TensorType::Candle(GgmlDType::BF16) => Some(DType::BF16),
            _ => None,
        };
        let device = &self.device;
        Ok(match (kind, numbers) {
            (_, Some(dtype)) => {
                let matrix = Tensor::from_raw_buffer(&blocks, dtype, shape, device)?;
                DeviceMatrix::Numbers(match wide {
                    true => matrix.to_dtype(DType::F32)?,
                    false if dtype == DType::F32 => matrix,
                    false => matrix.to_dtype(HALVES)?,
                })
            }
            (TensorType::Indexed(_), _) => {
                let values = WeightRows::open(self.gguf, name)?.to_vec();
                let matrix = Tensor::from_vec(values, shape, device)?;
                DeviceMatrix::Numbers(match wide {
                    true => matrix,
                    false => matrix.to_dtype(HALVES)?,
                })
            }
            (TensorType::Candle(kind), _) => {
                // The upload casts the bytes to blocks and insists on their alignment.
                let copy = AlignedBytes::copy_of(&blocks);
                let bytes = Cow::Borrowed(copy.as_slice());
                let matrix = QTensor::new(QStorage::from_data(bytes, device, kind)?, shape)?;
                match wide {
                    true => DeviceMatrix::Numbers(matrix.dequantize(device)?),
                    false => {
                        let bytes = matrix.storage_size_in_bytes() as u64;
                        DeviceMatrix::Blocks(QMatMul::from_qtensor(matrix)?, bytes)
                    }
                }
            }
        })
    }

    /// Bytes of a model's weights on a device, of which its file (rounded or not) has so many.
    pub fn device_bytes(gguf: &Gguf, bytes: u64) -> u64 {
        if Weights::are_widened(gguf) {
            return 4 * gguf.parameters();
        }
        let indexed = gguf
            .tensors()
            .filter(|(_, info)| matches!(info.kind, TensorType::Indexed(_)));
        let more = indexed.map(|(_, info)| {
            let there = info.elements() as u64 * HALVES.size_in_bytes() as u64;
            there.saturating_sub(info.bytes() as u64)
        });
        more.fold(bytes, u64::saturating_add)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::tiny_gguf;

    const INDEXED: &[u8] = include_bytes!("gguf/fixtures/indexed.gguf");

    /// A matrix as its file has it, and how far its products are from those of the widened one, as a
    /// share of the largest.
    fn compared(gguf: &Gguf, name: &str) -> (DeviceMatrix, f32) {
        let weights = Weights::new(gguf);
        let info = gguf.tensor(name).unwrap();
        let (rows, columns) = (info.shape[0], info.shape[1]);
        let [wide, own] = [true, false].map(|wide| weights.matrix(name, info, wide).unwrap());
        assert_eq!(wide.bytes(), 4 * (rows * columns) as u64);
        let mut rng = s1_core::rng::Rng::new(5);
        let x = (0..3 * columns).map(|_| rng.signed_unit()).collect();
        let x = Tensor::from_vec(x, (3, columns), &Device::Cpu).unwrap();
        let (exact, y) = (wide.product(&x).unwrap(), own.product(&x).unwrap());
        assert_eq!((y.dims(), y.dtype()), (&[3, rows][..], DType::F32));
        let largest = |x: Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f32>();
        let apart = largest((&y - &exact).unwrap()).unwrap();
        (own, apart / largest(exact).unwrap())
    }

    /// A user would lose: half of a GPU's memory, and most of its speed.
    #[test]
    fn a_large_models_matrices_are_multiplied_as_its_file_has_them() {
        let gguf = Gguf::from_bytes(tiny_gguf("qwen3", 1)).unwrap();
        let (matrix, apart) = compared(&gguf, "blk.0.ffn_up.weight");
        let DeviceMatrix::Numbers(halves) = &matrix else {
            panic!("they are numbers");
        };
        assert_eq!(halves.dtype(), DType::BF16);
        assert_eq!(matrix.bytes(), 2 * halves.elem_count() as u64);
        assert!(apart < 0.01, "{apart}");

        let gguf = Gguf::from_bytes(tiny_gguf("qwen2", 1)).unwrap();
        let (matrix, apart) = compared(&gguf, "blk.0.ffn_up.weight");
        assert!(matches!(matrix, DeviceMatrix::Blocks(..)));
        let info = gguf.tensor("blk.0.ffn_up.weight").unwrap();
        assert_eq!(matrix.bytes(), info.bytes() as u64);
        assert!(apart < 0.02, "{apart}");

        let gguf = Gguf::from_bytes(INDEXED.to_vec()).unwrap();
        for name in ["IQ4_NL", "IQ4_XS", "MXFP4"] {
            let (matrix, apart) = compared(&gguf, name);
            let DeviceMatrix::Numbers(halves) = &matrix else {
                panic!("candle has no blocks of it");
            };
            assert_eq!(halves.dtype(), DType::BF16, "{name}");
            if name != "MXFP4" {
                assert!(apart < 0.01, "{name}: {apart}");
                continue;
            }
            // Every scale there is stands in this file, and products with the largest are no numbers.
            let exact = WeightRows::open(&gguf, name).unwrap().to_vec();
            let held = halves.to_dtype(DType::F32).unwrap().flatten_all();
            assert_eq!(held.unwrap().to_vec1::<f32>().unwrap(), exact);
        }
    }
}
