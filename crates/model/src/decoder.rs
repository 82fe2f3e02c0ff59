//! The decoder: one transformer, from token ids to logits.
//!
//! Llama, Qwen 2, Qwen 3 and Gemma 3 are the same computation with different flags, all read from
//! the model file ([`ModelConfig`]). Lanes of unequal length go through it together: everything but
//! attention runs once over the rows of all lanes, attention runs for each lane over its own cache.
//!
//! Not here: what the tokens mean, which one to take next, and how matrices are multiplied
//! ([`crate::weights`]).

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};

use super::adapter::PeftAdapter;
use super::cache::Cache;
use super::config::ModelConfig;
use super::gguf::Gguf;
use super::weights::{Linear, Matrix, Weights};

mod attention;
mod layer;
mod ops;
mod rope;

use layer::{DecoderLayer, Span};
pub use rope::Rope;

/// Which rows of logits a forward pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logits {
    /// One row for every appended token, lane after lane.
    All,
    /// One row for each lane: its last token's.
    Last,
    /// No rows: the tokens are only remembered.
    None,
}

/// A model ready to compute.
#[derive(Debug)]
pub struct Decoder {
    config: ModelConfig,
    device: Device,
    embedding: Matrix,
    layers: Vec<DecoderLayer>,
    norm: Tensor,
    output: Linear,
    rope: Rope,
    local_rope: Rope,
}

