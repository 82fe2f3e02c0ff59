//! Rotary position embeddings over rows of heads, and their backward pass: the turn back.

use s1_model::config::RopeLayout;

/// Cosines and sines for the rows of a batch.
#[derive(Debug, Default)]
pub struct Angles {
    /// `[rows, pairs]`.
    pub cos: Vec<f32>,
    /// `[rows, pairs]`.
    pub sin: Vec<f32>,
}

/// Turns the leading pairs of every head of `x` `[rows, heads · dim]` in place; `back` turns the
/// other way. (With a magnitude other than 1 the transpose still is the turn by the negative
/// angle with the same magnitude.)
pub fn turn(
    x: &mut [f32],
    dim: usize,
    row: usize,
    layout: RopeLayout,
    angles: &Angles,
    back: bool,
) {
    let rows = x.len() / row.max(1);
    let pairs = angles.cos.len() / rows.max(1);
    let sign = if back { -1.0 } else { 1.0 };
    for (i, row) in x.chunks_exact_mut(row).enumerate() {
        let cos = &angles.cos[i * pairs..(i + 1) * pairs];
        let sin = &angles.sin[i * pairs..(i + 1) * pairs];
        for head in row.chunks_exact_mut(dim) {
            match layout {
                RopeLayout::Interleaved => {
                    let (both, _) = head.as_chunks_mut::<2>();
                    for ((pair, c), s) in both.iter_mut().zip(cos).zip(sin) {
                        let [a, b] = *pair;
                        let s = sign * s;
                        *pair = [a * c - b * s, b * c + a * s];
                    }
                }
                RopeLayout::HalfSplit => {
                    let (first, second) = head.split_at_mut(pairs);
                    for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                        let s = sign * s;
                        (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
                    }
                }
            }
        }
    }
}
