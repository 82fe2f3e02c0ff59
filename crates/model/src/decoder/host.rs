//! The decoder on the CPU, over plain slices: no memory is asked for at a step that an earlier one
//! has not already used, and a layer is five loops over the pool's threads (queries, keys and values; attention; its
//! output; gate and up; down).
//!
//! Not here: how a product is computed ([`crate::kernels`]).

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use super::layer::{Experts, FeedForward, Gated, LayerWeights, linear_named};
use super::rope::Rope;
use super::{Logits, Span, router};
use crate::config::{Activation, ExpertConfig, ModelConfig};
use crate::kernels::attention::{AttentionRule, Partial};
use crate::kernels::kv::{LaneCache, SEGMENT};
use crate::kernels::{Activations, elementwise};
use crate::parallel::{self, SharedOutput};
use crate::weights::LowRankFactors;
use crate::weights::Weights;
use crate::weights::rows::WeightRows;
use linear::{HostLinear, Target};
use streams::Streams;

mod linear;
mod streams;

/// Bytes of weights a token up to which the loops of a pass are too short to share: threads then
/// compute lanes apart from each other.
const SHORT_LOOPS: u64 = 8 << 20;
/// Rows of one lane whose attention is computed together.
const TOGETHER: usize = 4;
/// Rows of logits kept for the next passes.
const SPARE_ROWS: usize = 64;

/// A model whose weights are laid out for the CPU.
#[derive(Debug)]
pub(super) struct HostDecoder {
    embedding: WeightRows,
    layers: Vec<HostLayer>,
    /// What stands around them.
    streams: Option<Streams>,
    norm: Vec<f32>,
    output: HostLinear,
    /// One for each thread that computes a part of the lanes.
    scratch: Mutex<Vec<Scratch>>,
}

type HostLayer = LayerWeights<HostLinear, Vec<f32>>;

/// What a step computes between the weights, kept from one step to the next.
#[derive(Debug, Default)]
struct Scratch {
    /// The residual stream, `[rows, hidden]`.
    x: Vec<f32>,
    input: Activations,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// Attention before it is merged.
    partials: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    logits: Vec<f32>,
    /// What a layer adds, where a norm or a factor comes between.
    added: Vec<f32>,
    /// The rows that go through an expert, or past attention.
    chosen: Activations,
    streams: streams::State,
    /// Rows of logits that were given back.
    spare: Vec<Vec<f32>>,
}

fn load_linear(weights: &Weights, prefix: &str, out: usize, input: usize) -> Result<HostLinear> {
    let weight = weights.packed(&format!("{prefix}.weight"), out, input)?;
    let bias = weights.optional_numbers(&format!("{prefix}.bias"), out)?;
    Ok(HostLinear::new(weight, bias))
}

/// A batch of rows on its way through the layers.
struct HostBatch<'a> {
    config: &'a ModelConfig,
    spans: &'a [Span],
    /// The span of each row.
    owners: Vec<usize>,
    /// Cosines and sines of each row, for layers that see everything and for windowed ones.
    rotations: [Option<(Vec<f32>, Vec<f32>)>; 2],
}

impl<'a> HostBatch<'a> {
    fn of(config: &'a ModelConfig, (rope, local_rope): (&Rope, &Rope), spans: &'a [Span]) -> Self {
        let positions: Vec<u32> = spans
            .iter()
            .flat_map(|s| (s.position..s.position + s.tokens).map(|p| p as u32))
            .collect();
        let owners = spans.iter().enumerate();
        let local = config.window.as_ref();
        HostBatch {
            config,
            spans,
            owners: owners.flat_map(|(i, s)| vec![i; s.tokens]).collect(),
            rotations: [
                Some(rope.tables(&positions)),
                local.map(|_| local_rope.tables(&positions)),
            ],
        }
    }

    fn rows(&self) -> usize {
        self.owners.len()
    }

    /// Where a row lies in its lane.
    fn position(&self, row: usize) -> usize {
        let span = &self.spans[self.owners[row]];
        span.position + row - span.row
    }

    /// The positions that a row's query sees.
    fn visible(&self, row: usize, window: Option<usize>) -> Range<usize> {
        let end = self.position(row) + 1;
        window.map_or(0, |window| end.saturating_sub(window))..end
    }
}

