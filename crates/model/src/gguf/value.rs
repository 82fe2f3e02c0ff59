//! Metadata values. Strings and arrays are ranges of the file, not copies.

use std::ops::Range;

use anyhow::{Result, anyhow, bail};

use super::cursor::Cursor;

/// Arrays of arrays nest at most this deep, which bounds the recursion.
const MAX_ARRAY_DEPTH: usize = 4;

/// The type of a metadata value, numbered as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]

pub enum ValueKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueKind {
    fn from_code(code: u32) -> Option<Self> {
        use ValueKind::*;
        const ALL: [ValueKind; 13] = [
            U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64,
        ];
        ALL.get(usize::try_from(code).ok()?).copied()
    }

    fn read(cursor: &mut Cursor) -> Result<Self> {
        let code = cursor.u32()?;
        Self::from_code(code).ok_or_else(|| anyhow!("the value type number {code} is unknown"))
    }

    /// Bytes of one element, `None` for the two kinds without a fixed size.
    fn fixed_bytes(self) -> Option<usize> {
        use ValueKind::*;
        match self {
            U8 | I8 | Bool => Some(1),
            U16 | I16 => Some(2),
            U32 | I32 | F32 => Some(4),
            U64 | I64 | F64 => Some(8),
            String | Array => None,
        }
    }
}

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]

pub enum MetadataValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    /// A range of the file that has been checked to hold UTF-8; read it with `Gguf::string`.
    String(Range<usize>),
    /// A checked array; read it with `Gguf::strings`, `Gguf::f32s`, `Gguf::i32s`.
    Array(Array),
}

impl MetadataValue {
    /// The type and value of a metadata key.
    pub(super) fn read(cursor: &mut Cursor) -> Result<Self> {
        match ValueKind::read(cursor)? {
            ValueKind::String => Ok(Self::String(cursor.string_range()?)),
            ValueKind::Array => Ok(Self::Array(Array::read(cursor, 0)?)),
            kind => Self::scalar(cursor, kind),
        }
    }

    /// A value of a kind with a fixed size.
    fn scalar(cursor: &mut Cursor, kind: ValueKind) -> Result<Self> {
        Ok(match kind {
            ValueKind::U8 => Self::U8(u8::from_le_bytes(cursor.bytes()?)),
            ValueKind::I8 => Self::I8(i8::from_le_bytes(cursor.bytes()?)),
            ValueKind::U16 => Self::U16(u16::from_le_bytes(cursor.bytes()?)),
            ValueKind::I16 => Self::I16(i16::from_le_bytes(cursor.bytes()?)),
            ValueKind::U32 => Self::U32(cursor.u32()?),
            ValueKind::I32 => Self::I32(i32::from_le_bytes(cursor.bytes()?)),
            ValueKind::F32 => Self::F32(f32::from_le_bytes(cursor.bytes()?)),
            ValueKind::U64 => Self::U64(cursor.u64()?),
            ValueKind::I64 => Self::I64(i64::from_le_bytes(cursor.bytes()?)),
            ValueKind::F64 => Self::F64(f64::from_le_bytes(cursor.bytes()?)),
            ValueKind::Bool => match cursor.bytes::<1>()? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [other] => bail!("a boolean has the value {other}"),
            },
            ValueKind::String | ValueKind::Array => bail!("an element has no fixed size"),
        })
    }

    /// Any integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            MetadataValue::U8(v) => Some(v.into()),
            MetadataValue::U16(v) => Some(v.into()),
            MetadataValue::U32(v) => Some(v.into()),
            MetadataValue::U64(v) => Some(v),
            _ => u64::try_from(self.as_i64()?).ok(),
        }
    }

    /// Any integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            MetadataValue::U8(v) => Some(v.into()),
            MetadataValue::I8(v) => Some(v.into()),
            MetadataValue::U16(v) => Some(v.into()),
            MetadataValue::I16(v) => Some(v.into()),
            MetadataValue::U32(v) => Some(v.into()),
            MetadataValue::I32(v) => Some(v.into()),
            MetadataValue::U64(v) => i64::try_from(v).ok(),
            MetadataValue::I64(v) => Some(v),
            _ => None,
        }
    }
}

/// An array in the file: element kind, count, and where its elements lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Kind of every element.
    pub kind: ValueKind,
    /// Number of elements.
    pub len: usize,
    /// The elements' bytes, checked at parsing to hold exactly `len` elements.
    pub(super) range: Range<usize>,
}

impl Array {
    fn read(cursor: &mut Cursor, depth: usize) -> Result<Self> {
        if depth >= MAX_ARRAY_DEPTH {
            bail!("arrays nest more than {MAX_ARRAY_DEPTH} deep");
        }
        let kind = ValueKind::read(cursor)?;
        let len = cursor.len()?;
        let start = cursor.position();
        match kind.fixed_bytes() {
            Some(size) => {
                let bytes = len
                    .checked_mul(size)
                    .ok_or_else(|| anyhow!("an array of {len} elements overflows"))?;
                cursor.range(bytes)?;
            }
            // Every element takes at least eight bytes, so a false length soon meets the end.
            None => {
                for _ in 0..len {
                    match kind {
                        ValueKind::String => {
                            cursor.string_range()?;
                        }
                        _ => {
                            Self::read(cursor, depth + 1)?;
                        }
                    }
                }
            }
        }
        Ok(Self {
            kind,
            len,
            range: start..cursor.position(),
        })
    }

    /// Decodes the elements one by one; `None` if any is not what `read` expects.
    fn decode<'a, T>(
        &self,
        file: &'a [u8],
        read: impl Fn(&mut Cursor<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut cursor = Cursor::at(file, self.range.clone())?;
        // `len` elements were counted in the file, so this capacity is bounded by its size.
        let mut out = Vec::with_capacity(self.len);
        for _ in 0..self.len {
            out.push(read(&mut cursor)?);
        }
        Some(out)
    }

    pub(super) fn strings<'a>(&self, file: &'a [u8]) -> Option<Vec<&'a str>> {
        if self.kind != ValueKind::String {
            return None;
        }
        self.decode(file, |c| c.string().ok())
    }

    pub(super) fn f32s(&self, file: &[u8]) -> Option<Vec<f32>> {
        let kind = self.kind;
        if !matches!(kind, ValueKind::F32 | ValueKind::F64) {
            return None;
        }
        self.decode(file, |c| match MetadataValue::scalar(c, kind).ok()? {
            MetadataValue::F32(v) => Some(v),
            MetadataValue::F64(v) => Some(v as f32),
            _ => None,
        })
    }

    pub(super) fn i32s(&self, file: &[u8]) -> Option<Vec<i32>> {
        let kind = self.kind;
        kind.fixed_bytes()?;
        self.decode(file, |c| {
            i32::try_from(MetadataValue::scalar(c, kind).ok()?.as_i64()?).ok()
        })
    }
}
