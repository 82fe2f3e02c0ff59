//! Every rule of budget forcing on made-up tokens, worked by hand.

use super::*;
use crate::delimiters::TokenLookup;
use crate::delimiters::tests::{CHATML, Family, PLAIN, QWEN3, Toy};
use crate::trace::Token;

mod ending;
mod exit;

/// A model that says what it is told to, one token at a time, under a machine: the engine's loop
/// without an engine.
struct Play {
    vocabulary: &'static Toy,
    machine: Machine,
    trace: Vec<Token>,
    stop: Option<StopReason>,
}

impl Play {
    fn new(family: Family, vocabulary: &'static Toy, policy: Policy) -> Play {
        let delimiters = Delimiters::resolve(family.spec(), vocabulary).unwrap();
        let encode = |text: &str| Ok::<_, ()>(vocabulary.encode(text));
        let texts = Texts::of(&policy, encode).unwrap();
        Play {
            vocabulary,
            machine: Machine::new(policy, Arc::new(delimiters), texts, 1000),
            trace: Vec::new(),
            stop: None,
        }
    }

    /// The same for a question that asks for its answer in a box.
    fn boxed(mut self) -> Play {
        self.machine = self.machine.boxed(true);
        self
    }

    fn text_of(&self, id: u32) -> String {
        let whole = self.vocabulary.0.iter().find(|(_, i)| *i == id);
        whole.map_or_else(
            || char::from_u32(id).unwrap().to_string(),
            |(t, _)| t.to_string(),
        )
    }

    fn write(&mut self, id: u32, origin: Origin, phase: Phase, reason: Option<Reason>) {
        let token = Token {
            origin,
            reason,
            ..Token::new(id, self.text_of(id), phase)
        };
        self.machine.push(&token);
        self.trace.push(token);
    }

    fn edit(&mut self, edit: Edit) {
        if edit.drop > 0 {
            self.trace.truncate(self.trace.len() - edit.drop);
            self.machine.take_back(&self.trace);
        }
        for id in self.vocabulary.encode(&edit.keep) {
            self.write(id, Origin::Forced, Phase::Thinking, Some(Reason::Kept));
        }
        for id in edit.ids {
            self.write(id, edit.origin, edit.phase, Some(edit.reason));
        }
    }

    /// Offers the ids in turn, best first; a masked one makes the model fall back on `.`.
    fn says(&mut self, text: &str) -> &mut Play {
        for id in self.vocabulary.encode(text) {
            loop {
                if self.stop.is_some() {
                    return self;
                }
                match self.machine.next() {
                    Next::Edit(edit) => self.edit(edit),
                    Next::Stop(reason) => self.stop = Some(reason),
                    Next::Sample { mask } => {
                        let id = if mask.contains(&id) { '.' as u32 } else { id };
                        let text = self.text_of(id);
                        match self.machine.decide(id, &text) {
                            ForcingDecision::Accept {
                                phase,
                                reason,
                                relabel,
                            } => {
                                let n = self.trace.len();
                                if relabel > 0 {
                                    for token in &mut self.trace[n - relabel..] {
                                        token.phase = phase;
                                        token.reason = reason;
                                    }
                                    let trace = self.trace.clone();
                                    self.machine.take_back(&trace);
                                }
                                self.write(id, Origin::Sampled, phase, reason);
                            }
                            ForcingDecision::Edit(edit) => self.edit(edit),
                            ForcingDecision::Stop(reason) => self.stop = Some(reason),
                        }
                        break;
                    }
                }
            }
        }
        self
    }

    /// Lets the machine write what it wants to write without asking the model.
    fn settle(&mut self) -> &mut Play {
        while let Next::Edit(edit) = self.machine.next() {
            self.edit(edit);
        }
        if let Next::Stop(reason) = self.machine.next() {
            self.stop = Some(reason);
        }
        self
    }

    fn text(&self) -> String {
        self.trace.iter().map(|t| t.text.as_str()).collect()
    }

    fn thinking(&self) -> usize {
        crate::trace::thinking_tokens(&self.trace)
    }
}

fn policy() -> Policy {
    Policy::default()
}

