//! The gradient of one step's documents, computed on several threads.
//!
//! Documents are divided among shards, one thread each, with a tape and gradients of its own; sums are
//! then formed in a fixed order. So the result depends on the number of threads, but not on how
//! they were scheduled.

use super::math::add_scaled;
use super::network::{Keep, Network, Tape};
use crate::data::Example;

/// Tapes and gradients, made once and used for every step.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard>,
    threads: usize,
}

#[derive(Debug)]
struct Shard {
    tape: Tape,
    grads: Vec<f32>,
}

/// What a step's documents gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Sum of the negative log-likelihoods of the targets.
    pub loss: f64,
    pub targets: usize,
}

impl Sums {
    /// The mean loss.
    pub fn mean(&self) -> f64 {
        self.loss / self.targets.max(1) as f64
    }
}

impl Shards {
    /// Shards for at most `threads` threads and batches of at most `batch` documents: where there
    /// are fewer documents than threads, the threads share in a document's matrix products.
    pub fn new(threads: usize, batch: usize, parameters: usize, keep: Keep) -> Self {
        let threads = threads.max(1);
        let count = threads.min(batch).max(1);
        let shard = || Shard {
            tape: Tape::new(keep, threads / count),
            grads: vec![0.0; parameters],
        };
        Self {
            shards: (0..count).map(|_| shard()).collect(),
            threads,
        }
    }

    /// The gradient of the mean loss over micro-batches of documents, and the sums it is made of.
    /// `dropout` seeds this step's dropout.
    pub fn gradient(
        &mut self,
        network: &Network,
        params: &[f32],
        batches: &[Vec<&Example>],
        dropout: u64,
    ) -> (Sums, &[f32]) {
        let targets = batches.iter().flatten().map(|d| d.targets()).sum();
        let factor = 1.0 / (targets as f32).max(1.0);
        for shard in &mut self.shards {
            shard.grads.fill(0.0);
        }
        let mut loss = 0.0;
        for (index, batch) in batches.iter().enumerate() {
            let shares = shard(batch, self.shards.len());
            let seed = s1_core::rng::mix(dropout, index as u64);
            loss += self.each(&shares, |shard, share, n| {
                let grads = Some((&mut shard.grads[..], factor));
                let seed = s1_core::rng::mix(seed, n as u64);
                network.loss(params, share, grads, Some(seed), &mut shard.tape)
            });
        }
        let (first, others) = self.shards.split_at_mut(1);
        let sum = &mut first[0].grads;
        let each = sum.len().div_ceil(self.threads).max(1);
        std::thread::scope(|scope| {
            for (index, piece) in sum.chunks_mut(each).enumerate() {
                let others = &*others;
                scope.spawn(move || {
                    for other in others {
                        let at = index * each;
                        add_scaled(piece, &other.grads[at..at + piece.len()], 1.0);
                    }
                });
            }
        });
        (Sums { loss, targets }, &self.shards[0].grads)
    }

    /// The loss of documents, without gradients and dropout.
    pub fn evaluate(&mut self, network: &Network, params: &[f32], documents: &[&Example]) -> Sums {
        let shares = shard(documents, self.shards.len());
        let loss = self.each(&shares, |shard, share, _| {
            // A few at a time, so that evaluating needs no more memory than training.
            share
                .chunks(4)
                .map(|few| network.loss(params, few, None, None, &mut shard.tape))
                .sum()
        });
        Sums {
            loss,
            targets: documents.iter().map(|d| d.targets()).sum(),
        }
    }

    /// Runs a shard for each share and adds up in the order of the shards.
    fn each(
        &mut self,
        shares: &[Vec<&Example>],
        run: impl Fn(&mut Shard, &[&Example], usize) -> f64 + Sync,
    ) -> f64 {
        std::thread::scope(|scope| {
            let run = &run;
            let work: Vec<_> = self
                .shards
                .iter_mut()
                .zip(shares)
                .enumerate()
                .map(|(n, (shard, share))| scope.spawn(move || run(shard, share, n)))
                .collect();
            let sums = work.into_iter().map(|thread| match thread.join() {
                Ok(loss) => loss,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            sums.sum()
        })
    }
}

/// Divides documents so that the shares have about the same number of tokens: the longest first,
/// each to the lightest share.
fn shard<'a>(documents: &[&'a Example], shares: usize) -> Vec<Vec<&'a Example>> {
    let mut order: Vec<&Example> = documents.to_vec();
    order.sort_by_key(|d| std::cmp::Reverse(d.ids.len()));
    let mut divided = vec![(0, Vec::new()); shares];
    for document in order {
        if let Some(lightest) = divided.iter_mut().min_by_key(|(tokens, _)| *tokens) {
            lightest.0 += document.ids.len();
            lightest.1.push(document);
        }
    }
    divided.into_iter().map(|(_, share)| share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::network::Scope;
    use s1_model::fixture::tiny_gguf;
    use s1_model::gguf::Gguf;

    #[test]
    fn the_hands_are_about_equally_heavy() {
        let document = |n: usize| Example {
            ids: vec![0; n],
            mask: vec![true; n],
        };
        let all: Vec<Example> = [5, 9, 3, 7, 1].map(document).into();
        let shares = shard(&all.iter().collect::<Vec<_>>(), 2);
        let weights: Vec<Vec<usize>> = shares
            .iter()
            .map(|share| share.iter().map(|d| d.ids.len()).collect())
            .collect();
        assert_eq!(weights, [vec![9, 3, 1], vec![7, 5]]);
    }

    #[test]
    fn accumulated_batches_are_one_large_batch() {
        let gguf = Gguf::from_bytes(tiny_gguf("llama", 5)).unwrap();
        let (network, params) = Network::load(&gguf, Scope::Full, 1).unwrap();
        let all: Vec<Example> = [5u32, 19, 30, 7]
            .map(|n| Example {
                ids: (0..n).map(|i| i * 7 % 250).collect(),
                mask: (0..n).map(|i| i > 2).collect(),
            })
            .into();
        let one: Vec<Vec<&Example>> = vec![all.iter().collect()];
        let two: Vec<Vec<&Example>> = all.chunks(2).map(|c| c.iter().collect()).collect();
        let mut shards = Shards::new(2, 4, params.values.len(), Keep::All);
        let (sums, grads) = shards.gradient(&network, &params.values, &one, 0);
        let grads = grads.to_vec();
        let (again, accumulated) = shards.gradient(&network, &params.values, &two, 0);
        assert_eq!(sums.targets, again.targets);
        assert!((sums.loss - again.loss).abs() < 1e-6 * sums.loss);
        for (a, b) in grads.iter().zip(accumulated) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
