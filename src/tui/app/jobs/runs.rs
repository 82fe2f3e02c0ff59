//! Runs, read out of the database. Each reading opens it anew: another program may be writing to
//! it, or have replaced it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::{Job, JobContext, sentence};
use crate::tui::app::App;
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
    type Output = Result<Vec<RunSummary>, String>;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let db = Db::open_to_read(&context.database);
        tell(sentence(
            db.and_then(|db| db.map_or(Ok(Vec::new()), |db| db.runs())),
        ));
    }

    fn done(app: &mut App, listed: Self::Output) {
        app.on_runs(listed);
    }
}

/// Reads a run, without its traces.
#[derive(Debug, PartialEq)]
pub struct ReadRun(pub String);

impl Job for ReadRun {
    type Output = (String, Result<Run, String>);

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let read = open(&context.database).and_then(|db| db.run(&self.0));
        tell((self.0, sentence(read)));
    }

    fn done(app: &mut App, (name, read): Self::Output) {
        app.on_run(&name, read);
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
    type Output = (String, Result<Vec<Row>, String>);

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let ReadRows { name, known } = self;
        let read = open(&context.database).and_then(|db| db.rows_beyond(&name, &known));
        tell((name, sentence(read)));
    }

    fn done(app: &mut App, (name, read): Self::Output) {
        app.on_rows(&name, read);
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

impl ReadTrace {
    fn read(&self, database: &Path) -> Result<Document> {
        let row = self.run.rows.get(self.row);
        let row = row.context("there is no such problem")?;
        let sample = row.samples.get(self.sample);
        let sample = sample.context("there is no such answer")?;
        open(database)?.document(&self.run, row, sample)
    }
}

impl Job for ReadTrace {
    type Output = Result<Document, String>;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        tell(sentence(self.read(&context.database)));
    }

    fn done(app: &mut App, read: Self::Output) {
        app.on_trace(read);
    }
}
