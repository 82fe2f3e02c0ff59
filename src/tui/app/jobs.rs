//! What the application has done on a thread of its own, and what it does with the result.
//!
//! A [`Job`] is plain data: the application only says that it wants it, and what it does with the
//! result; tests compare what it wants by value. Not here: threads and channels (`tui::run` has
//! both).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use anyhow::Result;

use super::App;
use s1_engine::{LoadOptions, catalog};
use s1_lab::sweep::Progress;

pub mod files;
pub mod runs;
pub mod sweep;
pub mod trainings;

/// What comes of a job that has panicked; the panic itself says more.
const BUG: &str = "that failed on a bug of s1-tui; please report it";

/// Something that may take a while.
pub trait Job: fmt::Debug + PartialEq + Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// The work, on a thread of its own.
    fn run(self, context: &JobContext, tell: Tell) -> Result<Self::Output>;
}

/// How far a job is.
#[derive(Debug)]
pub enum JobNews {
    Sweep(Progress),
    /// Looking at thoughts, in words.
    Looked(String),
}

/// Tells how far a job is.
pub type Tell<'a> = &'a mut dyn FnMut(JobNews);

#[derive(Clone, Debug)]
pub struct JobContext {
    /// Folder of the saved sessions.
    pub sessions: PathBuf,
    /// The database of runs and trainings.
    pub database: PathBuf,
    /// Where models are looked for.
    pub models: catalog::ModelFolders,
    /// How models are loaded; the path is that of the model named at the start.
    pub load: LoadOptions,
}

impl JobContext {
    /// How to load a model; an adapter that was named at the start belongs to the model named
    /// with it.
    pub fn load_options(&self, path: PathBuf) -> LoadOptions {
        let adapter = self.load.adapter.clone();
        LoadOptions {
            adapter: adapter.filter(|_| path == self.load.path),
            path,
            ..self.load.clone()
        }
    }
}

/// What is left to do in the event loop with what a job tells, or with what has come of it.
pub type Completion = Box<dyn FnOnce(&mut App) + Send>;

/// A job of any kind, with what is done with what comes of it.
#[derive(Debug)]
pub struct AnyJob(Box<dyn ErasedJob>);

impl AnyJob {
    /// A job; `done` takes in what comes of it: a fault as one sentence.
    pub fn new<J: Job>(
        job: J,
        done: impl FnOnce(&mut App, Result<J::Output, String>) + Send + 'static,
    ) -> AnyJob {
        let done = Box::new(done);
        AnyJob(Box::new(Wanted { job, done }))
    }

    /// Does the work; `tell` gets what is left to do.
    pub fn run(self, context: &JobContext, tell: &mut dyn FnMut(Completion)) {
        self.0.run(context, tell);
    }

    /// The job itself, if it is of this kind.
    #[cfg(test)]
    pub fn downcast_ref<J: Job>(&self) -> Option<&J> {
        self.0.job().downcast_ref()
    }
}

impl PartialEq for AnyJob {
    fn eq(&self, other: &AnyJob) -> bool {
        self.0.is(other.0.job())
    }
}

type Done<T> = Box<dyn FnOnce(&mut App, Result<T, String>) + Send>;

struct Wanted<J: Job> {
    job: J,
    done: Done<J::Output>,
}

impl<J: Job> fmt::Debug for Wanted<J> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.job.fmt(f)
    }
}

trait ErasedJob: fmt::Debug + Send {
    fn job(&self) -> &dyn Any;
    fn is(&self, other: &dyn Any) -> bool;
    fn run(self: Box<Self>, context: &JobContext, tell: &mut dyn FnMut(Completion));
}

impl<J: Job> ErasedJob for Wanted<J> {
    fn job(&self) -> &dyn Any {
        &self.job
    }

    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(&self.job)
    }

    fn run(self: Box<Self>, context: &JobContext, tell: &mut dyn FnMut(Completion)) {
        let Wanted { job, done } = *self;
        let work = || {
            job.run(context, &mut |told| {
                tell(Box::new(move |app| match told {
                    JobNews::Sweep(progress) => app.on_sweep(progress),
                    JobNews::Looked(words) => app.on_looked(words),
                }));
            })
        };
        // Nothing that it has changed is used again.
        let outcome = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(outcome) => outcome.map_err(|e| format!("{e:#}")),
            Err(_) => Err(BUG.to_owned()),
        };
        tell(Box::new(move |app| done(app, outcome)));
    }
}
