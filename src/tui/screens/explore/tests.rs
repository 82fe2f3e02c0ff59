use super::*;
use crate::tui::app::testing::*;
use crate::tui::app::App;

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
                    serde_json::json!([c.symbol(), format!("{:?}", c.fg), format!("{:?}", c.bg), format!("{:?}", c.modifier)])
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
