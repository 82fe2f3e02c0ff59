//! Hyper-parameters: read from a file's metadata and checked before anything is built from them.

use std::f64::consts::TAU;

use anyhow::{Result, bail};

use crate::gguf::Gguf;
use crate::names;

/// Upper limits, far above any published model, that keep every product of sizes in range.
const MAX_LAYERS: usize = 1024;
const MAX_HIDDEN: usize = 1 << 17;
const MAX_HEADS: usize = 1024;
const MAX_HEAD_DIM: usize = 4096;
const MAX_FFN: usize = 1 << 20;
const MAX_EXPERTS: usize = 1024;
const MAX_CONTEXT: usize = 1 << 27;
const MAX_STREAMS: usize = 16;

/// Every sixth layer of Gemma 3 sees the whole context, unless the file says otherwise.
const GEMMA3_WINDOW_PERIOD: usize = 6;
/// Rope base of Gemma 3's windowed layers, unless the file gives one.
const GEMMA3_LOCAL_ROPE_BASE: f32 = 10_000.0;
/// Every second one of gpt-oss.
const GPT_OSS_WINDOW_PERIOD: usize = 2;
/// Every fifth one of Gemma 3n.
const GEMMA3N_WINDOW_PERIOD: usize = 5;
/// Layers of Gemma 3n with keys and values of their own, unless the file says otherwise.
const GEMMA3N_OWN_KV: usize = 20;
/// Every fourth layer of SmolLM3 has no rotary embedding, unless the file says otherwise.
const SMOLLM3_UNROTATED_PERIOD: usize = 4;
/// Gemma 3 27B, recognised by its layer count, scales attention by another head size.
const GEMMA3_27B_LAYERS: usize = 62;

/// The non-linearity of the gated feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// Of gpt-oss: `x · sigmoid(1.702 · x)` of at most 7, and one more than what it is multiplied
    /// with, which lies between -7 and 7.
    ClampedSwiglu,
}

impl Activation {
    /// The largest gate, and the largest and least factor on it, of [`Activation::ClampedSwiglu`].
    pub const LIMIT: f32 = 7.0;
    /// What its gate is multiplied with inside the sigmoid.
    pub const SLOPE: f32 = 1.702;

    /// `activation(gate) · up` of [`Activation::ClampedSwiglu`].
    pub fn clamped(gate: f32, up: f32) -> f32 {
        let gate = gate.min(Self::LIMIT);
        let up = up.clamp(-Self::LIMIT, Self::LIMIT);
        (up + 1.0) * gate / (1.0 + (-Self::SLOPE * gate).exp())
    }
}

/// Which elements of a head form a rotated pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeLayout {
    /// Elements `2i` and `2i + 1`.
    Interleaved,
    /// Elements `i` and `i + dims / 2`.
    HalfSplit,
}

/// How frequencies are stretched beyond the trained context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    None,
    /// All frequencies divided by the factor.
    Linear {
        factor: f32,
    },
    /// YaRN (<https://arxiv.org/abs/2309.00071>): low frequencies divided, high ones kept, a ramp
    /// between.
    Yarn {
        /// The divisor of the low frequencies.
        factor: f32,
        /// Tokens the model saw before it was stretched.
        original_context: usize,
        /// Extra factor on the magnitude `0.1 · ln(factor) + 1`.
        attention_factor: f32,
        /// Rotations over the original context above which a frequency is kept.
        beta_fast: f32,
        /// Rotations below which it is divided.
        beta_slow: f32,
        /// Whether the ramp begins and ends at whole pairs.
        whole: bool,
    },
    /// LongRoPE (<https://arxiv.org/abs/2402.13753>): every frequency has a divisor of its own, one
    /// for contexts up to the original and another for longer ones.
    LongRope {
        /// Tokens the model saw before it was stretched.
        original_context: usize,
        /// The magnitude.
        attention_factor: f32,
    },
}

