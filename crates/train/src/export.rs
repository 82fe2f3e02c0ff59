//! What a run leaves behind: safetensors in Hugging Face's layout, adapters in PEFT's, and GGUF.
//!
//! Not here: checkpoints, which are the trainer's own ([`crate::native`]).

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::native::checkpoint::{to_bytes, write_whole};
use crate::native::math::{MatrixView, MatrixViewMut, WriteMode as Into, product};
use crate::native::network::Scope;
use crate::native::params::Params;
use s1_core::training::Quantization;
use s1_model::adapter::{self, PeftAdapter, PeftConfig};
use s1_model::config::{Activation, Llama3Scaling, ModelConfig, RopeScaling};
use s1_model::gguf::write::GgufWriter;
use s1_model::gguf::{self, Gguf, folder};
use s1_model::names::{self, Direction};
use s1_model::weights::encode::{encode, tensor_type};
use s1_model::weights::rows::WeightRows;

/// The tensor with divisors of the rotary embedding's frequencies.
const DIVISORS: &str = "rope_freqs.weight";

/// llama.cpp's number for the type of most weights.
fn file_type(kind: Quantization) -> u32 {
    match kind {
        Quantization::F32 => 0,
        Quantization::F16 => 1,
        Quantization::Q4_0 => 2,
        Quantization::Q8_0 => 7,
    }
}

/// A model with what was trained in place.
#[derive(Debug)]
pub struct Merged<'a> {
    gguf: &'a Gguf,
    trained: Trained<'a>,
}

