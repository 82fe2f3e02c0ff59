//! What a run will take, said before it starts: steps, time, memory; and the refusal of what
//! cannot fit.

use std::time::Instant;

use anyhow::Result;

use super::math::{MatrixView, MatrixViewMut, WriteMode, product};
use super::network::{Keep, Network, Scope};
use crate::material::Material;
use s1_core::training::TrainPlan;
use s1_model::memory;

/// What of the settings the estimates need.
#[derive(Clone, Copy, Debug)]
pub struct CostInputs {
    /// Tokens in one micro-batch, at most.
    pub batch_tokens: usize,
    /// Threads, each with its share of the batch.
    pub threads: usize,
    /// Shards of the batch with gradients of their own.
    pub shards: usize,
    pub scope: Scope,
    /// What the forward pass keeps.
    pub keep: Keep,
}

/// Bytes of memory that training takes besides the mapped model file.
pub fn memory_bytes(network: &Network, parameters: usize, shape: &CostInputs) -> u64 {
    let c = network.config();
    let float = 4u64;
    let state = parameters as u64 * (3 + shape.shards as u64);
    let heads = c.heads * c.head_dim;
    let kv = c.kv_heads * (c.head_dim + c.value_dim);
    let layer = 2 * heads + kv + c.hidden + 2 * c.ffn + c.heads;
    let kept = match shape.keep {
        Keep::All => c.layers,
        Keep::Inputs => 1,
    };
    let scratch = 3 * c.ffn + 6 * c.hidden + 2 * heads;
    let per_token = layer * kept + c.hidden * (c.layers + 4) + scratch;
    let logits = (16 << 20) / 4 * shape.shards;
    let widened = match shape.scope {
        Scope::Full => 0,
        Scope::LowRank { .. } => c.hidden * c.ffn.max(4096) * shape.shards,
    };
    let floats = state + (per_token * shape.batch_tokens + logits + widened) as u64;
    float * floats
}

/// Estimated seconds for `tokens` tokens of which `targets` carry loss, from the operations they
/// take and the speed of this machine's matrix product.
pub fn seconds(network: &Network, tokens: f64, targets: f64, shape: &CostInputs) -> f64 {
    let c = network.config();
    let heads = c.heads * c.head_dim;
    let kv = c.kv_heads * (c.head_dim + c.value_dim);
    let block = c.hidden * (2 * heads + kv) + 3 * c.hidden * c.ffn;
    // A product forward, one back to the input, one to the weight, one more where it is formed
    // again.
    let products = match shape.scope {
        Scope::Full => 3,
        Scope::LowRank { .. } => 2,
    };
    let again = usize::from(shape.keep == Keep::Inputs);
    let per_token = 2.0 * (block * c.layers * (products + again)) as f64;
    let per_target = 2.0 * (c.vocab * c.hidden * products) as f64;
    let rows = (shape.batch_tokens / shape.shards).clamp(16, 512);
    // Loops between the products, attention and the optimiser take about as long again in small
    // models, and little in large ones.
    let overhead = 1.25 + 64.0 / c.hidden as f64;
    let speed = operations_per_second(rows, c.hidden, c.ffn) * shape.threads as f64;
    (per_token * tokens + per_target * targets) / speed * overhead
}

/// Multiplications and additions a second of one thread, measured for some milliseconds.
fn operations_per_second(rows: usize, inner: usize, columns: usize) -> f64 {
    let a = vec![1.0; rows * inner];
    let b = vec![1.0; columns * inner];
    let mut out = vec![0.0; rows * columns];
    let start = Instant::now();
    let mut times = 0;
    while times < 2 || start.elapsed().as_millis() < 20 {
        product(
            MatrixViewMut::new(&mut out, rows, columns),
            MatrixView::new(&a, rows, inner),
            MatrixView::new(&b, columns, inner).t(),
            WriteMode::Set,
            1.0,
            1,
        );
        times += 1;
    }
    (2 * rows * inner * columns * times) as f64 / start.elapsed().as_secs_f64().max(1e-6)
}

/// Refuses a run whose memory the system does not have, and says what would make it fit.
pub fn require_memory(bytes: u64, shape: &CostInputs) -> Result<()> {
    let advice = match (shape.keep, shape.scope) {
        (Keep::All, _) => "use --checkpointing, a smaller --batch or a smaller --block-size",
        (Keep::Inputs, Scope::Full) => "use --lora-rank, or a smaller --batch or --block-size",
        (Keep::Inputs, Scope::LowRank { .. }) => "use a smaller --batch or --block-size",
    };
    memory::require(bytes, "this run", advice)
}

/// What a run over `material` takes here, besides what it takes everywhere.
pub fn plan(
    material: &Material,
    network: &Network,
    parameters: usize,
    shape: &CostInputs,
) -> TrainPlan {
    let common = material.plan();
    let epochs = material.epochs();
    let tokens = common.tokens as f64 * epochs;
    let targets = common.targets as f64 * epochs;
    TrainPlan {
        parameters,
        seconds: seconds(network, tokens, targets, shape),
        memory: memory_bytes(network, parameters, shape),
        ..common
    }
}
