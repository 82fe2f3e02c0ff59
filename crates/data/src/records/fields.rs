//! How data sets name the fields of a question, its trace and its answer, and how such a field is
//! read. Upper and lower case are the same.

use serde_json::Value;

use super::Record;

pub const QUESTIONS: [&str; 9] = [
    "question",
    "problem",
    "prompt",
    "input",
    "query",
    "question_stem",
    "turns",
    "messages",
    "conversations",
];
/// A thinking trace.
pub const TRACES: [&str; 18] = [
    "thinking",
    "reasoning_content",
    "reasoning",
    "thought",
    "thoughts",
    "deepseek_thinking_trajectory",
    "thinking_trajectory",
    "thinking_trajectories",
    "gemini_thinking_trajectory",
    "thinking_trace",
    "reasoning_trace",
    "thinking_content",
    "thought_process",
    "chain_of_thought",
    "long_cot",
    "cot",
    "rationale",
    "think",
];
/// What a model is to say after its trace.
pub const RESPONSES: [&str; 8] = [
    "answer",
    "attempt",
    "deepseek_attempt",
    "gemini_attempt",
    "solution",
    "output",
    "completion",
    "response",
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
pub const REFERENCES: [&str; 9] = [
    "answer",
    "target",
    "final_answer",
    "ground_truth",
    "reward_model",
    "correct",
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

/// Whether a value has nothing in it: null, white space, or a list of such values.
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_blank),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The first of the fields that has something in it, with its name.
pub fn filled<'a>(record: &'a Record, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    names.iter().find_map(|name| {
        let value = get(record, name)?;
        (!is_blank(value)).then_some((*name, value))
    })
}

/// The first of the fields that has a text or a number, as text.
pub fn text(record: &Record, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match get(record, name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}
