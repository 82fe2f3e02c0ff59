//! Reading numbers and strings one after the other, never beyond the end.
//!
//! Not here: what they mean ([`super::value`], [`super::parse`]).

use std::ops::Range;

use anyhow::{Context, Result, bail};

/// A reading position that cannot leave its range.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor over a whole file.
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            at: 0,
            end: file.len(),
        }
    }

    /// How far it has read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// A cursor over part of a file, `None` if the part is not inside it.
    pub(super) fn at(file: &'a [u8], range: Range<usize>) -> Option<Self> {
        file.get(range.clone())?;
        Some(Self {
            file,
            at: range.start,
            end: range.end,
        })
    }

    pub(super) fn range(&mut self, len: usize) -> Result<Range<usize>> {
        let start = self.at;
        match start.checked_add(len) {
            Some(end) if end <= self.end => {
                self.at = end;
                Ok(start..end)
            }
            _ => bail!("the file ends too early: it is truncated or damaged"),
        }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let range = self.range(len)?;
        Ok(&self.file[range])
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    pub(super) fn len(&mut self) -> Result<usize> {
        usize::try_from(self.u64()?).context("a length does not fit in memory")
    }

    pub(super) fn string_range(&mut self) -> Result<Range<usize>> {
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
}
