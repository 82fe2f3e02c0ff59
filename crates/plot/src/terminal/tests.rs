//! Pictures at every size.

use super::*;
use crate::fixtures::{curve, loss};
use crate::{Scale, Series};

fn picture(figure: &Figure, view: &ChartView, columns: u16, rows: u16) -> String {
    text(figure, view, columns, rows)
}

#[test]
fn pictures() {
    let figure = curve();
    let view = ChartView {
        cursor: Some((0, 4)),
        ..ChartView::default()
    };
    for (columns, rows) in [(80, 20), (40, 10)] {
        insta::assert_snapshot!(
            format!("curve_{columns}x{rows}"),
            picture(&figure, &view, columns, rows)
        );
    }
    for ink in [Ink::Block, Ink::Ascii] {
        let view = ChartView {
            ink,
            ..view.clone()
        };
        insta::assert_snapshot!(format!("curve_{ink:?}"), picture(&figure, &view, 80, 20));
    }
    let mut log = figure.clone();
    log.x.scale = Scale::Log;
    insta::assert_snapshot!("curve_log", picture(&log, &view, 80, 20));
    insta::assert_snapshot!("loss", picture(&loss(6000), &ChartView::default(), 80, 16));
}

#[test]
fn a_closer_look_cuts_lines_at_its_edges() {
    let view = ChartView {
        window: Some(Window {
            x: (40.0, 70.0),
            y: Some((0.5, 0.9)),
        }),
        ..ChartView::default()
    };
    insta::assert_snapshot!("curve_zoomed", picture(&curve(), &view, 80, 16));
}

#[test]
fn a_step_more_of_training_moves_nothing_that_was_there() {
    let rows = |steps| {
        let shown = picture(&loss(steps), &ChartView::default(), 80, 16);
        shown.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (before, after) = (rows(5000), rows(5001));
    // Column by column, up to the one where the new step falls.
    for (a, b) in before.iter().zip(&after) {
        let half = |row: &str| row.chars().take(38).collect::<String>();
        assert_eq!(half(a), half(b));
    }
}

#[test]
fn every_size_every_ink_and_every_number_draws() {
    let mut wild = curve();
    for (i, value) in [f64::NAN, f64::INFINITY, -1e308, 1e308]
        .into_iter()
        .enumerate()
    {
        wild.series[0].points[i].x = value;
        wild.series[2].points[i].y = value;
        wild.series[2].points[i].interval = Some((value, -value));
    }
    wild.series[1].name = "日本語\u{1b}[31m\n".repeat(20);
    wild.notes[0].text = "\u{1b}wide 日本".into();
    let figures = [curve(), wild, Figure::default()];
    for figure in &figures {
        for ink in [Ink::Braille, Ink::Block, Ink::Ascii] {
            for (series, point) in [(0, 0), (2, 3), (9, 9)] {
                let view = ChartView {
                    ink,
                    cursor: Some((series, point)),
                    ..ChartView::default()
                };
                for (columns, rows) in (0..50).flat_map(|w| (0..16).map(move |h| (w * 3, h))) {
                    let whole = Rect::new(0, 0, columns + 2, rows + 2);
                    let mut buf = Buffer::empty(whole);
                    draw(
                        figure,
                        &view,
                        &Styles::default(),
                        &mut buf,
                        Rect::new(1, 1, columns, rows),
                    );
                    for at in whole.positions() {
                        let edge =
                            at.x == 0 || at.y == 0 || at.x == columns + 1 || at.y == rows + 1;
                        assert!(
                            !edge || buf[at].symbol() == " ",
                            "{columns}x{rows} left at {at}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn ascii_is_ascii() {
    let view = ChartView {
        ink: Ink::Ascii,
        cursor: Some((1, 1)),
        ..ChartView::default()
    };
    let mut figure = curve();
    figure.notes.clear();
    figure.caption.clear();
    figure.subtitle.clear();
    for scale in [Scale::Linear, Scale::Log] {
        figure.x.scale = scale;
        assert!(picture(&figure, &view, 120, 30).is_ascii());
    }
}

#[test]
fn a_hidden_series_keeps_its_name_and_moves_no_axis() {
    let mut figure = curve();
    let before = figure.ranges(None);
    figure.series[1].hidden = true;
    assert_eq!(figure.ranges(None), before);
    let shown = picture(&figure, &ChartView::default(), 120, 26);
    assert!(!shown.contains("Wait ×2"), "its note is hidden with it");
    assert!(shown.contains("reasoner + Wait (hidden)"));
    let count = |s: &Series| s.marker.glyph(false).to_owned();
    assert_eq!(
        shown.matches(&count(&figure.series[1])).count(),
        1,
        "in the legend alone"
    );
}
