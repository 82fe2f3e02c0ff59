//! How data sets name the fields of a question, its trace and its answer, and how such a field is
//! read. Upper and lower case are the same.

use serde_json::Value;

use super::Record;

pub const QUESTIONS: [&str; 5] = ["question", "problem", "prompt", "input", "query"];
/// A thinking trace.
pub const TRACES: [&str; 4] = [
    "thinking",
    "deepseek_thinking_trajectory",
    "thinking_trajectory",
    "thinking_trajectories",
];
/// What a model is to say after its trace.
pub const RESPONSES: [&str; 5] = [
    "answer",
    "attempt",
    "deepseek_attempt",
    "solution",
    "output",
];
/// As [`RESPONSES`], the longest kind first.
pub const SOLUTIONS: [&str; 5] = [
    "solution",
    "answer",
    "attempt",
    "deepseek_attempt",
    "output",
];
/// A right answer to compare with.
pub const REFERENCES: [&str; 6] = [
    "answer",
    "target",
    "final_answer",
    "solution",
    "output",
    "label",
];
/// A problem's name in its set.
pub const IDS: [&str; 7] = [
    "id",
    "unique_id",
    "record id",
    "problem_id",
    "task_id",
    "idx",
    "index",
];
/// A subject, the most telling first.
pub const DOMAINS: [&str; 6] = [
    "domain",
    "cot_type",
    "subject",
    "type",
    "family",
    "source_type",
];

/// The value of a field that is there and not null.
pub fn get<'a>(record: &'a Record, name: &str) -> Option<&'a Value> {
    record
        .get(name)
        .or_else(|| {
            let mut fields = record.iter();
            Some(fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?.1)
        })
        .filter(|value| !value.is_null())
}

/// The first of the fields that has a text or a number, as text.
pub fn text(record: &Record, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match get(record, name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}
