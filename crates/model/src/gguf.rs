//! GGUF files: a bounds-checked reader over a memory map.
//!
//! The reader treats every byte as hostile. Nothing in a file can make it panic or allocate more
//! than a small multiple of the number of metadata entries (which is capped): strings and arrays
//! stay in the map and are handed out as slices. Opening a file either yields a directory whose
//! every offset has been checked, or one sentence that says what is wrong and where.
//!
//! A model may lie in several files: a split one in parts that are joined here, and a Hugging Face
//! folder is read as the file that a converter would write of it ([`folder`]).
//!
//! Not here: what the keys mean (see [`crate::decoder`] and [`crate::tokenizer`])
//! and how tensors are multiplied (see [`crate::weights`]).
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3,
//! little-endian.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use candle_core::quantized::GgmlDType;
use s1_core::training::Quantization;

use super::adapter::WholeTensor;
use super::weights::encode;

pub(crate) mod blocks;
mod cursor;
pub mod folder;
pub mod indexed;
mod kind;
mod parse;
mod stored;
mod value;
mod views;
pub mod write;

use cursor::Cursor;
pub use kind::{TensorType, type_code};
use stored::{Order, Stored};
pub use value::{MetadataValue, ValueKind};

/// The bytes of a model file: a read-only memory map, or a buffer (tests, fuzzing, copies).
#[derive(Debug)]
pub enum Bytes {
    /// A read-only map of the file.
    Mapped(memmap2::Mmap),
    /// A buffer that is aligned for every block type.
    Owned(AlignedBytes),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(owned) => owned.as_slice(),
        }
    }
}

/// A copy of some bytes, aligned to eight (a `Vec<u8>` promises no alignment at all).
#[derive(Debug)]
pub struct AlignedBytes {
    words: Vec<u64>,
    len: usize,
}

impl AlignedBytes {
    pub fn copy_of(bytes: &[u8]) -> Self {
        let word = |chunk: &[u8]| {
            let mut padded = [0; 8];
            padded[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(padded)
        };
        Self {
            words: bytes.chunks(8).map(word).collect(),
            len: bytes.len(),
        }
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the words hold at least `len` bytes, and any byte of a u64 is a u8.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}

/// One entry of the tensor directory. All fields have been checked against the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    pub kind: TensorType,
    /// Row-major shape, outermost dimension first (GGUF stores it innermost first).
    pub shape: Vec<usize>,
    /// Which of the model's files it lies in.
    part: usize,
    /// Absolute byte offset in the file.
    offset: usize,
    /// Length in bytes.
    bytes: usize,
    /// How it lies in the file, if it is not as it is here.
    stored: Option<Stored>,
}

impl TensorInfo {
    pub fn elements(&self) -> usize {
        // The parser has checked that this product fits.
        self.shape.iter().product()
    }

    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the data lies in its file.
    fn range(&self) -> Range<usize> {
        let bytes = self.stored.as_ref().map_or(self.bytes, |s| s.bytes);
        self.offset..self.offset + bytes
    }
}

/// An open model: metadata and tensor directory, with the data left in the maps of its files.
#[derive(Debug)]
pub struct Gguf {
    /// Its files; the metadata lie in the first.
    parts: Vec<Arc<Bytes>>,
    architecture: String,
    metadata: HashMap<String, MetadataValue>,
    tensors: HashMap<String, TensorInfo>,
    /// What its weights are rounded to while they are loaded.
    rounding: Option<Quantization>,
}

impl Gguf {
    /// Maps a file and reads its header; of a split model, the other parts as well, and of a Hugging
    /// Face folder its settings and the headers of its weights. A bundled model is opened by its name
    /// ([`s1_data::assets`]).
    ///
    /// The files must not be truncated by another program while the value lives: as with any
    /// memory map, reading a page that is gone ends the process.
    pub fn open(path: &Path) -> Result<Gguf> {
        if let Some(bytes) = s1_data::assets::open_path(path) {
            return Self::parse(Bytes::Owned(AlignedBytes::copy_of(bytes)))?.checked();
        }
        if path.is_dir() {
            return folder::open(path);
        }
        let unusable = || format!("{} is not a usable GGUF model", path.display());
        let first = Self::parse(map(path)?).with_context(unusable)?;
        first.joined(path)?.checked().with_context(unusable)
    }

