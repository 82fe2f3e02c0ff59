//! The engine on small models: what a user would lose is a steered thought that is not what the
//! model would have written.

use s1_core::protocol::{Ask, Command, Event, LaneState, Request, Until};
use s1_core::sampling::Sampling;
use s1_core::trace::{Origin, Phase, Reason, Token, thinking_tokens};
use s1_core::view::LaneView;
use s1_engine::LoadOptions;

use bench::{Bench, assert_same, ids, request};

mod bench;

#[test]
fn a_thought_is_cut_at_its_budget_and_always_answered() {
    for arch in ["llama", "qwen2", "qwen3", "gemma3"] {
        let mut b = Bench::tiny(arch);
        b.start(0, request(40), true);
        b.until_stopped(0);
        let trace = &b.lanes[0].tokens;
        assert!(thinking_tokens(trace) <= 40, "{arch}");
        assert!(trace.iter().any(|t| t.phase == Phase::Answer), "{arch}");
        for token in trace.iter() {
            assert!(
                token.logprob.is_finite() && token.logprob <= 0.0,
                "{arch}: {token:?}"
            );
            assert!((0.0..=6.0).contains(&token.entropy), "{arch}: {token:?}");
            assert!((0.0..=1.0).contains(&token.p_end), "{arch}: {token:?}");
            assert!(!token.top.is_empty());
        }
    }
}

#[test]
fn a_branch_and_a_rewind_go_on_as_a_fresh_run_would() {
    let mut b = Bench::new();
    b.start(0, request(60), true);
    b.until_stopped(0);
    let whole = b.lanes[0].tokens.clone();
    // Somewhere in the thought, at its very start, and inside the forced delimiter's shadow.
    for (lane, at) in [(1, 30), (2, 0), (3, 59)] {
        b.lanes[lane].tokens = whole[..at].to_vec().into();
        b.send(Command::Fork {
            from: 0,
            to: lane,
            at,
        });
        b.until_paused(lane);
        b.send(Command::Run(lane, Until::End));
        b.until_stopped(lane);
        assert_same(&b.lanes[lane].tokens, &whole);
    }
}

#[test]
fn stepping_and_pausing_do_not_change_what_is_written() {
    let mut b = Bench::new();
    b.start(0, request(24), true);
    b.until_stopped(0);
    let whole = b.lanes[0].tokens.clone();

    b.start(1, request(24), false);
    b.until_paused(1);
    for step in 1..=5 {
        b.send(Command::Run(1, Until::Tokens(1)));
        b.until_paused(1);
        assert_eq!(b.lanes[1].tokens.len(), step, "a step is one token");
    }
    b.send(Command::Run(1, Until::End));
    b.send(Command::Pause(1));
    b.until_paused(1);
    b.send(Command::Run(1, Until::End));
    b.until_stopped(1);
    assert_same(&b.lanes[1].tokens, &whole);
}

#[test]
fn steps_typed_fast_are_all_taken_and_the_first_one_pauses_what_runs() {
    let mut b = Bench::new();
    b.start(0, request(60), false);
    b.until_paused(0);
    for _ in 0..3 {
        b.send(Command::Step(0, Until::Tokens(1)));
    }
    b.until_paused(0);
    while b.lanes[0].tokens.len() < 3 {
        // A step that was over before the next one came.
        b.until_paused(0);
    }
    assert_eq!(b.lanes[0].tokens.len(), 3);
    b.send(Command::Run(0, Until::End));
    b.send(Command::Step(0, Until::Tokens(1)));
    b.until_paused(0);
    let stands = b.lanes[0].tokens.len();
    assert!(stands < 60, "it was stopped on its way");
    b.send(Command::PauseOrRun(0));
    b.send(Command::PauseOrRun(0));
    b.until_paused(0);
    let stands = b.lanes[0].tokens.len().max(stands);
    // A pause takes back the steps that wait.
    b.send(Command::Step(0, Until::Sentence));
    b.send(Command::Step(0, Until::Tokens(40)));
    b.send(Command::Pause(0));
    b.until_paused(0);
    assert!(b.lanes[0].tokens.len() < stands + 40);
}

