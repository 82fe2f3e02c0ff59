//! LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! An adapter computes what it computes in PEFT, or is refused with a sentence. Not here: what the
//! settings mean ([`settings`]), training adapters, and computing with them
//! ([`super::decoder::Decoder::apply_adapter`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::config::ModelConfig;
use super::gguf::Gguf;
use super::names::{self, Direction};
use super::weights::LowRankFactors;

pub mod settings;

pub use settings::PeftConfig;
use settings::{LayerRules, MAX_RANK};

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
    /// By GGUF's prefix of the linear layer, such as `blk.0.attn_q`.
    pub layers: BTreeMap<String, LowRankFactors>,
}

impl PeftAdapter {
    /// Reads an adapter's folder, and checks it against the model it is to be used with.
    ///
    /// # Errors
    /// In one sentence, where a file is missing or broken, where the adapter uses what is not
    /// supported (DoRA, trained biases, …), and where it does not match its settings or the model.
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
        let Some([vocab, _]) = gguf.tensor("token_embd.weight").map(|t| &t.shape[..]) else {
            bail!("the model has no embedding");
        };
        let config = ModelConfig::read(gguf, *vocab)?;
        let mut adapter = PeftAdapter::default();
        for name in tensors.names() {
            let Some((layer, factor)) = split(name) else {
                bail!("the adapter trains {name}, which is not supported");
            };
            if factor == "lora_B" {
                let a = tensors.tensor(&name.replace("lora_B", "lora_A"));
                a.with_context(|| format!("{layer} has a B without an A"))?;
                continue;
            }
            let prefix = names::linear_of(layer)
                .with_context(|| format!("the adapter has {layer}, which is not a linear layer"))?;
            let Some(&[out, input]) = gguf
                .tensor(&format!("{prefix}.weight"))
                .map(|t| &t.shape[..])
            else {
                bail!("the adapter has {layer}, which the model does not have");
            };
            let a = tensors.tensor(name)?;
            let b = tensors
                .tensor(&name.replace("lora_A", "lora_B"))
                .with_context(|| format!("{layer} has an A without a B"))?;
            let rank = a.shape().first().copied().unwrap_or(0);
            if !(1..=MAX_RANK).contains(&rank)
                || a.shape() != [rank, input]
                || b.shape() != [out, rank]
            {
                bail!(
                    "{layer} has factors of shapes {:?} and {:?}; the model's layer is {out} × {input}",
                    a.shape(),
                    b.shape()
                );
            }
            let scale = rules.scale(layer, rank)?;
            let mut b = floats(&b)?;
            let heads = (config.heads, config.kv_heads);
            if let Some(heads) =
                names::reordered_heads(&prefix, &config.architecture, heads.0, heads.1)
            {
                b = names::reorder(&b, rank, heads, Direction::ToGguf);
            }
            let factors = LowRankFactors {
                rank,
                scale,
                a: floats(&a)?,
                b,
            };
            adapter.layers.insert(prefix, factors);
        }
        if adapter.layers.is_empty() {
            bail!("the adapter is empty");
        }
        Ok(adapter)
    }
}

/// `base_model.model.LAYER.lora_A.weight` (older files have `.default` in between).
fn split(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix("base_model.model.")?;
    let name = name.strip_suffix(".weight")?;
    let name = name.strip_suffix(".default").unwrap_or(name);
    let (layer, factor) = name.rsplit_once('.')?;
    matches!(factor, "lora_A" | "lora_B").then_some((layer, factor))
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
