//! A training as its own process sees it: every event goes into the store, every order comes out of
//! it, and questions are asked of the model on the way.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::NAMELESS;
use super::evaluator::Evaluator;
use super::recorder::{Recorder, sentence};
use s1_core::training::{Questions, TrainConfig, TrainEvent, TrainOrder, TrainStep};
use s1_store::Db;
use s1_store::training::{Lease, Training, TrainingState};
use s1_train::{TrainControl, TrainOutcome, Trainer};

/// The model as it is now, while it is asked something.
const SNAPSHOT: &str = "now.gguf";

/// What to train, and where to record it.
#[derive(Debug)]
pub struct TrainJob {
    pub config: TrainConfig,
    /// Its name in the store; `None` is a name after the folder.
    pub name: Option<String>,
    pub db: PathBuf,
    /// Go on from the newest checkpoint.
    pub resume: bool,
}

/// Trains. `kill` ends the process when the store says so; what it must leave behind is written by
/// then.
///
/// # Errors
/// As [`s1_train::prepare`] and [`Trainer::train`]; if another training has the name or the folder;
/// and if the database cannot be opened. The fault is in the store as well.
pub fn train(
    job: TrainJob,
    control: &Arc<TrainControl>,
    kill: impl FnOnce() + Send + 'static,
    tell: &mut dyn FnMut(&TrainEvent),
) -> Result<TrainOutcome> {
    job.config.check()?;
    let config = s1_train::resolved(job.config);
    let _lease = Lease::take(&config.out)?;
    let mut db = Db::open(&job.db)?;
    let name = match job.name {
        Some(name) => name,
        None => db.training_name(&config.out)?.context(NAMELESS)?,
    };
    let mut training = Training {
        name: name.clone(),
        config: config.clone(),
        rate: 1.0,
        ..Training::default()
    };
    let known = db.training(&name)?;
    if let Some(known) = known.as_ref().filter(|t| t.folder() != training.folder()) {
        bail!(
            "there is a training {name:?} already, in {}; give another --name",
            known.folder().display()
        );
    }
    match known {
        Some(_) => {
            db.record_training(&name, TrainingState::Preparing, None, &[])?;
            db.drop_training_orders(&name)?;
        }
        None => db.begin_training(&training)?,
    }
    let prepared = Evaluator::new(&config)
        .and_then(|evaluator| Ok((evaluator, s1_train::prepare(&config, job.resume)?)));
    let (evaluator, mut trainer) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Err(failed(&mut db, &name, error)),
    };
    let plan = trainer.plan().clone();
    (training.step, training.steps) = (trainer.done(), plan.steps);
    training.rate = trainer.rate();
    training.state = TrainingState::Running;
    db.begin_training(&training)?;
    let done = trainer.done();
    tell(&TrainEvent::Plan { plan, done });

    // Before anybody can change it.
    control.order(TrainOrder::Rate(trainer.rate()));
    // What was ordered while it prepared.
    for order in db.take_training_orders(&name)? {
        control.order(order);
    }
    let recorder = Recorder::start(db, name, Arc::clone(control), kill)?;
    let mut between = BetweenSteps {
        evaluator,
        config: &config,
        recorder: &recorder,
        tell,
    };
    let outcome = trainer.train(control, &mut |trainer, event| {
        between.on_event(trainer, event)
    });
    let (state, fault) = match &outcome {
        Ok(TrainOutcome::Finished) => (TrainingState::Finished, None),
        Ok(TrainOutcome::Stopped) => (TrainingState::Stopped, None),
        Err(error) => (TrainingState::Failed, Some(sentence(error))),
    };
    recorder.finish(state, fault);
    outcome
}

/// Records a fault before the run began; the fault itself matters more than whether that worked.
fn failed(db: &mut Db, name: &str, error: anyhow::Error) -> anyhow::Error {
    let _ = db.record_training(name, TrainingState::Failed, Some(&sentence(&error)), &[]);
    error
}

/// What is done between two steps: events are passed on, and questions asked.
struct BetweenSteps<'a> {
    evaluator: Evaluator,
    config: &'a TrainConfig,
    recorder: &'a Recorder,
    tell: &'a mut dyn FnMut(&TrainEvent),
}

impl BetweenSteps<'_> {
    fn on_event(&mut self, trainer: &dyn Trainer, event: TrainEvent) {
        let step = match &event {
            TrainEvent::Step(step) => Some(*step),
            _ => None,
        };
        self.pass_on(event);
        let Some(TrainStep { step, steps, .. }) = step else {
            return;
        };
        let questions = self.config.questions(step, steps);
        if !questions.any() {
            return;
        }
        if let Err(error) = self.ask(trainer, step, questions) {
            let text = format!("the questions of step {step} went unanswered: {error:#}");
            self.pass_on(TrainEvent::Message { step, text });
        }
    }

    fn pass_on(&mut self, event: TrainEvent) {
        if let TrainEvent::Saving { .. } = event {
            return self.recorder.flush();
        }
        (self.tell)(&event);
        self.recorder.record(event);
    }

    /// Asks the model as it is. What goes wrong here does not end the training.
    fn ask(&mut self, trainer: &dyn Trainer, step: usize, questions: Questions) -> Result<()> {
        let path = self.config.out.join(SNAPSHOT);
        trainer.snapshot(&path)?;
        let threads = self.config.threads.unwrap_or(1);
        if questions.sample
            && let Some(event) = self.evaluator.ask_sample(step, &path, threads)?
        {
            self.pass_on(event);
        }
        if questions.problems
            && let Some(event) = self.evaluator.ask_problems(step, &path, threads)?
        {
            self.pass_on(event);
            // What it was counted from is kept until the count is.
            self.recorder.flush();
            Evaluator::forget(&path)?;
        }
        // It can be made again at any time.
        let _ = std::fs::remove_file(&path);
        Ok(())
    }
}
