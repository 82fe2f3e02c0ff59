//! Trainings beside the loop: read out of the database, told there, started, opened, exported.

use std::path::Path;

use anyhow::Result;

use super::said;
use crate::tui::app::train::{Listed, Look, News};
use s1_lab::training;
use s1_store::Db;
use s1_store::training::{Order, Training};

/// The trainings, and what is new of one; none where there is no database yet.
pub fn look(database: &Path, of: Option<(String, (usize, i64))>) -> Result<Look, String> {
    said((|| {
        let Some(db) = Db::open_to_read(database)? else {
            return Ok(Look::default());
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
            Some((training, after)) => Some(News {
                name: training.name.clone(),
                after,
                steps: db.training_steps(&training.name, after.0)?,
                notes: db.training_notes(&training.name, after.1)?,
                checkpoints: checkpoints(training),
            }),
            None => None,
        };
        Ok(Look { list, news })
    })())
}

fn checkpoints(training: &Training) -> Vec<training::CheckpointFile> {
    let mut found = training::checkpoints(&training.folder);
    found.sort_by_key(|c| std::cmp::Reverse(c.step));
    found
}

/// Gives an order.
pub fn order(database: &Path, name: &str, order: Order) -> Result<(), String> {
    said(Db::open(database).and_then(|mut db| db.order_training(name, order)))
}
