//! Records of a Parquet file, row by row.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use parquet::errors::ParquetError;
use parquet::file::reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use serde_json::Value;

use super::Record;
use crate::contained::contained;

/// What is said where the library panics, as it does on some damaged files.
const DAMAGED: &str = "it is damaged";

/// The records of a file as JSON lines, each made when it is read.
pub struct ParquetRows {
    /// None are left after one that was damaged.
    rows: Option<RowIter<'static>>,
    line: Vec<u8>,
    at: usize,
}

impl ParquetRows {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<ParquetRows> {
        let place = || format!("cannot read the Parquet file {}", path.display());
        let file = File::open(path).with_context(place)?;
        let rows = contained(|| {
            let reader = SerializedFileReader::new(file)?;
            Ok::<_, ParquetError>(RowIter::from_file_into(Box::new(reader)))
        });
        let rows = rows.ok_or_else(|| anyhow!(DAMAGED)).with_context(place)?;
        Ok(ParquetRows {
            rows: Some(rows.with_context(place)?),
            line: Vec::new(),
            at: 0,
        })
    }
}

impl Read for ParquetRows {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            let Some(rows) = &mut self.rows else {
                return Ok(0);
            };
            let next = contained(|| Some(rows.next()?.map(|row| object(&row))));
            let Some(record) = next else {
                self.rows = None;
                return Err(io::Error::other(DAMAGED));
            };
            let Some(record) = record else {
                return Ok(0);
            };
            let record = record.map_err(io::Error::other)?;
            self.line = serde_json::to_vec(&record)?;
            self.line.push(b'\n');
            self.at = 0;
        }
        let n = out.len().min(self.line.len() - self.at);
        out[..n].copy_from_slice(&self.line[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn object(row: &Row) -> Record {
    row.get_column_iter()
        .map(|(name, field)| (name.clone(), value(field)))
        .collect()
}

/// A field as JSON. What has no place in a problem (dates, keyed maps) is written as text.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(b) => (*b).into(),
        Field::Byte(n) => (*n).into(),
        Field::Short(n) => (*n).into(),
        Field::Int(n) => (*n).into(),
        Field::Long(n) => (*n).into(),
        Field::UByte(n) => (*n).into(),
        Field::UShort(n) => (*n).into(),
        Field::UInt(n) => (*n).into(),
        Field::ULong(n) => (*n).into(),
        // The decimal that the number is the nearest one of: 0.1, not 0.10000000149011612.
        Field::Float(n) => n.to_string().parse::<f64>().unwrap_or(f64::NAN).into(),
        Field::Double(n) => (*n).into(),
        Field::Str(text) => text.clone().into(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned().into(),
        Field::Group(row) => object(row).into(),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::parquet_file;

    /// A user would lose: a sentence about the file, to a panic of the library that reads it.
    #[test]
    fn a_damaged_file_ends_in_an_error() {
        let columns: [&[&str]; 2] = [&["a", "b"], &["1", "2"]];
        let whole = parquet_file(["question", "answer"], columns);
        let bytes = std::fs::read(whole.path()).unwrap();
        let (mut read, mut refused) = (0, 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        for (at, byte) in (0..bytes.len()).flat_map(|at| [0x01, 0x27, 0xff].map(|b| (at, b))) {
            let mut bytes = bytes.clone();
            bytes[at] ^= byte;
            std::fs::write(file.path(), &bytes).unwrap();
            let mut text = String::new();
            let rows = ParquetRows::open(file.path());
            match rows.and_then(|mut rows| Ok(rows.read_to_string(&mut text)?)) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    }
}
