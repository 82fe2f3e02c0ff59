//! Linear layers on the CPU: `y = x · weightᵀ + bias`, with an adapter's low-rank addition if it has
//! one.

use std::sync::Arc;

use anyhow::Result;
use candle_core::quantized::GgmlDType;

use crate::kernels::{Activations, PackedMatrix, ROWS};
use crate::parallel::{self, SharedOutput};
use crate::weights::LowRankFactors;

/// Rows of activations that a thread works on at once: their results lie in its nearest cache.
const PANEL: usize = 32;

/// A linear layer, cheap to clone (tied embeddings share one).
#[derive(Debug, Clone)]
pub(super) struct HostLinear {
    weight: Arc<PackedMatrix>,
    bias: Option<Vec<f32>>,
    low_rank: Option<LowRank>,
}

/// The low-rank addition of one layer: `x · downᵀ · upᵀ`.
#[derive(Debug, Clone)]
struct LowRank {
    /// `[rank, in]`.
    down: Arc<PackedMatrix>,
    /// `[out, rank]`, the adapter's scale included.
    up: Arc<PackedMatrix>,
}

/// What becomes of a layer's results.
pub(super) struct Target<'a> {
    pub layer: &'a HostLinear,
    /// `[rows, out]`.
    pub out: &'a mut [f32],
    /// Whether they are added to what is there.
    pub add: bool,
}

impl HostLinear {
    pub(super) fn new(weight: PackedMatrix, bias: Option<Vec<f32>>) -> Self {
        HostLinear {
            weight: Arc::new(weight),
            bias,
            low_rank: None,
        }
    }

    /// Width of the results.
    pub(super) fn width(&self) -> usize {
        self.weight.rows()
    }

    /// Bytes that applying it reads.
    pub(super) fn weight_bytes(&self) -> usize {
        self.weight.bytes()
    }

    /// Adds a low-rank product to what the layer computes.
    pub(super) fn add_low_rank(&mut self, factors: &LowRankFactors) -> Result<()> {
        let rank = factors.rank.max(1);
        let pack = |values: &mut dyn Iterator<Item = f32>, rows, columns| {
            let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
            PackedMatrix::pack(GgmlDType::F32, &bytes, rows, columns).map(Arc::new)
        };
        let (out, input) = (factors.b.len() / rank, factors.a.len() / rank);
        let mut scaled = factors.b.iter().map(|b| b * factors.scale);
        self.low_rank = Some(LowRank {
            down: pack(&mut factors.a.iter().copied(), rank, input)?,
            up: pack(&mut scaled, out, rank)?,
        });
        Ok(())
    }
}

/// Applies several layers to the same rows of activations, `[rows, in]`, on the pool's threads.
pub(super) fn apply(x: &Activations, rows: usize, targets: &mut [Target]) {
    let outputs: Vec<_> = targets
        .iter_mut()
        .map(|target| {
            let layer = target.layer;
            (layer, SharedOutput::new(target.out), target.add)
        })
        .collect();
    let tiles: usize = outputs.iter().map(|(layer, ..)| layer.weight.tiles()).sum();
    parallel::split(tiles, rows * ROWS * x.columns(), |range| {
        let mut results = [[0f32; ROWS]; PANEL];
        for panel in panels(rows) {
            for mut tile in range.clone() {
                for (layer, out, add) in &outputs {
                    if tile >= layer.weight.tiles() {
                        tile -= layer.weight.tiles();
                        continue;
                    }
                    layer.weight.tile(tile, x, panel.clone(), &mut results);
                    let first = tile * ROWS;
                    let columns = first..layer.width().min(first + ROWS);
                    for (row, results) in panel.clone().zip(&results) {
                        let start = row * layer.width();
                        // SAFETY: each tile is given to exactly one thread.
                        let out = unsafe { out.part(start + columns.start..start + columns.end) };
                        let bias = layer.bias.as_ref().map(|bias| &bias[columns.clone()]);
                        write(results, bias, *add, out);
                    }
                    break;
                }
            }
        }
    });
    for target in targets {
        let Some(LowRank { down, up }) = &target.layer.low_rank else {
            continue;
        };
        let mut between = vec![0f32; rows * down.rows()];
        let plain = |weight: &Arc<PackedMatrix>| HostLinear {
            weight: Arc::clone(weight),
            bias: None,
            low_rank: None,
        };
        let (down, up) = (plain(down), plain(up));
        let rank = down.width();
        let (layer, out) = (&down, &mut between[..]);
        apply(
            x,
            rows,
            &mut [Target {
                layer,
                out,
                add: false,
            }],
        );
        let mut x = Activations::default();
        x.fill(rows, rank, |row, values| {
            values.copy_from_slice(&between[row * rank..(row + 1) * rank]);
        });
        let (layer, out) = (&up, &mut *target.out);
        apply(
            &x,
            rows,
            &mut [Target {
                layer,
                out,
                add: true,
            }],
        );
    }
}

fn panels(rows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let starts = (0..rows).step_by(PANEL);
    starts.map(move |start| start..rows.min(start + PANEL))
}

fn write(results: &[f32; ROWS], bias: Option<&[f32]>, add: bool, out: &mut [f32]) {
    // Nearly all are whole.
    let whole: Result<&mut [f32; ROWS], _> = out.try_into();
    if let (Ok(whole), None) = (whole, bias) {
        match add {
            true => whole.iter_mut().zip(results).for_each(|(out, y)| *out += y),
            false => *whole = *results,
        }
        return;
    }
    match add {
        true => out.iter_mut().zip(results).for_each(|(out, y)| *out += y),
        false => out.iter_mut().zip(results).for_each(|(out, y)| *out = *y),
    }
    if let Some(bias) = bias {
        out.iter_mut().zip(bias).for_each(|(out, b)| *out += b);
    }
}
