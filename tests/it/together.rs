//! Lanes started together: what a user would lose is a comparison that shows other
//! texts than each lane alone would have written, or that computes the same thought several times.

use std::collections::BTreeSet;

use s1_core::forcing::Policy;
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, Request, Until};
use s1_core::sampling::Sampling;
use s1_core::trace::{Origin, Phase, Reason, Token};
use s1_core::view::{LaneView, LaneViews};
use s1_engine::{Engine, Events, LoadOptions};

/// An engine, and what it has said of each lane.
struct Bench {
    engine: Box<dyn Engine>,
    events: Events,
    lanes: LaneViews,
}

impl Bench {
    fn new() -> Bench {
        let (engine, events) = s1_engine::start(LoadOptions {
            path: s1_data::assets::REASONER.into(),
            ..LoadOptions::default()
        })
        .unwrap();
        Bench {
            engine,
            events,
            lanes: LaneViews::default(),
        }
    }

    fn until(&mut self, mut done: impl FnMut(&Bench) -> bool) {
        while !done(self) {
            let event = self.events.blocking_recv().expect("the engine has ended");
            if let Event::Failed(why) | Event::Refused { why, .. } = &event {
                panic!("{why}");
            }
            self.lanes.apply(&event);
        }
    }

    fn lane(&self, lane: LaneId) -> LaneView {
        self.lanes.get(lane).cloned().unwrap_or_default()
    }

    fn ended(&self, lane: LaneId) -> bool {
        self.lane(lane).has_ended()
    }

    fn thinks(&self, lane: LaneId, tokens: usize) -> bool {
        self.lane(lane).tokens.len() >= tokens
    }

    /// Runs requests together; their traces and the number of tokens computed.
    fn together(requests: &[Request]) -> (Vec<Vec<Token>>, usize) {
        let mut bench = Bench::new();
        let lanes = requests.iter().cloned().enumerate().collect();
        bench.engine.send(Command::StartTogether(lanes));
        bench.until(|b| (0..requests.len()).all(|lane| b.ended(lane)));
        let traces = (0..requests.len()).map(|lane| bench.lane(lane).tokens.to_vec());
        (traces.collect(), bench.lanes.computed())
    }

    fn alone(request: &Request) -> Vec<Token> {
        let mut bench = Bench::new();
        bench.engine.send(Command::Start {
            lane: 0,
            request: request.clone(),
            run: true,
        });
        bench.until(|b| b.ended(0));
        bench.lane(0).tokens.to_vec()
    }
}

fn request(policy: Policy, temperature: f32, seed: u64) -> Request {
    Request {
        question: "What is 337 times 93?".into(),
        system: String::new(),
        raw: false,
        policy: Policy {
            answer_max: 10,
            ..policy
        },
        sampling: Sampling {
            temperature,
            seed,
            ..Sampling::default()
        },
        sample: 0,
        reference: None,
        probe_every: None,
        probe_text: String::new(),
        template_args: String::new(),
    }
}

fn think(budget: usize, waits: usize, wait_text: &str) -> Policy {
    Policy {
        max_thinking: Some(budget),
        waits,
        wait_text: wait_text.into(),
        ..Policy::default()
    }
}

/// What tells two traces apart.
fn face(tokens: &[Token]) -> Vec<(u32, Phase, Origin, Option<Reason>)> {
    let face = tokens.iter().map(|t| (t.id, t.phase, t.origin, t.reason));
    face.collect()
}

/// Tokens that somebody has to compute: every different beginning of a trace counts once.
fn distinct(traces: &[Vec<Token>]) -> usize {
    let mut beginnings = BTreeSet::new();
    for trace in traces {
        let ids: Vec<u32> = trace.iter().map(|t| t.id).collect();
        beginnings.extend((1..=ids.len()).map(|n| ids[..n].to_vec()));
    }
    beginnings.len()
}

#[test]
fn lanes_write_what_each_would_alone_and_compute_every_token_once() {
    let mut waited = 0;
    for seed in 0..6 {
        let lane = |policy| request(policy, 3.0, seed);
        let requests = [
            lane(think(150, 0, "Wait")),
            lane(think(12, 0, "Wait")),
            lane(think(12, 1, "Wait")),
            lane(think(150, 1, "Wait")),
            lane(think(150, 2, "Wait")),
            lane(think(150, 2, "Hmm")),
            lane(think(150, 2, "")),
        ];
        let (traces, computed) = Bench::together(&requests);
        for (request, trace) in requests.iter().zip(&traces) {
            assert_eq!(face(trace), face(&Bench::alone(request)), "seed {seed}");
        }
        assert_eq!(computed, distinct(&traces), "seed {seed}");
        let waits = |t: &&Vec<Token>| t.iter().any(|t| t.reason == Some(Reason::Wait));
        waited += traces.iter().filter(waits).count();
    }
    assert!(waited > 0, "no seed tried to end its thinking");
}