/// Llama 3's way of stretching: low frequencies divided, high ones kept, a ramp between. Files have
/// only the divisors that come of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Llama3Scaling {
    /// The divisor of the low frequencies.
    pub factor: f64,
    /// Rotations over the original context below which a frequency is divided by all of it.
    pub low: f64,
    /// Rotations above which it is kept.
    pub high: f64,
    /// Tokens the model saw before it was stretched.
    pub original_context: f64,
}

impl Llama3Scaling {
    /// The divisors of the frequencies.
    pub fn divisors(&self, base: f64, dims: u32) -> Vec<f32> {
        let divisor = |pair: u32| {
            let turn = base.powf(2.0 * f64::from(pair) / f64::from(dims)) * TAU;
            let turns = self.original_context / turn;
            let smooth = ((turns - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
            (1.0 / ((1.0 - smooth) / self.factor + smooth)) as f32
        };
        (0..(dims / 2).min(1 << 16)).map(divisor).collect()
    }

    /// The settings that these divisors came of, if they are those of a model that was published.
    pub fn of_divisors(divisors: &[f32], base: f64) -> Option<Llama3Scaling> {
        let scaling = Llama3Scaling {
            factor: f64::from(divisors.iter().copied().fold(1.0, f32::max)),
            ..Llama3Scaling::default()
        };
        let dims = u32::try_from(divisors.len() * 2).ok()?;
        let theirs = scaling.divisors(base, dims);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * b;
        (theirs.len() == divisors.len() && divisors.iter().zip(&theirs).all(near))
            .then_some(scaling)
    }
}

impl Default for Llama3Scaling {
    /// What all of Llama 3.1 to 3.3 have but for the factor.
    fn default() -> Llama3Scaling {
        Llama3Scaling {
            factor: 8.0,
            low: 1.0,
            high: 4.0,
            original_context: 8192.0,
        }
    }
}

/// The rotary embedding of a kind of layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeConfig {
    pub layout: RopeLayout,
    /// How many leading elements of a head are rotated; even, at most the head's width.
    pub dims: usize,
    /// Base of the geometric series of frequencies.
    pub base: f32,
    /// Stretching.
    pub scaling: RopeScaling,
}

/// Layers that see only the latest tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Number of tokens visible, the current one included.
    pub size: usize,
    /// Of each layer whether it is one of them.
    pub layers: Vec<bool>,
}

/// Queries that are the longer, the further back in the text the first token lies, so that attention
/// stays as sharp over a long context (from Llama 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PositionScale {
    pub slope: f32,
    /// Tokens after which a query grows.
    pub period: usize,
}

impl PositionScale {
    /// The factor on the queries of a position.
    pub fn at(&self, position: usize) -> f32 {
        1.0 + self.slope * (1.0 + (position / self.period) as f32).ln()
    }
}

/// Feed-forward networks of which each token goes through few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertConfig {
    pub count: usize,
    /// How many of them a token goes through.
    pub used: usize,
    /// Width of one.
    pub ffn: usize,
    /// Width of one more, that every token goes through.
    pub shared_ffn: Option<usize>,
    /// Whether the weights of those used come to 1.
    pub normalized: bool,
}

/// What Gemma 3n has around its layers: several residual streams, of which each layer computes with one
/// and corrects them all by what became of it (AltUp), a low-rank way past attention (LAuReL), and a
/// further embedding of the token for every layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamConfig {
    /// How many.
    pub count: usize,
    /// The one that layers compute with.
    pub active: usize,
    /// Width of the way past attention.
    pub laurel: usize,
    /// Width of the embedding for a layer.
    pub embedding: usize,
    /// Tokens that have one; others have that of the first.
    pub embedded: usize,
}