#[test]
fn a_wait_is_written_now_where_the_thought_is_held_still_and_else_at_its_next_end() {
    let mut b = Bench::new();
    b.start(0, request(100), false);
    b.send(Command::Ask(0, Ask::Wait));
    b.until(|b, _| !b.lanes[0].tokens.is_empty());
    let first = b.lanes[0].tokens[0].reason;
    assert_eq!(first, Some(Reason::UserWait), "it was about to pause");
    b.until_paused(0);
    assert_eq!(b.lanes[0].pending_waits, 0);
    b.send(Command::Ask(0, Ask::WaitAtEnd));
    b.until(|b, _| b.lanes[0].pending_waits == 1);
    let short = Request {
        question: "How many r in raspberry?".into(),
        ..request(300)
    };
    b.start(1, short, true);
    b.send(Command::Ask(1, Ask::Wait));
    b.until(|b, _| b.lanes[1].pending_waits == 1);
    b.until_stopped(1);
    assert_eq!(b.lanes[1].pending_waits, 0);
    let waited = |t: &&Token| t.reason == Some(Reason::UserWait);
    assert!(b.lanes[1].tokens.iter().any(|t| waited(&t)));
    b.send(Command::Ask(1, Ask::Wait));
    b.until(|b, _| !b.notices.is_empty());
    assert!(
        b.notices[0].contains("the thinking is over"),
        "{}",
        b.notices[0]
    );
}

#[test]
fn lanes_computed_together_say_what_each_would_say_alone() {
    let mut alone = Vec::new();
    let questions = [
        "How many r in raspberry?",
        "2+2?",
        "Why is the sky blue, and since when?",
    ];
    for question in questions {
        let mut b = Bench::new();
        b.start(
            0,
            Request {
                question: question.into(),
                ..request(30)
            },
            true,
        );
        b.until_stopped(0);
        alone.push(b.lanes[0].tokens.clone());
    }
    let mut b = Bench::new();
    for (lane, question) in questions.iter().enumerate() {
        b.start(
            lane,
            Request {
                question: (*question).into(),
                ..request(30)
            },
            true,
        );
    }
    b.until(|b, _| (0..3).all(|l| matches!(b.lanes[l].state, Some(LaneState::Stopped(_)))));
    for (lane, alone) in alone.iter().enumerate() {
        assert_same(&b.lanes[lane].tokens, alone);
    }
}

#[test]
fn a_probe_answers_and_leaves_no_trace() {
    let mut b = Bench::new();
    b.start(0, request(40), true);
    b.until_stopped(0);
    let whole = b.lanes[0].tokens.clone();

    b.start(
        1,
        Request {
            probe_every: Some(8),
            ..request(40)
        },
        true,
    );
    b.until_stopped(1);
    assert_same(&b.lanes[1].tokens, &whole);
    assert!(b.probes.len() >= 4, "{} probes", b.probes.len());
    assert_eq!(b.probes[0].at, 8);

    // At a place further back, on request, too.
    b.probes.clear();
    b.send(Command::Probe(1, Some(8)));
    b.until(|_, e| matches!(e, Event::Probe(..)));
    let again = b.probes[0].clone();
    assert_eq!(again.at, 8);
    b.send(Command::Fork {
        from: 1,
        to: 2,
        at: 8,
    });
    b.until_paused(2);
    b.send(Command::Probe(2, None));
    b.until(|b, _| b.probes.len() == 2);
    assert_eq!(b.probes[1], again);
}

