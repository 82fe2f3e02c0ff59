//! Weight matrices over the model file, and the linear layer that multiplies with them.
//!
//! On the CPU a matrix stays where it is: [`Mapped`] gives candle the blocks of the memory map, so
//! that loading copies nothing. A tensor that is misaligned for its block type is copied once. On
//! other devices the blocks are uploaded straight from the map.
//!
//! This is the seam between *what the transformer computes* ([`crate::model::decoder`]) and *who
//! multiplies*: the decoder knows only [`Linear::forward`] and [`Matrix::rows`].
//!
//! Not here: which tensors a model has.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use candle_core::quantized::k_quants::{
    self, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K,
    BlockQ6K, BlockQ8_0, BlockQ8_1, BlockQ8K,
};
use candle_core::quantized::{GgmlDType, GgmlType, QMatMul, QStorage, QTensor, QuantizedType};
use candle_core::{CpuStorage, Device, Module, Tensor};
use half::{bf16, f16};

use super::adapter::PeftAdapter;
use super::gguf::{AlignedBytes, Bytes, Gguf, TensorInfo};

mod blocks32;
pub mod rows;

/// Blocks of type `T` inside a file's bytes: candle's storage trait without a copy.
struct Mapped<T> {
    bytes: Arc<Bytes>,
    range: Range<usize>,
    block: PhantomData<T>,
}

impl<T: GgmlType> Mapped<T> {
    /// `None` if the range is not inside the bytes, is misaligned for `T` or no multiple of it.
    fn new(bytes: Arc<Bytes>, range: Range<usize>) -> Option<Self> {
        let data = bytes.get(range.clone())?;
        let aligned = (data.as_ptr() as usize).is_multiple_of(align_of::<T>());
        let whole = data.len().is_multiple_of(size_of::<T>());
        (aligned && whole).then_some(Self {
            bytes,
            range,
            block: PhantomData,
        })
    }

    fn blocks(&self) -> &[T] {
        Self::cast(&self.bytes[self.range.clone()])
    }

    /// Whole, aligned blocks inside bytes.
    fn cast(data: &[u8]) -> &[T] {
        assert!((data.as_ptr() as usize).is_multiple_of(align_of::<T>()));
        // SAFETY: alignment has just been checked and the length is rounded down to whole blocks.
        // `T` is one of candle's block types: plain numbers, for which every bit pattern is a
        // value.
        unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), data.len() / size_of::<T>()) }
    }
}

/// `dst[m, n] = lhs[m, k] · weight[n, k]ᵀ` for half-precision weights, widened row by row so that
/// activations keep their f32 precision and range (candle would round them to the weight's type:
/// f16 overflows at 65504, which Gemma's feed-forward activations reach).
fn matmul_widened<T: GgmlType>(
    (m, k, n): (usize, usize, usize),
    lhs: &[f32],
    weight: &[T],
    dst: &mut [f32],
) -> candle_core::Result<()> {
    if lhs.len() != m * k || weight.len() != n * k || dst.len() != m * n {
        candle_core::bail!("matrix product with wrong sizes ({m}, {k}, {n})");
    }
    let out = dst.as_mut_ptr() as usize;
    candle_core::utils::barrier_pool().execute_chunked(n, |columns| {
        let mut wide = vec![0f32; k];
        for column in columns {
            T::to_float(&weight[column * k..(column + 1) * k], &mut wide);
            for (row, x) in lhs.chunks_exact(k).enumerate() {
                let value = f32::vec_dot(k, &wide, x);
                // SAFETY: `row < m` and `column < n`, so the element is inside `dst`; every
                // column is given to exactly one worker, and `dst` outlives the call.
                unsafe { *(out as *mut f32).add(row * n + column) = value };
            }
        }
    });
    Ok(())
}

impl<T: GgmlType> QuantizedType for Mapped<T> {
    fn dtype(&self) -> GgmlDType {
        T::DTYPE
    }

    fn matmul_t(
        &self,
        mkn: (usize, usize, usize),
        lhs: &[f32],
        dst: &mut [f32],
    ) -> candle_core::Result<()> {
        if let Some(product) =
            blocks32::matmul(T::DTYPE, mkn, lhs, &self.bytes[self.range.clone()], dst)
        {
            return product;
        }
        match T::DTYPE {
            GgmlDType::F16 | GgmlDType::BF16 => matmul_widened(mkn, lhs, self.blocks(), dst),
            _ => k_quants::matmul(mkn, lhs, self.blocks(), dst),
        }
    }

    fn matmul_t_f16(
        &self,
        mkn: (usize, usize, usize),
        lhs: &[f16],
        dst: &mut [f16],
    ) -> candle_core::Result<()> {
        k_quants::matmul_f16(mkn, lhs, self.blocks(), dst)
    }

