//! Figures and a run, made up for tests: this crate's and others' (feature `fixtures`).

use std::time::Duration;

use s1_core::trace::StopReason;
use s1_store::run::{Budget, PointSpec, Row, Run, RunSettings, Sample};

use crate::*;

/// What a sweep gives: two runs, waits, and the majority of short thoughts.
pub fn curve() -> Figure {
    let point = |x: f64, right: usize, name: &str| {
        let p = right as f64 / 200.0;
        let half = 1.96 * (p * (1.0 - p) / 200.0).sqrt();
        DataPoint {
            x,
            y: p,
            interval: Some(((p - half).max(0.0), (p + half).min(1.0))),
            name: name.into(),
            detail: format!("{right}/200"),
            beside: None,
            note: String::new(),
        }
    };
    let tuned = [
        (0., 38, "0"),
        (15.2, 41, "16"),
        (30.1, 76, "32"),
        (43.0, 128, "48"),
        (55.4, 158, "64"),
        (61.9, 165, "natural"),
    ];
    let base = [
        (0., 36, "0"),
        (14.0, 35, "16"),
        (27.0, 38, "32"),
        (52.0, 37, "64"),
        (88.0, 38, "natural"),
    ];
    let votes = [(55.0, 60, "2 × 32"), (110.0, 84, "4 × 32")];
    let series = |name: &str, points: &[(f64, usize, &str)], marker, dash, color| Series {
        name: name.into(),
        points: points.iter().map(|&(x, r, n)| point(x, r, n)).collect(),
        marker,
        dash,
        color,
        hidden: false,
    };
    Figure {
        title: "accuracy against thinking tokens".into(),
        subtitle: "s1-nano · bundled 200 · greedy".into(),
        caption: "control 100% · scaling +0.9%/token · performance 86.5% · bars: 95% Wilson".into(),
        x: Axis {
            label: "average thinking tokens".into(),
            ..Axis::default()
        },
        y: Axis {
            label: "accuracy".into(),
            unit: Unit::Percent,
            ..Axis::default()
        },
        series: vec![
            series("reasoner", &tuned, Marker::Circle, Dash::Solid, 0),
            series(
                "reasoner + Wait",
                &[
                    (61.9, 165, "natural"),
                    (96.0, 171, "Wait ×1"),
                    (131.0, 173, "Wait ×2"),
                ],
                Marker::Diamond,
                Dash::Dashed,
                0,
            ),
            series("base", &base, Marker::Ring, Dash::Solid, 1),
            series(
                "majority of n, equal tokens",
                &votes,
                Marker::Triangle,
                Dash::Dotted,
                2,
            ),
        ],
        notes: vec![Annotation {
            x: 131.0,
            y: 0.865,
            text: "Wait ×2".into(),
            series: Some(1),
        }],
        beside: String::new(),
    }
}

/// The loss of ten thousand steps.
pub fn loss(steps: usize) -> Figure {
    let noise = |i: usize| ((i * 2_654_435_761) % 1000) as f64 / 1000.0 - 0.5;
    let value = |i: usize| 0.25 + 1.9 * (-(i as f64) / 900.0).exp();
    let raw = (0..steps).map(|i| DataPoint::new(i as f64, value(i) + 0.2 * noise(i)));
    let smooth = (0..steps).map(|i| DataPoint::new(i as f64, value(i)));
    let series = |name: &str, points, color| Series {
        name: name.into(),
        points,
        color,
        ..Series::default()
    };
    Figure {
        title: "loss".into(),
        x: Axis {
            label: "step".into(),
            to: Some(10_000.0),
            ..Axis::default()
        },
        series: vec![
            series("loss", raw.collect(), 0),
            series("smoothed", smooth.collect(), 1),
        ],
        ..Figure::default()
    }
}

/// A run whose problem `i` is solved from `needs + i % 40` thinking tokens on, and whose natural
/// thoughts are 40 to 80 tokens long. Two problems in five are flipped by a wait.
pub fn run(name: &str, problems: usize, needs: usize, samples: usize) -> Run {
    let budgets = [0, 16, 32, 48, 64].map(Budget::Tokens);
    let mut points: Vec<PointSpec> = budgets
        .into_iter()
        .chain([Budget::Natural])
        .map(|budget| PointSpec { budget, waits: 0 })
        .collect();
    points.extend([1, 2].map(|waits| PointSpec {
        budget: Budget::Natural,
        waits,
    }));
    let row = |problem: usize| {
        let natural = 40 + problem * 7 % 41;
        let mut made = Vec::new();
        for (at, point) in points.iter().enumerate() {
            for sample in 0..samples {
                let wanted = natural + point.waits * 30 + sample;
                let thinking = point
                    .budget
                    .max_thinking()
                    .map_or(wanted, |b| b.min(wanted));
                let solved = thinking >= needs + problem % 40 && problem % 11 != 10;
                let right = match point.waits {
                    0 => solved,
                    waits => solved ^ (problem % 13 == waits),
                };
                made.push(Sample {
                    point: at,
                    sample,
                    trace: (problem * 100 + at) as i64,
                    thinking,
                    answer_tokens: 4,
                    waits_used: point.waits,
                    forced: thinking < wanted,
                    answer: Some(if right { "7" } else { "8" }.into()),
                    correct: Some(right),
                    stop: StopReason::EndOfTurn,
                    leaked: Some(false),
                    second_end: Some(false),
                    looking: 0,
                });
            }
        }
        Row {
            problem,
            id: format!("q{problem}"),
            question: format!("Question {problem}?"),
            reference: Some("7".into()),
            computed: 150,
            pointwise: 480,
            floor: 150,
            prompt_tokens: 20,
            samples: made,
        }
    };
    let mut settings = RunSettings {
        samples,
        points: points.clone(),
        ..RunSettings::default()
    };
    settings.model.card.name = "s1-nano".into();
    settings.problems.name = "bundled".into();
    settings.problems.count = problems;
    Run {
        name: name.into(),
        created_at: 1_760_000_000,
        settings,
        rows: (0..problems).map(row).collect(),
        wall: Duration::from_secs(41),
        sources: Default::default(),
    }
}
