//! How a thought is ended for the model, worked by hand. (In these vocabularies a letter is a token.)

use super::*;

fn with(budget: usize, ending: Ending) -> Policy {
    Policy {
        max_thinking: Some(budget),
        ending,
        ending_text: "So.".into(),
        ..policy()
    }
}

fn qwen3(policy: Policy) -> Play {
    Play::new(Family::Qwen3, &QWEN3, policy)
}

/// What stands in the trace, once the model has said so much and been cut.
fn written(policy: Policy, said: &str) -> String {
    let mut p = qwen3(policy);
    p.says(said).settle();
    p.text()
}

#[test]
fn every_ending_writes_what_it_says() {
    for (said, ending, text) in [
        ("abcdef", Ending::Auto, "abcdef</think>\n\n"),
        ("abcdef", Ending::Bare, "abcdef</think>\n\n"),
        ("abcdef", Ending::Newline, "abcdef\n</think>\n\n"),
        ("abcde\n", Ending::Newline, "abcde\n</think>\n\n"),
        ("abc", Ending::Message, "abcSo.\n</think>\n\n"),
    ] {
        assert_eq!(written(with(6, ending), said), text, "{ending:?}");
    }
    // Families that begin a line by themselves do so unless it is to be bare.
    for (ending, text) in [
        (Ending::Auto, "ab\n<|im_start|>answer\nFinal Answer:"),
        (Ending::Bare, "ab<|im_start|>answer\nFinal Answer:"),
    ] {
        let mut p = Play::new(Family::S1, &CHATML, with(2, ending));
        p.says("ab").settle();
        assert_eq!(p.text(), text);
    }
}

#[test]
fn a_message_counts_as_thinking_and_is_left_out_where_it_does_not_fit() {
    let mut p = qwen3(with(8, Ending::Message));
    p.says("abcde").settle();
    assert_eq!(p.text(), "abcdeSo.\n</think>\n\n");
    assert_eq!(p.thinking(), 8, "the budget holds to the token");
    let message = &p.trace[5];
    assert_eq!(
        (message.origin, message.phase, message.reason),
        (Origin::Forced, Phase::Thinking, Some(Reason::Message))
    );
    assert_eq!(p.trace[8].reason, Some(Reason::Budget));
    assert_eq!(written(with(3, Ending::Message), ""), "So.\n</think>\n\n");
    assert_eq!(written(with(2, Ending::Message), "ab"), "ab\n</think>\n\n");
    assert_eq!(written(with(0, Ending::Message), ""), "\n</think>\n\n");
}

#[test]
fn a_message_before_the_end_leaves_the_model_so_many_tokens() {
    let early = Policy {
        ending_before: 2,
        waits: 3,
        ..with(8, Ending::Message)
    };
    assert_eq!(written(early.clone(), "abcde"), "abcSo.de\n</think>\n\n");
    let mut p = qwen3(early);
    p.says("abcd</think>\n\n7");
    assert_eq!(
        p.text(),
        "abcSo.d</think>\n\n7",
        "told to end, it is not made to go on"
    );
}

#[test]
fn a_cut_under_a_message_says_it_first_whatever_cuts() {
    let mut p = qwen3(with(100, Ending::Message));
    p.says("abc");
    p.machine.ask_cut();
    p.settle();
    assert_eq!(p.text(), "abcSo.\n</think>\n\n");
    assert_eq!(p.trace[6].reason, Some(Reason::Cut));
    let mut p = qwen3(Policy {
        on_loop: OnLoop::Answer,
        ..with(500, Ending::Message)
    });
    p.says(&"abcdefgh".repeat(20)).settle();
    assert!(p.text().contains("So.\n</think>\n\n"), "{}", p.text());
    let end = p.trace.iter().find(|t| t.is_delimiter()).unwrap();
    assert_eq!(end.reason, Some(Reason::Loop));
}

#[test]
fn wrapping_up_says_the_message_now_and_ends_as_much_later_as_wanted() {
    for (before, text) in [(0, "abSo.</think>\n\n"), (3, "abSo.cde</think>\n\n")] {
        let mut p = qwen3(Policy {
            ending_before: before,
            ..with(100, Ending::Auto)
        });
        p.says("ab");
        let edit = p.machine.wrap_up().unwrap();
        p.edit(edit);
        p.says(&"cdefgh"[..before]).settle();
        assert_eq!(p.text(), text);
        assert_eq!(p.trace[2].reason, Some(Reason::UserMessage));
        assert_eq!(p.trace[5 + before].reason, Some(Reason::Cut));
    }
    let mut p = qwen3(with(4, Ending::Auto));
    p.says("ab");
    let why = p.machine.wrap_up().unwrap_err();
    assert!(why.contains("do not fit"), "{why}");
    p.machine.ask_cut();
    p.settle();
    assert!(p.machine.wrap_up().is_err(), "the thought is over");
    p.machine = Machine::new(policy(), p.machine.delimiters.clone(), Texts::default(), 9);
    assert!(p.machine.wrap_up().unwrap_err().contains("empty"));
}

#[test]
fn going_back_before_a_message_takes_it_back() {
    let mut p = qwen3(Policy {
        ending_before: 50,
        ..with(100, Ending::Auto)
    });
    p.says("ab");
    let edit = p.machine.wrap_up().unwrap();
    p.edit(edit);
    p.says("cd");
    p.trace.truncate(2);
    p.machine.rewind(&p.trace);
    p.says(&"e".repeat(60));
    assert_eq!(p.thinking(), 62, "nobody told it to end");
}

