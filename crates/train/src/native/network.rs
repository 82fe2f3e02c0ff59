//! The transformer of [`s1_model::decoder`] with a backward pass.
//!
//! Same metadata, same tensors, same formulas; what differs is that whole documents go through at
//! once, without a cache, and that what the backward pass needs is kept in a [`Tape`]. Documents
//! of a batch lie one after another without padding; positions start at 0 in each, and none sees
//! another.
//!
//! Not here: what the tokens are, and what is done with the gradients.

use std::ops::Range;

use anyhow::{Context as _, Result, bail};

use s1_model::config::{ModelConfig, RopeScaling};
use s1_model::decoder::Rope;
use s1_model::gguf::Gguf;
use s1_model::weights::rows::WeightRows;

use super::linear::{LowRankAddition, ProductContext, Weight};
use super::loss::{LossScratch, OutputHead};
use super::norm;
use super::params::{Params, Vector};
use super::rotary::Angles;
use crate::data::Example;

mod layer;

pub use layer::LayerTape;
use layer::{LayerPass, LayerScratch, NetworkLayer};

/// The architectures that there is a backward pass for.
pub const TRAINABLE: [&str; 4] = ["llama", "qwen2", "qwen3", "gemma3"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scope {
    Full,
    /// A low-rank addition to every linear layer of the blocks
    /// (LoRA, <https://arxiv.org/abs/2106.09685>).
    LowRank {
        /// Rows of `A`.
        rank: usize,
        /// The addition is scaled by alpha / rank.
        alpha: f32,
        /// Share of the inputs that are dropped while training.
        dropout: f32,
    },
}

/// A model that can be trained.
#[derive(Debug)]
pub struct Network {
    config: ModelConfig,
    embedding: Weight,
    layers: Vec<NetworkLayer>,
    norm: Vector,
    /// `None` where the embedding serves as output too.
    output: Option<Weight>,
    rope: Rope,
    local_rope: Rope,
}

/// What is kept of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything the backward pass needs.
    All,
    /// The inputs of the layers; the rest is computed again, layer by layer (gradient
    /// checkpointing).
    Inputs,
}

/// What one pass keeps, and its buffers; made once and used for every step.
#[derive(Debug)]
pub struct Tape {
    pub keep: Keep,
    inputs: Vec<Vec<f32>>,
    kept: Vec<LayerTape>,
    scratch: LayerScratch,
    loss_scratch: LossScratch,
    context: ProductContext,
}

impl Tape {
    /// An empty tape; products run on `threads` threads.
    pub fn new(keep: Keep, threads: usize) -> Self {
        Self {
            keep,
            inputs: Vec::new(),
            kept: Vec::new(),
            scratch: LayerScratch::default(),
            loss_scratch: LossScratch::default(),
            context: ProductContext::new(threads),
        }
    }
}

/// Loads tensors as trained or as frozen.
struct Loader<'a> {
    gguf: &'a Gguf,
    params: &'a mut Params,
    scope: Scope,
    seed: u64,
}

impl Loader<'_> {
    fn weight(&mut self, name: &str, out: usize, input: usize) -> Result<Weight> {
        let rows = self.rows(name, out, input)?;
        Ok(match self.scope {
            Scope::Full => Weight::Trained(self.params.add(name, &[out, input], &rows.to_vec())),
            Scope::LowRank { .. } => Weight::Frozen(rows),
        })
    }

    fn rows(&self, name: &str, out: usize, input: usize) -> Result<WeightRows> {
        let rows = WeightRows::open(self.gguf, name)?;
        anyhow::ensure!(
            (rows.rows, rows.columns) == (out, input),
            "tensor {name} has {} × {} elements; the metadata implies {out} × {input}",
            rows.rows,
            rows.columns
        );
        Ok(rows)
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Vector> {
        let values = self.rows(name, 1, len)?.to_vec();
        Ok(match self.scope {
            Scope::Full => Vector::Trained(self.params.add(name, &[len], &values)),
            Scope::LowRank { .. } => Vector::Frozen(values),
        })
    }

    fn optional_vector(&mut self, name: &str, len: usize) -> Result<Option<Vector>> {
        match self.gguf.tensor(name) {
            Some(_) => self.vector(name, len).map(Some),
            None => Ok(None),
        }
    }

    fn linear(
        &mut self,
        prefix: &str,
        out: usize,
        input: usize,
    ) -> Result<super::linear::TrainableLinear> {
        let weight = self.weight(&format!("{prefix}.weight"), out, input)?;
        let bias = self.optional_vector(&format!("{prefix}.bias"), out)?;
        let low_rank = match self.scope {
            Scope::Full => None,
            Scope::LowRank {
                rank,
                alpha,
                dropout,
            } => Some(self.low_rank(prefix, out, input, (rank, alpha, dropout))),
        };
        Ok(super::linear::TrainableLinear {
            out,
            input,
            weight,
            bias,
            low_rank,
        })
    }

    /// `A` uniform in ±√(1/in) as PEFT draws it (Kaiming with a = √5), `B` zero.
    fn low_rank(
        &mut self,
        prefix: &str,
        out: usize,
        input: usize,
        (rank, alpha, dropout): (usize, f32, f32),
    ) -> LowRankAddition {
        let key = s1_core::rng::mix(self.seed, self.params.values.len() as u64);
        let bound = (1.0 / input as f32).sqrt();
        let a: Vec<f32> = (0..rank * input)
            .map(|i| (2.0 * s1_core::rng::unit(s1_core::rng::mix(key, i as u64)) - 1.0) * bound)
            .collect();
        let b = vec![0.0; out * rank];
        LowRankAddition {
            a: self
                .params
                .add(&format!("{prefix}.lora_a"), &[rank, input], &a),
            b: self
                .params
                .add(&format!("{prefix}.lora_b"), &[out, rank], &b),
            rank,
            scale: alpha / rank as f32,
            dropout,
            key,
        }
    }
}

