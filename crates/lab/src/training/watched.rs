//! A training as its own process sees it: every step goes into the store, every order comes out of
//! it, and questions are asked of the model on the way.
//!
//! One thread has the database, so that a slow disk does not slow the steps down; what cannot be
//! written is kept and tried again, and never ends a training.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::NAMELESS;
use super::exam::Exam;
use s1_data::sanitize::clean_line;
use s1_store::Db;
use s1_store::training::{Lease, Order, State, StepRecord, Training, What};
use s1_train::arguments::Arguments;
use s1_train::control::{Control, Event};
use s1_train::export::Quantization;
use s1_train::run::{Outcome, Run};

/// How often orders are looked for.
const LISTEN_EVERY: Duration = Duration::from_millis(80);
/// How often steps are written.
const WRITE_EVERY: Duration = Duration::from_millis(250);
/// How often the sample question is answered where nobody says how often.
const SAMPLES: usize = 20;
/// The model as it is now, while it is asked something.
const NOW: &str = "now.gguf";

/// What a watched training tells whoever started it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Base and data are read; the run begins, or goes on.
    Ready,
    /// The run itself.
    Run(Event),
    /// Something came of it: an answer, a result.
    Note(usize, What),
}

/// What to train, and where to record it.
#[derive(Debug)]
pub struct Job {
    /// The training.
    pub arguments: Arguments,
    /// Its name in the store; `None` is a name after the folder.
    pub name: Option<String>,
    /// The database.
    pub db: PathBuf,
    /// Go on from the newest checkpoint.
    pub resume: bool,
}

/// Trains. `kill` ends the process when the store says so; what it must leave behind is written by
/// then.
///
/// # Errors
/// As [`Run::prepare`] and [`Run::train`]; if another training has the name or the folder; and if
/// the database cannot be opened. The fault is in the store as well.
pub fn train(
    job: Job,
    control: &Arc<Control>,
    kill: impl FnOnce() + Send + 'static,
    tell: &mut dyn FnMut(&Run, Told),
) -> Result<Outcome> {
    let arguments = job.arguments.absolute();
    let _lease = Lease::take(&arguments.out)?;
    let mut db = Db::open(&job.db)?;
    let name = match job.name {
        Some(name) => name,
        None => db.training_name(&arguments.out)?.context(NAMELESS)?,
    };
    let mut training = Training {
        name: name.clone(),
        folder: arguments.out.clone(),
        base: arguments.base().display().to_string(),
        data: arguments.data.display().to_string(),
        arguments: arguments.words(),
        rate: 1.0,
        ..Training::default()
    };
    let known = db.training(&name)?;
    if let Some(known) = known.as_ref().filter(|t| t.folder != training.folder) {
        bail!(
            "there is a training {name:?} already, in {}; give another --name",
            known.folder.display()
        );
    }
    match known {
        Some(_) => db.record_training(&name, State::Preparing, None, &[], &[])?,
        None => db.begin_training(&training)?,
    }
    let prepared = (|| {
        let exam = Exam::new(
            arguments.sample.as_deref(),
            arguments.eval_problems.as_deref(),
            arguments.eval_limit,
        )?;
        Ok((exam, Run::prepare(arguments.settings()?, job.resume)?))
    })();
    let (exam, mut run) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Err(failed(&mut db, &name, error)),
    };
    (training.step, training.steps) = (run.done(), run.steps());
    training.rate = run.rate();
    training.state = State::Running;
    db.begin_training(&training)?;
    tell(&run, Told::Ready);

    // Before anybody can change it.
    control.rate(run.rate());
    let recorder = Recorder::start(db, name, Arc::clone(control), kill)?;
    let mut watch = Watch {
        exam,
        eval_every: arguments.eval_every,
        sample_every: arguments
            .sample_every
            .unwrap_or(run.steps().div_ceil(SAMPLES))
            .max(1),
        recorder: &recorder,
    };
    let outcome = run.train(control, &mut |run, event| watch.hear(run, event, tell));
    let outcome = match outcome {
        Ok(Outcome::Finished) => {
            recorder.state(State::Writing);
            run.export().map(|written| {
                for path in written {
                    let what = What::Written { path };
                    recorder.note(run.done(), what.clone());
                    tell(&run, Told::Note(run.done(), what));
                }
                Outcome::Finished
            })
        }
        other => other,
    };
    let (state, fault) = match &outcome {
        Ok(Outcome::Finished) => (State::Finished, None),
        Ok(Outcome::Stopped) => (State::Stopped, None),
        Err(error) => (State::Failed, Some(sentence(error))),
    };
    recorder.finish(state, fault);
    outcome
}

fn sentence(error: &anyhow::Error) -> String {
    clean_line(&format!("{error:#}")).into_owned()
}

/// Records a fault before the run began; the fault itself matters more than whether that worked.
fn failed(db: &mut Db, name: &str, error: anyhow::Error) -> anyhow::Error {
    let _ = db.record_training(name, State::Failed, Some(&sentence(&error)), &[], &[]);
    error
}

/// What is done between two steps.
struct Watch<'a> {
    exam: Exam,
    eval_every: Option<usize>,
    sample_every: usize,
    recorder: &'a Recorder,
}