#[test]
fn the_next_sentence_may_take_so_long_and_no_longer() {
    let next = |within| Policy {
        cut_at: CutAt::NextSentence { within },
        ..with(4, Ending::Auto)
    };
    assert_eq!(written(next(8), "abcdefg."), "abcdefg.</think>\n\n");
    assert_eq!(written(next(3), "abcdefg"), "abcdefg</think>\n\n");
    assert_eq!(written(next(8), "abc."), "abc.</think>\n\n");
    let none = Policy {
        max_thinking: Some(0),
        ..next(8)
    };
    assert_eq!(written(none, ""), "</think>\n\n", "no thinking is none");
}

#[test]
fn a_rank_is_asked_for_from_the_budget_on_and_a_ramp_before_it() {
    let lean = |cut_at, said: &str| {
        let mut p = qwen3(Policy {
            cut_at,
            ..with(10, Ending::Auto)
        });
        p.says(said);
        p.machine.lean()
    };
    let rank = CutAt::Rank { best: 3, within: 5 };
    assert_eq!(lean(rank, &"a".repeat(9)), Lean::None);
    assert_eq!(lean(rank, &"a".repeat(10)), Lean::Best(3));
    assert_eq!(
        written(
            Policy {
                cut_at: rank,
                ..with(3, Ending::Auto)
            },
            "abcdefgh"
        ),
        "abcdefgh</think>\n\n"
    );
    let ramp = CutAt::Ramp { percent: 50 };
    assert_eq!(lean(ramp, &"a".repeat(4)), Lean::None);
    let share = |n| match lean(ramp, &"a".repeat(n)) {
        Lean::Raise(share) => (share * 1000.0).round(),
        other => panic!("{other:?}"),
    };
    // 1 / (1 + e^(−12 (x − ½))) at x = 0, 0.2, 0.6 and 0.8.
    assert_eq!([5, 6, 8, 9].map(share), [2.0, 27.0, 769.0, 973.0]);
    assert_eq!(
        written(
            Policy {
                cut_at: ramp,
                ..with(3, Ending::Auto)
            },
            "abc"
        ),
        "abc</think>\n\n"
    );
    let mut p = qwen3(Policy {
        min_thinking: 10,
        cut_at: ramp,
        ..with(10, Ending::Auto)
    });
    p.says("aaaaaaaa");
    assert_eq!(p.machine.lean(), Lean::None, "an end would not count");
}

#[test]
fn a_raised_end_comes_close_to_the_best_and_never_before_it() {
    let raised = |share| {
        let mut logits = [4.0, f32::NEG_INFINITY, 0.0, -2.0];
        raise(&mut logits, [1, 2, 3, 99].into_iter(), share);
        logits
    };
    assert_eq!(raised(0.0)[2], 0.0);
    assert_eq!(raised(0.5)[2], 1.875);
    assert_eq!(raised(1.0), [4.0, f32::NEG_INFINITY, 3.75, -2.0]);
    let mut sure = [1.0, 5.0];
    raise(&mut sure, [1].into_iter(), 1.0);
    assert_eq!(sure, [1.0, 5.0], "it is not lowered");
    let logits = [4.0, 3.0, 2.0, f32::NEG_INFINITY];
    let among = |id: u32, best| among_best(&logits, [id, 3].into_iter(), best);
    assert!(among(0, 1) && among(1, 2) && !among(1, 1) && !among(2, 2) && !among(3, 9));
}

#[test]
fn after_a_forced_end_the_answer_may_be_kept_from_ending_the_thinking_again() {
    let end = QWEN3.token("</think>").unwrap();
    let masked = |p: &Play| match p.machine.next() {
        Next::Sample { mask } => mask.contains(&end),
        other => panic!("{other:?}"),
    };
    for mask_close in [false, true] {
        let mut p = qwen3(Policy {
            mask_close,
            ..with(2, Ending::Auto)
        });
        p.says("ab").settle();
        assert!(masked(&p), "right after it, never");
        p.says("7 is it");
        assert_eq!(masked(&p), mask_close);
    }
    let mut p = qwen3(Policy {
        mask_close: true,
        ..with(9, Ending::Auto)
    });
    p.says("ab</think>7");
    assert!(!masked(&p), "it ended by itself");
}

#[test]
fn where_to_cut_is_read_as_it_is_written() {
    for (text, short, cut_at) in [
        ("token", "token", CutAt::Token),
        ("sentence:64", "sentence", CutAt::Sentence { window: 64 }),
        ("sentence:9", "sentence:9", CutAt::Sentence { window: 9 }),
        (
            "next-sentence:64",
            "next-sentence",
            CutAt::NextSentence { within: 64 },
        ),
        (
            "next-sentence:7",
            "next-sentence:7",
            CutAt::NextSentence { within: 7 },
        ),
        ("ramp:30", "ramp", CutAt::Ramp { percent: 30 }),
        ("ramp:100", "ramp:100", CutAt::Ramp { percent: 100 }),
        (
            "rank:3:1024",
            "rank",
            CutAt::Rank {
                best: 3,
                within: 1024,
            },
        ),
        ("rank:5:9", "rank:5:9", CutAt::Rank { best: 5, within: 9 }),
    ] {
        assert_eq!((text.parse(), short.parse()), (Ok(cut_at), Ok(cut_at)));
        assert_eq!(cut_at.to_string(), short);
    }
    for bad in [
        "",
        "Token",
        "token:3",
        "sentence:0",
        "ramp:101",
        "ramp:300",
        "rank:0",
        "rank:3:x",
        "rank:1:2:3",
        "sentence:",
    ] {
        assert_eq!(bad.parse::<CutAt>(), Err(()), "{bad}");
    }
}
