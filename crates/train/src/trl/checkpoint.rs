//! Checkpoints of TRL: folders that the driver writes, each with a mark of this program's in it once it
//! is whole and what came before it is recorded. Without the mark it is none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use s1_data::files::{self, FileAccess};
use serde::{Deserialize, Serialize};

use crate::recipe::difference;

/// Name of the folder inside a run's; the native trainer's are there as well.
pub const FOLDER: &str = "checkpoints";
/// How the driver's library calls one, before its step.
const PREFIX: &str = "checkpoint-";
const MARK: &str = "s1-tui.json";
/// Checkpoints that are kept in addition to the newest.
const KEPT: usize = 2;
const MAX_MARK_BYTES: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub struct CheckpointMark {
    pub step: usize,
    /// The factor on the learning rate.
    pub rate: f64,
    /// What a resumed run has to agree with.
    recipe: String,
    /// The files with their sizes: one that is cut short is not resumed from.
    files: BTreeMap<String, u64>,
}

/// Where the driver puts the checkpoint of a step.
pub fn path_of(run: &Path, step: usize) -> PathBuf {
    run.join(FOLDER).join(format!("{PREFIX}{step}"))
}

/// The checkpoints in a training's folder, the oldest first.
pub fn list(run: &Path) -> Vec<(usize, PathBuf)> {
    let mut found = begun(run);
    found.retain(|(_, path)| path.join(MARK).is_file());
    found
}

/// Removes those that were begun and are not whole: the driver was ended meanwhile.
pub fn remove_broken(run: &Path) {
    for (_, path) in begun(run) {
        if !path.join(MARK).is_file() {
            // It takes room, and does no other harm.
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// All that the driver has begun, the oldest first.
fn begun(run: &Path) -> Vec<(usize, PathBuf)> {
    let entries = fs::read_dir(run.join(FOLDER)).into_iter().flatten();
    let mut found: Vec<(usize, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let step = name.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            Some((step, entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Bytes of a checkpoint.
pub fn bytes(path: &Path) -> u64 {
    sizes(path).map_or(0, |files| files.values().sum())
}

fn sizes(path: &Path) -> std::io::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (name, meta) = (entry.file_name(), entry.metadata()?);
        if meta.is_file() && name != MARK {
            found.insert(name.to_string_lossy().into_owned(), meta.len());
        }
    }
    Ok(found)
}

/// Marks a checkpoint as whole, and removes what is older than the last few.
pub fn mark(run: &Path, step: usize, rate: f64, recipe: &str) -> Result<PathBuf> {
    let path = path_of(run, step);
    let files = sizes(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mark = CheckpointMark {
        step,
        rate,
        recipe: recipe.to_owned(),
        files,
    };
    files::replace(&path.join(MARK), FileAccess::Usual, |file| {
        Ok(file.write_all(serde_json::to_string(&mark)?.as_bytes())?)
    })?;
    for (_, old) in list(run).iter().rev().skip(KEPT + 1) {
        // An old checkpoint that cannot be removed does no harm; without its mark it is none.
        let _ = fs::remove_file(old.join(MARK)).and_then(|()| fs::remove_dir_all(old));
    }
    Ok(path)
}

/// Reads the mark of a checkpoint. `Ok(Err(…))` says what is damaged.
///
/// # Errors
/// If it belongs to a run with other settings.
pub fn open(path: &Path, recipe: &str) -> Result<Result<CheckpointMark, String>> {
    let text = files::read_text_file(&path.join(MARK), MAX_MARK_BYTES);
    let mark = text
        .ok()
        .and_then(|text| serde_json::from_str::<CheckpointMark>(&text).ok());
    let Some(mark) = mark else {
        return Ok(Err(format!(
            "{} is damaged: its mark cannot be read",
            path.display()
        )));
    };
    if let Some(difference) = difference(&mark.recipe, recipe) {
        bail!(
            "cannot resume from {}: it belongs to a run with other settings: {difference}",
            path.display()
        );
    }
    let now = sizes(path).unwrap_or_default();
    let changed = mark
        .files
        .iter()
        .find(|(name, size)| now.get(*name) != Some(*size));
    Ok(match changed {
        Some((name, _)) => Err(format!(
            "{} is damaged: {name} has another size",
            path.display()
        )),
        None => Ok(mark),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_marked_is_no_checkpoint_and_what_was_cut_short_is_not_resumed_from() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        let recipe = r#"{"base":"a","seed":1}"#;
        for step in [5, 10, 15, 20, 25] {
            let folder = path_of(run, step);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("optimizer.pt"), vec![0; step]).unwrap();
        }
        assert!(list(run).is_empty());
        for step in [5, 10, 15, 20] {
            mark(run, step, 0.5, recipe).unwrap();
        }
        let steps: Vec<usize> = list(run).into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, [10, 15, 20]);
        assert!(!path_of(run, 5).exists() && path_of(run, 25).exists());
        remove_broken(run);
        assert!(!path_of(run, 25).exists() && list(run).len() == 3);
        assert_eq!(bytes(&path_of(run, 20)), 20);
        let newest = path_of(run, 20);
        let read = open(&newest, recipe).unwrap().unwrap();
        assert_eq!((read.step, read.rate), (20, 0.5));
        let other = open(&newest, r#"{"base":"a","seed":2}"#)
            .unwrap_err()
            .to_string();
        assert!(other.ends_with("seed was 1 and is now 2"), "{other}");
        fs::write(newest.join("optimizer.pt"), b"short").unwrap();
        let damage = open(&newest, recipe).unwrap().unwrap_err();
        assert!(
            damage.ends_with("optimizer.pt has another size"),
            "{damage}"
        );
    }
}
