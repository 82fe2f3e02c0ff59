//! Rules on thoughts made up by hand: a stop at another place is another figure in somebody's paper.

use super::*;
use s1_core::exit::{Scores, Tried};

fn answered(answer: &str, correct: bool) -> Answered {
    Answered {
        answer: Some(answer.into()),
        correct: Some(correct),
    }
}

/// A thought of ten tokens a sentence with the answers at its sentence ends; the last is its own.
fn thought(id: &str, answers: &[&str]) -> Thought {
    let rule = Exit::Consistency { equal: 1 };
    let tried = |(i, answer): (usize, &&str)| Sight {
        at: (i + 1) * 10,
        seen: Seen::Trial(Tried {
            answer: Some((*answer).into()),
            ..Tried::default()
        }),
        tokens: 3,
    };
    let sights: Vec<Sight> = answers.iter().enumerate().map(tried).collect();
    let cut = answers.iter().enumerate();
    let cut = cut.map(|(i, a)| ((i + 1) * 10, answered(a, *a == "7")));
    let last = answers.last().unwrap();
    Thought {
        id: id.into(),
        sample: 0,
        thinking: answers.len() * 10 + 5,
        end: answered(last, *last == "7"),
        seen: [(key(rule), sights)].into(),
        cut: cut.collect(),
    }
}

#[test]
fn every_threshold_is_answered_by_one_trace() {
    let thoughts = [
        thought("a", &["8", "7", "7", "7"]),
        thought("b", &["7", "7", "8", "8"]),
    ];
    let line = |equal| {
        let exit = Exit::Consistency { equal };
        Line::of("", &thoughts, |t| t.under(exit))
    };
    let one = line(1);
    assert_eq!((one.correct, one.early, one.won, one.lost), (1, 2, 1, 1));
    assert_eq!((one.thinking, one.looking), (10.0, 3.0));
    let two = line(2);
    // a stops at 30, b at 20: both are right there.
    assert_eq!((two.correct, two.won, two.lost), (2, 1, 0));
    assert_eq!((two.thinking, two.looking, two.tokens()), (25.0, 7.5, 32.5));
    let four = line(4);
    assert_eq!((four.correct, four.early), (1, 0));
    assert_eq!(
        (four.thinking, four.looking),
        (45.0, 12.0),
        "looked in vain"
    );
}

#[test]
fn the_figures_beside_the_rules_are_those_of_the_answers() {
    let thoughts = [
        thought("a", &["8", "7", "7", "7"]),
        thought("b", &["7", "7", "8", "8"]),
    ];
    let replay = Replay::of(&thoughts, &[Exit::Consistency { equal: 2 }]);
    assert_eq!((replay.natural.correct, replay.natural.thinking), (1, 45.0));
    // The first right answers: after 20 and after 10 tokens.
    assert_eq!((replay.oracle.correct, replay.oracle.thinking), (2, 15.0));
    assert_eq!(replay.rules[0].0, "consistency");
    let places: Vec<&str> = replay.budgets.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(places, ["10", "20", "30", "40", "45"]);
    let right: Vec<usize> = replay.budgets.iter().map(|l| l.correct).collect();
    assert_eq!(right, [1, 2, 1, 1, 1]);
    assert_eq!(replay.flips, [(1, 0), (0, 1), (0, 0), (0, 0)]);
    // a no longer changes from 20 on, b from 30.
    assert_eq!(replay.converged, [0.0, 0.5, 1.0, 1.0, 1.0]);
    assert_eq!(Replay::of(&[], &[]).budgets, []);
}

/// A thought with the confidence of each of its tokens.
fn sure(id: &str, answer: &str, confidences: &[f32]) -> Thought {
    let window = 2;
    let rule = Exit::Deepconf { window, below: 0.0 };
    let scored = |(i, &confidence): (usize, &f32)| Sight {
        at: i + 1,
        seen: Seen::Scores(Scores {
            margin: 9.0,
            rank: None,
            confidence,
        }),
        tokens: 0,
    };
    Thought {
        id: id.into(),
        thinking: confidences.len(),
        end: answered(answer, answer == "7"),
        seen: [(
            key(rule),
            confidences.iter().enumerate().map(scored).collect(),
        )]
        .into(),
        ..Thought::default()
    }
}

#[test]
fn a_vote_can_be_weighted_and_the_lost_can_be_left() {
    let thoughts = [
        sure("a", "8", &[1.0, 1.0, 9.0]),
        sure("a", "8", &[1.5, 0.5, 1.0]),
        sure("a", "7", &[5.0, 5.0, 5.0]),
    ];
    assert_eq!(lowest_confidence(&thoughts[0], 2), Some(1.0));
    assert_eq!(lowest_confidence(&thoughts[1], 2), Some(0.75));
    let rule = Exit::Deepconf {
        window: 2,
        below: 0.9,
    };
    let votes = votes(&thoughts, rule);
    let all = &votes[2];
    assert_eq!((all.k, all.n), (3, 1));
    // Two of three say 8; the one that says 7 is surer than both.
    assert_eq!((all.plain, all.weighted, all.stopped), (0, 1, 1));
    // The second is left at its third token: (0.5 + 1) / 2.
    assert_eq!((all.tokens, all.tokens_stopped), (9.0, 9.0));
    let strict = Exit::Deepconf {
        window: 2,
        below: 1.1,
    };
    let strict = super::votes(&thoughts, strict);
    assert_eq!(strict[2].tokens_stopped, 2.0 + 2.0 + 3.0);
    assert_eq!((votes[0].plain, votes[0].tokens), (0, 3.0));
    let found = thresholds(rule, &thoughts);
    assert_eq!(
        found.first(),
        Some(&Exit::Deepconf {
            window: 2,
            below: 0.75
        })
    );
    assert_eq!(
        found.last(),
        Some(&Exit::Deepconf {
            window: 2,
            below: 5.0
        })
    );
}

/// A user would lose: the thresholds that differ, among many that do not.
#[test]
fn thresholds_that_give_the_same_are_one_line() {
    let line = |name: &str, correct| Line {
        name: name.into(),
        correct,
        ..Line::default()
    };
    let lines = [
        line("dynasor:6:1", 1),
        line("dynasor:6:2", 4),
        line("dynasor:6:3", 4),
        line("dynasor:6:20", 4),
        line("dynasor:6:30", 1),
    ];
    let names: Vec<String> = Line::merged(&lines).into_iter().map(|l| l.name).collect();
    assert_eq!(names, ["dynasor:6:1", "dynasor:6:2 … 20", "dynasor:6:30"]);
}