/// What one transformer needs to know to be any of [`ARCHITECTURES`].
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// `general.architecture`.
    pub architecture: String,
    /// Number of token ids, the rows of the embedding. May exceed the tokenizer's vocabulary.
    pub vocab: usize,
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one query or key head.
    pub head_dim: usize,
    /// Width of one value head.
    pub value_dim: usize,
    /// Width of the feed-forward layer.
    pub ffn: usize,
    /// What stands in its place in a mixture of experts.
    pub experts: Option<ExpertConfig>,
    /// What stands around the layers, if anything does.
    pub streams: Option<StreamConfig>,
    /// The layers, from the first, with keys and values of their own. A later one sees those of the last of
    /// them that is windowed as it is.
    pub own_kv: usize,
    /// For each layer by how many standard deviations a gate has to stand out to be open; `None` where all
    /// are. Empty if there is none like that.
    pub sparsity: Vec<Option<f32>>,
    /// Whether values are normed, as keys are but without weights.
    pub value_norm: bool,
    /// Number of tokens the model was trained to see.
    pub context_length: usize,
    /// Rotary embedding of layers that see everything.
    pub rope: RopeConfig,
    /// Rotary embedding of windowed layers.
    pub local_rope: RopeConfig,
    /// Which layers are windowed, if any.
    pub window: Option<SlidingWindow>,
    /// The layers without a rotary embedding.
    pub unrotated: Vec<usize>,
    /// Added to the mean square in RMS norms.
    pub norm_eps: f32,
    /// Non-linearity of the feed-forward layer.
    pub activation: Activation,
    /// Factor on the embeddings.
    pub embedding_scale: f32,
    /// Factor on query · key.
    pub attention_scale: f32,
    /// A factor on the queries that grows with the position.
    pub position_scale: Option<PositionScale>,
    /// Factor on what a layer's two halves add to the residual stream.
    pub residual_scale: f32,
    /// Factor on the logits.
    pub logit_scale: f32,
    /// `c · tanh(x / c)` on attention scores.
    pub attention_softcap: Option<f32>,
    /// `c · tanh(x / c)` on logits.
    pub logit_softcap: Option<f32>,
}

/// The architectures that are computed here, by GGUF's names.
pub const ARCHITECTURES: [&str; 12] = [
    "llama", "qwen2", "qwen3", "gemma3", "smollm3", "granite", "phi3", "mistral3", "qwen2moe",
    "qwen3moe", "gpt-oss", "gemma3n",
];

