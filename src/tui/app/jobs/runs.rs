//! Runs, read out of the database, and those that the program carries with it. Each reading opens it anew: another program may be writing to
//! it, or have replaced it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::{Job, JobContext, JobNews, Tell};
use s1_core::exit::Exit;
use s1_lab::replay::measure::{self, Rule};
use s1_lab::replay::{Replay, Vote, votes};
use s1_lab::sweep::{self, Control};
use s1_store::run::{Row, Run, RunSummary};
use s1_store::session::Document;
use s1_store::{Db, shipped};

fn open(database: &Path) -> Result<Db> {
    Db::open_to_read(database)?
        .with_context(|| format!("the database {} no longer exists", database.display()))
}

/// Lists the runs, the shipped ones last.
#[derive(Debug, PartialEq)]
pub struct FindRuns;

impl Job for FindRuns {
    type Output = Vec<RunSummary>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let db = Db::open_to_read(&context.database)?;
        let mut runs = db.map_or(Ok(Vec::new()), |db| db.runs())?;
        let shipped = shipped::summaries().into_iter();
        let taken = |name: &str| runs.iter().any(|run| run.name == name);
        let shipped: Vec<RunSummary> = shipped.filter(|run| !taken(&run.name)).collect();
        runs.extend(shipped);
        Ok(runs)
    }
}

/// Gives a run another name; lists the runs.
#[derive(Debug, PartialEq)]
pub struct RenameRun {
    pub from: String,
    pub to: String,
}

impl Job for RenameRun {
    type Output = Vec<RunSummary>;

    fn run(self, context: &JobContext, tell: Tell) -> Result<Self::Output> {
        Db::open(&context.database)?.rename_run(&self.from, &self.to)?;
        FindRuns.run(context, tell)
    }
}

/// Removes a run; lists those that are left.
#[derive(Debug, PartialEq)]
pub struct DeleteRun(pub String);

impl Job for DeleteRun {
    type Output = Vec<RunSummary>;

    fn run(self, context: &JobContext, tell: Tell) -> Result<Self::Output> {
        Db::open(&context.database)?.remove_run(&self.0)?;
        FindRuns.run(context, tell)
    }
}

/// Reads a run, without its traces.
#[derive(Debug, PartialEq)]
pub struct ReadRun(pub String);

impl Job for ReadRun {
    type Output = Run;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let db = Db::open_to_read(&context.database)?;
        let own = db
            .as_ref()
            .is_some_and(|db| db.has_run(&self.0).unwrap_or(false));
        match shipped::run(&self.0).filter(|_| !own) {
            Some(run) => Ok(run.clone()),
            None => open(&context.database)?.run(&self.0),
        }
    }
}

/// Reads the rows of a run whose problems are not known yet.
#[derive(Debug, PartialEq)]
pub struct ReadRows {
    pub name: String,
    /// The problems whose rows are known, in order.
    pub known: Vec<usize>,
}

impl Job for ReadRows {
    type Output = Vec<Row>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        open(&context.database)?.rows_beyond(&self.name, &self.known)
    }
}

/// Reads the trace of a sample.
#[derive(Debug, PartialEq)]
pub struct ReadTrace {
    pub run: Arc<Run>,
    /// Index of the row in it.
    pub row: usize,
    /// Index of the sample in the row.
    pub sample: usize,
}

impl Job for ReadTrace {
    type Output = Document;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let row = self.run.rows.get(self.row);
        let row = row.context("there is no such problem")?;
        let sample = row.samples.get(self.sample);
        let sample = sample.context("there is no such answer")?;
        open(&context.database)?.document(&self.run, row, sample)
    }
}

/// Looks at the natural thoughts of a run for every early exit.
#[derive(Debug, PartialEq)]
pub struct LookAtThoughts {
    pub run: String,
    /// Cancels it.
    pub control: Control,
}

/// What every early exit would have done.
#[derive(Clone, Debug)]
pub struct Thoughts(pub Box<Replay>, pub Vec<Vote>);

impl Job for LookAtThoughts {
    /// `None` if it was cancelled.
    type Output = Option<Thoughts>;

    fn run(self, context: &JobContext, tell: Tell) -> Result<Self::Output> {
        let run = open(&context.database)?.run(&self.run)?;
        let db = Db::open(&context.database)?;
        let load = sweep::model_of(&run, &context.load);
        let rules = Rule::all(&run);
        let looked = measure::look(&db, &run, &rules, load, &self.control, &mut |progress| {
            tell(JobNews::Looked(match progress {
                measure::ReplayProgress::Loading(part) => {
                    format!("loading the model, {:.0}%", part * 100.0)
                }
                measure::ReplayProgress::Looked(done, total) => {
                    format!("looked at {done} of {total} thoughts")
                }
            }));
        })?;
        Ok(looked.map(|(thoughts, exits)| {
            let rule = exits.iter().find(|e| matches!(e, Exit::Deepconf { .. }));
            let votes = rule.map(|rule| votes(&thoughts, *rule));
            let replay = Replay::of(&thoughts, &exits);
            Thoughts(replay.into(), votes.unwrap_or_default())
        }))
    }
}
