//! What can train: settings in, events out, orders while it runs.
//!
//! Not here: which trainer computes the steps ([`crate::prepare`](mod@crate::prepare)).

use std::path::{Path, PathBuf};

use anyhow::Result;
use s1_core::training::{ExamplePiece, Quantization, TrainEvent, TrainPlan};

use super::control::TrainControl;

/// A training that is ready to run: base and data are read, and it fits.
pub trait Trainer {
    fn plan(&self) -> &TrainPlan;

    /// Steps that are done already.
    fn done(&self) -> usize;

    /// The factor on the scheduled learning rate.
    fn rate(&self) -> f64;

    /// The base's own name.
    fn model_name(&self) -> &str;

    /// The first examples as they are trained on.
    fn examples(&self, n: usize) -> Vec<Vec<ExamplePiece>>;

    /// Trains to the end, or until it is told to stop, and writes the results of a finished run.
    /// The learning rate follows `control`, which has to be told first what [`Trainer::rate`] was.
    ///
    /// # Errors
    /// If the training cannot continue: a loss that is not finite, a checkpoint that cannot be
    /// written. Earlier checkpoints are kept.
    fn train(&mut self, control: &TrainControl, tell: &mut TrainListener) -> Result<TrainOutcome>;

    /// Writes the model as it is now to a GGUF file, to be asked something.
    ///
    /// # Errors
    /// If it cannot be written.
    fn snapshot(&self, path: &Path) -> Result<()>;

    /// Goes to the state after `step` steps, of which there is a checkpoint, to export it.
    ///
    /// # Errors
    /// If there is none of this step, or it cannot be read.
    fn go_to(&mut self, step: usize) -> Result<()>;

    /// Writes the model as it is now into a folder, in one form. Returns the file with its
    /// weights.
    ///
    /// # Errors
    /// If an adapter is asked for where every weight was trained, or nothing can be written.
    fn export(&self, folder: &Path, product: Product) -> Result<PathBuf>;
}

/// Hears what happens, and may look at the trainer meanwhile.
pub type TrainListener<'a> = dyn FnMut(&dyn Trainer, TrainEvent) + 'a;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainOutcome {
    /// All steps are done, and the results are written.
    Finished,
    /// It was told to stop; a checkpoint holds its state.
    Stopped,
}

/// What can be made of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A LoRA adapter in PEFT's layout.
    Adapter,
    /// The whole model as safetensors, in Hugging Face's layout.
    SafeTensors,
    /// The whole model as a GGUF file.
    Gguf(Quantization),
}

/// A checkpoint on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    pub step: usize,
    pub path: PathBuf,
    pub bytes: u64,
}
