//! LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! An adapter computes what it computes in PEFT, or is refused with a sentence. Not here: what the
//! settings mean ([`settings`]), what its tensors are ([`modules`]), training adapters, and computing with them
//! ([`super::decoder::Decoder::apply_adapter`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::gguf::Gguf;
use super::weights::LowRankFactors;

mod modules;
pub mod settings;

use settings::LayerRules;
pub use settings::PeftConfig;

/// Name of the settings inside an adapter's folder.
pub const CONFIG: &str = "adapter_config.json";
/// What PEFT wrote before safetensors.
const PICKLE: &str = "adapter_model.bin";
/// Name of the weights inside an adapter's folder.
pub const WEIGHTS: &str = "adapter_model.safetensors";

/// Whether a path is an adapter's folder, by its files.
pub fn is_adapter(path: &Path) -> bool {
    path.join(WEIGHTS).is_file()
}

/// An adapter that fits a model.
#[derive(Clone, Debug, Default)]
pub struct PeftAdapter {
    /// What is added to a linear layer as it computes, by GGUF's prefix, such as `blk.0.attn_q`.
    pub layers: BTreeMap<String, LowRankFactors>,
    /// What takes the place of a tensor of the model, by GGUF's name: [`PeftAdapter::onto`].
    pub whole: BTreeMap<String, WholeTensor>,
}

/// A tensor in full.
#[derive(Clone, Debug)]
pub struct WholeTensor {
    /// Row-major.
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl PeftAdapter {
    /// Reads an adapter's folder, and checks it against the model it is to be used with.
    ///
    /// # Errors
    /// In one sentence, where a file is missing or broken, where the adapter uses what is not
    /// supported (aLoRA, IA3, …), and where it does not match its settings or the model.
    pub fn open(folder: &Path, gguf: &Gguf) -> Result<PeftAdapter> {
        let path = folder.join(CONFIG);
        let config = PeftConfig::read(folder)?;
        let rules = config.rules();
        let rules = rules.with_context(|| format!("{} cannot be used", path.display()))?;
        let weights = folder.join(WEIGHTS);
        if !weights.exists() && folder.join(PICKLE).exists() {
            bail!(
                "{} has its weights in {PICKLE}, a format that can run code and is not read; save the adapter again as safetensors (PEFT's save_pretrained does)",
                folder.display()
            );
        }
        Self::read_weights(&weights, gguf, &rules)
    }

    /// Reads the weights alone, with a given scale.
    ///
    /// # Errors
    /// As [`PeftAdapter::open`].
    pub fn read_file(path: &Path, gguf: &Gguf, scale: f32) -> Result<PeftAdapter> {
        Self::read_weights(path, gguf, &LayerRules::of_scale(scale))
    }

    fn read_weights(path: &Path, gguf: &Gguf, rules: &LayerRules) -> Result<PeftAdapter> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        // SAFETY: as for a model file, nobody may truncate the file while it is read.
        let bytes = unsafe { memmap2::Mmap::map(&file) }
            .with_context(|| format!("cannot map {} into memory", path.display()))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .with_context(|| format!("{} is not a usable safetensors file", path.display()))?;
        Self::from_tensors(&tensors, gguf, rules)
            .with_context(|| format!("{} does not fit this model", path.display()))
    }

    fn from_tensors(tensors: &SafeTensors, gguf: &Gguf, rules: &LayerRules) -> Result<PeftAdapter> {
        modules::read(tensors, gguf, rules)
    }

    /// The model with the tensors that the adapter has in place of its own.
    pub fn onto(&self, gguf: Gguf) -> Gguf {
        match self.whole.is_empty() {
            true => gguf,
            false => gguf.replacing(&self.whole),
        }
    }
}

fn floats(tensor: &TensorView) -> Result<Vec<f32>> {
    let data = tensor.data();
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => {
            let (whole, _) = data.as_chunks::<4>();
            whole.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        Dtype::F16 | Dtype::BF16 => {
            let (whole, _) = data.as_chunks::<2>();
            let half = tensor.dtype() == Dtype::F16;
            let widen = |b: &[u8; 2]| match half {
                true => f16::from_le_bytes(*b).to_f32(),
                false => bf16::from_le_bytes(*b).to_f32(),
            };
            whole.iter().map(widen).collect()
        }
        other => bail!("its tensors are of type {other:?}; F32, F16 and BF16 are supported"),
    };
    Ok(values)
}

#[cfg(test)]
mod tests;
