//! Which field of a record is the question, which the answer, which the id.
//!
//! The layouts, as their publishers name the fields (upper and lower case are the same):
//!
//! | layout | fields |
//! |---|---|
//! | `gsm8k` | `question`, `answer` with `####` before the number |
//! | `math` | `problem`, `answer` and/or `solution` with `\boxed{}` (MATH500, AIME24) |
//! | `gpqa` | `Question`, `Correct Answer`, `Incorrect Answer 1` … |
//! | `choice` | `question`, `choices` or `options`, `answer` or `answerKey` (MMLU, ARC) |
//! | `s1k` | `question`, `solution` |
//! | `svamp` | `Body`, `Question`, `Answer` (ASDiv: answers such as `9 (apples)`) |
//! | `plain` | `question`, `problem`, `prompt` or `input`; `answer`, `target`, `solution` or `output` |
//!
//! A question may be a list of messages (DAPO, LiveBench, OpenThoughts): its last turn of a user counts.
//! Several right answers are one list; a correct answer may be below `ground_truth`.

use anyhow::{Result, bail};
use serde_json::Value;
use strum::IntoStaticStr;

use super::ProblemOptions;
use s1_core::rng::uniform;
use s1_data::records::Record;
use s1_data::records::fields::{IDS, QUESTIONS, REFERENCES, get};
use s1_grading::ExtractionRule;
use s1_store::run::PromptTemplate;

/// Most options of one question: as many as `grading` reads letters.
const MAX_OPTIONS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
enum LayoutKind {
    Gsm8k,
    Math,
    Gpqa,
    Choice,
    S1k,
    Svamp,
    Plain,
}

/// How the records of one set are read.
#[derive(Clone, Debug)]
pub(crate) struct RecordLayout {
    kind: LayoutKind,
    question: String,
    answer: Option<String>,
    /// Where the answer's field is empty: a solution that boxes it.
    solution: Option<String>,
    id: Option<String>,
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        // ASDiv and others wrap a single answer in a list.
        Value::Array(items) if items.len() == 1 => return text(&items[0]),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A right answer as text: of several the list, of an object its `ground_truth`.
fn answer_text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if items.len() > 1 => {
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            Some(items?.join(", "))
        }
        Value::Array(items) => answer_text(items.first()?),
        Value::Object(fields) => text(fields.get("ground_truth")?),
        value => text(value),
    }
}

/// A question as text: of a list of turns the last one of a user.
fn question_text(value: &Value) -> Option<String> {
    let Value::Array(turns) = value else {
        return text(value);
    };
    let said = |turn: &Value| match turn {
        Value::Object(fields) => {
            let role = fields.get("role").or_else(|| fields.get("from"));
            let asks = role
                .and_then(Value::as_str)
                .is_none_or(|role| matches!(role, "user" | "human"));
            let content = fields.get("content").or_else(|| fields.get("value"))?;
            text(content).filter(|_| asks)
        }
        turn => text(turn),
    };
    turns.iter().rev().find_map(said)
}

