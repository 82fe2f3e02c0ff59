//! Products of weights and activations on the CPU.
//!
//! Weights are laid out anew when a model is loaded ([`PackedMatrix::pack`]): sixteen rows side by
//! side, so that a vector instruction works on sixteen results at once. The kernels are written
//! once, over the vectors of `simd`; the instruction set is chosen when the program runs.
//!
//! Not here: which matrices a model has ([`crate::weights`]) and which thread computes which tile
//! ([`crate::parallel`]).

use std::ops::Range;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use candle_core::quantized::GgmlDType;
use memmap2::MmapMut;

use activations::{BLOCK, RoundedBlock};
use float::Element;
use pack::PackSource;
use scheme::Scheme;

use crate::gguf::TensorType;
use crate::gguf::indexed::Indexed;

mod activations;
pub mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod elementwise;
mod float;
pub mod kv;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
mod portable;
mod scheme;
mod simd;

pub use activations::Activations;
pub use simd::ROWS;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// With the dot-product extension.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl InstructionSet {
    /// Those that this machine has, the best last.
    pub fn available() -> Vec<InstructionSet> {
        let mut all = vec![InstructionSet::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 {
                all.push(InstructionSet::Avx2);
            }
            if avx2 && avx512 {
                all.push(InstructionSet::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            all.push(InstructionSet::Neon);
        }
        all
    }

    /// The best there is, or the one that `S1_TUI_KERNELS` names (portable, avx2, avx512, neon)
    /// where the machine has it.
    pub fn chosen() -> InstructionSet {
        static CHOSEN: OnceLock<InstructionSet> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let wish = std::env::var("S1_TUI_KERNELS").unwrap_or_default();
            let available = Self::available();
            let named = available.iter().find(|set| set.name() == wish);
            *named.or(available.last()).unwrap_or(&Self::Portable)
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => "neon",
        }
    }
}

/// A tile (of so many blocks or columns a row) times rows of activations, sixteen results for each.
type Kernel<X> = unsafe fn(*const u8, usize, &[X], &mut [[f32; ROWS]]);