#[test]
fn a_natural_end_stays_as_the_model_wrote_it() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("ab</think>\n\n42<|im_end|>more");
    assert_eq!(p.text(), "ab</think>\n\n42");
    assert_eq!(p.thinking(), 2);
    assert_eq!(p.stop, Some(StopReason::EndOfTurn));
    let end = &p.trace[2];
    assert_eq!(
        (end.origin, end.phase, end.reason),
        (Origin::Sampled, Phase::Answer, Some(Reason::NaturalEnd))
    );
    assert!(p.trace.iter().all(|t| t.origin == Origin::Sampled));
}

#[test]
fn s1_goes_on_with_answer_but_not_final_answer_on_a_natural_end() {
    let mut p = Play::new(Family::S1, &CHATML, policy());
    p.says("ab<|im_start|>\n7<|im_end|>");
    assert_eq!(p.text(), "ab<|im_start|>answer\n7");
    let mut p = Play::new(Family::S1, &CHATML, policy());
    p.says("ab<|im_end|>\n7<|im_end|>");
    assert_eq!(
        p.text(),
        "ab<|im_start|>answer\n7",
        "an end of turn counts as an end"
    );
}

#[test]
fn the_budget_cuts_with_final_answer_and_never_by_one_too_many() {
    for (said, text) in [
        ("abcdef", "abcd\n<|im_start|>answer\nFinal Answer:"),
        ("abc\ndef", "abc\n<|im_start|>answer\nFinal Answer:"),
    ] {
        let mut p = Play::new(
            Family::S1,
            &CHATML,
            Policy {
                max_thinking: Some(4),
                ..policy()
            },
        );
        p.says(&said[..4]).settle();
        assert_eq!(p.text(), text);
        assert_eq!(p.thinking(), 4);
        let forced: Vec<_> = p
            .trace
            .iter()
            .filter(|t| t.origin == Origin::Forced)
            .collect();
        assert!(forced.iter().all(|t| t.reason == Some(Reason::Budget)));
        p.says(" 9<|im_end|>");
        assert_eq!(p.text(), format!("{text} 9"), "it always gets to answer");
    }
}

#[test]
fn a_budget_of_zero_answers_at_once_and_an_empty_thought_is_closed_properly() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            max_thinking: Some(0),
            ..policy()
        },
    );
    p.settle();
    assert_eq!(p.text(), "</think>\n\n");
    assert_eq!(p.thinking(), 0);
}

#[test]
fn wait_replaces_exactly_k_attempts_to_end() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 2,
            ..policy()
        },
    );
    p.says("a</think>b</think>c</think>1<|im_end|>");
    assert_eq!(p.text(), "aWaitbWaitc</think>1");
    assert_eq!(p.thinking(), 11);
    let wait = &p.trace[1];
    assert_eq!(
        (wait.origin, wait.phase, wait.reason),
        (Origin::Forced, Phase::Thinking, Some(Reason::Wait))
    );
}

#[test]
fn an_end_of_turn_inside_the_thought_is_an_attempt_to_end_too() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 1,
            ..policy()
        },
    );
    p.says("a<|im_end|>b<|im_end|>1<|im_end|>");
    assert_eq!(p.text(), "aWaitb</think>\n\n1");
    assert_eq!(p.trace[6].reason, Some(Reason::EndOfTurn));
}

#[test]
fn at_least_one_token_follows_a_wait_before_the_next_end_counts() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 2,
            ..policy()
        },
    );
    // Right after the wait the end is masked; the toy model falls back on a point.
    p.says("a</think></think></think>b");
    assert_eq!(p.text(), "aWait.Waitb");
}

#[test]
fn an_empty_wait_text_drops_the_end_and_goes_on() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 1,
            wait_text: String::new(),
            ..policy()
        },
    );
    p.says("a</think></think></think>1<|im_end|>");
    assert_eq!(p.text(), "a.</think>1");
    // Nothing replaces the end, so the token after it carries the reason.
    let reasons: Vec<_> = p.trace.iter().map(|t| (t.origin, t.reason)).collect();
    assert_eq!(reasons[1], (Origin::Sampled, Some(Reason::EndIgnored)));
    assert_eq!(reasons[0], (Origin::Sampled, None));
    for writing in [true, false] {
        assert!(p.machine.wait(writing).is_err(), "the thought has ended");
    }
}

