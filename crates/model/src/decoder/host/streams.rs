//! What Gemma 3n has around its layers: several residual streams instead of one. Each layer predicts them
//! all, computes with one of them, and corrects all by what became of it (AltUp,
//! <https://arxiv.org/abs/2301.13310>). Past attention leads a low-rank way (LAuReL,
//! <https://arxiv.org/abs/2411.07501>), and behind each layer the other streams get what an embedding of
//! the token for this layer says.
//!
//! Not here: the layers themselves ([`super`]), which see the residual stream that they always see.

use anyhow::Result;

use super::{HostLinear, Scratch, load_linear, normed, plain};
use crate::config::{ModelConfig, StreamConfig};
use crate::kernels::elementwise;
use crate::parallel::{self, SharedOutput};
use crate::weights::Weights;
use crate::weights::rows::WeightRows;

/// The least mean square that a stream is scaled from.
const LEAST_SQUARE: f32 = 1e-5;

/// The weights around the layers.
#[derive(Debug)]
pub(super) struct Streams {
    of: StreamConfig,
    /// Embeddings of the tokens for all layers, one after another.
    embeddings: WeightRows,
    /// What the token's usual embedding says to all layers.
    projection: HostLinear,
    projection_norm: Vec<f32>,
    /// What makes the streams but the first of the embedding, and one of them at the end.
    spread: Vec<HostLinear>,
    gather: Vec<HostLinear>,
    layers: Vec<Around>,
}

/// The weights around one layer.
#[derive(Debug)]
struct Around {
    router: HostLinear,
    router_norm: Vec<f32>,
    /// `[count · count, count]`.
    predict: Vec<f32>,
    /// `[count, count]`.
    correct: Vec<f32>,
    correct_scale: Vec<f32>,
    laurel_down: HostLinear,
    laurel_up: HostLinear,
    laurel_norm: Vec<f32>,
    gate: HostLinear,
    projection: HostLinear,
    projection_norm: Vec<f32>,
}

/// What lies between them, kept from one step to the next.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The streams of each row, `[rows, count, hidden]`.
    all: Vec<f32>,
    /// What leads past attention, `[rows, hidden]`.
    laurel: Vec<f32>,
    /// What the token says to each layer, `[rows, layers, embedding]`.
    inputs: Vec<f32>,
}

impl Streams {
    pub(super) fn load(
        weights: &Weights,
        config: &ModelConfig,
        of: StreamConfig,
    ) -> Result<Streams> {
        let (hidden, count) = (config.hidden, of.count);
        let width = config.layers * of.embedding;
        let each = |part: &str| {
            (1..count)
                .map(|index| load_linear(weights, &format!("{part}.{}", index - 1), hidden, hidden))
                .collect::<Result<Vec<_>>>()
        };
        let matrix = |name: &str, rows, columns| {
            let rows = weights.rows(name, rows, columns)?;
            Ok::<_, anyhow::Error>(rows.to_vec())
        };
        let around = |layer: usize| {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let weight = |part: &str| format!("blk.{layer}.{part}.weight");
            let linear = |part: &str, out, input| load_linear(weights, &name(part), out, input);
            let vector = |part: &str| weights.numbers(&weight(part), hidden);
            Ok::<_, anyhow::Error>(Around {
                router: linear("altup_router", count, hidden)?,
                router_norm: vector("altup_router_norm")?,
                predict: matrix(&weight("altup_predict_coef"), count * count, count)?,
                correct: matrix(&weight("altup_correct_coef"), count, count)?,
                correct_scale: vector("altup_correct_scale")?,
                laurel_down: linear("laurel_l", of.laurel, hidden)?,
                laurel_up: linear("laurel_r", hidden, of.laurel)?,
                laurel_norm: vector("laurel_post_norm")?,
                gate: linear("inp_gate", of.embedding, hidden)?,
                projection: linear("proj", hidden, of.embedding)?,
                projection_norm: vector("post_norm")?,
            })
        };
        Ok(Streams {
            of,
            embeddings: weights.rows("per_layer_token_embd.weight", of.embedded, width)?,
            projection: load_linear(weights, "per_layer_model_proj", width, hidden)?,
            projection_norm: weights.numbers("per_layer_proj_norm.weight", of.embedding)?,
            spread: each("altup_proj")?,
            gather: each("altup_unembd_proj")?,
            layers: (0..config.layers).map(around).collect::<Result<_>>()?,
        })
    }

