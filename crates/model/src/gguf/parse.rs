//! The parser: from bytes to a checked directory.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, Result, anyhow, bail};

use super::TensorInfo;
use super::kind::TensorKind;
use super::value::{Array, Value, ValueKind};

/// More entries than any real file has; each costs about a hundred bytes of memory.
const MAX_METADATA: u64 = 1 << 16;
const MAX_TENSORS: u64 = 1 << 16;
/// Keys and tensor names are the only strings that are copied.
const MAX_NAME_BYTES: usize = 256;
/// Arrays of arrays nest at most this deep, which bounds the parser's recursion.
const MAX_ARRAY_DEPTH: usize = 4;
/// GGUF allows four dimensions.
const MAX_DIMENSIONS: u32 = 4;
/// `general.alignment` when the file does not give one.
const DEFAULT_ALIGNMENT: u64 = 32;
/// Far above any use; keeps the rounding of offsets away from overflow.
const MAX_ALIGNMENT: u64 = 1 << 20;

/// What the header of a file says.
pub(super) struct Header {
    pub metadata: HashMap<String, Value>,
    pub tensors: HashMap<String, TensorInfo>,
}

/// Reads and checks the whole header.
pub(super) fn header(file: &[u8]) -> Result<Header> {
    let mut cursor = Cursor {
        file,
        at: 0,
        end: file.len(),
    };
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
        let key = cursor
            .name()
            .with_context(|| format!("metadata key {index} is damaged"))?;
        let value = cursor
            .value()
            .with_context(|| format!("the metadata value of {key} is damaged"))?;
        if metadata.insert(key.to_owned(), value).is_some() {
            bail!("the metadata key {key} occurs twice");
        }
    }

    let mut entries = Vec::new();
    for index in 0..tensor_count {
        let name = cursor
            .name()
            .with_context(|| format!("the name of tensor {index} is damaged"))?;
        let entry = Entry::read(&mut cursor, name)
            .with_context(|| format!("the directory entry of tensor {name} is damaged"))?;
        entries.push((name, entry));
    }

    let data_start = align_up(cursor.at as u64, alignment(&metadata)?)?;
    let mut tensors = HashMap::new();
    for (name, entry) in entries {
        let info = entry.locate(name, data_start, file.len())?;
        if tensors.insert(name.to_owned(), info).is_some() {
            bail!("the tensor {name} occurs twice");
        }
    }
    Ok(Header { metadata, tensors })
}

fn alignment(metadata: &HashMap<String, Value>) -> Result<u64> {
    let Some(value) = metadata.get("general.alignment") else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    match value.as_u64() {
        Some(a) if a.is_power_of_two() && (8..=MAX_ALIGNMENT).contains(&a) => Ok(a),
        _ => bail!("general.alignment is not a power of two between 8 and {MAX_ALIGNMENT}"),
    }
}

fn align_up(offset: u64, alignment: u64) -> Result<u64> {
    offset
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| anyhow!("the tensor data would start beyond any file"))
}

/// A directory entry whose shape is checked but whose place is not yet.
struct Entry {
    kind: TensorKind,
    shape: Vec<usize>,
    bytes: usize,
    /// Relative to the start of the tensor data.
    offset: u64,
}

impl Entry {
    fn read(cursor: &mut Cursor, name: &str) -> Result<Self> {
        let dimensions = cursor.u32()?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            bail!("it claims {dimensions} dimensions (1 to {MAX_DIMENSIONS} are possible)");
        }
        let mut shape = Vec::with_capacity(dimensions as usize);
        let mut elements = 1usize;
        for _ in 0..dimensions {
            let size = usize::try_from(cursor.u64()?).context("a dimension is too large")?;
            if size == 0 {
                bail!("a dimension is zero");
            }
            elements = elements
                .checked_mul(size)
                .ok_or_else(|| anyhow!("its size overflows"))?;
            shape.push(size);
        }
        let kind = TensorKind::from_code(cursor.u32()?, name)?;
        let offset = cursor.u64()?;
        // GGUF lists the innermost dimension first; blocks run along it.
        let (row, block) = (shape[0], kind.block_elements());
        if !row.is_multiple_of(block) {
            bail!("its rows of {row} elements do not divide into blocks of {block}");
        }
        let bytes = (elements / block)
            .checked_mul(kind.block_bytes())
            .ok_or_else(|| anyhow!("its size overflows"))?;
        shape.reverse();
        Ok(Self {
            kind,
            shape,
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
                // Both are at most the file's length, which is a usize.
                offset: start as usize,
                bytes: self.bytes,
            }),
            _ => bail!(
                "tensor {name} lies beyond the end of the file: the file is truncated or damaged \
                 (download it again)"
            ),
        }
    }
}