#[test]
fn a_wait_without_room_in_the_budget_lets_the_model_end() {
    for (budget, text) in [
        (6, "aWaitb</think>\n\n"),
        (5, "a</think>"), // Wait would fill the budget to the brim: nothing could follow it
    ] {
        let mut p = Play::new(
            Family::Qwen3,
            &QWEN3,
            Policy {
                max_thinking: Some(budget),
                waits: 1,
                ..policy()
            },
        );
        p.says("a</think>");
        if budget == 6 {
            p.says("b").settle();
        }
        assert_eq!(p.text(), text);
        assert!(p.thinking() <= budget);
    }
}

#[test]
fn ends_before_the_minimum_do_not_count() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            min_thinking: 3,
            ..policy()
        },
    );
    p.says("a</think></think></think>1");
    assert_eq!(p.text(), "a..</think>1");
}

#[test]
fn an_end_written_as_text_is_found_though_it_arrives_in_pieces() {
    let mut p = Play::new(Family::Generic, &PLAIN, policy());
    p.says("ab</think>\n5<|endoftext|>");
    assert_eq!(p.text(), "ab</think>\n5");
    assert_eq!(p.thinking(), 2, "the pieces belong to the delimiter");
    assert!(
        p.trace[2..10]
            .iter()
            .all(|t| t.is_delimiter() && t.phase == Phase::Answer)
    );

    let mut p = Play::new(
        Family::Generic,
        &PLAIN,
        Policy {
            waits: 1,
            ..policy()
        },
    );
    p.says("ab</think>cd</think>\n5<|endoftext|>");
    assert_eq!(p.text(), "abWaitcd</think>\n5", "the pieces are taken back");
    assert_eq!(p.thinking(), 8);
}

/// A user would lose: an end to a thought that has to go on. The delimiter is written in pieces, in
/// two ways; none of them can be begun again where both were taken back.
#[test]
fn an_end_that_can_be_written_in_several_ways_is_steered_around_once_and_for_all() {
    static SPLIT: Toy = Toy(&[
        ("</", 1),
        ("think>", 2),
        ("</th", 3),
        ("ink>", 4),
        ("<|endoftext|>", 9),
    ]);
    let least = Policy {
        min_thinking: 3,
        ..policy()
    };
    let mut p = Play::new(Family::Generic, &SPLIT, least);
    let mut offer = |ids: [u32; 2]| {
        for id in ids {
            let Next::Sample { mask } = p.machine.next() else {
                panic!("nothing is to be written here");
            };
            if mask.contains(&id) {
                return false;
            }
            let text = p.text_of(id);
            match p.machine.decide(id, &text) {
                ForcingDecision::Accept { phase, .. } => p.write(id, Origin::Sampled, phase, None),
                ForcingDecision::Edit(edit) => p.edit(edit),
                ForcingDecision::Stop(reason) => panic!("{reason:?}"),
            }
        }
        true
    };
    assert!(offer([1, 2]) && offer([3, 4]), "each is tried once");
    assert!(!offer([1, 2]) && !offer([3, 4]), "and never again");
}

#[test]
fn a_delimiter_that_begins_inside_a_token_leaves_the_text_before_it() {
    static GLUED: Toy = Toy(&[(".</", 1), ("think", 2), (">\n", 3), ("<|endoftext|>", 9)]);
    let mut p = Play::new(
        Family::Generic,
        &GLUED,
        Policy {
            waits: 1,
            ..policy()
        },
    );
    p.says("a.</think>\nb.</think>\n7<|endoftext|>");
    assert_eq!(p.text(), "a.Waitb.</think>\n\n7");
}

#[test]
fn a_cut_in_the_middle_of_an_end_does_not_leave_half_of_it() {
    let mut p = Play::new(
        Family::Generic,
        &PLAIN,
        Policy {
            max_thinking: Some(6),
            ..policy()
        },
    );
    p.says("ab</th").settle();
    assert_eq!(p.text(), "ab\n</think>\n\nFinal Answer:");
    assert_eq!(p.thinking(), 2);
}

