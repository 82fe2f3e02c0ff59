//! Early exits as a figure: accuracy against tokens, the tokens included that looking takes.

use super::{Axis, Dash, DataPoint, Figure, Marker, Series, Unit};
use s1_lab::replay::{Line, Replay, Vote};
use s1_lab::stats;

/// Each rule as a line over its thresholds, beside the budgets, with the natural end and above them
/// what stopping at the first right answer would give.
pub fn figure(name: &str, replay: &Replay, votes: &[Vote]) -> Figure {
    let natural = &replay.natural;
    let mut figure = Figure {
        title: "early exits: accuracy against tokens".into(),
        subtitle: format!("{name} · {} thoughts", natural.n),
        caption: format!(
            "natural {:.1}% at {:.0} tokens · first right answer {:.1}% at {:.0}{}",
            100.0 * natural.accuracy,
            natural.tokens(),
            100.0 * replay.oracle.accuracy,
            replay.oracle.tokens(),
            flips(replay)
        ),
        x: Axis {
            label: "average thinking tokens, looking included".into(),
            ..Axis::default()
        },
        y: Axis {
            label: "accuracy, with 95 % intervals (Wilson)".into(),
            unit: Unit::Percent,
            ..Axis::default()
        },
        beside: "looking tokens".into(),
        ..Figure::default()
    };
    let mut series = |name: &str, lines: &[Line], dash| {
        let color = figure.series.len();
        let mut points: Vec<DataPoint> = lines.iter().filter(|l| l.n > 0).map(point).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        figure.series.push(Series {
            name: name.into(),
            points,
            dash,
            color,
            marker: Marker::ALL[color % Marker::ALL.len()],
            hidden: false,
        });
    };
    series(
        "budget, cut at a sentence end",
        &replay.budgets,
        Dash::Solid,
    );
    for (rule, lines) in &replay.rules {
        // A rule that never left a thought lies on the natural end, with what it cost to look.
        series(rule, lines, Dash::Dotted);
    }
    if votes.len() > 1 {
        let vote = |name: &str, right: fn(&Vote) -> usize, tokens: fn(&Vote) -> f64| {
            let lines = votes.iter().map(|vote| {
                let (low, high) = stats::wilson(right(vote), vote.n);
                Line {
                    name: format!("{name} of {}", vote.k),
                    n: vote.n,
                    correct: right(vote),
                    accuracy: right(vote) as f64 / vote.n.max(1) as f64,
                    low,
                    high,
                    thinking: tokens(vote),
                    ..Line::default()
                }
            });
            lines.collect::<Vec<Line>>()
        };
        series(
            "vote of n",
            &vote("vote", |v| v.plain, |v| v.tokens),
            Dash::Dashed,
        );
        series(
            "vote weighted by confidence",
            &vote("weighted vote", |v| v.weighted, |v| v.tokens),
            Dash::Dashed,
        );
        series(
            "vote with DeepConf's stop",
            &vote("stopped vote", |v| v.stopped, |v| v.tokens_stopped),
            Dash::Dashed,
        );
    }
    series("natural end", std::slice::from_ref(natural), Dash::Solid);
    series(
        "first right answer (oracle)",
        std::slice::from_ref(&replay.oracle),
        Dash::Dashed,
    );
    figure
}

/// How often answers turn along the budgets, in a few words.
fn flips(replay: &Replay) -> String {
    let sum = |of: fn(&(usize, usize)) -> usize| replay.flips.iter().map(of).sum::<usize>();
    match (sum(|f| f.0), sum(|f| f.1)) {
        (0, 0) => String::new(),
        (won, lost) => format!(" · along the budgets {won} answers turn right, {lost} wrong"),
    }
}

fn point(line: &Line) -> DataPoint {
    DataPoint {
        x: line.tokens(),
        y: line.accuracy,
        interval: Some((line.low, line.high)),
        name: line.name.clone(),
        detail: format!("{}/{}, {} left early", line.correct, line.n, line.early),
        beside: Some(line.looking),
        note: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_stands_at_what_it_costs() {
        let line = |name: &str, correct, thinking, looking| Line {
            name: name.into(),
            n: 10,
            correct,
            accuracy: correct as f64 / 10.0,
            thinking,
            looking,
            ..Line::default()
        };
        let replay = Replay {
            natural: line("natural", 8, 100.0, 0.0),
            oracle: line("first right answer", 9, 30.0, 0.0),
            budgets: vec![line("50", 6, 45.0, 0.0)],
            rules: vec![("deer".into(), vec![line("deer:0.9", 8, 60.0, 25.0)])],
            ..Replay::default()
        };
        let figure = figure("r", &replay, &[]);
        let names: Vec<&str> = figure.series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names[1], "deer");
        assert_eq!(names.len(), 4);
        let deer = &figure.series[1].points[0];
        assert_eq!((deer.x, deer.y, deer.beside), (85.0, 0.8, Some(25.0)));
    }
}