impl HostDecoder {
    pub(super) fn load(
        weights: &Weights,
        config: &ModelConfig,
        step: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let embedding = weights.rows("token_embd.weight", config.vocab, config.hidden)?;
        let output = match weights.contains("output.weight") {
            true => load_linear(weights, "output", config.vocab, config.hidden)?,
            false => load_linear(weights, "token_embd", config.vocab, config.hidden)?,
        };
        let mut layers = Vec::new();
        for index in 0..config.layers {
            step(index + 1)?;
            layers.push(HostLayer::load(
                config,
                index,
                |prefix, out, input| load_linear(weights, prefix, out, input),
                |name, len| weights.optional_numbers(name, len),
            )?);
        }
        let streams = config.streams.map(|of| Streams::load(weights, config, of));
        Ok(HostDecoder {
            embedding,
            layers,
            streams: streams.transpose()?,
            norm: weights.numbers("output_norm.weight", config.hidden)?,
            output,
            scratch: Mutex::default(),
        })
    }

    pub(super) fn add_low_rank(&mut self, prefix: &str, factors: &LowRankFactors) -> Result<()> {
        linear_named(&mut self.layers, &mut self.output, prefix)?.add_low_rank(factors)
    }

    /// Bytes of weights that computing one token reads.
    pub(super) fn weight_bytes(&self, config: &ModelConfig) -> u64 {
        let bytes = |linear: &HostLinear| linear.weight_bytes() as u64;
        let layers = self.layers.iter().map(|l| l.bytes_per_token(config, bytes));
        let around = self.streams.as_ref().map_or(0, Streams::weight_bytes);
        layers.sum::<u64>() + around + bytes(&self.output)
    }