impl ModelConfig {
    /// Whether this program knows the architecture of a file.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_architecture(gguf: &Gguf) -> Result<()> {
        let architecture = gguf.architecture();
        if !ARCHITECTURES.contains(&architecture) {
            bail!(
                "the architecture {architecture:?} is not supported ({} are)",
                ARCHITECTURES.join(", ")
            );
        }
        Ok(())
    }

    /// Whether a model is computed on the CPU alone: what stands around its layers is not there in candle's
    /// tensors.
    pub fn is_for_cpu(gguf: &Gguf) -> bool {
        gguf.architecture() == "gemma3n"
    }

    /// Reads and checks the metadata. `vocab` is the number of rows of the embedding tensor.
    pub fn read(gguf: &Gguf, vocab: usize) -> Result<Self> {
        Self::check_architecture(gguf)?;
        let architecture = gguf.architecture().to_owned();
        let gemma3n = architecture == "gemma3n";
        let gemma = architecture == "gemma3" || gemma3n;
        let keys = MetadataKeys {
            gguf,
            prefix: &architecture,
        };

        let layers = keys.size("block_count", MAX_LAYERS)?;
        let hidden = keys.size("embedding_length", MAX_HIDDEN)?;
        let heads = keys.size("attention.head_count", MAX_HEADS)?;
        let kv_heads = keys.size_or("attention.head_count_kv", MAX_HEADS, heads)?;
        if !heads.is_multiple_of(kv_heads) {
            bail!("{heads} attention heads do not divide among {kv_heads} key/value heads");
        }
        let head_dim = match keys.optional_size("attention.key_length", MAX_HEAD_DIM)? {
            Some(dim) => dim,
            None if hidden.is_multiple_of(heads) && hidden / heads <= MAX_HEAD_DIM => {
                hidden / heads
            }
            None => bail!("the hidden size {hidden} does not divide among {heads} heads"),
        };
        let value_dim = keys.size_or("attention.value_length", MAX_HEAD_DIM, head_dim)?;

        // What is converted with its q and k rows reordered is reordered for this layout.
        let layout = match names::reordered_heads("blk.0.attn_q", &architecture, heads, kv_heads) {
            Some(_) => RopeLayout::Interleaved,
            None => RopeLayout::HalfSplit,
        };
        let dims = keys.size_or("rope.dimension_count", MAX_HEAD_DIM, head_dim)?;
        if dims > head_dim || !dims.is_multiple_of(2) {
            bail!("a rotary embedding of {dims} dimensions does not fit heads of {head_dim}");
        }
        let rope = RopeConfig {
            layout,
            dims,
            base: keys.positive_or("rope.freq_base", 10_000.0)?,
            scaling: rope_scaling(&keys)?,
        };
        let local_rope = match gemma {
            true => RopeConfig {
                base: keys.positive_or("rope.freq_base_swa", GEMMA3_LOCAL_ROPE_BASE)?,
                scaling: RopeScaling::None,
                ..rope
            },
            false => rope,
        };
        let default = match architecture.as_str() {
            "gemma3" => Some(GEMMA3_WINDOW_PERIOD),
            "gpt-oss" => Some(GPT_OSS_WINDOW_PERIOD),
            "gemma3n" => Some(GEMMA3N_WINDOW_PERIOD),
            _ => None,
        };
        let window = match (
            keys.optional_size("attention.sliding_window", MAX_CONTEXT)?,
            windowed(&keys, layers, default)?,
        ) {
            (Some(size), Some(layers)) => Some(SlidingWindow { size, layers }),
            // Files of other architectures name a size that nothing is computed with.
            _ => None,
        };
        let unrotated = match architecture.as_str() {
            "smollm3" => unrotated(&keys, layers)?,
            _ => Vec::new(),
        };
        let position_scale = match (keys.optional_positive("attention.temperature_scale")?, rope) {
            (None, _) => None,
            (
                Some(slope),
                RopeConfig {
                    scaling:
                        RopeScaling::Yarn {
                            original_context: period,
                            ..
                        },
                    ..
                },
            ) => Some(PositionScale { slope, period }),
            (Some(_), _) => {
                bail!("attention.temperature_scale without a stretched context has no meaning here")
            }
        };

        let scaled_dim = if architecture == "gemma3" && layers == GEMMA3_27B_LAYERS {
            hidden / heads
        } else {
            head_dim
        };
        for (name, _) in gguf.tensors() {
            if !names::is_used(name, &architecture, layers) {
                bail!(
                    "the tensor {name} is not known here; without it the model would compute something else"
                );
            }
        }
        let experts = experts(&keys)?;
        let streams = match gemma3n {
            true => Some(streams(&keys, layers)?),
            false => None,
        };
        let norm_eps = keys.positive_or("attention.layer_norm_rms_epsilon", 1e-6)?;
        Ok(Self {
            vocab,
            layers,
            hidden,
            heads,
            kv_heads,
            head_dim,
            value_dim,
            streams,
            own_kv: own_kv(&keys, layers, window.as_ref())?,
            sparsity: sparsity(&keys, layers)?,
            value_norm: gemma3n,
            ffn: keys.size("feed_forward_length", MAX_FFN)?,
            context_length: keys.size("context_length", MAX_CONTEXT)?,
            rope,
            local_rope,
            window,
            norm_eps,
            activation: match architecture.as_str() {
                "gemma3" | "gemma3n" => Activation::GeluTanh,
                "gpt-oss" => Activation::ClampedSwiglu,
                _ => Activation::Silu,
            },
            experts,
            embedding_scale: match gemma {
                true => (hidden as f32).sqrt(),
                false => keys.positive_or("embedding_scale", 1.0)?,
            },
            attention_scale: match keys.optional_positive("attention.scale")? {
                Some(scale) => scale,
                None if gemma3n => 1.0,
                None => 1.0 / (scaled_dim.max(1) as f32).sqrt(),
            },
            unrotated,
            position_scale,
            residual_scale: keys.positive_or("residual_scale", 1.0)?,
            // Granite's files have the divisor.
            logit_scale: 1.0 / keys.positive_or("logit_scale", 1.0)?,
            attention_softcap: keys.optional_positive("attn_logit_softcapping")?,
            logit_softcap: keys.optional_positive("final_logit_softcapping")?,
            architecture,
        })
    }

    /// The window of a layer; `None` where the layer sees everything.
    pub fn window_of(&self, layer: usize) -> Option<usize> {
        let window = self.window.as_ref()?;
        let windowed = window.layers.get(layer).copied().unwrap_or(false);
        windowed.then_some(window.size)
    }

    /// The layer whose keys and values a layer sees.
    pub fn kv_of(&self, layer: usize) -> usize {
        kv_of(layer, self.own_kv, self.window.as_ref()).unwrap_or(layer)
    }

    /// By how many standard deviations a gate of a layer has to stand out, if not all are open.
    pub fn sparsity_of(&self, layer: usize) -> Option<f32> {
        self.sparsity.get(layer).copied().flatten()
    }

    /// Whether a layer has a rotary embedding.
    pub fn is_rotated(&self, layer: usize) -> bool {
        !self.unrotated.contains(&layer)
    }
}

