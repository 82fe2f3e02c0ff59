//! Runs as figures: accuracy against thinking tokens, and how long the thoughts are.

use super::{Annotation, Axis, Dash, DataPoint, Figure, Marker, Scale, Series, Unit};
use s1_lab::report::{PointStats, Report};
use s1_lab::stats::Histogram;
use s1_lab::votes::Votes;
use s1_store::run::{Budget, Run};

/// What the axis of tokens counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// Thinking tokens.
    #[default]
    Thinking,
    /// All generated tokens, answers included.
    All,
}

impl Counted {
    fn of(self, point: &PointStats) -> f64 {
        match self {
            Counted::Thinking => point.avg_thinking_tokens,
            Counted::All => point.avg_tokens(),
        }
    }

    fn of_votes(self, votes: &Votes) -> f64 {
        match self {
            Counted::Thinking => votes.avg_total_thinking_tokens,
            Counted::All => votes.avg_total_tokens,
        }
    }

    /// The other one.
    pub fn other(self) -> Counted {
        match self {
            Counted::Thinking => Counted::All,
            Counted::All => Counted::Thinking,
        }
    }
}

/// Where a point of the drawing comes from: which of the runs, and which of its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurveSource {
    /// Index among the runs that were given.
    pub run: usize,
    /// Index into the run's points.
    pub point: usize,
}

/// A figure whose points can be traced back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    pub figure: Figure,
    /// For every series and point, where it comes from.
    pub sources: Vec<Vec<CurveSource>>,
}

impl Curves {
    /// Where a point comes from.
    pub fn source(&self, series: usize, point: usize) -> Option<CurveSource> {
        self.sources.get(series)?.get(point).copied()
    }

    fn push(&mut self, series: Series, sources: Vec<CurveSource>) {
        if !series.points.is_empty() {
            self.figure.series.push(series);
            self.sources.push(sources);
        }
    }
}

/// Accuracy against average tokens, one line per strategy, all runs in one figure:
///
/// - the budgets without waits, a solid line;
/// - Wait × 1, 2, … from the natural end on, dashed;
/// - the same number of waits at every budget, dotted and hidden until it is wanted;
/// - with several samples per problem the majority vote over thoughts of the shortest budget,
///   dotted, at the tokens of all its voters together.
pub fn accuracy(runs: &[(&Run, &Report)], scale: Scale, counted: Counted) -> Curves {
    let tokens = match counted {
        Counted::Thinking => "thinking tokens",
        Counted::All => "all generated tokens",
    };
    let mut curves = Curves {
        figure: Figure {
            title: format!("accuracy against {tokens}"),
            subtitle: subtitle(runs),
            caption: metrics(runs),
            x: Axis {
                label: format!("average {tokens}"),
                scale,
                ..Axis::default()
            },
            y: Axis {
                label: "accuracy, with 95% intervals (Wilson)".into(),
                unit: Unit::Percent,
                ..Axis::default()
            },
            beside: "answer tokens".into(),
            ..Figure::default()
        },
        ..Curves::default()
    };
    for (index, (run, report)) in runs.iter().enumerate() {
        strategies(&mut curves, (index, counted), run, report);
    }
    for (series, marker) in curves
        .figure
        .series
        .iter_mut()
        .zip(Marker::ALL.iter().cycle())
    {
        series.marker = *marker;
    }
    curves
}