    /// Computes the rows of a batch: lane after lane, whose tokens are `ids`.
    pub(super) fn forward(
        &self,
        config: &ModelConfig,
        (rope, local_rope): (&Rope, &Rope),
        caches: &mut [&mut LaneCache],
        ids: &[u32],
        spans: &[Span],
        want: Logits,
    ) -> Vec<Vec<f32>> {
        let parts = match self.weight_bytes(config) <= SHORT_LOOPS {
            true => parts(spans, parallel::threads()),
            false => Vec::new(),
        };
        let ropes = (rope, local_rope);
        if parts.len() < 2 {
            return self.forward_together(config, ropes, caches, ids, spans, want);
        }
        let mut left = caches;
        let parts: Vec<_> = parts
            .into_iter()
            .map(|lanes| {
                let (own, rest) = std::mem::take(&mut left).split_at_mut(lanes.len());
                left = rest;
                let mut spans = spans[lanes].to_vec();
                let first = spans.first().map_or(0, |s| s.row);
                spans.iter_mut().for_each(|span| span.row -= first);
                let rows: usize = spans.iter().map(|s| s.tokens).sum();
                Mutex::new((own, spans, &ids[first..first + rows], Vec::new()))
            })
            .collect();
        // However little there is: it is worth it, and each part is a piece.
        parallel::split(parts.len(), usize::MAX, |range| {
            for part in &parts[range] {
                let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
                let (caches, spans, ids, logits) = &mut *part;
                *logits = self.forward_together(config, ropes, caches, ids, spans, want);
            }
        });
        let parts = parts.into_iter();
        let logits = parts.map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner).3);
        logits.flatten().collect()
    }

    /// As [`Self::forward`], all lanes in the same loops.
    fn forward_together(
        &self,
        config: &ModelConfig,
        (rope, local_rope): (&Rope, &Rope),
        caches: &mut [&mut LaneCache],
        ids: &[u32],
        spans: &[Span],
        want: Logits,
    ) -> Vec<Vec<f32>> {
        let mut scratch = self.spare_scratch().pop().unwrap_or_default();
        let s = &mut scratch;
        let logits = self.compute(config, (rope, local_rope), caches, (ids, spans), want, s);
        self.spare_scratch().push(scratch);
        logits
    }

    fn spare_scratch(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compute(
        &self,
        config: &ModelConfig,
        (rope, local_rope): (&Rope, &Rope),
        caches: &mut [&mut LaneCache],
        (ids, spans): (&[u32], &[Span]),
        want: Logits,
        s: &mut Scratch,
    ) -> Vec<Vec<f32>> {
        let batch = HostBatch::of(config, (rope, local_rope), spans);
        let ends: Vec<Span> = spans
            .iter()
            .enumerate()
            .map(|(row, span)| Span {
                row,
                tokens: 1,
                position: span.position + span.tokens - 1,
            })
            .collect();
        // Of layers that remember nothing only the wanted rows are computed.
        let shortened = want == Logits::Last && config.own_kv < config.layers;
        let wanted = shortened.then(|| HostBatch::of(config, (rope, local_rope), &ends));
        self.embed(config, ids, &mut s.x);
        if let Some(streams) = &self.streams {
            streams.begin(config, ids, s);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(streams) = &self.streams {
                streams.enter(config, index, &layer.attention_norm, s);
            }
            let batch = match &wanted {
                Some(wanted) if index >= config.own_kv => wanted,
                _ => &batch,
            };
            layer.remember(batch, index, caches, s);
            // After the last keys and values nothing looks at other rows any more.
            let kept: Vec<usize> = match (index + 1 == config.own_kv, want) {
                (false, _) | (true, Logits::All) => (0..batch.rows()).collect(),
                (true, Logits::Last) => spans.iter().map(|s| s.row + s.tokens - 1).collect(),
                (true, Logits::None) => return Vec::new(),
            };
            layer.attend(batch, index, caches, &kept, s);
            if let Some(streams) = &self.streams {
                streams.join(config, &kept, s);
            }
            layer.feed_forward(config, index, kept.len(), s);
            if let Some(streams) = &self.streams {
                streams.leave(config, index, s);
            }
        }
        if let Some(streams) = &self.streams {
            streams.end(config, s);
        }
        self.logits(config, s)
    }

    fn embed(&self, config: &ModelConfig, ids: &[u32], x: &mut Vec<f32>) {
        x.resize(ids.len() * config.hidden, 0.0);
        let mut wide = Vec::new();
        for (&id, row) in ids.iter().zip(x.chunks_exact_mut(config.hidden)) {
            let id = id as usize;
            row.copy_from_slice(self.embedding.widened(id..id + 1, &mut wide));
            row.iter_mut().for_each(|x| *x *= config.embedding_scale);
        }
    }

    fn logits(&self, config: &ModelConfig, s: &mut Scratch) -> Vec<Vec<f32>> {
        let rows = s.x.len() / config.hidden;
        normed(config, &s.x, &self.norm, rows, &mut s.input);
        s.logits.resize(rows * config.vocab, 0.0);
        let (layer, out) = (&self.output, &mut s.logits[..]);
        let target = Target {
            layer,
            out,
            add: false,
        };
        linear::apply(&s.input, rows, &mut [target]);
        if config.logit_scale != 1.0 {
            s.logits.iter_mut().for_each(|x| *x *= config.logit_scale);
        }
        if let Some(cap) = config.logit_softcap {
            s.logits
                .iter_mut()
                .for_each(|x| *x = (*x / cap).tanh() * cap);
        }
        let rows = s.logits.chunks_exact(config.vocab).map(|row| {
            let mut own = s.spare.pop().unwrap_or_default();
            own.clear();
            own.extend_from_slice(row);
            own
        });
        rows.collect()
    }

    pub(super) fn recycle(&self, rows: impl IntoIterator<Item = Vec<f32>>) {
        if let Some(scratch) = self.spare_scratch().last_mut() {
            let room = SPARE_ROWS.saturating_sub(scratch.spare.len());
            scratch.spare.extend(rows.into_iter().take(room));
        }
    }
}

/// Parts of the lanes with about as many rows each, one for each of so many threads; none if a
/// lane alone has more than its share.
fn parts(spans: &[Span], threads: usize) -> Vec<Range<usize>> {
    let rows: usize = spans.iter().map(|s| s.tokens).sum();
    let share = rows.div_ceil(threads.max(1));
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut taken = 0;
    for (lane, span) in spans.iter().enumerate() {
        if span.tokens > share {
            return Vec::new();
        }
        match parts.last_mut() {
            Some(part) if taken + span.tokens <= share => part.end = lane + 1,
            _ => {
                parts.push(lane..lane + 1);
                taken = 0;
            }
        }
        taken += span.tokens;
    }
    parts
}

/// Prepares `norm(x)` as the input of a product.
fn normed(config: &ModelConfig, x: &[f32], weight: &[f32], rows: usize, input: &mut Activations) {
    let width = config.hidden;
    input.fill(rows, width, |row, values| {
        values.copy_from_slice(&x[row * width..(row + 1) * width]);
        elementwise::rms_norm(values, weight, config.norm_eps);
    });
}