/// Of each layer whether it is windowed: by a list, or by every how many layers one sees the whole
/// context, of which `default` is the number where the file has neither.
fn windowed(
    keys: &MetadataKeys,
    layers: usize,
    default: Option<usize>,
) -> Result<Option<Vec<bool>>> {
    let key = keys.key("attention.sliding_window_pattern");
    let period = match keys.gguf.contains(&key) {
        false => default,
        true => match keys.gguf.u64(&key).and_then(|n| usize::try_from(n).ok()) {
            Some(period) if period > 0 => Some(period),
            _ => match keys.gguf.switches(&key) {
                Some(mut list) if list.len() >= layers => {
                    list.truncate(layers);
                    return Ok(Some(list));
                }
                _ => bail!(
                    "{key} does not say of each of the {layers} layers whether it is windowed"
                ),
            },
        },
    };
    Ok(period.map(|period| {
        (1..=layers)
            .map(|layer| !layer.is_multiple_of(period))
            .collect()
    }))
}

/// The layer of the first `own` whose keys and values a layer sees; `None` where none is windowed as it
/// is.
fn kv_of(layer: usize, own: usize, window: Option<&SlidingWindow>) -> Option<usize> {
    if layer < own {
        return Some(layer);
    }
    let windowed = |layer: usize| window.and_then(|window| window.layers.get(layer));
    (0..own)
        .rev()
        .find(|other| windowed(*other) == windowed(layer))
}

/// How many layers have keys and values of their own.
fn own_kv(keys: &MetadataKeys, layers: usize, window: Option<&SlidingWindow>) -> Result<usize> {
    if keys.prefix != "gemma3n" {
        return Ok(layers);
    }
    let key = keys.key("attention.shared_kv_layers");
    let shared = match keys.gguf.contains(&key) {
        false => layers.saturating_sub(GEMMA3N_OWN_KV),
        true => match keys.gguf.u64(&key).and_then(|n| usize::try_from(n).ok()) {
            Some(shared) if shared < layers => shared,
            _ => bail!("{key} is not a number of layers below {layers}"),
        },
    };
    let own = layers - shared;
    if let Some(layer) = (own..layers).find(|layer| kv_of(*layer, own, window).is_none()) {
        bail!(
            "layer {layer} has no keys and values, and no layer before it has those it could see"
        );
    }
    Ok(own)
}

/// For each layer by how many standard deviations an open gate stands out.
fn sparsity(keys: &MetadataKeys, layers: usize) -> Result<Vec<Option<f32>>> {
    let key = keys.key("activation_sparsity_scale");
    if keys.prefix != "gemma3n" || !keys.gguf.contains(&key) {
        return Ok(Vec::new());
    }
    match keys.gguf.f32s(&key) {
        // Where none has to, the share of those that are closed is 0, and that of the normal distribution
        // lies at minus infinity.
        Some(list) if list.len() == layers && list.iter().all(|x| *x < f32::INFINITY) => {
            let open = |x: &f32| Some(*x).filter(|x| x.is_finite());
            Ok(list.iter().map(open).collect())
        }
        _ => bail!("{key} does not say of each of the {layers} layers which gates are open"),
    }
}

