//! Hyper-parameters: read from a file's metadata and checked before anything is built from them.

use anyhow::{Result, bail};

use crate::gguf::Gguf;
use crate::names;

/// Upper limits, far above any published model, that keep every product of sizes in range.
const MAX_LAYERS: usize = 1024;
const MAX_HIDDEN: usize = 1 << 17;
const MAX_HEADS: usize = 1024;
const MAX_HEAD_DIM: usize = 4096;
const MAX_FFN: usize = 1 << 20;
const MAX_CONTEXT: usize = 1 << 27;

/// Every sixth layer of Gemma 3 sees the whole context, unless the file says otherwise.
const GEMMA3_WINDOW_PERIOD: usize = 6;
/// Rope base of Gemma 3's windowed layers, unless the file gives one.
const GEMMA3_LOCAL_ROPE_BASE: f32 = 10_000.0;
/// Gemma 3 27B, recognised by its layer count, scales attention by another head size.
const GEMMA3_27B_LAYERS: usize = 62;

/// The non-linearity of the gated feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
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
    },
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Number of tokens visible, the current one included.
    pub size: usize,
    /// Every `period`-th layer sees everything instead.
    pub period: usize,
}

/// What one transformer needs to know to be Llama, Qwen 2, Qwen 3 or Gemma 3.
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
    /// Number of tokens the model was trained to see.
    pub context_length: usize,
    /// Rotary embedding of layers that see everything.
    pub rope: RopeConfig,
    /// Rotary embedding of windowed layers.
    pub local_rope: RopeConfig,
    /// Which layers are windowed, if any.
    pub window: Option<SlidingWindow>,
    /// Added to the mean square in RMS norms.
    pub norm_eps: f32,
    /// Non-linearity of the feed-forward layer.
    pub activation: Activation,
    /// Factor on the embeddings.
    pub embedding_scale: f32,
    /// Factor on query · key.
    pub attention_scale: f32,
    /// `c · tanh(x / c)` on attention scores.
    pub attention_softcap: Option<f32>,
    /// `c · tanh(x / c)` on logits.
    pub logit_softcap: Option<f32>,
}

impl ModelConfig {
    /// Whether this program knows the architecture of a file.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_architecture(gguf: &Gguf) -> Result<()> {
        match gguf.architecture() {
            "llama" | "qwen2" | "qwen3" | "gemma3" => Ok(()),
            other => bail!(
                "the architecture {other:?} is not supported (llama, qwen2, qwen3 and gemma3 are)"
            ),
        }
    }

    /// Reads and checks the metadata. `vocab` is the number of rows of the embedding tensor.
    pub fn read(gguf: &Gguf, vocab: usize) -> Result<Self> {
        Self::check_architecture(gguf)?;
        let architecture = gguf.architecture().to_owned();
        let gemma = architecture == "gemma3";
        if gguf
            .u64(&format!("{architecture}.expert_count"))
            .is_some_and(|n| n > 0)
        {
            bail!("mixture-of-experts models are not supported");
        }
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

        let layout = match architecture.as_str() {
            // llama files are converted with their q and k rows permuted for this layout.
            "llama" => RopeLayout::Interleaved,
            _ => RopeLayout::HalfSplit,
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
        let local_base = keys.positive_or("rope.freq_base_swa", GEMMA3_LOCAL_ROPE_BASE)?;
        let local_rope = RopeConfig {
            base: local_base,
            scaling: RopeScaling::None,
            ..rope
        };
        let window = match keys.optional_size("attention.sliding_window", MAX_CONTEXT)? {
            Some(size) if gemma => Some(SlidingWindow {
                size,
                period: window_period(&keys, layers)?,
            }),
            _ => None,
        };

        let scaled_dim = if gemma && layers == GEMMA3_27B_LAYERS {
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
        let norm_eps = keys.positive_or("attention.layer_norm_rms_epsilon", 1e-6)?;
        Ok(Self {
            vocab,
            layers,
            hidden,
            heads,
            kv_heads,
            head_dim,
            value_dim,
            ffn: keys.size("feed_forward_length", MAX_FFN)?,
            context_length: keys.size("context_length", MAX_CONTEXT)?,
            rope,
            local_rope,
            window,
            norm_eps,
            activation: if gemma {
                Activation::GeluTanh
            } else {
                Activation::Silu
            },
            embedding_scale: if gemma { (hidden as f32).sqrt() } else { 1.0 },
            attention_scale: 1.0 / (scaled_dim.max(1) as f32).sqrt(),
            attention_softcap: keys.optional_positive("attn_logit_softcapping")?,
            logit_softcap: keys.optional_positive("final_logit_softcapping")?,
            architecture,
        })
    }

    /// The window of a layer; `None` where the layer sees everything.
    pub fn window_of(&self, layer: usize) -> Option<usize> {
        self.window
            .filter(|w| !(layer + 1).is_multiple_of(w.period))
            .map(|w| w.size)
    }
}

/// Every how many layers one sees the whole context: a number, or a list that says of each layer
/// whether it is windowed.
fn window_period(keys: &MetadataKeys, layers: usize) -> Result<usize> {
    let key = keys.key("attention.sliding_window_pattern");
    if !keys.gguf.contains(&key) {
        return Ok(GEMMA3_WINDOW_PERIOD);
    }
    if let Some(period) = keys.gguf.u64(&key).and_then(|n| usize::try_from(n).ok())
        && period > 0
    {
        return Ok(period);
    }
    let windowed = keys.gguf.switches(&key).unwrap_or_default();
    let fits = |period: &usize| {
        windowed.len() >= layers
            && (0..layers).all(|layer| windowed[layer] != (layer + 1).is_multiple_of(*period))
    };
    match (1..=layers + 1).find(fits) {
        Some(period) => Ok(period),
        None => bail!("{key} is no pattern that repeats with one layer that sees everything"),
    }
}

/// `rope.scaling.*`, with the same defaults as llama.cpp and transformers.
fn rope_scaling(keys: &MetadataKeys) -> Result<RopeScaling> {
    let factor = match keys.optional_positive("rope.scaling.factor")? {
        Some(factor) => factor,
        None => keys.positive_or("rope.scale_linear", 1.0)?,
    };
    match keys.text("rope.scaling.type").unwrap_or("linear") {
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
            attention_factor: keys.positive_or("rope.scaling.attn_factor", 1.0)?,
            beta_fast: keys.positive_or("rope.scaling.yarn_beta_fast", 32.0)?,
            beta_slow: keys.positive_or("rope.scaling.yarn_beta_slow", 1.0)?,
        }),
        other => bail!("the rope scaling {other:?} is not supported (linear, yarn and llama3 are)"),
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
