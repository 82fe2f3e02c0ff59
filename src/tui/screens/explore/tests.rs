use super::*;
use crate::tui::app::App;
use crate::tui::app::testing::*;
use crate::tui::theme::Theme;
use s1_core::protocol::Event;
use s1_data::hub::Download;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

fn pictures(name: &str, make: impl Fn() -> App) {
    for (width, height) in SIZES {
        let mut app = make();
        let buf = drawn(&mut app, width, height);
        if let Ok(folder) = std::env::var("S1_TUI_PICTURES") {
            std::fs::write(format!("{folder}/{name}-{width}.json"), cells(&buf)).unwrap();
        }
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text(&buf));
    }
}

/// Cells with their styles, for a program that makes a picture of them.
fn cells(buf: &Buffer) -> String {
    let rows: Vec<Vec<serde_json::Value>> = (0..buf.area.height)
        .map(|y| {
            (0..buf.area.width)
                .map(|x| {
                    let c = &buf[(x, y)];
                    serde_json::json!([
                        c.symbol(),
                        format!("{:?}", c.fg),
                        format!("{:?}", c.bg),
                        format!("{:?}", c.modifier)
                    ])
                })
                .collect()
        })
        .collect();
    serde_json::to_string(&rows).unwrap()
}

#[test]
fn empty_screen() {
    pictures("empty", ready);
}

#[test]
fn midway_through_a_thought() {
    pictures("midway", || {
        let mut app = ready();
        midway(&mut app);
        app
    });
}

#[test]
fn answered_and_graded() {
    pictures("answered", || {
        let mut app = ready();
        answered(&mut app);
        app
    });
}

#[test]
fn alternatives_open() {
    pictures("alternatives", || {
        let mut app = ready();
        answered(&mut app);
        press(&mut app, "home ) ) enter");
        app
    });
}

#[test]
fn branch_tree_open() {
    pictures("branches", || {
        let mut app = ready();
        steered(&mut app);
        press(&mut app, "t");
        app
    });
}

#[test]
fn reading_back_while_it_streams() {
    pictures("reading", || {
        let mut app = ready();
        long(&mut app);
        drawn(&mut app, 120, 40);
        press(&mut app, "home pgdn down down H");
        app
    });
}

#[test]
fn loading_and_failing() {
    pictures("loading", || {
        let mut app = App::new(options());
        app.on_event(Event::Loading(0.43));
        app
    });
    pictures("fetching", || {
        let mut app = App::new(options());
        app.on_fetching(Some(Download {
            what: "gguf/s1.1-7b-q8_0.gguf".into(),
            done: 2_755_000_000,
            total: 8_100_000_000,
        }));
        app
    });
    pictures("failed", || {
        let mut app = App::new(options());
        let why = "cannot load models/qwen.gguf: the file ends after 1 203 of 91 739 712 bytes; download it again";
        app.on_event(Event::Failed(why.into()));
        app
    });
}

#[test]
fn injecting_and_settings() {
    pictures("inject", || {
        let mut app = ready();
        steered(&mut app);
        press(&mut app, "i");
        app.on_paste("so 3");
        app
    });
    pictures("settings", || {
        let mut app = ready();
        answered(&mut app);
        press(&mut app, "o");
        app
    });
}

/// The smallest screens that are still of use.
#[test]
fn narrow_screens() {
    for (width, height) in [(60, 16), (40, 12), (24, 7)] {
        let mut app = ready();
        midway(&mut app);
        let buf = drawn(&mut app, width, height);
        insta::assert_snapshot!(format!("narrow_{width}x{height}"), text(&buf));
    }
}

/// A theme that forgets a role would leave a hole: all of them, where colours differ most.
#[test]
fn every_theme_dresses_every_screen() {
    let mut app = ready();
    steered(&mut app);
    press(&mut app, "[ [ home ) )");
    let mut seen: Vec<String> = Vec::new();
    for name in Theme::builtin_names() {
        let buf = drawn(&mut app, 120, 32);
        let cells = cells(&buf);
        if let Ok(folder) = std::env::var("S1_TUI_PICTURES") {
            std::fs::write(format!("{folder}/theme-{name}.json"), &cells).unwrap();
        }
        assert!(!seen.contains(&cells), "{name} looks like another theme");
        seen.push(cells);
        press(&mut app, "T");
    }
}