#[test]
fn scores_are_those_of_the_lane_alone() {
    let requests = [
        request(think(40, 0, "Wait"), 0.0, 0),
        request(think(9, 0, "Wait"), 0.0, 0),
        request(think(40, 0, "Hmm"), 0.0, 0),
    ];
    let (traces, _) = Bench::together(&requests);
    for (request, trace) in requests.iter().zip(&traces) {
        let alone = Bench::alone(request);
        assert_eq!(face(trace), face(&alone));
        for (i, (a, b)) in trace.iter().zip(&alone).enumerate() {
            assert!((a.logprob - b.logprob).abs() < 1e-3, "{i}");
            assert!((a.p_end - b.p_end).abs() < 1e-3, "{i}");
            assert!(a.logprob < 0.0, "{i}: it has its score");
        }
    }
    assert_eq!(traces[0], traces[2], "two that never differ end as one");
}

#[test]
fn samples_share_their_prompt_and_draw_for_themselves() {
    let sample = |n| Request {
        sample: n,
        ..request(think(30, 0, "Wait"), 2.0, 5)
    };
    let requests: Vec<Request> = (0..5).map(sample).collect();
    let (traces, computed) = Bench::together(&requests);
    for (request, trace) in requests.iter().zip(&traces) {
        assert_eq!(face(trace), face(&Bench::alone(request)));
    }
    assert_ne!(face(&traces[0]), face(&traces[1]));
    assert_eq!(computed, distinct(&traces));
}

#[test]
fn a_lane_that_is_steered_leaves_the_others_as_they_were() {
    let requests = [
        request(think(400, 0, "Wait"), 0.0, 0),
        request(think(60, 0, "Wait"), 0.0, 0),
        request(think(90, 0, "Wait"), 0.0, 0),
    ];
    let mut bench = Bench::new();
    let lanes = requests.iter().cloned().enumerate().collect();
    bench.engine.send(Command::StartTogether(lanes));
    bench.until(|b| b.thinks(2, 5));
    // The one the others ride on is cut; the pause of it before holds for all.
    bench.engine.send(Command::Pause(0));
    bench.until(|b| (0..3).all(|l| b.lane(l).state == Some(LaneState::Paused)));
    bench.engine.send(Command::Ask(0, Ask::Cut));
    for lane in 0..3 {
        bench.engine.send(Command::Run(lane, Until::End));
    }
    bench.until(|b| (0..3).all(|lane| b.ended(lane)));
    for lane in [1, 2] {
        assert_eq!(
            face(&bench.lane(lane).tokens),
            face(&Bench::alone(&requests[lane]))
        );
    }
    let cut = bench.lane(0).tokens;
    assert!(cut.iter().any(|t| t.reason == Some(Reason::Cut)));
    assert!(cut.len() < bench.lane(1).tokens.len());
}

#[test]
fn forgetting_the_host_leaves_its_riders_whole() {
    let requests = [
        request(think(300, 0, "Wait"), 0.0, 0),
        request(think(40, 0, "Wait"), 0.0, 0),
    ];
    let mut bench = Bench::new();
    let lanes = requests.iter().cloned().enumerate().collect();
    bench.engine.send(Command::StartTogether(lanes));
    bench.until(|b| b.thinks(1, 5));
    bench.engine.send(Command::Forget(0..1));
    bench.until(|b| b.ended(1));
    assert_eq!(
        face(&bench.lane(1).tokens),
        face(&Bench::alone(&requests[1]))
    );
}

#[test]
fn rules_that_change_midway_hold_from_there_on() {
    let mut bench = Bench::new();
    bench.engine.send(Command::Start {
        lane: 0,
        request: request(think(200, 0, "Wait"), 0.0, 0),
        run: true,
    });
    bench.until(|b| b.thinks(0, 30));
    bench.engine.send(Command::Fork {
        from: 0,
        to: 1,
        at: 10,
    });
    bench.engine.send(Command::Policy(
        1,
        Policy {
            answer_max: 10,
            ..think(25, 0, "Hmm")
        },
    ));
    bench.engine.send(Command::Run(1, Until::End));
    bench.until(|b| b.ended(1));
    let alone = Bench::alone(&request(think(25, 0, "Hmm"), 0.0, 0));
    let own = bench.lane(1).tokens;
    assert_eq!(face(&own), face(&alone)[10..], "only what is new is told");
}
