use super::*;
use crate::tui::app::App;
use crate::tui::app::testing::*;
use crate::tui::theme::Theme;
use s1_core::protocol::Event;
use s1_data::hub::Download;

/// The picture of a screen with room; that every other size draws is tested elsewhere.
fn picture(name: &str, mut app: App) {
    let buf = drawn(&mut app, 120, 40);
    insta::assert_snapshot!(format!("{name}_120x40"), text(&buf));
}

#[test]
fn empty_screen() {
    picture("empty", ready());
}

#[test]
fn midway_through_a_thought() {
    let mut app = ready();
    midway(&mut app);
    picture("midway", app);
}

#[test]
fn answered_and_graded() {
    let mut app = ready();
    answered(&mut app);
    picture("answered", app);
}

#[test]
fn alternatives_open() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "home ) ) enter");
    picture("alternatives", app);
}

#[test]
fn branch_tree_open() {
    let mut app = ready();
    steered(&mut app);
    press(&mut app, "t");
    picture("branches", app);
}

#[test]
fn reading_back_while_it_streams() {
    let mut app = ready();
    long(&mut app);
    drawn(&mut app, 120, 40);
    press(&mut app, "home pgdn down down H");
    picture("reading", app);
}

#[test]
fn loading_and_failing() {
    let mut app = App::new(options());
    app.on_event(Event::Loading(0.43));
    picture("loading", app);
    let mut app = App::new(options());
    app.fetching = Some(Download {
        what: "gguf/s1.1-7b-q8_0.gguf".into(),
        done: 2_755_000_000,
        total: 8_100_000_000,
        ..Download::default()
    });
    picture("fetching", app);
    let mut app = App::new(options());
    let why = "cannot load models/qwen.gguf: the file ends after 1 203 of 91 739 712 bytes; download it again";
    app.on_event(Event::Failed(why.into()));
    picture("failed", app);
}

#[test]
fn injecting_and_settings() {
    let mut app = ready();
    steered(&mut app);
    press(&mut app, "i");
    app.on_paste("so 3");
    picture("inject", app);
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "o");
    picture("settings", app);
}

/// A user would lose: seeing at a glance what the model wrote, what it was made to write, what they
/// wrote themselves, and whether the answer is right.
#[test]
fn colours_tell_who_wrote_and_whether_it_is_right() {
    let mut app = ready();
    steered(&mut app);
    let theme = app.theme().clone();
    press(&mut app, "[ [");
    let buf = drawn(&mut app, 120, 40);
    assert_eq!(colour(&buf, "so it is 4"), theme.user.fg);
    press(&mut app, "[");
    let buf = drawn(&mut app, 120, 40);
    assert_eq!(colour(&buf, "Wait, check 3"), theme.forced.fg);
    assert_eq!(colour(&buf, "✂ cut at 28"), theme.forced.fg);
    assert_eq!(colour(&buf, "3 ✓"), theme.good.fg);
    assert!(theme.forced.fg != theme.user.fg && theme.user.fg != theme.thinking.fg);
}

/// A common size, and the smallest that is still of use.
#[test]
fn narrow_screens() {
    for (width, height) in [(80, 24), (24, 7)] {
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
    let mut seen: Vec<Buffer> = Vec::new();
    for name in Theme::builtin_names() {
        let buf = drawn(&mut app, 120, 32);
        assert!(!seen.contains(&buf), "{name} looks like another theme");
        seen.push(buf);
        press(&mut app, "T");
    }
}
