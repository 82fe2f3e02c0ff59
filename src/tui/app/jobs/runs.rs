//! Runs, read out of the database. Each reading opens it anew: another program may be writing to
//! it, or have replaced it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::{Job, JobContext, Tell};
use s1_store::Db;
use s1_store::run::{Row, Run, RunSummary};
use s1_store::session::Document;

fn open(database: &Path) -> Result<Db> {
    Db::open_to_read(database)?
        .with_context(|| format!("the database {} no longer exists", database.display()))
}

/// Lists the runs; none where there is no database yet.
#[derive(Debug, PartialEq)]
pub struct FindRuns;

impl Job for FindRuns {
    type Output = Vec<RunSummary>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let db = Db::open_to_read(&context.database)?;
        db.map_or(Ok(Vec::new()), |db| db.runs())
    }
}

/// Reads a run, without its traces.
#[derive(Debug, PartialEq)]
pub struct ReadRun(pub String);

impl Job for ReadRun {
    type Output = Run;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        open(&context.database)?.run(&self.0)
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