/// What stands around the layers of Gemma 3n.
fn streams(keys: &MetadataKeys, layers: usize) -> Result<StreamConfig> {
    let count = keys.size_or("altup.num_inputs", MAX_STREAMS, 4)?;
    let key = keys.key("altup.active_idx");
    let active = keys.gguf.u64(&key).unwrap_or(0);
    let active = usize::try_from(active)
        .ok()
        .filter(|active| *active < count);
    let Some(active) = active else {
        bail!("{key} is none of the {count} streams");
    };
    let shape = |name: &str| match keys.gguf.tensor(name).map(|info| &info.shape[..]) {
        Some([rows, columns]) if *rows > 0 => Ok((*rows, *columns)),
        _ => bail!("the file has no tensor {name} with rows and columns"),
    };
    let embedding = keys.size("embedding_length_per_layer_input", MAX_HIDDEN)?;
    let (embedded, width) = shape("per_layer_token_embd.weight")?;
    if width != layers * embedding {
        bail!(
            "per_layer_token_embd.weight has {width} columns and not {embedding} for each of the {layers} layers"
        );
    }
    let (laurel, _) = shape("blk.0.laurel_l.weight")?;
    if laurel > MAX_HIDDEN {
        bail!("blk.0.laurel_l.weight has {laurel} rows; at most {MAX_HIDDEN} are accepted");
    }
    Ok(StreamConfig {
        count,
        active,
        laurel,
        embedding,
        embedded,
    })
}

/// The layers of SmolLM3 without a rotary embedding. Its GGUF files leave it at every fourth.
fn unrotated(keys: &MetadataKeys, layers: usize) -> Result<Vec<usize>> {
    let key = keys.key("rope.layers");
    let rotated: Vec<bool> = match keys.gguf.switches(&key) {
        Some(list) if list.len() >= layers => list,
        None if !keys.gguf.contains(&key) => (1..=layers)
            .map(|layer| !layer.is_multiple_of(SMOLLM3_UNROTATED_PERIOD))
            .collect(),
        _ => bail!("{key} does not say of each of the {layers} layers whether it is rotated"),
    };
    Ok((0..layers).filter(|layer| !rotated[*layer]).collect())
}

/// The mixture of experts, if the model is one.
fn experts(keys: &MetadataKeys) -> Result<Option<ExpertConfig>> {
    let mixed = matches!(keys.prefix, "qwen2moe" | "qwen3moe" | "gpt-oss");
    let none = keys.gguf.u64(&keys.key("expert_count")) == Some(0);
    let count = match none {
        true => None,
        false => keys.optional_size("expert_count", MAX_EXPERTS)?,
    };
    let Some(count) = count else {
        if mixed {
            bail!("the metadata has no {}", keys.key("expert_count"));
        }
        return Ok(None);
    };
    if !mixed {
        bail!(
            "mixtures of experts of the architecture {} are not supported",
            keys.prefix
        );
    }
    let used = keys.size("expert_used_count", count)?;
    let shared_ffn = match keys.prefix {
        "qwen2moe" => Some(keys.size("expert_shared_feed_forward_length", MAX_FFN)?),
        _ => None,
    };
    let normalized = keys.gguf.bool(&keys.key("expert_weights_norm"));
    Ok(Some(ExpertConfig {
        count,
        used,
        ffn: keys.size("expert_feed_forward_length", MAX_FFN)?,
        shared_ffn,
        normalized: normalized.unwrap_or(keys.prefix != "qwen2moe"),
    }))
}

