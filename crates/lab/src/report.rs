//! A stored run as figures. Everything is computed from the stored samples, so an interrupted run
//! gives the figures of the rows it has.
//!
//! Not here: how they are drawn.

use crate::stats;
use s1_store::run::{Budget, PointSpec, Run, Sample};

/// A run in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One entry per point of the run, in its order.
    pub points: Vec<Point>,
    /// One row per problem that is done, in the order of the set.
    pub items: Vec<Item>,
    /// What one more wait changed, for every budget.
    pub flips: Vec<Flips>,
    /// One entry per number of waits: the paper's metrics of that line.
    pub lines: Vec<Line>,
}

/// One point of the curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Budget and waits.
    pub spec: PointSpec,
    /// Graded samples: problems with a reference times samples per problem.
    pub n: usize,
    /// Right ones.
    pub correct: usize,
    /// Share of right ones; 0 for `n = 0`.
    pub accuracy: f64,
    /// Lower end of Wilson's 95 % interval. With several samples per problem it is too narrow,
    /// since they are not independent.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Mean thinking tokens of all samples, graded or not.
    pub avg_thinking_tokens: f64,
    /// Thinking tokens of every sample, sorted.
    pub thinking: Vec<usize>,
    /// Samples whose thinking was cut off.
    pub forced: usize,
    /// Mean tokens of the answer.
    pub avg_answer_tokens: f64,
}

impl Point {
    /// A quantile of the thinking tokens, `q` from 0 to 1; `None` without samples.
    pub fn thinking_quantile(&self, q: f64) -> Option<f64> {
        stats::quantile(&self.thinking, q)
    }
}

/// One problem at all points.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Index in the problem set.
    pub problem: usize,
    /// The problem's id.
    pub id: String,
    /// Index of its row in [`Run::rows`].
    pub row: usize,
    /// One cell per point.
    pub cells: Vec<Cell>,
}

/// One problem at one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Samples there.
    pub n: usize,
    /// Right ones.
    pub right: usize,
    /// Wrong ones. Samples that could not be graded are neither.
    pub wrong: usize,
    /// Samples whose thinking was cut off.
    pub forced: usize,
    /// Index of the first of them in the row's samples.
    pub first: Option<usize>,
}

/// What a cell shows in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Not computed yet.
    Missing,
    /// Most samples are right.
    Right,
    /// Wrong, and the thinking had ended by itself.
    Wrong,
    /// Wrong, and the thinking had been cut off.
    Forced,
    /// There is no reference answer.
    Ungraded,
}

impl Cell {
    /// The cell in one word.
    pub fn mark(&self) -> Mark {
        if self.n == 0 {
            Mark::Missing
        } else if self.right + self.wrong == 0 {
            Mark::Ungraded
        } else if self.right > self.wrong {
            Mark::Right
        } else if 2 * self.forced >= self.n {
            Mark::Forced
        } else {
            Mark::Wrong
        }
    }
}

/// What going from one number of waits to the next changed, at one budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flips {
    /// The budget.
    pub budget: Budget,
    /// Waits before.
    pub from: usize,
    /// Waits after.
    pub to: usize,
    /// Pairs of graded samples.
    pub n: usize,
    /// Wrong before, right after.
    pub gained: usize,
    /// Right before, wrong after.
    pub lost: usize,
    /// Another answer after than before, by value, right or wrong.
    pub changed: usize,
    /// Pairs in which a further wait took effect (the budget may leave no room for it).
    pub applied: usize,
}

/// The metrics of the s1 paper (section 3.2) for the points with one number of waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The number of waits.
    pub waits: usize,
    /// Control: share of samples at points with a numeric budget whose thinking keeps to it;
    /// `None` without such a sample.
    pub control: Option<f64>,
    /// Scaling: mean slope of accuracy over thinking tokens, over all pairs of points, per token;
    /// `None` without two different averages.
    pub scaling: Option<f64>,
    /// Performance: the best accuracy.
    pub performance: f64,
}

impl Report {
    /// The figures of a run.
    pub fn of(run: &Run) -> Report {
        let points: Vec<Point> = (0..run.settings.points.len())
            .map(|at| point(run, at))
            .collect();
        let items = run
            .rows
            .iter()
            .enumerate()
            .map(|(i, row)| {
                let mut cells = vec![Cell::default(); points.len()];
                for (at, sample) in row.samples.iter().enumerate() {
                    if let Some(cell) = cells.get_mut(sample.point) {
                        cell.n += 1;
                        cell.right += usize::from(sample.correct == Some(true));
                        cell.wrong += usize::from(sample.correct == Some(false));
                        cell.forced += usize::from(sample.forced);
                        cell.first.get_or_insert(at);
                    }
                }
                Item {
                    problem: row.problem,
                    id: row.id.clone(),
                    row: i,
                    cells,
                }
            })
            .collect();
        let mut waits: Vec<usize> = points.iter().map(|p| p.spec.waits).collect();
        waits.sort_unstable();
        waits.dedup();
        Report {
            flips: flips(run, &waits),
            lines: waits.iter().map(|&w| line(w, &points)).collect(),
            points,
            items,
        }
    }
}

