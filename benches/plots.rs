//! What a sweep costs the screen: `cargo bench --bench plots`.
//!
//! A run of n problems grows row by row over another run of the same problems: curve, lengths,
//! votes, flips, item matrix and pairs. Once its rows are only taken in; once a frame is drawn
//! after every row. The time per row must be the same for every n.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use s1_core::protocol::{ModelInfo, Request};
use s1_lab::sweep::Progress;
use s1_plot::fixtures::run;
use s1_store::run::Run;
use s1_tui::tui::app::plots::PlotPane;
use s1_tui::tui::app::plots::sweep::SweepState;
use s1_tui::tui::app::{App, Options};
use s1_tui::tui::keymap::Keymap;
use s1_tui::tui::screen::Screen;
use s1_tui::tui::screens;
use s1_tui::tui::theme::Theme;

fn app() -> App {
    App::new(Options {
        request: Request {
            question: String::new(),
            system: String::new(),
            raw: false,
            policy: Default::default(),
            sampling: Default::default(),
            sample: 0,
            reference: None,
            probe_every: None,
            probe_text: String::new(),
            template_args: String::new(),
        },
        keymap: Keymap::default(),
        texts: s1_tui::config::TextChoices::bundled(),
        themes: vec![Theme::default()],
        theme_set: false,
        history: vec![],
        model: Some("model.gguf".into()),
        place: Default::default(),
        continuations: 4,
        pace: Some(0),
        tour: false,
        mouse: true,
    })
}

/// Time per row of a sweep, shown in a panel; with a frame after every row, if there is a terminal.
fn per_row(
    whole: &Run,
    other: &Run,
    pane: PlotPane,
    mut terminal: Option<&mut Terminal<TestBackend>>,
) -> Duration {
    let mut app = app();
    app.screen = Screen::Plots;
    app.on_run("other", Ok(other.clone()));
    app.plots.focus(pane);
    app.plots.sweep = Some(SweepState::default());
    let total = whole.rows.len();
    app.on_sweep(Progress::Started {
        run: Box::new(Run {
            rows: Vec::new(),
            ..whole.clone()
        }),
        model: Box::new(ModelInfo::default()),
        done: 0,
        total,
    });
    let rows: Vec<_> = whole.rows.iter().cloned().map(Box::new).collect();
    let start = Instant::now();
    for (done, row) in (1..).zip(rows) {
        app.on_sweep(Progress::Row { row, done, total });
        if let Some(terminal) = terminal.as_mut() {
            let drawn = terminal.draw(|frame| {
                screens::prepare(&mut app, frame.area());
                screens::draw(&app, frame);
            });
            drawn.unwrap();
        }
    }
    start.elapsed() / total as u32
}

fn main() {
    let mut terminal = Terminal::new(TestBackend::new(160, 50)).unwrap();
    for n in [100, 1_000, 10_000] {
        let (whole, other) = (run("whole", n, 20, 4), run("other", n, 60, 4));
        for pane in [PlotPane::Items, PlotPane::Lengths, PlotPane::Pairs] {
            let pushed = per_row(&whole, &other, pane, None);
            let drawn = per_row(&whole, &other, pane, Some(&mut terminal));
            let name = format!("{pane:?}");
            println!(
                "{n:>6} problems, {name:<8} {:6.1} µs a row, {:6.1} µs with its frame",
                pushed.as_secs_f64() * 1e6,
                drawn.as_secs_f64() * 1e6
            );
        }
    }
}
