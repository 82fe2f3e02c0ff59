//! Drawing where only the best logits of a position are at hand, and what all come to together: the
//! token that all of them would give, or none where that cannot be told.

use super::{Sampling, TokenCandidate, best_first, draw, filter};
use s1_core::rng::uniform;

/// How far a device's sum of many numbers in single precision may be off, as a share of it.
const SUM_ERROR: f64 = 1e-4;
/// And our own in double precision.
const ROUNDING: f64 = 1e-9;

/// The best logits of a position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BestRow<'a> {
    /// Best first, among equals the lower id; none of them is lost above the last one's logit. Those
    /// that equal the last one are not all here, and it counts as the best of those that are not.
    pub best: &'a [(u32, f32)],
    /// Whether that is all there are.
    pub complete: bool,
    /// The sum of e^(z - best) over all logits z.
    pub sum: f64,
}

/// The next token as [`super::sample`] chooses it from all logits; `None` where it depends on more
/// than the best ones.
pub(crate) fn sample_best(
    row: BestRow<'_>,
    banned: &[u32],
    s: &Sampling,
    position: u64,
    sample: u64,
) -> Option<u32> {
    // What was written before may be anywhere among the logits.
    if s.repetition_penalty != 1.0 {
        return None;
    }
    let (&(_, highest), &(_, floor)) = (row.best.first()?, row.best.last()?);
    let certain = |&&(id, logit): &&(u32, f32)| {
        (row.complete || logit > floor) && logit > f32::NEG_INFINITY && !banned.contains(&id)
    };
    let allowed: Vec<(u32, f32)> = row.best.iter().filter(certain).copied().collect();
    let &(first, top) = allowed.first()?;
    if s.is_greedy() {
        return Some(first);
    }
    let weigh = |logit: f32, temperature: f32| {
        ((f64::from(logit) - f64::from(top)) / f64::from(temperature)).exp()
    };
    let candidates = allowed.iter().map(|&(id, logit)| TokenCandidate {
        id,
        logit,
        weight: weigh(logit, s.temperature),
    });
    let mut known: Vec<_> = candidates.filter(|c| c.weight > 0.0).collect();
    let point = uniform(s.seed, sample, position);
    let by_top_k = s.top_k > 0 && known.len() > s.top_k;
    let by_min_p = s.top_k == 0
        && s.top_p >= 1.0
        && s.min_p > 0.0
        && weigh(floor, s.temperature) < f64::from(s.min_p);
    if row.complete || by_top_k || by_min_p {
        // No other one passes the filters.
        known.sort_unstable_by_key(|c| c.id);
        return Some(draw(&filter(known, s), point));
    }
    // Those that are not here weigh less than the last one that is; at temperatures up to one, no
    // more together than at one, where their sum is known.
    if s.top_k > 0 || s.top_p >= 1.0 || s.temperature > 1.0 {
        return None;
    }
    let at_one = |logit: f32| weigh(logit, 1.0);
    let sum = row.sum * at_one(highest);
    let above = row.best.iter().filter(|&&(_, logit)| logit > floor);
    let above: f64 = above.map(|&(_, logit)| at_one(logit)).sum();
    let heaviest = at_one(floor);
    let most = (sum * (1.0 + SUM_ERROR) - above).max(0.0)
        * heaviest.powf(1.0 / f64::from(s.temperature) - 1.0);
    let least = match s.temperature == 1.0 {
        true => sum * (1.0 - SUM_ERROR) - above - heaviest * banned.len() as f64,
        false => 0.0,
    };
    known.sort_unstable_by(best_first);
    let sure: f64 = known.iter().map(|c| c.weight).sum();
    let ends_at = |total: f64| {
        let mut mass = 0.0;
        known.iter().position(|c| {
            mass += c.weight;
            mass >= f64::from(s.top_p) * total
        })
    };
    let last = ends_at(sure * (1.0 + ROUNDING) + most)?;
    (ends_at(sure * (1.0 - ROUNDING) + least.max(0.0)) == Some(last)).then(|| {
        known.truncate(last + 1);
        known.retain(|c| c.weight >= f64::from(s.min_p));
        draw(&known, point)
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use s1_core::rng::Rng;

    const KEPT: usize = 64;

    /// The best logits as a device keeps them, which of equals takes any.
    fn kept(logits: &[f32]) -> (Vec<(u32, f32)>, f64) {
        let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        let highest = f64::from(all[0].1);
        let sum = all.iter().map(|c| (f64::from(c.1) - highest).exp()).sum();
        all.truncate(KEPT);
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        (all, sum)
    }

    /// Logits in a bell of this width, in steps of so much.
    fn logits(rng: &mut Rng, width: f32, step: f32) -> Vec<f32> {
        let one = |rng: &mut Rng| (0..4).map(|_| rng.signed_unit()).sum::<f32>() * width;
        (0..2000)
            .map(|_| (one(rng) / step).round() * step)
            .collect()
    }

    fn s(temperature: f32, top_k: usize, top_p: f32, min_p: f32) -> Sampling {
        Sampling {
            temperature,
            top_k,
            top_p,
            min_p,
            seed: 7,
            ..Sampling::default()
        }
    }

    /// A user would lose: the same text from the same seed, on a GPU and on a CPU.
    #[test]
    fn the_best_give_the_token_that_all_give_or_none() {
        // And at least so many of a hundred draws are decided by them.
        let settings = [
            (s(0.0, 0, 1.0, 0.0), 99),
            (s(0.6, 20, 0.95, 0.0), 99),
            (s(1.0, 40, 1.0, 0.05), 99),
            (s(0.6, 0, 0.95, 0.0), 70),
            (s(1.0, 0, 0.9, 0.0), 30),
            (s(1.0, 0, 1.0, 0.1), 90),
            (s(1.5, 0, 0.5, 0.0), 0),
            (s(1.0, 0, 1.0, 0.0), 0),
            (s(0.7, 100, 0.9, 0.02), 0),
        ];
        let mut rng = Rng::new(3);
        for (s, least) in settings {
            let (mut decided, mut draws) = (0, 0);
            for width in [4.0, 6.0, 9.0] {
                for step in [1e-4, 0.25] {
                    for _ in 0..20 {
                        let logits = logits(&mut rng, width, step);
                        let (best, sum) = kept(&logits);
                        let row = BestRow {
                            best: &best,
                            complete: false,
                            sum,
                        };
                        // Nothing, the best token, one of the middle and one of the end.
                        let banned = [best[0].0, best[30].0, rng.below(2000) as u32];
                        for banned in [&[][..], &banned] {
                            for position in 0..10 {
                                let found = sample_best(row, banned, &s, position, 0);
                                let all = sample(&logits, 2000, banned, &[], &s, position, 0);
                                draws += 1;
                                if let Some(found) = found {
                                    decided += 1;
                                    assert_eq!(found, all.unwrap(), "{s:?}");
                                }
                            }
                        }
                    }
                }
            }
            assert!(
                100 * decided >= least * draws,
                "{s:?}: {decided} of {draws}"
            );
        }
    }

    #[test]
    fn what_was_written_before_and_equals_of_the_last_decide_nothing_here() {
        let best: Vec<(u32, f32)> = (0..4).map(|id| (id, 1.0)).collect();
        let row = |complete| BestRow {
            best: &best,
            complete,
            sum: 4.0,
        };
        // A lower id may be as good.
        assert_eq!(
            sample_best(row(false), &[], &s(0.0, 0, 1.0, 0.0), 0, 0),
            None
        );
        assert_eq!(
            sample_best(row(true), &[0], &s(0.0, 0, 1.0, 0.0), 0, 0),
            Some(1)
        );
        let penalized = Sampling {
            repetition_penalty: 1.2,
            ..Sampling::default()
        };
        assert_eq!(sample_best(row(true), &[], &penalized, 0, 0), None);
        assert_eq!(
            sample_best(row(true), &[0, 1, 2, 3], &s(0.0, 0, 1.0, 0.0), 0, 0),
            None
        );
    }
}
