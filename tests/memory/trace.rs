//! A thought of thousands of tokens: what the engine, the screen and every branch keep of each.

use crate::measure;
use s1_core::protocol::Event;
use s1_core::trace::{Alternative, Delta, Phase, Token, Trace};
use s1_core::view::LaneView;
use s1_tui::tui::widgets::trace::view::View;

const TOKENS: usize = 8_000;

/// A token as the engine scores it, with as many alternatives.
fn scored(i: usize) -> Token {
    let word = |n: usize| format!(" word{}", n % 1000);
    let alternatives = (0..8).map(|n| Alternative {
        id: n,
        text: word(i + n as usize).into(),
        logprob: -1.0 - n as f32,
    });
    Token {
        logprob: -1.0,
        entropy: 1.5,
        top: alternatives.collect(),
        ..Token::new(i as u32, word(i), Phase::Thinking)
    }
}

/// A user would lose: a machine with 8 GB, to a long thought and a few branches of it. (It was some
/// 700 bytes in each of engine, screen and branch.)
#[test]
fn a_token_takes_little_and_its_copies_next_to_nothing() {
    let _alone = measure::alone();
    let ((engine, lane, view), all) = measure::held_by(|| {
        let mut engine = Trace::default();
        let (mut lane, mut view) = (LaneView::default(), View::default());
        for i in 0..TOKENS {
            let delta = Delta::from(vec![scored(i)]);
            engine.apply(&delta);
            lane.apply(&Event::Tokens(0, delta));
            view.update(&lane.tokens, (80, 24), false, 0);
        }
        (engine, lane, view)
    });
    assert_eq!((engine.len(), view.follows()), (TOKENS, true));
    let (branch, copy) = measure::held_by(|| lane.fork(TOKENS));
    assert_eq!(branch.tokens, lane.tokens);
    let (all, copy) = (all / TOKENS, copy / TOKENS);
    println!("bytes per token: {all} with engine and screen, {copy} in a branch");
    assert!(all <= 550, "{all} bytes for each token");
    assert!(copy <= 100, "{copy} bytes for each token of a branch");
}
