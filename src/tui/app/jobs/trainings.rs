//! Trainings: read out of the database, planned, started, told, opened, exported.

use std::path::PathBuf;

use anyhow::Result;

use super::{Job, JobContext, Tell};
use crate::tui::app::train::{Purpose, TrainingUpdate, TrainingsSnapshot};
use s1_core::training::{TrainConfig, TrainOrder};
use s1_lab::curate::CurationReport;
use s1_lab::training::{self, Preview};
use s1_store::Db;
use s1_store::training::Training;
use s1_train::Product;

/// Examples shown before a training.
const EXAMPLES: usize = 8;

/// Reads the trainings, and of one what came after a step and an event.
#[derive(Debug, PartialEq)]
pub struct ReadTrainings(pub Option<(String, (usize, i64))>);

fn update(db: &Db, training: &Training, after: (usize, i64)) -> Result<TrainingUpdate> {
    let mut checkpoints = s1_train::checkpoints(training.folder());
    checkpoints.sort_by_key(|c| std::cmp::Reverse(c.step));
    Ok(TrainingUpdate {
        name: training.name.clone(),
        after,
        steps: db.training_steps(&training.name, after.0)?,
        events: db.training_events(&training.name, after.1)?,
        checkpoints,
    })
}

impl Job for ReadTrainings {
    type Output = TrainingsSnapshot;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let Some(db) = Db::open_to_read(&context.database)? else {
            return Ok(TrainingsSnapshot::default());
        };
        let list: Vec<Training> = db.trainings()?.into_iter().map(Training::seen).collect();
        let watched = self.0.and_then(|(name, after)| {
            let found = list.iter().find(|training| training.name == name)?;
            Some((found, after))
        });
        let news = watched.map(|(training, after)| update(&db, training, after));
        let news = news.transpose()?;
        Ok(TrainingsSnapshot { list, news })
    }
}

/// Works out what a training will take.
#[derive(Debug, PartialEq)]
pub struct PlanTraining(pub TrainConfig);

impl Job for PlanTraining {
    type Output = Preview;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        training::preview(&self.0, EXAMPLES)
    }
}

/// Reads how data were chosen.
#[derive(Debug, PartialEq)]
pub struct ReadCuration(pub PathBuf);

impl Job for ReadCuration {
    type Output = Box<CurationReport>;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        CurationReport::read(&self.0).map(Box::new)
    }
}

/// Reads the end of what a training's processes printed.
#[derive(Debug, PartialEq)]
pub struct ReadOutput(pub Box<Training>);

impl Job for ReadOutput {
    type Output = String;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        training::output(&self.0)
    }
}

/// Starts a training as a process of its own.
#[derive(Debug, PartialEq)]
pub struct StartTraining {
    pub config: TrainConfig,
    pub name: String,
    /// Go on from its newest checkpoint.
    pub resume: bool,
}

impl Job for StartTraining {
    type Output = ();

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let name = Some(self.name.as_str());
        training::start(self.config, name, &context.database, self.resume).map(|_| ())
    }
}

/// Tells a training something.
#[derive(Debug, PartialEq)]
pub struct OrderTraining(pub String, pub TrainOrder);

impl Job for OrderTraining {
    type Output = ();

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        Db::open(&context.database)?.order_training(&self.0, self.1)
    }
}

/// Finds what a training made as a model to load.
#[derive(Debug, PartialEq)]
pub struct OpenTrained {
    pub training: Box<Training>,
    /// The checkpoint; `None` is the result.
    pub step: Option<usize>,
    /// What is done with it then.
    pub purpose: Purpose,
}

impl Job for OpenTrained {
    type Output = PathBuf;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        training::opened(&self.training, self.step)
    }
}

/// Writes what a training made.
#[derive(Debug, PartialEq)]
pub struct ExportTrained {
    pub training: Box<Training>,
    /// The checkpoint; `None` is the result.
    pub step: Option<usize>,
    pub product: Product,
}

impl Job for ExportTrained {
    type Output = PathBuf;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        training::export(&self.training, self.step, self.product)
    }
}
