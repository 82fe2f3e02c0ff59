//! One transformer layer, forward and back.

use anyhow::Result;

use s1_model::config::ModelConfig;

use super::super::attention::{AttentionScratch, AttentionShape, Gradients, Operands};
use super::super::linear::{ProductContext, TrainableLinear};
use super::super::math::{WriteMode, add_scaled};
use super::super::params::Vector;
use super::super::{gate, norm, rotary};
use super::{BatchLayout, Loader};

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct NetworkLayer {
    attention_norm: Vector,
    pub(super) query: TrainableLinear,
    key: TrainableLinear,
    value: TrainableLinear,
    query_norm: Option<Vector>,
    key_norm: Option<Vector>,
    attention_output: TrainableLinear,
    post_attention_norm: Option<Vector>,
    ffn_norm: Vector,
    gate: TrainableLinear,
    up: TrainableLinear,
    down: TrainableLinear,
    post_ffn_norm: Option<Vector>,
}

/// What a layer's backward pass needs besides its input. Norms, the gate's product and low-rank
/// intermediates are cheap and computed again.
#[derive(Debug, Default)]
pub struct LayerTape {
    /// Before the head norms; empty where there are none.
    q_raw: Vec<f32>,
    k_raw: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    heads: Vec<f32>,
    log_sums: Vec<f32>,
    /// Before the norm after attention; empty where there is none.
    attended: Vec<f32>,
    /// The residual stream between the two halves.
    middle: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    /// Before the norm after the feed-forward network; empty where there is none.
    fed: Vec<f32>,
}

/// Buffers for what is not kept.
#[derive(Debug, Default)]
pub(super) struct LayerScratch {
    normed: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    dmiddle: Vec<f32>,
    scores: AttentionScratch,
}

/// What a pass through a layer reads, and where it works.
pub(super) struct LayerPass<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) params: &'a [f32],
    pub(super) layout: &'a BatchLayout<'a>,
    pub(super) scratch: &'a mut LayerScratch,
    pub(super) context: &'a mut ProductContext,
}

impl NetworkLayer {
    pub(super) fn load(loader: &mut Loader, c: &ModelConfig, index: usize) -> Result<Self> {
        let name = |part: &str| format!("blk.{index}.{part}");
        Ok(Self {
            attention_norm: loader.vector(&name("attn_norm.weight"), c.hidden)?,
            query: loader.linear(&name("attn_q"), c.heads * c.head_dim, c.hidden)?,
            key: loader.linear(&name("attn_k"), c.kv_heads * c.head_dim, c.hidden)?,
            value: loader.linear(&name("attn_v"), c.kv_heads * c.value_dim, c.hidden)?,
            query_norm: loader.optional_vector(&name("attn_q_norm.weight"), c.head_dim)?,
            key_norm: loader.optional_vector(&name("attn_k_norm.weight"), c.head_dim)?,
            attention_output: loader.linear(
                &name("attn_output"),
                c.hidden,
                c.heads * c.value_dim,
            )?,
            post_attention_norm: loader
                .optional_vector(&name("post_attention_norm.weight"), c.hidden)?,
            ffn_norm: loader.vector(&name("ffn_norm.weight"), c.hidden)?,
            gate: loader.linear(&name("ffn_gate"), c.ffn, c.hidden)?,
            up: loader.linear(&name("ffn_up"), c.ffn, c.hidden)?,
            down: loader.linear(&name("ffn_down"), c.hidden, c.ffn)?,
            post_ffn_norm: loader.optional_vector(&name("post_ffw_norm.weight"), c.hidden)?,
        })
    }

    fn attention(&self, c: &ModelConfig, window: Option<usize>) -> AttentionShape {
        AttentionShape {
            heads: c.heads,
            kv_heads: c.kv_heads,
            dim: c.head_dim,
            value_dim: c.value_dim,
            scale: c.attention_scale,
            softcap: c.attention_softcap,
            window,
        }
    }