impl HostLayer {
    /// Computes queries, keys and values of all rows, and writes the latter two to the caches. A layer that
    /// sees another's has queries alone.
    fn remember(
        &self,
        batch: &HostBatch,
        index: usize,
        caches: &mut [&mut LaneCache],
        s: &mut Scratch,
    ) {
        let (c, rows) = (batch.config, batch.rows());
        normed(c, &s.x, &self.attention_norm, rows, &mut s.input);
        let (queries, keys, values) = (&mut s.queries, &mut s.keys, &mut s.values);
        let memory = self.memory.as_ref();
        let (key_width, value_width) = memory.map_or((0, 0), |m| (m.key.width(), m.value.width()));
        queries.resize(rows * self.query.width(), 0.0);
        keys.resize(rows * key_width, 0.0);
        values.resize(rows * value_width, 0.0);
        let target = |layer, out| Target {
            layer,
            out,
            add: false,
        };
        let query = target(&self.query, &mut queries[..]);
        match memory {
            Some(memory) => {
                let key = target(&memory.key, &mut keys[..]);
                let value = target(&memory.value, &mut values[..]);
                linear::apply(&s.input, rows, &mut [query, key, value]);
            }
            None => linear::apply(&s.input, rows, &mut [query]),
        }

        let windowed = c.window_of(index).is_some();
        let rotation = match &batch.rotations {
            [_, Some(local)] if windowed => local,
            [global, _] => match global {
                Some(global) => global,
                None => return,
            },
        };
        let layout = match windowed {
            true => c.local_rope.layout,
            false => c.rope.layout,
        };
        let pairs = rotation.0.len() / rows;
        let rotated = c.is_rotated(index);
        let heads = [
            (
                self.query_norm.as_ref(),
                SharedOutput::new(queries),
                self.query.width(),
                c.position_scale,
            ),
            (
                memory.and_then(|memory| memory.key_norm.as_ref()),
                SharedOutput::new(keys),
                key_width,
                None,
            ),
        ];
        parallel::split(rows, 8 * (self.query.width() + key_width), |range| {
            for row in range {
                let angles = row * pairs..(row + 1) * pairs;
                let (cos, sin) = (&rotation.0[angles.clone()], &rotation.1[angles]);
                for (norm, all, width, scale) in &heads {
                    let scale = scale.map(|scale| scale.at(batch.position(row)));
                    // SAFETY: each row is given to exactly one thread.
                    let row = unsafe { all.part(row * width..(row + 1) * width) };
                    for head in row.chunks_exact_mut(c.head_dim) {
                        if let Some(norm) = norm {
                            elementwise::rms_norm(head, norm, c.norm_eps);
                        }
                        if rotated {
                            elementwise::rotate(layout, cos, sin, head);
                        }
                    }
                    if let Some(scale) = scale {
                        row.iter_mut().for_each(|x| *x *= scale);
                    }
                }
            }
        });
        if memory.is_none() {
            return;
        }
        if c.value_norm {
            let heads = values.chunks_exact_mut(c.value_dim);
            heads.for_each(|head| elementwise::unit_norm(head, c.norm_eps));
        }
        for (row, &owner) in batch.owners.iter().enumerate() {
            let position = batch.position(row);
            caches[owner].write(
                index,
                position,
                &keys[row * key_width..(row + 1) * key_width],
                &values[row * value_width..(row + 1) * value_width],
            );
        }
    }

