//! From settings to a trainer that is ready to run. The only place that knows which trainers exist.

use std::path::Path;

use anyhow::{Result, bail};
use s1_core::training::{TrainConfig, TrainerKind};
use s1_data::records;

use super::native::{NativeTrainer, checkpoint};
use super::trainer::{CheckpointFile, Trainer};
use super::trl::{self, TrlTrainer};

/// The checkpoints in a training's folder, oldest first.
pub fn checkpoints(folder: &Path) -> Vec<CheckpointFile> {
    let native = checkpoint::list(folder).into_iter().filter_map(|path| {
        let step = checkpoint::step_of(&path)?;
        let bytes = path.metadata().map_or(0, |m| m.len());
        Some(CheckpointFile { step, path, bytes })
    });
    let trl = trl::checkpoint::list(folder)
        .into_iter()
        .map(|(step, path)| {
            let bytes = trl::checkpoint::bytes(&path);
            CheckpointFile { step, path, bytes }
        });
    native.chain(trl).collect()
}

/// Reads base and data, and refuses what cannot fit. With `resume`, it continues from the newest
/// whole checkpoint in its folder, if there is one.
///
/// # Errors
/// If the settings, the base or the data cannot be used, if memory does not suffice, or if the
/// folder holds an earlier run that is not resumed or had other settings.
pub fn prepare(config: &TrainConfig, resume: bool) -> Result<Box<dyn Trainer>> {
    let of_the_other = match config.trainer {
        TrainerKind::Native => !trl::checkpoint::list(&config.out).is_empty(),
        TrainerKind::Trl => !checkpoint::list(&config.out).is_empty(),
    };
    if of_the_other {
        bail!(
            "{} holds a run of the other trainer; give another --trainer or another --out",
            config.out.display()
        );
    }
    let trainer: Box<dyn Trainer> = match config.trainer {
        TrainerKind::Native => Box::new(NativeTrainer::prepare(config, resume)?),
        TrainerKind::Trl => Box::new(TrlTrainer::prepare(config, resume)?),
    };
    Ok(trainer)
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
        &mut config.sharding,
    ];
    let options = options.into_iter().filter_map(Option::as_mut);
    for path in options.chain([&mut config.data, &mut config.out]) {
        let is_path = !path.as_os_str().is_empty() && !records::is_elsewhere(path);
        if is_path && let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute;
        }
    }
    config.python = config.python.map(|program| anywhere(&program));
    config.launcher = config.launcher.map(|words| {
        let words = words.split_whitespace().map(anywhere);
        words.collect::<Vec<_>>().join(" ")
    });
    config
}

/// A word of a command that means the same from any folder: a file that is here, by its whole path.
fn anywhere(word: &str) -> String {
    let path = Path::new(word);
    let is_here = path.components().count() > 1 || word.contains('.');
    match std::path::absolute(path) {
        Ok(whole) if is_here && path.is_file() => whole.display().to_string(),
        _ => word.to_owned(),
    }
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
        // What is no file here is a program to be found, or an argument.
        let config = resolved(TrainConfig {
            python: Some("python3".into()),
            launcher: Some("accelerate launch --config_file src/lib.rs ./none".into()),
            ..TrainConfig::default()
        });
        assert_eq!(config.python.as_deref(), Some("python3"));
        let here = std::path::absolute("src/lib.rs").unwrap();
        let launcher = format!("accelerate launch --config_file {} ./none", here.display());
        assert_eq!(config.launcher, Some(launcher));
    }
}
