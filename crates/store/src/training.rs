//! A training as it is recorded: its settings, how far it is, and whether its process is alive.
//!
//! A training is a process of its own that writes to the database; watchers read from there, so
//! that it outlives the program that started it and is found again after a restart. Orders go the
//! same way back. Whether the process is alive is told by a lock on a file in its folder
//! ([`Lease`]), which the system releases however the process ends.
//!
//! Not here: computing the steps (`s1-train`), and starting the process (`s1-lab`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use s1_core::training::{TrainConfig, TrainEvent};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

pub(crate) mod legacy;

/// The file in a training's folder that its process holds locked.
const LOCK: &str = "training.lock";
/// How long a folder that is held is asked for again.
const LOCK_RETRY: Duration = Duration::from_millis(300);

/// What a training says of itself, or is seen to be: see [`Training::seen`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum TrainingState {
    /// Reads base and data.
    #[default]
    Preparing,
    Running,
    /// Pauses after a step, until it is resumed.
    Paused,
    /// All steps are done; writes the model.
    Writing,
    /// The model is written.
    Finished,
    /// Was told to stop: a checkpoint holds its state.
    Stopped,
    /// Was told to end at once: the last checkpoint holds its state.
    Killed,
    /// Ended by a fault.
    Failed,
    /// Its process is gone without having said so: killed from outside, or the machine went down.
    /// Never stored.
    Interrupted,
}

impl TrainingState {
    /// The word for it, as it is stored and shown.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a process should be at work on it.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            TrainingState::Preparing
                | TrainingState::Running
                | TrainingState::Paused
                | TrainingState::Writing
        )
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Training {
    /// Its name; unique.
    pub name: String,
    /// When it was started, in seconds since 1970 (UTC).
    pub created_at: u64,
    pub config: TrainConfig,
    /// What it says of itself.
    pub state: TrainingState,
    pub step: usize,
    /// Steps in all; 0 until it is known.
    pub steps: usize,
    /// Factor on the scheduled learning rate.
    pub rate: f64,
    /// Why it failed. One sentence.
    pub fault: Option<String>,
}

impl Training {
    /// Its folder: checkpoints, results, log.
    pub fn folder(&self) -> &Path {
        &self.config.out
    }

    /// The training with the state it really has: interrupted, if its process is gone without
    /// having said so.
    pub fn seen(mut self) -> Training {
        if self.state.is_open() && !Lease::is_held(self.folder()) {
            self.state = TrainingState::Interrupted;
        }
        self
    }

    /// Whether its process is at work, or should be.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether it can be resumed from a checkpoint or from its beginning.
    pub fn can_resume(&self) -> bool {
        use TrainingState as S;
        matches!(
            self.state,
            S::Stopped | S::Killed | S::Failed | S::Interrupted
        )
    }
}

/// An event as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    /// Its number, in the order of happening; later ones are larger.
    pub id: i64,
    pub event: TrainEvent,
}

/// The right to work in a training's folder, held by its process.
#[derive(Debug)]
pub struct Lease {
    /// Locked for as long as it is open.
    _file: File,
}

impl Lease {
    /// Takes a folder, which is made if there is none.
    ///
    /// # Errors
    /// If another process holds it, or it cannot be written.
    pub fn take(folder: &Path) -> Result<Lease> {
        let shown = folder.display();
        fs::create_dir_all(folder).with_context(|| {
            format!("cannot make the folder {shown}; give another folder (--out)")
        })?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(LOCK))
            .with_context(|| format!("cannot write to {shown}; give another folder (--out)"))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lease { _file: file }),
                // Somebody may just be looking whether it is held.
                Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_RETRY => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => bail!(
                    "a training is running in {shown}; stop it first (s1-tui trainings lists them), or give another folder (--out)"
                ),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock a file in {shown}"));
                }
            }
        }
    }

    /// Whether a folder is that of a training, which may be over.
    pub fn was_taken(folder: &Path) -> bool {
        folder.join(LOCK).exists()
    }

    /// Whether a process holds a folder.
    pub fn is_held(folder: &Path) -> bool {
        let Ok(file) = OpenOptions::new().append(true).open(folder.join(LOCK)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_training_at_a_time_and_is_free_again_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        assert!(!Lease::is_held(&folder) && !Lease::was_taken(&folder));
        let lease = Lease::take(&folder).unwrap();
        assert!(Lease::is_held(&folder));
        let refused = Lease::take(&folder).unwrap_err().to_string();
        assert!(refused.contains("is running in"), "{refused}");
        drop(lease);
        assert!(!Lease::is_held(&folder));
        let training = Training {
            config: TrainConfig {
                out: folder,
                ..TrainConfig::default()
            },
            state: TrainingState::Running,
            ..Training::default()
        };
        assert!(!training.can_resume());
        let seen = training.seen();
        assert_eq!(seen.state, TrainingState::Interrupted);
        assert!(seen.can_resume());
    }
}
