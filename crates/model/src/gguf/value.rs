//! Metadata values. Strings and arrays are ranges of the file, not copies.

use std::ops::Range;

use super::parse::Cursor;

/// The type of a metadata value, numbered as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it all
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
    pub(super) fn from_code(code: u32) -> Option<Self> {
        use ValueKind::*;
        const ALL: [ValueKind; 13] = [
            U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64,
        ];
        ALL.get(usize::try_from(code).ok()?).copied()
    }

    /// Bytes of one element, `None` for the two kinds without a fixed size.
    pub(super) fn fixed_bytes(self) -> Option<usize> {
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
#[allow(missing_docs)] // the names say it all
pub enum Value {
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

impl Value {
    /// Any integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::U8(v) => Some(v.into()),
            Value::U16(v) => Some(v.into()),
            Value::U32(v) => Some(v.into()),
            Value::U64(v) => Some(v),
            _ => u64::try_from(self.as_i64()?).ok(),
        }
    }

    /// Any integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Value::U8(v) => Some(v.into()),
            Value::I8(v) => Some(v.into()),
            Value::U16(v) => Some(v.into()),
            Value::I16(v) => Some(v.into()),
            Value::U32(v) => Some(v.into()),
            Value::I32(v) => Some(v.into()),
            Value::U64(v) => i64::try_from(v).ok(),
            Value::I64(v) => Some(v),
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
        self.decode(file, |c| match c.scalar(kind).ok()? {
            Value::F32(v) => Some(v),
            Value::F64(v) => Some(v as f32),
            _ => None,
        })
    }

    pub(super) fn i32s(&self, file: &[u8]) -> Option<Vec<i32>> {
        let kind = self.kind;
        kind.fixed_bytes()?;
        self.decode(file, |c| i32::try_from(c.scalar(kind).ok()?.as_i64()?).ok())
    }
}
