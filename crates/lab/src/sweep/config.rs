//! What can be chosen for a sweep, before its model and its problems are read.

use std::path::PathBuf;
use std::str::FromStr;

use crate::problems::ProblemOptions;
use s1_core::forcing::Policy;
use s1_core::param;
use s1_core::param::{Access, Has, Param};
use s1_core::sampling::Sampling;
use s1_store::run::{Budget, PointSpec};

/// More budgets or waits than a curve can show.
const MOST_POINTS: usize = 200;

/// What a sweep is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepConfig {
    /// The problem set: a file, a bundled one, or one of the hub.
    pub problems: Option<PathBuf>,
    pub budgets: Vec<Budget>,
    /// Numbers of waits.
    pub waits: Vec<usize>,
    /// Only the first problems.
    pub limit: Option<usize>,
    /// Answers per problem and point.
    pub samples: usize,
    /// Rules that hold for all points.
    pub policy: Policy,
    pub sampling: Sampling,
    /// Most problems that are thought about at once.
    pub lanes: usize,
    /// The run's name; `None` for one made by the program.
    pub name: Option<String>,
    /// Appended to every question; `None` for what suits the set.
    pub suffix: Option<String>,
    /// Field of the question, if it is not to be recognised.
    pub question_field: Option<String>,
    /// Field of the answer, if it is not to be recognised.
    pub answer_field: Option<String>,
    /// Field of the id, if it is not to be recognised.
    pub id_field: Option<String>,
    /// Leave broken lines of the problems out, instead of refusing them.
    pub skip_broken: bool,
}

impl Default for SweepConfig {
    fn default() -> SweepConfig {
        let budgets = [0, 64, 128, 256].map(Budget::Tokens).into_iter();
        SweepConfig {
            problems: None,
            budgets: budgets.chain([Budget::Natural]).collect(),
            waits: vec![0],
            limit: None,
            samples: 1,
            policy: Policy::default(),
            sampling: Sampling::default(),
            lanes: 8,
            name: None,
            suffix: None,
            question_field: None,
            answer_field: None,
            id_field: None,
            skip_broken: false,
        }
    }
}

impl Has<Policy> for SweepConfig {
    fn part(&self) -> &Policy {
        &self.policy
    }
    fn part_mut(&mut self) -> &mut Policy {
        &mut self.policy
    }
}

impl Has<Sampling> for SweepConfig {
    fn part(&self) -> &Sampling {
        &self.sampling
    }
    fn part_mut(&mut self) -> &mut Sampling {
        &mut self.sampling
    }
}

impl SweepConfig {
    /// Every budget with every number of waits.
    pub fn points(&self) -> Vec<PointSpec> {
        let of = |&waits| {
            self.budgets
                .iter()
                .map(move |&budget| PointSpec { budget, waits })
        };
        self.waits.iter().flat_map(of).collect()
    }

    /// How the problems are read.
    pub fn options(&self) -> ProblemOptions {
        ProblemOptions {
            question_field: self.question_field.clone(),
            answer_field: self.answer_field.clone(),
            id_field: self.id_field.clone(),
            skip_broken: self.skip_broken,
            limit: self.limit,
        }
    }
}

/// The parameters of a [`SweepConfig`].
pub const SWEEP: &[Param<SweepConfig>] = &[
    param!(SweepConfig.problems, Path)
        .named("Problems", "FILE")
        .help("A JSONL or Parquet file, bundled:held-out, or hf:OWNER/NAME[:FILE] for a set of the hub.")
        .letter('p'),
    param!(
        "budgets",
        Access::Notation(
            |sweep: &SweepConfig| joined(&sweep.budgets),
            |sweep: &mut SweepConfig, text| {
                sweep.budgets = list(text)?;
                Some(())
            },
        )
    )
    .named("Thinking budgets", "B,…")
    .help("Tokens of thinking, and natural for no budget; a smaller one costs one answer.")
    .allowed("budgets in tokens, or natural, e.g. 0,64,128,natural"),
    param!(
        "waits",
        Access::Notation(
            |sweep: &SweepConfig| joined(&sweep.waits),
            |sweep: &mut SweepConfig, text| {
                let waits = list(text)?;
                let few = waits.iter().all(|n| *n <= 1000);
                few.then(|| sweep.waits = waits)
            },
        )
    )
    .named("Waits", "K,…")
    .help("How many attempts to end the thinking are replaced by the wait text.")
    .allowed("numbers from 0 to 1000, e.g. 0,1,2"),
    param!(SweepConfig.limit, Int, 1, 1_000_000_000)
        .named("Only the first", "N")
        .help("How many of the problems, from the first.")
        .none("all")
        .unit("problems"),
    param!(SweepConfig.samples, Int, 1, 10_000)
        .named("Samples per problem", "N")
        .help("Answers per problem and point; more than 1 needs a temperature above 0, and brings the majority line."),
    param!(SweepConfig.lanes, Int, 1, 1024)
        .named("Problems at once", "N")
        .help("How many problems are thought about at the same time; the result does not depend on it."),
    param!(SweepConfig.name, Text)
        .named("Name of the run", "RUN")
        .help("Name of the run; auto is made of what is asked.")
        .none("auto"),
    param!(SweepConfig.suffix, AnyText)
        .named("Suffix", "TEXT")
        .help("Appended to every question; auto is what suits the set.")
        .none("auto"),
    param!(SweepConfig.question_field, Text)
        .named("Field of the question", "NAME")
        .help("Field of the question, where it is not recognised.")
        .none("auto"),
    param!(SweepConfig.answer_field, Text)
        .named("Field of the answer", "NAME")
        .help("Field of the answer, where it is not recognised.")
        .none("auto"),
    param!(SweepConfig.id_field, Text)
        .named("Field of the id", "NAME")
        .help("Field of the id, where it is not recognised.")
        .none("auto"),
    param!(SweepConfig.skip_broken, Switch)
        .named("Skip broken lines", "BOOL")
        .help("Leave broken lines of the problems out, instead of refusing them."),
];

fn joined<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(",")
}

/// In the order in which they are written, each once.
fn list<T: FromStr + PartialEq>(text: &str) -> Option<Vec<T>> {
    let mut items = Vec::new();
    for item in text.split(',') {
        let item = item.trim().parse().ok()?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    (items.len() <= MOST_POINTS).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::param::{Setting, settings};

    fn set(config: &mut SweepConfig, key: &str, text: &str) -> Result<(), String> {
        let found = settings(SWEEP).find(|s: &&dyn Setting<SweepConfig>| s.info().key == key);
        found.unwrap().set(config, text).map_err(|e| e.to_string())
    }

    #[test]
    fn lists_are_read_as_people_write_them_and_faults_are_named() {
        let mut config = SweepConfig::default();
        set(&mut config, "budgets", "0, 64,128,natural,64").unwrap();
        set(&mut config, "waits", "2,0, 1").unwrap();
        assert_eq!(config.points().len(), 12);
        assert_eq!(config.points()[0].to_string(), "0 +2w");
        set(&mut config, "limit", "all").unwrap();
        assert_eq!(config.limit, None);
        for (key, text) in [
            ("budgets", "much"),
            ("budgets", ""),
            ("waits", "-1"),
            ("waits", "1001"),
            ("limit", "0"),
            ("samples", "many"),
            ("lanes", "0"),
            ("problems", " "),
        ] {
            let before = config.clone();
            let fault = set(&mut config, key, text).unwrap_err();
            assert!(fault.starts_with("must be "), "{fault}");
            assert_eq!(config, before);
        }
    }
}