impl RecordLayout {
    /// Recognises the layout from a record. Errors, naming the fields there are, where there is no
    /// question in it or a field of the user's is not there.
    pub(crate) fn of(record: &Record, options: &ProblemOptions) -> Result<RecordLayout> {
        let has = |name: &str| get(record, name).is_some();
        let first = |names: &[&str]| names.iter().find(|n| has(n)).map(ToString::to_string);
        let there = || {
            let names: Vec<&str> = record.keys().map(String::as_str).take(20).collect();
            names.join(", ")
        };
        let named = [
            &options.question_field,
            &options.answer_field,
            &options.id_field,
        ];
        for name in named.into_iter().flatten() {
            if !record.keys().any(|key| key.eq_ignore_ascii_case(name)) {
                bail!("the records have no field {name:?}; they have: {}", there());
            }
        }
        let Some(question) = options.question_field.clone().or_else(|| first(&QUESTIONS)) else {
            bail!(
                "no field is recognised as the question; name it with --question-field, one of: {}",
                there()
            );
        };
        let kind = if options.question_field.is_some() || options.answer_field.is_some() {
            LayoutKind::Plain
        } else if has("correct answer") && has("incorrect answer 1") {
            LayoutKind::Gpqa
        } else if has("choices") || has("options") {
            LayoutKind::Choice
        } else if has("body") {
            LayoutKind::Svamp
        } else if has("problem") && (has("answer") || has("solution")) {
            LayoutKind::Math
        } else if has("solution") && !has("answer") {
            LayoutKind::S1k
        } else if get(record, "answer")
            .and_then(Value::as_str)
            .is_some_and(|answer| answer.contains("####"))
        {
            LayoutKind::Gsm8k
        } else {
            LayoutKind::Plain
        };
        let answer = match kind {
            LayoutKind::Gpqa => Some("correct answer".into()),
            LayoutKind::Choice => first(&["answer", "answerkey", "correct", "target", "label"]),
            _ => options.answer_field.clone().or_else(|| first(&REFERENCES)),
        };
        Ok(RecordLayout {
            kind,
            question,
            answer,
            solution: first(&["solution"]),
            id: options.id_field.clone().or_else(|| first(&IDS)),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.kind.into()
    }

    /// The prompt that suits the layout: where to put the answer so that it can be read.
    pub(crate) fn prompt(&self) -> PromptTemplate {
        let suffix = match self.kind {
            LayoutKind::Gpqa | LayoutKind::Choice => {
                "\n\nPut the letter of the right option within \\boxed{}."
            }
            LayoutKind::Plain => "",
            _ => "\n\nPut your final answer within \\boxed{}.",
        };
        PromptTemplate {
            system: String::new(),
            suffix: suffix.into(),
        }
    }

    /// Id, question and answer of a record. Errors, as half a sentence, where it has no question
    /// or its options make no sense.
    pub(crate) fn read(
        &self,
        record: &Record,
    ) -> Result<(Option<String>, String, Option<String>), String> {
        let field = |name: &str| get(record, name).and_then(text);
        let asked = get(record, &self.question);
        let Some(mut question) = asked.and_then(question_text) else {
            return Err(match asked {
                None => format!("it has no {:?}", self.question),
                Some(_) => format!("its {:?} is no text and no list of messages", self.question),
            });
        };
        // The first record may have none: what is not named is looked for in each.
        let named = self.answer.as_deref().and_then(|name| get(record, name));
        let given = named.or_else(|| {
            let anywhere = self.answer.is_none() && self.kind != LayoutKind::Choice;
            let mut names = REFERENCES.iter().filter(|_| anywhere);
            names.find_map(|name| get(record, name))
        });
        let answer = given.and_then(answer_text);
        let reference = match self.kind {
            LayoutKind::Gpqa => {
                let mut options: Vec<String> = (1..MAX_OPTIONS)
                    .map_while(|i| field(&format!("incorrect answer {i}")))
                    .collect();
                let right = answer.ok_or("it has no \"Correct Answer\"")?;
                // The right option may be at any place, but at the same one in every run.
                let at = place_of(&question, options.len() + 1);
                options.insert(at, right);
                question.push_str(&listed(&options));
                Some(letter(at))
            }
            LayoutKind::Choice => {
                let options = get(record, "choices").or_else(|| get(record, "options"));
                let (labels, options) = options_of(options)?;
                question.push_str(&listed(&options));
                match answer {
                    None => None,
                    Some(answer) => {
                        let is_number = given.is_some_and(Value::is_number);
                        Some(chosen(&answer, is_number, &labels, &options)?)
                    }
                }
            }
            LayoutKind::Svamp => {
                if let Some(body) = field("body") {
                    question = format!("{body} {question}");
                }
                // `9 (apples)` is 9.
                answer.map(|a| match a.split_once(" (") {
                    Some((number, unit)) if unit.ends_with(')') => number.to_string(),
                    _ => a,
                })
            }
            _ => answer
                .or_else(|| self.solution.as_deref().and_then(field))
                .map(|answer| bare(&answer)),
        };
        let id = self.id.as_deref().and_then(field);
        Ok((id, question, reference))
    }
}

/// The answer alone, where a solution marks it.
fn bare(answer: &str) -> String {
    match s1_grading::extract(answer, None) {
        Some(found) if matches!(found.rule, ExtractionRule::Boxed | ExtractionRule::Hashes) => {
            found.text
        }
        _ => answer.to_string(),
    }
}

/// One of `places` places, which depends on a text only (FNV-1a, mixed).
fn place_of(text: &str, places: usize) -> usize {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (uniform(hash, 0, 0) * places as f64) as usize
}

fn letter(at: usize) -> String {
    char::from(b'A' + at.min(25) as u8).to_string()
}

fn listed(options: &[String]) -> String {
    let lines = options.iter().enumerate();
    let lines = lines.map(|(i, option)| format!("\n{}) {option}", letter(i)));
    format!("\n{}", lines.collect::<String>())
}

/// Labels and texts of the options: a list, a map of letters, or ARC's `{text, label}`.
fn options_of(value: Option<&Value>) -> Result<(Vec<String>, Vec<String>), String> {
    let texts = |items: &[Value]| -> Option<Vec<String>> { items.iter().map(text).collect() };
    let found = match value {
        Some(Value::Array(items)) => texts(items).map(|texts| {
            let labels = (0..texts.len()).map(letter).collect::<Vec<_>>();
            (labels, without_letters(texts))
        }),
        Some(Value::Object(map)) => match (map.get("text"), map.get("label")) {
            (Some(Value::Array(t)), Some(Value::Array(l))) if t.len() == l.len() => {
                texts(l).zip(texts(t))
            }
            _ => {
                // A table has a column for every letter, and leaves some empty.
                let filled = || map.iter().filter(|(_, value)| !value.is_null());
                let values: Vec<Value> = filled().map(|(_, value)| value.clone()).collect();
                let labels = filled().map(|(label, _)| label.clone()).collect();
                texts(&values).map(|t| (labels, t))
            }
        },
        _ => None,
    };
    match found {
        Some((labels, options)) if (2..=MAX_OPTIONS).contains(&options.len()) => {
            Ok((labels, options))
        }
        _ if matches!(value, Some(Value::String(_))) => {
            Err("its options are one text; a list of them is needed".into())
        }
        _ => Err(format!("its options are not 2 to {MAX_OPTIONS} texts")),
    }
}

/// Options without the letters that the set writes before them (`A)21`): the program writes its own.
fn without_letters(options: Vec<String>) -> Vec<String> {
    let bare = |(at, option): (usize, &String)| {
        let rest = option.strip_prefix(&letter(at))?;
        let rest = rest.strip_prefix([')', '.', ':'])?.trim_start();
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    let all: Option<Vec<String>> = options.iter().enumerate().map(bare).collect();
    all.unwrap_or(options)
}

/// The letter of the right option, which the set names by label, by its text, or by index from 0: a
/// number is an index, a text of digits may be an option.
fn chosen(
    answer: &str,
    is_number: bool,
    labels: &[String],
    options: &[String],
) -> Result<String, String> {
    let by = |names: &[String]| names.iter().position(|name| name == answer);
    let index = || answer.parse().ok().filter(|&i: &usize| i < options.len());
    let found = match is_number {
        true => by(labels).or_else(index).or_else(|| by(options)),
        false => by(labels).or_else(|| by(options)).or_else(index),
    };
    found
        .map(letter)
        .ok_or_else(|| format!("its answer {answer:?} is not among its options"))
}
