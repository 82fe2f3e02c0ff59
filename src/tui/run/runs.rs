//! Runs out of the database, beside the loop. Each reading opens it anew: another program may be
//! writing to it, or have replaced it.

use std::path::Path;

use anyhow::{Context, Result};

use super::said;
use s1_store::Db;
use s1_store::run::{Row, Run, RunSummary};
use s1_store::session::Document;

/// The runs; none where there is no database yet.
pub fn list(database: &Path) -> Result<Vec<RunSummary>, String> {
    said(Db::open_to_read(database).and_then(|db| db.map_or(Ok(Vec::new()), |db| db.runs())))
}

/// One run with its figures, without its traces.
pub fn read(database: &Path, name: &str) -> Result<Run, String> {
    said(open(database).and_then(|db| db.run(name)))
}

/// The rows of a run whose problems are not known yet.
pub fn rows(database: &Path, name: &str, known: &[usize]) -> Result<Vec<Row>, String> {
    said(open(database).and_then(|db| db.rows_beyond(name, known)))
}

/// The trace of one sample.
pub fn trace(database: &Path, run: &Run, row: usize, sample: usize) -> Result<Document, String> {
    let read = || {
        let row = run.rows.get(row).context("there is no such problem")?;
        let sample = row.samples.get(sample).context("there is no such answer")?;
        open(database)?.document(run, row, sample)
    };
    said(read())
}

fn open(database: &Path) -> Result<Db> {
    Db::open_to_read(database)?
        .with_context(|| format!("the database {} no longer exists", database.display()))
}
