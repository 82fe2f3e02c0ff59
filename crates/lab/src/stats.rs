//! The formulas: intervals, tests, quantiles. Numbers in, numbers out.

use std::collections::BTreeMap;

/// Standard normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's score interval of a proportion at 95 %: `correct` of `n`. All of `[0, 1]` for `n = 0`.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
pub fn wilson(correct: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (n as f64, correct as f64 / n as f64);
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z2 / n;
    (
        ((centre - spread) / whole).max(0.0),
        ((centre + spread) / whole).min(1.0),
    )
}

/// McNemar's exact test, two-sided: the probability, if neither were better, of discordant pairs
/// at least as uneven as `a` against `b`. 1 without any.
///
/// The binomial with p = ½ over the discordant pairs.
pub fn mcnemar(a: usize, b: usize) -> f64 {
    let (n, least) = (a + b, a.min(b));
    // C(n, k) / 2^n in logarithms, so that no n overflows; from the largest term down, each from
    // the one before, until what is left is too small to count.
    let choose = ln_factorial(n) - ln_factorial(least) - ln_factorial(n - least);
    let mut term = (choose + n as f64 * 0.5f64.ln()).exp();
    let mut tail = term;
    for k in (1..=least).rev() {
        term *= k as f64 / (n - k + 1) as f64;
        tail += term;
        if term <= tail * f64::EPSILON {
            break;
        }
    }
    (2.0 * tail).min(1.0)
}

/// The logarithm of `n!`: the product for small numbers, Stirling's series for the others.
fn ln_factorial(n: usize) -> f64 {
    if n < 32 {
        return (2..=n).map(|i| (i as f64).ln()).sum();
    }
    let n = n as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + (std::f64::consts::TAU * n).ln() / 2.0 + series
}

/// How often each number occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    counts: BTreeMap<usize, usize>,
    len: usize,
    sum: usize,
}

impl Histogram {
    /// Counts a number.
    pub fn push(&mut self, number: usize) {
        *self.counts.entry(number).or_default() += 1;
        self.len += 1;
        self.sum += number;
    }

    /// How many numbers were counted.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn max(&self) -> Option<usize> {
        self.counts.last_key_value().map(|(&number, _)| number)
    }

    /// Their mean; 0 of none.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.len.max(1) as f64
    }

    /// Every number that occurs, in order, with how often it does.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.counts.iter().map(|(&number, &count)| (number, count))
    }

    /// The `q`-quantile, between neighbours by straight line (type 7, as in R and NumPy); `None`
    /// of none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.len.checked_sub(1)?;
        let at = q.clamp(0.0, 1.0) * last as f64;
        let below = at.floor() as usize;
        let (low, high) = (self.nth(below)?, self.nth((below + 1).min(last))?);
        Some(low + (high - low) * (at - below as f64))
    }

    /// The number at a place of the sorted list.
    fn nth(&self, place: usize) -> Option<f64> {
        let mut counted = 0;
        let mut numbers = self.counts.iter();
        let found = numbers.find(|&(_, count)| {
            counted += count;
            counted > place
        });
        found.map(|(&number, _)| number as f64)
    }
}

/// The probability that at least one of `k` samples, drawn from `n` of which `c` are right, is
/// right: `1 - C(n-c, k) / C(n, k)`. `None` if there are fewer than `k`.
///
/// Chen et al., "Evaluating large language models trained on code", 2021.
pub fn pass_at(k: usize, n: usize, c: usize) -> Option<f64> {
    if k == 0 || k > n || c > n {
        return None;
    }
    let wrong = n - c;
    if wrong < k {
        return Some(1.0);
    }
    let none: f64 = (0..k)
        .map(|i| (wrong - i) as f64 / (n - i) as f64)
        .product();
    Some(1.0 - none)
}

/// The mean slope over all pairs of points of a curve, per unit of x; `None` without two different
/// x. Points with the same x count as one, at their mean.
///
/// "Scaling" in Muennighoff et al., "s1: Simple test-time scaling", 2025, equation 2.
pub fn mean_slope(points: &[(f64, f64)]) -> Option<f64> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for same in sorted.chunk_by(|a, b| a.0 == b.0) {
        let mean = same.iter().map(|p| p.1).sum::<f64>() / same.len() as f64;
        curve.push((same[0].0, mean));
    }
    let mut slopes = Vec::new();
    for (i, a) in curve.iter().enumerate() {
        slopes.extend(curve[i + 1..].iter().map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    (!slopes.is_empty()).then(|| slopes.iter().sum::<f64>() / slopes.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe 1998, table I, method 3: 81 of 263, and 0 of 20, 1 of 29.
        let (low, high) = wilson(81, 263);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
        let (low, high) = wilson(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 5e-5);
        let (low, high) = wilson(1, 29);
        assert!((low - 0.0061).abs() < 5e-5 && (high - 0.1718).abs() < 5e-5);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(5, 5).1, 1.0);
    }

    #[test]
    fn mcnemar_is_the_exact_binomial() {
        close(mcnemar(0, 0), 1.0);
        close(mcnemar(5, 5), 1.0);
        close(mcnemar(0, 5), 2.0 / 32.0);
        close(mcnemar(6, 1), 2.0 * 8.0 / 128.0);
        close(mcnemar(1, 6), mcnemar(6, 1));
        assert!(mcnemar(0, 100_000) >= 0.0);
        // The sums of all terms, in whole numbers.
        close(mcnemar(470, 530), 0.062_023_195);
        close(mcnemar(5000, 5100), 0.324_581_546);
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let quantile = |numbers: &[usize], q| {
            let mut counted = Histogram::default();
            numbers.iter().for_each(|&n| counted.push(n));
            counted.quantile(q)
        };
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.9), Some(7.0));
        let numbers = [4, 1, 3, 2];
        close(quantile(&numbers, 0.5).unwrap(), 2.5);
        close(quantile(&numbers, 0.9).unwrap(), 3.7);
        close(quantile(&numbers, 1.0).unwrap(), 4.0);
        close(quantile(&[5, 5, 9, 5], 0.5).unwrap(), 5.0);
    }

    #[test]
    fn pass_at_k_is_the_unbiased_estimate() {
        close(pass_at(1, 10, 3).unwrap(), 0.3);
        // 1 - C(7,5)/C(10,5) = 1 - 21/252
        close(pass_at(5, 10, 3).unwrap(), 1.0 - 21.0 / 252.0);
        close(pass_at(8, 10, 3).unwrap(), 1.0);
        close(pass_at(4, 4, 0).unwrap(), 0.0);
        assert_eq!(pass_at(5, 4, 1), None);
        assert_eq!(pass_at(0, 4, 1), None);
    }

    #[test]
    fn scaling_is_the_mean_over_all_pairs() {
        // Slopes 0.1 (1→2), 0.05 (1→3), 0 (2→3).
        let curve = [(3.0, 0.3), (1.0, 0.2), (2.0, 0.3)];
        close(mean_slope(&curve).unwrap(), 0.05);
        close(
            mean_slope(&[(1.0, 0.1), (1.0, 0.3), (2.0, 0.4)]).unwrap(),
            0.2,
        );
        assert_eq!(mean_slope(&[(1.0, 0.1), (1.0, 0.3)]), None);
        assert_eq!(mean_slope(&[]), None);
    }
}
