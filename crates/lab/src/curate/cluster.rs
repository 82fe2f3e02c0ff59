//! Spherical k-means: items whose vectors point the same way belong together.
//!
//! Dhillon and Modha, "Concept decompositions for large sparse text data using clustering", 2001;
//! seeded as k-means++ (Arthur and Vassilvitskii, 2007) with the cosine distance. The same
//! vectors and seed give the same clusters.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::text;
use s1_core::rng::Rng;
use s1_train::native::math::dot;

/// Passes over the items; the clusters hardly move after a dozen.
const PASSES: usize = 30;
/// A word that names a cluster is as many times as frequent in it as in the pool.
const TELLING: f64 = 2.0;

/// Vectors of length 1 (or 0, for an item of which nothing is known), one after the other.
#[derive(Clone, Debug)]
pub(super) struct Vectors {
    /// Numbers in a vector.
    pub width: usize,
    /// The vectors `[items, width]`.
    pub values: Vec<f32>,
}

impl Vectors {
    /// Takes from every vector what all have in common (their mean), and scales each to length 1:
    /// what is left is in which way an item differs.
    pub(super) fn centred(width: usize, mut values: Vec<f32>) -> Vectors {
        let n = (values.len() / width.max(1)).max(1);
        let mut mean = vec![0f64; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(m, &v)| *m += f64::from(v));
        }
        for row in values.chunks_exact_mut(width) {
            // Of an item without a word nothing is known, and nothing is made up.
            if row.iter().any(|&v| v != 0.0) {
                let pairs = row.iter_mut().zip(&mean);
                pairs.for_each(|(v, m)| *v -= (m / n as f64) as f32);
            }
            normalise(row);
        }
        Vectors { width, values }
    }

    fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..(at + 1) * self.width]
    }
}

fn normalise(row: &mut [f32]) {
    let length = dot(row, row).sqrt();
    if length > 1e-12 {
        row.iter_mut().for_each(|v| *v /= length);
    } else {
        row.fill(0.0);
    }
}

/// The cluster of every item, numbered from 0, the largest first. At most `k` clusters; fewer
/// where there are not so many different items.
pub(super) fn clusters(vectors: &Vectors, k: usize, seed: u64) -> Vec<usize> {
    let mut centres = seeds(vectors, k, &mut Rng::new(seed));
    if centres.is_empty() {
        return vec![0; vectors.count()];
    }
    let width = vectors.width;
    let mut of: Vec<usize> = vec![usize::MAX; vectors.count()];
    for _ in 0..PASSES {
        let nearest: Vec<usize> = (0..vectors.count())
            .map(|at| nearest(vectors.row(at), &centres, width))
            .collect();
        if nearest == of {
            break;
        }
        of = nearest;
        let mut sums = vec![0f32; centres.len()];
        for (at, &c) in of.iter().enumerate() {
            let sum = &mut sums[c * width..(c + 1) * width];
            sum.iter_mut()
                .zip(vectors.row(at))
                .for_each(|(s, v)| *s += v);
        }
        for (centre, sum) in centres
            .chunks_exact_mut(width)
            .zip(sums.chunks_exact_mut(width))
        {
            normalise(sum);
            // A cluster that nobody belongs to stays where it is.
            if sum.iter().any(|&v| v != 0.0) {
                centre.copy_from_slice(sum);
            }
        }
    }
    by_size(&of)
}

/// Items far from each other, as centres to begin with.
fn seeds(vectors: &Vectors, k: usize, rng: &mut Rng) -> Vec<f32> {
    let n = vectors.count();
    if n == 0 || k == 0 {
        return Vec::new();
    }
    let mut centres = vectors.row(rng.below(n)).to_vec();
    let mut distance: Vec<f64> = vec![f64::MAX; n];
    for _ in 1..k {
        let newest = centres[centres.len() - vectors.width..].to_vec();
        let mut total = 0.0;
        for (at, nearest) in distance.iter_mut().enumerate() {
            let far = f64::from(1.0 - dot(vectors.row(at), &newest)).max(0.0);
            // Rounding makes the same vector a little distant from itself.
            *nearest = nearest.min(if far < 1e-5 { 0.0 } else { far });
            total += *nearest;
        }
        let mut aim = rng.bits() as f64 / 2f64.powi(64) * total;
        let hit = distance.iter().position(|d| {
            aim -= d;
            *d > 0.0 && aim <= 0.0
        });
        let Some(at) = hit.or_else(|| distance.iter().rposition(|&d| d > 0.0)) else {
            break;
        };
        centres.extend_from_slice(vectors.row(at));
    }
    centres
}

