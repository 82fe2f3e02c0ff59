use super::*;
use crate::tui::app::testing::*;
use s1_core::protocol::{Command, Event, Speed};
use s1_core::trace::{Origin, StopReason, thinking_tokens};
use s1_lab::lanes::{MAX_SAMPLES, Preset};

fn picture(name: &str, app: &mut App, (width, height): (u16, u16)) {
    let buf = drawn(app, width, height);
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), text(&buf));
}

/// The comparison screen with a preset, before anything is asked.
fn planned(preset: Preset) -> App {
    let mut app = ready();
    press(&mut app, "esc 2 p");
    let at = Preset::ALL.iter().position(|p| *p == preset).unwrap();
    for _ in 0..at {
        press(&mut app, "down");
    }
    press(&mut app, "enter");
    app
}

fn asked(preset: Preset) -> App {
    let mut app = planned(preset);
    app.question.set(COMPARED);
    app.request.reference = Some(TOTAL.into());
    press(&mut app, "A");
    app
}

fn id(app: &App, lane: usize) -> usize {
    app.compare.run.as_ref().unwrap().ids().start + lane * MAX_SAMPLES
}

fn state(app: &mut App, lane: usize, state: LaneState) {
    let id = id(app, lane);
    app.on_event(Event::State(id, state));
}

/// Lets a lane go on to this many tokens as the reasoner wrote it with as many waits as the
/// lane `as_lane` of [`WAITS`].
fn play(app: &mut App, lane: usize, as_lane: usize, to: usize) {
    let recorded = &compared().tree.branches()[as_lane].tokens;
    let run = app.compare.run.as_ref().unwrap();
    let stands = run.lanes().nth(lane).unwrap().run().lane.tokens.len();
    let tokens = recorded[stands..to.min(recorded.len())].to_vec();
    let lane = id(app, lane);
    app.on_event(Event::Tokens(lane, tokens.into()));
}

/// Tokens of the thought that nobody makes wait.
fn natural() -> usize {
    thinking_tokens(&compared().tree.branches()[0].tokens)
}

/// Waits 0, 1, 2 and 4 on the same thought: the first has answered, the others think on.
fn waiting() -> App {
    let mut app = asked(Preset::Waits);
    for lane in 1..4 {
        let (lane, host) = (id(&app, lane), Some(id(&app, 0)));
        app.on_event(Event::Rides { lane, host });
    }
    for lane in 0..4 {
        state(&mut app, lane, LaneState::Running);
        play(&mut app, lane, lane, natural());
    }
    let (one, two) = (id(&app, 1), id(&app, 2));
    let leave = |lane, host| Event::Rides { lane, host };
    app.on_event(leave(one, None));
    app.on_event(leave(two, Some(one)));
    app.on_event(leave(id(&app, 3), Some(one)));
    play(&mut app, 0, 0, usize::MAX);
    state(&mut app, 0, LaneState::Stopped(StopReason::EndOfTurn));
    for lane in 1..4 {
        play(&mut app, lane, lane, natural() + 30);
    }
    app.on_event(Event::Speed(
        one,
        Speed {
            decode_tok_s: 2140.0,
            ..Speed::default()
        },
    ));
    app
}

#[test]
fn what_will_be_compared() {
    picture("planned", &mut planned(Preset::Budgets), (120, 40));
}

#[test]
fn while_it_runs() {
    picture("waiting", &mut waiting(), (120, 40));
}

#[test]
fn answered_right_and_wrong() {
    let mut app = waiting();
    for lane in 1..4 {
        play(&mut app, lane, lane, usize::MAX);
        state(&mut app, lane, LaneState::Stopped(StopReason::EndOfTurn));
    }
    press(&mut app, "right right");
    picture("answered", &mut app, (120, 40));
    let (theme, buf) = (app.theme().clone(), drawn(&mut app, 120, 40));
    assert_eq!(colour(&buf, "✓"), theme.good.fg);
    assert_eq!(colour(&buf, "✗"), theme.bad.fg);
    picture("answered", &mut app, (80, 24));
}

