//! A training as plain data: what was started, how far it is, what came out, and what it is told.
//!
//! A training is a process of its own: it writes here, and whoever watches reads here, so that it
//! outlives the program that started it and is found again after a restart. Orders go the same way
//! back. Whether the process still lives is told by a lock on a file in its folder
//! ([`Lease`]), which the system gives back however the process ends.
//!
//! Not here: what a step computes ([`s1_train`]), and who starts the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The file in a training's folder that its process holds locked.
const LOCK: &str = "training.lock";
/// How long a folder that is held is asked for again.
const PATIENCE: Duration = Duration::from_millis(300);

/// What a training says of itself. A process that was killed cannot say so: see
/// [`Training::is_interrupted`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Reads base and data.
    #[default]
    Preparing,
    /// Computes steps.
    Running,
    /// Holds after a step, until it is told to go on.
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
}

impl State {
    /// The word for it, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            State::Preparing => "preparing",
            State::Running => "running",
            State::Paused => "paused",
            State::Writing => "writing",
            State::Finished => "finished",
            State::Stopped => "stopped",
            State::Killed => "killed",
            State::Failed => "failed",
        }
    }

    /// Whether a process should be at work on it.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            State::Preparing | State::Running | State::Paused | State::Writing
        )
    }
}

/// What a training is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Holds after the step; a checkpoint is written.
    Pause,
    /// Goes on.
    Resume,
    /// Finishes the step, writes a checkpoint, and ends.
    Stop,
    /// Ends at once; what came after the last checkpoint is computed again by a resumed run.
    Kill,
    /// Writes a checkpoint after the step.
    Save,
    /// Multiplies the scheduled learning rate from the next step on.
    Rate(f64),
}

/// A training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Training {
    /// Its name; unique.
    pub name: String,
    /// When it was started, in seconds since 1970 (UTC).
    pub created_at: u64,
    /// Its folder: checkpoints, results, log.
    pub folder: PathBuf,
    /// The base: a model's path or name.
    pub base: String,
    /// The data: a file's path or name.
    pub data: String,
    /// Arguments of `s1-tui train` that repeat it.
    pub arguments: Vec<String>,
    /// What it says of itself.
    pub state: State,
    /// Steps done.
    pub step: usize,
    /// Steps in all; 0 until it is known.
    pub steps: usize,
    /// Factor on the scheduled learning rate.
    pub rate: f64,
    /// Why it failed. One sentence.
    pub fault: Option<String>,
}

impl Training {
    /// Whether its process is gone without having said so: killed from outside, or the machine
    /// went down. It goes on from its last checkpoint.
    pub fn is_interrupted(&self) -> bool {
        self.state.is_open() && !Lease::is_held(&self.folder)
    }

    /// Whether it can be taken up from a checkpoint or from its beginning; `interrupted` is what
    /// [`Training::is_interrupted`] said, for those who have looked already.
    pub fn can_resume(&self, interrupted: bool) -> bool {
        interrupted || matches!(self.state, State::Stopped | State::Killed | State::Failed)
    }
}

/// One step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepRecord {
    /// Steps done, this one included.
    pub step: usize,
    /// Mean loss of the step's targets, before the update.
    pub loss: f64,
    /// Learning rate.
    pub lr: f64,
    /// Norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// Tokens a second.
    pub tok_s: f64,
    /// Seconds to go.
    pub eta_s: f64,
}

/// Something that happened after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Its number, in the order of happening; later ones are larger.
    pub id: i64,
    /// Steps done.
    pub step: usize,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The loss on held-out data.
    Loss {
        /// Mean loss.
        loss: f64,
    },
    /// Held-out problems, answered at natural length.
    Accuracy {
        /// Problems asked.
        n: usize,
        /// Right answers.
        correct: usize,
        /// Mean thinking tokens.
        thinking: f64,
    },
    /// The sample question, answered.
    Sample {
        /// The question.
        question: String,
        /// The thought.
        thinking: String,
        /// The answer.
        answer: String,
    },
    /// A checkpoint is on the disk.
    Saved {
        /// The file.
        path: PathBuf,
    },
    /// A result is on the disk.
    Written {
        /// The file.
        path: PathBuf,
    },
    /// Something for the log. One sentence.
    Said {
        /// The sentence.
        text: String,
    },
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
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {shown}; give another --out"))?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(LOCK))
            .with_context(|| format!("cannot write to {shown}; give another --out"))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lease { _file: file }),
                // Somebody may just be looking whether it is held.
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => bail!(
                    "a training is at work in {shown}; stop it first (s1-tui trainings lists them), or give another --out"
                ),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock a file in {shown}"));
                }
            }
        }
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
        assert!(!Lease::is_held(&folder));
        let lease = Lease::take(&folder).unwrap();
        assert!(Lease::is_held(&folder));
        let refused = Lease::take(&folder).unwrap_err().to_string();
        assert!(refused.contains("is at work in"), "{refused}");
        drop(lease);
        assert!(!Lease::is_held(&folder));
        let training = Training {
            folder,
            state: State::Running,
            ..Training::default()
        };
        assert!(training.is_interrupted());
        assert!(training.can_resume(true) && !training.can_resume(false));
    }
}