/// Divisors of the rotary embedding's frequencies, if the file has any.
fn divisors(gguf: &Gguf, scaling: &RopeScaling) -> Result<Option<Vec<f32>>> {
    let read = |name: &str| Ok::<_, anyhow::Error>(WeightRows::open(gguf, name)?.to_vec());
    if let RopeScaling::LongRope { .. } = scaling {
        let short = read("rope_factors_short.weight")?;
        if short != read("rope_factors_long.weight")? {
            bail!(
                "a rotary embedding that is another for longer texts (LongRoPE) is not trained here"
            );
        }
        return Ok(Some(short));
    }
    let name = "rope_freqs.weight";
    gguf.tensor(name).map(|_| read(name)).transpose()
}

impl Network {
    /// Reads a model file; what is trained goes to the returned parameters. `seed` draws the
    /// initial low-rank factors.
    ///
    /// Fails with one sentence where the file lacks a tensor or its shape is wrong.
    pub fn load(gguf: &Gguf, scope: Scope, seed: u64) -> Result<(Network, Params)> {
        let vocab = WeightRows::open(gguf, "token_embd.weight")?.rows;
        let config = ModelConfig::read(gguf, vocab)?;
        if !TRAINABLE.contains(&config.architecture.as_str()) {
            bail!(
                "models of the architecture {} are not trained here ({} are)",
                config.architecture,
                TRAINABLE.join(", ")
            );
        }
        let mut params = Params::default();
        let mut loader = Loader {
            gguf,
            params: &mut params,
            scope,
            seed,
        };
        let embedding = loader.weight("token_embd.weight", vocab, config.hidden)?;
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(NetworkLayer::load(&mut loader, &config, index)?);
        }
        let norm = loader.vector("output_norm.weight", config.hidden)?;
        let output = match gguf.tensor("output.weight") {
            Some(_) => Some(loader.weight("output.weight", vocab, config.hidden)?),
            None => None,
        };
        let divisors = divisors(gguf, &config.rope.scaling)?;
        let rope = Rope::new(&config.rope, divisors.as_deref()).context("the rotary embedding")?;
        let local_rope = match config.local_rope == config.rope {
            true => rope.clone(),
            false => Rope::new(&config.local_rope, None)?,
        };
        let network = Network {
            config,
            embedding,
            layers,
            norm,
            output,
            rope,
            local_rope,
        };
        Ok((network, params))
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The sum of the negative log-likelihoods of the documents' targets. If `grads` is given
    /// (one element for each parameter, and the factor on the loss), their gradients are added to
    /// it. `dropout` seeds this pass's dropout.
    pub fn loss(
        &self,
        params: &[f32],
        documents: &[&Example],
        mut grads: Option<(&mut [f32], f32)>,
        dropout: Option<u64>,
        tape: &mut Tape,
    ) -> f64 {
        tape.context.dropout = dropout;
        let c = &self.config;
        let batch = PackedDocuments::new(self, documents);
        if batch.targets.is_empty() {
            return 0.0;
        }
        let n = batch.ids.len();
        tape.inputs.resize_with(c.layers + 1, Vec::new);
        let kept = match tape.keep {
            Keep::All => c.layers,
            Keep::Inputs => 1,
        };
        tape.kept.resize_with(kept, LayerTape::default);

        self.embed(params, &batch.ids, &mut tape.inputs[0], &mut tape.context);
        for (index, layer) in self.layers.iter().enumerate() {
            let (inputs, outputs) = tape.inputs.split_at_mut(index + 1);
            let kept = &mut tape.kept[index.min(kept - 1)];
            let layout = &batch.rows_of(c, index);
            let mut pass = LayerPass {
                config: c,
                params,
                layout,
                scratch: &mut tape.scratch,
                context: &mut tape.context,
            };
            layer.forward(&mut pass, &inputs[index], kept);
            layer.output(&mut pass, kept, &mut outputs[0]);
        }

        // Only rows that predict a target go through the output layer.
        let last = &tape.inputs[c.layers];
        let mut chosen = Vec::with_capacity(batch.sources.len() * c.hidden);
        for &row in &batch.sources {
            chosen.extend_from_slice(&last[row * c.hidden..(row + 1) * c.hidden]);
        }
        let mut x = Vec::new();
        norm::forward(&chosen, self.norm.get(params), c.norm_eps, &mut x);
        let head = OutputHead {
            weight: self.output.as_ref().unwrap_or(&self.embedding),
            vocab: c.vocab,
            hidden: c.hidden,
            softcap: c.logit_softcap,
        };
        let mut dx = vec![0.0; if grads.is_some() { x.len() } else { 0 }];
        let back = grads
            .as_mut()
            .map(|(grads, factor)| (&mut **grads, &mut dx[..], *factor));
        let (scratch, context) = (&mut tape.loss_scratch, &mut tape.context);
        let loss = head.loss(params, &x, &batch.targets, back, scratch, context);
        let Some((grads, _)) = grads else {
            return loss;
        };

        let mut dchosen = vec![0.0; chosen.len()];
        let weight = self.norm.get(params);
        let dweight = self.norm.grad(grads);
        norm::backward(&chosen, weight, c.norm_eps, &dx, &mut dchosen, dweight);
        let mut dx = vec![0.0; n * c.hidden];
        for (&row, d) in batch.sources.iter().zip(dchosen.chunks_exact(c.hidden)) {
            dx[row * c.hidden..(row + 1) * c.hidden].copy_from_slice(d);
        }
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let layout = &batch.rows_of(c, index);
            let kept = &mut tape.kept[index.min(kept - 1)];
            let input = &tape.inputs[index];
            let mut pass = LayerPass {
                config: c,
                params,
                layout,
                scratch: &mut tape.scratch,
                context: &mut tape.context,
            };
            if tape.keep == Keep::Inputs && index + 1 < c.layers {
                layer.forward(&mut pass, input, kept);
            }
            // Below the first layer there is only the embedding.
            let wanted = index > 0 || matches!(self.embedding, Weight::Trained(_));
            layer.backward(&mut pass, grads, input, kept, &mut dx, wanted);
        }
        if let Weight::Trained(range) = &self.embedding {
            let grads = &mut grads[range.clone()];
            for (&id, d) in batch.ids.iter().zip(dx.chunks_exact(c.hidden)) {
                let at = id as usize * c.hidden;
                super::math::add_scaled(&mut grads[at..at + c.hidden], d, c.embedding_scale);
            }
        }
        loss
    }

    fn embed(&self, params: &[f32], ids: &[u32], x: &mut Vec<f32>, context: &mut ProductContext) {
        x.clear();
        for &id in ids {
            let id = id as usize;
            let row = id..id + 1;
            let row = self
                .embedding
                .rows(params, row, self.config.hidden, context.scratch());
            x.extend(row.iter().map(|v| v * self.config.embedding_scale));
        }
    }
}

