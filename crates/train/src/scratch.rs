//! A model from nothing: shape and vocabulary from a small TOML file, weights drawn from a seed.
//!
//! The result is an ordinary GGUF file in memory, so that everything else opens it as it opens
//! any model. Not here: training it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use s1_core::rng::{mix, unit};
use s1_data::files;
use s1_model::gguf::write::GgufWriter;

/// Largest values accepted; beyond them a model is not made from scratch on one machine.
const MAX_SIZE: usize = 1 << 16;
const MAX_PARAMETERS: usize = 1 << 30;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScratchConfig {
    model: ScratchModel,
    tokenizer: ScratchTokenizer,
}

/// A Llama with tied embeddings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScratchModel {
    name: String,
    dim: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    ffn: usize,
    context: usize,
    #[serde(default = "rope_theta")]
    rope_theta: f32,
    #[serde(default = "norm_eps")]
    norm_eps: f32,
    #[serde(default = "init_std")]
    init_std: f32,
}

fn rope_theta() -> f32 {
    10_000.0
}
fn norm_eps() -> f32 {
    1e-5
}
fn init_std() -> f32 {
    0.02
}

/// A vocabulary as GGUF stores it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScratchTokenizer {
    model: String,
    pre: String,
    tokens: Vec<String>,
    types: Vec<i32>,
    #[serde(default)]
    merges: Vec<String>,
    bos: Option<String>,
    eos: String,
    pad: Option<String>,
    chat_template: String,
}

/// Room for a vocabulary of several hundred thousand tokens.
const MAX_BYTES: u64 = 16 << 20;

/// Reads the file and draws the weights.
///
/// Errors, in one sentence, where the file cannot be read or its values make no sense.
pub fn model(path: &Path, seed: u64) -> Result<Vec<u8>> {
    let text = files::read_text_file(path, MAX_BYTES)
        .with_context(|| format!("cannot read {}", path.display()))?;
    from_text(&text, seed).with_context(|| format!("cannot make a model of {}", path.display()))
}

fn from_text(text: &str, seed: u64) -> Result<Vec<u8>> {
    let ScratchConfig { model, tokenizer } = toml::from_str(text)?;
    let mut w = GgufWriter::new();
    model.check(tokenizer.tokens.len())?;
    w.string("general.architecture", "llama");
    w.string("general.name", &model.name);
    let key = |name: &str| format!("llama.{name}");
    for (name, value) in [
        ("context_length", model.context),
        ("embedding_length", model.dim),
        ("block_count", model.layers),
        ("feed_forward_length", model.ffn),
        ("attention.head_count", model.heads),
        ("attention.head_count_kv", model.kv_heads),
        ("rope.dimension_count", model.dim / model.heads),
        ("vocab_size", tokenizer.tokens.len()),
    ] {
        // Checked to be at most `MAX_SIZE`.
        w.u32(&key(name), value as u32);
    }
    w.f32(&key("attention.layer_norm_rms_epsilon"), model.norm_eps);
    w.f32(&key("rope.freq_base"), model.rope_theta);
    tokenizer.write(&mut w)?;
    model.draw(&mut w, tokenizer.tokens.len(), seed);
    Ok(w.finish())
}

impl ScratchModel {
    fn check(&self, vocab: usize) -> Result<()> {
        let sizes = [
            ("dim", self.dim),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("ffn", self.ffn),
            ("context", self.context),
            ("the number of tokens", vocab),
        ];
        for (name, size) in sizes {
            if !(1..=MAX_SIZE).contains(&size) {
                bail!("{name} is {size}; 1 to {MAX_SIZE} is accepted");
            }
        }
        let ScratchModel { dim, heads, .. } = *self;
        if !dim.is_multiple_of(2 * heads) || !heads.is_multiple_of(self.kv_heads) {
            bail!(
                "dim {dim} has to be an even multiple of heads {heads}, and heads a multiple of kv_heads {}",
                self.kv_heads
            );
        }
        let positive = |x: f32| x.is_finite() && x > 0.0;
        if !(positive(self.rope_theta) && positive(self.norm_eps) && positive(self.init_std)) {
            bail!("rope_theta, norm_eps and init_std have to be positive");
        }
        let block = self.dim.saturating_mul(2 * self.dim + 3 * self.ffn);
        let parameters = block
            .saturating_mul(self.layers)
            .saturating_add(vocab * self.dim);
        if parameters > MAX_PARAMETERS {
            bail!("it would have {parameters} parameters, more than the {MAX_PARAMETERS} accepted");
        }
        Ok(())
    }

