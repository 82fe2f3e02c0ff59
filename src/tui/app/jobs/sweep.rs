//! A sweep, with an engine of its own: the explorer stays usable, and whatever it does changes
//! nothing in the run.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Job, JobContext, sentence};
use crate::tui::app::App;
use s1_core::forcing::Policy;
use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_data::files;
use s1_lab::problems::ProblemSet;
use s1_lab::sweep::{self, Control, Progress, SweepConfig};

/// Runs a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct StartSweep {
    pub model: PathBuf,
    /// What is asked, and at which points.
    pub plan: SweepConfig,
    /// What the run's name begins with, if the plan has none; otherwise the problems' name.
    pub prefix: Option<String>,
    /// The rules and the sampling that hold for all points.
    pub request: Request,
    /// Pauses and cancels it.
    pub control: Control,
}

impl StartSweep {
    /// The plan with its problems read and its run named.
    fn read(self, context: &JobContext, tell: &mut dyn FnMut(Progress)) -> Result<sweep::Plan> {
        let StartSweep {
            model,
            plan,
            prefix,
            request,
            ..
        } = self;
        let path = plan.problems.as_ref().context("choose the problems")?;
        let source = path.display().to_string();
        let options = plan.options();
        let problems = ProblemSet::load(&source, &options)?;
        for warning in &problems.warnings {
            tell(Progress::Notice(warning.clone()));
        }
        let name = plan.name.clone().unwrap_or_else(|| {
            let prefix = prefix.unwrap_or_else(|| problems.name.clone());
            format!("{prefix}-{}", stamp())
        });
        let mut prompt = problems.prompt.clone();
        if !request.system.is_empty() {
            prompt.system.clone_from(&request.system);
        }
        Ok(sweep::Plan {
            load: context.load_options(model),
            source,
            options,
            prompt,
            policy: Policy {
                // A point without thinking is a thought cut at once, or it would not be on the curve.
                think: true,
                final_answer: plan.policy.final_answer,
                ..request.policy
            },
            sampling: Sampling {
                temperature: plan.sampling.temperature,
                ..request.sampling
            },
            samples: plan.samples,
            points: plan.points(),
            lanes: plan.lanes,
            name,
            resume: false,
            db: context.database.clone(),
            problems,
        })
    }
}

/// What a sweep tells of.
#[derive(Debug)]
pub enum SweepOutput {
    Progress(Progress),
    /// Its end, with one sentence if it was a fault.
    Ended(Result<(), String>),
}

impl Job for StartSweep {
    type Output = SweepOutput;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(SweepOutput)) {
        let control = self.control.clone();
        let mut progress = |progress| tell(SweepOutput::Progress(progress));
        let plan = self.read(context, &mut progress);
        let ended = plan.and_then(|plan| sweep::run(&plan, &control, &mut progress));
        tell(SweepOutput::Ended(sentence(ended.map(|_| ()))));
    }

    fn done(app: &mut App, output: SweepOutput) {
        match output {
            SweepOutput::Progress(progress) => app.on_sweep(progress),
            SweepOutput::Ended(outcome) => app.on_sweep_ended(outcome),
        }
    }
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
