//! Records of a Parquet file, row by row.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

/// Hands one record after the other to `take`, until it returns false.
///
/// # Errors
/// If the file cannot be read, or as `take` does.
pub(super) fn each_record(
    path: &Path,
    mut take: impl FnMut(Map<String, Value>) -> Result<bool>,
) -> Result<()> {
    let place = || format!("cannot read the Parquet file {}", path.display());
    let file = File::open(path).with_context(place)?;
    let reader = SerializedFileReader::new(file).with_context(place)?;
    for row in reader.get_row_iter(None).with_context(place)? {
        if !take(object(&row.with_context(place)?))? {
            break;
        }
    }
    Ok(())
}

fn object(row: &Row) -> Map<String, Value> {
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
        Field::Float(n) => (*n).into(),
        Field::Double(n) => (*n).into(),
        Field::Str(text) => text.clone().into(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned().into(),
        Field::Group(row) => object(row).into(),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => other.to_string().into(),
    }
}
