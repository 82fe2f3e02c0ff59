use super::*;
use crate::tui::app::App;
use crate::tui::app::testing::*;
use crate::tui::theme::Theme;
use s1_core::protocol::{Event, ModelInfo, SERVER};
use s1_core::trace::{Phase, Token};
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

/// A user would lose: that a server tells of the most probable tokens alone.
#[test]
fn what_a_server_says_of_a_token_is_shown_as_a_bound() {
    let mut app = App::new(options());
    let served = ModelInfo {
        device: SERVER.into(),
        ..info()
    };
    app.on_event(Event::Loaded(Box::new(served)));
    app.drain();
    midway(&mut app);
    let shown = text(&drawn(&mut app, 120, 40));
    assert!(shown.contains('≥'), "{shown}");
    let lane = lane(&app);
    let unlikely = Token {
        p_end: 0.0,
        entropy: 0.5,
        ..Token::new(1, " so", Phase::Thinking)
    };
    app.on_event(Event::Tokens(lane, vec![unlikely].into()));
    for (width, height) in [(120, 40), (80, 24)] {
        let shown = text(&drawn(&mut app, width, height));
        assert!(shown.contains("P(end): not in the top 20"), "{shown}");
    }
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

/// A user would lose: their way in a long thought. What a frame of it costs is printed.
#[test]
fn twenty_thousand_tokens_are_drawn_searched_and_jumped_through() {
    use s1_core::protocol::LaneState;
    use s1_core::trace::{Origin, Phase, Reason, StopReason};
    use std::time::{Duration, Instant};
    let mut app = ready();
    ask(
        &mut app,
        "How far is it, in all, from one end to the other?",
    );
    let sentence = " So it is \\frac{3}{4} of the way, and then some; let me count once more.\n";
    think(&mut app, &sentence.repeat(700));
    stream(
        &mut app,
        " Wait",
        Origin::Forced,
        Phase::Thinking,
        Some(Reason::Wait),
    );
    think(&mut app, &sentence.repeat(700));
    think(&mut app, " So the needle is here.");
    let lane = lane(&app);
    app.on_event(Event::State(
        lane,
        LaneState::Stopped(StopReason::ContextFull),
    ));
    let tokens = app.live.as_ref().unwrap().lane().tokens.len();
    assert!(tokens > 19_000, "{tokens}");
    drawn(&mut app, 120, 36);
    press(&mut app, "home }");
    for (width, height) in [(80, 24), (120, 36), (200, 50)] {
        let buf = drawn(&mut app, width, height);
        insta::assert_snapshot!(format!("long_{width}x{height}"), text(&buf));
    }
    let timed = |app: &mut App, keys: &str| {
        let start = Instant::now();
        for _ in 0..20 {
            press(app, keys);
            drawn(app, 120, 36);
        }
        start.elapsed() / 20
    };
    let moved = timed(&mut app, "right");
    press(&mut app, "/ n e e d l e enter");
    let found = timed(&mut app, "n");
    let jumped = timed(&mut app, "{");
    println!(
        "of {tokens} tokens a frame took {moved:?}, with a search {found:?}, a jump {jumped:?}"
    );
    // Far above what it takes, as tests run unoptimized and beside others.
    assert!(moved.max(found).max(jumped) < Duration::from_millis(250));
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("3/4 of the way"), "{shown}");
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