    /// Normal with the given deviation; what writes to the residual stream is scaled down by
    /// √(2 · layers), as GPT-2 does, so that the stream does not grow with depth.
    fn draw(&self, w: &mut GgufWriter, vocab: usize, seed: u64) {
        let mut drawn = 0u64;
        let mut matrix = |w: &mut GgufWriter, name: &str, rows: usize, columns: usize, std: f32| {
            drawn += 1;
            let key = mix(seed, drawn);
            let values: Vec<u8> = (0..rows * columns)
                .flat_map(|i| (normal(key, i as u64) * std).to_le_bytes())
                .collect();
            w.tensor(name, &[rows, columns], 0, values);
        };
        let ones = |w: &mut GgufWriter, name: &str| {
            let bytes = [1f32.to_le_bytes()].repeat(self.dim).concat();
            w.tensor(name, &[self.dim], 0, bytes);
        };
        let std = self.init_std;
        let residual = std / (2.0 * self.layers as f32).sqrt();
        let kv = self.dim / self.heads * self.kv_heads;
        matrix(w, "token_embd.weight", vocab, self.dim, std);
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            ones(w, &name("attn_norm"));
            ones(w, &name("ffn_norm"));
            matrix(w, &name("attn_q"), self.dim, self.dim, std);
            matrix(w, &name("attn_k"), kv, self.dim, std);
            matrix(w, &name("attn_v"), kv, self.dim, std);
            matrix(w, &name("attn_output"), self.dim, self.dim, residual);
            matrix(w, &name("ffn_gate"), self.ffn, self.dim, std);
            matrix(w, &name("ffn_up"), self.ffn, self.dim, std);
            matrix(w, &name("ffn_down"), self.dim, self.ffn, residual);
        }
        ones(w, "output_norm.weight");
    }
}

impl ScratchTokenizer {
    fn write(&self, w: &mut GgufWriter) -> Result<()> {
        if self.types.len() != self.tokens.len() {
            bail!(
                "the tokenizer has {} tokens and {} types",
                self.tokens.len(),
                self.types.len()
            );
        }
        w.string("tokenizer.ggml.model", &self.model);
        w.string("tokenizer.ggml.pre", &self.pre);
        w.strings("tokenizer.ggml.tokens", &self.tokens);
        w.i32s("tokenizer.ggml.token_type", &self.types);
        w.strings("tokenizer.ggml.merges", &self.merges);
        w.bool("tokenizer.ggml.add_bos_token", false);
        w.string("tokenizer.chat_template", &self.chat_template);
        for (name, token) in [
            ("bos", self.bos.as_ref()),
            ("eos", Some(&self.eos)),
            ("padding", self.pad.as_ref()),
        ] {
            let Some(token) = token else { continue };
            let id = self.tokens.iter().position(|t| t == token);
            let id = id.with_context(|| format!("the vocabulary has no token {token:?}"))?;
            w.u32(&format!("tokenizer.ggml.{name}_token_id"), id as u32);
        }
        Ok(())
    }
}

/// A normal draw (Box and Muller).
fn normal(key: u64, index: u64) -> f32 {
    // Never 0, whose logarithm is not finite.
    let u = 1.0 - unit(mix(key, 2 * index));
    let v = unit(mix(key, 2 * index + 1));
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_model::decoder::Decoder;
    use s1_model::gguf::Gguf;

    const TEXT: &str = r#"
        [model]
        name = "small"
        dim = 32
        layers = 2
        heads = 2
        kv_heads = 1
        ffn = 64
        context = 128
        [tokenizer]
        model = "gpt2"
        pre = "llama-bpe"
        tokens = ["a", "b", "<|im_end|>"]
        types = [1, 1, 3]
        eos = "<|im_end|>"
        chat_template = "x"
    "#;

    #[test]
    fn what_is_made_is_a_model_and_the_seed_decides() {
        let bytes = from_text(TEXT, 1).unwrap();
        let gguf = Gguf::from_bytes(bytes.clone()).unwrap();
        let decoder = Decoder::load(&gguf, &s1_model::device::Place::Host, &mut |_| true).unwrap();
        assert_eq!(decoder.config().vocab, 3);
        assert_eq!(bytes, from_text(TEXT, 1).unwrap());
        assert_ne!(bytes, from_text(TEXT, 2).unwrap());
    }

    #[test]
    fn draws_are_normal() {
        let draws: Vec<f32> = (0..10_000).map(|i| normal(5, i)).collect();
        let mean = draws.iter().sum::<f32>() / 1e4;
        let variance = draws.iter().map(|x| x * x).sum::<f32>() / 1e4;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }

    #[test]
    fn shapes_that_make_no_sense_are_refused() {
        let refused = |from: &str, to: &str| {
            format!("{:#}", from_text(&TEXT.replace(from, to), 1).unwrap_err())
        };
        assert!(refused("heads = 2\n", "heads = 3\n").contains("multiple of heads 3"));
        assert!(refused("layers = 2", "layers = 0").contains("layers is 0"));
        assert!(refused("ffn = 64", "ffn = 60000000").contains("ffn is 60000000"));
        assert!(refused("[1, 1, 3]", "[1]").contains("3 tokens and 1 types"));
        assert!(refused("eos = \"<|im_end|>\"", "eos = \"x\"").contains("no token \"x\""));
    }
}
