//! What a curation comes to, as plain data, and how it is written.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::method::CurationMethod;
use s1_data::files::{FileAccess, Replacement};

/// The stages, in their order.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// The pool is read.
    Pool,
    /// Missing parts, faults of form, duplicates.
    Quality,
    /// Overlaps with evaluation sets.
    Decontamination,
    /// What the small model solves.
    Small,
    /// What the large model solves.
    Large,
    /// A domain for every question.
    Diversity,
    Draw,
}

impl StageKind {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why an item went, or stayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionReason {
    /// The line is not a JSON object.
    Broken,
    /// The pool's limit left it out.
    NotSampled,
    MissingQuestion,
    MissingAnswer,
    /// It has no trace, as most of the pool have.
    MissingTrace,
    /// A text is an error message.
    ApiError,
    /// It has control or replacement characters.
    Garbled,
    /// The question holds a picture made of characters.
    AsciiArt,
    /// The question speaks of an image that is not there.
    ImageReference,
    /// The question's numbered parts do not count up.
    Numbering,
    /// The same question occurs earlier in the pool.
    Duplicate,
    /// The same words occur earlier in the pool.
    NearDuplicate,
    /// It shares a run of words with an evaluation set.
    Overlap,
    /// The small model answers it right.
    SolvedBySmall,
    /// The large model answers it right.
    SolvedByLarge,
    /// It could have been drawn, and was not.
    NotDrawn,
    /// It was drawn: it is kept.
    Drawn,
}

impl DecisionReason {
    /// The reason in a few words.
    pub fn text(self) -> &'static str {
        match self {
            DecisionReason::Broken => "broken line",
            DecisionReason::NotSampled => "not in the sample",
            DecisionReason::MissingQuestion => "no question",
            DecisionReason::MissingAnswer => "no answer",
            DecisionReason::MissingTrace => "no trace",
            DecisionReason::ApiError => "API error",
            DecisionReason::Garbled => "garbled",
            DecisionReason::AsciiArt => "ASCII art",
            DecisionReason::ImageReference => "image missing",
            DecisionReason::Numbering => "numbering",
            DecisionReason::Duplicate => "duplicate",
            DecisionReason::NearDuplicate => "near duplicate",
            DecisionReason::Overlap => "in an evaluation set",
            DecisionReason::SolvedBySmall => "solved by the small model",
            DecisionReason::SolvedByLarge => "solved by the large model",
            DecisionReason::NotDrawn => "not drawn",
            DecisionReason::Drawn => "drawn",
        }
    }
}

/// What a stage decides about an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub reason: DecisionReason,
    /// More about it: the line of the twin, the words of the overlap.
    pub detail: Option<String>,
}

impl Decision {
    pub(super) fn new(reason: DecisionReason, detail: Option<String>) -> Decision {
        Decision { reason, detail }
    }
}

/// A stage that is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub stage: StageKind,
    /// Items that came in.
    #[serde(rename = "in")]
    pub input: usize,
    /// Items that passed.
    #[serde(rename = "out")]
    pub output: usize,
    /// How many went, by the reason.
    pub reasons: BTreeMap<DecisionReason, usize>,
    /// Time it took.
    pub seconds: f64,
    /// How it was done, in a few words.
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Its name: the field's value, or the number and the words of a cluster.
    pub domain: String,
    /// Items that could be drawn.
    pub pool: usize,
    /// Items that were.
    pub kept: usize,
}

/// An item with what became of it: one line of the reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemDecision {
    /// Its line in the pool, from 1.
    pub line: usize,
    /// Its own id, else the line.
    pub id: String,
    /// The stage that decided.
    pub stage: StageKind,
    /// Whether it is kept.
    pub kept: bool,
    pub reason: DecisionReason,
    /// More about it.
    pub detail: Option<String>,
    /// Its domain, as far as it is known.
    pub domain: Option<String>,
    /// The length of its trace (where it has none: of the worked answer).
    pub length: usize,
    /// The beginning of its question, on one line.
    #[serde(default)]
    pub question: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CurationOutcome {
    pub stages: Vec<Stage>,
    /// The domains, the largest first; none for methods that draw without them.
    pub domains: Vec<Domain>,
    /// What tells the domains apart.
    pub domains_by: String,
    /// Every item of the pool, in its order.
    pub items: Vec<ItemDecision>,
    /// The lines that are kept, byte by byte as in the pool, without their line ends.
    pub lines: Vec<Vec<u8>>,
    pub method: CurationMethod,
    /// The seed of every random choice.
    pub seed: u64,
    /// What lengths are counted in: `tokens` or `words`.
    pub unit: &'static str,
}

impl CurationOutcome {
    /// Writes the kept lines and, one line per item of the pool, the reasons. Each file appears
    /// under its name only when both are whole.
    ///
    /// # Errors
    /// If one cannot be written; an earlier file is then unchanged.
    pub fn save(&self, out: &Path, reasons: &Path) -> Result<()> {
        let kept = Replacement::write(out, FileAccess::Usual, |file| {
            for line in &self.lines {
                file.write_all(line)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        })?;
        let why = Replacement::write(reasons, FileAccess::Usual, |file| {
            for item in &self.items {
                serde_json::to_writer(&mut *file, item)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        })?;
        why.finish()?;
        kept.finish()
    }
}
