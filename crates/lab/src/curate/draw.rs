//! The draw: which of the items that are left are kept.
//!
//! s1 draws a domain at random, then a problem within it with a preference for longer traces: the
//! weight of the r-th longest is 2^-r. Drawing is without replacement, and the ranks are those
//! among the items that are still there, until enough are kept.

use s1_core::rng::Rng;

/// An item that can be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrawCandidate {
    /// The number of its domain.
    pub domain: usize,
    /// The length of its trace.
    pub length: usize,
}

/// Draws `keep` positions (all of them, if there are fewer), in the order in which they were
/// drawn: a domain uniformly, then one item of it, by rank or (`!longer`) uniformly.
pub(super) fn by_domain(
    items: &[DrawCandidate],
    keep: usize,
    longer: bool,
    rng: &mut Rng,
) -> Vec<usize> {
    let count = items.iter().map(|c| c.domain + 1).max().unwrap_or(0);
    let mut domains: Vec<Vec<usize>> = vec![Vec::new(); count];
    for at in longest(items, items.len()) {
        domains[items[at].domain].push(at);
    }
    domains.retain(|d| !d.is_empty());
    let mut drawn = Vec::new();
    while drawn.len() < keep && !domains.is_empty() {
        let d = rng.below(domains.len());
        let members = &mut domains[d];
        let rank = match longer {
            true => halving(members.len(), rng),
            false => rng.below(members.len()),
        };
        drawn.push(members.remove(rank));
        if members.is_empty() {
            domains.remove(d);
        }
    }
    drawn
}

/// The `keep` longest, the longest first; of the same length, the first in the pool first.
pub(super) fn longest(items: &[DrawCandidate], keep: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(items[at].length));
    order.truncate(keep);
    order
}

/// `keep` of `count` positions, uniformly, in the order in which they were drawn.
pub(super) fn uniform(count: usize, keep: usize, rng: &mut Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    let keep = keep.min(count);
    // The first steps of a Fisher–Yates shuffle.
    for i in 0..keep {
        let j = i + rng.below(count - i);
        all.swap(i, j);
    }
    all.truncate(keep);
    all
}

/// A rank r below `n` with a weight of 2^-r: each rank is taken with the toss of a coin, from the
/// first on, and all over again if none was.
fn halving(n: usize, rng: &mut Rng) -> usize {
    loop {
        let mut rank = 0;
        let mut tosses = rng.bits();
        let mut left = 64;
        while rank < n {
            if tosses & 1 == 1 {
                return rank;
            }
            rank += 1;
            tosses >>= 1;
            left -= 1;
            if left == 0 {
                (tosses, left) = (rng.bits(), 64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_has_half_the_weight_of_the_one_before() {
        let mut rng = Rng::new(1);
        let mut counts = [0usize; 4];
        let n = 150_000;
        for _ in 0..n {
            counts[halving(4, &mut rng)] += 1;
        }
        for (rank, count) in counts.iter().enumerate() {
            let expected = n as f64 * 0.5f64.powi(rank as i32 + 1) / (1.0 - 0.0625);
            let off = (*count as f64 - expected).abs() / expected;
            assert!(off < 0.02, "rank {rank}: {count} of {expected}");
        }
        assert_eq!(halving(1, &mut rng), 0);
    }

    fn pool() -> Vec<DrawCandidate> {
        // Domain 0 has ninety items, domain 1 ten; the later ones are longer.
        (0..100)
            .map(|i| DrawCandidate {
                domain: usize::from(i >= 90),
                length: i,
            })
            .collect()
    }

    #[test]
    fn domains_are_drawn_alike_regardless_of_size() {
        let mut small = 0;
        for seed in 0..200 {
            let drawn = by_domain(&pool(), 10, true, &mut Rng::new(seed));
            small += drawn.iter().filter(|&&at| at >= 90).count();
        }
        // 2000 draws, half of them expected; ±4 standard deviations.
        assert!((910..=1090).contains(&small), "{small}");
    }

    #[test]
    fn longer_traces_are_preferred_only_where_asked_for() {
        let mean = |longer: bool| {
            let drawn = by_domain(&pool(), 10, longer, &mut Rng::new(3));
            let first: Vec<usize> = drawn.into_iter().filter(|&at| at < 90).collect();
            first.iter().sum::<usize>() / first.len()
        };
        assert!(mean(true) > 80, "{}", mean(true));
        assert!(mean(false) < 80, "{}", mean(false));
    }

    #[test]
    fn nothing_is_drawn_twice_and_a_seed_gives_the_same_again() {
        let items = pool();
        for (longer, keep) in [(true, 40), (false, 40), (true, 1000)] {
            let drawn = by_domain(&items, keep, longer, &mut Rng::new(5));
            let mut sorted = drawn.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), keep.min(items.len()));
            assert_eq!(drawn, by_domain(&items, keep, longer, &mut Rng::new(5)));
            assert_ne!(drawn, by_domain(&items, keep, longer, &mut Rng::new(6)));
        }
        assert!(by_domain(&[], 3, true, &mut Rng::new(5)).is_empty());
    }

    #[test]
    fn the_other_draws_are_what_they_are_called() {
        let item = |length| DrawCandidate { domain: 0, length };
        let items = [item(5), item(9), item(5), item(7)];
        assert_eq!(longest(&items, 3), [1, 3, 0]);
        let drawn = uniform(10, 10, &mut Rng::new(2));
        assert_ne!(drawn, (0..10).collect::<Vec<_>>());
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        assert_eq!(uniform(10, 4, &mut Rng::new(2)), drawn[..4]);
        assert_eq!(uniform(2, 4, &mut Rng::new(2)).len(), 2);
    }
}
