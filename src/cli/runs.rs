//! `s1-tui runs`: what is in the database.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::args::DbArgs;
use s1_data::sanitize;
use s1_store::Db;
use s1_store::run::RunSummary;

/// Which database, and what to do with it.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    /// Show this run's table instead of the list.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Remove this run with its samples and traces.
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    remove: Option<String>,
    /// Print one JSON object per run.
    #[arg(long, conflicts_with = "remove")]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
}

#[derive(Serialize)]
struct RunLine<'a> {
    run: &'a str,
    created_at: u64,
    rows: usize,
    problems: usize,
    complete: bool,
    settings: &'a s1_store::run::RunSettings,
}

/// Runs the command. Errors where the database cannot be read, or has no such run.
pub fn run(args: &RunsArgs) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    if let Some(name) = &args.remove {
        // Asked for by name, so a database that is not there must be said, not made.
        args.db.open()?.run(name)?;
        Db::open(&args.db.path()?)?.remove_run(name)?;
        return Ok(ExitCode::SUCCESS);
    }
    let db = args.db.open()?;
    let runs = db.runs()?;
    match &args.run {
        Some(name) if !args.json => super::sweep::table(&db.run(name)?, &mut out)?,
        Some(name) => {
            db.run(name)?;
            for run in runs.iter().filter(|run| run.name == *name) {
                json(run, &mut out)?;
            }
        }
        None if args.json => {
            for run in &runs {
                json(run, &mut out)?;
            }
        }
        None => {
            for run in &runs {
                let s = &run.settings;
                let line = format!(
                    "{:<40} {:>5}/{} problems · {} points · {} · {}",
                    run.name,
                    run.rows,
                    s.problems.count,
                    s.points.len(),
                    s.model.card.name,
                    s.problems.name
                );
                writeln!(out, "{}", sanitize::clean_line(&line))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json(run: &RunSummary, out: &mut impl Write) -> Result<()> {
    let line = RunLine {
        run: &run.name,
        created_at: run.created_at,
        rows: run.rows,
        problems: run.settings.problems.count,
        complete: run.is_complete(),
        settings: &run.settings,
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)?;
    Ok(())
}
