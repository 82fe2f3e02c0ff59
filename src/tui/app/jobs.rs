//! What the application has done on a thread of its own, and what it does with the result.
//!
//! A [`Job`] is plain data: the application only says that it wants it, and tests compare what it
//! wants by value. The work and what follows from it are in one place, the job's file here. Not
//! here: threads and channels (`tui::run` has both).

use std::any::Any;
use std::fmt;
use std::path::PathBuf;

use anyhow::Result;

use super::App;
use s1_engine::{LoadOptions, catalog};

pub mod files;
pub mod runs;
pub mod sweep;
pub mod trainings;

/// Something that may take a while.
pub trait Job: fmt::Debug + PartialEq + Send + 'static {
    /// What it tells of, once or several times.
    type Output: Send + 'static;

    /// The work, on a thread of its own.
    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output));

    /// What is done with each output.
    fn done(app: &mut App, output: Self::Output);
}

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

/// What is left to do with an output of a job, in the event loop.
pub type Completion = Box<dyn FnOnce(&mut App) + Send>;

/// A job of any kind.
#[derive(Debug)]
pub struct AnyJob(Box<dyn ErasedJob>);

impl AnyJob {
    /// Does the work; `tell` gets what is left to do with every output.
    pub fn run(self, context: &JobContext, tell: &mut dyn FnMut(Completion)) {
        self.0.run(context, tell);
    }

    /// The job itself, if it is of this kind.
    pub fn downcast_ref<J: Job>(&self) -> Option<&J> {
        self.0.as_any().downcast_ref()
    }
}

impl<J: Job> From<J> for AnyJob {
    fn from(job: J) -> AnyJob {
        AnyJob(Box::new(job))
    }
}

impl PartialEq for AnyJob {
    fn eq(&self, other: &AnyJob) -> bool {
        self.0.equals(other.0.as_any())
    }
}

trait ErasedJob: fmt::Debug + Send {
    fn as_any(&self) -> &dyn Any;
    fn equals(&self, other: &dyn Any) -> bool;
    fn run(self: Box<Self>, context: &JobContext, tell: &mut dyn FnMut(Completion));
}

impl<J: Job> ErasedJob for J {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn run(self: Box<Self>, context: &JobContext, tell: &mut dyn FnMut(Completion)) {
        Job::run(*self, context, &mut |output| {
            tell(Box::new(move |app| J::done(app, output)));
        });
    }
}

/// An error as one sentence.
fn sentence<T>(outcome: Result<T>) -> Result<T, String> {
    outcome.map_err(|e| format!("{e:#}"))
}
