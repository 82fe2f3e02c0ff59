//! A stored run as figures. Everything is counted row by row from the stored samples: a run that is
//! still running gives the figures of the rows it has, and one more row costs that row alone.
//!
//! Not here: how they are drawn.

use crate::outcome::Outcomes;
use crate::stats::{self, Histogram};
use crate::votes::{Ballots, Votes};
use s1_store::run::{Budget, PointSpec, Row, Run, RunSettings, Sample};

/// A run in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One entry per point of the run, in its order.
    pub points: Vec<PointStats>,
    /// One row per problem that is done, in the order of the set: those of [`Run::rows`].
    pub items: Vec<MatrixRow>,
    /// What one more wait changed, for every budget.
    pub flips: Vec<Flips>,
    /// Tokens that went through the model.
    pub computed: usize,
    /// Tokens that would have gone through the model, had every point been evaluated by itself.
    pub pointwise: usize,
    /// Fewest tokens with which the run can be computed.
    pub floor: usize,
    ballots: Vec<Ballots>,
}

/// One point of the curve.
#[derive(Clone, Debug, PartialEq)]
pub struct PointStats {
    /// Budget and waits.
    pub spec: PointSpec,
    /// Graded samples: problems with a reference times samples per problem.
    pub n: usize,
    pub correct: usize,
    /// Share of right ones; 0 for `n = 0`.
    pub accuracy: f64,
    /// Lower end of Wilson's 95 % interval. With several samples per problem it is too narrow,
    /// since they are not independent.
    pub low: f64,
    pub high: f64,
    /// Mean thinking tokens of all samples, graded or not.
    pub avg_thinking_tokens: f64,
    /// Mean tokens of the answers of all samples, delimiters included.
    pub avg_answer_tokens: f64,
    /// Thinking tokens of every sample.
    pub thinking: Histogram,
    /// Samples whose thinking was cut off.
    pub forced: usize,
    /// What became of the answers.
    pub outcomes: Outcomes,
    /// Mean tokens that went through the model to look at the thoughts.
    pub avg_looking_tokens: f64,
    /// Samples whose thinking keeps to the budget.
    within: usize,
    /// Tokens of all answers together.
    answers: usize,
    /// Tokens of all looks together.
    looking: usize,
}

impl PointStats {
    fn new(spec: PointSpec) -> PointStats {
        let (low, high) = stats::wilson(0, 0);
        PointStats {
            spec,
            n: 0,
            correct: 0,
            accuracy: 0.0,
            low,
            high,
            avg_thinking_tokens: 0.0,
            avg_answer_tokens: 0.0,
            thinking: Histogram::default(),
            forced: 0,
            outcomes: Outcomes::default(),
            avg_looking_tokens: 0.0,
            within: 0,
            answers: 0,
            looking: 0,
        }
    }

    fn push(&mut self, samples: &[Sample]) {
        let bound = self.spec.budget.max_thinking().unwrap_or(usize::MAX);
        for sample in samples {
            self.n += usize::from(sample.correct.is_some());
            self.correct += usize::from(sample.correct == Some(true));
            self.thinking.push(sample.thinking);
            self.forced += usize::from(sample.forced);
            self.within += usize::from(sample.thinking <= bound);
            self.answers += sample.answer_tokens;
            self.looking += sample.looking;
            self.outcomes.push(sample);
        }
        self.accuracy = self.correct as f64 / self.n.max(1) as f64;
        (self.low, self.high) = stats::wilson(self.correct, self.n);
        self.avg_thinking_tokens = self.thinking.mean();
        let mean = |sum: usize| sum as f64 / self.thinking.len().max(1) as f64;
        self.avg_answer_tokens = mean(self.answers);
        self.avg_looking_tokens = mean(self.looking);
    }

    /// Mean of all tokens that a sample took: thought, answer, and what looked at the thought.
    pub fn avg_tokens(&self) -> f64 {
        self.avg_thinking_tokens + self.avg_answer_tokens + self.avg_looking_tokens
    }
}

/// One problem at all points.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixRow {
    /// Index in the problem set.
    pub problem: usize,
    /// The problem's id.
    pub id: String,
    /// One cell per point.
    pub cells: Vec<MatrixCell>,
}

/// One problem at one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatrixCell {
    pub n: usize,
    pub right: usize,
    /// Wrong ones. Samples that could not be graded are neither.
    pub wrong: usize,
    /// Samples whose thinking was cut off.
    pub forced: usize,
}

/// What a cell shows in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellMark {
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

impl MatrixCell {
    fn of(samples: &[Sample]) -> MatrixCell {
        let count = |wanted: &dyn Fn(&Sample) -> bool| samples.iter().filter(|s| wanted(s)).count();
        MatrixCell {
            n: samples.len(),
            right: count(&|s| s.correct == Some(true)),
            wrong: count(&|s| s.correct == Some(false)),
            forced: count(&|s| s.forced),
        }
    }

