//! Difficulty: which items a model answers right already.
//!
//! The model is asked as in a sweep with one point, greedily, several questions at once, and every
//! answer goes to the database of runs under a name that follows from the pool, the model and the
//! settings. So a curation that was stopped continues where it was, another one of the same pool
//! asks nothing twice, and what a model solved can be looked at like any other run.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::plan::{CurationPlan, CurationProgress};
use super::pool::CurationPool;
use super::result::StageKind;
use crate::problems::{Problem, ProblemOptions, ProblemSet};
use crate::sweep::{self, Control};
use s1_core::forcing::{OnLoop, Policy};
use s1_core::sampling::Sampling;
use s1_engine::{LoadOptions, catalog, is_server};
use s1_store::Db;
use s1_store::run::{Budget, PointSpec};

/// Longest part of a file's name in the name of a run, in characters.
const MAX_NAME: usize = 30;

/// The pool as a problem set: item i is problem i.
pub(super) fn problems(plan: &CurationPlan, pool: &CurationPool) -> ProblemSet {
    let problem = |item: &super::item::PoolItem| Problem {
        id: item.id.clone(),
        question: item.question.clone(),
        reference: item.reference.clone(),
    };
    ProblemSet {
        name: stem(&plan.pool),
        path: plan.pool.clone(),
        layout: pool.layout,
        prompt: pool.prompt.clone(),
        problems: pool.items.iter().map(problem).collect(),
        skipped: pool.items.iter().filter(|i| i.broken.is_some()).count(),
        warnings: Vec::new(),
    }
}

/// Asks a model the `open` problems; the indexes of those that it answers right. `None` if it was
/// cancelled.
///
/// Errors as [`sweep::run`].
pub(super) fn solved(
    plan: &CurationPlan,
    load: &LoadOptions,
    stage: StageKind,
    set: ProblemSet,
    open: &[bool],
    control: &Control,
    tell: &mut dyn FnMut(CurationProgress),
) -> Result<Option<HashSet<usize>>> {
    let policy = Policy {
        // No thinking is not the same as a thought of no tokens: nothing is opened then.
        think: plan.thinking != Budget::Tokens(0),
        answer_max: plan.answer_max,
        on_loop: OnLoop::Answer,
        ..Policy::default()
    };
    let db = Db::open(&plan.db)?;
    let name = name(plan, load, &set, &policy, &db)?;
    let resume = db.has_run(&name)?;
    drop(db);
    let sweep = sweep::Plan {
        load: load.clone(),
        prompt: set.prompt.clone(),
        problems: set,
        source: plan.pool.display().to_string(),
        options: ProblemOptions::default(),
        policy,
        sampling: Sampling::default(),
        samples: 1,
        points: vec![PointSpec {
            budget: plan.thinking,
            waits: 0,
        }],
        lanes: plan.lanes,
        threads: None,
        name,
        resume,
        db: plan.db.clone(),
    };
    let mut pass = |progress| tell(CurationProgress::Solving { stage, progress });
    if !sweep::run_some(&sweep, &|i| open[i], control, &mut pass)? {
        return Ok(None);
    }
    let run = Db::open(&plan.db)?.run(&sweep.name)?;
    let right = run.rows.iter().filter(|row| {
        let mut samples = row.samples.iter();
        samples.any(|sample| sample.correct == Some(true))
    });
    Ok(Some(right.map(|row| row.problem).collect()))
}

/// The run's name: what people know the pool and the model by, and a hash of all that decides the
/// answers.
fn name(
    plan: &CurationPlan,
    load: &LoadOptions,
    set: &ProblemSet,
    policy: &Policy,
    db: &Db,
) -> Result<String> {
    let model = match is_server(&load.path) {
        // What it has is compared when the run goes on.
        true => format!("{} {:?}", load.path.display(), load.server.model),
        false => db.file_hash(&load.path)?,
    };
    let decides = serde_json::to_vec(&(
        db.file_hash(&plan.pool)?,
        model,
        (load.context, load.family.as_deref()),
        (&load.think_open, &load.think_end, &load.think_close),
        load.adapter
            .as_deref()
            .map(Path::display)
            .map(|d| d.to_string()),
        (&set.prompt, policy, plan.thinking),
        env!("CARGO_PKG_VERSION"),
    ))?;
    let hash: String = Sha256::digest(&decides)
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("curate-{}-{}-{hash}", set.name, stem(&load.path)))
}

/// A file's name without what does not belong into the name of a run.
fn stem(path: &Path) -> String {
    let stem = match is_server(path) {
        true => path.display().to_string(),
        false => catalog::called(path),
    };
    let stem = match stem.split_once("://") {
        Some((_, server)) => server,
        None => stem.rsplit(':').next().unwrap_or_default(),
    };
    let plain = stem
        .chars()
        .map(|c| match c.is_alphanumeric() || "._".contains(c) {
            true => c,
            false => '-',
        });
    plain.take(MAX_NAME).collect()
}
