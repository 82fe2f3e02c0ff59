//! A run as plain data: what was asked, at which points, and what came out.
//!
//! A *run* evaluates a problem set at several *points* (a thinking budget and a number of waits).
//! One problem with all its points is a *row*; a finished row is written in one piece. What is
//! written of the rows under way is an *open row*, from which an interrupted run goes on. A *sample* is one answer at one point. Samples of a row that
//! are the same token by token (a budget above the natural length, say) share one stored trace.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::session::ModelCard;
use s1_core::forcing::Policy;
use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_core::trace::{StopReason, Token};

/// More tokens than any context has.
const MAX_BUDGET: usize = 1 << 30;

/// How much thinking a point allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Budget {
    /// At most this many thinking tokens.
    Tokens(usize),
    /// Until the model ends by itself or the context is full.
    Natural,
}

impl Budget {
    /// As [`Policy::max_thinking`].
    pub fn max_thinking(self) -> Option<usize> {
        match self {
            Budget::Tokens(n) => Some(n),
            Budget::Natural => None,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::Tokens(n) => n.fmt(f),
            Budget::Natural => f.pad("natural"),
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Budget, String> {
        match text.trim() {
            "natural" => Ok(Budget::Natural),
            number => {
                let tokens = number.parse().ok().filter(|n| *n <= MAX_BUDGET);
                tokens.map(Budget::Tokens).ok_or_else(|| {
                    format!("invalid budget {text:?}; expected a number of tokens, or natural")
                })
            }
        }
    }
}

/// A number, or the word `natural`.
impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Budget::Tokens(n) => serializer.serialize_u64(*n as u64),
            Budget::Natural => serializer.serialize_str("natural"),
        }
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Budget, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Tokens(usize),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Tokens(n) => Ok(Budget::Tokens(n)),
            Written::Word(word) => word.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// One point of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PointSpec {
    /// The thinking budget.
    pub budget: Budget,
    /// How many attempts to end the thinking are replaced by the wait text.
    pub waits: usize,
}

impl fmt::Display for PointSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waits {
            0 => write!(f, "{}", self.budget),
            waits => write!(f, "{} +{waits}w", self.budget),
        }
    }
}

/// The model of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// What a session records, too.
    #[serde(flatten)]
    pub card: ModelCard,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of the adapter's weights, where one is used.
    pub adapter_sha256: Option<String>,
    /// What computed: `cpu`, `cuda` or `metal`. Each rounds in its own way.
    #[serde(default = "cpu")]
    pub device: String,
    /// The software of the server that computed it, as far as that says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// Context length in use, in tokens.
    pub context: usize,
    /// Where the chat template came from.
    pub template: String,
    /// Text that opens thinking, where it is not the family's.
    pub think_open: Option<String>,
    /// Text that ends thinking, where it is not the family's.
    pub think_end: Option<String>,
    /// Text appended when the thinking is cut off, where it is not the family's.
    pub think_close: Option<String>,
}

/// What runs were computed on before they said so.
fn cpu() -> String {
    "cpu".to_owned()
}

/// How a problem becomes a prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTemplate {
    /// System prompt; empty for the chat template's own.
    pub system: String,
    /// Appended to the question.
    pub suffix: String,
}

/// The problem set of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemRecord {
    pub name: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The layout of its fields that was recognised, e.g. `gsm8k`.
    pub layout: String,
    /// Number of problems that were asked.
    pub count: usize,
    /// Lines of the file that were skipped because they are broken.
    pub skipped: usize,
    /// Field of the question, where the user named it.
    pub question_field: Option<String>,
    /// Field of the answer, where the user named it.
    pub answer_field: Option<String>,
    /// Field of the id, where the user named it.
    pub id_field: Option<String>,
    pub prompt: PromptTemplate,
}

/// Everything that decides what a run computes; with the two files, enough to repeat it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    pub model: ModelRecord,
    pub problems: ProblemRecord,
    /// Budget forcing. Its budget and waits are those of each point.
    pub policy: Policy,
    /// How tokens are drawn, seed included.
    pub sampling: Sampling,
    /// Answers per problem and point.
    pub samples: usize,
    /// The points, in the order in which they are reported.
    pub points: Vec<PointSpec>,
    pub program_version: String,
}

impl RunSettings {
    /// The rules of one point.
    pub fn policy_of(&self, point: PointSpec) -> Policy {
        Policy {
            max_thinking: point.budget.max_thinking(),
            waits: point.waits,
            ..self.policy.clone()
        }
    }

    /// The first setting in which two runs differ, with both values; `None` if they are the same.
    pub fn difference(&self, other: &RunSettings) -> Option<String> {
        let tree = |s: &RunSettings| serde_json::to_value(s).unwrap_or_default();
        s1_data::records::difference(&tree(self), &tree(other))
    }
}

/// Where the two files of a run were. Not part of its settings: files move, their hashes tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Path of the model.
    pub model: String,
    /// Path of the adapter's folder, where one was used.
    pub adapter: Option<String>,
    /// Path of the problem set, or its `hf:` name.
    pub problems: String,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Its name; unique.
    pub name: String,
    /// When it was started, in seconds since 1970 (UTC).
    pub created_at: u64,
    pub settings: RunSettings,
    /// Rows that are done; of [`ProblemRecord::count`].
    pub rows: usize,
    /// Samples with a reference answer.
    pub graded: usize,
    /// Of those, right ones.
    pub correct: usize,
}