#[derive(Debug)]
enum Trained<'a> {
    Nothing,
    /// Weights of this program's trainer.
    Params(&'a Params),
    /// An adapter, merged.
    Adapter(&'a PeftAdapter),
    /// The weights of another file.
    Weights(&'a Gguf),
}

impl<'a> Merged<'a> {
    /// A base as it is.
    pub fn untrained(gguf: &'a Gguf) -> Self {
        let trained = Trained::Nothing;
        Self { gguf, trained }
    }

    /// A base with fully trained weights.
    pub fn full(gguf: &'a Gguf, params: &'a Params) -> Self {
        let trained = Trained::Params(params);
        Self { gguf, trained }
    }

    /// A base with an adapter.
    pub fn adapted(gguf: &'a Gguf, adapter: &'a PeftAdapter) -> Self {
        let trained = Trained::Adapter(adapter);
        Self { gguf, trained }
    }

    /// A base with the weights of another file in place of its own.
    pub fn replaced(gguf: &'a Gguf, weights: &'a Gguf) -> Self {
        let trained = Trained::Weights(weights);
        Self { gguf, trained }
    }

    /// The values of a tensor of the base; whether they differ from the base's.
    fn values(&self, name: &str) -> Result<(Cow<'_, [f32]>, bool)> {
        let low = match &self.trained {
            Trained::Params(params) => match params.get(name) {
                Some((_, values)) => return Ok((values.into(), true)),
                None => None,
            },
            Trained::Weights(weights) if weights.tensor(name).is_some() => {
                return Ok((WeightRows::open(weights, name)?.to_vec().into(), true));
            }
            Trained::Adapter(adapter) => {
                if let Some(whole) = adapter.whole.get(name) {
                    return Ok(((&whole.values[..]).into(), true));
                }
                let prefix = name.strip_suffix(".weight").unwrap_or(name);
                adapter.layers.get(prefix)
            }
            Trained::Nothing | Trained::Weights(_) => None,
        };
        let rows = WeightRows::open(self.gguf, name)?;
        let mut values = rows.to_vec();
        if let Some(low) = low {
            product(
                MatrixViewMut::new(&mut values, rows.rows, rows.columns),
                MatrixView::new(&low.b, rows.rows, low.rank),
                MatrixView::new(&low.a, low.rank, rows.columns),
                Into::Add,
                low.scale,
                1,
            );
        }
        Ok((values.into(), low.is_some()))
    }

    /// Names of all tensors, in a fixed order.
    fn names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.gguf.tensors().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    /// Writes a GGUF file that llama.cpp and this program load. `name` is the model's new name.
    /// Tensors that training did not touch keep their bytes if their type is the one asked for.
    pub fn save_gguf(&self, path: &Path, name: &str, to: Quantization) -> Result<()> {
        write_whole(path, &self.gguf_bytes(name, to)?)
    }

    pub fn gguf_bytes(&self, name: &str, to: Quantization) -> Result<Vec<u8>> {
        let mut w = GgufWriter::new();
        w.metadata_of(self.gguf, |key| {
            matches!(
                key,
                "general.name" | "general.file_type" | "general.quantization_version"
            )
        });
        w.string("general.name", name);
        w.u32("general.file_type", file_type(to));
        w.u32("general.quantization_version", 2);
        for name in self.names() {
            let Some(info) = self.gguf.tensor(name) else {
                continue;
            };
            let kind = tensor_type(to, name, &info.shape);
            let (values, changed) = self.values(name)?;
            let data = if !changed && info.kind == kind {
                self.gguf.data(info).into_owned()
            } else {
                encode(kind, &values)?
            };
            w.tensor(name, &info.shape, gguf::type_code(kind), data);
        }
        Ok(w.finish())
    }

    /// Writes `config.json` and `model.safetensors` (f32) in Hugging Face's layout.
    pub fn save_hugging_face(&self, folder: &Path) -> Result<()> {
        let config = config_of(self.gguf)?;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut tensors = Vec::new();
        for name in self.names() {
            // What has no name there (divisors of the rotary embedding) is said by its settings.
            let Some(theirs) = names::hugging_face(name, &config.architecture) else {
                continue;
            };
            let (mut values, _) = self.values(name)?;
            let shape = match self.gguf.tensor(name) {
                Some(info) => info.shape.clone(),
                None => continue,
            };
            let (heads, kv) = (config.heads, config.kv_heads);
            if let Some(heads) = names::reordered_heads(name, &config.architecture, heads, kv) {
                let width = if shape.len() > 1 { shape[1] } else { 1 };
                values = names::reorder(&values, width, heads, Direction::ToHuggingFace).into();
            }
            if config.architecture == "gemma3" && name.contains("norm") {
                // GGUF's norms have the 1 that Gemma adds already in them.
                values.to_mut().iter_mut().for_each(|v| *v -= 1.0);
            }
            tensors.push((theirs, shape, to_bytes(&values)));
        }
        save_tensors(&folder.join("model.safetensors"), &tensors)?;
        let tied = self.gguf.tensor("output.weight").is_none();
        let settings = hugging_face_config(&config, self.gguf, tied)?;
        let text = serde_json::to_string_pretty(&settings)?;
        write_whole(&folder.join("config.json"), text.as_bytes())
    }
}

/// Writes the trained factors as an adapter that PEFT loads.
pub fn save_peft(
    folder: &Path,
    gguf: &Gguf,
    base: &str,
    scope: Scope,
    params: &Params,
) -> Result<()> {
    let Scope::LowRank {
        rank,
        alpha,
        dropout,
    } = scope
    else {
        bail!("an adapter is what low-rank training makes; this was a full fine-tuning");
    };
    let config = config_of(gguf)?;
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut tensors = Vec::new();
    let mut modules: Vec<String> = Vec::new();
    for param in &params.list {
        let mut values = Cow::from(&params.values[param.range.clone()]);
        let (prefix, factor) = param
            .name
            .rsplit_once('.')
            .context("a parameter without a layer")?;
        let theirs = names::hugging_face(&format!("{prefix}.weight"), &config.architecture)
            .with_context(|| format!("{prefix} has no name in Hugging Face's layout"))?;
        let theirs = theirs.trim_end_matches(".weight");
        let factor = if factor == "lora_a" {
            "lora_A"
        } else {
            "lora_B"
        };
        let (heads, kv) = (config.heads, config.kv_heads);
        let heads = names::reordered_heads(prefix, &config.architecture, heads, kv);
        if let (Some(heads), "lora_B") = (heads, factor) {
            values = names::reorder(&values, rank, heads, Direction::ToHuggingFace).into();
        }
        if let Some(module) = theirs.rsplit('.').next().map(str::to_owned)
            && !modules.contains(&module)
        {
            modules.push(module);
        }
        tensors.push((
            format!("base_model.model.{theirs}.{factor}.weight"),
            param.shape.clone(),
            to_bytes(&values),
        ));
    }
    save_tensors(&folder.join(adapter::WEIGHTS), &tensors)?;
    let settings = PeftConfig {
        peft_type: "LORA".into(),
        task_type: Some("CAUSAL_LM".into()),
        base_model_name_or_path: Some(base.to_owned()),
        r: rank,
        lora_alpha: alpha,
        lora_dropout: dropout,
        bias: "none".into(),
        target_modules: json!(modules),
        use_rslora: false,
        use_dora: false,
        fan_in_fan_out: false,
        more: serde_json::Map::new(),
    };
    let text = serde_json::to_string_pretty(&settings)?;
    write_whole(&folder.join(adapter::CONFIG), text.as_bytes())
}

/// Puts what the base's folder says of it beside what was made of it: its tokenizer, and its settings in
/// place of those that were made of what is known here. A GGUF file has all that inside.
pub fn bring_words(gguf: &Gguf, base: &Path, to: &Path) -> Result<()> {
    if gguf.contains("tokenizer.ggml.tokens") {
        return Ok(());
    }
    let (theirs, made) = (base.join(folder::CONFIG), to.join(folder::CONFIG));
    if theirs.is_file() && made.is_file() {
        fs::copy(&theirs, &made)
            .with_context(|| format!("cannot copy {} to {}", theirs.display(), to.display()))?;
    }
    folder::bring_words(base, to)
}

fn save_tensors(path: &Path, tensors: &[(String, Vec<usize>, Vec<u8>)]) -> Result<()> {
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    // Readers of Hugging Face's want to be told the framework whose layout it is.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    write_whole(path, &safetensors::serialize(views, Some(metadata))?)
}

fn config_of(gguf: &Gguf) -> Result<ModelConfig> {
    let vocab = WeightRows::open(gguf, "token_embd.weight")?.rows;
    ModelConfig::read(gguf, vocab)
}

/// `config.json`: what transformers needs to build the same model.
fn hugging_face_config(c: &ModelConfig, gguf: &Gguf, tied: bool) -> Result<Value> {
    let (class, kind) = match c.architecture.as_str() {
        "llama" if c.window.is_some() => ("MinistralForCausalLM", "ministral"),
        "qwen2" => ("Qwen2ForCausalLM", "qwen2"),
        "qwen3" => ("Qwen3ForCausalLM", "qwen3"),
        "gemma3" => ("Gemma3ForCausalLM", "gemma3_text"),
        _ => ("LlamaForCausalLM", "llama"),
    };
    let mut config = json!({
        "architectures": [class],
        "model_type": kind,
        "vocab_size": c.vocab,
        "hidden_size": c.hidden,
        "intermediate_size": c.ffn,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "head_dim": c.head_dim,
        "max_position_embeddings": c.context_length,
        "rms_norm_eps": c.norm_eps,
        "rope_theta": c.rope.base,
        "hidden_act": match c.activation {
            Activation::Silu | Activation::ClampedSwiglu => "silu",
            Activation::GeluTanh => "gelu_pytorch_tanh",
        },
        "tie_word_embeddings": tied,
        "torch_dtype": "float32",
        "bos_token_id": gguf.u64("tokenizer.ggml.bos_token_id"),
        "eos_token_id": gguf.u64("tokenizer.ggml.eos_token_id"),
    });
    if let Some(scaling) = rope_scaling(c, gguf)? {
        config["rope_scaling"] = scaling;
    }
    if let Some(window) = &c.window {
        let kind = |windowed: &bool| match windowed {
            true => "sliding_attention",
            false => "full_attention",
        };
        config["sliding_window"] = json!(window.size);
        config["layer_types"] = window.layers.iter().map(kind).collect();
        config["use_sliding_window"] = json!(true);
    }
    if c.architecture == "gemma3" {
        let windowed = c.window.iter().flat_map(|window| &window.layers);
        let period = 1 + windowed.take_while(|windowed| **windowed).count();
        config["sliding_window_pattern"] = json!(period);
        config["rope_local_base_freq"] = json!(c.local_rope.base);
        config["query_pre_attn_scalar"] = json!(1.0 / (c.attention_scale * c.attention_scale));
        config["attn_logit_softcapping"] = json!(c.attention_softcap);
        config["final_logit_softcapping"] = json!(c.logit_softcap);
    }
    Ok(config)
}

/// How the rotary embedding is stretched, as `config.json` says it.
fn rope_scaling(c: &ModelConfig, gguf: &Gguf) -> Result<Option<Value>> {
    let divisors = match gguf.tensor(DIVISORS) {
        Some(_) => WeightRows::open(gguf, DIVISORS)?.to_vec(),
        None => Vec::new(),
    };
    Ok(Some(match c.rope.scaling {
        RopeScaling::None if divisors.is_empty() => return Ok(None),
        RopeScaling::None => divided(c, &divisors),
        _ if !divisors.is_empty() => bail!(
            "a rotary embedding that is stretched and has divisors besides cannot be written as config.json says it; write a GGUF file"
        ),
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        RopeScaling::Yarn {
            factor,
            original_context,
            attention_factor,
            beta_fast,
            beta_slow,
            ..
        } => json!({
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original_context,
            "attention_factor": attention_factor * (0.1 * factor.max(1.0).ln() + 1.0),
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
        }),
        // Models with it are not trained.
        RopeScaling::LongRope { .. } => return Ok(None),
    }))
}

/// A rotary embedding whose frequencies have divisors of their own: Llama 3's, by the settings that they
/// came of; any other as LongRoPE, which lists them, with one list for all lengths.
fn divided(c: &ModelConfig, divisors: &[f32]) -> Value {
    match Llama3Scaling::of_divisors(divisors, f64::from(c.rope.base)) {
        Some(scaling) => json!({
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low,
            "high_freq_factor": scaling.high,
            "original_max_position_embeddings": scaling.original_context as u64,
        }),
        None => json!({
            "rope_type": "longrope",
            "factor": 1.0,
            "attention_factor": 1.0,
            "original_max_position_embeddings": c.context_length,
            "short_factor": divisors,
            "long_factor": divisors,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_model::decoder::{Decoder, Logits};
    use s1_model::device::Place;
    use s1_model::fixture::tiny_gguf;
    use s1_model::gguf::type_code;

    /// A tiny Llama whose rotary embedding has these divisors.
    fn with_divisors(divisors: &[f32]) -> Gguf {
        let gguf = Gguf::from_bytes(tiny_gguf("llama", 7)).unwrap();
        let mut w = GgufWriter::new();
        w.metadata_of(&gguf, |_| false);
        for (name, info) in gguf.tensors() {
            let data = match name {
                DIVISORS => to_bytes(divisors),
                _ => gguf.data(info).into_owned(),
            };
            w.tensor(name, &info.shape, type_code(info.kind), data);
        }
        Gguf::from_bytes(w.finish()).unwrap()
    }

    fn logits(gguf: &Gguf) -> Vec<f32> {
        let decoder = Decoder::load(gguf, &Place::Host, &mut |_| true).unwrap();
        let ids: Vec<u32> = (0..30).map(|i| i * 7 % 260).collect();
        let mut cache = decoder.new_cache(30).unwrap();
        let all = decoder.forward(&mut [(&mut cache, &ids)], Logits::All);
        all.unwrap().concat()
    }

    /// A user would lose: the model, which its safetensors compute otherwise than its GGUF file, the more
    /// so the longer the text.
    #[test]
    fn a_stretched_rotary_embedding_is_in_the_settings_of_the_safetensors() {
        // Eight pairs at base 10,000: the wavelengths reach from 6 to 19,869 tokens.
        let llama3 = Llama3Scaling::default().divisors(10_000.0, 16);
        assert!(llama3[0] == 1.0 && llama3[7] == 8.0, "{llama3:?}");
        let others = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0];
        for (divisors, kind) in [(&llama3[..], "llama3"), (&others[..], "longrope")] {
            let gguf = with_divisors(divisors);
            let folder = tempfile::tempdir().unwrap();
            let merged = Merged::untrained(&gguf);
            merged.save_hugging_face(folder.path()).unwrap();
            let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
            let config: Value = serde_json::from_str(&config).unwrap();
            assert_eq!(config["rope_scaling"]["rope_type"], kind);
            let read = Gguf::open(folder.path()).unwrap();
            let (here, there) = (logits(&gguf), logits(&read));
            let pairs = here.iter().zip(&there);
            let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest <= 1e-4, "{kind}: {largest}");
            // What reads it can be trained on from there.
            crate::native::network::Network::load(&read, Scope::Full, 1).unwrap();
        }
    }

    /// A user would lose: the magnitude that a YaRN of one's own has.
    #[test]
    fn a_yarn_keeps_its_magnitude() {
        let gguf = Gguf::from_bytes(tiny_gguf("qwen2", 7)).unwrap();
        let mut w = GgufWriter::new();
        w.metadata_of(&gguf, |_| false);
        w.string("qwen2.rope.scaling.type", "yarn");
        w.f32("qwen2.rope.scaling.factor", 4.0);
        w.u32("qwen2.rope.scaling.original_context_length", 512);
        w.f32("qwen2.rope.scaling.attn_factor", 0.5);
        for (name, info) in gguf.tensors() {
            let data = gguf.data(info).into_owned();
            w.tensor(name, &info.shape, type_code(info.kind), data);
        }
        let gguf = Gguf::from_bytes(w.finish()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let merged = Merged::untrained(&gguf);
        merged.save_hugging_face(folder.path()).unwrap();
        let read = config_of(&Gguf::open(folder.path()).unwrap()).unwrap();
        let RopeScaling::Yarn {
            attention_factor, ..
        } = read.rope.scaling
        else {
            panic!("{:?}", read.rope.scaling);
        };
        assert!((attention_factor - 0.5).abs() < 1e-6, "{attention_factor}");
    }
}