    /// Bytes of weights that computing one token reads.
    pub(super) fn weight_bytes(&self) -> u64 {
        let whole = [&self.projection].into_iter();
        let whole = whole.chain(&self.spread).chain(&self.gather);
        let layers = self.layers.iter().flat_map(|layer| {
            let down = [&layer.laurel_down, &layer.laurel_up];
            down.into_iter()
                .chain([&layer.router, &layer.gate, &layer.projection])
        });
        let linears = whole.chain(layers).map(HostLinear::weight_bytes);
        linears.map(|bytes| bytes as u64).sum()
    }

    /// Makes the streams of the rows' embeddings, which are in `x`.
    pub(super) fn begin(&self, config: &ModelConfig, ids: &[u32], s: &mut Scratch) {
        let (hidden, rows) = (config.hidden, ids.len());
        let per_row = self.of.count * hidden;
        s.input.fill(rows, hidden, |row, values| {
            values.copy_from_slice(&s.x[row * hidden..(row + 1) * hidden]);
        });
        s.streams.all.resize(rows * per_row, 0.0);
        for (row, all) in s.streams.all.chunks_exact_mut(per_row).enumerate() {
            all[..hidden].copy_from_slice(&s.x[row * hidden..(row + 1) * hidden]);
        }
        for (index, layer) in self.spread.iter().enumerate() {
            let made = plain(layer, &s.input, rows);
            let streams = s.streams.all.chunks_exact_mut(per_row);
            for (all, made) in streams.zip(made.chunks_exact(hidden)) {
                let (first, others) = all.split_at_mut(hidden);
                let stream = &mut others[index * hidden..(index + 1) * hidden];
                stream.copy_from_slice(made);
                as_long_as(first, stream);
            }
        }

        let width = config.layers * self.of.embedding;
        let said = plain(&self.projection, &s.input, rows);
        s.streams.inputs.clear();
        s.streams.inputs.extend(said);
        let (scale, wide) = (
            1.0 / (hidden as f32).sqrt(),
            (self.of.embedding as f32).sqrt(),
        );
        let mut scratch = Vec::new();
        for (&id, said) in ids.iter().zip(s.streams.inputs.chunks_exact_mut(width)) {
            said.iter_mut().for_each(|x| *x *= scale);
            for said in said.chunks_exact_mut(self.of.embedding) {
                elementwise::rms_norm(said, &self.projection_norm, config.norm_eps);
            }
            let id = Some(id as usize).filter(|id| *id < self.of.embedded);
            let id = id.unwrap_or(0);
            let own = self.embeddings.widened(id..id + 1, &mut scratch);
            for (said, own) in said.iter_mut().zip(own) {
                *said = (*said + own * wide) * std::f32::consts::FRAC_1_SQRT_2;
            }
        }
    }