    /// Reads a GGUF file held in memory with the same parser as [`Gguf::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Gguf> {
        Self::parse(Bytes::Owned(AlignedBytes::copy_of(&bytes)))?.checked()
    }

    /// The same with some tensors in place of its own, or besides them.
    pub fn replacing(mut self, tensors: &BTreeMap<String, WholeTensor>) -> Gguf {
        let part = self.parts.len();
        let mut bytes = Vec::new();
        for (name, tensor) in tensors {
            let info = TensorInfo {
                kind: TensorType::Candle(GgmlDType::F32),
                shape: tensor.shape.clone(),
                part,
                offset: bytes.len(),
                bytes: size_of_val(&tensor.values[..]),
                stored: None,
            };
            bytes.extend(tensor.values.iter().flat_map(|v| v.to_le_bytes()));
            self.tensors.insert(name.clone(), info);
        }
        let bytes = Bytes::Owned(AlignedBytes::copy_of(&bytes));
        self.parts.push(Arc::new(bytes));
        self
    }

    fn parse(bytes: Bytes) -> Result<Gguf> {
        let parse::Header { metadata, tensors } = parse::header(&bytes)?;
        Ok(Gguf {
            parts: vec![Arc::new(bytes)],
            architecture: String::new(),
            metadata,
            tensors,
            rounding: None,
        })
    }

    /// The same, to be rounded while it is loaded: matrices in full or half precision that become
    /// smaller by it.
    pub fn rounded(self, to: Option<Quantization>) -> Gguf {
        Gguf {
            rounding: to,
            ..self
        }
    }

    /// The type in which a tensor is computed with.
    pub fn loaded_type(&self, name: &str, info: &TensorInfo) -> TensorType {
        self.type_after(self.rounding, name, info)
    }

    /// The type of a tensor after it was rounded.
    fn type_after(
        &self,
        rounding: Option<Quantization>,
        name: &str,
        info: &TensorInfo,
    ) -> TensorType {
        use GgmlDType::{BF16, F16, F32};
        let plain = matches!(info.kind, TensorType::Candle(F32 | F16 | BF16));
        // An embedding that is no output is looked up in its file.
        let multiplied = match name {
            "token_embd.weight" => self.tensor("output.weight").is_none(),
            "per_layer_token_embd.weight" => false,
            _ => true,
        };
        let Some(to) = rounding.filter(|_| plain && multiplied && info.shape.len() == 2) else {
            return info.kind;
        };
        let to: TensorType = encode::tensor_type(to, name, &info.shape).into();
        let bits = |kind: TensorType| kind.type_size() * 64 / kind.block_size();
        match bits(to) < bits(info.kind) {
            true => to,
            false => info.kind,
        }
    }

    /// Refuses what is no model, or not the whole of one.
    fn checked(mut self) -> Result<Gguf> {
        if let Some(other) = self.string("general.type").filter(|kind| *kind != "model") {
            bail!("it holds no model (its general.type is {other:?}); give the model's own file");
        }
        // The directory of a part names no more than its own tensors.
        if let Some(parts) = self.parts_in_all().filter(|n| *n > self.parts.len()) {
            let part = self
                .u64("split.no")
                .map_or(1, |index| index.saturating_add(1));
            bail!(
                "it is part {part} of {parts}, and its name does not say which the others are; they are found by names such as model-00001-of-00002.gguf"
            );
        }
        self.architecture = match self.string("general.architecture") {
            Some(name) => name.to_owned(),
            None => bail!("the metadata has no text under general.architecture"),
        };
        views::split_experts(&mut self.tensors)?;
        views::split_streams(&mut self.tensors)?;
        if self.architecture == "phi3" {
            let size = |key| {
                let value = self.u64(&format!("phi3.attention.{key}"))?;
                usize::try_from(value).ok().filter(|n| *n <= 1024)
            };
            let heads = size("head_count").unwrap_or(0);
            let kv_heads = size("head_count_kv").unwrap_or(heads);
            views::split(&mut self.tensors, heads, kv_heads)?;
        }
        Ok(self)
    }

    /// How many files a split model has.
    fn parts_in_all(&self) -> Option<usize> {
        let parts = self.u64("split.count").filter(|parts| *parts > 1)?;
        usize::try_from(parts).ok()
    }

