//! `config.json` as the metadata that a converter would write of it.
//!
//! What transformers takes for granted where a setting is left out is taken for granted here; what
//! would compute something else than is computed here is refused by its name.
//!
//! Not here: what the metadata mean ([`crate::config`]).

use std::f64::consts::TAU;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::config::{Activation, Llama3Scaling};
use crate::gguf::write::GgufWriter;

/// Layers without a rotary embedding in SmolLM3: every so manieth.
const SMOLLM3_STEP: u64 = 4;
/// Where the activation of gpt-oss ends.
const LIMIT: f64 = Activation::LIMIT as f64;

/// What the settings of a model come to.
pub(super) struct Settings {
    /// GGUF's name of the architecture.
    pub architecture: &'static str,
    /// The metadata.
    pub keys: GgufWriter,
    pub heads: usize,
    pub kv_heads: usize,
    /// Whether the embedding serves as output; `None` where that is for the weights to say.
    pub tied: Option<bool>,
    /// Divisors of the rotary embedding, which a converter writes as tensors.
    pub divisors: Vec<(String, Vec<f32>)>,
}

/// GGUF's name of an architecture, by transformers' `model_type`.
fn architecture(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        // What became of Llama by windows alone is Llama here.
        "llama" | "mistral" | "ministral" => "llama",
        "qwen2" => "qwen2",
        "qwen3" => "qwen3",
        "gemma3" | "gemma3_text" => "gemma3",
        "smollm3" => "smollm3",
        "granite" => "granite",
        "phi3" => "phi3",
        "ministral3" => "mistral3",
        "qwen2_moe" => "qwen2moe",
        "qwen3_moe" => "qwen3moe",
        "gpt_oss" => "gpt-oss",
        "gemma3n" | "gemma3n_text" => "gemma3n",
        _ => return None,
    })
}

/// What an architecture has where a setting is left out; `None` where that follows from others, or has
/// to be given.
#[derive(Clone, Copy)]
struct Usual {
    heads: Option<u32>,
    kv_heads: Option<u32>,
    head_dim: Option<u32>,
    context: Option<u32>,
    eps: f64,
    rope_base: f64,
    /// Of how many layers one sees the whole context.
    full_every: Option<u64>,
    /// What the others see.
    window: Option<u32>,
}

impl Usual {
    fn of(architecture: &str) -> Usual {
        let most = Usual {
            heads: None,
            kv_heads: None,
            head_dim: None,
            context: None,
            eps: 1e-6,
            rope_base: 1e4,
            full_every: None,
            window: None,
        };
        match architecture {
            "qwen3" | "qwen3moe" => Usual {
                head_dim: Some(128),
                ..most
            },
            "gemma3" => Usual {
                heads: Some(8),
                kv_heads: Some(4),
                head_dim: Some(256),
                context: Some(131_072),
                rope_base: 1e6,
                full_every: Some(6),
                window: Some(4096),
                ..most
            },
            "gpt-oss" => Usual {
                kv_heads: Some(8),
                head_dim: Some(64),
                eps: 1e-5,
                rope_base: 1.5e5,
                full_every: Some(2),
                window: Some(128),
                ..most
            },
            "gemma3n" => Usual {
                heads: Some(8),
                kv_heads: Some(2),
                head_dim: Some(256),
                context: Some(32_768),
                rope_base: 1e6,
                full_every: Some(5),
                window: Some(512),
                ..most
            },
            _ => most,
        }
    }
}

impl Settings {
    pub(super) fn read(config: &Value) -> Result<Settings> {
        // A model that also sees pictures has its language part's settings inside.
        let config = match config.get("text_config") {
            Some(text) if text.is_object() => text,
            _ => config,
        };
        let model_type = config["model_type"].as_str().unwrap_or_default();
        let Some(architecture) = architecture(model_type) else {
            bail!("the model_type {model_type:?} is not supported");
        };
        let quantization = config.get("quantization_config").filter(|q| !q.is_null());
        // gpt-oss is published so.
        let own = |method: &&Value| architecture == "gpt-oss" && method["quant_method"] == "mxfp4";
        if let Some(method) = quantization.filter(|method| !own(method)) {
            bail!(
                "its weights are quantized by {}, which is not supported; give the model as it was before, and --quantize q8_0 or q4_0",
                method["quant_method"]
            );
        }
        let mut reader = ConfigReader {
            config,
            architecture,
            keys: GgufWriter::new(),
            divisors: Vec::new(),
        };
        let (heads, kv_heads) = reader.write()?;
        let tied = match architecture {
            "gemma3" | "gemma3n" => Some(config["tie_word_embeddings"].as_bool().unwrap_or(true)),
            _ => config["tie_word_embeddings"].as_bool(),
        };
        Ok(Settings {
            architecture,
            heads,
            kv_heads,
            tied,
            keys: reader.keys,
            divisors: reader.divisors,
        })
    }
}

