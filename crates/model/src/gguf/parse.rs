//! The parser: from bytes to a checked directory.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

use super::TensorInfo;
use super::cursor::Cursor;
use super::kind::{self, TensorType};
use super::value::MetadataValue;

/// More entries than any real file has; each costs about a hundred bytes of memory.
const MAX_METADATA: u64 = 1 << 16;
const MAX_TENSORS: u64 = 1 << 16;
/// Keys and tensor names are the only strings that are copied; GGUF allows keys of this length.
const MAX_NAME_BYTES: usize = (1 << 16) - 1;
/// GGUF allows four dimensions.
const MAX_DIMENSIONS: u32 = 4;
/// `general.alignment` when the file does not give one.
const DEFAULT_ALIGNMENT: u64 = 32;
/// Far above any use; keeps the rounding of offsets away from overflow.
const MAX_ALIGNMENT: u64 = 1 << 20;

/// What the header of a file says.
pub(super) struct Header {
    pub metadata: HashMap<String, MetadataValue>,
    pub tensors: HashMap<String, TensorInfo>,
}

/// Reads and checks the whole header.
pub(super) fn header(file: &[u8]) -> Result<Header> {
    let mut cursor = Cursor::new(file);
    let magic = cursor
        .take(4)
        .context("the file is too short to be a GGUF file")?;
    if magic != b"GGUF" {
        bail!("the file does not start with GGUF, so it is not a GGUF file");
    }
    match cursor.u32()? {
        2 | 3 => {}
        version if version.swap_bytes() <= 3 => bail!("big-endian GGUF files are not supported"),
        version => bail!("GGUF version {version} is not supported (2 and 3 are)"),
    }
    let tensor_count = cursor.u64()?;
    let metadata_count = cursor.u64()?;
    if tensor_count > MAX_TENSORS {
        bail!("the header claims {tensor_count} tensors; at most {MAX_TENSORS} are accepted");
    }
    if metadata_count > MAX_METADATA {
        bail!(
            "the header claims {metadata_count} metadata keys; at most {MAX_METADATA} are accepted"
        );
    }

    // No capacity is reserved from the counts: the maps grow as entries really appear.
    let mut metadata = HashMap::new();
    for index in 0..metadata_count {
        let key =
            read_name(&mut cursor).with_context(|| format!("metadata key {index} is damaged"))?;
        let value = MetadataValue::read(&mut cursor)
            .with_context(|| format!("the metadata value of {key} is damaged"))?;
        if metadata.insert(key.to_owned(), value).is_some() {
            bail!("the metadata key {key} occurs twice");
        }
    }

    let mut entries = Vec::new();
    for index in 0..tensor_count {
        let name = read_name(&mut cursor)
            .with_context(|| format!("the name of tensor {index} is damaged"))?;
        let shape = DirectoryEntry::read(&mut cursor)
            .with_context(|| format!("the directory entry of tensor {name} is damaged"))?;
        // A type that is not supported is no damage.
        let kind = kind::from_code(shape.code, name)?;
        let entry = TensorEntry::of(shape, kind)
            .with_context(|| format!("the directory entry of tensor {name} is damaged"))?;
        entries.push((name, entry));
    }

    let data_start = (cursor.position() as u64)
        .checked_next_multiple_of(alignment(file, &metadata)?)
        .context("the tensor data would start beyond any file")?;
    let mut tensors = HashMap::new();
    for (name, entry) in entries {
        let info = entry.locate(name, data_start, file.len())?;
        if tensors.insert(name.to_owned(), info).is_some() {
            bail!("the tensor {name} occurs twice");
        }
    }
    Ok(Header { metadata, tensors })
}

/// The name of a key or tensor.
fn read_name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str> {
    let name = cursor.string()?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        bail!(
            "a name of {} bytes is not accepted (1 to {MAX_NAME_BYTES})",
            name.len()
        );
    }
    Ok(name)
}

fn alignment(file: &[u8], metadata: &HashMap<String, MetadataValue>) -> Result<u64> {
    let Some(value) = metadata.get("general.alignment") else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    let number = value
        .kind
        .integer(&mut Cursor::new(&file[value.range.clone()]));
    match number.and_then(|a| u64::try_from(a).ok()) {
        Some(a) if a.is_power_of_two() && (8..=MAX_ALIGNMENT).contains(&a) => Ok(a),
        _ => bail!("general.alignment is not a power of two between 8 and {MAX_ALIGNMENT}"),
    }
}

/// What a directory entry says.
struct DirectoryEntry {
    /// The innermost dimension first, as in the file.
    sizes: Vec<usize>,
    elements: usize,
    /// The type's number.
    code: u32,
    /// Relative to the start of the tensor data.
    offset: u64,
}

/// A directory entry whose shape is checked but whose place is not yet.
struct TensorEntry {
    kind: TensorType,
    shape: Vec<usize>,
    bytes: usize,
    /// Relative to the start of the tensor data.
    offset: u64,
}

impl DirectoryEntry {
    fn read(cursor: &mut Cursor) -> Result<Self> {
        let dimensions = cursor.u32()?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            bail!("it claims {dimensions} dimensions (1 to {MAX_DIMENSIONS} are possible)");
        }
        let mut sizes = Vec::with_capacity(dimensions as usize);
        let mut elements = 1usize;
        for _ in 0..dimensions {
            let size = usize::try_from(cursor.u64()?).context("a dimension is too large")?;
            if size == 0 {
                bail!("a dimension is zero");
            }
            elements = elements.checked_mul(size).context("its size overflows")?;
            sizes.push(size);
        }
        Ok(Self {
            sizes,
            elements,
            code: cursor.u32()?,
            offset: cursor.u64()?,
        })
    }
}

impl TensorEntry {
    fn of(shape: DirectoryEntry, kind: TensorType) -> Result<Self> {
        let DirectoryEntry {
            mut sizes,
            elements,
            offset,
            ..
        } = shape;
        // Blocks run along the innermost dimension.
        let (row, block) = (sizes[0], kind.block_size());
        if !row.is_multiple_of(block) {
            bail!("its rows of {row} elements do not divide into blocks of {block}");
        }
        let bytes = (elements / block)
            .checked_mul(kind.type_size())
            .context("its size overflows")?;
        sizes.reverse();
        Ok(Self {
            kind,
            shape: sizes,
            bytes,
            offset,
        })
    }

    fn locate(self, name: &str, data_start: u64, file_len: usize) -> Result<TensorInfo> {
        let start = data_start.checked_add(self.offset);
        let end = start.and_then(|s| s.checked_add(self.bytes as u64));
        match (start, end) {
            (Some(start), Some(end)) if end <= file_len as u64 => Ok(TensorInfo {
                kind: self.kind,
                shape: self.shape,
                part: 0,
                // Both are at most the file's length, which is a usize.
                offset: start as usize,
                bytes: self.bytes,
                stored: None,
            }),
            _ => bail!(
                "tensor {name} lies beyond the end of the file: the file is truncated or damaged \
                 (download it again)"
            ),
        }
    }
}
