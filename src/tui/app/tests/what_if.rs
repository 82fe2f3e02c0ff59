//! The what-if map of the thought on screen: what the engine is asked, and what becomes of a cell.

use super::*;
use crate::tui::widgets::what_if::WhatIfMap;

/// Lanes of the map, counted from its first.
fn cells(app: &mut App) -> Vec<Command> {
    let commands = sent(app);
    let forks = commands
        .iter()
        .filter(|c| matches!(c, Command::Fork { .. }));
    forks.cloned().collect()
}

/// A cell of the map answers.
fn answer(app: &mut App, lane: usize, text: &str) {
    let end = Token {
        reason: Some(Reason::Cut),
        ..Token::new(1, "</think>", Phase::Answer)
    };
    let delta: Delta = vec![end, Token::new(2, text, Phase::Answer)].into();
    app.on_event(Event::Tokens(lane, delta));
    let stop = LaneState::Stopped(StopReason::EndOfTurn);
    app.on_event(Event::State(lane, stop));
}

#[test]
fn a_map_is_made_beside_the_thought_and_a_cell_becomes_a_branch() {
    let mut app = ready();
    answered(&mut app);
    app.drain();
    let before = tokens(&app).to_vec();
    press(&mut app, "M");
    let forks = cells(&mut app);
    assert!(!forks.is_empty(), "every sentence end is tried");
    assert!(app.component::<WhatIfMap>().is_some());
    let live = app.live.as_ref().unwrap();
    let first = live.base + (1 << 19);
    assert_eq!(tokens(&app), before, "the thought stays as it is");
    // The first cell is a cut at the first sentence end.
    answer(&mut app, first, "3");
    press(&mut app, "up up home enter");
    let live = app.live.as_ref().unwrap();
    assert_eq!(live.branches.len(), 2);
    assert_eq!(live.active, 1);
    assert_eq!(live.branch().verdict.as_ref().unwrap().correct, Some(true));
    assert!(app.component::<WhatIfMap>().is_none(), "it is closed");
    // It is still there for the branch it is of.
    press(&mut app, "[ M");
    assert!(cells(&mut app).is_empty(), "nothing is computed again");
    assert!(app.component::<WhatIfMap>().is_some());
}

#[test]
fn a_map_needs_a_thought_that_rests_and_goes_with_its_session() {
    let mut app = ready();
    press(&mut app, "esc M");
    assert!(said(&app).contains("Ask a question"), "{}", said(&app));
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "M");
    assert!(said(&app).contains("Pause it"), "{}", said(&app));
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "M esc");
    assert!(app.component::<WhatIfMap>().is_none());
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(!shown.contains("what if ─"), "{shown}");
}