impl RunSummary {
    /// A run in a list.
    pub fn of(run: &Run) -> RunSummary {
        let graded = run.rows.iter().flat_map(|row| &row.samples);
        let graded = graded.filter_map(|sample| sample.correct);
        RunSummary {
            name: run.name.clone(),
            created_at: run.created_at,
            settings: run.settings.clone(),
            rows: run.rows.len(),
            graded: graded.clone().count(),
            correct: graded.filter(|correct| *correct).count(),
        }
    }

    /// Whether every problem has its row.
    pub fn is_complete(&self) -> bool {
        self.rows >= self.settings.problems.count
    }
}

/// A run with everything but its traces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name; unique.
    pub name: String,
    /// When it was started, in seconds since 1970 (UTC).
    pub created_at: u64,
    pub settings: RunSettings,
    pub sources: Sources,
    /// The rows that are done, in the order of the problem set.
    pub rows: Vec<Row>,
    /// Time spent computing, all sittings together.
    pub wall: Duration,
}

impl Run {
    /// Adds a row at its place; `false` if the run has it already.
    pub fn insert(&mut self, row: Row) -> bool {
        let place = self.rows.binary_search_by_key(&row.problem, |r| r.problem);
        match place {
            Ok(_) => false,
            Err(at) => {
                self.rows.insert(at, row);
                true
            }
        }
    }

    /// What the engine was asked for one sample.
    pub fn request(&self, row: &Row, sample: &Sample) -> Request {
        let point = self.settings.points.get(sample.point).copied();
        Request {
            question: row.question.clone(),
            system: self.settings.problems.prompt.system.clone(),
            policy: point.map_or_else(
                || self.settings.policy.clone(),
                |p| self.settings.policy_of(p),
            ),
            sampling: self.settings.sampling.clone(),
            sample: sample.sample as u64,
            reference: row.reference.clone(),
            ..Request::default()
        }
    }
}

/// One problem with its answers at all points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Index in the problem set, from 0.
    pub problem: usize,
    /// The problem's own id.
    pub id: String,
    /// The question as it was asked (suffix included).
    pub question: String,
    /// The right answer, where the set has one.
    pub reference: Option<String>,
    /// Tokens that went through the model for this row.
    pub computed: usize,
    /// Tokens that would have, had every point been evaluated by itself.
    pub pointwise: usize,
    /// Fewest tokens with which the row can be computed: the prompt, the longest trace, and what
    /// every other trace has that no other trace begins with.
    pub floor: usize,
    pub prompt_tokens: usize,
    /// One entry per point and sample, in their order.
    pub samples: Vec<Sample>,
}

impl Row {
    /// The samples of one point.
    pub fn at(&self, point: usize) -> &[Sample] {
        let from = self.samples.partition_point(|s| s.point < point);
        let to = self.samples.partition_point(|s| s.point <= point);
        &self.samples[from..to]
    }
}

/// One answer at one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Index into [`RunSettings::points`].
    pub point: usize,
    /// Which of several independent samples, from 0.
    pub sample: usize,
    /// Its trace in the database; samples with the same number have the same trace.
    pub trace: i64,
    /// Thinking tokens, injected ones included.
    pub thinking: usize,
    /// Tokens of the answer, the end-of-thinking delimiter included.
    pub answer_tokens: usize,
    /// Waits that took effect.
    pub waits_used: usize,
    /// Whether the thinking was cut off by the budget (or a loop) rather than ended by the model.
    pub forced: bool,
    /// The answer that was read out of the text.
    pub answer: Option<String>,
    /// Whether it equals the reference; `None` without a reference.
    pub correct: Option<bool>,
    pub stop: StopReason,
    /// Whether the reasoning went on inside the answer after a forced end; `None` where that was not
    /// looked at.
    #[serde(default)]
    pub leaked: Option<bool>,
    /// Whether the thinking was ended a second time, inside the answer.
    #[serde(default)]
    pub second_end: Option<bool>,
    /// Tokens that went through the model for its early exit to look at the thought.
    #[serde(default)]
    pub looking: usize,
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// The row; the `trace` of its samples is an index into `traces`.
    pub row: Row,
    /// Token ids of the rendered prompt.
    pub prompt: Vec<u32>,
    /// The distinct traces.
    pub traces: Vec<Vec<Token>>,
}

/// A row under way, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenRow<'a> {
    /// Index in the problem set, from 0.
    pub problem: usize,
    /// Tokens that went through the model for this row.
    pub computed: usize,
    /// One per point and sample, in their order.
    pub lanes: Vec<OpenLane<'a>>,
}

/// One answer of a row under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenLane<'a> {
    /// What is written of it.
    pub tokens: Cow<'a, [Token]>,
    /// Why it ended, if it has.
    pub stop: Option<StopReason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_or_natural_everywhere() {
        for (budget, text, json) in [
            (Budget::Tokens(64), "64", "64"),
            (Budget::Natural, "natural", "\"natural\""),
        ] {
            assert_eq!(text.parse(), Ok(budget));
            assert_eq!(budget.to_string(), text);
            assert_eq!(serde_json::to_string(&budget).unwrap(), json);
            assert_eq!(serde_json::from_str::<Budget>(json).unwrap(), budget);
        }
        assert!("-1".parse::<Budget>().is_err());
        assert!("auto".parse::<Budget>().unwrap_err().contains("natural"));
    }

    #[test]
    fn the_setting_that_differs_is_named_with_both_values() {
        let a = RunSettings {
            samples: 1,
            ..RunSettings::default()
        };
        let mut b = a.clone();
        assert_eq!(a.difference(&b), None);
        b.policy.wait_text = "Hmm".into();
        assert_eq!(
            a.difference(&b).unwrap(),
            "policy.wait_text was \"Wait\" and is now \"Hmm\""
        );
    }
}
