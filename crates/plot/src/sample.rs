//! Fewer points, same picture.
//!
//! Per column of the drawing the first, lowest, highest and last point of a line are all that can
//! be seen of it (the M4 aggregation of Jugel, Jerzak, Hackenbroich and Markl, VLDB 2014). So ten
//! thousand steps of a loss draw in the time of a few hundred, no peak is lost, and a point that is
//! added moves none of the columns before its own.

/// The points of a line that matter in a drawing whose column for `x` is `column(x)`. Order is kept;
/// a point that is not a number stays, because it breaks the line.
pub fn thin(points: &[(f64, f64)], column: impl Fn(f64) -> i64) -> Vec<(f64, f64)> {
    let mut out = Vec::new();
    let mut group = SampleGroup::default();
    let mut current = None;
    for (index, &(x, y)) in points.iter().enumerate() {
        if !(x.is_finite() && y.is_finite()) {
            group.flush(points, &mut out);
            out.push((f64::NAN, f64::NAN));
            current = None;
            continue;
        }
        let here = column(x);
        if current != Some(here) {
            group.flush(points, &mut out);
            current = Some(here);
        }
        group.add(index, y);
    }
    group.flush(points, &mut out);
    out
}

/// The points of one column: indices of the first, lowest, highest and last.
#[derive(Default)]
struct SampleGroup(Option<[(usize, f64); 4]>);

impl SampleGroup {
    fn add(&mut self, index: usize, y: f64) {
        let Some([_, low, high, last]) = &mut self.0 else {
            self.0 = Some([(index, y); 4]);
            return;
        };
        if y < low.1 {
            *low = (index, y);
        }
        if y > high.1 {
            *high = (index, y);
        }
        *last = (index, y);
    }

    fn flush(&mut self, points: &[(f64, f64)], out: &mut Vec<(f64, f64)>) {
        let Some(kept) = self.0.take() else { return };
        let mut kept = kept.map(|(index, _)| index);
        kept.sort_unstable();
        for (i, index) in kept.iter().enumerate() {
            if i == 0 || kept.get(i - 1) != Some(index) {
                out.extend(points.get(*index));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(i: usize) -> (f64, f64) {
        (i as f64, ((i * 7919) % 1000) as f64 / 1000.0)
    }

    #[test]
    fn no_peak_is_lost_and_little_is_kept() {
        let points: Vec<_> = (0..10_000)
            .map(|i| (i as f64, if i == 6543 { 9.0 } else { noisy(i).1 }))
            .collect();
        let kept = thin(&points, |x| (x / 100.0) as i64);
        assert!(kept.len() <= 400);
        assert!(kept.contains(&(6543.0, 9.0)));
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[9_999]));
    }

    #[test]
    fn a_new_point_changes_only_its_own_column() {
        let column = |x: f64| (x / 64.0) as i64;
        let mut points: Vec<_> = (0..640).map(noisy).collect();
        let before = thin(&points, column);
        points.extend((640..700).map(noisy));
        let after = thin(&points, column);
        assert_eq!(after[..before.len()], before[..]);
    }

    #[test]
    fn gaps_stay_and_few_points_are_left_alone() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (2.0, 4.0)];
        let kept = thin(&points, |x| x as i64);
        assert_eq!(kept.len(), 4);
        assert!(kept[1].0.is_nan());
        assert!(thin(&[], |_| 0).is_empty());
    }
}
