//! Pictures of the plots screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::app::plots::exits::Exits;
use crate::tui::app::plots::tests::{both, plots};
use crate::tui::app::plots::{Chart, PlotPane};
use crate::tui::app::testing::{press, ready};
use crate::tui::screens::{self, Screen};
use crate::tui::widgets::overlay::testing::picture;
use s1_lab::replay::{Line, Replay};
use s1_plot::curves::Curves;

fn shot(app: &mut App, width: u16, height: u16) -> String {
    picture(width, height, |buf, area| {
        screens::prepare(app, area);
        screens::paint(app, area, buf);
    })
}

#[test]
fn pictures_of_two_runs() {
    let mut app = plots();
    both(&mut app);
    press(&mut app, "left left left");
    insta::assert_snapshot!("curve_120x40", shot(&mut app, 120, 40));
    insta::assert_snapshot!("curve_80x24", shot(&mut app, 80, 24));
    for (pane, keys, name) in [
        (PlotPane::Items, "down down right right", "items"),
        (PlotPane::Lengths, "", "lengths"),
        (PlotPane::Waits, "", "waits"),
        (PlotPane::Pairs, "down", "pairs"),
        (PlotPane::Answers, "", "answers"),
        (PlotPane::Exits, "", "exits_before"),
        (PlotPane::Budget, "+", "budget"),
        (PlotPane::Runs, "down", "runs"),
    ] {
        app.plots.focus(pane);
        press(&mut app, keys);
        insta::assert_snapshot!(format!("{name}_120x40"), shot(&mut app, 120, 40));
    }
    for (pane, keys, name) in [
        (PlotPane::Items, "", "items"),
        (PlotPane::Pairs, "right right right", "pairs"),
        (PlotPane::Runs, "right right", "runs"),
    ] {
        app.plots.focus(pane);
        shot(&mut app, 80, 24);
        press(&mut app, keys);
        insta::assert_snapshot!(format!("{name}_80x24"), shot(&mut app, 80, 24));
        insta::assert_snapshot!(format!("{name}_200x50"), shot(&mut app, 200, 50));
    }
    shot(&mut app, 80, 24);
    press(&mut app, "/");
    insta::assert_snapshot!("picker_80x24", shot(&mut app, 80, 24));
    insta::assert_snapshot!("picker_120x36", shot(&mut app, 120, 36));
}

/// Two rules at two thresholds each, beside three budgets.
fn replay() -> Replay {
    let line = |name: &str, correct: usize, thinking: f64, looking: f64| Line {
        name: name.into(),
        n: 20,
        correct,
        accuracy: correct as f64 / 20.0,
        low: correct as f64 / 20.0 - 0.1,
        high: correct as f64 / 20.0 + 0.1,
        thinking,
        looking,
        early: 7,
        won: 1,
        lost: 2,
    };
    Replay {
        natural: line("natural", 17, 120.0, 0.0),
        oracle: line("first right answer", 18, 60.0, 0.0),
        budgets: vec![
            line("32", 6, 30.0, 0.0),
            line("64", 11, 60.0, 0.0),
            line("96", 15, 90.0, 0.0),
        ],
        rules: vec![
            (
                "deer".into(),
                vec![
                    line("deer:0.5", 14, 70.0, 9.0),
                    line("deer:0.95", 17, 105.0, 11.0),
                ],
            ),
            (
                "thinkbrake".into(),
                vec![
                    line("thinkbrake:5", 12, 66.0, 0.0),
                    line("thinkbrake:0.25", 16, 100.0, 0.0),
                ],
            ),
        ],
        ..Replay::default()
    }
}

#[test]
fn pictures_of_early_exits() {
    let mut app = plots();
    let run = app.plots.current().unwrap().run.name.clone();
    let figure = s1_plot::policies::figure(&run, &replay(), &[]);
    app.plots.exits = Some(Exits {
        run: run.clone(),
        looking: None,
        progress: String::new(),
        chart: Some(Chart {
            curves: Curves {
                figure,
                ..Curves::default()
            },
            ..Chart::default()
        }),
    });
    app.plots.focus(PlotPane::Exits);
    for (columns, rows) in [(120, 40), (80, 24), (40, 12)] {
        let name = format!("exits_{columns}x{rows}");
        insta::assert_snapshot!(name, shot(&mut app, columns, rows));
    }
    app.plots.exits = Some(Exits {
        run,
        looking: Some(Default::default()),
        progress: "looked at 3 of 20 thoughts".into(),
        chart: None,
    });
    insta::assert_snapshot!("exits_looking_80x24", shot(&mut app, 80, 24));
    app.plots.focus(PlotPane::Budget);
    insta::assert_snapshot!("budget_80x24", shot(&mut app, 80, 24));
    insta::assert_snapshot!("budget_40x12", shot(&mut app, 40, 12));
}

#[test]
fn pictures_of_nothing_yet() {
    let mut app = ready();
    app.screen = Screen::Plots;
    app.on_runs(Ok(vec![]));
    insta::assert_snapshot!("empty_120x40", shot(&mut app, 120, 40));
}

#[test]
fn a_small_screen_shows_the_panel_that_has_the_keys() {
    let mut app = plots();
    insta::assert_snapshot!("small_40x12", shot(&mut app, 40, 12));
    press(&mut app, "tab");
    insta::assert_snapshot!("small_items_40x12", shot(&mut app, 40, 12));
}

#[test]
fn every_size_draws() {
    let mut app = plots();
    both(&mut app);
    press(&mut app, "left");
    for &pane in PlotPane::ALL {
        app.plots.focus(pane);
        for (w, h) in (1..45).flat_map(|w| (1..16).map(move |h| (w * 5, h * 3))) {
            let area = Rect::new(0, 0, w, h);
            screens::prepare(&mut app, area);
            let mut buf = Buffer::empty(area);
            screens::paint(&app, area, &mut buf);
        }
    }
}

#[test]
fn marks_of_the_matrix_are_told_apart_without_colour() {
    let mut app = plots();
    app.plots.focus(PlotPane::Items);
    let shown = shot(&mut app, 120, 40);
    for sign in ["✓", "✗", "✂", "↓"] {
        assert!(shown.contains(sign), "{sign}\n{shown}");
    }
}

#[test]
fn pictures_of_a_sweep_under_way() {
    use crate::tui::app::plots::sweep::SweepState;
    let mut app = plots();
    app.plots.sweep = Some(SweepState {
        name: "bundled-0412".into(),
        done: 134,
        total: 200,
        tokens_per_s: 2140.0,
        left: Some(std::time::Duration::from_secs(41)),
        ..SweepState::default()
    });
    insta::assert_snapshot!("sweep_120x40", shot(&mut app, 120, 40));
    app.overlay = None;
    app.plots.sweep = None;
    press(&mut app, "n");
    insta::assert_snapshot!("form_120x40", shot(&mut app, 120, 40));
}
