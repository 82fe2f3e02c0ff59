//! The decoder: one transformer, from token ids to logits.
//!
//! All architectures are the same computation with different flags, all read from the model file
//! ([`ModelConfig`]). Lanes of unequal length go through it together: everything but
//! attention runs once over the rows of all lanes, attention runs for each lane over its own cache.
//!
//! Not here: what the tokens mean, which one to take next, and how matrices are multiplied
//! ([`crate::weights`]).

use std::sync::Arc;

use anyhow::{Result, bail};

use super::adapter::PeftAdapter;
use super::cache::{Cache, CacheType};
use super::config::{ModelConfig, RopeScaling};
use super::device::Place;
use super::gguf::Gguf;
use super::kernels::kv::SpareSegments;
use super::logits::PositionLogits;
use super::weights::Weights;

pub(crate) mod device;
mod host;
mod layer;
mod rope;
mod router;

use device::TensorDecoder;
use host::HostDecoder;
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

/// Where a lane's new tokens lie: in the batch and in the lane's cache.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// First row of the batch.
    row: usize,
    /// Number of rows.
    tokens: usize,
    /// Position of the first token in the lane.
    position: usize,
}

/// A rotary embedding, after the longest context that has another.
type LongRope = (usize, Rope);

/// A model ready to compute.
#[derive(Debug)]
pub struct Decoder {
    config: ModelConfig,
    place: Place,
    body: Body,
    rope: Rope,
    local_rope: Rope,
    /// What takes the place of both in long contexts.
    long_rope: Option<LongRope>,
    /// How caches keep their numbers. Models are published and measured with keys and values
    /// remembered in half precision; weights that are rounded themselves are best followed there.
    cache: CacheType,
    /// How they would without anybody's wish.
    suggested: CacheType,
    /// Memory of caches that are over.
    spare: Arc<SpareSegments>,
}

#[derive(Debug)]
enum Body {
    Host(Box<HostDecoder>),
    Tensor(Box<TensorDecoder>),
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
        place: &Place,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Decoder> {
        // What is no such model has other tensors, too: say the first thing first.
        ModelConfig::check_architecture(gguf)?;
        let Some([vocab, _]) = gguf.tensor("token_embd.weight").map(|t| &t.shape[..]) else {
            bail!("the file has no tensor token_embd.weight with two dimensions");
        };
        let config = ModelConfig::read(gguf, *vocab)?;
        if ModelConfig::is_for_cpu(gguf) && matches!(place, Place::Tensors(_)) {
            bail!(
                "the architecture {} is computed on the CPU alone, not on {}: give --device cpu",
                config.architecture,
                place.name()
            );
        }
        let weights = Weights::new(gguf);
        if place.is_cpu() {
            super::memory::require(
                gguf.weights_bytes(),
                "the model",
                "use a smaller or more strongly quantized one",
            )?;
        }

        let steps = config.layers as f32 + 1.0;
        let mut step = |done: usize| match progress(done as f32 / steps) {
            true => Ok(()),
            false => bail!("loading was cancelled"),
        };
        step(0)?;
        let body = match place {
            Place::Host => {
                let host = HostDecoder::load(&weights, &config, &mut step)?;
                Body::Host(Box::new(host))
            }
            Place::Tensors(device) => {
                let tensors = TensorDecoder::load(&weights, &config, device, &mut step)?;
                Body::Tensor(Box::new(tensors))
            }
        };
        let (rope, local_rope, long_rope) = ropes(&weights, &config)?;
        progress(1.0);
        Ok(Decoder {
            cache: weights.cache_type(),
            suggested: weights.cache_type(),
            spare: Arc::default(),
            config,
            place: place.clone(),
            body,
            rope,
            local_rope,
            long_rope,
        })
    }

    /// Prepares it for contexts of so many tokens: some models have a rotary embedding for long ones
    /// and another for short ones. What a cache remembers is of the one it was computed with.
    pub fn for_context(mut self, tokens: usize) -> Decoder {
        if let Some((_, long)) = self.long_rope.take_if(|(above, _)| tokens > *above) {
            // Windowed layers of such models are rotated like the others.
            (self.rope, self.local_rope) = (long.clone(), long);
        }
        self
    }

    /// Has caches keep their numbers so instead; `None` is as the weights suggest.
    ///
    /// # Errors
    /// If there are no such caches where it computes.
    pub fn with_cache(mut self, kind: Option<CacheType>) -> Result<Decoder> {
        if let Some(kind) = kind {
            if matches!(self.place, Place::Tensors(_)) && kind == CacheType::Q8_0 {
                bail!(
                    "a cache of {} is for the CPU: on {} it is f16 or f32",
                    kind.name(),
                    self.place.name(),
                );
            }
            self.cache = kind;
        }
        Ok(self)
    }

    /// How caches keep their numbers, where that is somebody's wish and not what the weights suggest.
    pub fn chosen_cache(&self) -> Option<CacheType> {
        (self.cache != self.suggested).then_some(self.cache)
    }

    /// Has it keep ready what tokens are drawn from by [`Decoder::next_logits`]: ids below `vocab`, of
    /// which the probabilities of those `named` are always looked at. Where a device computes, the rest
    /// stays there.
    ///
    /// # Errors
    /// If the device has no room for that.
    pub fn drawn_from(mut self, vocab: usize, named: &[u32]) -> Result<Decoder> {
        if let Body::Tensor(tensors) = &mut self.body {
            tensors.draw_from(vocab.min(self.config.vocab), named)?;
        }
        Ok(self)
    }