#[test]
fn a_share_of_the_natural_length_waits_for_it() {
    let mut app = asked(Preset::Budgets);
    let (commands, _) = app.drain();
    let [Command::StartTogether(lanes)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(lanes.len(), 1, "only the natural lane can start");
    let buf = drawn(&mut app, 120, 32);
    assert!(text(&buf).contains("waits for the natural end"));

    let natural = natural();
    play(&mut app, 2, 0, natural + 1);
    let (commands, _) = app.drain();
    let told = |at: usize| {
        commands.iter().find_map(|c| match c {
            Command::Policy(lane, policy) if *lane == id(&app, at) => policy.max_thinking,
            _ => None,
        })
    };
    assert_eq!(
        [told(0), told(1), told(2), told(3)],
        [
            Some(natural / 4),
            Some(natural / 2),
            None,
            Some(natural * 2)
        ]
    );
    let run = app.compare.run.as_ref().unwrap();
    let shown = run.lanes().map(|l| l.run().lane.tokens.len());
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [natural / 4, natural / 2, natural + 1, natural],
        "each has its share of the thought at once"
    );
    assert_eq!(run.computed(), natural + 1 + 3);
}

#[test]
fn a_lane_opens_in_the_explorer_where_it_stands() {
    let mut app = waiting();
    drawn(&mut app, 120, 32);
    press(&mut app, "right enter");
    let live = app.live.as_ref().unwrap();
    assert_eq!(live.request.policy.waits, 1);
    assert!(live.lane().stop.is_none());
    let buf = drawn(&mut app, 120, 32);
    assert!(text(&buf).contains("⟲ Wait"), "{}", text(&buf));
    // Steering it is a matter of the explorer: the engine gets it with its tokens.
    app.drain();
    press(&mut app, "x");
    let (commands, _) = app.drain();
    assert!(
        matches!(commands[0], Command::Restore { .. }),
        "{commands:?}"
    );
    press(&mut app, "2");
    let buf = drawn(&mut app, 120, 32);
    assert!(text(&buf).contains("computed"), "the lanes are still there");
}

#[test]
fn the_place_where_lanes_part_is_shown_and_found() {
    let mut app = waiting();
    drawn(&mut app, 120, 32);
    let n = natural();
    let run = app.compare.run.as_ref().unwrap();
    assert_eq!(run.departs(0), None);
    assert_eq!(run.departs(1), Some(n));
    assert_eq!(run.departs(2), None, "the same so far");
    press(&mut app, "right n");
    let buf = drawn(&mut app, 120, 32);
    assert!(text(&buf).contains(&format!("≠ ◂ {n}")));
    assert!(app.compare.views.iter().all(|v| !v.follows()), "linked");
    press(&mut app, "end L up");
    assert!(!app.compare.views[1].follows() || app.compare.views[1].total() < 20);
    assert!(app.compare.views[3].follows(), "each on its own now");
}

