//! `cargo xtask shipped`: the runs that the program carries with it, and the questions to begin with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use s1_core::forcing::{OnLoop, Policy};
use s1_core::sampling::Sampling;
use s1_data::assets;
use s1_engine::LoadOptions;
use s1_lab::problems::ProblemSet;
use s1_lab::sweep::{self, Control, Plan, Progress};
use s1_store::run::{Budget, PointSpec, Row, Run};
use s1_store::{Db, shipped};

/// Budgets of the curve.
const BUDGETS: [usize; 8] = [0, 16, 32, 48, 64, 96, 128, 256];
/// Waits from the natural end on.
const WAITS: [usize; 4] = [0, 1, 2, 4];
/// When they are said to be from: nothing of a run depends on when it was made.
const CREATED: u64 = 1_767_225_600;

/// Runs the command.
pub fn write() -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let db = folder.path().join("runs.db");
    let runs = [assets::BASE, assets::REASONER].map(|model| computed(model, &db));
    let runs = runs.into_iter().collect::<Result<Vec<Run>>>()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/nano/runs.json.gz");
    let file = std::fs::File::create(&path)?;
    let mut file = GzEncoder::new(file, Compression::best());
    serde_json::to_writer(&mut file, &runs)?;
    let bytes = file.finish()?.metadata()?.len();
    println!("{} ({bytes} bytes)", path.display());
    for (what, first, later) in [("repaired", false, true), ("harmed", true, false)] {
        println!("{what} by a Wait, the shortest first:");
        for row in turned(&runs[1], first, later).into_iter().take(12) {
            let reference = row.reference.as_deref().unwrap_or_default();
            println!("  {} ▸ {reference}", row.question);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn computed(model: &str, db: &Path) -> Result<Run> {
    let source = assets::HELD_OUT.to_owned();
    let problems = ProblemSet::load(&source, &Default::default())?;
    let spec = |budget, waits| PointSpec { budget, waits };
    let mut points = BUDGETS.map(|n| spec(Budget::Tokens(n), 0)).to_vec();
    points.extend(WAITS.map(|waits| spec(Budget::Natural, waits)));
    let bare = model.strip_prefix(assets::PREFIX).unwrap_or(model);
    let plan = Plan {
        load: LoadOptions {
            path: PathBuf::from(model),
            ..LoadOptions::default()
        },
        prompt: problems.prompt.clone(),
        problems,
        source,
        options: Default::default(),
        policy: Policy {
            on_loop: OnLoop::Answer,
            ..Policy::default()
        },
        sampling: Sampling::default(),
        samples: 1,
        points,
        lanes: 8,
        threads: None,
        name: format!("{}{bare}", shipped::PREFIX),
        resume: false,
        db: db.to_path_buf(),
    };
    let mut tell = |progress| {
        if let Progress::Row { done, total, .. } = progress {
            eprint!("\r{bare} {done}/{total} ");
        }
    };
    if !sweep::run(&plan, &Control::default(), &mut tell)? {
        bail!("the sweep of {model} is not complete");
    }
    eprintln!();
    let mut run = Db::open_to_read(db)?
        .context("the database is gone")?
        .run(&plan.name)?;
    run.created_at = CREATED;
    // Their traces are not shipped.
    let samples = run.rows.iter_mut().flat_map(|row| &mut row.samples);
    samples.for_each(|sample| sample.trace = 0);
    Ok(run)
}

/// Problems whose natural answer is right or wrong, and those after any number of Waits are the
/// other; those with the shortest thoughts first.
fn turned(run: &Run, natural: bool, waited: bool) -> Vec<&Row> {
    let at = |waits| {
        let wanted = PointSpec {
            budget: Budget::Natural,
            waits,
        };
        run.settings
            .points
            .iter()
            .position(|point| *point == wanted)
    };
    let is = |row: &Row, waits: usize, right: bool| {
        let sample = at(waits).and_then(|point| row.at(point).first());
        sample.is_some_and(|s| s.correct == Some(right) && s.waits_used == waits && !s.forced)
    };
    let mut found: Vec<&Row> = (run.rows.iter())
        .filter(|row| is(row, 0, natural) && [1, 2, 4].iter().all(|&n| is(row, n, waited)))
        .collect();
    let length = |row: &&Row| at(0).and_then(|p| row.at(p).first()).map(|s| s.thinking);
    found.sort_by_key(length);
    found
}
