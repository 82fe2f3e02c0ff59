//! Rows of activations as the products take them: as they are, for weights in floating point, and
//! rounded to 16 bits in blocks of 32, for quantized weights.
//!
//! Sixteen bits, not eight as elsewhere: the rounding then no longer shows in the logits (they
//! differ from exact arithmetic by 0.001 in the mean log-probability of a small model, where 8 bits
//! make that 0.05: `docs/parity.md`). Instructions that multiply bytes take a value as
//! `256 · high + low` with two signed bytes.

use std::ops::Range;

use super::elementwise::{folded, wide};
use crate::parallel::{self, SharedOutput};

/// Activations in a block.
pub(super) const BLOCK: usize = 32;
/// Those of one vector.
const HALF: usize = BLOCK / 2;
/// The largest rounded activation whose halves are both signed bytes.
const MAX_QUANT: f32 = 32639.0;
/// What writing and rounding a value takes, in multiplications.
const COST: usize = 16;

/// A block of rounded activations: `scale · (256 · high + low)`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct RoundedBlock {
    pub high: [i8; BLOCK],
    pub low: [i8; BLOCK],
    pub scale: f32,
    /// Sums of the rounded values of both halves.
    pub sums: [i32; 2],
    /// Sum of all values: the scale times the sum of both halves.
    pub sum: f32,
}

impl RoundedBlock {
    pub const ZERO: RoundedBlock = RoundedBlock {
        high: [0; BLOCK],
        low: [0; BLOCK],
        scale: 0.0,
        sums: [0; 2],
        sum: 0.0,
    };

    #[inline(always)]
    fn round(&mut self, values: &[f32; BLOCK]) {
        // Magnitudes are ordered as their bits, and the largest of integers takes a few instructions. What is
        // not a number is the largest, and what is computed with its block is none.
        let magnitudes = values.iter().map(|value| value.to_bits() << 1 >> 1);
        let max = f32::from_bits(magnitudes.max().unwrap_or(0));
        let inverse = if max > 0.0 { MAX_QUANT / max } else { 0.0 };
        let high = self.high.as_chunks_mut::<HALF>().0.iter_mut();
        let halves = high.zip(self.low.as_chunks_mut::<HALF>().0);
        let values = values.as_chunks::<HALF>().0;
        for (((high, low), values), sum) in halves.zip(values).zip(&mut self.sums) {
            let quants: [i32; HALF] = std::array::from_fn(|i| {
                // `clamp` would leave what is not a number as it is, which no block can hold.
                let bounded = (values[i] * inverse).max(-MAX_QUANT);
                nearest(bounded.min(MAX_QUANT))
            });
            for (i, quant) in quants.iter().enumerate() {
                let upper = (quant + 128) >> 8;
                high[i] = upper as i8;
                low[i] = (quant - 256 * upper) as i8;
            }
            *sum = folded(quants, |a, b| a + b);
        }
        self.scale = max / MAX_QUANT;
        self.sum = self.scale * (self.sums[0] + self.sums[1]) as f32;
    }
}

/// The nearest integer of a number below 2²² in magnitude, ties to even: adding 1.5 · 2²³ leaves no
/// bits behind the point.
#[inline(always)]
fn nearest(value: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (value + SHIFT).to_bits().cast_signed() - SHIFT.to_bits().cast_signed()
}

/// Rounds values into blocks.
#[inline(always)]
fn round_all(values: &[f32], blocks: &mut [RoundedBlock]) {
    for (values, block) in values.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        block.round(values);
    }
}

wide!(round, round_all, (values: &[f32], blocks: &mut [RoundedBlock]));

/// Rows of activations `[rows, columns]`. The memory is kept from one use to the next.
#[derive(Debug, Default)]
pub struct Activations {
    columns: usize,
    plain: Vec<f32>,
    rounded: Vec<RoundedBlock>,
}

impl Activations {
    /// Makes room for rows of so many columns and has `write` write each of them, on the pool's threads.
    pub fn fill(&mut self, rows: usize, columns: usize, write: impl Fn(usize, &mut [f32]) + Sync) {
        let blocks = columns / BLOCK;
        self.columns = columns;
        self.plain.resize(rows * columns, 0.0);
        self.rounded.resize(rows * blocks, RoundedBlock::ZERO);
        let plain = SharedOutput::new(&mut self.plain[..rows * columns]);
        let rounded = SharedOutput::new(&mut self.rounded[..rows * blocks]);
        parallel::split(rows, COST * columns, |rows| {
            for row in rows {
                // SAFETY: each row is given to exactly one thread.
                let (values, blocks) = unsafe {
                    (
                        plain.part(row * columns..(row + 1) * columns),
                        rounded.part(row * blocks..(row + 1) * blocks),
                    )
                };
                write(row, values);
                round(values, blocks);
            }
        });
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The values of some rows.
    pub fn plain(&self, rows: Range<usize>) -> &[f32] {
        &self.plain[rows.start * self.columns..rows.end * self.columns]
    }

    /// The rounded values of some rows. Columns after the last whole block have none.
    pub(super) fn rounded(&self, rows: Range<usize>) -> &[RoundedBlock] {
        let blocks = self.columns / BLOCK;
        &self.rounded[rows.start * blocks..rows.end * blocks]
    }
}