#[test]
fn a_model_that_was_not_trained_to_stop_is_given_the_beginning_of_its_answer() {
    let cut = |max| Policy {
        max_thinking: Some(max),
        ..policy()
    };
    // Whatever ends the thought: the budget, also one of nothing, the user, a loop.
    let mut budget = Play::new(Family::Generic, &PLAIN, cut(2));
    budget.says("ab").settle();
    assert_eq!(budget.text(), "ab\n</think>\n\nFinal Answer:");
    let mut nothing = Play::new(Family::Generic, &PLAIN, cut(0));
    nothing.settle();
    assert_eq!(nothing.text(), "\n</think>\n\nFinal Answer:");
    let mut user = Play::new(Family::Generic, &PLAIN, policy());
    user.says("a\n").machine.ask_cut();
    user.settle();
    assert_eq!(user.text(), "a\n</think>\n\nFinal Answer:");
    let mut repeats = Play::new(
        Family::Generic,
        &PLAIN,
        Policy {
            on_loop: OnLoop::Answer,
            ..policy()
        },
    );
    repeats.says(&"abcdefgh".repeat(4)).settle();
    assert!(repeats.text().ends_with("h\n</think>\n\nFinal Answer:"));
    // Or itself, where it ends its turn; not where it writes the delimiter.
    let mut turn = Play::new(Family::Generic, &PLAIN, policy());
    turn.says("a<|endoftext|>").settle();
    assert_eq!(turn.text(), "a\n</think>\n\nFinal Answer:");
    let mut natural = Play::new(Family::Generic, &PLAIN, policy());
    natural.says("a</think>\n5<|endoftext|>");
    assert_eq!(natural.text(), "a</think>\n5");
    // One that ends its turn before it has answered has not answered.
    let mut silent = Play::new(Family::Generic, &PLAIN, policy());
    silent.says("a</think>\n<|endoftext|>5<|endoftext|>");
    assert_eq!(silent.text(), "a</think>\nFinal Answer:5");
    assert_eq!(silent.stop, Some(StopReason::EndOfTurn));
    let mut silent = Play::new(Family::Qwen3, &QWEN3, policy());
    silent.says("a</think><|im_end|>");
    assert_eq!(silent.text(), "a</think>");

    // The primer is forced, part of the answer, not of the delimiter, and not the model's own.
    let primer = &budget.trace[budget.trace.len() - 13..];
    assert!(primer.iter().all(|t| {
        (t.origin, t.phase, t.reason) == (Origin::Forced, Phase::Answer, Some(Reason::FinalAnswer))
    }));
    let answer = crate::trace::phase_text(&budget.trace, Phase::Answer);
    assert_eq!(answer, "Final Answer:");
    budget.says(" \\frac{1}{2}<|endoftext|>");
    assert!(budget.text().ends_with("Final Answer: \\frac{1}{2}"));
    assert_eq!(budget.stop, Some(StopReason::EndOfTurn));
}

#[test]
fn a_box_that_was_opened_for_the_answer_ends_it_when_it_closes() {
    let short = Policy {
        max_thinking: Some(1),
        answer_max: 12,
        ..policy()
    };
    let boxed = "a\n</think>\n\nFinal Answer: \\boxed{";
    let mut p = Play::new(Family::Generic, &PLAIN, short.clone()).boxed();
    p.says("a\\frac{1}{2}} and more");
    assert_eq!(p.text(), format!("{boxed}\\frac{{1}}{{2}}}}"));
    assert_eq!(p.stop, Some(StopReason::BoxClosed));
    // One that is never closed has the length of an answer; what was begun for it does not count.
    let mut p = Play::new(Family::Generic, &PLAIN, short.clone()).boxed();
    p.says("a1, 2, 3, 4, 5, 6");
    assert_eq!(p.text(), format!("{boxed}1, 2, 3, 4, "));
    assert_eq!(p.stop, Some(StopReason::AnswerMax));
    // Rewound behind the delimiter, the answer is begun anew.
    p.trace.truncate(1 + 11);
    p.machine.rewind(&p.trace.clone());
    p.stop = None;
    p.says("7}");
    assert_eq!(p.text(), format!("{boxed}7}}"));
    // A model that stops by itself is not told how to answer, unless that is asked for.
    let off = Policy {
        final_answer: Priming::Off,
        ..short.clone()
    };
    let mut p = Play::new(Family::Generic, &PLAIN, off).boxed();
    p.says("a7");
    assert_eq!(p.text(), "a</think>\n\n7");
    for (asked, text) in [
        (Priming::Auto, "a</think>\n\n7"),
        (Priming::On, "a\n</think>\n\nFinal Answer: \\boxed{7"),
    ] {
        let policy = Policy {
            final_answer: asked,
            ..short.clone()
        };
        let mut p = Play::new(Family::Qwen3, &QWEN3, policy).boxed();
        p.says("a7");
        assert_eq!(p.text(), text);
    }
}