#[test]
fn lanes_come_and_go_without_touching_the_others() {
    let mut app = waiting();
    app.drain();
    press(&mut app, "d");
    let (commands, _) = app.drain();
    assert!(commands.is_empty(), "it had not begun: {commands:?}");
    assert_eq!(app.compare.run.as_ref().unwrap().lanes().count(), 3);
    drawn(&mut app, 120, 40);
    press(&mut app, "a down down enter");
    app.on_paste("48");
    press(&mut app, "enter");
    let (commands, _) = app.drain();
    let [Command::StartTogether(lanes)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(lanes.len(), 1, "only the new one");
    let plan = &app.compare.plan;
    assert_eq!(plan.last().unwrap().label(None), "budget 48");
    assert_eq!(
        app.request.reference.as_deref(),
        Some(TOTAL),
        "the same question"
    );
}

/// A user would lose: the minutes that the other lanes have taken, by changing one of them.
#[test]
fn a_changed_lane_leaves_the_others_as_they_are() {
    let mut app = waiting();
    app.drain();
    let written = |app: &App, at: usize| {
        let run = app.compare.run.as_ref().unwrap();
        run.lanes().nth(at).unwrap().run().lane.tokens.len()
    };
    let before = [written(&app, 0), written(&app, 2)];
    press(&mut app, "right c home down enter");
    let (commands, _) = app.drain();
    let [Command::Forget(gone), Command::StartTogether(new)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!((gone.start, new.len()), (id(&app, 1), 1));
    assert_eq!([written(&app, 0), written(&app, 2)], before);
    assert_eq!(app.compare.plan[1], Strategy::no_thinking());
    // Another preset takes over what it has in common with the plan.
    press(&mut app, "p");
    let at = Preset::ALL
        .iter()
        .position(|p| *p == Preset::Waits)
        .unwrap();
    press(&mut app, "home");
    for _ in 0..at {
        press(&mut app, "down");
    }
    press(&mut app, "enter");
    let (commands, _) = app.drain();
    let started = commands.iter().find_map(|command| match command {
        Command::StartTogether(lanes) => Some(lanes.len()),
        _ => None,
    });
    assert_eq!(started, Some(1), "one Wait alone: {commands:?}");
    assert_eq!([written(&app, 0), written(&app, 2)], before);
}

/// A user would lose: the way back to the lanes, in a footer that does not tell it.
#[test]
fn the_key_that_stops_goes_back_to_the_lanes() {
    let mut app = waiting();
    for lane in 0..4 {
        state(&mut app, lane, LaneState::Stopped(StopReason::EndOfTurn));
    }
    drawn(&mut app, 120, 32);
    press(&mut app, "right enter");
    let shown = text(&drawn(&mut app, 120, 32));
    assert!(shown.contains("Esc back"), "{shown}");
    press(&mut app, "esc");
    assert_eq!(app.screen, crate::tui::screen::Screen::Compare);
}

#[test]
fn a_vote_counts_its_samples() {
    let mut app = ready();
    press(&mut app, "esc 2 c home");
    for _ in 0..8 {
        press(&mut app, "down");
    }
    press(&mut app, "enter ctrl-u");
    app.on_paste("3 at 0.7");
    press(&mut app, "enter");
    app.question.set("How many r in raspberry?");
    press(&mut app, "A");
    let base = id(&app, 0);
    for (sample, answer) in ["It is 3.", "It is 2.", "It is 3.0."].iter().enumerate() {
        let lane = base + sample;
        let tokens = vec![token(0, answer, Origin::Sampled, Phase::Answer, None)];
        app.on_event(Event::Tokens(lane, tokens.into()));
        let ended = LaneState::Stopped(StopReason::EndOfTurn);
        app.on_event(Event::State(lane, ended));
    }
    let buf = drawn(&mut app, 120, 32);
    assert!(
        text(&buf).contains("Answer ▸ 3 ✓") && text(&buf).contains("3 ×2 · 2 ×1"),
        "{}",
        text(&buf)
    );
    press(&mut app, "]");
    let buf = drawn(&mut app, 120, 32);
    assert!(text(&buf).contains("It is 2."), "{}", text(&buf));
    assert!(
        text(&buf).contains("Answer ▸ 2 ✗"),
        "its own: {}",
        text(&buf)
    );
}

#[test]
fn every_size_draws_every_number_of_lanes() {
    for lanes in 0..=8 {
        let mut app = waiting();
        app.compare.plan = vec![Strategy::natural(); lanes];
        press(&mut app, "A");
        for (width, height) in (1..40).flat_map(|w| (1..20).map(move |h| (w * 3, h))) {
            drawn(&mut app, width, height);
        }
    }
}

#[test]
fn another_model_has_an_engine_of_its_own() {
    use crate::tui::app::Effect;
    let mut app = ready();
    press(&mut app, "esc 2");
    app.compare.plan = vec![
        Strategy::natural(),
        Strategy::natural().by(Source::Model("b.gguf".into())),
    ];
    app.question.set("Why?");
    app.drain();
    press(&mut app, "A");
    let (commands, effects) = app.drain();
    let [Command::StartTogether(own)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(own.len(), 1);
    let [Effect::StartOther(number, path), ..] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(path.to_str(), Some("b.gguf"));
    app.on_other(*number, Event::Loaded(Box::new(info())));
    let (_, told) = app.drain();
    assert!(
        matches!(&told[..], [Effect::TellOther(_, c)] if matches!(&**c, Command::StartTogether(l) if l.len() == 1)),
        "{told:?}"
    );
    app.on_other(*number, Event::Failed("out of memory".into()));
    let buf = drawn(&mut app, 120, 32);
    assert!(text(&buf).contains("✗ out of memory"), "{}", text(&buf));
}
