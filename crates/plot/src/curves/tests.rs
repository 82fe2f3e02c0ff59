//! Figures of made-up runs.

use super::*;

use crate::fixtures::run;

#[test]
fn every_strategy_is_a_line_of_its_own_and_points_lead_back() {
    let (tuned, base) = (run("reasoner", 55, 20, 1), run("base", 55, 60, 1));
    let reports = [Report::of(&tuned), Report::of(&base)];
    let curves = accuracy(
        &[(&tuned, &reports[0]), (&base, &reports[1])],
        Scale::Linear,
        Counted::Thinking,
    );
    let names: Vec<&str> = curves
        .figure
        .series
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "reasoner (n = 55)",
            "reasoner, Wait",
            "base (n = 55)",
            "base, Wait"
        ]
    );
    assert_eq!(curves.figure.subtitle, "s1-nano · bundled (55) · greedy");
    assert!(
        curves
            .figure
            .caption
            .starts_with("reasoner: control 100% · scaling +")
    );
    for (s, series) in curves.figure.series.iter().enumerate() {
        assert!(series.points.windows(2).all(|p| p[0].x <= p[1].x));
        for (p, point) in series.points.iter().enumerate() {
            let source = curves.source(s, p).unwrap();
            let measured = &reports[source.run].points[source.point];
            assert_eq!(point.x, measured.avg_thinking_tokens);
            assert_eq!(point.y, measured.accuracy);
            assert_eq!(point.interval, Some((measured.low, measured.high)));
        }
    }
    let markers: Vec<Marker> = curves.figure.series.iter().map(|s| s.marker).collect();
    assert!(
        markers.windows(2).all(|m| m[0] != m[1]),
        "told apart without colour"
    );
}

#[test]
fn samples_bring_the_majority_line_at_the_tokens_of_all_voters() {
    let run = run("r", 20, 20, 3);
    let report = Report::of(&run);
    let curves = accuracy(&[(&run, &report)], Scale::Log, Counted::Thinking);
    let line = curves.figure.series.last().unwrap();
    assert_eq!(line.name, "r, majority of n at budget 16");
    let x: Vec<f64> = line.points.iter().map(|p| p.x).collect();
    assert_eq!(x, [16.0, 32.0, 48.0]);
    assert_eq!(line.points[2].name, "majority of 3");
}

#[test]
fn a_histogram_counts_every_sample_once() {
    let run = run("r", 90, 20, 1);
    let report = Report::of(&run);
    for scale in [Scale::Linear, Scale::Log] {
        let curves = lengths(&[(&run, &report)], scale);
        assert_eq!(
            curves.figure.series.len(),
            3,
            "natural, one wait, two waits"
        );
        for series in &curves.figure.series {
            // Two corners per bin, and the two feet.
            let sum: f64 = series
                .points
                .iter()
                .map(|p| p.y)
                .filter(|y| y.is_finite())
                .sum::<f64>()
                / 2.0;
            assert!((sum - 1.0).abs() < 1e-9, "{scale:?}: {sum}");
        }
    }
    for longest in [0, 1, 36, 37, 100, 5000, 1_000_000] {
        let linear = bins(longest, Scale::Linear);
        assert!(linear.len() <= 40 && *linear.last().unwrap() > longest as f64);
        let log = bins(longest, Scale::Log);
        assert!(log.windows(2).all(|e| e[1].floor() > e[0].floor()));
    }
}

#[test]
fn runs_without_anything_in_them_give_empty_figures() {
    let mut run = run("r", 1, 0, 1);
    run.rows.clear();
    let report = Report::of(&run);
    assert!(
        accuracy(&[(&run, &report)], Scale::Log, Counted::Thinking)
            .figure
            .series
            .is_empty()
    );
    assert!(
        lengths(&[(&run, &report)], Scale::Log)
            .figure
            .series
            .is_empty()
    );
    let none = accuracy(&[], Scale::Linear, Counted::All);
    assert!(none.figure.series.is_empty());
}

#[test]
fn the_answers_count_where_the_thinking_happened_in_them() {
    let mut run = run("r", 20, 20, 3);
    for sample in run.rows.iter_mut().flat_map(|row| &mut row.samples) {
        sample.answer_tokens = 100;
    }
    let report = Report::of(&run);
    let both = [Counted::Thinking, Counted::All];
    let [thinking, all] = both.map(|counted| accuracy(&[(&run, &report)], Scale::Linear, counted));
    assert_eq!(all.figure.x.label, "average all generated tokens");
    assert!(
        thinking
            .figure
            .caption
            .starts_with("answers are longer than thoughts (100 against "),
        "{}",
        thinking.figure.caption
    );
    for (s, series) in all.figure.series.iter().enumerate() {
        for (p, point) in series.points.iter().enumerate() {
            let before = &thinking.figure.series[s].points[p];
            assert_eq!(point.x, before.x + point.beside.unwrap());
        }
    }
    let readout = thinking.figure.readout(0, 1).unwrap();
    assert!(
        readout.ends_with(" average thinking tokens, 100 answer tokens"),
        "{readout}"
    );
    let csv = crate::csv::write(&thinking.figure);
    assert!(csv.starts_with("series,name,x,y,low,high,detail,answer_tokens\n"));
}
