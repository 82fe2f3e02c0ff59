//! Trainings: read out of the database, planned, started, told, opened, exported.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Job, JobContext, sentence};
use crate::tui::app::App;
use crate::tui::app::train::{Listed, Purpose, TrainingUpdate, TrainingsSnapshot};
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

impl ReadTrainings {
    fn read(self, database: &Path) -> Result<TrainingsSnapshot> {
        let Some(db) = Db::open_to_read(database)? else {
            return Ok(TrainingsSnapshot::default());
        };
        let listed = |training: Training| Listed {
            interrupted: training.is_interrupted(),
            training,
        };
        let list: Vec<Listed> = db.trainings()?.into_iter().map(listed).collect();
        let watched = self.0.and_then(|(name, after)| {
            let found = list.iter().find(|l| l.training.name == name)?;
            Some((&found.training, after))
        });
        let news = watched.map(|(training, after)| update(&db, training, after));
        let news = news.transpose()?;
        Ok(TrainingsSnapshot { list, news })
    }
}

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
    type Output = Result<TrainingsSnapshot, String>;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        tell(sentence(self.read(&context.database)));
    }

    fn done(app: &mut App, read: Self::Output) {
        app.on_trainings(read);
    }
}

/// Works out what a training will take.
#[derive(Debug, PartialEq)]
pub struct PlanTraining(pub TrainConfig);

impl Job for PlanTraining {
    type Output = Result<Preview, String>;

    fn run(self, _: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        tell(sentence(training::preview(&self.0, EXAMPLES)));
    }

    fn done(app: &mut App, plan: Self::Output) {
        app.on_training_planned(plan);
    }
}

/// Reads how data were chosen.
#[derive(Debug, PartialEq)]
pub struct ReadCuration(pub PathBuf);

impl Job for ReadCuration {
    type Output = Result<Box<CurationReport>, String>;

    fn run(self, _: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        tell(sentence(CurationReport::read(&self.0).map(Box::new)));
    }

    fn done(app: &mut App, read: Self::Output) {
        app.on_curation(read);
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
    type Output = (String, Result<(), String>);

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let name = Some(self.name.as_str());
        let started = training::start(self.config, name, &context.database, self.resume);
        tell((self.name, sentence(started.map(|_| ()))));
    }

    fn done(app: &mut App, (name, outcome): Self::Output) {
        app.on_training_started(&name, outcome);
    }
}

/// Tells a training something.
#[derive(Debug, PartialEq)]
pub struct OrderTraining(pub String, pub TrainOrder);

impl Job for OrderTraining {
    type Output = Result<(), String>;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let OrderTraining(name, order) = self;
        let db = Db::open(&context.database);
        tell(sentence(
            db.and_then(|mut db| db.order_training(&name, order)),
        ));
    }

    fn done(app: &mut App, given: Self::Output) {
        app.on_ordered(given);
    }
}

/// Finds what a training made as a model to load.
#[derive(Debug, PartialEq)]
pub struct OpenTrained {
    pub training: Box<Training>,
    /// The checkpoint; `None` is the result.
    pub step: Option<usize>,
    pub purpose: Purpose,
}

impl Job for OpenTrained {
    type Output = (OpenTrained, Result<PathBuf, String>);

    fn run(self, _: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let found = sentence(training::opened(&self.training, self.step));
        tell((self, found));
    }

    fn done(app: &mut App, (asked, found): Self::Output) {
        app.on_trained(&asked.training, asked.purpose, found);
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
    type Output = Result<PathBuf, String>;

    fn run(self, _: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let written = training::export(&self.training, self.step, self.product);
        tell(sentence(written));
    }

    fn done(app: &mut App, written: Self::Output) {
        app.on_exported(written);
    }
}
