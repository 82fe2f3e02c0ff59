//! Early exits on made-up tokens: where a thought is looked at, and what is written when it is over.

use super::*;
use crate::exit::{Exit, Scores, Seen, Sight, Tried};

fn under(rule: &str) -> Play {
    let exit: Exit = rule.parse().unwrap();
    Play::new(Family::Qwen3, &QWEN3, Policy { exit, ..policy() })
}

/// Writes a text and shows every place that is to be looked at; returns the places.
fn watched(p: &mut Play, text: &str, mut show: impl FnMut(usize) -> Seen) -> Vec<usize> {
    let mut places = Vec::new();
    for c in text.chars() {
        p.says(&c.to_string());
        while let Some(look) = p.machine.look() {
            places.push(look.at);
            let seen = show(look.at);
            p.machine.see(Sight {
                at: look.at,
                seen,
                tokens: 1,
            });
        }
    }
    places
}

fn answer(text: &str) -> Seen {
    Seen::Trial(Tried {
        answer: Some(text.into()),
        text: text.into(),
        confidence: 0.99,
        entropy: 0.0,
    })
}

fn far() -> Seen {
    Seen::Scores(Scores {
        margin: 9.0,
        rank: None,
        confidence: 9.0,
    })
}

#[test]
fn a_thought_is_looked_at_where_the_rule_says() {
    for (rule, text, places) in [
        ("consistency:9", "ab. cd.\nx\ny", &[3, 7, 10][..]),
        ("eat:1:0", "a.\n\nb.\n", &[4]),
        ("dynasor:3:9", "abcdefg", &[3, 6]),
        ("thinkbrake:-9", "ab! c", &[3]),
        ("deepconf:9:0", "abc", &[1, 2, 3]),
        ("off", "ab. cd.\n\n", &[]),
    ] {
        let mut p = under(rule);
        let exit: Exit = rule.parse().unwrap();
        let found = watched(&mut p, text, |_| match exit.measure() {
            crate::exit::Measure::Trial(_) => answer(""),
            crate::exit::Measure::Scores => far(),
        });
        assert_eq!(found, places, "{rule} on {text:?}");
        assert_eq!(p.text(), text);
    }
}

#[test]
fn a_thought_that_is_over_is_closed_as_a_cut_closes_it() {
    let mut p = under("consistency:2");
    let mut n = 0;
    watched(&mut p, "ab. cd.", |_| {
        n += 1;
        answer(if n < 3 { "4" } else { "5" })
    });
    p.settle();
    // Looked at after "ab." and "cd.": equal twice.
    assert_eq!(p.text(), "ab. cd.</think>\n\n");
    assert_eq!(p.trace[7].reason, Some(Reason::Exit));
    assert_eq!(p.machine.sights().len(), 2);
    // With a message, the message comes first.
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            exit: Exit::Consistency { equal: 1 },
            ending: Ending::Message,
            ending_text: "So".into(),
            ..policy()
        },
    );
    watched(&mut p, "a!", |_| answer("4"));
    p.settle();
    assert_eq!(p.text(), "a!So\n</think>\n\n");
    assert_eq!(p.trace.last().unwrap().reason, Some(Reason::Exit));
}

#[test]
fn a_thread_that_is_not_needed_is_taken_back() {
    // The toy vocabulary has letters; one of them is made a word of DEER's by its text.
    let mut p = under("deer:0.9");
    p.says("ab.");
    let token = Token::new('W'.into(), " Wait", Phase::Thinking);
    p.machine.push(&token);
    p.trace.push(token);
    let look = p.machine.look().unwrap();
    assert_eq!(look.at, 3, "before it");
    p.machine.see(Sight {
        at: 3,
        seen: answer("4"),
        tokens: 9,
    });
    p.settle();
    assert_eq!(p.text(), "ab.</think>\n\n");
    assert_eq!(p.machine.look(), None);
}

#[test]
fn one_that_goes_on_from_a_file_looks_again_and_one_taken_back_does_not() {
    let mut p = under("thinkbrake:-9");
    assert_eq!(watched(&mut p, "ab! c? d", |_| far()), [3, 6]);
    let trace = p.trace.clone();
    p.machine.rewind(&trace[..5]);
    assert_eq!(p.machine.sights().len(), 1, "those of what is left");
    assert_eq!(p.machine.look(), None);
    let mut again = under("thinkbrake:-9");
    again.machine.resume(&trace);
    let look = again.machine.look().unwrap();
    assert_eq!(look.at, 3);
    // Another rule has seen nothing.
    p.machine.set_policy(
        Policy {
            exit: Exit::Rank { best: 1 },
            ..policy()
        },
        Texts::default(),
    );
    assert_eq!(p.machine.sights().len(), 0);
}

#[test]
fn words_of_another_thread_cannot_be_chosen() {
    let encode = |text: &str| {
        Ok::<_, ()>(match text {
            "Wait" => vec![1],
            " wait" => vec![2],
            "any" => vec![3, 4],
            _ => vec![9, 9],
        })
    };
    let nowait = Policy {
        nowait: true,
        ..policy()
    };
    assert_eq!(Texts::of(&nowait, encode).unwrap().banned, [2, 1]);
    assert!(Texts::of(&policy(), encode).unwrap().banned.is_empty());
    let mut p = under("off");
    p.machine = Machine::new(
        policy(),
        p.machine.delimiters.clone(),
        Texts {
            banned: vec!['b'.into()],
            ..Texts::default()
        },
        100,
    );
    p.says("abc");
    assert_eq!(p.text(), "a.c");
}