    fn embedding(
        &self,
        ids: &[u32],
        rows: usize,
        hidden: usize,
    ) -> candle_core::Result<CpuStorage> {
        let blocks = self.blocks();
        let per_row = hidden / T::BLCK_SIZE;
        if blocks.len() != rows * per_row {
            candle_core::bail!("an embedding of {rows} rows does not fit its tensor");
        }
        let mut out = vec![0f32; ids.len() * hidden];
        for (&id, row) in ids.iter().zip(out.chunks_exact_mut(hidden.max(1))) {
            let id = id as usize;
            if id >= rows {
                candle_core::bail!("token {id} is beyond the embedding's {rows} rows");
            }
            T::to_float(&blocks[id * per_row..(id + 1) * per_row], row);
        }
        Ok(CpuStorage::F32(out))
    }

    fn dequantize(&self, elements: usize) -> candle_core::Result<CpuStorage> {
        let mut out = vec![0f32; elements];
        T::to_float(self.blocks(), &mut out);
        Ok(CpuStorage::F32(out))
    }

    fn storage_size_in_bytes(&self) -> usize {
        self.range.len()
    }

    fn as_ptr(&self) -> *const u8 {
        self.bytes[self.range.clone()].as_ptr()
    }

    fn block_size(&self) -> usize {
        T::BLCK_SIZE
    }

    // The trait also covers storage that is written to. Nobody quantizes into a model file, and
    // the trait leaves no way to report an error, so these two leave the weights as they are.
    fn from_float(&mut self, _: &[f32]) {}

    fn from_float_imatrix(&mut self, _: &[f32], _: &[f32], _: usize) {}

    fn size(&self) -> usize {
        self.range.len()
    }
}

fn mapped<T: GgmlType + 'static>(
    bytes: Arc<Bytes>,
    range: Range<usize>,
) -> Option<Box<dyn QuantizedType>> {
    Some(Box::new(Mapped::<T>::new(bytes, range)?))
}

/// Storage for a tensor over the given bytes; `None` if it is misaligned.
fn storage_over(
    dtype: GgmlDType,
    bytes: Arc<Bytes>,
    range: Range<usize>,
) -> Option<Box<dyn QuantizedType>> {
    use GgmlDType as D;
    match dtype {
        D::F32 => mapped::<f32>(bytes, range),
        D::F16 => mapped::<f16>(bytes, range),
        D::BF16 => mapped::<bf16>(bytes, range),
        D::Q4_0 => mapped::<BlockQ4_0>(bytes, range),
        D::Q4_1 => mapped::<BlockQ4_1>(bytes, range),
        D::Q5_0 => mapped::<BlockQ5_0>(bytes, range),
        D::Q5_1 => mapped::<BlockQ5_1>(bytes, range),
        D::Q8_0 => mapped::<BlockQ8_0>(bytes, range),
        D::Q8_1 => mapped::<BlockQ8_1>(bytes, range),
        D::Q2K => mapped::<BlockQ2K>(bytes, range),
        D::Q3K => mapped::<BlockQ3K>(bytes, range),
        D::Q4K => mapped::<BlockQ4K>(bytes, range),
        D::Q5K => mapped::<BlockQ5K>(bytes, range),
        D::Q6K => mapped::<BlockQ6K>(bytes, range),
        D::Q8K => mapped::<BlockQ8K>(bytes, range),
    }
}

/// CPU storage for a tensor: in place if its alignment allows, else over an aligned copy.
fn cpu_storage(gguf: &Gguf, info: &TensorInfo) -> Result<Box<dyn QuantizedType>> {
    let dtype = info.kind.dtype();
    if let Some(in_place) = storage_over(dtype, gguf.shared_bytes(), info.range()) {
        return Ok(in_place);
    }
    let copy = Arc::new(Bytes::Owned(AlignedBytes::copy_of(gguf.data(info))));
    storage_over(dtype, copy, 0..info.bytes())
        .with_context(|| format!("the data of type {dtype:?} is not made of whole blocks"))
}

fn qtensor(gguf: &Gguf, info: &TensorInfo, device: &Device) -> Result<QTensor> {
    let storage = match device {
        Device::Cpu => QStorage::Cpu(cpu_storage(gguf, info)?),
        // The upload casts the bytes to blocks and insists on their alignment.
        _ => {
            let copy = AlignedBytes::copy_of(gguf.data(info));
            QStorage::from_data(Cow::Borrowed(copy.as_slice()), device, info.kind.dtype())?
        }
    };
    Ok(QTensor::new(storage, info.shape.as_slice())?)
}

/// A weight matrix `[rows, columns]`, cheap to clone (tied embeddings share one).
#[derive(Debug, Clone)]
pub struct Matrix {
    weight: Arc<QTensor>,
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
    product: QMatMul,
    bias: Option<Tensor>,
    low_rank: Option<LowRank>,
}

