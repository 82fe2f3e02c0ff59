//! Two points, of one run or of two, against each other: which problems did one get right and the
//! other wrong?

use std::collections::BTreeMap;

use crate::report::samples_at;
use crate::stats;
use s1_store::run::Run;

/// A paired comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// Pairs that both got right.
    pub both: usize,
    /// Pairs that both got wrong.
    pub neither: usize,
    /// Problems (by id) that only the first got right, once per sample.
    pub only_first: Vec<String>,
    /// Problems (by id) that only the second got right, once per sample.
    pub only_second: Vec<String>,
    /// McNemar's exact two-sided p.
    pub p: f64,
}

impl Paired {
    /// Number of pairs.
    pub fn n(&self) -> usize {
        self.both + self.neither + self.only_first.len() + self.only_second.len()
    }
}

/// Compares point `a` of one run with point `b` of another (or the same). Samples are paired by
/// the problem's id and the sample's index; those without a partner or a grade are left out.
pub fn paired(first: &Run, a: usize, second: &Run, b: usize) -> Paired {
    let graded = |run: &Run, point: usize| -> BTreeMap<(String, usize), bool> {
        samples_at(run, point)
            .filter_map(|(row, s)| Some(((run.rows[row].id.clone(), s.sample), s.correct?)))
            .collect()
    };
    let theirs = graded(second, b);
    let mut paired = Paired {
        both: 0,
        neither: 0,
        only_first: Vec::new(),
        only_second: Vec::new(),
        p: 1.0,
    };
    for (key, right) in graded(first, a) {
        match (right, theirs.get(&key)) {
            (_, None) => {}
            (true, Some(true)) => paired.both += 1,
            (false, Some(false)) => paired.neither += 1,
            (true, Some(false)) => paired.only_first.push(key.0),
            (false, Some(true)) => paired.only_second.push(key.0),
        }
    }
    paired.p = stats::mcnemar(paired.only_first.len(), paired.only_second.len());
    paired
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{run, sample, spec};
    use s1_store::run::Budget;

    #[test]
    fn problems_are_paired_by_id_and_the_disagreements_named() {
        let points = vec![spec(Budget::Tokens(4), 0), spec(Budget::Natural, 0)];
        let row = |a, b| vec![sample(0, 0, 4, a), sample(1, 0, 9, b)];
        let one = run(
            points,
            vec![
                row(true, true),
                row(false, true),
                row(true, false),
                row(false, false),
                row(false, true),
            ],
        );
        let found = paired(&one, 0, &one, 1);
        assert_eq!((found.both, found.neither, found.n()), (1, 1, 5));
        assert_eq!(found.only_first, ["2"]);
        assert_eq!(found.only_second, ["1", "4"]);
        assert_eq!(found.p, 1.0);
        let mut fewer = one.clone();
        fewer.rows.truncate(2);
        assert_eq!(paired(&one, 0, &fewer, 1).n(), 2);
    }
}
