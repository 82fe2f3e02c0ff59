//! GGUF files: a bounds-checked reader over a memory map.
//!
//! The reader treats every byte as hostile. Nothing in a file can make it panic or allocate more
//! than a small multiple of the number of metadata entries (which is capped): strings and arrays
//! stay in the map and are handed out as slices. Opening a file either yields a directory whose
//! every offset has been checked, or one sentence that says what is wrong and where.
//!
//! Not here: what the keys mean (see [`crate::decoder`] and [`crate::tokenizer`])
//! and how tensors are multiplied (see [`crate::weights`]).
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3,
//! little-endian.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

mod cursor;
pub mod indexed;
mod kind;
mod parse;
mod value;
pub mod write;

use cursor::Cursor;
pub use kind::{TensorType, type_code};
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
    /// Absolute byte offset in the file.
    offset: usize,
    /// Length in bytes.
    bytes: usize,
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

    /// Where the data lies in the file.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.bytes
    }
}

/// An open GGUF file: metadata and tensor directory, with the data left in the map.
#[derive(Debug)]
pub struct Gguf {
    bytes: Arc<Bytes>,
    architecture: String,
    metadata: HashMap<String, MetadataValue>,
    tensors: HashMap<String, TensorInfo>,
}

impl Gguf {
    /// Maps a file and reads its header. A bundled model is opened by its name
    /// ([`s1_data::assets`]).
    ///
    /// The file must not be truncated by another program while the value lives: as with any
    /// memory map, reading a page that is gone ends the process.
    pub fn open(path: &Path) -> Result<Gguf> {
        if let Some(bytes) = s1_data::assets::open_path(path) {
            return Self::parse(Bytes::Owned(AlignedBytes::copy_of(bytes)));
        }
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
        // meanwhile is the documented contract of this function.
        let map = unsafe { memmap2::Mmap::map(&file) }
            .with_context(|| format!("cannot map {} into memory", path.display()))?;
        Self::parse(Bytes::Mapped(map))
            .with_context(|| format!("{} is not a usable GGUF model", path.display()))
    }

    /// Reads a GGUF file held in memory with the same parser as [`Gguf::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Gguf> {
        Self::parse(Bytes::Owned(AlignedBytes::copy_of(&bytes)))
    }

    fn parse(bytes: Bytes) -> Result<Gguf> {
        let parse::Header { metadata, tensors } = parse::header(&bytes)?;
        let mut gguf = Gguf {
            bytes: Arc::new(bytes),
            architecture: String::new(),
            metadata,
            tensors,
        };
        if let Some(other) = gguf.string("general.type").filter(|kind| *kind != "model") {
            bail!("it holds no model (its general.type is {other:?}); give the model's own file");
        }
        // The directory of a part names no more than its own tensors.
        if let Some(parts) = gguf.u64("split.count").filter(|parts| *parts > 1) {
            let part = gguf
                .u64("split.no")
                .map_or(1, |index| index.saturating_add(1));
            bail!(
                "it is part {part} of {parts}; put the parts together first (llama-gguf-split --merge)"
            );
        }
        gguf.architecture = match gguf.string("general.architecture") {
            Some(name) => name.to_owned(),
            None => bail!("the metadata has no text under general.architecture"),
        };
        Ok(gguf)
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
        self.bytes.get(value.range.clone()).unwrap_or_default()
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

    /// The raw little-endian blocks of a tensor of this file (empty for an entry that came from
    /// another file and lies outside this one).
    pub fn data(&self, info: &TensorInfo) -> &[u8] {
        self.bytes.get(info.range()).unwrap_or_default()
    }

    /// Gives the memory of a tensor's pages back; they are read from the file again if needed.
    pub fn forget(&self, info: &TensorInfo) {
        #[cfg(unix)]
        if let Bytes::Mapped(map) = &*self.bytes {
            let (offset, len) = (info.offset, info.bytes);
            // SAFETY: the map is of a file and read-only, so its pages hold nothing else.
            let _ = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len)
            };
        }
        #[cfg(not(unix))]
        let _ = info;
    }

    /// The file's bytes, shared: rows that are widened straight out of the map hold on to them.
    pub fn shared_bytes(&self) -> Arc<Bytes> {
        Arc::clone(&self.bytes)
    }

    /// Total size of all tensors in bytes.
    pub fn weights_bytes(&self) -> u64 {
        // Entries may overlap in a hostile file, so the sum may exceed the file: saturate.
        self.tensors
            .values()
            .fold(0u64, |sum, t| sum.saturating_add(t.bytes as u64))
    }

    /// Total number of weights.
    pub fn parameters(&self) -> u64 {
        self.tensors
            .values()
            .fold(0u64, |sum, t| sum.saturating_add(t.elements() as u64))
    }
}

#[cfg(test)]
mod tests;