    /// The cell in one word.
    pub fn mark(&self) -> CellMark {
        if self.n == 0 {
            CellMark::Missing
        } else if self.right + self.wrong == 0 {
            CellMark::Ungraded
        } else if self.right > self.wrong {
            CellMark::Right
        } else if 2 * self.forced >= self.n {
            CellMark::Forced
        } else {
            CellMark::Wrong
        }
    }
}

/// What going from one number of waits to the next changed, at one budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flips {
    pub budget: Budget,
    pub from: usize,
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
    /// The two points, by their index.
    points: (usize, usize),
}

impl Flips {
    fn push(&mut self, row: &Row) {
        let later = row.at(self.points.1);
        for before in row.at(self.points.0) {
            let Ok(at) = later.binary_search_by_key(&before.sample, |s| s.sample) else {
                continue;
            };
            let after = &later[at];
            let (Some(was), Some(is)) = (before.correct, after.correct) else {
                continue;
            };
            self.n += 1;
            self.gained += usize::from(!was && is);
            self.lost += usize::from(was && !is);
            self.changed += usize::from(!same_answer(before, after));
            self.applied += usize::from(after.waits_used > before.waits_used);
        }
    }
}

/// The metrics of the s1 paper (section 3.2) for the points with one number of waits.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperMetrics {
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
    /// The figures of a run without rows.
    pub fn new(settings: &RunSettings) -> Report {
        let points = &settings.points;
        Report {
            points: points.iter().copied().map(PointStats::new).collect(),
            items: Vec::new(),
            flips: flips(points),
            computed: 0,
            pointwise: 0,
            floor: 0,
            ballots: vec![Ballots::default(); points.len()],
        }
    }

    /// The figures of a run.
    pub fn of(run: &Run) -> Report {
        let mut report = Report::new(&run.settings);
        run.rows.iter().for_each(|row| report.push(row));
        report
    }

    /// Counts one more row; rows may come in any order, each once.
    pub fn push(&mut self, row: &Row) {
        self.computed += row.computed;
        self.pointwise += row.pointwise;
        self.floor += row.floor;
        let mut cells = Vec::with_capacity(self.points.len());
        for (at, point) in self.points.iter_mut().enumerate() {
            let samples = row.at(at);
            point.push(samples);
            self.ballots[at].push(samples);
            cells.push(MatrixCell::of(samples));
        }
        for flips in &mut self.flips {
            flips.push(row);
        }
        let place = self.items.partition_point(|i| i.problem < row.problem);
        let item = MatrixRow {
            problem: row.problem,
            id: row.id.clone(),
            cells,
        };
        self.items.insert(place, item);
    }

    /// The paper's metrics, one entry per number of waits.
    pub fn metrics(&self) -> Vec<PaperMetrics> {
        let mut waits: Vec<usize> = self.points.iter().map(|p| p.spec.waits).collect();
        waits.sort_unstable();
        waits.dedup();
        waits.iter().map(|&w| metrics(w, &self.points)).collect()
    }

    /// What to know of a run whose answers are longer than its thoughts, all samples together: part
    /// of what the curve shows was thought in the answer. One sentence.
    pub fn long_answers(&self) -> Option<String> {
        let samples: usize = self.points.iter().map(|p| p.thinking.len()).sum();
        let mean = |of: &dyn Fn(&PointStats) -> f64| {
            let sum = self.points.iter().map(|p| of(p) * p.thinking.len() as f64);
            sum.sum::<f64>() / samples.max(1) as f64
        };
        let (thinking, answers) = (
            mean(&|p| p.avg_thinking_tokens),
            mean(&|p| p.avg_answer_tokens),
        );
        (thinking > 0.0 && answers > thinking).then(|| {
            format!("answers are longer than thoughts ({answers:.0} against {thinking:.0} tokens)")
        })
    }

    /// The votes at one point for k = 1, 2, … up to the samples of the run: the equal-token
    /// majority line.
    pub fn votes(&self, point: usize) -> Vec<Votes> {
        self.ballots.get(point).map_or(Vec::new(), Ballots::votes)
    }
}

/// Neighbouring numbers of waits, for every budget.
fn flips(points: &[PointSpec]) -> Vec<Flips> {
    let mut sorted: Vec<(PointSpec, usize)> =
        points.iter().enumerate().map(|(i, p)| (*p, i)).collect();
    sorted.sort_unstable();
    sorted.dedup_by_key(|(point, _)| *point);
    let mut waits: Vec<usize> = points.iter().map(|p| p.waits).collect();
    waits.sort_unstable();
    waits.dedup();
    let neighbours = |a: usize, b: usize| waits.windows(2).any(|w| w == [a, b]);
    let pairs = sorted.windows(2).map(|pair| (pair[0], pair[1]));
    pairs
        .filter(|((a, _), (b, _))| a.budget == b.budget && neighbours(a.waits, b.waits))
        .map(|((a, first), (b, second))| Flips {
            budget: a.budget,
            from: a.waits,
            to: b.waits,
            n: 0,
            gained: 0,
            lost: 0,
            changed: 0,
            applied: 0,
            points: (first, second),
        })
        .collect()
}

fn same_answer(a: &Sample, b: &Sample) -> bool {
    match (&a.answer, &b.answer) {
        (Some(a), Some(b)) => a == b || s1_grading::equal(a, b).equal,
        (None, None) => true,
        _ => false,
    }
}