    /// Predicts the streams that a layer will make, and puts the one that it computes with into `x`.
    /// `norm` is the layer's own before attention.
    pub(super) fn enter(&self, config: &ModelConfig, index: usize, norm: &[f32], s: &mut Scratch) {
        let (hidden, count, around) = (config.hidden, self.of.count, &self.layers[index]);
        let per_row = count * hidden;
        let rows = s.streams.all.len() / per_row;
        self.active(hidden, s);
        let ways = around.ways(config, rows, s);
        let all = SharedOutput::new(&mut s.streams.all);
        parallel::split(rows, count * count * hidden, |range| {
            let (mut factors, mut values) = (vec![0.0; count * count], vec![0.0; count]);
            for row in range {
                times(
                    &around.predict,
                    &ways[row * count..(row + 1) * count],
                    &mut factors,
                );
                // SAFETY: each row is given to exactly one thread.
                let all = unsafe { all.part(row * per_row..(row + 1) * per_row) };
                for at in 0..hidden {
                    for (value, stream) in values.iter_mut().zip(all.chunks_exact(hidden)) {
                        *value = stream[at];
                    }
                    let streams = all.chunks_exact_mut(hidden);
                    for (stream, factors) in streams.zip(factors.chunks_exact(count)) {
                        let terms = factors.iter().zip(&values);
                        stream[at] += terms.map(|(factor, value)| factor * value).sum::<f32>();
                    }
                }
            }
        });
        self.active(hidden, s);

        normed(config, &s.x, norm, rows, &mut s.input);
        let down = plain(&around.laurel_down, &s.input, rows);
        let width = self.of.laurel;
        s.chosen.fill(rows, width, |row, values| {
            values.copy_from_slice(&down[row * width..(row + 1) * width]);
        });
        s.streams.laurel = plain(&around.laurel_up, &s.chosen, rows);
        for (row, laurel) in s.streams.laurel.chunks_exact_mut(hidden).enumerate() {
            elementwise::rms_norm(laurel, &around.laurel_norm, config.norm_eps);
            let normed = s.input.plain(row..row + 1);
            laurel.iter_mut().zip(normed).for_each(|(y, x)| *y += x);
        }
    }

    /// Behind attention, of which only some rows are left: joins the way past it.
    pub(super) fn join(&self, config: &ModelConfig, kept: &[usize], s: &mut Scratch) {
        let state = &mut s.streams;
        let inputs = config.layers * self.of.embedding;
        keep(&mut state.all, self.of.count * config.hidden, kept);
        keep(&mut state.laurel, config.hidden, kept);
        keep(&mut state.inputs, inputs, kept);
        for (x, y) in s.x.iter_mut().zip(&state.laurel) {
            *x = (*x + y) * std::f32::consts::FRAC_1_SQRT_2;
        }
    }

    /// Behind a layer: corrects all streams by what it made of its own, and adds to the others what the token
    /// says to this layer.
    pub(super) fn leave(&self, config: &ModelConfig, index: usize, s: &mut Scratch) {
        let (hidden, count, around) = (config.hidden, self.of.count, &self.layers[index]);
        let (per_row, active) = (count * hidden, self.of.active * hidden);
        let rows = s.x.len() / hidden;
        let ways = around.ways(config, rows, s);
        let (all, made) = (SharedOutput::new(&mut s.streams.all), &s.x);
        parallel::split(rows, count * hidden, |range| {
            let (mut factors, mut news) = (vec![0.0; count], vec![0.0; hidden]);
            for row in range {
                times(
                    &around.correct,
                    &ways[row * count..(row + 1) * count],
                    &mut factors,
                );
                // SAFETY: each row is given to exactly one thread.
                let all = unsafe { all.part(row * per_row..(row + 1) * per_row) };
                let made = &made[row * hidden..(row + 1) * hidden];
                let expected = &all[active..active + hidden];
                for ((new, made), expected) in news.iter_mut().zip(made).zip(expected) {
                    *new = made - expected;
                }
                for (stream, factor) in all.chunks_exact_mut(hidden).zip(&factors) {
                    let pairs = stream.iter_mut().zip(&news);
                    pairs.for_each(|(x, new)| *x += new * (factor + 1.0));
                }
            }
        });

        let all = &s.streams.all;
        s.input.fill(rows, hidden, |row, values| {
            let stream = &all[row * per_row + active..][..hidden];
            let scaled = stream.iter().zip(&around.correct_scale);
            values
                .iter_mut()
                .zip(scaled)
                .for_each(|(y, (x, scale))| *y = x * scale);
        });
        let gate = plain(&around.gate, &s.input, rows);
        let (width, inputs) = (self.of.embedding, &s.streams.inputs);
        s.input.fill(rows, width, |row, values| {
            values.copy_from_slice(&gate[row * width..(row + 1) * width]);
            let said = &inputs[(row * config.layers + index) * width..][..width];
            elementwise::gated(config.activation, values, said);
        });
        let mut said = plain(&around.projection, &s.input, rows);
        let streams = s.streams.all.chunks_exact_mut(per_row);
        for (all, said) in streams.zip(said.chunks_exact_mut(hidden)) {
            elementwise::rms_norm(said, &around.projection_norm, config.norm_eps);
            for stream in all.chunks_exact_mut(hidden).skip(1) {
                stream.iter_mut().zip(&*said).for_each(|(x, y)| *x += y);
            }
        }
    }

