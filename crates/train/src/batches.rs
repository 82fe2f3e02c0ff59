//! Which documents make up which step: a seeded order for every epoch, and rows of whole
//! documents.
//!
//! Everything follows from the seed and the number of the step, so a resumed run needs no state
//! of its own to go on with the same data. Documents are never padded, so there is nothing to be
//! won by grouping them by length.

use s1_core::rng::mix;

/// The plan of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    /// Tokens of each document.
    lengths: Vec<usize>,
    /// Rows in a step.
    rows: usize,
    /// Tokens that a row holds if documents are packed; `None` gives each a row of its own.
    pack: Option<usize>,
    seed: u64,
}

impl Batches {
    /// A plan for documents of these lengths, `rows` rows a step. With `pack`, a row is filled
    /// with whole documents up to that many tokens.
    pub fn new(lengths: Vec<usize>, rows: usize, pack: Option<usize>, seed: u64) -> Self {
        Self {
            lengths,
            rows: rows.max(1),
            pack,
            seed,
        }
    }

    /// Steps in the first epoch (with packing, others may need one more or less).
    pub fn steps_per_epoch(&self) -> usize {
        self.epoch(0).len().div_ceil(self.rows).max(1)
    }

    /// The rows of each step of an epoch, as indices of documents, in order.
    fn epoch(&self, epoch: usize) -> Vec<Vec<usize>> {
        let key = mix(self.seed, epoch as u64);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        // Fisher and Yates.
        for i in (1..order.len()).rev() {
            let j = (mix(key, i as u64) % (i as u64 + 1)) as usize;
            order.swap(i, j);
        }
        let Some(room) = self.pack else {
            return order.into_iter().map(|i| vec![i]).collect();
        };
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut used = usize::MAX;
        for i in order {
            let length = self.lengths[i];
            match rows.last_mut() {
                Some(row) if used.saturating_add(length) <= room => {
                    row.push(i);
                    used += length;
                }
                _ => {
                    rows.push(vec![i]);
                    used = length;
                }
            }
        }
        rows
    }

    /// The steps from `first` on, without end: for each, the epoch (from 0) and its rows.
    pub fn from(&self, first: usize) -> impl Iterator<Item = (usize, Vec<Vec<usize>>)> + '_ {
        let mut epoch = 0;
        let mut skip = first;
        let mut rows = self.epoch(0);
        while skip >= rows.len().div_ceil(self.rows).max(1) {
            skip -= rows.len().div_ceil(self.rows).max(1);
            epoch += 1;
            rows = self.epoch(epoch);
        }
        let mut at = skip * self.rows;
        std::iter::from_fn(move || {
            if at >= rows.len() {
                epoch += 1;
                rows = self.epoch(epoch);
                at = 0;
            }
            let end = (at + self.rows).min(rows.len());
            let step = rows[at..end].to_vec();
            at = end;
            Some((epoch, step))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_seen_once_an_epoch_in_another_order() {
        let batches = Batches::new(vec![1; 10], 4, None, 7);
        assert_eq!(batches.steps_per_epoch(), 3);
        let steps: Vec<_> = batches.from(0).take(6).collect();
        let sizes: Vec<usize> = steps.iter().map(|(_, rows)| rows.len()).collect();
        assert_eq!(sizes, [4, 4, 2, 4, 4, 2]);
        let epoch = |n: usize| -> Vec<usize> {
            let own = steps.iter().filter(|(e, _)| *e == n);
            own.flat_map(|(_, rows)| rows.concat()).collect()
        };
        assert_ne!(epoch(0), epoch(1));
        for n in 0..2 {
            let mut seen = epoch(n);
            seen.sort();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_run_taken_up_again_goes_on_with_the_same_data() {
        let batches = Batches::new((1..40).collect(), 2, Some(50), 3);
        let all: Vec<_> = batches.from(0).take(60).collect();
        for first in [0, 1, 17, 33] {
            let rest: Vec<_> = batches.from(first).take(60 - first).collect();
            assert_eq!(rest, all[first..]);
        }
    }

    #[test]
    fn packed_rows_hold_whole_documents_up_to_the_block() {
        let lengths: Vec<usize> = (1..40).collect();
        let batches = Batches::new(lengths.clone(), 1, Some(50), 3);
        let steps = batches.steps_per_epoch();
        assert!(
            steps < 25,
            "780 tokens in rows of 50 need few rows, not {steps}"
        );
        for (_, rows) in batches.from(0).take(steps) {
            let tokens: usize = rows[0].iter().map(|&i| lengths[i]).sum();
            assert!(tokens <= 50);
        }
    }
}
