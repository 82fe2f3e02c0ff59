//! Which experts a token goes through, and how much each counts.
//!
//! Not here: what the experts compute.

use crate::config::ExpertConfig;

/// The experts with the highest scores, each with its weight: its share of the softmax over all, or
/// over the chosen ones where the model has it so.
pub(super) fn choose(config: &ExpertConfig, scores: &[f32]) -> Vec<(usize, f32)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let (chosen, rest) = order.split_at(config.used.min(order.len()));
    let max = chosen.first().map_or(0.0, |&best| scores[best]);
    let term = |&expert: &usize| (scores[expert] - max).exp();
    let mut total: f32 = chosen.iter().map(term).sum();
    if !config.normalized {
        total += rest.iter().map(term).sum::<f32>();
    }
    let weighed = chosen.iter().map(|expert| (*expert, term(expert) / total));
    weighed.collect()
}

/// The rows that go through each expert, with their weights: of a batch's rows of scores.
pub(super) fn by_expert(config: &ExpertConfig, scores: &[f32]) -> Vec<(usize, Vec<(usize, f32)>)> {
    let mut members = vec![Vec::new(); config.count];
    for (row, scores) in scores.chunks_exact(config.count).enumerate() {
        for (expert, weight) in choose(config, scores) {
            members[expert].push((row, weight));
        }
    }
    let used = members.into_iter().enumerate();
    used.filter(|(_, rows)| !rows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_experts_share_the_softmax_over_all_or_over_themselves() {
        let mut config = ExpertConfig {
            count: 4,
            used: 2,
            ffn: 1,
            shared_ffn: None,
            normalized: true,
        };
        let scores = [0.0, 3f32.ln(), f32::NEG_INFINITY, 3f32.ln()];
        let close = |chosen: Vec<(usize, f32)>, expected: [(usize, f32); 2]| {
            for ((expert, weight), (of, exact)) in chosen.iter().zip(expected) {
                assert_eq!(*expert, of);
                assert!((weight - exact).abs() < 1e-6, "{weight}");
            }
        };
        close(choose(&config, &scores), [(1, 0.5), (3, 0.5)]);
        config.normalized = false;
        close(choose(&config, &scores), [(1, 3.0 / 7.0), (3, 3.0 / 7.0)]);
        // What is not a number chooses something all the same.
        assert_eq!(choose(&config, &[f32::NAN; 4]).len(), 2);
        let both = [scores, [9.0, 0.0, 8.0, 0.0]].concat();
        let rows: Vec<(usize, usize)> = by_expert(&config, &both)
            .iter()
            .map(|(expert, rows)| (*expert, rows.len()))
            .collect();
        assert_eq!(rows, [(0, 1), (1, 1), (2, 1), (3, 1)]);
    }
}