fn strategies(curves: &mut Curves, (index, counted): (usize, Counted), run: &Run, report: &Report) {
    let source = |point| CurveSource { run: index, point };
    let mut line = |name: String, dash, hidden, picked: Vec<usize>| {
        let mut picked: Vec<(usize, &PointStats)> = picked
            .into_iter()
            .filter_map(|i| Some((i, report.points.get(i)?)))
            .filter(|(_, p)| p.n > 0)
            .collect();
        picked.sort_by(|a, b| counted.of(a.1).total_cmp(&counted.of(b.1)));
        let series = Series {
            name,
            points: picked.iter().map(|(_, p)| measured(p, counted)).collect(),
            dash,
            color: index,
            hidden,
            ..Series::default()
        };
        curves.push(series, picked.iter().map(|(i, _)| source(*i)).collect());
    };
    let points = || report.points.iter().enumerate();
    let at = |waits| move |p: &PointStats| p.spec.waits == waits;
    let pick = |wanted: &dyn Fn(&PointStats) -> bool| -> Vec<usize> {
        points()
            .filter(|(_, p)| wanted(p))
            .map(|(i, _)| i)
            .collect()
    };
    let n = report.points.iter().map(|p| p.n).max().unwrap_or(0);
    line(
        format!("{} (n = {n})", run.name),
        Dash::Solid,
        false,
        pick(&at(0)),
    );
    let natural = pick(&|p| p.spec.budget == Budget::Natural);
    if natural.len() > 1 {
        line(
            format!("{}, Wait", run.name),
            Dash::Dashed,
            false,
            natural.clone(),
        );
    }
    for waits in report.metrics().iter().map(|m| m.waits).filter(|w| *w > 0) {
        let bounded = pick(&|p| p.spec.waits == waits && p.spec.budget != Budget::Natural);
        if !bounded.is_empty() {
            let name = format!("{}, budgets with Wait ×{waits}", run.name);
            // Without a natural end these are all that shows what waits do.
            let hidden =
                points().any(|(_, p)| p.spec.budget == Budget::Natural && p.spec.waits > 0);
            line(name, Dash::Dotted, hidden, pick(&at(waits)));
        }
    }
    // Each Wait is named at its place; the budgets are what the axis says.
    let named = curves
        .figure
        .series
        .iter()
        .rposition(|s| s.color == index && s.dash == Dash::Dashed);
    for point in natural.iter().filter_map(|i| report.points.get(*i)) {
        if point.spec.waits > 0 && point.n > 0 {
            curves.figure.notes.push(Annotation {
                x: counted.of(point),
                y: point.accuracy,
                text: name(point),
                series: named,
            });
        }
    }
    let shortest = points()
        .filter(|(_, p)| p.spec.waits == 0 && p.avg_thinking_tokens > 0.0)
        .min_by(|a, b| a.1.avg_thinking_tokens.total_cmp(&b.1.avg_thinking_tokens));
    if let (Some((at, point)), true) = (shortest, run.settings.samples > 1) {
        let votes: Vec<Votes> = report.votes(at).into_iter().filter(|v| v.n > 0).collect();
        let sources = vec![source(at); votes.len()];
        let series = Series {
            name: format!(
                "{}, majority of n at budget {}",
                run.name, point.spec.budget
            ),
            points: votes.iter().map(|v| vote(v, counted)).collect(),
            dash: Dash::Dotted,
            color: index,
            ..Series::default()
        };
        curves.push(series, sources);
    }
}

fn measured(point: &PointStats, counted: Counted) -> DataPoint {
    DataPoint {
        x: counted.of(point),
        y: point.accuracy,
        interval: Some((point.low, point.high)),
        name: name(point),
        detail: format!("{}/{}", point.correct, point.n),
        note: point.outcomes.words(),
        beside: Some(point.avg_answer_tokens),
    }
}

/// A point in a few words: `64`, `natural`, `Wait ×1`, `64, Wait ×1`.
pub fn name(point: &PointStats) -> String {
    match (point.spec.budget, point.spec.waits) {
        (budget, 0) => budget.to_string(),
        (Budget::Natural, waits) => format!("Wait ×{waits}"),
        (budget, waits) => format!("{budget}, Wait ×{waits}"),
    }
}

fn vote(votes: &Votes, counted: Counted) -> DataPoint {
    DataPoint {
        x: counted.of_votes(votes),
        y: votes.accuracy,
        interval: Some((votes.low, votes.high)),
        name: format!("majority of {}", votes.k),
        detail: format!("{}/{}", votes.correct, votes.n),
        beside: Some(votes.avg_total_tokens - votes.avg_total_thinking_tokens),
        note: String::new(),
    }
}