fn metrics(waits: usize, points: &[PointStats]) -> PaperMetrics {
    let own = || points.iter().filter(|p| p.spec.waits == waits);
    let bounded = || own().filter(|p| p.spec.budget != Budget::Natural);
    let samples: usize = bounded().map(|p| p.thinking.len()).sum();
    let within: usize = bounded().map(|p| p.within).sum();
    let curve: Vec<(f64, f64)> = own()
        .filter(|p| p.n > 0)
        .map(|p| (p.avg_thinking_tokens, p.accuracy))
        .collect();
    PaperMetrics {
        waits,
        control: (samples > 0).then(|| within as f64 / samples as f64),
        scaling: stats::mean_slope(&curve),
        performance: own().map(|p| p.accuracy).fold(0.0, f64::max),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use s1_core::trace::StopReason;

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
            leaked: Some(false),
            second_end: Some(false),
            looking: 0,
        }
    }

    pub(crate) fn run(points: Vec<PointSpec>, rows: Vec<Vec<Sample>>) -> Run {
        Run {
            name: "r".into(),
            created_at: 0,
            settings: RunSettings {
                points,
                samples: 1,
                ..RunSettings::default()
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
        let thinking: Vec<(usize, usize)> = first.thinking.iter().collect();
        assert_eq!(thinking, [(1, 1), (3, 1), (4, 1)]);
        assert_eq!(first.thinking.quantile(0.5), Some(3.0));
        let marks: Vec<Vec<CellMark>> = report
            .items
            .iter()
            .map(|i| i.cells.iter().map(MatrixCell::mark).collect())
            .collect();
        use CellMark::{Missing, Right, Ungraded, Wrong};
        assert_eq!(marks, [[Right, Right], [Wrong, Right], [Ungraded, Missing]]);
        let line = &report.metrics()[0];
        assert_eq!(line.control, Some(1.0));
        assert_eq!(line.performance, 1.0);
        let slope = 0.5 / (14.5 - 8.0 / 3.0);
        assert!((line.scaling.unwrap() - slope).abs() < 1e-12);
    }

    #[test]
    fn a_run_that_thinks_in_its_answers_says_so() {
        let points = vec![spec(Budget::Tokens(0), 0), spec(Budget::Tokens(64), 0)];
        let of = |answer_tokens| {
            let sample = |point, thinking| Sample {
                answer_tokens,
                ..sample(point, 0, thinking, true)
            };
            Report::of(&run(
                points.clone(),
                vec![vec![sample(0, 0), sample(1, 64)]],
            ))
        };
        let long = of(200);
        assert_eq!(long.points[1].avg_answer_tokens, 200.0);
        assert_eq!(long.points[1].avg_tokens(), 264.0);
        assert_eq!(
            long.long_answers().unwrap(),
            "answers are longer than thoughts (200 against 32 tokens)"
        );
        assert_eq!(of(12).long_answers(), None);
        let only_answers = vec![spec(Budget::Tokens(0), 0)];
        let report = Report::of(&run(only_answers, vec![vec![sample(0, 0, 0, true)]]));
        assert_eq!(
            report.long_answers(),
            None,
            "there is no thought to be longer than"
        );
    }

    #[test]
    fn a_wrong_answer_after_a_cut_is_marked_as_forced() {
        let mut cut = sample(0, 0, 4, false);
        cut.forced = true;
        let mut right = sample(1, 0, 4, true);
        right.forced = true;
        let points = vec![spec(Budget::Tokens(4), 0), spec(Budget::Tokens(5), 0)];
        let report = Report::of(&run(points, vec![vec![cut, right]]));
        let marks: Vec<CellMark> = report.items[0].cells.iter().map(MatrixCell::mark).collect();
        assert_eq!(marks, [CellMark::Forced, CellMark::Right]);
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
                points: (0, 1),
            }]
        );
    }

    #[test]
    fn an_empty_run_has_figures_too() {
        let report = Report::of(&run(vec![spec(Budget::Natural, 0)], vec![]));
        let point = &report.points[0];
        assert_eq!((point.n, point.low, point.high), (0, 0.0, 1.0));
        assert_eq!(report.metrics()[0].scaling, None);
    }

    #[test]
    fn rows_give_the_same_figures_in_whatever_order_they_come() {
        let points = vec![spec(Budget::Tokens(4), 0), spec(Budget::Tokens(4), 1)];
        let row = |i: usize| {
            let at = |point| {
                (0..3).map(move |s| sample(point, s, i + s, (i + s + point).is_multiple_of(3)))
            };
            at(0).chain(at(1)).collect()
        };
        let run = run(points, (0..20).map(row).collect());
        let whole = Report::of(&run);
        let mut grown = Report::new(&run.settings);
        for i in 0..20 {
            grown.push(&run.rows[i * 7 % 20]);
        }
        assert_eq!(grown, whole);
        assert_eq!(grown.votes(1), whole.votes(1));
        assert_eq!(whole.votes(0).len(), 3);
    }
}
