//! Weight matrices over the model file, and the linear layer that multiplies with them.
//!
//! On the CPU a matrix stays where it is, in the memory map, so that loading copies nothing. A
//! tensor that is misaligned for its block type is copied once. On other devices the blocks are
//! uploaded straight from the map, and the weights of a small model widened there: candle's
//! products with blocks round the activations to eight bits, which a small model shows most
//! (`docs/parity.md`) and saves no time for.
//!
//! This is the seam between *what the transformer computes* ([`crate::decoder`]) and *who
//! multiplies*: the decoder knows only [`Linear::forward`] and [`Matrix::rows`].
//!
//! Not here: which tensors a model has.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor, QuantizedType};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Module, Shape, Tensor};

use super::gguf::{AlignedBytes, Bytes, Gguf, TensorInfo};
use mapped::{Mapped, storage_over};

mod mapped;
mod packed;
mod product;
mod quantized;
pub mod rows;

/// The blocks of a tensor that CPU kernels can read: in place if the alignment allows it, else an
/// aligned copy.
fn blocks(gguf: &Gguf, info: &TensorInfo) -> (Arc<Bytes>, Range<usize>) {
    let in_place = (gguf.shared_bytes(), info.range());
    if storage_over(info.kind.dtype(), in_place.0.clone(), info.range()).is_some() {
        return in_place;
    }
    let copy = Arc::new(Bytes::Owned(AlignedBytes::copy_of(gguf.data(info))));
    (copy, 0..info.bytes())
}

fn cpu_storage(
    dtype: GgmlDType,
    (bytes, range): &(Arc<Bytes>, Range<usize>),
) -> Result<Box<dyn QuantizedType>> {
    storage_over(dtype, Arc::clone(bytes), range.clone())
        .with_context(|| format!("the data of type {dtype:?} is not made of whole blocks"))
}

/// Largest number of parameters of a model whose weights are widened on a GPU, to 4 GB.
const WIDE: u64 = 1_000_000_000;

/// A weight matrix `[rows, columns]`, cheap to clone (tied embeddings share one).
#[derive(Debug, Clone)]
pub struct Matrix {
    weight: Arc<QTensor>,
    /// The same blocks for our own kernels; `None` on other devices.
    here: Option<InPlace>,
    /// On other devices: multiply with the weights in f32.
    widen: bool,
}

/// The blocks of a matrix `[out, in]` in this process's memory.
#[derive(Clone)]
struct InPlace {
    storage: Arc<dyn QuantizedType>,
    out: usize,
    input: usize,
}

impl std::fmt::Debug for InPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} [{}, {}]",
            self.storage.dtype(),
            self.out,
            self.input
        )
    }
}

impl Matrix {
    /// The rows with the given indices as f32 `[ids, columns]`: the embedding lookup. Only these
    /// rows are dequantized.
    pub fn rows(&self, ids: &Tensor) -> candle_core::Result<Tensor> {
        self.weight.embedding(ids)
    }
}

/// A linear layer: `y = x · weightᵀ + bias`, with an adapter's low-rank addition if it has one.
#[derive(Debug, Clone)]
pub struct Linear {
    kind: LinearWeight,
    /// Whether the weight is stored in less than full precision.
    rounded: bool,
    low_rank: Option<LowRankTensors>,
}

#[derive(Debug, Clone)]
enum LinearWeight {
    Host(InPlace, Option<Vec<f32>>),
    OtherDevice(QMatMul, Option<Tensor>),
}

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

/// [`LowRankFactors`] on the device: `y += x · down · up`.
#[derive(Debug, Clone)]
struct LowRankTensors {
    /// `[in, rank]`.
    down: Tensor,
    /// `[rank, out]`, the adapter's scale included.
    up: Tensor,
}

impl Linear {
    /// A layer with the given weight `[out, in]` and bias `[out]`.
    pub fn new(weight: &Matrix, bias: Option<Tensor>) -> candle_core::Result<Self> {
        let kind = match &weight.here {
            Some(here) => {
                let bias = bias.map(|b| b.to_vec1::<f32>()).transpose()?;
                if bias.as_ref().is_some_and(|b| b.len() != here.out) {
                    candle_core::bail!("a bias does not fit its weight {here:?}");
                }
                LinearWeight::Host(here.clone(), bias)
            }
            None if weight.widen => {
                let wide = weight.weight.dequantize(&weight.weight.device())?;
                LinearWeight::OtherDevice(QMatMul::Tensor(wide), bias)
            }
            None => LinearWeight::OtherDevice(QMatMul::from_arc(Arc::clone(&weight.weight))?, bias),
        };
        Ok(Self {
            kind,
            rounded: weight.weight.dtype() != GgmlDType::F32,
            low_rank: None,
        })
    }

    /// Adds a low-rank product to what the layer computes.
    pub fn add_low_rank(&mut self, factors: &LowRankFactors, device: &Device) -> Result<()> {
        let rank = factors.rank.max(1);
        let (out, input) = (factors.b.len() / rank, factors.a.len() / rank);
        let tensor = |values: &[f32], shape| Tensor::from_slice(values, shape, device);
        let up = tensor(&factors.b, (out, rank))?.t()?.contiguous()?;
        self.low_rank = Some(LowRankTensors {
            down: tensor(&factors.a, (rank, input))?.t()?.contiguous()?,
            up: (up * f64::from(factors.scale))?,
        });
        Ok(())
    }

