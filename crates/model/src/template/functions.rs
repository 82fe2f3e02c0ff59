//! What chat templates expect of their surroundings beyond Jinja itself: the helpers of Hugging
//! Face's renderer, and Python's string methods.

use super::{FUEL, MAX_OUTPUT_BYTES};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, Value, escape_formatter};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// An environment with the settings and helpers of Hugging Face's renderer, on a budget.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // Only odd delimiters make this fail, and these are the usual ones.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_recursion_limit(100);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(method);
    environment.add_function("raise_exception", raise_exception);
    environment.add_filter("tojson", to_json);
    environment.add_filter("join", join);
    environment.add_filter("string", |value: Value| written(&value));
    environment.set_formatter(|out, state, value| escape_formatter(out, state, &written(value)?));
    environment
}

/// A template's own refusal, told apart from an error of the engine by its type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "refused").with_source(Refusal(message)))
}

/// What the template said when it refused, if this error is a refusal.
pub(super) fn refusal(error: &Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(Refusal(message)) = error.downcast_ref() {
            return Some(message.clone());
        }
        cause = error.source();
    }
    None
}

/// Python's methods of strings, lists and maps.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, args) {
        (Some(separator), "join", [items]) => joined(state, items, separator),
        // The library pads to any width before it counts the cost.
        (Some(format), "format", _) if has_long_number(format) => {
            let message = "a field is too wide in str.format";
            Err(Error::new(ErrorKind::InvalidOperation, message))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// Whether a text has a number of more than four digits.
fn has_long_number(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits.len() > 4)
}

/// The `join` filter.
fn join(state: &State, items: Value, separator: Option<String>) -> Result<Value, Error> {
    joined(state, &items, separator.as_deref().unwrap_or_default())
}

/// Joins items, paying for each before it is copied: with the library's own `join` a short list
/// of one long string many times over fills the memory first and is charged afterwards.
fn joined(state: &State, items: &Value, separator: &str) -> Result<Value, Error> {
    let mut text = String::new();
    for (index, item) in items.try_iter()?.checked().enumerate() {
        let item = written(&item?)?;
        let item = item
            .as_str()
            .map_or_else(|| item.to_string(), str::to_owned);
        state.consume_fuel(((item.len() + separator.len()) / 64 + 1) as u64)?;
        if text.len() + item.len() + separator.len() > MAX_OUTPUT_BYTES {
            let message = "a joined list is longer than 1 MiB";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(&item);
    }
    Ok(text.into())
}

/// A value as text. Lists and maps may hold one string many times over, so their text is cut off
/// with an error before it fills the memory; the library would charge for it afterwards.
fn written(value: &Value) -> Result<Value, Error> {
    if value.as_object().is_none() || value.as_str().is_some() {
        return Ok(value.clone());
    }
    let mut out = Limited(Vec::new());
    let written = write!(out, "{value}");
    written.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(out.text().into())
}

/// `tojson` as Python's `json.dumps` writes: a space after `,` and `:`, nothing escaped for HTML.
fn to_json(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted as in Hugging Face's renderer; they do not change what models are shown.
    let _: (Option<bool>, Option<bool>) = (options.get("ensure_ascii")?, options.get("sort_keys")?);
    options.assert_all_used()?;
    let mut out = Limited(Vec::new());
    let written = match indent {
        Some(width) => {
            let indent = " ".repeat(width.min(16));
            let pretty = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut out, pretty))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)),
    };
    written.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(out.text().into())
}

/// Bytes up to the most a render may produce.
struct Limited(Vec<u8>);

impl Limited {
    fn text(self) -> String {
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

/// JSON on one line with Python's spaces.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
