//! A sweep, with an engine of its own: the explorer stays usable, and whatever it does changes
//! nothing in the run.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Job, JobContext, JobNews, Tell};
use s1_core::forcing::Policy;
use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_data::files;
use s1_lab::problems::{ProblemOptions, ProblemSet};
use s1_lab::sweep::{self, Control, Progress, SweepConfig};
use s1_model::template::TemplateArgs;
use s1_store::Db;
use s1_store::run::Run;

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
    fn read(self, context: &JobContext, tell: Tell) -> Result<sweep::Plan> {
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
            tell(JobNews::Sweep(Progress::Notice(warning.clone())));
        }
        let name = plan.name.clone().unwrap_or_else(|| {
            let prefix = prefix.unwrap_or_else(|| problems.name.clone());
            // Later ones sort after earlier ones.
            format!("{prefix}-{:x}", files::now())
        });
        let mut prompt = problems.prompt.clone();
        if !request.system.is_empty() {
            prompt.system.clone_from(&request.system);
        }
        // What the screen's settings say of the template's switches holds here, too.
        let mut load = context.load_options(model);
        if let Ok(own) = request.template_args.parse::<TemplateArgs>() {
            load.template_args = own.over(&load.template_args.0);
        }
        Ok(sweep::Plan {
            load,
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
            threads: None,
            name,
            resume: false,
            db: context.database.clone(),
            problems,
        })
    }
}

impl Job for StartSweep {
    type Output = ();

    fn run(self, context: &JobContext, tell: Tell) -> Result<()> {
        let control = self.control.clone();
        let plan = self.read(context, tell)?;
        sweep::run(&plan, &control, &mut |progress| {
            tell(JobNews::Sweep(progress))
        })
        .map(|_| ())
    }
}

/// Goes on with a run that was interrupted.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumeSweep {
    pub name: String,
    /// Pauses and cancels it.
    pub control: Control,
}

/// Problems that are thought about at once; the result does not depend on it.
const AT_ONCE: usize = 4;

/// The plan that a run was started with.
fn restored(run: &Run, context: &JobContext) -> Result<sweep::Plan> {
    let settings = run.settings.clone();
    let set = settings.problems;
    let source = run.sources.problems.clone();
    let options = ProblemOptions {
        question_field: set.question_field,
        answer_field: set.answer_field,
        id_field: set.id_field,
        skip_broken: set.skipped > 0,
        limit: Some(set.count),
    };
    Ok(sweep::Plan {
        load: sweep::model_of(run, &context.load),
        problems: ProblemSet::load(&source, &options)?,
        source,
        options,
        prompt: set.prompt,
        policy: settings.policy,
        sampling: settings.sampling,
        samples: settings.samples,
        points: settings.points,
        lanes: AT_ONCE,
        threads: None,
        name: run.name.clone(),
        resume: true,
        db: context.database.clone(),
    })
}

impl Job for ResumeSweep {
    type Output = ();

    fn run(self, context: &JobContext, tell: Tell) -> Result<()> {
        let db = Db::open_to_read(&context.database)?;
        let run = db
            .context("the database of runs is gone")?
            .run(&self.name)?;
        let plan = restored(&run, context)?;
        sweep::run(&plan, &self.control, &mut |progress| {
            tell(JobNews::Sweep(progress));
        })
        .map(|_| ())
    }
}
