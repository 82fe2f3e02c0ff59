//! Questions to a model file: the sample, and held-out problems, which are a sweep with one point. Its
//! database is kept beside the file until all are answered, so that a training that is killed meanwhile
//! goes on inside the traces that were under way when it comes to the same weights again.
//!
//! Not here: when something is asked.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::problems::{ProblemOptions, ProblemSet};
use crate::sweep::{self, Control, Progress};
use s1_core::forcing::{OnLoop, Policy};
use s1_core::protocol::{Command, Event, LaneState, Request};
use s1_core::sampling::Sampling;
use s1_core::template_args::TemplateArgs;
use s1_core::trace::{Phase, Trace, phase_text};
use s1_core::training::{TrainConfig, TrainEvent};
use s1_core::view::LaneViews;
use s1_data::records;
use s1_engine::{Events, LoadOptions};
use s1_model::gguf::Gguf;
use s1_store::Db;
use s1_store::run::{Budget, PointSpec};

/// Name of the run in its database.
const RUN: &str = "evaluation";
/// Questions that are thought about at the same time.
const LANES: usize = 8;
/// A thought of a model in the making may never end.
const MAX_THINKING: usize = 1024;
/// Nor may its answer.
const MAX_ANSWER: usize = 128;

/// What is asked now and then while a model is trained.
#[derive(Clone, Debug, Default)]
pub struct Evaluator {
    /// The question whose answer is shown.
    pub sample: Option<String>,
    /// The problems that are counted.
    pub problems: Option<ProblemSet>,
    /// How the model marks its thinking, as it was trained to.
    pub family: Option<String>,
    /// The switches of the chat template, as its examples were written with.
    pub template_args: TemplateArgs,
}

impl Evaluator {
    /// Reads the problems.
    ///
    /// # Errors
    /// If they cannot be read, or none of them has a reference answer.
    pub fn new(config: &TrainConfig) -> Result<Evaluator> {
        let options = ProblemOptions {
            limit: Some(config.eval_limit),
            ..ProblemOptions::default()
        };
        let problems = match &config.eval_problems {
            None => None,
            Some(path) => {
                // Its hash says whether an evaluation goes on with the same problems.
                records::require_file(path)?;
                let source = path.display().to_string();
                let mut set = ProblemSet::load(&source, &options)?;
                set.problems.retain(|p| p.reference.is_some());
                if set.problems.is_empty() {
                    bail!("no problem of {source} has an answer to compare with");
                }
                Some(set)
            }
        };
        Ok(Evaluator {
            sample: config.sample.clone(),
            problems,
            family: config.family.clone(),
            template_args: config.template_args.clone(),
        })
    }

    /// Asks the sample question of the model after a step.
    ///
    /// # Errors
    /// If the model cannot be used.
    pub fn ask_sample(
        &self,
        step: usize,
        model: &Path,
        threads: usize,
    ) -> Result<Option<TrainEvent>> {
        let Some(question) = &self.sample else {
            return Ok(None);
        };
        let trace = &self.answer(model, threads, question)?;
        Ok(Some(TrainEvent::Sample {
            step,
            question: question.clone(),
            thinking: phase_text(trace, Phase::Thinking).trim().to_owned(),
            answer: phase_text(trace, Phase::Answer).trim().to_owned(),
        }))
    }

    /// Asks the problems of the model after a step, and counts the right answers.
    ///
    /// # Errors
    /// If the model cannot be used, or a problem could not be asked for want of memory.
    pub fn ask_problems(
        &self,
        step: usize,
        model: &Path,
        threads: usize,
    ) -> Result<Option<TrainEvent>> {
        let Some(set) = &self.problems else {
            return Ok(None);
        };
        let mut plan = self.plan(set, model, threads)?;
        plan.resume = has_run(&plan.db);
        if !(plan.resume && goes_on(&plan)?) {
            remove(&plan.db)?;
            plan.resume = false;
            sweep::run(&plan, &Control::default(), &mut |_| {})?;
        }
        let rows = Db::open(&plan.db)?.run(RUN)?.rows;
        let samples = || rows.iter().flat_map(|row| &row.samples);
        let correct = samples().filter(|sample| sample.correct == Some(true));
        let thinking: usize = samples().map(|sample| sample.thinking).sum();
        Ok(Some(TrainEvent::Accuracy {
            step,
            n: rows.len(),
            correct: correct.count(),
            thinking: thinking as f64 / rows.len().max(1) as f64,
        }))
    }