    /// Attends with the rows in `kept` and adds the result to the residual stream, of which only these rows are left.
    fn attend(
        &self,
        batch: &HostBatch,
        index: usize,
        caches: &mut [&mut LaneCache],
        kept: &[usize],
        s: &mut Scratch,
    ) {
        let c = batch.config;
        let group = c.heads / c.kv_heads;
        let rule = AttentionRule {
            scale: c.attention_scale,
            softcap: c.attention_softcap,
        };
        let window = c.window_of(index);
        let visible = |row: usize| batch.visible(kept[row], window);
        let segments = |row: usize| {
            let visible = visible(row);
            visible.start / SEGMENT..visible.end.div_ceil(SEGMENT)
        };
        let most = (0..kept.len())
            .map(|row| segments(row).len())
            .max()
            .unwrap_or(0);
        // With many rows there is work for every thread without sharing a row's segments.
        let slots = if kept.len() > parallel::threads() {
            1
        } else {
            most
        };
        let len = Partial::len(group, c.value_dim);
        s.partials
            .resize(kept.len() * c.kv_heads * slots * len, 0.0);
        let partials = SharedOutput::new(&mut s.partials);
        let caches: Vec<&LaneCache> = caches.iter().map(|lane| &**lane).collect();
        let longest = (0..kept.len())
            .map(|row| visible(row).len())
            .max()
            .unwrap_or(0);
        // Rows that follow one another in their lane look at the same keys and values.
        let together = |row: usize, next: usize| {
            let (a, b) = (visible(row), visible(next));
            batch.owners[kept[row]] == batch.owners[kept[next]]
                && a.start == b.start
                && (a.end..a.end + TOGETHER).contains(&b.end)
                && (a.end - 1) / SEGMENT == (b.end - 1) / SEGMENT
        };
        let mut blocks: Vec<Range<usize>> = Vec::new();
        for row in 0..kept.len() {
            match blocks.last_mut() {
                Some(block)
                    if slots == 1 && block.len() < TOGETHER && together(block.start, row) =>
                {
                    block.end += 1;
                }
                _ => blocks.push(row..row + 1),
            }
        }
        let in_one = kept.len().div_ceil(blocks.len().max(1));
        let cost = in_one * group * (c.head_dim + c.value_dim) * longest / slots.max(1);
        let queries = &s.queries;
        parallel::split(blocks.len() * c.kv_heads * slots, cost, |items| {
            let (mut scores, mut query, mut ends) = (Vec::new(), Vec::new(), Vec::new());
            let mut one = vec![0f32; TOGETHER * len];
            for item in items {
                let (slot, block) = (item % slots, &blocks[item / slots % blocks.len()]);
                let kv_head = item / slots / blocks.len();
                let first = (kv_head * kept.len() + block.start) * slots + slot;
                // SAFETY: each item is given to exactly one thread and has a place of its own.
                let numbers = unsafe { partials.part(first * len..(first + block.len()) * len) };
                let mut partial = Partial::over(numbers, c.value_dim);
                partial.clear();
                query.clear();
                for row in block.clone() {
                    let first = (kept[row] * c.heads + kv_head * group) * c.head_dim;
                    query.extend_from_slice(&queries[first..first + group * c.head_dim]);
                }
                let start = visible(block.start).start;
                for (number, segment) in segments(block.start).enumerate() {
                    if slots > 1 && number != slot {
                        continue;
                    }
                    ends.clear();
                    let end = |row| visible(row).end.min((segment + 1) * SEGMENT);
                    ends.extend(block.clone().map(end));
                    let cache = caches[batch.owners[kept[block.start]]];
                    let seen = (start.max(segment * SEGMENT), &ends[..]);
                    let out = &mut one[..block.len() * len];
                    let place = (c.kv_of(index), kv_head);
                    cache.attend(rule, place, &query, seen, &mut scores, out);
                    partial.merge(out);
                }
            }
        });

        let all = &s.partials;
        s.input
            .fill(kept.len(), c.heads * c.value_dim, |row, values| {
                let mut merged = vec![0f32; len];
                for (kv_head, out) in values.chunks_exact_mut(group * c.value_dim).enumerate() {
                    let mut partial = Partial::over(&mut merged, c.value_dim);
                    partial.clear();
                    if let Some(sinks) = &self.sinks {
                        partial.begin_with(&sinks[kv_head * group..(kv_head + 1) * group]);
                    }
                    let first = (kv_head * kept.len() + row) * slots * len;
                    for other in all[first..first + slots * len].chunks_exact(len) {
                        partial.merge(other);
                    }
                    partial.finish(out);
                }
            });
        if kept.len() < batch.rows() {
            for (to, &from) in kept.iter().enumerate() {
                s.x.copy_within(from * c.hidden..(from + 1) * c.hidden, to * c.hidden);
            }
            s.x.truncate(kept.len() * c.hidden);
        }
        add(
            c,
            &self.attention_output,
            &self.post_attention_norm,
            kept.len(),
            s,
        );
    }

    /// The feed-forward network of all rows that are left.
    fn feed_forward(&self, config: &ModelConfig, index: usize, rows: usize, s: &mut Scratch) {
        normed(config, &s.x, &self.ffn_norm, rows, &mut s.input);
        match (&self.feed_forward, &config.experts) {
            (FeedForward::Dense(network), _) => {
                let gates = (config.activation, config.sparsity_of(index));
                network.inside(gates, rows, &mut s.input, &mut s.gate, &mut s.up);
                add(config, &network.down, &self.post_ffn_norm, rows, s);
            }
            (FeedForward::Experts(experts), Some(of)) => {
                experts.forward(config, of, rows, s);
                add_scaled(config, &self.post_ffn_norm, s);
            }
            // A model without experts has no such layer.
            (FeedForward::Experts(_), None) => {}
        }
    }
}

