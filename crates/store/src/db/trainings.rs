//! Trainings in the database: the process writes, watchers read, orders go the other way.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rusqlite::{Row, params};
use serde_json::Value;

use super::Db;
use crate::training::{RecordedEvent, Training, TrainingState, legacy};
use s1_core::training::{TrainConfig, TrainEvent, TrainOrder, TrainStep};
use s1_data::files;

const COLUMNS: &str = "name, created_at, folder, config, state, step, steps, rate, fault";

impl Db {
    /// All trainings, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn trainings(&self) -> Result<Vec<Training>> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM trainings ORDER BY created_at DESC, id DESC");
            db.prepare(&sql)?.query_and_then([], training)?.collect()
        })
    }

    /// A training; `None` if there is none of this name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn training(&self, name: &str) -> Result<Option<Training>> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM trainings WHERE name = ?");
            let mut query = db.prepare(&sql)?;
            query.query_and_then([name], training)?.next().transpose()
        })
    }

    /// The name for the training of `folder` where nobody gave one: what it was called before, or
    /// else as the folder, with a number behind it if another folder's training is called so.
    /// `None` if the folder itself has no name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn training_name(&self, folder: &Path) -> Result<Option<String>> {
        let Some(called) = folder.file_name().map(|n| n.to_string_lossy()) else {
            return Ok(None);
        };
        let trainings = self.trainings()?;
        if let Some(known) = trainings.iter().find(|t| t.folder() == folder) {
            return Ok(Some(known.name.clone()));
        }
        let free = |name: &String| !trainings.iter().any(|t| t.name == *name);
        let numbered = (2_usize..).map(|n| format!("{called}-{n}"));
        Ok(std::iter::once(called.to_string())
            .chain(numbered)
            .find(free))
    }

    /// Writes a training: a new one, or one that is resumed after `training.step` steps; records
    /// of later steps, which will be computed again, are dropped.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn begin_training(&mut self, training: &Training) -> Result<()> {
        self.write(|db| {
            db.execute(
                "INSERT INTO trainings (name, created_at, folder, base, data, config, state, step,
                                        steps, rate, fault)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)
                 ON CONFLICT (name) DO UPDATE SET folder = excluded.folder, base = excluded.base,
                    data = excluded.data, config = excluded.config, state = excluded.state,
                    step = excluded.step, steps = excluded.steps, rate = excluded.rate,
                    fault = NULL",
                params![
                    training.name,
                    files::now(),
                    training.folder().to_string_lossy(),
                    training.config.base().to_string_lossy(),
                    training.config.data.to_string_lossy(),
                    serde_json::to_string(&training.config)?,
                    training.state.name(),
                    training.step,
                    training.steps,
                    training.rate
                ],
            )?;
            let sql = "SELECT id FROM trainings WHERE name = ?";
            let id: i64 = db.query_row(sql, [&training.name], |r| r.get(0))?;
            for table in ["training_steps", "training_events"] {
                let sql = format!("DELETE FROM {table} WHERE step > ? AND training = ?");
                db.execute(&sql, params![training.step, id])?;
            }
            Ok(())
        })
    }

    /// Writes what happened since the last time, in one transaction: the state, and events with
    /// the ids that they get here. Steps are kept apart from other events.
    ///
    /// # Errors
    /// If there is no such training, or the database cannot be written.
    pub fn record_training(
        &mut self,
        name: &str,
        state: TrainingState,
        fault: Option<&str>,
        events: &[TrainEvent],
    ) -> Result<()> {
        let id = self.training_id(name)?;
        self.write(|db| {
            let mut last = None;
            for event in events {
                if let TrainEvent::Step(s) = event {
                    last = Some(s.step);
                    db.execute(
                        "INSERT OR REPLACE INTO training_steps
                            (training, step, epoch, loss, lr, grad_norm, tok_s, eta_s, memory)
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        params![
                            id,
                            s.step,
                            s.epoch,
                            s.loss,
                            s.lr,
                            s.grad_norm,
                            s.tok_s,
                            s.eta_s,
                            s.memory
                        ],
                    )?;
                } else {
                    db.execute(
                        "INSERT INTO training_events (training, step, event) VALUES (?, ?, ?)",
                        params![id, event.step(), serde_json::to_string(event)?],
                    )?;
                }
            }
            db.execute(
                "UPDATE trainings SET state = ?, fault = ?, step = ifnull(?, step) WHERE id = ?",
                params![state.name(), fault, last, id],
            )?;
            Ok(())
        })
    }

    /// The steps of a training after step `after`, in order.
    ///
    /// # Errors
    /// If there is no such training, or the database cannot be read.
    pub fn training_steps(&self, name: &str, after: usize) -> Result<Vec<TrainStep>> {
        let id = self.training_id(name)?;
        self.read(|db| {
            let mut query = db.prepare(
                "SELECT s.step, t.steps, s.epoch, s.loss, s.lr, s.grad_norm, s.tok_s, s.eta_s,
                        s.memory
                 FROM training_steps s JOIN trainings t ON t.id = s.training
                 WHERE s.training = ? AND s.step > ? ORDER BY s.step",
            )?;
            let steps = query.query_and_then(params![id, after], |r| {
                Ok(TrainStep {
                    step: r.get(0)?,
                    steps: r.get(1)?,
                    epoch: r.get(2)?,
                    loss: real(r, 3)?,
                    lr: real(r, 4)?,
                    grad_norm: real(r, 5)?,
                    tok_s: real(r, 6)?,
                    eta_s: real(r, 7)?,
                    memory: r.get(8)?,
                })
            })?;
            steps.collect()
        })
    }

    /// What else happened in a training after the event `after`, in order.
    ///
    /// # Errors
    /// As [`Db::training_steps`].
    pub fn training_events(&self, name: &str, after: i64) -> Result<Vec<RecordedEvent>> {
        let id = self.training_id(name)?;
        self.read(|db| {
            let mut query = db.prepare(
                "SELECT id, step, event FROM training_events
                 WHERE training = ? AND id > ? ORDER BY id",
            )?;
            let events = query.query_and_then(params![id, after], |r| {
                let event = event(r.get(1)?, r.get_ref(2)?.as_str()?);
                Ok(RecordedEvent {
                    id: r.get(0)?,
                    event: event.context("an event of a training is damaged")?,
                })
            })?;
            events.collect()
        })
    }

    /// Tells a training something; its process takes it up within a fraction of a second.
    ///
    /// # Errors
    /// If there is no such training, or the database cannot be written.
    pub fn order_training(&mut self, name: &str, order: TrainOrder) -> Result<()> {
        let id = self.training_id(name)?;
        self.write(|db| {
            db.execute(
                "INSERT INTO training_orders (training, what) VALUES (?, ?)",
                params![id, serde_json::to_string(&order)?],
            )?;
            if let TrainOrder::Rate(rate) = order {
                let sql = "UPDATE trainings SET rate = ? WHERE id = ?";
                db.execute(sql, params![rate, id])?;
            }
            Ok(())
        })
    }

    /// Takes the orders that wait for a training, in the order in which they were given.
    ///
    /// # Errors
    /// As [`Db::order_training`].
    pub fn take_training_orders(&mut self, name: &str) -> Result<Vec<TrainOrder>> {
        let id = self.training_id(name)?;
        let waiting: Vec<(i64, String)> = self.read(|db| {
            let sql = "SELECT id, what FROM training_orders WHERE training = ? ORDER BY id";
            let mut query = db.prepare(sql)?;
            query.query_and_then([id], |r| Ok(r.try_into()?))?.collect()
        })?;
        let Some(&(last, _)) = waiting.last() else {
            return Ok(Vec::new());
        };
        self.write(|db| {
            let sql = "DELETE FROM training_orders WHERE training = ? AND id <= ?";
            Ok(db.execute(sql, params![id, last])?)
        })?;
        let orders = waiting.iter().map(|(_, text)| serde_json::from_str(text));
        let orders: serde_json::Result<_> = orders.collect();
        orders.context("an order to a training is damaged")
    }

    /// Forgets the orders that wait for a training: they were for an earlier process.
    ///
    /// # Errors
    /// As [`Db::order_training`].
    pub fn drop_training_orders(&mut self, name: &str) -> Result<()> {
        let id = self.training_id(name)?;
        self.write(|db| {
            db.execute("DELETE FROM training_orders WHERE training = ?", [id])?;
            Ok(())
        })
    }

    /// Removes a training from the list; its folder stays.
    ///
    /// # Errors
    /// If there is no such training, if its process is at work or waits, which nobody could reach any
    /// more then, or if the database cannot be written.
    pub fn remove_training(&mut self, name: &str) -> Result<()> {
        let id = self.training_id(name)?;
        let training = self.training(name)?;
        if let Some(open) = training.map(Training::seen).filter(Training::is_open) {
            bail!(
                "training {name:?} is {}; end it first (s1-tui trainings {name} --stop, or --kill)",
                open.state.name()
            );
        }
        self.write(|db| {
            db.execute("DELETE FROM trainings WHERE id = ?", [id])?;
            Ok(())
        })
    }

    fn training_id(&self, name: &str) -> Result<i64> {
        let found = self.number_of("trainings", name)?;
        found.with_context(|| format!("there is no training {name:?}; s1-tui trainings lists them"))
    }
}

