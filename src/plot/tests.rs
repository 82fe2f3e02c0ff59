//! One figure in all its forms.

use super::*;

/// What a sweep gives: two runs, waits, and the majority of short thoughts.
pub fn curve() -> Figure {
    let point = |x: f64, right: usize, name: &str| {
        let p = right as f64 / 200.0;
        let half = 1.96 * (p * (1.0 - p) / 200.0).sqrt();
        Point {
            x,
            y: p,
            interval: Some(((p - half).max(0.0), (p + half).min(1.0))),
            name: name.into(),
            detail: format!("{right}/200"),
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
        caption: "control 100 % · scaling +0.9 %/token · performance 86.5 % · bars: 95 % Wilson"
            .into(),
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
        notes: vec![Note {
            x: 131.0,
            y: 0.865,
            text: "Wait ×2".into(),
            series: Some(1),
        }],
    }
}

/// The loss of ten thousand steps.
pub fn loss(steps: usize) -> Figure {
    let noise = |i: usize| ((i * 2_654_435_761) % 1000) as f64 / 1000.0 - 0.5;
    let value = |i: usize| 0.25 + 1.9 * (-(i as f64) / 900.0).exp();
    let raw = (0..steps).map(|i| Point::new(i as f64, value(i) + 0.2 * noise(i)));
    let smooth = (0..steps).map(|i| Point::new(i as f64, value(i)));
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

#[test]
fn a_readout_says_everything_about_a_point() {
    let figure = curve();
    assert_eq!(
        figure.readout(0, 4).unwrap(),
        "reasoner · 64: 158/200 = 79.0 % (73.4–84.6) at 55.4 average thinking tokens"
    );
    assert_eq!(loss(3).readout(1, 0).unwrap(), "smoothed: 2.150 at 0 step");
    assert_eq!(figure.readout(9, 0), None);
}

#[test]
fn the_table_has_every_point_in_full_and_quotes_names() {
    let mut figure = curve();
    figure.series[0].name = "a, \"b\"".into();
    figure.series[2].hidden = true;
    let csv = csv::write(&figure);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "series,name,x,y,low,high,detail");
    assert!(lines[1].starts_with("\"a, \"\"b\"\"\",0,0,0.19,0.135"));
    assert!(lines[1].ends_with(",38/200"));
    assert_eq!(lines.len(), 1 + 6 + 3 + 2);
}

#[test]
fn a_long_caption_goes_on_in_another_row() {
    let mut figure = curve();
    figure.caption = "smollm2-135m: control 100 % · scaling +0.01 %/token · performance 5.0 %; \
                      qwen2.5-coder-0.5b: control 100 % · scaling +0.01 %/token · performance 12.5 %"
        .into();
    let picture = svg::draw(&figure);
    assert!(
        !picture.contains(&figure.caption),
        "it would leave the page"
    );
    for word in figure.caption.split(' ') {
        assert!(picture.contains(word), "{word}");
    }
}

#[test]
fn every_format_is_written_and_others_are_refused_with_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    for (name, begin) in [
        ("a.svg", &b"<svg"[..]),
        ("a.PNG", b"\x89PNG"),
        ("a.csv", b"series,"),
    ] {
        let path = folder.path().join(name);
        write(&curve(), &path).unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(begin));
    }
    let error = write(&curve(), &folder.path().join("a.pdf")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("let its name end in .svg, .png or .csv")
    );
    let error = write(&curve(), &folder.path().join("no/a.svg")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"));
}
