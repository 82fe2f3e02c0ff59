//! `tojson` as Python writes JSON.

use super::MAX_OUTPUT_BYTES;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// `tojson` as Python's `json.dumps` writes: a space after `,` and `:`, nothing escaped for HTML.
pub(super) fn to_json(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let value = match sorted {
        Some(true) => Value::from(Serde(sorted_keys(&value)?)),
        _ => value,
    };
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        // In lines of their own, items need no blank.
        _ if indent.is_some() => (",".into(), ": ".into()),
        _ => (", ".into(), ": ".into()),
    };
    let mut out = Limited(Vec::new());
    let style = Style {
        item,
        key,
        ascii: ascii.unwrap_or(false),
        indent: indent.map(|width| width.min(16)),
        depth: 0,
        empty: false,
    };
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, style));
    written.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(out.text().into())
}

/// The value with the keys of all maps in order.
fn sorted_keys(value: &Value) -> Result<serde_json::Value, Error> {
    let broken =
        |error: serde_json::Error| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let mut out = Limited(Vec::new());
    serde_json::to_writer(&mut out, value).map_err(broken)?;
    let mut value: serde_json::Value = serde_json::from_slice(&out.0).map_err(broken)?;
    value.sort_all_objects();
    Ok(value)
}

/// Bytes up to the most a render may produce.
pub(super) struct Limited(pub Vec<u8>);

impl Limited {
    pub fn text(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other(
                "a list or map is longer than 1 MiB as text",
            ));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How Python's `json.dumps` sets JSON: with the separators that it was given, on one line or
/// indented.
struct Style {
    item: String,
    key: String,
    /// Whether characters beyond ASCII are escaped.
    ascii: bool,
    /// The blanks of one level, when items stand on lines of their own.
    indent: Option<usize>,
    depth: usize,
    /// Whether the list or map that is open has no items yet.
    empty: bool,
}

impl Style {
    fn line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        let Some(width) = self.indent else {
            return Ok(());
        };
        out.write_all(b"\n")?;
        out.write_all(" ".repeat(width * self.depth.min(64)).as_bytes())
    }

    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        out.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.empty {
            self.line(out)?;
        }
        self.empty = false;
        out.write_all(bracket)
    }

    fn next<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(self.item.as_bytes())?;
        }
        self.empty = false;
        self.line(out)
    }
}

impl Formatter for Style {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(self.key.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.ascii || fragment.is_ascii() {
            return out.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if c.is_ascii() {
                write!(out, "{c}")?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