struct ConfigReader<'a> {
    config: &'a Value,
    architecture: &'static str,
    keys: GgufWriter,
    divisors: Vec<(String, Vec<f32>)>,
}

impl ConfigReader<'_> {
    /// Writes all keys; gives the numbers of heads.
    fn write(&mut self) -> Result<(usize, usize)> {
        self.keys.string("general.architecture", self.architecture);
        let usual = Usual::of(self.architecture);
        let hidden = self.whole("hidden_size")?;
        let layers = self.whole("num_hidden_layers")?;
        let heads = self.given("num_attention_heads", usual.heads)?;
        if heads == 0 {
            bail!("num_attention_heads is 0");
        }
        let kv_heads = self.whole_or("num_key_value_heads", usual.kv_heads.unwrap_or(heads))?;
        let head_dim = self.whole_or("head_dim", usual.head_dim.unwrap_or(hidden / heads))?;
        let context = self.given("max_position_embeddings", usual.context)?;
        let ffn = self.ffn()?;
        for (name, value) in [
            ("embedding_length", hidden),
            ("block_count", layers),
            ("attention.head_count", heads),
            ("attention.head_count_kv", kv_heads),
            ("attention.key_length", head_dim),
            ("attention.value_length", head_dim),
            ("context_length", context),
            ("feed_forward_length", ffn),
        ] {
            self.number(name, value);
        }
        let eps = self.real("rms_norm_eps")?.unwrap_or(usual.eps);
        self.float("attention.layer_norm_rms_epsilon", eps);
        self.activation()?;
        self.experts()?;
        self.factors()?;
        self.streams(layers)?;
        self.windows(layers, &usual)?;
        self.unrotated(layers)?;
        self.rope(head_dim, context, usual.rope_base)?;
        let size = |n: u32| n as usize;
        Ok((size(heads), size(kv_heads)))
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn number(&mut self, name: &str, value: u32) {
        let key = self.key(name);
        self.keys.u32(&key, value);
    }

    fn float(&mut self, name: &str, value: f64) {
        let key = self.key(name);
        self.keys.f32(&key, value as f32);
    }

    /// A whole number of the settings, if it is given.
    fn optional_whole(&self, name: &str) -> Result<Option<u32>> {
        match &self.config[name] {
            Value::Null => Ok(None),
            value => {
                let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
                let number = number.with_context(|| format!("{name} is not a whole number"))?;
                Ok(Some(number))
            }
        }
    }

    fn whole_or(&self, name: &str, default: u32) -> Result<u32> {
        Ok(self.optional_whole(name)?.unwrap_or(default))
    }

    /// A whole number that has to be given where there is no usual one.
    fn given(&self, name: &str, usual: Option<u32>) -> Result<u32> {
        match usual {
            Some(usual) => self.whole_or(name, usual),
            None => self.whole(name),
        }
    }

    fn whole(&self, name: &str) -> Result<u32> {
        self.optional_whole(name)?
            .with_context(|| format!("{name} is missing"))
    }

    /// A number of the settings, if it is given.
    fn real(&self, name: &str) -> Result<Option<f64>> {
        real(self.config, name)
    }

    fn activation(&self) -> Result<()> {
        let (names, expected): (_, &[&str]) = match self.architecture.starts_with("gemma3") {
            true => (
                ["hidden_activation", "hidden_act"],
                &["gelu_pytorch_tanh", "gelu_new"],
            ),
            false => (["hidden_act", "hidden_activation"], &["silu", "swish"]),
        };
        let given = names.iter().find_map(|name| self.config[*name].as_str());
        match given.filter(|given| !expected.contains(given)) {
            Some(other) => bail!("the activation {other:?} is not supported for this architecture"),
            None => Ok(()),
        }
    }

    /// The width of the feed-forward network, which Gemma 3n gives for each layer.
    fn ffn(&self) -> Result<u32> {
        let Some(list) = self.config["intermediate_size"].as_array() else {
            return self.whole("intermediate_size");
        };
        let first = list.first().and_then(Value::as_u64);
        let width = first.and_then(|n| u32::try_from(n).ok());
        match width.filter(|_| list.iter().all(|other| *other == list[0])) {
            Some(width) => Ok(width),
            None => bail!("intermediate_size differs from layer to layer, which is not supported"),
        }
    }

    /// What stands around the layers of Gemma 3n.
    fn streams(&mut self, layers: u32) -> Result<()> {
        if self.architecture != "gemma3n" {
            return Ok(());
        }
        if self.config["altup_correct_scale"] == false {
            bail!("altup_correct_scale = false is not supported here");
        }
        for (theirs, ours, usual) in [
            ("altup_num_inputs", "altup.num_inputs", 4),
            ("altup_active_idx", "altup.active_idx", 0),
            (
                "hidden_size_per_layer_input",
                "embedding_length_per_layer_input",
                256,
            ),
            ("num_kv_shared_layers", "attention.shared_kv_layers", 15),
        ] {
            let value = self.whole_or(theirs, usual)?;
            self.number(ours, value);
        }
        let layers = layers.min(1 << 16) as usize;
        let shares = match &self.config["activation_sparsity_pattern"] {
            Value::Null => {
                let sparse = if layers > 10 { 10 } else { 0 };
                (0..layers)
                    .map(|layer| if layer < sparse { 0.95 } else { 0.0 })
                    .collect()
            }
            list => {
                let list = list.as_array().filter(|list| list.len() == layers);
                let numbers = list.and_then(|list| list.iter().map(Value::as_f64).collect());
                let numbers: Option<Vec<f64>> = numbers;
                numbers.filter(|all| all.iter().all(|share| (0.0..1.0).contains(share))).context(
                    "activation_sparsity_pattern is not a list with a share below 1 for every layer",
                )?
            }
        };
        let scales: Vec<f32> = shares
            .into_iter()
            .map(|share| quantile(share) as f32)
            .collect();
        let key = self.key("activation_sparsity_scale");
        self.keys.f32s(&key, &scales);
        Ok(())
    }

    /// The mixture of experts.
    fn experts(&mut self) -> Result<()> {
        let oss = self.architecture == "gpt-oss";
        let width = match oss {
            true => "intermediate_size",
            false => "moe_intermediate_size",
        };
        if !oss && !self.architecture.ends_with("moe") {
            return Ok(());
        }
        if let Some(limit) = self
            .real("swiglu_limit")?
            .filter(|limit| oss && *limit != LIMIT)
        {
            bail!("an activation that ends at {limit} is not supported here, only one at {LIMIT}");
        }
        let dense = self.config["mlp_only_layers"].as_array();
        let step = self.whole_or("decoder_sparse_step", 1)?;
        if step != 1 || dense.is_some_and(|layers| !layers.is_empty()) {
            bail!("a mixture with layers that have no experts is not supported");
        }
        let count = match self.optional_whole("num_experts")? {
            Some(count) => count,
            None => self.whole("num_local_experts")?,
        };
        self.number("expert_count", count);
        for (theirs, ours) in [
            ("num_experts_per_tok", "expert_used_count"),
            (width, "expert_feed_forward_length"),
        ] {
            let value = self.whole(theirs)?;
            self.number(ours, value);
        }
        if self.architecture == "qwen2moe" {
            let shared = self.whole("shared_expert_intermediate_size")?;
            self.number("expert_shared_feed_forward_length", shared);
        }
        let normalized = self.config["norm_topk_prob"].as_bool().unwrap_or(oss);
        let key = self.key("expert_weights_norm");
        self.keys.bool(&key, normalized);
        Ok(())
    }

    /// Factors and limits on the way through the network.
    fn factors(&mut self) -> Result<()> {
        for (theirs, ours) in [
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
            ("embedding_multiplier", "embedding_scale"),
            ("residual_multiplier", "residual_scale"),
            ("attention_multiplier", "attention.scale"),
            ("logits_scaling", "logit_scale"),
        ] {
            if let Some(value) = self.real(theirs)? {
                self.float(ours, value);
            }
        }
        let capped = self.config.get("final_logit_softcapping").is_some();
        if self.architecture == "gemma3n" && !capped {
            self.float("final_logit_softcapping", 30.0);
        }
        if self.architecture == "gemma3" {
            let scalar = self.real("query_pre_attn_scalar")?.unwrap_or(256.0);
            self.float(
                "attention.scale",
                1.0 / scalar.max(f64::MIN_POSITIVE).sqrt(),
            );
        }
        Ok(())
    }

    /// Which layers see only the latest tokens.
    fn windows(&mut self, layers: u32, usual: &Usual) -> Result<()> {
        let full_every = usual.full_every;
        let given = match self.config.get("sliding_window") {
            None => usual.window,
            Some(_) => self.optional_whole("sliding_window")?,
        };
        let Some(size) = given else {
            return Ok(());
        };
        let layers = u64::from(layers.min(1 << 16));
        let kinds = self.config["layer_types"].as_array();
        let first = self.config["max_window_layers"].as_u64().unwrap_or(0);
        let used = self.config["use_sliding_window"].as_bool();
        let windowed = |layer: u64| match (kinds, self.architecture) {
            (Some(kinds), _) => {
                let kind = usize::try_from(layer).ok().and_then(|i| kinds.get(i));
                kind.is_some_and(|kind| kind == "sliding_attention")
            }
            (None, _) if full_every.is_some() => {
                let names = ["sliding_window_pattern", "_sliding_window_pattern"];
                let step = names.iter().find_map(|name| self.config[*name].as_u64());
                let step = step.or(full_every).unwrap_or(1);
                !(layer + 1).is_multiple_of(step)
            }
            (None, "qwen2" | "qwen3" | "qwen2moe" | "qwen3moe") => {
                used == Some(true) && layer >= first
            }
            (None, _) => used != Some(false),
        };
        let pattern: Vec<bool> = (0..layers).map(windowed).collect();
        if pattern.contains(&true) {
            self.number("attention.sliding_window", size);
            let key = self.key("attention.sliding_window_pattern");
            self.keys.bools(&key, &pattern);
        }
        Ok(())
    }

    /// Which layers have no rotary embedding.
    fn unrotated(&mut self, layers: u32) -> Result<()> {
        if self.architecture != "smollm3" {
            return Ok(());
        }
        let given = self.config["no_rope_layers"].as_array();
        let step = self.config["no_rope_layer_interval"].as_u64();
        // The list says, against its name, which layers have one.
        let rotated = |layer: u64| match given {
            Some(list) => {
                let layer = usize::try_from(layer).ok().and_then(|i| list.get(i));
                layer.and_then(Value::as_u64) != Some(0)
            }
            None => !(layer + 1).is_multiple_of(step.unwrap_or(SMOLLM3_STEP)),
        };
        let pattern: Vec<bool> = (0..u64::from(layers.min(1 << 16))).map(rotated).collect();
        let key = self.key("rope.layers");
        self.keys.bools(&key, &pattern);
        Ok(())
    }

    /// The rotary embedding. Transformers 5 has all of it in `rope_parameters`, earlier ones have the
    /// base beside `rope_scaling`.
    fn rope(&mut self, head_dim: u32, context: u32, usual: f64) -> Result<()> {
        let gemma = self.architecture.starts_with("gemma3");
        let parameters = match &self.config["rope_parameters"] {
            Value::Null => &self.config["rope_scaling"],
            all => all,
        };
        let of = |kind: &str| match &parameters[kind] {
            Value::Object(_) => &parameters[kind],
            _ => parameters,
        };
        let full = of("full_attention");
        let base = real(full, "rope_theta")?.or(self.real("rope_theta")?);
        let base = base.unwrap_or(usual);
        self.float("rope.freq_base", base);
        if gemma {
            let windowed = &parameters["sliding_attention"];
            let local = match windowed {
                Value::Object(_) => real(windowed, "rope_theta")?,
                _ => self.real("rope_local_base_freq")?,
            };
            self.float("rope.freq_base_swa", local.unwrap_or(1e4));
        }
        let part = real(full, "partial_rotary_factor")?.or(self.real("partial_rotary_factor")?);
        let dims = f64::from(head_dim) * part.unwrap_or(1.0);
        let dims = dims.clamp(0.0, f64::from(head_dim)) as u32;
        self.number("rope.dimension_count", dims);
        self.scaling(full, base, dims, context)
    }

    fn scaling(&mut self, rope: &Value, base: f64, dims: u32, context: u32) -> Result<()> {
        let kind = rope["rope_type"].as_str().or_else(|| rope["type"].as_str());
        let kind = match kind {
            None | Some("default" | "mrope") => return Ok(()),
            Some(kind) => kind,
        };
        let original = match real(rope, "original_max_position_embeddings")? {
            Some(original) => Some(original),
            None => self.real("original_max_position_embeddings")?,
        };
        let original = original.unwrap_or(f64::from(context));
        let factor = real(rope, "factor")?.unwrap_or(f64::from(context) / original);
        let type_key = self.key("rope.scaling.type");
        let ours = match kind {
            "llama3" => {
                let usual = Llama3Scaling::default();
                let scaling = Llama3Scaling {
                    factor,
                    low: real(rope, "low_freq_factor")?.unwrap_or(usual.low),
                    high: real(rope, "high_freq_factor")?.unwrap_or(usual.high),
                    original_context: original,
                };
                let divisors = scaling.divisors(base, dims);
                self.divisors.push(("rope_freqs.weight".into(), divisors));
                return Ok(());
            }
            "linear" => "linear",
            "yarn" => {
                // The ramp of gpt-oss is not rounded to whole pairs, and that of others is.
                let whole = rope["truncate"] != false;
                if whole == (self.architecture == "gpt-oss") {
                    bail!("a rotary embedding with truncate = {whole} is not supported here");
                }
                let usual = stretched(factor, 1.0);
                let scales = (real(rope, "mscale")?, real(rope, "mscale_all_dim")?);
                let wanted = match (real(rope, "attention_factor")?, scales) {
                    (Some(wanted), _) => wanted,
                    (None, (Some(one), Some(all))) if one != 0.0 && all != 0.0 => {
                        stretched(factor, one) / stretched(factor, all)
                    }
                    _ => usual,
                };
                self.float("rope.scaling.attn_factor", wanted / usual);
                for (theirs, ours) in [
                    ("beta_fast", "rope.scaling.yarn_beta_fast"),
                    ("beta_slow", "rope.scaling.yarn_beta_slow"),
                    ("llama_4_scaling_beta", "attention.temperature_scale"),
                ] {
                    if let Some(value) = real(rope, theirs)? {
                        self.float(ours, value);
                    }
                }
                "yarn"
            }
            "longrope" | "su" => {
                for (theirs, ours) in [
                    ("short_factor", "rope_factors_short.weight"),
                    ("long_factor", "rope_factors_long.weight"),
                ] {
                    let list = rope[theirs].as_array();
                    let list =
                        list.with_context(|| format!("the rotary embedding has no {theirs}"))?;
                    let numbers = list.iter().map(|n| n.as_f64().map(|n| n as f32));
                    let numbers: Option<Vec<f32>> = numbers.collect();
                    let numbers =
                        numbers.with_context(|| format!("{theirs} is no list of numbers"))?;
                    self.divisors.push((ours.into(), numbers));
                }
                let factor = f64::from(context) / original;
                let usual = match factor > 1.0 {
                    true => (1.0 + factor.ln() / original.ln()).sqrt(),
                    false => 1.0,
                };
                let wanted = real(rope, "attention_factor")?.unwrap_or(usual);
                self.float("rope.scaling.attn_factor", wanted);
                "longrope"
            }
            other => bail!("the rotary embedding {other:?} is not supported"),
        };
        self.keys.string(&type_key, ours);
        self.float("rope.scaling.factor", factor);
        self.number("rope.scaling.original_context_length", original as u32);
        Ok(())
    }
}