/// `rope.scaling.*`, with the same defaults as llama.cpp and transformers.
fn rope_scaling(keys: &MetadataKeys) -> Result<RopeScaling> {
    let factor = match keys.optional_positive("rope.scaling.factor")? {
        Some(factor) => factor,
        None => keys.positive_or("rope.scale_linear", 1.0)?,
    };
    // Phi-3's files name no type; they have the divisors.
    let usual = match keys.gguf.tensor("rope_factors_long.weight") {
        Some(_) => "longrope",
        None => "linear",
    };
    match keys.text("rope.scaling.type").unwrap_or(usual) {
        // Llama 3's scaling comes as a tensor of divisors (`rope_freqs.weight`).
        "none" | "llama3" => Ok(RopeScaling::None),
        "linear" if factor == 1.0 => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear { factor }),
        "yarn" => Ok(RopeScaling::Yarn {
            factor,
            original_context: match keys
                .optional_size("rope.scaling.original_context_length", MAX_CONTEXT)?
            {
                Some(length) => length,
                None => keys.size("context_length", MAX_CONTEXT)?,
            },
            attention_factor: {
                let given = keys.positive_or("rope.scaling.attn_factor", 1.0)?;
                // The part of the usual factor that the weights have in them already.
                match keys.optional_positive("rope.scaling.yarn_log_multiplier")? {
                    Some(inside) if factor > 1.0 => given / (0.1 * inside * factor.ln() + 1.0),
                    _ => given,
                }
            },
            beta_fast: keys.positive_or("rope.scaling.yarn_beta_fast", 32.0)?,
            beta_slow: keys.positive_or("rope.scaling.yarn_beta_slow", 1.0)?,
            whole: keys.prefix != "gpt-oss",
        }),
        "longrope" => Ok(RopeScaling::LongRope {
            original_context: keys.size("rope.scaling.original_context_length", MAX_CONTEXT)?,
            attention_factor: keys.positive_or("rope.scaling.attn_factor", 1.0)?,
        }),
        other => bail!(
            "the rope scaling {other:?} is not supported (linear, yarn, longrope and llama3 are)"
        ),
    }
}

/// Metadata keys under the architecture's name.
struct MetadataKeys<'a> {
    gguf: &'a Gguf,
    prefix: &'a str,
}

impl MetadataKeys<'_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.prefix)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.gguf.string(&self.key(key))
    }

    /// A size from 1 to `max`, if the key is there.
    fn optional_size(&self, key: &str, max: usize) -> Result<Option<usize>> {
        let key = self.key(key);
        if !self.gguf.contains(&key) {
            return Ok(None);
        }
        match self.gguf.u64(&key).and_then(|v| usize::try_from(v).ok()) {
            Some(v) if (1..=max).contains(&v) => Ok(Some(v)),
            Some(v) => bail!("{key} is {v}; 1 to {max} is accepted"),
            // Some converters write a list with a number for every layer.
            None => match self.gguf.i32s(&key).unwrap_or_default().as_slice() {
                [] => bail!("{key} is not a whole number"),
                [first, rest @ ..] if rest.iter().all(|other| other == first) => {
                    match usize::try_from(*first) {
                        Ok(v) if (1..=max).contains(&v) => Ok(Some(v)),
                        _ => bail!("{key} is {first}; 1 to {max} is accepted"),
                    }
                }
                _ => bail!("{key} differs from layer to layer, which is not supported"),
            },
        }
    }

    fn size_or(&self, key: &str, max: usize, default: usize) -> Result<usize> {
        Ok(self.optional_size(key, max)?.unwrap_or(default))
    }

    fn size(&self, key: &str, max: usize) -> Result<usize> {
        match self.optional_size(key, max)? {
            Some(size) => Ok(size),
            None => bail!("the metadata has no {}", self.key(key)),
        }
    }

    /// A finite number; zero and below count as absent, as writers use zero for "off".
    fn optional_positive(&self, key: &str) -> Result<Option<f32>> {
        let key = self.key(key);
        if !self.gguf.contains(&key) {
            return Ok(None);
        }
        match self.gguf.f32(&key) {
            Some(v) if v.is_finite() => Ok((v > 0.0).then_some(v)),
            _ => bail!("{key} is not a finite number"),
        }
    }

    fn positive_or(&self, key: &str, default: f32) -> Result<f32> {
        Ok(self.optional_positive(key)?.unwrap_or(default))
    }
}