    /// Whether the weight is stored in less than full precision.
    pub fn is_rounded(&self) -> bool {
        self.rounded
    }

    /// Applies the layer to contiguous f32 rows `[rows, in]`, giving `[rows, out]`.
    pub fn forward(&self, rows: &Tensor) -> candle_core::Result<Tensor> {
        let y = match &self.kind {
            LinearWeight::Host(..) => rows.apply_op1_no_bwd(self)?,
            LinearWeight::OtherDevice(product, None) => product.forward(rows)?,
            LinearWeight::OtherDevice(product, Some(bias)) => {
                product.forward(rows)?.broadcast_add(bias)?
            }
        };
        match &self.low_rank {
            Some(low) => y + rows.matmul(&low.down)?.matmul(&low.up)?,
            None => Ok(y),
        }
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (m, k) = layout.shape().dims2()?;
        let (LinearWeight::Host(weight, bias), Some((start, end))) =
            (&self.kind, layout.contiguous_offsets())
        else {
            candle_core::bail!("a linear layer takes contiguous rows on its own device");
        };
        if k != weight.input {
            candle_core::bail!("rows of width {k} do not fit the weight {weight:?}");
        }
        let mut out = vec![0f32; m * weight.out];
        let rows = &rows.as_slice::<f32>()?[start..end];
        weight
            .storage
            .matmul_t((m, k, weight.out), rows, &mut out)?;
        if let Some(bias) = bias {
            for row in out.chunks_exact_mut(weight.out) {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((m, weight.out))))
    }
}

/// Reads a model's tensors by name, checking every shape.
pub struct Weights<'a> {
    gguf: &'a Gguf,
    device: &'a Device,
}

impl<'a> Weights<'a> {
    /// A reader of the tensors of `gguf` for use on `device`.
    pub fn new(gguf: &'a Gguf, device: &'a Device) -> Self {
        Self { gguf, device }
    }

    /// Bytes of memory on this device's host that computing with the file's tensors takes: the
    /// mapped weights, which must stay in memory for the model to be usable.
    pub fn memory_bytes(&self) -> u64 {
        match self.device.is_cpu() {
            true => self.gguf.weights_bytes(),
            false => 0,
        }
    }

    /// A matrix `[rows, columns]`.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix> {
        let info = self.info(name)?;
        expect_shape(name, info, &[rows, columns])?;
        self.read_matrix(info, rows, columns)
            .with_context(|| format!("cannot load tensor {name}"))
    }

    fn read_matrix(&self, info: &TensorInfo, out: usize, input: usize) -> Result<Matrix> {
        let dtype = info.kind.dtype();
        let (storage, here) = match self.device {
            Device::Cpu => {
                let blocks = blocks(self.gguf, info);
                let storage = Arc::from(cpu_storage(dtype, &blocks)?);
                let here = InPlace {
                    storage,
                    out,
                    input,
                };
                (QStorage::Cpu(cpu_storage(dtype, &blocks)?), Some(here))
            }
            // The upload casts the bytes to blocks and insists on their alignment.
            device => {
                let copy = AlignedBytes::copy_of(self.gguf.data(info));
                let bytes = Cow::Borrowed(copy.as_slice());
                (QStorage::from_data(bytes, device, dtype)?, None)
            }
        };
        let weight = Arc::new(QTensor::new(storage, (out, input))?);
        let widen = !self.device.is_cpu() && self.gguf.parameters() <= WIDE;
        Ok(Matrix {
            weight,
            here,
            widen,
        })
    }

    /// A vector of `len` f32 values (converted if the file holds another type).
    pub fn vector(&self, name: &str, len: usize) -> Result<Tensor> {
        let info = self.info(name)?;
        expect_shape(name, info, &[len])?;
        cpu_storage(info.kind.dtype(), &blocks(self.gguf, info))
            .and_then(|storage| {
                let values = QTensor::new(QStorage::Cpu(storage), len)?;
                Ok(values.dequantize(self.device)?)
            })
            .with_context(|| format!("cannot load tensor {name}"))
    }

    /// A vector if the file has it.
    pub fn optional_vector(&self, name: &str, len: usize) -> Result<Option<Tensor>> {
        if self.contains(name) {
            self.vector(name, len).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A linear layer `prefix.weight` with `prefix.bias` if the file has one.
    pub fn linear(&self, prefix: &str, out: usize, input: usize) -> Result<Linear> {
        let weight = self.matrix(&format!("{prefix}.weight"), out, input)?;
        let bias = self.optional_vector(&format!("{prefix}.bias"), out)?;
        Ok(Linear::new(&weight, bias)?)
    }

    /// Whether the file has this tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }

    fn info(&self, name: &str) -> Result<&'a TensorInfo> {
        match self.gguf.tensor(name) {
            Some(info) => Ok(info),
            None => bail!("the file has no tensor {name}"),
        }
    }
}

fn expect_shape(name: &str, info: &TensorInfo, shape: &[usize]) -> Result<()> {
    if info.shape != shape {
        bail!(
            "tensor {name} has the shape {:?}; the metadata implies {shape:?}",
            info.shape
        );
    }
    Ok(())
}
