//! Python's methods of strings, lists and maps, which templates call as if they ran there.

use super::MAX_OUTPUT_BYTES;
use super::functions::joined;
use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};

/// The widest field that a string is padded to.
const MAX_WIDTH: usize = 10_000;

/// A method of a value that the library does not know by itself.
pub(super) fn method(
    state: &mut State,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args);
    };
    match (name, args) {
        ("join", [items]) => joined(state, items, text),
        // The library pads to any width before it counts the cost.
        ("format", _) if has_long_number(text) => Err(refused("a field is too wide in str.format")),
        _ => match own(text, name, args) {
            Some(result) => result,
            None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
        },
    }
}

/// The string methods that the library lacks; `None` for the others.
fn own(text: &str, name: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    let arg = |index: usize| args.get(index).and_then(Value::as_str);
    Some(Ok(match (name, args.len()) {
        ("rsplit", _) => return Some(rsplit(text, args)),
        ("partition", 1) => match text.split_once(arg(0)?) {
            Some((before, after)) => triple(before, arg(0)?, after),
            None => triple(text, "", ""),
        },
        ("rpartition", 1) => match text.rsplit_once(arg(0)?) {
            Some((before, after)) => triple(before, arg(0)?, after),
            None => triple("", "", text),
        },
        ("removeprefix", 1) => text.strip_prefix(arg(0)?).unwrap_or(text).into(),
        ("removesuffix", 1) => text.strip_suffix(arg(0)?).unwrap_or(text).into(),
        ("isidentifier", 0) => is_identifier(text).into(),
        ("casefold", 0) => text.to_lowercase().into(),
        ("swapcase", 0) => text
            .chars()
            .flat_map(|c| match c.is_uppercase() {
                true => c.to_lowercase().collect::<Vec<_>>(),
                false => c.to_uppercase().collect(),
            })
            .collect::<String>()
            .into(),
        ("index", 1) => match text.find(arg(0)?) {
            Some(at) => text[..at].chars().count().into(),
            None => return Some(Err(refused("substring not found"))),
        },
        ("zfill" | "ljust" | "rjust" | "center", 1 | 2) => return Some(padded(text, name, args)),
        _ => return None,
    }))
}

fn triple(before: &str, separator: &str, after: &str) -> Value {
    Value::from_iter([before, separator, after].map(str::to_owned))
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    let first = |c: char| c.is_alphabetic() || c == '_';
    chars.next().is_some_and(first) && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// `text.rsplit(sep, maxsplit)`: from the right, at white space without a separator.
fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, limit, options): (Option<&str>, Option<i64>, Kwargs) =
        minijinja::value::from_args(args)?;
    let separator = match separator {
        Some(separator) => Some(separator),
        None => options.get("sep")?,
    };
    let limit = match limit {
        Some(limit) => Some(limit),
        None => options.get("maxsplit")?,
    };
    options.assert_all_used()?;
    // A negative limit is none.
    let parts = limit.and_then(|limit| usize::try_from(limit).ok());
    let parts = parts.map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut found: Vec<&str> = match separator {
        Some("") => return Err(refused("empty separator")),
        Some(separator) => text.rsplitn(parts, separator).collect(),
        None => {
            let mut found = Vec::new();
            let mut rest = text.trim_end();
            while !rest.is_empty() && found.len() + 1 < parts {
                let Some(at) = rest.rfind(char::is_whitespace) else {
                    break;
                };
                let gap = rest[at..].chars().next().map_or(1, char::len_utf8);
                found.push(&rest[at + gap..]);
                rest = rest[..at].trim_end();
            }
            if !rest.is_empty() {
                found.push(rest.trim_start());
            }
            found
        }
    };
    found.reverse();
    Ok(Value::from_iter(found.into_iter().map(str::to_owned)))
}

/// `zfill`, `ljust`, `rjust`, `center`.
fn padded(text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, fill): (usize, Option<&str>) = minijinja::value::from_args(args)?;
    let length = text.chars().count();
    let room = width.saturating_sub(length);
    let fill = if name == "zfill" {
        "0"
    } else {
        fill.unwrap_or(" ")
    };
    if width > MAX_WIDTH || room * fill.len() > MAX_OUTPUT_BYTES {
        return Err(refused("a field is too wide"));
    }
    let left = match name {
        "ljust" => 0,
        // Python puts the odd blank of an odd width on the left.
        "center" => room / 2 + (room & width & 1),
        _ => room,
    };
    let (sign, digits) = match name {
        "zfill" if text.starts_with(['-', '+']) => text.split_at(1),
        _ => ("", text),
    };
    let (before, after) = (fill.repeat(left), fill.repeat(room - left));
    Ok(format!("{sign}{before}{digits}{after}").into())
}

/// Whether a text has a number of more than four digits.
fn has_long_number(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits.len() > 4)
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