/// SQLite stores NaN as NULL.
fn real(row: &Row, column: usize) -> rusqlite::Result<f64> {
    Ok(row.get::<_, Option<f64>>(column)?.unwrap_or(f64::NAN))
}

fn training(row: &Row) -> Result<Training> {
    Ok(Training {
        name: row.get(0)?,
        created_at: row.get(1)?,
        config: TrainConfig {
            out: row.get_ref(2)?.as_str()?.into(),
            ..config(row.get_ref(3)?.as_str()?).context("the settings of a training are damaged")?
        },
        state: serde_json::from_value(row.get_ref(4)?.as_str()?.into())
            .context("the state of a training is damaged")?,
        step: row.get(5)?,
        steps: row.get(6)?,
        rate: real(row, 7)?,
        fault: row.get(8)?,
    })
}

fn config(text: &str) -> Result<TrainConfig> {
    match serde_json::from_str(text)? {
        Value::Array(words) => {
            legacy::config(&serde_json::from_value::<Vec<String>>(words.into())?)
        }
        settings => Ok(serde_json::from_value(settings)?),
    }
}

fn event(step: usize, text: &str) -> Result<TrainEvent> {
    match serde_json::from_str(text)? {
        Value::Object(note) if note.contains_key("what") => legacy::event(step, note),
        event => Ok(serde_json::from_value(event)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Db {
        Db::open(&folder.path().join("runs.db")).unwrap()
    }

    fn step(step: usize) -> TrainStep {
        TrainStep {
            step,
            steps: 10,
            epoch: 1,
            loss: 1.0 / step as f64,
            lr: 1e-3,
            grad_norm: 0.5,
            tok_s: 100.0,
            eta_s: 9.0,
            memory: 0,
        }
    }

    #[test]
    fn a_watcher_sees_what_the_process_wrote_and_a_resumed_run_takes_its_last_steps_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut process, watcher) = (open(&folder), open(&folder));
        let mut training = Training {
            name: "nano".into(),
            config: TrainConfig {
                model: Some("bundled:base".into()),
                data: "bundled:traces".into(),
                out: "/somewhere/nano".into(),
                lr: 1e-3,
                ..TrainConfig::default()
            },
            state: TrainingState::Running,
            steps: 10,
            rate: 1.0,
            ..Training::default()
        };
        process.begin_training(&training).unwrap();
        let said = TrainEvent::Message {
            step: 4,
            text: "so far".into(),
        };
        let steps = (1..=4).map(step).map(TrainEvent::Step);
        let events: Vec<TrainEvent> = steps.chain([said.clone()]).collect();
        let told = process.record_training("nano", TrainingState::Running, None, &events);
        told.unwrap();
        assert_eq!(
            watcher.training_steps("nano", 2).unwrap(),
            [step(3), step(4)]
        );
        let events = watcher.training_events("nano", 0).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].event, said);
        let seen = watcher.training("nano").unwrap().unwrap();
        assert_eq!(seen.config, training.config);
        assert_eq!(
            (seen.step, seen.steps, seen.state),
            (4, 10, TrainingState::Running)
        );
        assert_eq!(watcher.training("other").unwrap(), None);

        training.step = 2;
        process.begin_training(&training).unwrap();
        assert_eq!(
            watcher.training_steps("nano", 0).unwrap(),
            [step(1), step(2)]
        );
        assert_eq!(watcher.training_events("nano", 0).unwrap(), []);
        assert_eq!(watcher.trainings().unwrap().len(), 1);
        process.remove_training("nano").unwrap();
        assert_eq!(watcher.trainings().unwrap(), []);
    }

    #[test]
    fn orders_are_taken_once_and_in_turn_unless_they_were_for_an_earlier_process() {
        let folder = tempfile::tempdir().unwrap();
        let (mut process, mut panel) = (open(&folder), open(&folder));
        let training = Training {
            name: "nano".into(),
            ..Training::default()
        };
        process.begin_training(&training).unwrap();
        panel.order_training("nano", TrainOrder::Rate(0.5)).unwrap();
        panel.order_training("nano", TrainOrder::Pause).unwrap();
        let orders = process.take_training_orders("nano").unwrap();
        assert_eq!(orders, [TrainOrder::Rate(0.5), TrainOrder::Pause]);
        assert_eq!(process.take_training_orders("nano").unwrap(), []);
        assert_eq!(panel.training("nano").unwrap().unwrap().rate, 0.5);
        panel.order_training("nano", TrainOrder::Kill).unwrap();
        process.drop_training_orders("nano").unwrap();
        assert_eq!(process.take_training_orders("nano").unwrap(), []);
        // What is ordered while the process prepares is for this one.
        panel.order_training("nano", TrainOrder::Pause).unwrap();
        process.begin_training(&training).unwrap();
        let orders = process.take_training_orders("nano").unwrap();
        assert_eq!(orders, [TrainOrder::Pause]);
        assert!(panel.order_training("none", TrainOrder::Stop).is_err());
    }
}