    /// With the other parts of a split model. What it says of itself stands in the first of them.
    fn joined(self, path: &Path) -> Result<Gguf> {
        let Some(parts) = self.parts_in_all() else {
            return Ok(self);
        };
        let Some(paths) = sisters(path).filter(|paths| paths.len() == parts) else {
            return Ok(self);
        };
        let mut whole: Option<Gguf> = None;
        for (index, path) in paths.iter().enumerate() {
            if !path.exists() {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                bail!(
                    "part {} of {parts} is missing: there is no {name} in {}; download it as well",
                    index + 1,
                    path.parent().unwrap_or(Path::new("")).display()
                );
            }
            let part = map(path).and_then(Self::parse);
            let part = part.with_context(|| format!("{} is damaged", path.display()))?;
            let counted = (part.u64("split.no"), part.parts_in_all());
            if counted != (Some(index as u64), Some(parts)) {
                bail!("{} is not part {} of {parts}", path.display(), index + 1);
            }
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => whole.add(part)?,
            }
        }
        let Some(whole) = whole else {
            return Ok(self);
        };
        let (found, announced) = (whole.tensors.len() as u64, whole.u64("split.tensors.count"));
        if announced.is_some_and(|announced| announced != found) {
            bail!(
                "the {parts} parts of {} have {found} tensors of {}; they are not of one model",
                path.display(),
                announced.unwrap_or(0)
            );
        }
        Ok(whole)
    }

    /// Takes in the tensors of another file.
    fn add(&mut self, other: Gguf) -> Result<()> {
        let part = self.parts.len();
        self.parts.extend(other.parts);
        for (name, info) in other.tensors {
            let info = TensorInfo { part, ..info };
            if self.tensors.insert(name.clone(), info).is_some() {
                bail!("the tensor {name} occurs in two parts");
            }
        }
        Ok(())
    }

    /// Whether there is a value under a metadata key.
    pub fn contains(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// All metadata, in no particular order.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.metadata.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// The type of the value under a key, and a cursor that is about to read it.
    fn value(&self, key: &str) -> Option<(ValueKind, Cursor<'_>)> {
        let value = self.metadata.get(key)?;
        Some((value.kind, Cursor::new(self.encoded(value))))
    }

    pub fn string(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            (ValueKind::String, mut cursor) => cursor.string().ok(),
            _ => None,
        }
    }

    /// A value of any integer type that is not negative.
    pub fn u64(&self, key: &str) -> Option<u64> {
        let (kind, mut cursor) = self.value(key)?;
        u64::try_from(kind.integer(&mut cursor)?).ok()
    }

    /// A value of either float type.
    pub fn f32(&self, key: &str) -> Option<f32> {
        let (kind, mut cursor) = self.value(key)?;
        kind.float(&mut cursor)
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            (ValueKind::Bool, mut cursor) => Some(cursor.bytes().ok()? == [1]),
            _ => None,
        }
    }

    /// The elements of an array; `None` if any is not what `read` expects.
    fn elements<'a, T>(
        &'a self,
        key: &str,
        read: impl Fn(ValueKind, &mut Cursor<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (ValueKind::Array, mut cursor) = self.value(key)? else {
            return None;
        };
        let kind = ValueKind::read(&mut cursor).ok()?;
        let len = cursor.len().ok()?;
        (0..len).map(|_| read(kind, &mut cursor)).collect()
    }

    /// An array of strings, as slices of the file.
    pub fn strings(&self, key: &str) -> Option<Vec<&str>> {
        self.elements(key, |kind, cursor| match kind {
            ValueKind::String => cursor.string().ok(),
            _ => None,
        })
    }

    /// An array of floats of either type.
    pub fn f32s(&self, key: &str) -> Option<Vec<f32>> {
        self.elements(key, ValueKind::float)
    }

    /// An array of integers that all fit in 32 signed bits.
    pub fn i32s(&self, key: &str) -> Option<Vec<i32>> {
        self.elements(key, |kind, cursor| {
            i32::try_from(kind.integer(cursor)?).ok()
        })
    }

    /// An array of booleans, or of integers that are 0 or 1.
    pub fn switches(&self, key: &str) -> Option<Vec<bool>> {
        self.elements(key, |kind, cursor| match kind {
            ValueKind::Bool => Some(cursor.bytes().ok()? == [1]),
            kind => match kind.integer(cursor)? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
        })
    }

    /// The bytes of a value of this file.
    fn encoded(&self, value: &MetadataValue) -> &[u8] {
        let first = self.parts.first();
        first
            .and_then(|bytes| bytes.get(value.range.clone()))
            .unwrap_or_default()
    }

    /// The model family, `general.architecture`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The directory entry of a tensor.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// All tensors, in no particular order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// The raw little-endian blocks of a tensor, its rows in GGUF's order (empty for an entry that
    /// came from another model and lies outside this one).
    pub fn data(&self, info: &TensorInfo) -> Cow<'_, [u8]> {
        let data = self.lying(info.part, info.range());
        let Some(stored) = &info.stored else {
            return data.into();
        };
        let scales = match &stored.order {
            Order::Mxfp4(_, s) => self.lying(s.part, s.offset..s.offset + s.bytes),
            _ => &[],
        };
        let rows = info.shape.first().copied().unwrap_or(1);
        stored::in_order(&stored.order, data, rows, scales).into()
    }

    /// What lies in a range of one of its files.
    fn lying(&self, part: usize, range: Range<usize>) -> &[u8] {
        let part = self.parts.get(part);
        part.and_then(|bytes| bytes.get(range)).unwrap_or_default()
    }

    /// Gives the memory of a tensor's pages back; they are read from the file again if needed.
    pub fn forget(&self, info: &TensorInfo) {
        #[cfg(unix)]
        if let Some(Bytes::Mapped(map)) = self.parts.get(info.part).map(|bytes| &**bytes) {
            let (offset, len) = (info.offset, info.range().len());
            // SAFETY: the map is of a file and read-only, so its pages hold nothing else.
            let _ = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len)
            };
        }
        #[cfg(not(unix))]
        let _ = info;
    }

    /// The bytes of its files, one after another.
    pub fn files(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|bytes| &***bytes)
    }

    /// The blocks of a tensor, shared: rows that are widened straight out of the map hold on to
    /// them.
    pub fn shared(&self, info: &TensorInfo) -> (Arc<Bytes>, Range<usize>) {
        match (self.data(info), self.parts.get(info.part)) {
            (Cow::Borrowed([_, ..]), Some(part)) => (Arc::clone(part), info.range()),
            (data, _) => {
                let bytes = Bytes::Owned(AlignedBytes::copy_of(&data));
                (Arc::new(bytes), 0..data.len())
            }
        }
    }

    /// Total size of all tensors in bytes, as they are loaded.
    pub fn weights_bytes(&self) -> u64 {
        self.weights_bytes_after(self.rounding)
    }

    /// Total size of all tensors in bytes, after they were rounded.
    pub fn weights_bytes_after(&self, rounding: Option<Quantization>) -> u64 {
        let bytes = |(name, info): (&String, &TensorInfo)| {
            let kind = self.type_after(rounding, name, info);
            match kind == info.kind {
                true => info.bytes as u64,
                false => (info.elements() / kind.block_size() * kind.type_size()) as u64,
            }
        };
        // Entries may overlap in a hostile file, so the sum may exceed the file: saturate.
        let sizes = self.tensors.iter().map(bytes);
        sizes.fold(0u64, u64::saturating_add)
    }

    /// Total number of weights.
    pub fn parameters(&self) -> u64 {
        self.tensors
            .values()
            .fold(0u64, |sum, t| sum.saturating_add(t.elements() as u64))
    }
}

/// A read-only map of a file.
fn map(path: &Path) -> Result<Bytes> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let meta = file
        .metadata()
        .with_context(|| format!("cannot read the size of {}", path.display()))?;
    if !meta.is_file() {
        bail!("{} is not a file", path.display());
    }
    if meta.len() == 0 {
        bail!("{} is empty", path.display());
    }
    // SAFETY: the map is read-only and private to this value; that nobody truncates the file
    // meanwhile is the documented contract of `Gguf::open`.
    let map = unsafe { memmap2::Mmap::map(&file) }
        .with_context(|| format!("cannot map {} into memory", path.display()))?;
    Ok(Bytes::Mapped(map))
}

/// The paths of all parts of a split model, by the path of one.
fn sisters(path: &Path) -> Option<Vec<PathBuf>> {
    let (stem, _, parts) = s1_data::models::part_of(path.file_name()?.to_str()?)?;
    let name = |part| s1_data::models::part_name(stem, part, parts);
    Some(
        (1..=parts)
            .map(|part| path.with_file_name(name(part)))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
