//! What chat templates expect of their surroundings beyond Jinja itself: the helpers of Hugging
//! Face's renderer, and what Jinja in Python does otherwise than the library.

use super::json::{self, Limited};
use super::python;
use super::{FUEL, MAX_OUTPUT_BYTES};
use chrono::NaiveDateTime;
use chrono::format::{Item, StrftimeItems};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, State, Value, escape_formatter};
use std::io::Write;

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
    environment.set_unknown_method_callback(python::method);
    environment.add_function("raise_exception", raise_exception);
    // Jinja's takes the items one by one, minijinja's a list of them.
    environment.add_function("cycler", |items: Rest<Value>| {
        minijinja_contrib::globals::cycler(items.0)
    });
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    environment.add_filter("wordcount", |text: String| text.split_whitespace().count());
    environment.add_filter("tojson", json::to_json);
    environment.add_filter("join", join);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_test("iterable", is_iterable);
    set_date(&mut environment, None);
    environment.add_filter("string", |value: Value| written(&value));
    environment.set_formatter(|out, state, value| escape_formatter(out, state, &written(value)?));
    environment
}

/// Gives the templates a clock, or a date at which it stands still.
pub(super) fn set_date(environment: &mut Environment<'static>, date: Option<NaiveDateTime>) {
    environment.add_function("strftime_now", move |format: String| {
        written_date(
            &format,
            date.unwrap_or_else(|| chrono::Local::now().naive_local()),
        )
    });
}

/// A date in the form that Python's `strftime` takes.
fn written_date(format: &str, date: NaiveDateTime) -> Result<String, Error> {
    let items: Vec<Item<'_>> = StrftimeItems::new(format).take(100).collect();
    if items.contains(&Item::Error) || format.len() > 200 {
        let message = format!("strftime_now does not understand the format {format:?}");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    // Formatting fails for what a date without a time zone does not know.
    let mut text = String::new();
    let written = std::fmt::Write::write_fmt(
        &mut text,
        format_args!("{}", date.format_with_items(items.iter())),
    );
    written
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "strftime_now has no time zone"))?;
    Ok(text)
}

/// Whether Python could iterate over a value: not over `none`, but over what is not there.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// The length of a value; of what is not there it is zero.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| {
        let message = format!("cannot calculate length of value of type {}", value.kind());
        Error::new(ErrorKind::InvalidOperation, message)
    })
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

/// The `join` filter.
fn join(state: &State, items: Value, separator: Option<String>) -> Result<Value, Error> {
    joined(state, &items, separator.as_deref().unwrap_or_default())
}

/// Joins items, paying for each before it is copied: with the library's own `join` a short list
/// of one long string many times over fills the memory first and is charged afterwards.
pub(super) fn joined(state: &State, items: &Value, separator: &str) -> Result<Value, Error> {
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