/// A reading position that cannot leave its range.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor over part of a file, `None` if the part is not inside it.
    pub(super) fn at(file: &'a [u8], range: Range<usize>) -> Option<Self> {
        file.get(range.clone())?;
        Some(Self {
            file,
            at: range.start,
            end: range.end,
        })
    }

    fn range(&mut self, len: usize) -> Result<Range<usize>> {
        let start = self.at;
        match start.checked_add(len) {
            Some(end) if end <= self.end => {
                self.at = end;
                Ok(start..end)
            }
            _ => bail!("the file ends too early: it is truncated or damaged"),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let range = self.range(len)?;
        Ok(&self.file[range])
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn len(&mut self) -> Result<usize> {
        usize::try_from(self.u64()?).context("a length does not fit in memory")
    }

    fn string_range(&mut self) -> Result<Range<usize>> {
        let len = self.len()?;
        let range = self.range(len)?;
        std::str::from_utf8(&self.file[range.clone()]).context("a string is not UTF-8")?;
        Ok(range)
    }

    /// A length-prefixed string.
    pub(super) fn string(&mut self) -> Result<&'a str> {
        let len = self.len()?;
        std::str::from_utf8(self.take(len)?).context("a string is not UTF-8")
    }

    fn name(&mut self) -> Result<&'a str> {
        let name = self.string()?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            bail!(
                "a name of {} bytes is not accepted (1 to {MAX_NAME_BYTES})",
                name.len()
            );
        }
        Ok(name)
    }

    fn kind(&mut self) -> Result<ValueKind> {
        let code = self.u32()?;
        ValueKind::from_code(code).ok_or_else(|| anyhow!("the value type number {code} is unknown"))
    }

    fn value(&mut self) -> Result<Value> {
        match self.kind()? {
            ValueKind::String => Ok(Value::String(self.string_range()?)),
            ValueKind::Array => Ok(Value::Array(self.array(0)?)),
            kind => self.scalar(kind),
        }
    }

    /// A value of a kind with a fixed size.
    pub(super) fn scalar(&mut self, kind: ValueKind) -> Result<Value> {
        Ok(match kind {
            ValueKind::U8 => Value::U8(u8::from_le_bytes(self.bytes()?)),
            ValueKind::I8 => Value::I8(i8::from_le_bytes(self.bytes()?)),
            ValueKind::U16 => Value::U16(u16::from_le_bytes(self.bytes()?)),
            ValueKind::I16 => Value::I16(i16::from_le_bytes(self.bytes()?)),
            ValueKind::U32 => Value::U32(self.u32()?),
            ValueKind::I32 => Value::I32(i32::from_le_bytes(self.bytes()?)),
            ValueKind::F32 => Value::F32(f32::from_le_bytes(self.bytes()?)),
            ValueKind::U64 => Value::U64(self.u64()?),
            ValueKind::I64 => Value::I64(i64::from_le_bytes(self.bytes()?)),
            ValueKind::F64 => Value::F64(f64::from_le_bytes(self.bytes()?)),
            ValueKind::Bool => match self.bytes::<1>()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [other] => bail!("a boolean has the value {other}"),
            },
            ValueKind::String | ValueKind::Array => bail!("an element has no fixed size"),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Array> {
        if depth >= MAX_ARRAY_DEPTH {
            bail!("arrays nest more than {MAX_ARRAY_DEPTH} deep");
        }
        let kind = self.kind()?;
        let len = self.len()?;
        let start = self.at;
        match kind.fixed_bytes() {
            Some(size) => {
                let bytes = len
                    .checked_mul(size)
                    .ok_or_else(|| anyhow!("an array of {len} elements overflows"))?;
                self.range(bytes)?;
            }
            // Every element takes at least eight bytes, so a false length soon meets the end.
            None => {
                for _ in 0..len {
                    match kind {
                        ValueKind::String => {
                            self.string_range()?;
                        }
                        _ => {
                            self.array(depth + 1)?;
                        }
                    }
                }
            }
        }
        Ok(Array {
            kind,
            len,
            range: start..self.at,
        })
    }
}
