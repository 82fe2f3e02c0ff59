//! Lines over the steps of a training: smoothed, and thinned so that ten thousand steps draw like a
//! few hundred.
//!
//! Pure. Both are causal and stand still: a step that comes in changes nothing before it, because
//! the smoothing looks back only, and the buckets of the thinning depend on the number of steps of
//! the whole training and not on how many are done.

use s1_plot::DataPoint;
use s1_plot::sample;

/// Buckets along the whole training: more than any screen has columns of dots.
const BUCKETS: usize = 1024;

/// Points of a line over `steps` steps in all: per bucket of steps the first, lowest, highest and
/// last value. NaN breaks the line.
pub fn thin(values: &[(usize, f64)], steps: usize) -> Vec<DataPoint> {
    let bucket = steps.div_ceil(BUCKETS).max(1);
    let points: Vec<(f64, f64)> = values.iter().map(|&(s, v)| (s as f64, v)).collect();
    // Steps count from 1; the first bucket is as wide as the others.
    let of = |step: f64| (step as usize).saturating_sub(1) / bucket;
    let kept = sample::thin(&points, |step| of(step) as i64);
    kept.into_iter()
        .map(|(x, y)| DataPoint::new(x, y))
        .collect()
}

/// How many steps the smoothing of a training of `steps` steps looks back on, about.
pub fn span(steps: usize) -> f64 {
    (steps as f64 / 40.0).clamp(8.0, 200.0)
}

/// The exponential moving average over about `span` values, corrected for its beginning as Adam's
/// moments are (Kingma and Ba, 2015): the first value counts as itself. Values that are no numbers
/// are passed over.
pub fn smooth(values: &[(usize, f64)], span: f64) -> Vec<(usize, f64)> {
    let keep = 1.0 - 1.0 / span.max(1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let mut out = Vec::with_capacity(values.len());
    for &(step, value) in values.iter().filter(|(_, v)| v.is_finite()) {
        sum = keep * sum + (1.0 - keep) * value;
        weight = keep * weight + (1.0 - keep);
        out.push((step, sum / weight));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls and jitters, with one spike.
    fn losses(n: usize) -> Vec<(usize, f64)> {
        let jitter = |i: usize| ((i * 7919) % 1000) as f64 / 5000.0;
        let at = |i: usize| {
            if i == 6543 {
                9.0
            } else {
                2.0 / (1.0 + i as f64 / 500.0)
            }
        };
        (1..=n).map(|i| (i, at(i) + jitter(i))).collect()
    }

    #[test]
    fn ten_thousand_steps_become_a_few_thousand_points_and_no_spike_is_lost() {
        let points = thin(&losses(10_000), 10_000);
        assert!(points.len() <= 4 * BUCKETS, "{}", points.len());
        assert!(points.iter().any(|p| p.x == 6543.0 && p.y > 9.0));
        assert_eq!((points[0].x, points[points.len() - 1].x), (1.0, 10_000.0));
        assert!(points.windows(2).all(|w| w[0].x < w[1].x));
    }

    #[test]
    fn what_is_drawn_already_never_moves_while_the_training_grows() {
        let all = losses(10_000);
        let whole = thin(&all, 10_000);
        // At the end of a bucket of ten steps everything up to there is final.
        for done in (10..10_000).step_by(1370) {
            let before = thin(&all[..done], 10_000);
            assert_eq!(before[..], whole[..before.len()], "after {done} steps");
        }
        let smoothed = smooth(&all, span(10_000));
        let before = smooth(&all[..777], span(10_000));
        assert_eq!(before[..], smoothed[..777]);
    }

    #[test]
    fn a_short_training_is_drawn_step_by_step() {
        let points = thin(&losses(300), 300);
        assert_eq!(points.len(), 300);
        let broken = thin(&[(1, 1.0), (2, f64::NAN), (3, 2.0)], 3);
        assert!(
            broken.len() == 3 && broken[1].y.is_nan(),
            "a gap stays a gap"
        );
    }

    #[test]
    fn the_smoothed_line_starts_at_the_first_value_and_ends_near_the_mean() {
        let values: Vec<(usize, f64)> = (1..=400).map(|i| (i, (i % 2) as f64)).collect();
        let smoothed = smooth(&values, 20.0);
        assert_eq!(smoothed[0], (1, 1.0));
        assert!((smoothed[399].1 - 0.5).abs() < 0.03, "{:?}", smoothed[399]);
        assert_eq!(smooth(&[(1, f64::NAN), (2, 3.0)], 8.0), [(2, 3.0)]);
        assert_eq!(smooth(&[], 8.0), []);
    }
}
