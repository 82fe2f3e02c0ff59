//! Tensors whose bytes lie otherwise in their file than GGUF has them, and how they are put in its order
//! when they are read: Llama's heads and the experts of gpt-oss, as Hugging Face has them.
//!
//! Not here: which tensors these are ([`super::folder`]).

use super::indexed::Indexed;
use crate::names::{self, Direction};

/// Weights that one scale of MXFP4 is for.
pub(super) const BLOCK: usize = Indexed::Mxfp4.block_size();
/// Bytes of their indices.
pub(super) const INDICES: usize = BLOCK / 2;

/// How a tensor lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Bytes that it lies in, which may be another tensor's as well.
    pub bytes: usize,
    pub order: Order,
}

/// What is to be done to have it in GGUF's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The rows of so many heads lie in Hugging Face's order.
    Heads(usize),
    /// Its rows take turns with those of another tensor.
    Rows(Turns),
    /// So do its columns: inputs come first. Each number has so many bytes.
    Columns(Turns, usize),
    /// Its rows take turns, in MXFP4 with the scales elsewhere.
    Mxfp4(Turns, ExpertScales),
}

/// Which rows of a tensor are meant: every `step`th, from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turns {
    pub first: usize,
    pub step: usize,
}

/// Where the scales of MXFP4 lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpertScales {
    /// Which of the model's files.
    pub part: usize,
    pub offset: usize,
    pub bytes: usize,
}

impl Turns {
    /// The rows that are meant, of those that lie one after another.
    fn of(self, data: &[u8], row: usize) -> impl Iterator<Item = &[u8]> {
        let rows = data.chunks_exact(row.max(1));
        rows.skip(self.first).step_by(self.step.max(1))
    }
}

/// Its bytes in GGUF's order. `rows` is the number of its rows, `scales` what lies where its scales do.
pub(super) fn in_order(order: &Order, data: &[u8], rows: usize, scales: &[u8]) -> Vec<u8> {
    let rows = rows.max(1);
    match order {
        Order::Heads(heads) => names::reorder(data, data.len() / rows, *heads, Direction::ToGguf),
        Order::Rows(turns) => {
            let row = data.len() / (rows * turns.step.max(1));
            turns.of(data, row).flatten().copied().collect()
        }
        Order::Columns(turns, size) => {
            let (size, step) = ((*size).max(1), turns.step.max(1));
            let columns = data.len() / (rows * step * size).max(1);
            let mut out = Vec::with_capacity(rows * columns * size);
            for row in 0..rows {
                for column in 0..columns {
                    let at = ((column * rows + row) * step + turns.first) * size;
                    out.extend_from_slice(data.get(at..at + size).unwrap_or_default());
                }
            }
            out
        }
        Order::Mxfp4(turns, _) => {
            let blocks = data.len() / INDICES / (rows * turns.step.max(1));
            let indices = turns.of(data, blocks * INDICES);
            let scales = turns.of(scales, blocks);
            let mut out = Vec::with_capacity(rows * blocks * Indexed::Mxfp4.type_size());
            for (indices, scales) in indices.zip(scales) {
                for (indices, scale) in indices.chunks_exact(INDICES).zip(scales) {
                    out.push(*scale);
                    out.extend((0..INDICES).map(|i| {
                        // Two neighbours share a byte there; here it is one of either half.
                        let index = |at: usize| indices[at / 2] >> (4 * (at % 2)) & 15;
                        index(i) | index(i + INDICES) << 4
                    }));
                }
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: Turns = Turns { first: 1, step: 2 };

    #[test]
    fn what_takes_turns_is_taken_apart() {
        let data: Vec<u8> = (0..12).collect();
        let rows = |order| in_order(&order, &data, 2, &[]);
        // Four rows of three bytes; six columns of two inputs.
        assert_eq!(rows(Order::Rows(ODD)), [3, 4, 5, 9, 10, 11]);
        assert_eq!(rows(Order::Columns(ODD, 1)), [1, 5, 9, 3, 7, 11]);
        let all = Turns { first: 0, step: 1 };
        assert_eq!(
            rows(Order::Columns(all, 2)),
            [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]
        );
    }

    #[test]
    fn neighbours_in_a_byte_become_halves_of_a_block_behind_their_scale() {
        // Weight i has the index i mod 16.
        let block: Vec<u8> = (0..16)
            .map(|i| ((2 * i) % 16) | (((2 * i + 1) % 16) << 4))
            .collect();
        let data = [vec![0; 16], block].concat();
        let scales = ExpertScales {
            part: 0,
            offset: 0,
            bytes: 2,
        };
        let ours = in_order(&Order::Mxfp4(ODD, scales), &data, 1, &[9, 130]);
        let halves: Vec<u8> = (0..16).map(|i| i | i << 4).collect();
        assert_eq!(ours, [vec![130], halves].concat());
    }

    #[test]
    fn bytes_that_are_not_there_are_no_fault() {
        let scales = ExpertScales {
            part: 0,
            offset: 0,
            bytes: 0,
        };
        for order in [
            Order::Rows(ODD),
            Order::Columns(ODD, 4),
            Order::Mxfp4(ODD, scales),
        ] {
            assert_eq!(in_order(&order, &[], 3, &[]), [0u8; 0], "{order:?}");
        }
    }
}
