//! What a row of logits says as probabilities: entropy, the best tokens, any token's share.

use crate::kernels::elementwise;

/// The log-probabilities of one position over the real vocabulary.
///
/// Computed from the raw logits, before any filter: what the model believes, not what the
/// sampler may take. A logit that is not a number counts as impossible.
#[derive(Debug)]
pub struct LogitsRow<'a> {
    logits: &'a [f32],
    /// Logarithm of the sum of the exponentials of all logits.
    log_sum: f64,
    /// Shannon entropy in nats; 0 if the row holds no number.
    pub entropy: f32,
    /// The best tokens with their log-probabilities, best first; among equals the lower id.
    pub top: Vec<(u32, f32)>,
}

impl<'a> LogitsRow<'a> {
    /// Reads `logits` of ids below `vocab`; keeps the `top` best.
    pub fn new(logits: &'a [f32], vocab: usize, top: usize) -> Self {
        let logits = &logits[..vocab.min(logits.len())];
        let mut maxima = vec![0.0; logits.len().div_ceil(elementwise::GROUP)];
        elementwise::maxima(logits, &mut maxima);
        let best = maxima.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let best = number(best);
        // With d the distance to the best logit, p = e^d / sum(e^d), and so the entropy
        // -sum(p ln p) = ln sum(e^d) - sum(e^d d) / sum(e^d).
        let (sum, weighted) = match best > f32::NEG_INFINITY {
            true => elementwise::softmax_moments(logits, best),
            false => (0.0, 0.0),
        };
        let possible = sum > 0.0;
        let mut row = Self {
            logits,
            log_sum: if possible {
                f64::from(best) + sum.ln()
            } else {
                f64::INFINITY
            },
            entropy: if possible {
                (sum.ln() - weighted / sum).max(0.0) as f32
            } else {
                0.0
            },
            top: Vec::new(),
        };
        row.top = row
            .best(top, &maxima)
            .into_iter()
            .map(|id| (id, row.logprob(id)))
            .collect();
        row
    }

    /// The natural logarithm of a token's probability; −∞ for ids outside the vocabulary.
    pub fn logprob(&self, id: u32) -> f32 {
        let logit = self
            .logits
            .get(id as usize)
            .copied()
            .map_or(f32::NEG_INFINITY, number);
        (f64::from(logit) - self.log_sum) as f32
    }

    /// The ids of the `k` largest logits in one pass: most groups of a large vocabulary have no
    /// logit above the worst one kept.
    fn best(&self, k: usize, maxima: &[f32]) -> Vec<u32> {
        let k = k.min(self.logits.len());
        let mut kept: Vec<(f32, u32)> = Vec::with_capacity(k + 1);
        let worse = |kept: &[(f32, u32)], logit: f32| {
            kept.len() == k && kept.last().is_none_or(|worst| logit <= worst.0)
        };
        let groups = self.logits.chunks(elementwise::GROUP).zip(maxima);
        for (group, (logits, &max)) in groups.enumerate() {
            if worse(&kept, number(max)) {
                continue;
            }
            for (i, &logit) in logits.iter().enumerate() {
                let logit = number(logit);
                if !worse(&kept, logit) {
                    let place = kept.partition_point(|better| better.0 >= logit);
                    let id = group * elementwise::GROUP + i;
                    kept.insert(place, (logit, id as u32));
                    kept.truncate(k);
                }
            }
        }
        kept.into_iter().map(|(_, id)| id).collect()
    }
}

/// A logit fit for arithmetic: not-a-number is impossible, infinity is merely very large (so
/// that differences of two of them stay numbers).
pub(super) fn number(logit: f32) -> f32 {
    if logit.is_nan() {
        f32::NEG_INFINITY
    } else {
        logit.min(f32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_entropy_and_order_are_exact() {
        // Probabilities 1/2, 1/4, 1/8, 1/8; the last logit belongs to padding.
        let logits = [2f32.ln(), 4f32.ln(), 1f32.ln(), 1f32.ln(), 99.0];
        let row = LogitsRow::new(&logits, 4, 3);
        let half = 0.5f32.ln();
        assert!((row.logprob(1) - half).abs() < 1e-6);
        assert!((row.entropy - 1.75 * 2f32.ln()).abs() < 1e-6);
        let ids: Vec<u32> = row.top.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 0, 2], "equals by the lower id");
        assert!((row.top[0].1 - half).abs() < 1e-6);
        assert_eq!(row.logprob(4), f32::NEG_INFINITY);
    }

    #[test]
    fn a_constant_added_to_all_logits_changes_nothing() {
        let shifted: Vec<f32> = (0..1000).map(|i| (i % 7) as f32 + 5000.0).collect();
        let plain: Vec<f32> = (0..1000).map(|i| (i % 7) as f32).collect();
        let (a, b) = (
            LogitsRow::new(&shifted, 1000, 5),
            LogitsRow::new(&plain, 1000, 5),
        );
        assert!((a.entropy - b.entropy).abs() < 1e-6);
        assert_eq!(a.top, b.top);
    }

    #[test]
    fn a_uniform_row_over_a_real_vocabulary_has_the_entropy_of_its_size() {
        let row = vec![-3.25f32; 262_144];
        let row = LogitsRow::new(&row, 262_144, 2);
        assert!((row.entropy - 262_144f32.ln()).abs() < 1e-5);
        assert_eq!(
            row.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn what_is_not_a_number_is_impossible() {
        let row = [f32::NAN, 0.0, f32::NEG_INFINITY, f32::INFINITY];
        let row = LogitsRow::new(&row, 4, 4);
        assert_eq!(row.top[0], (3, 0.0));
        assert_eq!((row.logprob(0), row.entropy), (f32::NEG_INFINITY, 0.0));
        let nothing = [f32::NAN; 3];
        let row = LogitsRow::new(&nothing, 3, 1);
        assert_eq!((row.entropy, row.logprob(1)), (0.0, f32::NEG_INFINITY));
        let empty = LogitsRow::new(&[], 10, 5);
        assert!(empty.top.is_empty());
    }
}
