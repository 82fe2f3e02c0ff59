//! Checkpoints: everything a run needs to continue as if nothing had happened.
//!
//! A checkpoint is one safetensors file with the parameters and both moments; its metadata holds
//! the step and the recipe, and a checksum of all of it. The order of the data and all randomness follow from those
//! ([`crate::batches`]). It appears under its name only when it is whole and on the disk.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use super::optim::Moments;
use super::params::Params;
use crate::recipe::difference;
use s1_data::files::{self, FileAccess};

/// Checkpoints that are kept in addition to the newest.
const KEPT: usize = 2;
/// Name of the folder inside a run's.
const FOLDER: &str = "checkpoints";
/// Where the checksum is in the metadata.
const CHECKSUM: &str = "sha256";

/// A checkpoint is not what was written. An earlier one may be.
#[derive(Debug)]
pub struct Damage(&'static str);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is damaged{}", self.0)
    }
}

impl std::error::Error for Damage {}

/// Whether an error is about this checkpoint, and not about another run.
pub fn is_damage(error: &anyhow::Error) -> bool {
    error.is::<Damage>() || error.is::<std::io::Error>()
}

/// Whether all are numbers.
pub fn are_finite(values: &[f32]) -> bool {
    // Piece by piece: a look at every one of them without a branch is several times faster.
    let whole = |piece: &[f32]| piece.iter().fold(true, |all, v| all & v.is_finite());
    values.chunks(4096).all(whole)
}

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
    /// Errors (a full disk, say, or values that are not numbers) leave the earlier checkpoints as
    /// they are.
    pub fn save(&self, run: &Path, params: &Params, recipe: &str) -> Result<PathBuf> {
        let Moments { first, second } = &self.moments;
        if ![&self.values, first, second].iter().all(|v| are_finite(v)) {
            bail!("the state after step {} is not all numbers", self.step);
        }
        let folder = run.join(FOLDER);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join(format!("step-{:07}.safetensors", self.step));
        let mut metadata: HashMap<String, String> = [
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
        let sum = checksum(&metadata, bytes.iter().map(|(_, bytes)| &bytes[..]));
        metadata.insert(CHECKSUM.to_owned(), sum);
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
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|_| Damage(""))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let of = |key: &str| {
            metadata
                .get(key)
                .map(String::as_str)
                .with_context(|| format!("it does not say its {key}"))
        };
        let tensors = SafeTensors::deserialize(bytes).map_err(|_| Damage(""))?;
        // Earlier versions wrote none.
        if let Some(sum) = metadata.get(CHECKSUM) {
            let parts = ["values", "first", "second"].map(|name| tensors.tensor(name));
            let parts: Vec<TensorView<'_>> = parts.into_iter().flatten().collect();
            if *sum != checksum(&metadata, parts.iter().map(|part| part.data())) {
                bail!(Damage(": its checksum does not agree"));
            }
        }
        if let Some(difference) = difference(of("recipe")?, recipe) {
            bail!("it belongs to a run with other settings: {difference}");
        }
        if of("parameters")? != layout(params) {
            bail!("it belongs to a run that trains other parameters");
        }
        let floats = |name: &str| -> Result<Vec<f32>> {
            let tensor = tensors.tensor(name).map_err(|_| Damage(""))?;
            let (whole, _) = tensor.data().as_chunks::<4>();
            if tensor.dtype() != Dtype::F32 || whole.len() != params.values.len() {
                bail!(Damage(": it has another size"));
            }
            let values: Vec<f32> = whole.iter().map(|b| f32::from_le_bytes(*b)).collect();
            if !are_finite(&values) {
                bail!(Damage(": its values are not all numbers"));
            }
            Ok(values)
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

/// SHA-256 of the metadata (but for its own entry) and of the tensors, in hexadecimal.
fn checksum<'a>(
    metadata: &HashMap<String, String>,
    tensors: impl Iterator<Item = &'a [u8]>,
) -> String {
    let mut hash = Sha256::new();
    let sorted: BTreeMap<_, _> = metadata.iter().filter(|(k, _)| *k != CHECKSUM).collect();
    for text in sorted.into_iter().flat_map(|(key, value)| [key, value]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    for tensor in tensors {
        hash.update((tensor.len() as u64).to_le_bytes());
        hash.update(tensor);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
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

    /// A user would lose: weights that a flipped bit has changed, without a word.
    #[test]
    fn a_damaged_checkpoint_is_one_sentence_wherever_the_damage_is() {
        let run = tempfile::tempdir().unwrap();
        let path = checkpoint(1).save(run.path(), &params(), "{}").unwrap();
        let bytes = fs::read(&path).unwrap();
        let load = || Checkpoint::load(&path, &params(), "{}");
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(is_damage(&load().unwrap_err()));
        let whole = load_values(&bytes);
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            fs::write(&path, bent).unwrap();
            // In the header, a bit may be one that says nothing, such as a space.
            match load() {
                Ok(back) => assert_eq!(back.values, whole, "byte {at}"),
                Err(error) => {
                    let error = format!("{error:#}");
                    assert!(error.starts_with("cannot resume from"), "{error}");
                }
            }
        }
    }

    fn load_values(bytes: &[u8]) -> Vec<f32> {
        Checkpoint::parse(bytes, &params(), "{}").unwrap().values
    }

    /// A user would lose: the last good checkpoint, to one of which nothing can be made.
    #[test]
    fn what_is_not_a_number_is_never_written() {
        let run = tempfile::tempdir().unwrap();
        checkpoint(1).save(run.path(), &params(), "{}").unwrap();
        for i in 0..2 {
            let mut broken = checkpoint(2);
            match i {
                0 => broken.values[1] = f32::NAN,
                _ => broken.moments.second[0] = f32::INFINITY,
            }
            let error = broken.save(run.path(), &params(), "{}").unwrap_err();
            assert!(error.to_string().contains("not all numbers"), "{error}");
        }
        assert_eq!(list(run.path()).len(), 1);
        let mut many = vec![0.5; 10_000];
        assert!(are_finite(&many));
        many[9_999] = f32::NEG_INFINITY;
        assert!(!are_finite(&many));
    }
}