impl Gated<HostLinear> {
    /// `activation(gate) · up` of the rows of `input`, in their place. The gates are those that stand out by so
    /// many standard deviations, if not all.
    fn inside(
        &self,
        (activation, deviations): (Activation, Option<f32>),
        rows: usize,
        input: &mut Activations,
        gate: &mut Vec<f32>,
        up: &mut Vec<f32>,
    ) {
        let width = self.gate.width();
        gate.resize(rows * width, 0.0);
        up.resize(rows * width, 0.0);
        let target = |layer, out| Target {
            layer,
            out,
            add: false,
        };
        let mut targets = [
            target(&self.gate, &mut gate[..]),
            target(&self.up, &mut up[..]),
        ];
        linear::apply(input, rows, &mut targets);
        let (gate, up) = (&*gate, &*up);
        input.fill(rows, width, |row, values| {
            let row = row * width..(row + 1) * width;
            values.copy_from_slice(&gate[row.clone()]);
            if let Some(deviations) = deviations {
                elementwise::above(values, deviations);
            }
            elementwise::gated(activation, values, &up[row]);
        });
    }
}

impl Experts<HostLinear> {
    /// What the experts make of the rows of the input, in `added`.
    fn forward(&self, config: &ModelConfig, of: &ExpertConfig, rows: usize, s: &mut Scratch) {
        let width = config.hidden;
        let scores = plain(&self.router, &s.input, rows);
        s.added.clear();
        s.added.resize(rows * width, 0.0);
        let every_row = |weights: Vec<f32>| weights.into_iter().enumerate().collect();
        let shared = self.shared.iter().map(|(network, share)| {
            let shares = plain(share, &s.input, rows);
            let weights = shares.iter().map(|x| 1.0 / (1.0 + (-x).exp()));
            (network, every_row(weights.collect()))
        });
        let shared: Vec<(_, Vec<(usize, f32)>)> = shared.collect();
        let chosen = router::by_expert(of, &scores);
        let chosen = chosen
            .into_iter()
            .filter_map(|(expert, members)| Some((self.experts.get(expert)?, members)));
        for (network, members) in chosen.chain(shared) {
            let input = &s.input;
            s.chosen.fill(members.len(), width, |index, values| {
                let row = members[index].0;
                values.copy_from_slice(input.plain(row..row + 1));
            });
            let (chosen, gate, up) = (&mut s.chosen, &mut s.gate, &mut s.up);
            let gates = (config.activation, None);
            network.inside(gates, members.len(), chosen, gate, up);
            let out = plain(&network.down, &s.chosen, members.len());
            for ((row, weight), out) in members.iter().zip(out.chunks_exact(width)) {
                let added = &mut s.added[row * width..(row + 1) * width];
                added
                    .iter_mut()
                    .zip(out)
                    .for_each(|(a, y)| *a += weight * y);
            }
        }
    }
}

/// What a layer makes of rows.
fn plain(layer: &HostLinear, input: &Activations, rows: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * layer.width()];
    let target = Target {
        layer,
        out: &mut out[..],
        add: false,
    };
    linear::apply(input, rows, &mut [target]);
    out
}

/// Adds what a layer makes of the input to the residual stream, normed if there is a norm, and scaled.
fn add(
    config: &ModelConfig,
    layer: &HostLinear,
    norm: &Option<Vec<f32>>,
    rows: usize,
    s: &mut Scratch,
) {
    let direct = norm.is_none() && config.residual_scale == 1.0;
    s.added.resize(rows * config.hidden, 0.0);
    let out = if direct { &mut s.x } else { &mut s.added };
    let target = Target {
        layer,
        out: &mut out[..],
        add: direct,
    };
    linear::apply(&s.input, rows, &mut [target]);
    if !direct {
        add_scaled(config, norm, s);
    }
}

/// Adds `added` to the residual stream, normed if there is a norm, and scaled.
fn add_scaled(config: &ModelConfig, norm: &Option<Vec<f32>>, s: &mut Scratch) {
    let rows = s.added.chunks_exact_mut(config.hidden);
    for (added, x) in rows.zip(s.x.chunks_exact_mut(config.hidden)) {
        if let Some(norm) = norm {
            elementwise::rms_norm(added, norm, config.norm_eps);
        }
        let added = added.iter().map(|y| y * config.residual_scale);
        x.iter_mut().zip(added).for_each(|(x, y)| *x += y);
    }
}