/// `y += x · down · up`.
#[derive(Debug, Clone)]
struct LowRank {
    /// `[in, rank]`.
    down: Tensor,
    /// `[rank, out]`, the adapter's scale included.
    up: Tensor,
}

impl Linear {
    /// A layer with the given weight `[out, in]` and bias `[out]`.
    pub fn new(weight: &Matrix, bias: Option<Tensor>) -> candle_core::Result<Self> {
        let weight = Arc::clone(&weight.weight);
        let product = if weight.device().is_cpu() {
            // `from_arc` would dequantize f32, f16 and bf16 weights into a second copy.
            QMatMul::QTensor(weight)
        } else {
            QMatMul::from_arc(weight)?
        };
        Ok(Self {
            product,
            bias,
            low_rank: None,
        })
    }

    /// Whether the weight is stored in less than full precision.
    pub fn is_rounded(&self) -> bool {
        match &self.product {
            QMatMul::QTensor(weight) => weight.dtype() != GgmlDType::F32,
            QMatMul::Tensor(_) => false,
            QMatMul::TensorF16(_) => true,
        }
    }

    /// Applies the layer to contiguous f32 rows `[rows, in]`, giving `[rows, out]`.
    pub fn forward(&self, rows: &Tensor) -> candle_core::Result<Tensor> {
        let mut y = self.product.forward(rows)?;
        if let Some(low) = &self.low_rank {
            y = (y + rows.matmul(&low.down)?.matmul(&low.up)?)?;
        }
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// Reads a model's tensors by name, checking every shape.
pub struct Weights<'a> {
    gguf: &'a Gguf,
    adapter: Option<&'a PeftAdapter>,
    device: &'a Device,
}

impl<'a> Weights<'a> {
    /// A reader of the tensors of `gguf` for use on `device`.
    pub fn new(gguf: &'a Gguf, device: &'a Device) -> Self {
        Self::adapted(gguf, None, device)
    }

    /// The same, with an adapter's additions on the linear layers.
    pub fn adapted(gguf: &'a Gguf, adapter: Option<&'a PeftAdapter>, device: &'a Device) -> Self {
        Self {
            gguf,
            adapter,
            device,
        }
    }

    /// Bytes of memory that computing with the file's tensors takes on this device's host: the
    /// mapped weights, which must stay in memory for the model to be usable, and what is copied.
    pub fn memory_bytes(&self) -> u64 {
        if !self.device.is_cpu() {
            return 0;
        }
        let copied = self.gguf.tensors().map(|(_, info)| copied_bytes(info));
        copied.fold(self.gguf.weights_bytes(), u64::saturating_add)
    }

    /// A matrix `[rows, columns]`.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix> {
        let info = self.info(name)?;
        expect_shape(name, info, &[rows, columns])?;
        self.read_matrix(name, info)
    }

    fn read_matrix(&self, name: &str, info: &TensorInfo) -> Result<Matrix> {
        let weight = qtensor(self.gguf, info, self.device)
            .with_context(|| format!("cannot load tensor {name}"))?;
        Ok(Matrix {
            weight: Arc::new(weight),
        })
    }

    /// A vector of `len` f32 values (converted if the file holds another type).
    pub fn vector(&self, name: &str, len: usize) -> Result<Tensor> {
        let info = self.info(name)?;
        expect_shape(name, info, &[len])?;
        qtensor(self.gguf, info, &Device::Cpu)
            .and_then(|q| Ok(q.dequantize(self.device)?))
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
        let mut linear = Linear::new(&weight, bias)?;
        if let Some(low) = self.adapter.and_then(|a| a.layers.get(prefix)) {
            let tensor = |values: &[f32], shape| Tensor::from_slice(values, shape, self.device);
            let up = tensor(&low.b, (out, low.rank))?.t()?.contiguous()?;
            linear.low_rank = Some(LowRank {
                down: tensor(&low.a, (low.rank, input))?.t()?.contiguous()?,
                up: (up * f64::from(low.scale))?,
            });
        }
        Ok(linear)
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

/// Bytes that candle copies on first use: on x86-64 and aarch64 it repacks matrices of some types
/// whose sizes suit its tiles (here by the x86-64 tiles, which are the larger ones).
fn copied_bytes(info: &TensorInfo) -> u64 {
    let &[rows, columns] = &info.shape[..] else {
        return 0;
    };
    if !rows.is_multiple_of(16) || !columns.is_multiple_of(256) {
        return 0;
    }
    let bytes = info.bytes() as u64;
    match info.kind.dtype() {
        GgmlDType::Q4K => bytes + bytes / 3,
        GgmlDType::Q6K => bytes + bytes / 2,
        GgmlDType::Q8_0 => bytes,
        _ => 0,
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
