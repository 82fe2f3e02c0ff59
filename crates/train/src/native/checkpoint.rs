//! Checkpoints: everything a run needs to continue as if nothing had happened.
//!
//! A checkpoint is one safetensors file with the parameters and both moments; its metadata holds
//! the step and the recipe. The order of the data and all randomness follow from those
//! ([`super::batches`]). It appears under its name only when it is whole and on the disk.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::optim::Moments;
use super::params::Params;
use s1_data::files::{self, FileAccess};

/// Checkpoints that are kept in addition to the newest.
const KEPT: usize = 2;
/// Name of the folder inside a run's.
const FOLDER: &str = "checkpoints";

/// The state after a number of steps.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub step: usize,
    /// Tokens trained on so far.
    pub tokens: u64,
    /// The learning rate, where it was changed during the run.
    pub lr: f64,
    /// The values of the parameters.
    pub values: Vec<f32>,
    pub moments: Moments,
}

impl Checkpoint {
    /// Writes it into a run's folder and removes what is older than the last few. `recipe` is
    /// what a resumed run has to agree with.
    ///
    /// Errors (a full disk, say) leave the earlier checkpoints as they are.
    pub fn save(&self, run: &Path, params: &Params, recipe: &str) -> Result<PathBuf> {
        let folder = run.join(FOLDER);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join(format!("step-{:07}.safetensors", self.step));
        let metadata: HashMap<String, String> = [
            ("step", self.step.to_string()),
            ("tokens", self.tokens.to_string()),
            ("lr", format!("{:e}", self.lr)),
            ("parameters", layout(params)),
            ("recipe", recipe.to_owned()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        let tensors = [
            ("values", &self.values),
            ("first", &self.moments.first),
            ("second", &self.moments.second),
        ];
        let bytes: Vec<(&str, Vec<u8>)> = tensors
            .iter()
            .map(|(name, values)| (*name, to_bytes(values)))
            .collect();
        let views = bytes
            .iter()
            .map(|(name, b)| Ok((*name, TensorView::new(Dtype::F32, vec![b.len() / 4], b)?)))
            .collect::<Result<Vec<_>>>()?;
        let file = safetensors::serialize(views, Some(metadata))?;
        write_whole(&path, &file)?;
        for old in list(run).iter().rev().skip(KEPT + 1) {
            // An old checkpoint that cannot be removed does no harm.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }

    /// Reads a checkpoint of a run with these parameters and this recipe.
    ///
    /// Errors where the file is broken, or where the run was another one: with what differs.
    pub fn load(path: &Path, params: &Params, recipe: &str) -> Result<Checkpoint> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes, params, recipe)
            .with_context(|| format!("cannot resume from {}", path.display()))
    }

    fn parse(bytes: &[u8], params: &Params, recipe: &str) -> Result<Checkpoint> {
        let (_, header) = SafeTensors::read_metadata(bytes).context("it is damaged")?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let of = |key: &str| {
            metadata
                .get(key)
                .map(String::as_str)
                .with_context(|| format!("it does not say its {key}"))
        };
        if let Some(difference) = difference(of("recipe")?, recipe) {
            bail!("it belongs to a run with other settings: {difference}");
        }
        if of("parameters")? != layout(params) {
            bail!("it belongs to a run that trains other parameters");
        }
        let tensors = SafeTensors::deserialize(bytes).context("it is damaged")?;
        let floats = |name: &str| -> Result<Vec<f32>> {
            let tensor = tensors.tensor(name).context("it is damaged")?;
            let (whole, _) = tensor.data().as_chunks::<4>();
            if tensor.dtype() != Dtype::F32 || whole.len() != params.values.len() {
                bail!("it is damaged: {name} has another size");
            }
            Ok(whole.iter().map(|b| f32::from_le_bytes(*b)).collect())
        };
        Ok(Checkpoint {
            step: of("step")?.parse().context("its step is not a number")?,
            tokens: of("tokens")?
                .parse()
                .context("its tokens are not a number")?,
            lr: of("lr")?
                .parse()
                .context("its learning rate is not a number")?,
            values: floats("values")?,
            moments: Moments {
                first: floats("first")?,
                second: floats("second")?,
            },
        })
    }
}

/// The step of a checkpoint, by its name.
pub fn step_of(path: &Path) -> Option<usize> {
    let stem = path.file_stem()?.to_str()?;
    stem.strip_prefix("step-")?.parse().ok()
}

/// A run's checkpoints, oldest first.
pub fn list(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    found.sort();
    found
}

/// Writes a file so that it is there whole or not at all, whatever happens meanwhile.
///
/// Errors name the file; what was there before is untouched then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    files::replace(path, FileAccess::Usual, |out| Ok(out.write_all(bytes)?))
}

/// Names and shapes of the parameters, as one text.
fn layout(params: &Params) -> String {
    let shapes = params
        .list
        .iter()
        .map(|p| format!("{} {:?}", p.name, p.shape));
    shapes.collect::<Vec<_>>().join("; ")
}

/// The first setting in which two recipes (JSON) differ.
fn difference(theirs: &str, ours: &str) -> Option<String> {
    let parse = |text: &str| serde_json::from_str(text).ok();
    match (parse(theirs), parse(ours)) {
        (Some(theirs), Some(ours)) => s1_data::records::difference(&theirs, &ours),
        _ => Some("the recipe cannot be read".into()),
    }
}

pub fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Params {
        let mut params = Params::default();
        params.add("a", &[2], &[1.0, 2.0]);
        params
    }

