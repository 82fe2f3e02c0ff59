//! From settings to a trainer that is ready to run. The only place that knows which trainers exist.

use std::path::Path;

use anyhow::Result;
use s1_core::training::TrainConfig;
use s1_data::records;

use super::native::{NativeTrainer, checkpoint};
use super::trainer::{CheckpointFile, Trainer};

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
