//! Records of a Parquet file, row by row.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use parquet::file::reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use serde_json::Value;

use super::Record;

/// The records of a file as JSON lines, each made when it is read.
pub struct ParquetRows {
    rows: RowIter<'static>,
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
        let reader = SerializedFileReader::new(file).with_context(place)?;
        Ok(ParquetRows {
            rows: RowIter::from_file_into(Box::new(reader)),
            line: Vec::new(),
            at: 0,
        })
    }
}

impl Read for ParquetRows {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            let Some(row) = self.rows.next() else {
                return Ok(0);
            };
            let row = row.map_err(io::Error::other)?;
            self.line = serde_json::to_vec(&object(&row))?;
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