#[test]
fn a_thought_that_was_ended_for_the_model_is_not_ended_once_more() {
    let cut = Policy {
        max_thinking: Some(1),
        ..policy()
    };
    let mut p = Play::new(Family::Qwen3, &QWEN3, cut);
    p.says("a</think>1</think>2");
    // Later it may: one that reasoned on in its answer would otherwise never come to it.
    assert_eq!(p.text(), "a</think>\n\n.1</think>2");
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("a</think>1</think>2");
    assert_eq!(p.text(), "a</think>1</think>2", "its own affair");
}

#[test]
fn a_model_that_opens_a_second_think_is_steered_around_it() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("<think>a");
    assert_eq!(
        p.text(),
        ".a",
        "the token cannot be chosen inside a thought"
    );

    let mut p = Play::new(Family::Generic, &PLAIN, policy());
    p.says("<think>");
    assert_eq!(p.text(), "");
    assert_eq!(
        p.machine.next(),
        Next::Sample {
            mask: vec!['<' as u32]
        }
    );
    p.says("<a");
    assert_eq!(
        p.text(),
        ".a",
        "and does not write it again at the same place"
    );
}

#[test]
fn the_users_wait_is_pending_until_the_next_attempt_to_end() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("a");
    assert_eq!(p.machine.wait(true), Ok(None));
    assert_eq!(p.machine.pending_waits(), 1);
    p.says("b</think>c</think>");
    assert_eq!(p.text(), "abWaitc</think>");
    assert_eq!(p.trace[2].reason, Some(Reason::UserWait));
    assert_eq!(p.machine.pending_waits(), 0);
}

#[test]
fn the_users_wait_is_written_at_once_where_the_thought_is_held_still() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("a");
    let edit = p.machine.wait(false).unwrap().unwrap();
    assert_eq!(p.machine.pending_waits(), 0);
    p.edit(edit);
    assert_eq!(p.text(), "aWait");
    assert_eq!(p.trace[1].reason, Some(Reason::UserWait));
}

#[test]
fn a_wait_of_the_user_does_not_use_up_one_of_the_policy() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 1,
            ..policy()
        },
    );
    assert_eq!(p.machine.wait(true), Ok(None));
    p.says("a</think>b</think>c</think>");
    assert_eq!(p.text(), "aWaitbWaitc</think>");
}

#[test]
fn the_users_cut_acts_before_the_next_token() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("ab");
    p.machine.ask_cut();
    p.says("c");
    assert_eq!(p.text(), "ab</think>\n\nc");
    assert_eq!(p.trace[2].reason, Some(Reason::Cut));
}

#[test]
fn a_cut_at_the_sentence_waits_for_it_but_not_for_ever() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("a");
    p.machine.ask_cut_at_sentence(8);
    p.says("bc.1");
    assert_eq!(p.text(), "abc.</think>\n\n1");

    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.machine.ask_cut_at_sentence(3);
    p.says("abcd");
    assert_eq!(p.text(), "abc</think>\n\nd", "the hard limit");
}

#[test]
fn the_budget_can_cut_at_a_sentence_and_is_still_the_hard_limit() {
    let by_sentence = |max| Policy {
        max_thinking: Some(max),
        cut_at: CutAt::Sentence { window: 4 },
        ..policy()
    };
    let mut p = Play::new(Family::Qwen3, &QWEN3, by_sentence(8));
    p.says("a.bcd.1");
    assert_eq!(
        p.text(),
        "a.bcd.</think>\n\n1",
        "the first point is too early"
    );
    let mut p = Play::new(Family::Qwen3, &QWEN3, by_sentence(4));
    p.says("abcd1");
    assert_eq!(p.text(), "abcd</think>\n\n1");
}