    /// Fills the tape from the layer's input `x` `[rows, hidden]`.
    pub(super) fn forward(&self, pass: &mut LayerPass, x: &[f32], tape: &mut LayerTape) {
        let LayerPass {
            config: c,
            params,
            layout,
            scratch,
            context,
        } = pass;
        let rows = x.len() / c.hidden;
        // What another layer left here must not pass for this one's.
        tape.fed.clear();
        let norm_weight = self.attention_norm.get(params);
        norm::forward(x, norm_weight, c.norm_eps, &mut scratch.normed);
        self.query
            .forward(params, &scratch.normed, &mut tape.q, context);
        self.key
            .forward(params, &scratch.normed, &mut tape.k, context);
        self.value
            .forward(params, &scratch.normed, &mut tape.v, context);
        for (weight, raw, normed) in [
            (&self.query_norm, &mut tape.q_raw, &mut tape.q),
            (&self.key_norm, &mut tape.k_raw, &mut tape.k),
        ] {
            if let Some(weight) = weight {
                std::mem::swap(raw, normed);
                norm::forward(raw, weight.get(params), c.norm_eps, normed);
            }
        }
        let turn = |x: &mut [f32], heads: usize| {
            let layout_of = c.rope.layout;
            rotary::turn(
                x,
                c.head_dim,
                heads * c.head_dim,
                layout_of,
                layout.angles,
                false,
            );
        };
        turn(&mut tape.q, c.heads);
        turn(&mut tape.k, c.kv_heads);

        tape.heads.resize(rows * c.heads * c.value_dim, 0.0);
        tape.log_sums.resize(rows * c.heads, 0.0);
        let operands = Operands {
            q: &tape.q,
            k: &tape.k,
            v: &tape.v,
        };
        self.attention(c, layout.window).forward(
            layout.documents,
            operands,
            &mut tape.heads,
            &mut tape.log_sums,
            &mut scratch.scores,
        );

        self.attention_output
            .forward(params, &tape.heads, &mut tape.middle, context);
        if let Some(weight) = &self.post_attention_norm {
            std::mem::swap(&mut tape.attended, &mut tape.middle);
            let weight = weight.get(params);
            norm::forward(&tape.attended, weight, c.norm_eps, &mut tape.middle);
        }
        add_scaled(&mut tape.middle, x, 1.0);

        let norm_weight = self.ffn_norm.get(params);
        norm::forward(&tape.middle, norm_weight, c.norm_eps, &mut scratch.normed);
        self.gate
            .forward(params, &scratch.normed, &mut tape.gate, context);
        self.up
            .forward(params, &scratch.normed, &mut tape.up, context);
    }

    /// The layer's output from its tape (the last product is not needed on the way back, unless
    /// a norm follows it).
    pub(super) fn output(&self, pass: &mut LayerPass, tape: &mut LayerTape, y: &mut Vec<f32>) {
        let LayerPass {
            config: c,
            params,
            scratch,
            context,
            ..
        } = pass;
        gate::forward(c.activation, &tape.gate, &tape.up, &mut scratch.a);
        self.down.forward(params, &scratch.a, y, context);
        if let Some(weight) = &self.post_ffn_norm {
            std::mem::swap(&mut tape.fed, y);
            norm::forward(&tape.fed, weight.get(params), c.norm_eps, y);
        }
        add_scaled(y, &tape.middle, 1.0);
    }

