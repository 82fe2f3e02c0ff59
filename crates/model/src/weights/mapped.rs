//! Blocks of weights where the model file has them: candle's storage trait over a memory map.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use candle_core::CpuStorage;
use candle_core::quantized::k_quants::{
    self, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K,
    BlockQ6K, BlockQ8_0, BlockQ8_1, BlockQ8K,
};
use candle_core::quantized::{GgmlDType, GgmlType, QuantizedType};
use half::{bf16, f16};

use super::{product, quantized};
use crate::gguf::Bytes;

/// Blocks of type `T` inside a file's bytes: candle's storage trait without a copy.
pub(super) struct Mapped<T> {
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
    pub(super) fn cast(data: &[u8]) -> &[T] {
        assert!((data.as_ptr() as usize).is_multiple_of(align_of::<T>()));
        // SAFETY: alignment has just been checked and the length is rounded down to whole blocks.
        // `T` is one of candle's block types: plain numbers, for which every bit pattern is a
        // value.
        unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), data.len() / size_of::<T>()) }
    }
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
            quantized::matmul(T::DTYPE, mkn, lhs, &self.bytes[self.range.clone()], dst)
        {
            return product;
        }
        match T::DTYPE {
            GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => {
                product::unquantized(mkn, lhs, self.blocks(), dst)
            }
            _ => product::rounded(mkn, lhs, self.blocks(), dst),
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
pub(super) fn storage_over(
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