#[test]
fn typed_words_count_against_the_budget_and_are_refused_beyond_it() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            max_thinking: Some(5),
            ..policy()
        },
    );
    p.says("a");
    let edit = p.machine.inject(QWEN3.encode("xyz")).unwrap();
    p.edit(edit);
    assert_eq!(p.thinking(), 4);
    let refused = p.machine.inject(QWEN3.encode("uv")).unwrap_err();
    assert!(refused.contains("1 of 5 left"), "{refused}");
    p.says("b").settle();
    assert_eq!(p.text(), "axyzb</think>\n\n");
    assert!(p.machine.inject(vec![1]).is_err(), "not into the answer");
}

#[test]
fn a_lower_budget_acts_at_once() {
    let mut p = Play::new(Family::Qwen3, &QWEN3, policy());
    p.says("abcdef");
    p.machine.set_budget(Some(3));
    p.settle();
    assert_eq!(p.text(), "abcdef</think>\n\n");
}

#[test]
fn the_context_bounds_the_thinking_where_no_budget_does() {
    let delimiters = Delimiters::resolve(Family::Qwen3.spec(), &QWEN3).unwrap();
    let machine = Machine::new(policy(), Arc::new(delimiters), Texts::default(), 77);
    assert_eq!(machine.budget(), 77);
}

#[test]
fn a_loop_is_reported_and_cut_only_on_request() {
    for (on_loop, cut) in [(OnLoop::Report, false), (OnLoop::Answer, true)] {
        let mut p = Play::new(
            Family::Qwen3,
            &QWEN3,
            Policy {
                on_loop,
                ..policy()
            },
        );
        p.says(&"abcdefgh".repeat(4)).settle();
        assert_eq!(p.machine.phase() == Phase::Answer, cut);
        if cut {
            assert_eq!(p.trace.last().unwrap().reason, Some(Reason::Loop));
        }
    }
}

#[test]
fn the_answer_has_its_own_limit() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            max_thinking: Some(1),
            answer_max: 2,
            ..policy()
        },
    );
    p.says("a1234");
    assert_eq!(p.text(), "a</think>\n\n12");
    assert_eq!(p.stop, Some(StopReason::AnswerMax));
}

#[test]
fn without_thinking_the_first_token_is_the_answer() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            think: false,
            waits: 3,
            ..policy()
        },
    );
    p.says("42<|im_end|>");
    assert_eq!(p.text(), "42");
    assert_eq!(p.thinking(), 0);
    assert_eq!(p.stop, Some(StopReason::EndOfTurn));
}

#[test]
fn a_rewound_thought_counts_as_if_it_had_never_gone_on() {
    let mut p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 1,
            ..policy()
        },
    );
    p.says("ab</think>cd</think>1<|im_end|>");
    assert_eq!(p.text(), "abWaitcd</think>1");
    p.trace.truncate(2);
    p.machine.rewind(&p.trace.clone());
    p.stop = None;
    assert_eq!(p.machine.phase(), Phase::Thinking);
    p.says("e</think>f</think>");
    assert_eq!(p.text(), "abeWaitf</think>", "the wait is available again");

    p.trace.truncate(8); // into the thought after its wait
    p.machine.resume(&p.trace.clone());
    p.says("</think>2");
    assert_eq!(
        p.text(),
        "abeWaitf</think>2",
        "a wait already used stays used"
    );
}

#[test]
fn an_end_the_user_picks_is_not_replaced_by_a_wait() {
    let p = Play::new(
        Family::Qwen3,
        &QWEN3,
        Policy {
            waits: 5,
            ..policy()
        },
    );
    assert_eq!(
        p.machine.choose(1002),
        ForcingDecision::Accept {
            phase: Phase::Answer,
            reason: Some(Reason::NaturalEnd),
            relabel: 0
        }
    );
    assert!(matches!(
        p.machine.choose('q' as u32),
        ForcingDecision::Accept {
            reason: Some(Reason::Chosen),
            ..
        }
    ));
}
