//! `s1-tui runs`: what is in the database.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use super::args::DbArgs;
use super::json_line;
use s1_data::sanitize;
use s1_store::Db;
use s1_store::run::{RunSettings, RunSummary};

/// Which database, and what to do with it.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    /// Show this run's table instead of the list.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Give a run another name.
    #[arg(long, num_args = 2, value_names = ["RUN", "NAME"], conflicts_with_all = ["run", "json", "remove"])]
    rename: Option<Vec<String>>,
    /// Remove this run with its samples and traces.
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    remove: Option<String>,
    /// Print one JSON object per run.
    #[arg(long, conflicts_with = "remove")]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
}

/// What `--json` prints of a run. Not as a value of JSON: that would write 0.9 of 32 bits with 64.
#[derive(Serialize)]
struct RunLine<'a> {
    run: &'a str,
    created_at: u64,
    rows: usize,
    problems: usize,
    complete: bool,
    settings: &'a RunSettings,
}

/// Runs the command. Errors where the database cannot be read, or has no such run.
pub fn run(args: &RunsArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    if let Some(name) = &args.remove {
        // Asked for by name, so a database that is not there must be said, not made.
        args.db.open()?.run(name)?;
        return Db::open(&args.db.path()?)?.remove_run(name);
    }
    if let Some([from, to]) = args.rename.as_deref() {
        args.db.open()?.run(from)?;
        return Db::open(&args.db.path()?)?.rename_run(from, to);
    }
    let db = args.db.open()?;
    let runs = db.runs()?;
    match &args.run {
        name if args.json => {
            if let Some(name) = name {
                db.run(name)?;
            }
            let is_meant = |run: &&RunSummary| name.as_ref().is_none_or(|name| run.name == *name);
            for run in runs.iter().filter(is_meant) {
                let line = RunLine {
                    run: &run.name,
                    created_at: run.created_at,
                    rows: run.rows,
                    problems: run.settings.problems.count,
                    complete: run.is_complete(),
                    settings: &run.settings,
                };
                json_line(&mut out, &line)?;
            }
        }
        Some(name) => super::sweep::table(&db.run(name)?, &mut out)?,
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
    Ok(())
}
