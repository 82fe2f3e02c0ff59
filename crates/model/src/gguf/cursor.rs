//! Reading numbers and strings one after the other, never beyond the end.
//!
//! Not here: what they mean ([`super::value`], [`super::parse`]).

use anyhow::{Context, Result, bail};

/// A reading position that cannot leave its bytes.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of some bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How far it has read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.bytes[self.at..].get(..len) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => bail!("the file ends too early: it is truncated or damaged"),
        }
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

    /// A length-prefixed string.
    pub(super) fn string(&mut self) -> Result<&'a str> {
        let len = self.len()?;
        std::str::from_utf8(self.take(len)?).context("a string is not UTF-8")
    }
}