/// A user would lose: the model's own words where the engine had computed ahead when something came
/// between: a probe, a pause, a step, a branch.
#[test]
fn what_is_computed_ahead_survives_no_interruption() {
    let repeating = |probe_every| {
        let mut request = request(330);
        request.policy.min_thinking = 320;
        request.probe_every = probe_every;
        request
    };
    let mut plain = Bench::without_lookup();
    plain.start(0, repeating(None), true);
    plain.until_stopped(0);
    let whole = plain.lanes[0].tokens.clone();
    assert_eq!(plain.lanes[0].speed.drafted, 0);

    let mut b = Bench::new();
    for (lane, probe_every) in [(0, None), (1, Some(1)), (2, Some(3))] {
        b.start(lane, repeating(probe_every), true);
        b.until_stopped(lane);
        assert_same(&b.lanes[lane].tokens, &whole);
    }
    // How much depends on what it costs.
    assert!(b.lanes[0].speed.drafted > 0);

    // Paused again and again, with a step in between.
    b.start(3, repeating(None), true);
    let (mut told, mut steps) = (0, 0);
    b.until(|b, event| {
        match event {
            Event::Tokens(3, delta) => {
                told += delta.tokens.len();
                if told > 10 * (steps + 1) {
                    steps += 1;
                    b.send(Command::Pause(3));
                }
            }
            Event::State(3, LaneState::Paused) => {
                b.send(Command::Step(3, Until::Tokens(1)));
                b.send(Command::Step(3, Until::End));
            }
            _ => {}
        }
        matches!(event, Event::State(3, LaneState::Stopped(_)))
    });
    assert_same(&b.lanes[3].tokens, &whole);

    // A branch and what it leaves both go on.
    b.send(Command::Fork {
        from: 3,
        to: 4,
        at: 200,
    });
    b.until_paused(4);
    b.send(Command::Step(4, Until::End));
    b.until_stopped(4);
    assert_same(&b.lanes[4].tokens, &whole[200..]);
}

#[test]
fn the_users_wishes_are_written_and_counted() {
    let mut b = Bench::new();
    b.start(0, request(40), false);
    b.until_paused(0);
    b.send(Command::Run(0, Until::Tokens(3)));
    b.until_paused(0);
    b.send(Command::Ask(0, Ask::Inject("so it is 3".into())));
    b.until_paused(0);
    b.send(Command::WaitText(0, "Hmm".into()));
    b.send(Command::Ask(0, Ask::Wait));
    b.until_paused(0);
    let trace = &b.lanes[0].tokens;
    let written = |tokens: &[Token]| tokens.iter().map(|t| t.text.clone()).collect::<String>();
    let typed = trace
        .iter()
        .rposition(|t| t.origin == Origin::User)
        .unwrap()
        + 1;
    assert_eq!(written(&trace[3..typed]), "so it is 3");
    assert!(trace[3..typed].iter().all(|t| t.origin == Origin::User));
    assert_eq!(written(&trace[typed..]), "Hmm");
    let waited = Some(Reason::UserWait);
    assert!(trace[typed..].iter().all(|t| t.reason == waited));
    assert!(
        trace.iter().all(|t| t.entropy > 0.0),
        "typed tokens are scored too"
    );
    let written = trace.len();
    assert_eq!(thinking_tokens(trace), written);

    b.send(Command::Ask(0, Ask::Inject("x".repeat(100))));
    b.until(|b, _| !b.notices.is_empty());
    let left = format!("{} of 40 left", 40 - written);
    assert!(b.notices[0].contains(&left), "{}", b.notices[0]);

    b.send(Command::Ask(0, Ask::Cut));
    b.send(Command::Run(0, Until::End));
    b.until_stopped(0);
    let delimiter: Vec<_> = b.lanes[0]
        .tokens
        .iter()
        .filter(|t| t.is_delimiter())
        .collect();
    assert!(delimiter.iter().all(|t| t.reason == Some(Reason::Cut)));
    assert_eq!(thinking_tokens(&b.lanes[0].tokens), written);
}

#[test]
fn a_chosen_alternative_goes_its_own_way() {
    let mut b = Bench::new();
    b.start(0, request(20), true);
    b.until_stopped(0);
    let at = 6;
    let other = b.lanes[0].tokens[at].top[1].id;
    b.send(Command::Fork { from: 0, to: 1, at });
    b.until_paused(1);
    b.send(Command::Ask(1, Ask::Choose(other)));
    b.until_paused(1);
    assert_eq!(b.lanes[1].tokens.len(), 1);
    let chosen = &b.lanes[1].tokens[0];
    assert_eq!((chosen.id, chosen.origin), (other, Origin::User));
    assert_eq!(chosen.reason, Some(Reason::Chosen));
    assert!((chosen.logprob - b.lanes[0].tokens[at].top[1].logprob).abs() < 1e-3);
}

