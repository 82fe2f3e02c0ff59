//! Two points, of one run or of two, against each other: which problems did one get right and the
//! other wrong?

use std::collections::BTreeSet;

use crate::stats;
use s1_store::run::Sample;

/// A paired comparison, counted problem by problem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paired {
    /// Pairs that both got right.
    pub both: usize,
    /// Pairs that both got wrong.
    pub neither: usize,
    /// Problems (by id) and samples that only the first got right.
    pub only_first: BTreeSet<(String, usize)>,
    /// Problems (by id) and samples that only the second got right.
    pub only_second: BTreeSet<(String, usize)>,
}

impl Paired {
    /// Counts what both have of one problem, each at its point. Samples are paired by their index;
    /// those without a partner or a grade are left out.
    pub fn push(&mut self, id: &str, first: &[Sample], second: &[Sample]) {
        for sample in first {
            let partner = second.binary_search_by_key(&sample.sample, |s| s.sample);
            let partner = partner.ok().and_then(|at| second[at].correct);
            let (Some(one), Some(other)) = (sample.correct, partner) else {
                continue;
            };
            let key = || (id.to_owned(), sample.sample);
            match (one, other) {
                (true, true) => self.both += 1,
                (false, false) => self.neither += 1,
                (true, false) => _ = self.only_first.insert(key()),
                (false, true) => _ = self.only_second.insert(key()),
            }
        }
    }

    /// Number of pairs.
    pub fn n(&self) -> usize {
        self.both + self.neither + self.only_first.len() + self.only_second.len()
    }

    /// McNemar's exact two-sided p.
    pub fn p(&self) -> f64 {
        stats::mcnemar(self.only_first.len(), self.only_second.len())
    }
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
        let mut found = Paired::default();
        for row in &one.rows {
            found.push(&row.id, row.at(0), row.at(1));
        }
        assert_eq!((found.both, found.neither, found.n()), (1, 1, 5));
        let ids = |of: &BTreeSet<(String, usize)>| -> Vec<String> {
            of.iter().map(|(id, _)| id.clone()).collect()
        };
        assert_eq!(ids(&found.only_first), ["2"]);
        assert_eq!(ids(&found.only_second), ["1", "4"]);
        assert_eq!(found.p(), 1.0);
    }
}
