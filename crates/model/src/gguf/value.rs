//! Metadata values: each stays in the file, with its type and where it lies.

use std::ops::Range;

use anyhow::{Context, Result, bail};

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
    pub(super) fn read(cursor: &mut Cursor) -> Result<Self> {
        use ValueKind::*;
        const ALL: [ValueKind; 13] = [
            U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64,
        ];
        let code = cursor.u32()?;
        let kind = ALL.get(code as usize).copied();
        kind.with_context(|| format!("the value type number {code} is unknown"))
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

    /// Steps over a value of this kind, which is checked.
    fn skip(self, cursor: &mut Cursor, depth: usize) -> Result<()> {
        match (self, self.fixed_bytes()) {
            (ValueKind::Bool, _) => match cursor.bytes::<1>()? {
                [0 | 1] => {}
                [other] => bail!("a boolean has the value {other}"),
            },
            (_, Some(size)) => drop(cursor.take(size)?),
            // That it is UTF-8 matters to who reads it: an author's name in Latin-1 harms nobody.
            (ValueKind::String, None) => {
                let len = cursor.len()?;
                cursor.take(len)?;
            }
            (_, None) => {
                if depth >= MAX_ARRAY_DEPTH {
                    bail!("arrays nest more than {MAX_ARRAY_DEPTH} deep");
                }
                let (kind, len) = (Self::read(cursor)?, cursor.len()?);
                match kind.fixed_bytes() {
                    Some(size) => {
                        let bytes = len
                            .checked_mul(size)
                            .with_context(|| format!("an array of {len} elements overflows"))?;
                        cursor.take(bytes)?;
                    }
                    // Every element takes at least eight bytes, so a false length soon meets the end.
                    None => (0..len).try_for_each(|_| kind.skip(cursor, depth + 1))?,
                }
            }
        }
        Ok(())
    }

    /// An integer of any type; `None` if this is none.
    pub(super) fn integer(self, cursor: &mut Cursor) -> Option<i128> {
        Some(match self {
            ValueKind::U8 => u8::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::I8 => i8::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::U16 => u16::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::I16 => i16::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::U32 => u32::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::I32 => i32::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::U64 => u64::from_le_bytes(cursor.bytes().ok()?).into(),
            ValueKind::I64 => i64::from_le_bytes(cursor.bytes().ok()?).into(),
            _ => return None,
        })
    }

    /// A number of either float type; `None` if this is none.
    pub(super) fn float(self, cursor: &mut Cursor) -> Option<f32> {
        match self {
            ValueKind::F32 => Some(f32::from_le_bytes(cursor.bytes().ok()?)),
            ValueKind::F64 => Some(f64::from_le_bytes(cursor.bytes().ok()?) as f32),
            _ => None,
        }
    }
}

/// One metadata value, checked; `Gguf::string`, `Gguf::u64` and the like read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataValue {
    pub kind: ValueKind,
    /// Its bytes in the file.
    pub(super) range: Range<usize>,
}

impl MetadataValue {
    /// The type and value of a metadata key.
    pub(super) fn read(cursor: &mut Cursor) -> Result<Self> {
        let kind = ValueKind::read(cursor)?;
        let start = cursor.position();
        kind.skip(cursor, 0)?;
        let range = start..cursor.position();
        Ok(Self { kind, range })
    }
}