fn point(run: &Run, at: usize) -> Point {
    let samples = || samples_at(run, at).map(|(_, sample)| sample);
    let n = samples().filter(|s| s.correct.is_some()).count();
    let correct = samples().filter(|s| s.correct == Some(true)).count();
    let mut thinking: Vec<usize> = samples().map(|s| s.thinking).collect();
    thinking.sort_unstable();
    let all = thinking.len();
    let mean = |sum: usize| {
        if all == 0 {
            0.0
        } else {
            sum as f64 / all as f64
        }
    };
    let (low, high) = stats::wilson(correct, n);
    Point {
        spec: run.settings.points[at],
        n,
        correct,
        accuracy: if n == 0 {
            0.0
        } else {
            correct as f64 / n as f64
        },
        low,
        high,
        avg_thinking_tokens: mean(thinking.iter().sum()),
        avg_answer_tokens: mean(samples().map(|s| s.answer_tokens).sum()),
        forced: samples().filter(|s| s.forced).count(),
        thinking,
    }
}

/// The samples of a point, each with its row's index.
pub(super) fn samples_at(run: &Run, point: usize) -> impl Iterator<Item = (usize, &Sample)> {
    run.rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| row.samples.iter().map(move |s| (i, s)))
        .filter(move |(_, s)| s.point == point)
}

fn flips(run: &Run, waits: &[usize]) -> Vec<Flips> {
    let points = &run.settings.points;
    let mut budgets: Vec<Budget> = points.iter().map(|p| p.budget).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let index = |budget, waits| {
        points
            .iter()
            .position(|p| *p == PointSpec { budget, waits })
    };
    let mut found = Vec::new();
    for budget in budgets {
        for pair in waits.windows(2) {
            let (Some(a), Some(b)) = (index(budget, pair[0]), index(budget, pair[1])) else {
                continue;
            };
            let mut flips = Flips {
                budget,
                from: pair[0],
                to: pair[1],
                n: 0,
                gained: 0,
                lost: 0,
                changed: 0,
                applied: 0,
            };
            for (before, after) in pairs(run, a, b) {
                let (Some(was), Some(is)) = (before.correct, after.correct) else {
                    continue;
                };
                flips.n += 1;
                flips.gained += usize::from(!was && is);
                flips.lost += usize::from(was && !is);
                flips.changed += usize::from(!same_answer(before, after));
                flips.applied += usize::from(after.waits_used > before.waits_used);
            }
            found.push(flips);
        }
    }
    found
}

/// Samples of the same problem and the same index at two points.
fn pairs(run: &Run, a: usize, b: usize) -> impl Iterator<Item = (&Sample, &Sample)> {
    run.rows.iter().flat_map(move |row| {
        let at = move |point: usize, sample: usize| {
            let mut samples = row.samples.iter();
            samples.find(move |s| s.point == point && s.sample == sample)
        };
        let first = row.samples.iter().filter(move |s| s.point == a);
        first.filter_map(move |s| Some((s, at(b, s.sample)?)))
    })
}

fn same_answer(a: &Sample, b: &Sample) -> bool {
    match (&a.answer, &b.answer) {
        (Some(a), Some(b)) => a == b || s1_grading::equal(a, b).equal,
        (None, None) => true,
        _ => false,
    }
}