/// The documents of a pass, laid out in rows.
struct PackedDocuments {
    ids: Vec<u32>,
    documents: Vec<Range<usize>>,
    angles: Angles,
    local_angles: Option<Angles>,
    /// Rows whose prediction carries loss, and the tokens they should predict.
    sources: Vec<usize>,
    targets: Vec<u32>,
}

/// What a layer needs to know of the rows.
struct BatchLayout<'a> {
    documents: &'a [Range<usize>],
    angles: &'a Angles,
    window: Option<usize>,
}

impl PackedDocuments {
    fn new(network: &Network, documents: &[&Example]) -> Self {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut spans = Vec::new();
        let (mut sources, mut targets) = (Vec::new(), Vec::new());
        for document in documents {
            let first = ids.len();
            for (i, (&id, &carries)) in document.ids.iter().zip(&document.mask).enumerate() {
                positions.push(i as u32);
                if i > 0 && carries {
                    sources.push(first + i - 1);
                    targets.push(id);
                }
            }
            ids.extend_from_slice(&document.ids);
            spans.push(first..ids.len());
        }
        let angles = |rope: &Rope| {
            let (cos, sin) = rope.tables(&positions);
            Angles { cos, sin }
        };
        Self {
            angles: angles(&network.rope),
            local_angles: (network.config.window.as_ref()).map(|_| angles(&network.local_rope)),
            ids,
            documents: spans,
            sources,
            targets,
        }
    }

    fn rows_of(&self, config: &ModelConfig, layer: usize) -> BatchLayout<'_> {
        let window = config.window_of(layer);
        let angles = match (&self.local_angles, window) {
            (Some(local), Some(_)) => local,
            _ => &self.angles,
        };
        BatchLayout {
            documents: &self.documents,
            angles,
            window,
        }
    }
}

#[cfg(test)]
mod tests;