    /// Turns `dx`, the gradient of the layer's output, into that of its input, and adds to the
    /// parameters' gradients. `wanted` is false where the input's gradient is of no use.
    pub(super) fn backward(
        &self,
        pass: &mut LayerPass,
        grads: &mut [f32],
        x: &[f32],
        tape: &mut LayerTape,
        dx: &mut [f32],
        wanted: bool,
    ) {
        let LayerPass {
            config: c,
            params,
            layout,
            scratch,
            context,
        } = pass;
        let eps = c.norm_eps;
        // The feed-forward half.
        gate::forward(c.activation, &tape.gate, &tape.up, &mut scratch.a);
        scratch.b.resize(scratch.a.len(), 0.0);
        let dfed = match &self.post_ffn_norm {
            None => &*dx,
            Some(weight) => {
                if tape.fed.is_empty() {
                    // With only inputs kept, the layer's last product has not been formed.
                    self.down
                        .forward(params, &scratch.a, &mut tape.fed, context);
                }
                scratch.dmiddle.clear();
                scratch.dmiddle.resize(dx.len(), 0.0);
                let dweight = weight.grad(grads);
                let weight = weight.get(params);
                norm::backward(&tape.fed, weight, eps, dx, &mut scratch.dmiddle, dweight);
                &scratch.dmiddle
            }
        };
        let back = Some((&mut scratch.b[..], WriteMode::Set));
        self.down
            .backward(params, grads, &scratch.a, dfed, back, context);
        // `b` becomes the gradient of `up`, `a` that of `gate`.
        let kind = c.activation;
        gate::backward(kind, &tape.gate, &tape.up, &mut scratch.b, &mut scratch.a);
        let weight = self.ffn_norm.get(params);
        norm::forward(&tape.middle, weight, eps, &mut scratch.normed);
        scratch.dq.resize(dx.len(), 0.0);
        let dnormed = &mut scratch.dq;
        let back = Some((&mut dnormed[..], WriteMode::Set));
        self.gate
            .backward(params, grads, &scratch.normed, &scratch.a, back, context);
        let back = Some((&mut dnormed[..], WriteMode::Add));
        self.up
            .backward(params, grads, &scratch.normed, &scratch.b, back, context);
        let dweight = self.ffn_norm.grad(grads);
        norm::backward(&tape.middle, weight, eps, dnormed, dx, dweight);

        // The attention half; `dx` is now the gradient of the middle.
        let dattended = match &self.post_attention_norm {
            None => &*dx,
            Some(weight) => {
                scratch.dmiddle.clear();
                scratch.dmiddle.resize(dx.len(), 0.0);
                let dweight = weight.grad(grads);
                let weight = weight.get(params);
                norm::backward(
                    &tape.attended,
                    weight,
                    eps,
                    dx,
                    &mut scratch.dmiddle,
                    dweight,
                );
                &scratch.dmiddle
            }
        };
        scratch.a.resize(tape.heads.len(), 0.0);
        let back = Some((&mut scratch.a[..], WriteMode::Set));
        self.attention_output
            .backward(params, grads, &tape.heads, dattended, back, context);
        for (d, len) in [
            (&mut scratch.dq, tape.q.len()),
            (&mut scratch.dk, tape.k.len()),
            (&mut scratch.dv, tape.v.len()),
        ] {
            d.clear();
            d.resize(len, 0.0);
        }
        self.attention(c, layout.window).backward(
            layout.documents,
            Operands {
                q: &tape.q,
                k: &tape.k,
                v: &tape.v,
            },
            &tape.heads,
            &tape.log_sums,
            &scratch.a,
            &mut Gradients {
                q: &mut scratch.dq,
                k: &mut scratch.dk,
                v: &mut scratch.dv,
            },
            &mut scratch.scores,
        );
        for (d, raw, weight, heads) in [
            (&mut scratch.dq, &tape.q_raw, &self.query_norm, c.heads),
            (&mut scratch.dk, &tape.k_raw, &self.key_norm, c.kv_heads),
        ] {
            let (dim, of) = (c.head_dim, c.rope.layout);
            rotary::turn(d, dim, heads * dim, of, layout.angles, true);
            if let Some(weight) = weight {
                scratch.b.clear();
                scratch.b.resize(d.len(), 0.0);
                let dweight = weight.grad(grads);
                norm::backward(raw, weight.get(params), eps, d, &mut scratch.b, dweight);
                std::mem::swap(d, &mut scratch.b);
            }
        }
        let weight = self.attention_norm.get(params);
        norm::forward(x, weight, eps, &mut scratch.normed);
        scratch.a.resize(x.len(), 0.0);
        let trains_below = wanted || matches!(self.attention_norm, Vector::Trained(_));
        for (linear, dy, write) in [
            (&self.query, &scratch.dq, WriteMode::Set),
            (&self.key, &scratch.dk, WriteMode::Add),
            (&self.value, &scratch.dv, WriteMode::Add),
        ] {
            let back = trains_below.then_some((&mut scratch.a[..], write));
            linear.backward(params, grads, &scratch.normed, dy, back, context);
        }
        if trains_below {
            let dweight = self.attention_norm.grad(grads);
            norm::backward(x, weight, eps, &scratch.a, dx, dweight);
        }
    }
}