    /// Forgets what was kept of an evaluation of this model.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget(model: &Path) -> Result<()> {
        remove(&database(model))
    }

    fn plan(&self, set: &ProblemSet, model: &Path, threads: usize) -> Result<sweep::Plan> {
        // A sweep refuses a budget that the context does not hold.
        let gguf = Gguf::open(model)?;
        let context = gguf.u64(&format!("{}.context_length", gguf.architecture()));
        let room = context.map_or(MAX_THINKING, |n| (n as usize).saturating_sub(1));
        Ok(sweep::Plan {
            load: self.load(model),
            problems: set.clone(),
            source: set.path.display().to_string(),
            options: ProblemOptions::default(),
            prompt: set.prompt.clone(),
            policy: policy(),
            sampling: Sampling::default(),
            samples: 1,
            points: vec![PointSpec {
                budget: Budget::Tokens(room.min(MAX_THINKING)),
                waits: 0,
            }],
            lanes: LANES,
            threads: Some(threads),
            name: RUN.into(),
            resume: false,
            db: database(model),
        })
    }

    fn load(&self, model: &Path) -> LoadOptions {
        LoadOptions {
            path: model.to_path_buf(),
            family: self.family.clone(),
            template_args: self.template_args.clone(),
            ..LoadOptions::default()
        }
    }

    /// The trace of a question.
    fn answer(&self, model: &Path, threads: usize, question: &str) -> Result<Trace> {
        let request = Request {
            question: question.to_owned(),
            policy: Policy {
                max_thinking: Some(MAX_THINKING),
                ..policy()
            },
            ..Request::default()
        };
        let (engine, mut events) = s1_engine::start(self.load(model))?;
        engine.set_threads(threads);
        engine.send(Command::StartRow(vec![(0, request)]));
        let trace = follow(&mut events);
        // The channel is closed first: an engine that waits to be heard must not wait for ever.
        drop(events);
        engine.shutdown();
        trace
    }
}

fn policy() -> Policy {
    Policy {
        answer_max: MAX_ANSWER,
        on_loop: OnLoop::Answer,
        ..Policy::default()
    }
}

/// Where an evaluation of a model is kept.
fn database(model: &Path) -> PathBuf {
    model.with_extension("db")
}

fn has_run(db: &Path) -> bool {
    let db = Db::open_to_read(db).ok().flatten();
    db.is_some_and(|db| db.has_run(RUN).unwrap_or(false))
}

/// Goes on with an evaluation; returns whether that was possible: what is there of another step or of
/// other problems is of no use.
fn goes_on(plan: &sweep::Plan) -> Result<bool> {
    let mut began = false;
    let mut tell = |progress| began |= matches!(progress, Progress::Started { .. });
    match sweep::run(plan, &Control::default(), &mut tell) {
        Err(_) if !began => Ok(false),
        outcome => outcome,
    }
}

/// Removes a database with what SQLite keeps beside it.
fn remove(db: &Path) -> Result<()> {
    for beside in ["", "-wal", "-shm"] {
        let mut path = db.as_os_str().to_owned();
        path.push(beside);
        let gone = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        match fs::remove_file(&path) {
            Err(error) if !gone(&error) => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The trace of the only lane, once it has ended; one that was refused has none.
fn follow(events: &mut Events) -> Result<Trace> {
    let mut lanes = LaneViews::default();
    loop {
        let Some(event) = events.blocking_recv() else {
            bail!("the engine ended before it had answered");
        };
        lanes.apply(&event);
        match event {
            Event::Failed(why) => bail!("{why}"),
            // Not asked is not answered wrong.
            Event::Refused {
                why, passing: true, ..
            } => bail!("{why}"),
            Event::State(_, LaneState::Paused) => bail!("the model cannot continue"),
            Event::Finished { .. } => return Ok(lanes.take(0).unwrap_or_default().tokens),
            _ => {}
        }
    }
}