/// The centre that is most like a vector, the first of several.
fn nearest(row: &[f32], centres: &[f32], width: usize) -> usize {
    let mut best = (0, f32::MIN);
    for (c, centre) in centres.chunks_exact(width).enumerate() {
        let alike = dot(row, centre);
        if alike > best.1 {
            best = (c, alike);
        }
    }
    best.0
}

/// Numbers the clusters anew: the largest is 0; of the same size, the one whose first item comes
/// first.
fn by_size(of: &[usize]) -> Vec<usize> {
    let mut sizes: HashMap<usize, (usize, usize)> = HashMap::new();
    for (at, &c) in of.iter().enumerate() {
        sizes.entry(c).or_insert((0, at)).0 += 1;
    }
    let mut order: Vec<usize> = sizes.keys().copied().collect();
    order.sort_by_key(|c| (Reverse(sizes[c].0), sizes[c].1));
    let new: HashMap<usize, usize> = order.into_iter().enumerate().map(|(i, c)| (c, i)).collect();
    of.iter().map(|c| new[c]).collect()
}

/// A name for every cluster: its number, and the three words that tell it from the others.
///
/// A word's weight is p(word | cluster) · log(p(word | cluster) / p(word)), over questions: what
/// the word adds to the divergence of the cluster from the pool.
pub(super) fn names(questions: &[&str], of: &[usize]) -> Vec<String> {
    let count = of.iter().map(|c| c + 1).max().unwrap_or(0);
    let mut everywhere: HashMap<String, f64> = HashMap::new();
    let mut within: Vec<HashMap<String, f64>> = vec![HashMap::new(); count];
    let mut sizes = vec![0f64; count];
    for (question, &c) in questions.iter().zip(of) {
        sizes[c] += 1.0;
        let mut words = text::words(question);
        words.retain(|w| w.chars().count() > 2 && w.chars().all(char::is_alphabetic));
        words.sort_unstable();
        words.dedup();
        for word in words {
            *everywhere.entry(word.clone()).or_default() += 1.0;
            *within[c].entry(word).or_default() += 1.0;
        }
    }
    let all = of.len().max(1) as f64;
    within
        .into_iter()
        .enumerate()
        .map(|(c, words)| {
            let mut weighed: Vec<(f64, String)> = words
                .into_iter()
                .map(|(word, n)| {
                    let (here, there) = (n / sizes[c], everywhere[&word] / all);
                    (here * (here / there).ln(), here / there, word)
                })
                .filter(|(_, ratio, _)| *ratio >= TELLING)
                .map(|(weight, _, word)| (weight, word))
                .collect();
            weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            let told: Vec<String> = weighed.into_iter().take(3).map(|(_, word)| word).collect();
            match told.is_empty() {
                true => format!("{:02}", c + 1),
                false => format!("{:02} {}", c + 1, told.join(" ")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three directions with a little noise: 30, 20 and 10 items, mixed.
    fn directions() -> (Vectors, Vec<usize>) {
        let mut rng = Rng::new(1);
        let mut noise = || (rng.bits() % 1000) as f32 / 10_000.0;
        let mut values = Vec::new();
        let mut of = Vec::new();
        for i in 0..60 {
            let c = [0, 1, 0, 1, 0, 2][i % 6];
            for axis in 0..3 {
                values.push(noise() + if axis == c { 1.0 } else { 0.0 });
            }
            of.push(c);
        }
        (Vectors::centred(3, values), of)
    }

    #[test]
    fn items_that_point_the_same_way_are_together_largest_first() {
        let (vectors, of) = directions();
        for seed in 0..5 {
            assert_eq!(clusters(&vectors, 3, seed), of);
            assert_eq!(clusters(&vectors, 7, seed), clusters(&vectors, 7, seed));
        }
    }

    #[test]
    fn there_are_no_more_clusters_than_different_items() {
        let same = Vectors {
            width: 2,
            values: [0.6, 0.8].repeat(9),
        };
        assert_eq!(clusters(&same, 5, 0), [0; 9]);
        let none = Vectors {
            width: 2,
            values: vec![0.0; 6],
        };
        assert_eq!(clusters(&none, 5, 0).len(), 3);
        let empty = Vectors {
            width: 2,
            values: Vec::new(),
        };
        assert!(clusters(&empty, 5, 0).is_empty());
    }

    #[test]
    fn a_cluster_is_named_by_what_tells_it_from_the_others() {
        let questions = [
            "the train goes fast",
            "the train goes slow",
            "the cake tastes fine",
            "the cake tastes bad",
            "?",
        ];
        assert_eq!(
            names(&questions, &[0, 0, 1, 1, 2]),
            ["01 goes train fast", "02 cake tastes bad", "03"]
        );
    }
}