    /// Adds an adapter's low-rank factors to the linear layers they were trained for.
    ///
    /// # Errors
    /// If the adapter has a layer that this model does not have.
    pub fn apply_adapter(&mut self, adapter: &PeftAdapter) -> Result<()> {
        for (prefix, factors) in &adapter.layers {
            match &mut self.body {
                Body::Host(host) => host.add_low_rank(prefix, factors)?,
                Body::Tensor(tensors) => tensors.add_low_rank(prefix, factors)?,
            }
        }
        Ok(())
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where it computes.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Bytes of weights that computing one token reads.
    pub fn weight_bytes_per_token(&self) -> u64 {
        match &self.body {
            Body::Host(host) => host.weight_bytes(&self.config),
            Body::Tensor(tensors) => tensors.weight_bytes(&self.config),
        }
    }

    /// Something that the user should know of how it computes, said once.
    pub fn take_notice(&self) -> Option<String> {
        match &self.body {
            #[cfg(feature = "cuda")]
            Body::Tensor(tensors) => tensors.take_notice(),
            _ => None,
        }
    }

    /// An empty cache for one lane with room for `capacity` tokens.
    pub fn new_cache(&self, capacity: usize) -> Result<Cache> {
        let (place, spare) = (&self.place, &self.spare);
        Cache::new(&self.config, capacity, place, self.cache, spare)
    }

    /// Appends each lane's tokens to its cache and returns the rows of logits asked for, each of
    /// [`ModelConfig::vocab`] numbers, in the order of the lanes and their tokens.
    ///
    /// Fails, leaving the lengths of all caches as they were, if there is no lane, if a lane has
    /// no token, if a token is beyond the vocabulary, or if a cache has too little room.
    pub fn forward(
        &self,
        lanes: &mut [(&mut Cache, &[u32])],
        want: Logits,
    ) -> Result<Vec<Vec<f32>>> {
        let rows = self.compute(lanes, (want, false))?.into_iter();
        rows.map(PositionLogits::into_whole).collect()
    }

    /// The same for drawing tokens: of each lane's last row only what that needs, where a device has
    /// the row.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn next_logits(
        &self,
        lanes: &mut [(&mut Cache, &[u32])],
        want: Logits,
    ) -> Result<Vec<PositionLogits>> {
        self.compute(lanes, (want, want == Logits::Last))
    }

    fn compute(
        &self,
        lanes: &mut [(&mut Cache, &[u32])],
        want: (Logits, bool),
    ) -> Result<Vec<PositionLogits>> {
        let spans = self.check(lanes)?;
        lanes.iter_mut().for_each(|(cache, _)| cache.begin());
        let ids: Vec<u32> = lanes
            .iter()
            .flat_map(|(_, tokens)| tokens.iter().copied())
            .collect();
        let ropes = (&self.rope, &self.local_rope);
        let logits = match &self.body {
            Body::Host(host) => {
                let caches = lanes
                    .iter_mut()
                    .map(|(cache, tokens)| cache.host(tokens.len()));
                let mut caches = caches.collect::<Result<Vec<_>>>()?;
                let rows = host.forward(&self.config, ropes, &mut caches, &ids, &spans, want.0);
                rows.into_iter().map(PositionLogits::Whole).collect()
            }
            Body::Tensor(tensors) => {
                let caches = lanes.iter().map(|(cache, _)| cache.tensors());
                let caches = caches.collect::<Result<Vec<_>>>()?;
                tensors.forward(&self.config, ropes, &caches, ids, &spans, want)?
            }
        };
        for (cache, tokens) in lanes.iter_mut() {
            cache.advance(tokens.len());
        }
        Ok(logits)
    }

    /// Takes back rows of logits that nobody needs any more: fresh memory for the many numbers of a
    /// vocabulary takes the system as long as some of the layers.
    pub fn recycle(&self, rows: impl IntoIterator<Item = PositionLogits>) {
        if let Body::Host(host) = &self.body {
            host.recycle(rows.into_iter().filter_map(|row| match row {
                PositionLogits::Whole(all) => Some(all),
                PositionLogits::Best(_) => None,
            }));
        }
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
            if cache.layers() != self.config.own_kv {
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
}

/// The rotary embeddings: of layers that see everything, of windowed ones, and where the model has
/// one for long contexts, from how many tokens on.
fn ropes(weights: &Weights, config: &ModelConfig) -> Result<(Rope, Rope, Option<LongRope>)> {
    let divisors = |name| weights.optional_numbers(name, config.rope.dims / 2);
    let (short, long) = match config.rope.scaling {
        RopeScaling::LongRope {
            original_context, ..
        } => {
            let both = (
                divisors("rope_factors_short.weight")?,
                divisors("rope_factors_long.weight")?,
            );
            let (Some(short), Some(long)) = both else {
                bail!("the file has no rope_factors_short.weight and rope_factors_long.weight");
            };
            let long = Rope::new(&config.rope, Some(&long))?;
            (Some(short), Some((original_context, long)))
        }
        _ => (divisors("rope_freqs.weight")?, None),
    };
    let rope = Rope::new(&config.rope, short.as_deref())?;
    let local = match config.local_rope == config.rope {
        true => rope.clone(),
        false => Rope::new(&config.local_rope, None)?,
    };
    Ok((rope, local, long))
}

#[cfg(test)]
mod tests;