#[test]
fn a_seed_gives_the_same_trace_again_and_a_smaller_budget_a_prefix_of_it() {
    let sampling = Sampling {
        temperature: 1.0,
        seed: 42,
        ..Sampling::default()
    };
    let run = |budget, sampling: &Sampling, sample| {
        let mut b = Bench::new();
        b.start(
            0,
            Request {
                sampling: sampling.clone(),
                sample,
                ..request(budget)
            },
            true,
        );
        b.until_stopped(0);
        ids(&b.lanes[0].tokens)
    };
    let long = run(40, &sampling, 0);
    assert_eq!(run(40, &sampling, 0), long);
    assert_eq!(run(20, &sampling, 0)[..20], long[..20]);
    assert_ne!(run(40, &sampling, 1), long, "another sample");
    assert_ne!(
        run(
            40,
            &Sampling {
                seed: 43,
                ..sampling.clone()
            },
            0
        ),
        long,
        "another seed"
    );
}

#[test]
fn the_budget_changes_while_it_thinks() {
    let mut b = Bench::new();
    b.start(0, request(400), false);
    b.until_paused(0);
    assert_eq!(b.lanes[0].budget, Some(400));
    b.send(Command::Run(0, Until::Tokens(10)));
    b.until_paused(0);
    b.send(Command::Budget(0, Some(12)));
    b.send(Command::Run(0, Until::End));
    b.until_stopped(0);
    assert_eq!(b.lanes[0].budget, Some(12));
    assert_eq!(thinking_tokens(&b.lanes[0].tokens), 12);
}

#[test]
fn a_restored_trace_goes_on_as_if_it_had_never_stopped() {
    let mut b = Bench::new();
    b.start(0, request(50), true);
    b.until_stopped(0);
    let whole = b.lanes[0].tokens.clone();
    let mut b = Bench::new();
    b.lanes[0].tokens = whole[..20].to_vec().into();
    b.send(Command::Restore {
        lane: 0,
        request: request(50),
        tokens: whole[..20].to_vec(),
    });
    b.until_paused(0);
    b.send(Command::Run(0, Until::End));
    b.until_stopped(0);
    assert_same(&b.lanes[0].tokens, &whole);
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence() {
    let mut b = Bench::new();
    let long = Request {
        question: "word ".repeat(700),
        ..request(10)
    };
    b.start(0, long, true);
    b.until(|b, _| !b.refused.is_empty());
    assert!(b.refused[0].contains("leaves no room"), "{}", b.refused[0]);
    assert!(!b.refused[0].contains('\n'));

    b.start(1, request(100_000), false);
    b.until_paused(1);
    assert!(b.notices[0].contains("not 100000"), "{}", b.notices[0]);
    assert!(b.lanes[1].budget.unwrap() < 512);

    b.send(Command::Fork {
        from: 5,
        to: 6,
        at: 0,
    });
    b.until(|b, _| b.refused.len() == 2);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.gguf");
    let (_engine, mut events) = s1_engine::start(LoadOptions {
        path,
        ..LoadOptions::default()
    })
    .unwrap();
    let failed = loop {
        match events.blocking_recv() {
            Some(Event::Failed(why)) => break why,
            Some(_) => {}
            None => panic!("it ended without a word"),
        }
    };
    assert!(failed.contains("none.gguf"), "{failed}");
}

#[test]
fn many_branches_survive_the_loss_of_their_caches() {
    let mut b = Bench::new();
    b.lanes = vec![LaneView::default(); 40];
    b.start(0, request(20), true);
    b.until_stopped(0);
    let whole = b.lanes[0].tokens.clone();
    for lane in 1..30 {
        b.lanes[lane].tokens = whole[..10].to_vec().into();
        b.send(Command::Fork {
            from: 0,
            to: lane,
            at: 10,
        });
        b.until_paused(lane);
    }
    // The first ones have lost their caches by now; they are computed again.
    for lane in [1, 29] {
        b.send(Command::Run(lane, Until::End));
        b.until_stopped(lane);
        assert_same(&b.lanes[lane].tokens, &whole);
    }
}