/// YaRN's factor on the magnitude.
fn stretched(factor: f64, scale: f64) -> f64 {
    match factor > 1.0 {
        true => 0.1 * scale * factor.ln() + 1.0,
        false => 1.0,
    }
}

/// The number below which a share of the standard normal distribution lies.
fn quantile(share: f64) -> f64 {
    if share == 0.0 {
        return f64::NEG_INFINITY;
    }
    // From the middle to a number; the series converges everywhere, and soon where anything lies.
    let middle_to = |x: f64| {
        let mut term = x;
        let mut sum = x;
        for odd in (3..400).step_by(2) {
            term *= x * x / f64::from(odd);
            sum += term;
        }
        sum * (-x * x / 2.0).exp() / TAU.sqrt()
    };
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        match 0.5 + middle_to(middle) < share {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

fn real(source: &Value, name: &str) -> Result<Option<f64>> {
    match &source[name] {
        Value::Null => Ok(None),
        value => {
            let number = value.as_f64().filter(|n| n.is_finite());
            number
                .map(Some)
                .with_context(|| format!("{name} is not a number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        for (share, x) in [(0.5, 0.0), (0.95, 1.644_853_627), (0.025, -1.959_963_985)] {
            assert!((quantile(share) - x).abs() < 1e-8, "{share}");
        }
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
    }
}
