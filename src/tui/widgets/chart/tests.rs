//! A chart in its panel, and moving about in it.

use super::*;
use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
use s1_plot::fixtures::{curve, loss};

#[test]
fn pictures() {
    let theme = Theme::default();
    let view = ChartView {
        cursor: Some((0, 4)),
        ..ChartView::default()
    };
    for (w, h) in [(80, 22), (18, 5)] {
        let shown = picture(w, h, |buf, area| {
            draw(&curve(), &view, &styles(&theme), true, &theme, area, buf)
        });
        insta::assert_snapshot!(format!("chart_{w}x{h}"), shown);
    }
    let view = ChartView::default();
    let shown = picture(60, 12, |buf, area| {
        draw(
            &loss(2500),
            &view,
            &styles(&theme),
            false,
            &theme,
            area,
            buf,
        );
    });
    insta::assert_snapshot!("chart_loss", shown);
}

#[test]
fn every_size_draws() {
    let theme = Theme::monochrome();
    let figure = curve();
    let view = ChartView {
        cursor: Some((1, 1)),
        ..ChartView::default()
    };
    survives_every_size(|buf, area| draw(&figure, &view, &styles(&theme), true, &theme, area, buf));
}

#[test]
fn the_crosshair_walks_points_and_series_and_never_stands_on_nothing() {
    let mut figure = curve();
    let mut view = ChartView::default();
    step_point(&figure, &mut view, true);
    assert_eq!(view.cursor, Some((0, 5)), "the last point comes first");
    step_point(&figure, &mut view, true);
    assert_eq!(view.cursor, Some((0, 5)));
    step_point(&figure, &mut view, false);
    assert_eq!(view.cursor, Some((0, 4)));
    step_series(&figure, &mut view, true);
    assert_eq!(view.cursor, Some((1, 0)), "the nearest in x");
    figure.series[2].hidden = true;
    step_series(&figure, &mut view, true);
    assert_eq!(view.cursor, Some((3, 0)), "hidden ones are passed over");
    figure.series[3].hidden = true;
    step_point(&figure, &mut view, true);
    assert_eq!(view.cursor, Some((0, 5)));
    for series in &mut figure.series {
        series.hidden = true;
    }
    step_series(&figure, &mut view, true);
    assert_eq!(view.cursor, None);
}

#[test]
fn zooming_in_keeps_the_crosshair_in_sight_and_out_again_shows_all() {
    for log in [false, true] {
        let mut figure = curve();
        if log {
            figure.x.scale = s1_plot::Scale::Log;
        }
        for cursor in [None, Some((0, 0)), Some((0, 4)), Some((1, 2))] {
            let mut view = ChartView {
                cursor,
                ..ChartView::default()
            };
            let mut steps = 0;
            for _ in 0..40 {
                zoom(&figure, &mut view, true);
                steps += usize::from(view.window.is_some());
                if let Some((s, p)) = cursor {
                    let point = &figure.series[s].points[p];
                    let (x, y) = figure.ranges(view.window);
                    for place in [x.place(point.x), y.place(point.y)] {
                        assert!((-1e-6..=1.0 + 1e-6).contains(&place), "{cursor:?} {log}");
                    }
                }
            }
            assert!(steps > 5);
            for _ in 0..80 {
                zoom(&figure, &mut view, false);
            }
            assert_eq!(view.window, None, "{cursor:?} {log}");
        }
    }
}

/// A user would lose: the mouse, on the points of a curve.
#[test]
fn a_click_puts_the_crosshair_on_the_nearest_point() {
    let (figure, theme) = (curve(), Theme::monochrome());
    let area = Rect::new(3, 2, 80, 22);
    let mut view = ChartView::default();
    step_point(&figure, &mut view, true);
    let there = view.cursor;
    // Where the crosshair is drawn, the same point is found again.
    let mut buf = Buffer::empty(Rect::new(0, 0, 90, 30));
    let mut marked = styles(&theme);
    marked.cursor = ratatui::style::Style::new().bg(ratatui::style::Color::Red);
    draw(&figure, &view, &marked, true, &theme, area, &mut buf);
    let red = |at: &Position| buf[*at].bg == ratatui::style::Color::Red;
    let at = area.positions().find(red).expect("a crosshair");
    view.cursor = None;
    click(&figure, &mut view, area, at);
    assert_eq!(view.cursor, there);
    click(&figure, &mut view, area, Position::new(0, 0));
    assert_eq!(view.cursor, there, "outside nothing moves");
}