/// Defines a function that gives the kernel of a layout, compiled for an instruction set.
macro_rules! compile {
    ($name:ident, $layout:ident, $x:ty, $module:ident) => {
        fn $name<T: $layout>(set: InstructionSet) -> Kernel<$x> {
            type Out<'a> = &'a mut [[f32; ROWS]];
            unsafe fn portable<T: $layout>(tile: *const u8, width: usize, x: &[$x], out: Out) {
                // SAFETY: the caller's contract; the same below.
                unsafe { $module::tile_product::<portable::Portable, T>(tile, width, x, out) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2<T: $layout>(tile: *const u8, width: usize, x: &[$x], out: Out) {
                unsafe { $module::tile_product::<avx2::Avx2, T>(tile, width, x, out) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vnni")]
            unsafe fn avx512<T: $layout>(tile: *const u8, width: usize, x: &[$x], out: Out) {
                unsafe { $module::tile_product::<avx512::Avx512, T>(tile, width, x, out) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            unsafe fn neon<T: $layout>(tile: *const u8, width: usize, x: &[$x], out: Out) {
                unsafe { $module::tile_product::<neon::Neon, T>(tile, width, x, out) }
            }
            match set {
                InstructionSet::Portable => portable::<T>,
                #[cfg(target_arch = "aarch64")]
                InstructionSet::Neon => neon::<T>,
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => avx2::<T>,
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => avx512::<T>,
            }
        }
    };
}

compile!(rounded_kernel, Scheme, RoundedBlock, scheme);
compile!(float_kernel, Element, f32, float);

#[derive(Clone, Copy)]
enum TileKernel {
    Rounded(Kernel<RoundedBlock>),
    Float(Kernel<f32>),
}

/// A weight matrix `[rows, columns]`, laid out for the kernels.
pub struct PackedMatrix {
    rows: usize,
    columns: usize,
    tile_bytes: usize,
    tiles: MmapMut,
    kernel: TileKernel,
}

impl PackedMatrix {
    /// Lays out the rows of a file's tensor.
    ///
    /// # Errors
    /// If the bytes are not `rows` whole rows of `columns` weights, or if there is no memory.
    pub fn pack(
        kind: impl Into<TensorType>,
        bytes: &[u8],
        rows: usize,
        columns: usize,
    ) -> Result<Self> {
        Self::pack_for(InstructionSet::chosen(), kind.into(), bytes, rows, columns)
    }

    fn pack_for(
        set: InstructionSet,
        kind: TensorType,
        bytes: &[u8],
        rows: usize,
        columns: usize,
    ) -> Result<Self> {
        use GgmlDType as D;
        let shape = (rows, columns);
        let kind = match kind {
            TensorType::Candle(kind) => kind,
            TensorType::Indexed(kind) => {
                return match kind {
                    Indexed::Iq4Nl => Self::rounded::<scheme::Iq4Nl>(set, bytes, shape),
                    Indexed::Iq4Xs => Self::rounded::<scheme::Iq4Xs>(set, bytes, shape),
                    Indexed::Mxfp4 => Self::rounded::<scheme::Mxfp4>(set, bytes, shape),
                };
            }
        };
        match kind {
            D::F32 => Self::float::<float::F32>(set, bytes, shape),
            D::F16 => Self::float::<float::F16>(set, bytes, shape),
            D::BF16 => Self::float::<float::Bf16>(set, bytes, shape),
            D::Q4_0 => Self::rounded::<scheme::Q4_0>(set, bytes, shape),
            D::Q4_1 => Self::rounded::<scheme::Q4_1>(set, bytes, shape),
            D::Q5_0 => Self::rounded::<scheme::Q5_0>(set, bytes, shape),
            D::Q5_1 => Self::rounded::<scheme::Q5_1>(set, bytes, shape),
            D::Q8_0 => Self::rounded::<scheme::Q8_0>(set, bytes, shape),
            D::Q8_1 => Self::rounded::<pack::Q8_1>(set, bytes, shape),
            D::Q2K => Self::rounded::<scheme::Q2K>(set, bytes, shape),
            D::Q3K => Self::rounded::<scheme::Q3K>(set, bytes, shape),
            D::Q4K => Self::rounded::<scheme::Q4K>(set, bytes, shape),
            D::Q5K => Self::rounded::<scheme::Q5K>(set, bytes, shape),
            D::Q6K => Self::rounded::<scheme::Q6K>(set, bytes, shape),
            D::Q8K => bail!("weights of type Q8_K are not supported"),
        }
    }

    fn rounded<T: PackSource>(
        set: InstructionSet,
        bytes: &[u8],
        (rows, columns): (usize, usize),
    ) -> Result<Self> {
        let weights = BLOCK * T::Tiles::BLOCKS;
        if !columns.is_multiple_of(weights) {
            bail!("rows of {columns} weights are not whole groups of {weights}");
        }
        let groups = columns / weights;
        let kernel = TileKernel::Rounded(rounded_kernel::<T::Tiles>(set));
        let (row_bytes, tile_bytes) = (groups * T::BYTES, groups * T::Tiles::BYTES);
        Self::filled(
            bytes,
            (rows, columns),
            row_bytes,
            tile_bytes,
            kernel,
            pack::pack_row::<T>,
        )
    }

    fn float<E: Element>(
        set: InstructionSet,
        bytes: &[u8],
        (rows, columns): (usize, usize),
    ) -> Result<Self> {
        let kernel = TileKernel::Float(float_kernel::<E>(set));
        let row_bytes = columns * E::BYTES;
        let tile_bytes = ROWS * row_bytes;
        Self::filled(
            bytes,
            (rows, columns),
            row_bytes,
            tile_bytes,
            kernel,
            float::pack_row::<E>,
        )
    }

    fn filled(
        bytes: &[u8],
        (rows, columns): (usize, usize),
        row_bytes: usize,
        tile_bytes: usize,
        kernel: TileKernel,
        pack_row: fn(&[u8], usize, &mut [u8]),
    ) -> Result<Self> {
        if row_bytes == 0 || bytes.len() != rows * row_bytes {
            bail!(
                "{} bytes do not hold {rows} rows of {columns} weights",
                bytes.len()
            );
        }
        let mut tiles = MmapMut::map_anon(rows.div_ceil(ROWS) * tile_bytes)
            .context("there is no memory for the weights")?;
        // Fewer and larger pages are read faster; a system that has none does as well.
        #[cfg(target_os = "linux")]
        let _ = tiles.advise(memmap2::Advice::HugePage);
        let threads = crate::parallel::threads();
        let share = rows.div_ceil(ROWS).div_ceil(threads);
        std::thread::scope(|scope| {
            let sources = bytes.chunks(share * ROWS * row_bytes);
            for (source, tiles) in sources.zip(tiles.chunks_mut(share * tile_bytes)) {
                scope.spawn(move || {
                    let sources = source.chunks(ROWS * row_bytes);
                    for (rows, tile) in sources.zip(tiles.chunks_exact_mut(tile_bytes)) {
                        for (index, row) in rows.chunks_exact(row_bytes).enumerate() {
                            pack_row(row, index, tile);
                        }
                    }
                });
            }
        });
        Ok(PackedMatrix {
            rows,
            columns,
            tile_bytes,
            tiles,
            kernel,
        })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Tiles of [`ROWS`] rows; the last may have fewer.
    pub fn tiles(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// Bytes that a product reads.
    pub fn bytes(&self) -> usize {
        self.tiles.len()
    }

    /// One tile times some rows of activations. `out` gets [`ROWS`] results for each of them.
    ///
    /// # Panics
    /// If the activations have another width, or if there is no such tile or row.
    pub fn tile(&self, tile: usize, x: &Activations, rows: Range<usize>, out: &mut [[f32; ROWS]]) {
        assert_eq!(x.columns(), self.columns, "width of the activations");
        let weights = &self.tiles[tile * self.tile_bytes..][..self.tile_bytes];
        let out = &mut out[..rows.len()];
        match self.kernel {
            TileKernel::Rounded(kernel) => {
                let blocks = self.columns / BLOCK;
                // SAFETY: the kernel is one of an instruction set that is there; the weights are a
                // whole tile of so many blocks, and there are as many for each row of `out`.
                unsafe { kernel(weights.as_ptr(), blocks, x.rounded(rows), out) }
            }
            TileKernel::Float(kernel) => {
                // SAFETY: as above, with columns in place of blocks.
                unsafe { kernel(weights.as_ptr(), self.columns, x.plain(rows), out) }
            }
        }
    }
}

impl std::fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedMatrix [{}, {}]", self.rows, self.columns)
    }
}

#[cfg(test)]
mod tests;