/// Model, problem set, sampling: what all runs have in common, once.
fn subtitle(runs: &[(&Run, &Report)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut common = |of: &dyn Fn(&Run) -> String| {
        let mut values = runs.iter().map(|(run, _)| of(run));
        if let Some(first) = values.next().filter(|v| !v.is_empty())
            && values.all(|v| v == first)
        {
            parts.push(first);
        }
    };
    common(&|run| run.settings.model.card.name.clone());
    common(&|run| {
        let problems = &run.settings.problems;
        match problems.count {
            0 => problems.name.clone(),
            count => format!("{} ({count})", problems.name),
        }
    });
    common(&|run| {
        let sampling = &run.settings.sampling;
        if sampling.temperature <= 0.0 {
            "greedy".into()
        } else {
            let samples = run.settings.samples;
            format!("{samples} × temperature {}", sampling.temperature)
        }
    });
    parts.join(" · ")
}

/// The paper's three metrics of each run's budgets; of many runs the best accuracy alone.
fn metrics(runs: &[(&Run, &Report)]) -> String {
    let of_run = |(run, report): &(&Run, &Report)| {
        let metrics = report.metrics();
        let line = metrics.iter().find(|m| m.waits == 0)?;
        report.points.iter().any(|p| p.n > 0).then_some(())?;
        let mut parts = Vec::new();
        let few = runs.len() < 3;
        if let (Some(control), true) = (line.control, few) {
            parts.push(format!("control {:.0}%", control * 100.0));
        }
        if let (Some(scaling), true) = (line.scaling, few) {
            parts.push(format!("scaling {:+.2}%/token", scaling * 100.0));
        }
        let best = metrics.iter().map(|m| m.performance).fold(0.0, f64::max);
        parts.push(format!("performance {:.1}%", best * 100.0));
        // First, as this is what a narrow screen shows.
        parts.splice(0..0, report.long_answers());
        let name = if runs.len() > 1 {
            format!("{}: ", run.name)
        } else {
            String::new()
        };
        Some(name + &parts.join(" · "))
    };
    let all: Vec<String> = runs.iter().filter_map(of_run).collect();
    all.join("; ")
}

/// How long the thoughts are: the share of samples by thinking tokens, one outline per run for its
/// longest budget, and one per number of waits there, hidden until it is wanted.
pub fn lengths(runs: &[(&Run, &Report)], scale: Scale) -> Curves {
    let mut curves = Curves {
        figure: Figure {
            title: "length of thoughts".into(),
            subtitle: subtitle(runs),
            x: Axis {
                label: "thinking tokens".into(),
                scale,
                ..Axis::default()
            },
            y: Axis {
                label: "share of samples".into(),
                unit: Unit::Percent,
                ..Axis::default()
            },
            ..Figure::default()
        },
        ..Curves::default()
    };
    let longest = runs
        .iter()
        .flat_map(|(_, report)| &report.points)
        .filter_map(|p| p.thinking.max())
        .max()
        .unwrap_or(0);
    let edges = bins(longest, scale);
    for (index, (run, report)) in runs.iter().enumerate() {
        let Some(budget) = report.points.iter().map(|p| p.spec.budget).max() else {
            continue;
        };
        let of_budget = report.points.iter().enumerate();
        for (at, point) in of_budget.filter(|(_, p)| p.spec.budget == budget) {
            let median = point.thinking.quantile(0.5).unwrap_or(0.0);
            let points = outline(&point.thinking, &edges);
            let sources = vec![
                CurveSource {
                    run: index,
                    point: at
                };
                points.len()
            ];
            let series = Series {
                name: format!("{}, {} (median {median:.0})", run.name, name(point)),
                points,
                dash: [Dash::Solid, Dash::Dashed, Dash::Dotted][point.spec.waits.min(2)],
                color: index,
                hidden: point.spec.waits > 0,
                ..Series::default()
            };
            curves.push(series, sources);
        }
    }
    curves
}

/// The edges of at most 40 bins, all of one round width, or of one ratio on a logarithmic axis.
fn bins(longest: usize, scale: Scale) -> Vec<f64> {
    let longest = longest.max(1) as f64;
    if scale == Scale::Log {
        let steps = 24;
        let ratio = (longest + 1.0).powf(1.0 / f64::from(steps));
        let mut edges: Vec<f64> = (0..=steps).map(|i| ratio.powi(i)).collect();
        // Whole tokens: two edges between the same two numbers would leave an empty bin.
        edges.dedup_by(|b, a| b.floor() <= a.floor());
        return edges;
    }
    let width = [1.0, 2.0, 5.0]
        .into_iter()
        .cycle()
        .zip((0..).flat_map(|p| std::iter::repeat_n(10f64.powi(p), 3)))
        .map(|(m, p)| m * p)
        .find(|w| longest / w <= 36.0)
        .unwrap_or(longest);
    let count = (longest / width).floor() as usize + 1;
    (0..=count).map(|i| i as f64 * width).collect()
}

/// The outline of a histogram; it breaks where bins are empty. What lies before the first edge
/// counts to the first bin.
fn outline(numbers: &Histogram, edges: &[f64]) -> Vec<DataPoint> {
    let Some(last) = edges.last() else {
        return Vec::new();
    };
    let mut points = Vec::new();
    let mut rest = numbers.iter().peekable();
    let mut drawing = false;
    for pair in edges.windows(2) {
        let mut count = 0;
        while let Some((_, times)) = rest.next_if(|(t, _)| (*t as f64) < pair[1]) {
            count += times;
        }
        if count == 0 {
            if drawing {
                points.push(DataPoint::new(pair[0], 0.0));
                points.push(DataPoint::new(f64::NAN, f64::NAN));
            }
            drawing = false;
            continue;
        }
        if !drawing {
            points.push(DataPoint::new(pair[0], 0.0));
        }
        drawing = true;
        for x in pair {
            points.push(DataPoint {
                name: format!("{:.0} to {:.0}", pair[0], pair[1]),
                detail: format!("{count} of {}", numbers.len()),
                ..DataPoint::new(*x, count as f64 / numbers.len() as f64)
            });
        }
    }
    if drawing {
        points.push(DataPoint::new(*last, 0.0));
    }
    points
}

#[cfg(test)]
mod tests;