impl Watch<'_> {
    fn hear(&mut self, run: &Run, event: Event, tell: &mut dyn FnMut(&Run, Told)) {
        let step = run.done();
        match &event {
            Event::Step(s) => self.recorder.step(StepRecord {
                step: s.step,
                loss: s.loss,
                lr: s.lr,
                grad_norm: s.grad_norm,
                tok_s: s.tok_s,
                eta_s: s.eta_s,
            }),
            Event::Eval { loss, .. } => self.recorder.note(step, What::Loss { loss: *loss }),
            Event::Saved { path, .. } => {
                self.recorder.note(step, What::Saved { path: path.clone() });
            }
            Event::Paused { .. } => self.recorder.state(State::Paused),
            Event::Resumed { .. } => self.recorder.state(State::Running),
        }
        let stepped = matches!(event, Event::Step(_));
        tell(run, Told::Run(event));
        if !stepped {
            return;
        }
        let last = step == run.steps();
        let sample = self.exam.sample.is_some()
            && (step == 1 || last || step.is_multiple_of(self.sample_every));
        let problems = self.exam.problems.is_some()
            && (last
                || self
                    .eval_every
                    .is_some_and(|n| step.is_multiple_of(n.max(1))));
        if !(sample || problems) {
            return;
        }
        let answers = self.ask(run, sample, problems);
        let notes = answers.unwrap_or_else(|error| {
            let text = format!("the questions of step {step} went unanswered: {error:#}");
            vec![What::Said { text }]
        });
        for what in notes {
            self.recorder.note(step, what.clone());
            tell(run, Told::Note(step, what));
        }
    }

    /// Asks the model as it is. What goes wrong here does not end the training.
    fn ask(&self, run: &Run, sample: bool, problems: bool) -> Result<Vec<What>> {
        let settings = run.settings();
        let path = settings.out.join(NOW);
        std::fs::write(&path, run.snapshot(Quantization::Q8_0)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut found = Vec::new();
        if sample {
            found.extend(self.exam.ask_sample(path.clone(), settings.threads)?);
        }
        if problems {
            found.extend(self.exam.ask_problems(path.clone(), settings.threads)?);
        }
        // It can be made again at any time.
        let _ = std::fs::remove_file(&path);
        Ok(found)
    }
}

enum Entry {
    Step(StepRecord),
    Note(usize, What),
    State(State),
    End(State, Option<String>),
}

/// The thread that has the database.
struct Recorder {
    entries: Sender<Entry>,
    thread: JoinHandle<()>,
}

impl Recorder {
    fn start(
        db: Db,
        name: String,
        control: Arc<Control>,
        kill: impl FnOnce() + Send + 'static,
    ) -> Result<Recorder> {
        let (entries, inbox) = channel();
        let book = Book {
            db,
            name,
            state: State::Running,
            fault: None,
            steps: Vec::new(),
            notes: Vec::new(),
            changed: false,
            complained: false,
        };
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                if book.keep(&inbox, &control) {
                    kill();
                }
            })
            .context("cannot record the training")?;
        Ok(Recorder { entries, thread })
    }

    // The thread lives as long as this, unless the process is being killed.
    fn step(&self, step: StepRecord) {
        let _ = self.entries.send(Entry::Step(step));
    }

    fn note(&self, step: usize, what: What) {
        let _ = self.entries.send(Entry::Note(step, what));
    }

    fn state(&self, state: State) {
        let _ = self.entries.send(Entry::State(state));
    }

    /// Waits until everything is written.
    fn finish(self, state: State, fault: Option<String>) {
        let _ = self.entries.send(Entry::End(state, fault));
        let _ = self.thread.join();
    }
}

/// What is to be written, and to whom.
struct Book {
    db: Db,
    name: String,
    state: State,
    fault: Option<String>,
    steps: Vec<StepRecord>,
    notes: Vec<(usize, What)>,
    changed: bool,
    complained: bool,
}

impl Book {
    /// Keeps the book to the end; whether the process is to be killed.
    fn keep(mut self, inbox: &Receiver<Entry>, control: &Control) -> bool {
        let (mut written, mut listened) = (Instant::now(), Instant::now());
        loop {
            let mut end = false;
            match inbox.recv_timeout(LISTEN_EVERY) {
                Ok(Entry::Step(step)) => self.steps.push(step),
                Ok(Entry::Note(step, what)) => self.notes.push((step, what)),
                Ok(Entry::State(state)) => self.set(state),
                Ok(Entry::End(state, fault)) => {
                    self.fault = fault;
                    self.set(state);
                    end = true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => end = true,
            }
            if end || self.changed || written.elapsed() >= WRITE_EVERY {
                self.write();
                written = Instant::now();
            }
            if end {
                return false;
            }
            if listened.elapsed() >= LISTEN_EVERY {
                listened = Instant::now();
                if self.obey(control) {
                    self.set(State::Killed);
                    self.write();
                    return true;
                }
            }
        }
    }

    fn set(&mut self, state: State) {
        self.changed |= self.state != state;
        self.state = state;
    }

    fn write(&mut self) {
        if self.steps.is_empty() && self.notes.is_empty() && !self.changed {
            return;
        }
        let fault = self.fault.as_deref();
        let (steps, notes) = (&self.steps, &self.notes);
        match self
            .db
            .record_training(&self.name, self.state, fault, steps, notes)
        {
            Ok(()) => {
                self.steps.clear();
                self.notes.clear();
                self.changed = false;
            }
            // Kept for the next time; a full disk may have room again.
            Err(error) if !self.complained => {
                self.complained = true;
                eprintln!("progress is not recorded: {}", sentence(&error));
            }
            Err(_) => {}
        }
    }

    /// Passes orders on; whether one of them is to end at once.
    fn obey(&mut self, control: &Control) -> bool {
        let Ok(orders) = self.db.take_training_orders(&self.name) else {
            return false;
        };
        for order in orders {
            match order {
                Order::Pause => control.pause(true),
                Order::Resume => control.pause(false),
                Order::Stop => control.stop(),
                Order::Save => control.save(),
                Order::Rate(factor) => control.rate(factor),
                Order::Kill => return true,
            }
        }
        false
    }
}