fn line(waits: usize, points: &[Point]) -> Line {
    let own = || points.iter().filter(|p| p.spec.waits == waits);
    let (mut kept, mut bounded) = (0, 0);
    for point in own() {
        if let Budget::Tokens(budget) = point.spec.budget {
            bounded += point.thinking.len();
            kept += point.thinking.iter().filter(|&&t| t <= budget).count();
        }
    }
    let curve: Vec<(f64, f64)> = own()
        .filter(|p| p.n > 0)
        .map(|p| (p.avg_thinking_tokens, p.accuracy))
        .collect();
    Line {
        waits,
        control: (bounded > 0).then(|| kept as f64 / bounded as f64),
        scaling: stats::mean_slope(&curve),
        performance: own().map(|p| p.accuracy).fold(0.0, f64::max),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use s1_core::trace::StopReason;
    use s1_store::run::{Row, Settings};

    pub(crate) fn spec(budget: Budget, waits: usize) -> PointSpec {
        PointSpec { budget, waits }
    }

    pub(crate) fn sample(point: usize, index: usize, thinking: usize, right: bool) -> Sample {
        Sample {
            point,
            sample: index,
            trace: 0,
            thinking,
            answer_tokens: 4,
            waits_used: 0,
            forced: false,
            answer: Some(if right { "7" } else { "8" }.into()),
            correct: Some(right),
            stop: StopReason::EndOfTurn,
        }
    }

    pub(crate) fn run(points: Vec<PointSpec>, rows: Vec<Vec<Sample>>) -> Run {
        Run {
            name: "r".into(),
            created_at: 0,
            settings: Settings {
                points,
                samples: 1,
                ..Settings::default()
            },
            sources: Default::default(),
            rows: rows
                .into_iter()
                .enumerate()
                .map(|(problem, samples)| Row {
                    problem,
                    id: problem.to_string(),
                    question: "?".into(),
                    reference: Some("7".into()),
                    computed: 10,
                    pointwise: 30,
                    floor: 9,
                    prompt_tokens: 3,
                    samples,
                })
                .collect(),
            wall: Duration::ZERO,
        }
    }

    #[test]
    fn a_point_counts_what_was_graded_and_averages_what_was_thought() {
        let points = vec![spec(Budget::Tokens(4), 0), spec(Budget::Natural, 0)];
        let mut ungraded = sample(0, 0, 1, false);
        ungraded.correct = None;
        ungraded.forced = true;
        let run = run(
            points,
            vec![
                vec![sample(0, 0, 4, true), sample(1, 0, 9, true)],
                vec![sample(0, 0, 3, false), sample(1, 0, 20, true)],
                vec![ungraded],
            ],
        );
        let report = Report::of(&run);
        let first = &report.points[0];
        assert_eq!((first.n, first.correct, first.accuracy), (2, 1, 0.5));
        assert_eq!((first.low, first.high), stats::wilson(1, 2));
        assert!((first.avg_thinking_tokens - 8.0 / 3.0).abs() < 1e-12);
        assert_eq!(first.thinking, [1, 3, 4]);
        assert_eq!(first.thinking_quantile(0.5), Some(3.0));
        let marks: Vec<Vec<Mark>> = report
            .items
            .iter()
            .map(|i| i.cells.iter().map(Cell::mark).collect())
            .collect();
        use Mark::{Missing, Right, Ungraded, Wrong};
        assert_eq!(marks, [[Right, Right], [Wrong, Right], [Ungraded, Missing]]);
        let line = &report.lines[0];
        assert_eq!(line.control, Some(1.0));
        assert_eq!(line.performance, 1.0);
        let slope = 0.5 / (14.5 - 8.0 / 3.0);
        assert!((line.scaling.unwrap() - slope).abs() < 1e-12);
    }

    #[test]
    fn a_wrong_answer_after_a_cut_is_marked_as_forced() {
        let mut cut = sample(0, 0, 4, false);
        cut.forced = true;
        let mut right = sample(1, 0, 4, true);
        right.forced = true;
        let points = vec![spec(Budget::Tokens(4), 0), spec(Budget::Tokens(5), 0)];
        let report = Report::of(&run(points, vec![vec![cut, right]]));
        let marks: Vec<Mark> = report.items[0].cells.iter().map(Cell::mark).collect();
        assert_eq!(marks, [Mark::Forced, Mark::Right]);
    }

    #[test]
    fn flips_pair_neighbouring_waits_of_one_budget() {
        let points = vec![
            spec(Budget::Natural, 0),
            spec(Budget::Natural, 1),
            spec(Budget::Tokens(4), 0),
        ];
        let waited = |right| Sample {
            waits_used: 1,
            ..sample(1, 0, 9, right)
        };
        let rows = vec![
            vec![sample(0, 0, 4, true), waited(false)],
            vec![sample(0, 0, 4, false), waited(true)],
            vec![sample(0, 0, 4, true), sample(1, 0, 4, true)],
            vec![sample(0, 0, 4, true)],
        ];
        let flips = Report::of(&run(points, rows)).flips;
        assert_eq!(
            flips,
            [Flips {
                budget: Budget::Natural,
                from: 0,
                to: 1,
                n: 3,
                gained: 1,
                lost: 1,
                changed: 2,
                applied: 2,
            }]
        );
    }

    #[test]
    fn an_empty_run_has_figures_too() {
        let report = Report::of(&run(vec![spec(Budget::Natural, 0)], vec![]));
        let point = &report.points[0];
        assert_eq!((point.n, point.low, point.high), (0, 0.0, 1.0));
        assert_eq!(report.lines[0].scaling, None);
    }
}
