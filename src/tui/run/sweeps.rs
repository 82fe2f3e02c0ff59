//! A sweep beside the loop, in a thread of its own with an engine of its own: the explorer stays
//! usable, and whatever it does changes nothing in the run.

use std::path::PathBuf;

use anyhow::{Context, Result};

use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_data::files;
use s1_engine::LoadOptions;
use s1_lab::problems::ProblemSet;
use s1_lab::sweep::{self, Control, Progress, SweepConfig};

/// What a sweep needs beside its plan.
pub struct Job {
    /// The model.
    pub load: LoadOptions,
    /// What is asked, and at which points.
    pub plan: SweepConfig,
    /// What the run's name begins with, if the plan has none; otherwise the problems' name.
    pub prefix: Option<String>,
    /// The rules and the sampling that hold for all points.
    pub request: Request,
    /// The database.
    pub db: PathBuf,
}

/// What a sweep says.
pub enum Said {
    /// How far it is.
    Progress(Progress),
    /// Its end, with one sentence if it was a fault.
    Ended(Result<(), String>),
}

/// Starts a sweep; `say` hears of it until its end.
pub fn start(job: Job, say: impl Fn(Said) + Send + 'static) -> Control {
    let control = Control::default();
    let theirs = control.clone();
    std::thread::spawn(move || {
        let outcome = work(job, &theirs, |progress| say(Said::Progress(progress)));
        say(Said::Ended(outcome.map_err(|e| format!("{e:#}"))));
    });
    control
}

fn work(job: Job, control: &Control, mut tell: impl FnMut(Progress)) -> Result<()> {
    let Job {
        load,
        plan,
        prefix,
        request,
        db,
    } = job;
    let path = plan.problems.as_ref().context("choose the problems")?;
    let source = path.display().to_string();
    let options = plan.options();
    let problems = ProblemSet::load(&source, &options)?;
    for warning in &problems.warnings {
        tell(Progress::Notice(warning.clone()));
    }
    let name = match &plan.name {
        Some(name) => name.clone(),
        None => {
            let prefix = prefix.unwrap_or_else(|| problems.name.clone());
            format!("{prefix}-{}", stamp())
        }
    };
    let mut prompt = problems.prompt.clone();
    if !request.system.is_empty() {
        prompt.system.clone_from(&request.system);
    }
    let plan = sweep::Plan {
        load,
        source,
        options,
        prompt,
        policy: request.policy,
        sampling: Sampling {
            temperature: plan.sampling.temperature,
            ..request.sampling
        },
        samples: plan.samples,
        points: plan.points(),
        lanes: plan.lanes,
        name,
        resume: false,
        db,
        problems,
    };
    sweep::run(&plan, control, &mut tell)?;
    Ok(())
}

/// Seconds since 2020 in base 36: short, and later ones sort after earlier ones.
fn stamp() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = files::now().saturating_sub(1_577_836_800);
    let mut out = Vec::new();
    while rest > 0 || out.is_empty() {
        out.push(DIGITS[(rest % 36) as usize]);
        rest /= 36;
    }
    out.reverse();
    String::from_utf8_lossy(&out).into_owned()
}
