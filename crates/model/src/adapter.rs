//! LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Not here: training them, and computing with them ([`super::decoder::Decoder::apply_adapter`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::config::ModelConfig;
use super::gguf::Gguf;
use super::names::{self, Direction};
use super::weights::LowRankFactors;

/// Name of the settings inside an adapter's folder.
pub const CONFIG: &str = "adapter_config.json";
/// Name of the weights inside an adapter's folder.
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// The highest rank that is accepted.
const MAX_RANK: usize = 4096;

/// The part of PEFT's settings that changes what is computed, and what PEFT itself wants to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeftConfig {
    /// Always `LORA`.
    pub peft_type: String,
    /// Always `CAUSAL_LM` when written here.
    #[serde(default)]
    pub task_type: Option<String>,
    /// The model that was trained.
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    pub r: usize,
    /// The addition is scaled by alpha / r.
    pub lora_alpha: f32,
    /// Dropout while training.
    #[serde(default)]
    pub lora_dropout: f32,
    /// `none`: biases are not trained.
    #[serde(default = "no_bias")]
    pub bias: String,
    /// Layers with an addition. A list of names; PEFT also writes a pattern.
    #[serde(default)]
    pub target_modules: serde_json::Value,
    /// Whether the scale is alpha / √r instead.
    #[serde(default)]
    pub use_rslora: bool,
    /// Whether magnitudes are trained apart, which is not supported.
    #[serde(default)]
    pub use_dora: bool,
    /// Whether A and B are stored transposed, which is not supported.
    #[serde(default)]
    pub fan_in_fan_out: bool,
}

fn no_bias() -> String {
    "none".into()
}

/// An adapter that fits a model.
#[derive(Clone, Debug, Default)]
pub struct PeftAdapter {
    /// By GGUF's prefix of the linear layer, such as `blk.0.attn_q`.
    pub layers: BTreeMap<String, LowRankFactors>,
}

impl PeftConfig {
    /// Reads the settings in an adapter's folder.
    ///
    /// # Errors
    /// If the file is missing, or does not hold an adapter's settings.
    pub fn read(folder: &Path) -> Result<PeftConfig> {
        let path = folder.join(CONFIG);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}; an adapter is a folder with {CONFIG} and {WEIGHTS}",
                path.display()
            )
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not an adapter's settings", path.display()))
    }
}

impl PeftAdapter {
    /// Reads an adapter's folder, and checks it against the model it is to be used with.
    ///
    /// Errors, in one sentence, where a file is missing or broken, where the adapter uses what is
    /// not supported (DoRA, trained biases), and where it does not match the model.
    pub fn open(folder: &Path, gguf: &Gguf) -> Result<PeftAdapter> {
        let path = folder.join(CONFIG);
        let config = PeftConfig::read(folder)?;
        if config.peft_type != "LORA" {
            bail!(
                "{} is of type {}; only LORA adapters can be used",
                path.display(),
                config.peft_type
            );
        }
        if config.use_dora || config.fan_in_fan_out || config.bias != "none" {
            bail!(
                "{} uses DoRA, trained biases or transposed weights, which are not supported",
                path.display()
            );
        }
        if !(1..=MAX_RANK).contains(&config.r) || !config.lora_alpha.is_finite() {
            bail!(
                "{} has rank {} and alpha {}; a rank of 1 to {MAX_RANK} and a finite alpha are expected",
                path.display(),
                config.r,
                config.lora_alpha
            );
        }
        let rank = config.r as f32;
        let divisor = if config.use_rslora { rank.sqrt() } else { rank };
        Self::read_file(&folder.join(WEIGHTS), gguf, config.lora_alpha / divisor)
    }

    /// Reads the weights alone, with a given scale.
    pub fn read_file(path: &Path, gguf: &Gguf, scale: f32) -> Result<PeftAdapter> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        // SAFETY: as for a model file, nobody may truncate the file while it is read.
        let bytes = unsafe { memmap2::Mmap::map(&file) }
            .with_context(|| format!("cannot map {} into memory", path.display()))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .with_context(|| format!("{} is not a usable safetensors file", path.display()))?;
        Self::from_tensors(&tensors, gguf, scale)
            .with_context(|| format!("{} does not fit this model", path.display()))
    }

    fn from_tensors(tensors: &SafeTensors, gguf: &Gguf, scale: f32) -> Result<PeftAdapter> {
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
