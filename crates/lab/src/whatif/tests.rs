//! A map worked by hand: a wrong cell would send its reader to the wrong sentence.

use super::*;
use s1_core::trace::{Delta, Reason};

fn thought(text: &str) -> Vec<Token> {
    let pieces = text.split_inclusive(' ');
    let pieces = pieces.map(|t| Token::new(1, t, Phase::Thinking));
    pieces.collect()
}

fn map(again: usize) -> Map {
    let request = Request {
        reference: Some("7".into()),
        ..Request::default()
    };
    Map::new(
        (5, 100),
        &thought("So it is. Or not? Well "),
        &request,
        again,
    )
}

/// A cell's lane answers.
fn answer(map: &mut Map, lane: LaneId, text: &str) -> Vec<Command> {
    let end = Token {
        reason: Some(Reason::Cut),
        ..Token::new(9, "</think>", Phase::Answer)
    };
    let tokens = vec![end, Token::new(3, text, Phase::Answer)];
    let delta: Delta = tokens.into();
    map.apply(&Event::Tokens(lane, delta)).unwrap();
    let stopped = LaneState::Stopped(StopReason::EndOfTurn);
    map.apply(&Event::State(lane, stopped)).unwrap()
}

#[test]
fn every_sentence_end_is_tried_in_every_way() {
    let mut map = map(2);
    assert_eq!(map.places(), [3, 5]);
    assert_eq!((map.len(), map.done()), (8, 0));
    let commands = map.begin();
    let forks = commands.iter().filter_map(|c| match c {
        Command::Fork { from, to, at } => Some((*from, *to, *at)),
        _ => None,
    });
    let forks: Vec<_> = forks.collect();
    assert_eq!(forks[..3], [(5, 100, 3), (5, 101, 5), (5, 102, 3)]);
    assert!(commands.contains(&Command::Ask(100, Ask::Cut)));
    assert!(commands.contains(&Command::Ask(102, Ask::Wait)));
    // A thought of 6 tokens: a continuation may have 12 + 64 more.
    assert!(commands.contains(&Command::Budget(101, Some(5 + 76))));
    let drawn = commands.iter().filter_map(|c| match c {
        Command::Sampling(lane, sampling, sample) => Some((*lane, sampling.temperature, *sample)),
        _ => None,
    });
    let drawn: Vec<_> = drawn.collect();
    assert_eq!(drawn[0], (104, 0.7, 1 + 6));
    assert_eq!(drawn.len(), 4);
    let all_differ = drawn
        .iter()
        .map(|d| d.2)
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(all_differ.len(), 4, "no two are the same draw");
    assert_eq!(
        map.apply(&Event::PendingWaits(99, 1)),
        None,
        "another's lane"
    );
    assert_eq!(answer(&mut map, 100, "7"), [Command::Forget(100..101)]);
    let cell = map.cell(0, WhatIfTrial::Cut).unwrap();
    assert!(matches!(
        &cell.came,
        Came::Answer {
            correct: Some(true),
            ..
        }
    ));
    let (at, tokens, stop) = map.branch(0, WhatIfTrial::Cut).unwrap();
    assert_eq!(
        tokens.len(),
        3 + 2,
        "the beginning of the thought, its end, the answer"
    );
    assert_eq!((at, stop), (3, StopReason::EndOfTurn));
    assert_eq!(map.branch(1, WhatIfTrial::Cut), None);
    map.apply(&Event::Notice(102, "no room".into()));
    let refused = map.cell(0, WhatIfTrial::Wait).unwrap();
    assert_eq!(refused.came, Came::Refused("no room".into()));
    assert_eq!(map.done(), 2);
    assert_eq!(map.cancel(), Command::Forget(100..108));
    assert_eq!(map.done(), 8);
}

#[test]
fn the_sentence_that_moves_the_answers_is_the_turning_point() {
    let mut map = map(2);
    map.begin();
    for (lane, text) in [
        (100, "8"),
        (101, "7"),
        (102, "7"),
        (103, "7"),
        (104, "8"),
        (106, "7.0"),
        (105, "7"),
    ] {
        answer(&mut map, lane, text);
    }
    assert_eq!(map.turning_point(), None, "one is missing yet");
    answer(&mut map, 107, "7");
    let before = map.answers(0);
    assert_eq!((before.n(), before.right()), (2, Some(0.5)));
    let after = map.answers(1);
    assert_eq!((after.right(), after.agreement()), (Some(1.0), 1.0));
    // Half of them move from 8 to 7; 7.0 is 7.
    assert_eq!(map.turning_point(), Some((1, 0.5)));
}

#[test]
fn a_thought_without_sentences_has_no_map() {
    let request = Request::default();
    let map = Map::new((0, 1), &thought("so it goes on"), &request, 3);
    assert!(map.is_empty());
    let long = "Well. ".repeat(1000);
    let map = Map::new((0, 1), &thought(&long), &request, 0);
    assert_eq!(map.places().len(), 64);
    assert_eq!(map.places().last(), Some(&1000));
    // With more draws of a long thought there are fewer, so that memory and time have a bound.
    let map = Map::new((0, 1), &thought(&"Well. ".repeat(5000)), &request, 6);
    assert_eq!(map.places().len(), 10);
    let map = Map::new((0, 1), &thought(&"Well. ".repeat(50_000)), &request, 32);
    assert_eq!(map.places().len(), 8);
}