    /// Makes one stream of all, in `x`.
    pub(super) fn end(&self, config: &ModelConfig, s: &mut Scratch) {
        let (hidden, count) = (config.hidden, self.of.count);
        let per_row = count * hidden;
        let rows = s.streams.all.len() / per_row;
        let all = &s.streams.all;
        s.x.resize(rows * hidden, 0.0);
        for (all, x) in all.chunks_exact(per_row).zip(s.x.chunks_exact_mut(hidden)) {
            x.copy_from_slice(&all[..hidden]);
        }
        for (index, layer) in self.gather.iter().enumerate() {
            s.input.fill(rows, hidden, |row, values| {
                let stream = row * per_row + (index + 1) * hidden;
                values.copy_from_slice(&all[stream..stream + hidden]);
            });
            let mut made = plain(layer, &s.input, rows);
            let each = made.chunks_exact_mut(hidden).zip(all.chunks_exact(per_row));
            for ((made, all), x) in each.zip(s.x.chunks_exact_mut(hidden)) {
                as_long_as(&all[..hidden], made);
                x.iter_mut().zip(made).for_each(|(x, y)| *x += *y);
            }
        }
        s.x.iter_mut().for_each(|x| *x /= count as f32);
    }

    /// Puts the stream that layers compute with into `x`.
    fn active(&self, hidden: usize, s: &mut Scratch) {
        let first = self.of.active * hidden;
        s.x.clear();
        for all in s.streams.all.chunks_exact(self.of.count * hidden) {
            s.x.extend_from_slice(&all[first..first + hidden]);
        }
    }
}

impl Around {
    /// How much of each way of mixing the streams the rows of `x` take, `[rows, count]`.
    fn ways(&self, config: &ModelConfig, rows: usize, s: &mut Scratch) -> Vec<f32> {
        let hidden = config.hidden;
        let x = &s.x;
        s.input.fill(rows, hidden, |row, values| {
            values.copy_from_slice(&x[row * hidden..(row + 1) * hidden]);
            elementwise::rms_norm(values, &self.router_norm, config.norm_eps);
            values.iter_mut().for_each(|x| *x /= hidden as f32);
        });
        let mut ways = plain(&self.router, &s.input, rows);
        ways.iter_mut().for_each(|x| *x = x.tanh());
        ways
    }
}

/// A matrix `[out, input]` times a vector.
fn times(matrix: &[f32], vector: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(matrix.chunks_exact(vector.len())) {
        *out = row.iter().zip(vector).map(|(a, b)| a * b).sum();
    }
}

/// Scales a stream to the length of another.
fn as_long_as(other: &[f32], stream: &mut [f32]) {
    let own = elementwise::mean_square(stream).max(LEAST_SQUARE);
    let scale = (elementwise::mean_square(other) / own).sqrt();
    stream.iter_mut().for_each(|x| *x *= scale);
}

/// Keeps some of the rows, which are in order.
fn keep(values: &mut Vec<f32>, width: usize, kept: &[usize]) {
    for (to, &from) in kept.iter().enumerate() {
        values.copy_within(from * width..(from + 1) * width, to * width);
    }
    values.truncate(kept.len() * width);
}