    fn checkpoint(step: usize) -> Checkpoint {
        Checkpoint {
            step,
            tokens: 99,
            lr: 1.25e-5,
            values: vec![0.1, 0.2],
            moments: Moments {
                first: vec![0.3, 0.4],
                second: vec![0.5, 0.6],
            },
        }
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let run = tempfile::tempdir().unwrap();
        let path = checkpoint(3).save(run.path(), &params(), "{}").unwrap();
        let back = Checkpoint::load(&path, &params(), "{}").unwrap();
        assert_eq!((back.step, back.tokens, back.lr), (3, 99, 1.25e-5));
        assert_eq!(back.values, [0.1, 0.2]);
        assert_eq!(back.moments.second, [0.5, 0.6]);
    }

    #[test]
    fn the_last_few_are_kept() {
        let run = tempfile::tempdir().unwrap();
        for step in 1..=5 {
            checkpoint(step).save(run.path(), &params(), "{}").unwrap();
        }
        let names: Vec<String> = list(run.path())
            .iter()
            .map(|p| p.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["step-0000003", "step-0000004", "step-0000005"]);
    }

    #[test]
    fn another_run_s_checkpoint_is_refused_with_what_differs() {
        let run = tempfile::tempdir().unwrap();
        let path = checkpoint(1)
            .save(run.path(), &params(), r#"{"seed":1}"#)
            .unwrap();
        let error = Checkpoint::load(&path, &params(), r#"{"seed":2}"#).unwrap_err();
        assert!(
            format!("{error:#}").ends_with("with other settings: seed was 1 and is now 2"),
            "{error:#}"
        );
        let mut other = params();
        other.add("b", &[1], &[0.0]);
        let error = Checkpoint::load(&path, &other, r#"{"seed":1}"#).unwrap_err();
        assert!(format!("{error:#}").contains("other parameters"));
    }

    #[test]
    fn a_damaged_checkpoint_is_one_sentence() {
        let run = tempfile::tempdir().unwrap();
        let path = checkpoint(1).save(run.path(), &params(), "{}").unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let error = format!(
            "{:#}",
            Checkpoint::load(&path, &params(), "{}").unwrap_err()
        );
        assert!(error.contains("it is damaged"), "{error}");
    }
}
