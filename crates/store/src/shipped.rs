//! Runs that the program carries with it: the bundled models on the held-out problems, so that there
//! is a figure before anybody has computed one. `cargo xtask shipped` makes them.
//!
//! They are read like those of the database, and are never in it: nothing can be added to one. Not
//! here: their traces, which the bundled models write again, token by token, where one is wanted.

use std::sync::OnceLock;

use flate2::read::GzDecoder;

use crate::run::{Run, RunSummary};

/// A question with its answer.
pub type Question = (&'static str, &'static str);

/// A question that the bundled reasoner answers wrongly, and a Wait repairs: of those that people can
/// check themselves (letters are no arithmetic) the one that is repaired soonest. `cargo xtask shipped`
/// lists all such ones of the held-out problems.
pub const REPAIRED: Question = ("What is 912 + 289 + 616?", "1817");
/// The other way round: its natural answer is right, and Waits take it back.
pub const HARMED: Question = ("Calculate 263+392+455.", "1110");

/// The runs, compressed.
const RUNS: &[u8] = include_bytes!("../../../assets/nano/runs.json.gz");

/// How the names of such runs begin. Those of other runs may do so, too: the database comes first.
pub const PREFIX: &str = "shipped-";

/// The runs, the model before its training first.
pub fn runs() -> &'static [Run] {
    static ALL: OnceLock<Vec<Run>> = OnceLock::new();
    // What is embedded is sound: a test reads it.
    let read = || serde_json::from_reader(GzDecoder::new(RUNS)).unwrap_or_default();
    ALL.get_or_init(read)
}

/// The run of this name.
pub fn run(name: &str) -> Option<&'static Run> {
    runs().iter().find(|run| run.name == name)
}

/// Whether a run in a list is one of them: it cannot be added to, and its traces are not there.
pub fn is(listed: &RunSummary) -> bool {
    run(&listed.name).is_some_and(|shipped| shipped.created_at == listed.created_at)
}

/// Them in a list of runs.
pub fn summaries() -> Vec<RunSummary> {
    runs().iter().map(RunSummary::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Budget, Row, Sample};

    /// A row's answer from the natural end on, with so many Waits.
    fn at(row: &Row, waits: usize) -> &Sample {
        let points = &runs()[1].settings.points;
        let wanted = |s: &&Sample| {
            let point = points[s.point];
            point.budget == Budget::Natural && point.waits == waits
        };
        row.samples.iter().find(wanted).unwrap()
    }

    /// Whether it is right after a number of Waits that all took effect, without being cut off.
    fn is(row: &Row, waits: usize, right: bool) -> bool {
        let sample = at(row, waits);
        sample.correct == Some(right) && sample.waits_used == waits && !sample.forced
    }

    /// A user would lose: an opening question that shows the paper's point, found by a search over all
    /// held-out problems.
    #[test]
    fn the_opening_questions_are_the_ones_that_a_search_finds() {
        let rows = || {
            runs()[1]
                .rows
                .iter()
                .filter(|row| !row.id.starts_with("letters "))
        };
        let all = |row: &&Row, right| [1, 2, 4].iter().all(|&waits| is(row, waits, right));
        let repaired = rows().filter(|row| is(row, 0, false) && all(row, true));
        let soonest = repaired.min_by_key(|row| at(row, 1).thinking).unwrap();
        assert_eq!(soonest.question, REPAIRED.0);
        assert_eq!(soonest.reference.as_deref(), Some(REPAIRED.1));
        let harmed = rows().filter(|row| is(row, 0, true) && all(row, false));
        let soonest = harmed.min_by_key(|row| at(row, 1).thinking).unwrap();
        assert_eq!(soonest.question, HARMED.0);
        assert_eq!(soonest.reference.as_deref(), Some(HARMED.1));
    }

    /// A user would lose: the paper's figure on the first visit to the plots.
    #[test]
    fn the_shipped_runs_are_both_models_on_all_problems_with_budgets_and_waits() {
        let names: Vec<&str> = runs().iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names, ["shipped-base", "shipped-reasoner"]);
        for run in runs() {
            assert!(run.name.starts_with(PREFIX));
            assert_eq!(run.rows.len(), 240);
            let points = &run.settings.points;
            let waits = points.iter().filter(|p| p.budget == Budget::Natural);
            assert_eq!(waits.map(|p| p.waits).collect::<Vec<_>>(), [0, 1, 2, 4]);
            assert!(points.iter().filter(|p| p.waits == 0).count() >= 6);
            for row in &run.rows {
                assert_eq!(row.samples.len(), points.len(), "{}", row.id);
            }
        }
        let summary = &summaries()[1];
        assert!(summary.is_complete() && summary.graded == 240 * runs()[1].settings.points.len());
    }
}
