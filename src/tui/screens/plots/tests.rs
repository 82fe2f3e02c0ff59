//! Pictures of the plots screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::app::plots::PlotPane;
use crate::tui::app::plots::tests::{both, plots};
use crate::tui::app::testing::{press, ready};
use crate::tui::screens::{self, Screen};
use crate::tui::widgets::overlay::testing::picture;

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
        (PlotPane::Runs, "down", "runs"),
    ] {
        app.plots.focus(pane);
        press(&mut app, keys);
        insta::assert_snapshot!(format!("{name}_120x40"), shot(&mut app, 120, 40));
    }
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
    for sign in ["✓", "·", "✂", "✗"] {
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