impl Decoder {
    /// Builds the decoder from a model file.
    ///
    /// `progress` is told the fraction done and stops the loading by returning false.
    ///
    /// Fails with one sentence if the architecture is not supported, if a hyper-parameter or a
    /// tensor's shape makes no sense, or if the memory does not suffice.
    pub fn load(
        gguf: &Gguf,
        device: &Device,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Decoder> {
        let Some([vocab, _]) = gguf.tensor("token_embd.weight").map(|t| &t.shape[..]) else {
            bail!("the file has no tensor token_embd.weight with two dimensions");
        };
        let config = ModelConfig::read(gguf, *vocab)?;
        let weights = Weights::new(gguf, device);
        super::memory::require(
            weights.memory_bytes(),
            "the model",
            "use a smaller or more strongly quantized one",
        )?;

        let steps = config.layers as f32 + 1.0;
        let mut step = |done: usize| match progress(done as f32 / steps) {
            true => Ok(()),
            false => bail!("loading was cancelled"),
        };
        step(0)?;
        let embedding = weights.matrix("token_embd.weight", config.vocab, config.hidden)?;
        let output = match weights.contains("output.weight") {
            true => weights.linear("output", config.vocab, config.hidden)?,
            false => Linear::new(&embedding, None)?,
        };
        let mut layers = Vec::new();
        for index in 0..config.layers {
            step(index + 1)?;
            layers.push(DecoderLayer::load(&weights, &config, index)?);
        }
        let divisors = weights.optional_vector("rope_freqs.weight", config.rope.dims / 2)?;
        let divisors = divisors.map(|d| d.to_vec1::<f32>()).transpose()?;
        let rope = Rope::new(&config.rope, divisors.as_deref())?;
        let local_rope = Rope::new(&config.local_rope, None)?;
        let norm = weights.vector("output_norm.weight", config.hidden)?;
        let device = device.clone();
        progress(1.0);
        Ok(Decoder {
            config,
            device,
            embedding,
            layers,
            norm,
            output,
            rope,
            local_rope,
        })
    }

    /// Adds an adapter's low-rank factors to the linear layers they were trained for.
    ///
    /// # Errors
    /// If the adapter has a layer that this model does not have.
    pub fn apply_adapter(&mut self, adapter: &PeftAdapter) -> Result<()> {
        for (prefix, factors) in &adapter.layers {
            let linear = match prefix.strip_prefix("blk.").and_then(|p| p.split_once('.')) {
                Some((index, part)) => index
                    .parse()
                    .ok()
                    .and_then(|index: usize| self.layers.get_mut(index))
                    .and_then(|layer| layer.linear_mut(part)),
                None => (prefix == "output").then_some(&mut self.output),
            };
            linear
                .with_context(|| format!("the adapter has {prefix}, but the model does not"))?
                .add_low_rank(factors, &self.device)?;
        }
        Ok(())
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// An empty cache for one lane with room for `capacity` tokens.
    pub fn new_cache(&self, capacity: usize) -> Result<Cache> {
        Cache::new(&self.config, capacity, &self.device)
    }

    /// Appends each lane's tokens to its cache and returns the logits asked for as f32
    /// `[rows, vocab]`, rows in the order of the lanes and their tokens.
    ///
    /// Fails, leaving the lengths of all caches as they were, if there is no lane, if a lane has
    /// no token, if a token is beyond the vocabulary, or if a cache has too little room.
    pub fn forward(
        &self,
        lanes: &mut [(&mut Cache, &[u32])],
        want: Logits,
    ) -> Result<Option<Tensor>> {
        let spans = self.check(lanes)?;
        let logits = self
            .compute(lanes, &spans, want)
            .context("the forward pass failed")?;
        for (cache, tokens) in lanes.iter_mut() {
            cache.advance(tokens.len());
        }
        Ok(logits)
    }

    /// Checks the request and lays the lanes out in one batch of rows.
    fn check(&self, lanes: &[(&mut Cache, &[u32])]) -> Result<Vec<Span>> {
        if lanes.is_empty() {
            bail!("there is no lane to compute");
        }
        let mut spans = Vec::with_capacity(lanes.len());
        let mut row = 0;
        for (cache, tokens) in lanes {
            if tokens.is_empty() {
                bail!("a lane has no tokens to append");
            }
            if let Some(token) = tokens.iter().find(|&&t| t as usize >= self.config.vocab) {
                bail!(
                    "token {token} is beyond the vocabulary of {}",
                    self.config.vocab
                );
            }
            if tokens.len() > cache.capacity() - cache.len() {
                bail!(
                    "the context is full: {} tokens do not fit after {} of {}",
                    tokens.len(),
                    cache.len(),
                    cache.capacity()
                );
            }
            if cache.layers().len() != self.config.layers {
                bail!("the cache belongs to another model");
            }
            spans.push(Span {
                row,
                tokens: tokens.len(),
                position: cache.len(),
            });
            row += tokens.len();
        }
        Ok(spans)
    }

    fn compute(
        &self,
        lanes: &[(&mut Cache, &[u32])],
        spans: &[Span],
        want: Logits,
    ) -> candle_core::Result<Option<Tensor>> {
        let ids: Vec<u32> = lanes
            .iter()
            .flat_map(|(_, tokens)| tokens.iter().copied())
            .collect();
        let positions: Vec<u32> = spans
            .iter()
            .flat_map(|s| (s.position..s.position + s.tokens).map(|p| p as u32))
            .collect();
        let wanted = self.wanted_rows(spans, want)?;

        let ids = Tensor::from_vec(ids, positions.len(), &self.device)?;
        let mut x = self.embedding.rows(&ids)?;
        if self.config.embedding_scale != 1.0 {
            x = (x * f64::from(self.config.embedding_scale))?;
        }
        let rotation = self.rope.at(&positions, &self.device)?;
        let local_rotation = match self.config.window {
            Some(_) => Some(self.local_rope.at(&positions, &self.device)?),
            None => None,
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let window = self.config.window_of(index);
            let rotation = match (&local_rotation, window) {
                (Some(local), Some(_)) => local,
                _ => &rotation,
            };
            let caches = lanes.iter().map(|(cache, _)| &cache.layers()[index]);
            let heads = layer.attend(&self.config, &x, rotation, window, spans, caches)?;
            // After the last attention nothing looks at other rows any more.
            let (x_kept, heads) = match &wanted {
                _ if index + 1 < self.layers.len() => (x, heads),
                WantedRows::All => (x, heads),
                WantedRows::Some(rows) => (x.index_select(rows, 0)?, heads.index_select(rows, 0)?),
                WantedRows::None => return Ok(None),
            };
            x = layer.feed_forward(&self.config, x_kept, &heads)?;
        }
        let x = ops::rms_norm(&x, &self.norm, self.config.norm_eps)?;
        let logits = self.output.forward(&x)?;
        Ok(Some(match self.config.logit_softcap.map(f64::from) {
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        }))
    }

    fn wanted_rows(&self, spans: &[Span], want: Logits) -> candle_core::Result<WantedRows> {
        Ok(match want {
            Logits::None => WantedRows::None,
            Logits::Last if spans.iter().any(|s| s.tokens > 1) => {
                let last = spans
                    .iter()
                    .map(|s| (s.row + s.tokens - 1) as u32)
                    .collect();
                WantedRows::Some(Tensor::from_vec(last, spans.len(), &self.device)?)
            }
            // With one token each, the last rows are all rows.
            Logits::Last | Logits::All => WantedRows::All,
        })
    }
}

/// Rows to compute logits for.
enum WantedRows {
    All,
    Some(Tensor),
    None,
}

#[cfg(test)]
mod tests;
