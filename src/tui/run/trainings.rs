//! Trainings, off the event loop's thread: read from the database, and given orders there.

use std::path::Path;

use anyhow::Result;

use super::said;
use crate::tui::app::train::{Listed, TrainingUpdate, TrainingsSnapshot};
use s1_core::training::TrainOrder;
use s1_store::Db;
use s1_store::training::Training;
use s1_train::CheckpointFile;

/// The trainings, and what is new of one; none where there is no database yet.
pub fn look(
    database: &Path,
    of: Option<(String, (usize, i64))>,
) -> Result<TrainingsSnapshot, String> {
    said((|| {
        let Some(db) = Db::open_to_read(database)? else {
            return Ok(TrainingsSnapshot::default());
        };
        let mut list: Vec<Listed> = Vec::new();
        for training in db.trainings()? {
            list.push(Listed {
                interrupted: training.is_interrupted(),
                training,
            });
        }
        let listed = of.and_then(|(name, after)| {
            let training = list.iter().find(|l| l.training.name == name)?;
            Some((&training.training, after))
        });
        let news = match listed {
            Some((training, after)) => Some(TrainingUpdate {
                name: training.name.clone(),
                after,
                steps: db.training_steps(&training.name, after.0)?,
                events: db.training_events(&training.name, after.1)?,
                checkpoints: checkpoints(training),
            }),
            None => None,
        };
        Ok(TrainingsSnapshot { list, news })
    })())
}

fn checkpoints(training: &Training) -> Vec<CheckpointFile> {
    let mut found = s1_train::checkpoints(training.folder());
    found.sort_by_key(|c| std::cmp::Reverse(c.step));
    found
}

/// Gives an order.
pub fn order(database: &Path, name: &str, order: TrainOrder) -> Result<(), String> {
    said(Db::open(database).and_then(|mut db| db.order_training(name, order)))
}
