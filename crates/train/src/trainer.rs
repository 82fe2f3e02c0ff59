//! What can train: settings in, events out, orders while it runs.
//!
//! Only [`prepare`] knows which trainer computes the steps.

use std::path::{Path, PathBuf};

use anyhow::Result;
use s1_core::training::{Quantization, TrainConfig, TrainEvent, TrainPlan};
use s1_data::records;

use super::control::TrainControl;
use super::native::{NativeTrainer, checkpoint};

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

/// A piece of an example as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExamplePiece {
    pub text: String,
    /// Whether the model learns to write it.
    pub loss: bool,
}

/// A checkpoint on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    pub step: usize,
    pub path: PathBuf,
    pub bytes: u64,
}

/// The checkpoints in a training's folder, oldest first.
pub fn checkpoints(folder: &Path) -> Vec<CheckpointFile> {
    let found = checkpoint::list(folder).into_iter();
    found
        .filter_map(|path| {
            let step = checkpoint::step_of(&path)?;
            let bytes = path.metadata().map_or(0, |m| m.len());
            Some(CheckpointFile { step, path, bytes })
        })
        .collect()
}

/// Reads base and data, and refuses what cannot fit. With `resume`, it continues from the newest
/// whole checkpoint in its folder, if there is one.
///
/// # Errors
/// If the settings, the base or the data cannot be used, if memory does not suffice, or if the
/// folder holds an earlier run that is not resumed or had other settings.
pub fn prepare(config: &TrainConfig, resume: bool) -> Result<Box<dyn Trainer>> {
    Ok(Box::new(NativeTrainer::prepare(config, resume)?))
}

/// The settings as they are stored: everything that was left open has its value, and paths mean
/// the same from any folder.
pub fn resolved(config: TrainConfig) -> TrainConfig {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut config = config.resolved(cores);
    let options = [
        &mut config.model,
        &mut config.from_scratch,
        &mut config.eval_data,
        &mut config.eval_problems,
    ];
    let options = options.into_iter().filter_map(Option::as_mut);
    for path in options.chain([&mut config.data, &mut config.out]) {
        let is_path = !path.as_os_str().is_empty() && !records::is_elsewhere(path);
        if is_path && let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute;
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_bundled_names_are_not_paths() {
        let config = resolved(TrainConfig {
            model: Some("bundled:base".into()),
            data: "d.jsonl".into(),
            out: "o".into(),
            ..TrainConfig::default()
        });
        assert_eq!(config.base(), Path::new("bundled:base"));
        assert!(config.data.is_absolute() && config.out.is_absolute());
        assert!(config.threads.is_some());
    }
}
