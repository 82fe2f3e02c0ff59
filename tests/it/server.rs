//! The engine of a server on a real one, beside the engine of this machine on the same file: what a
//! user would lose is a measurement that depends on where it was made.
//!
//! `S1_TUI_LLAMA_SERVER` is the address of a llama.cpp server that has [`MODEL`].

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::common::models;
use s1_core::forcing::Policy;
use s1_core::protocol::{Ask, Command, Event, LaneState, Request};
use s1_core::trace::{Phase, Reason, Token};
use s1_core::tree::Probe;
use s1_core::view::LaneView;
use s1_engine::{Engine, Events, LoadOptions};

const MODEL: &str = "smollm2-135m-instruct-q4_1.gguf";
/// A departure is excused where the best two were this close, in nats.
const CLOSE: f32 = 0.2;

const QUESTIONS: [&str; 10] = [
    "What is 17 times 23?",
    "A train goes 60 miles in 1.5 hours. How fast is it?",
    "Tom has 12 apples and gives away a third. How many are left?",
    "Which is larger, 2/3 or 3/5?",
    "How many days are there in 7 weeks?",
    "What is the sum of the first ten whole numbers?",
    "A shirt costs $40 and is 25% off. What does it cost now?",
    "If x + 5 = 12, what is x?",
    "How many sides does a hexagon have?",
    "Write the number 45 in binary.",
];

fn server() -> PathBuf {
    let server = std::env::var("S1_TUI_LLAMA_SERVER");
    server.expect("S1_TUI_LLAMA_SERVER").into()
}

struct Bench {
    engine: Box<dyn Engine>,
    events: Events,
}

impl Bench {
    fn on(path: PathBuf) -> Bench {
        let (engine, events) = s1_engine::start(LoadOptions {
            path,
            context: Some(1024),
            ..LoadOptions::default()
        })
        .unwrap();
        Bench { engine, events }
    }

    /// Asks a question; `steer` sees every event, and may answer it with a command.
    fn ask(
        &mut self,
        request: &Request,
        mut steer: impl FnMut(&LaneView, &Event) -> Option<Command>,
    ) -> (LaneView, Vec<u32>, Vec<Probe>) {
        self.engine.send(Command::Start {
            lane: 0,
            request: request.clone(),
            run: true,
        });
        let (mut lane, mut ids, mut probes) = (LaneView::default(), Vec::new(), Vec::new());
        loop {
            let event = self.events.blocking_recv().expect("the engine has ended");
            lane.apply(&event);
            if let Some(command) = steer(&lane, &event) {
                self.engine.send(command);
            }
            match event {
                Event::Failed(why) | Event::Refused { why, .. } | Event::Notice(_, why) => {
                    panic!("{why}")
                }
                Event::Prompt { ids: prompt, .. } => ids = prompt,
                Event::Probe(_, probe) => probes.push(probe),
                Event::State(_, LaneState::Stopped(_)) => break,
                _ => {}
            }
        }
        self.engine.send(Command::Forget(0..1));
        (lane, ids, probes)
    }
}

fn request(question: &str, max_thinking: usize) -> Request {
    Request {
        question: question.into(),
        policy: Policy {
            max_thinking: Some(max_thinking),
            answer_max: 32,
            ..Policy::default()
        },
        ..Request::default()
    }
}

/// Where two traces first differ, if that is not excused by how close the best two were.
fn departure(here: &[Token], there: &[Token]) -> Option<(usize, f32)> {
    let at = here.iter().zip(there).position(|(a, b)| a.id != b.id)?;
    let gap = match &here[at].top[..] {
        [best, second, ..] => best.logprob - second.logprob,
        _ => f32::INFINITY,
    };
    Some((at, gap))
}

#[test]
#[ignore = "needs S1_TUI_LLAMA_SERVER and S1_TUI_MODELS"]
fn a_server_and_this_machine_write_the_same_of_the_same_file() {
    let mut here = Bench::on(models().join(MODEL));
    let mut there = Bench::on(server());
    let (mut equal, mut all, mut worst) = (0, 0, 0f32);
    for question in QUESTIONS {
        let request = request(question, 48);
        let (local, prompt, _) = here.ask(&request, |_, _| None);
        let (remote, same, _) = there.ask(&request, |_, _| None);
        assert_eq!(prompt, same, "{question}: the prompt");
        let (a, b) = (&local.tokens, &remote.tokens);
        let agree = match departure(a, b) {
            None => a.len().min(b.len()),
            Some((at, gap)) => {
                println!("{question:?} departs at {at}, where the best two differ by {gap:.3}");
                assert!(gap < CLOSE, "{question}: at {at} by {gap}");
                at
            }
        };
        for (a, b) in a[..agree].iter().zip(&b[..agree]) {
            // What was forced has no score over a server but at its first token.
            if a.reason.is_none() {
                worst = worst.max((a.logprob - b.logprob).abs());
            }
        }
        equal += agree;
        all += a.len();
        let thinking = |tokens: &[Token]| {
            let all = tokens.iter().filter(|t| t.phase == Phase::Thinking);
            all.count()
        };
        assert!(thinking(b) <= 48, "{question}");
        if agree == a.len() {
            assert_eq!(thinking(a), thinking(b), "{question}");
        }
    }
    println!(
        "{equal} of {all} tokens before a departure; log-probabilities differ by {worst:.4} at most"
    );
}

/// A user would lose: the tokens of every emoji, which the server does not name while it streams, and
/// all that follows a budget that falls in the middle of one.
#[test]
#[ignore = "needs S1_TUI_LLAMA_SERVER and S1_TUI_MODELS"]
fn characters_of_several_tokens_are_the_same_over_a_server() {
    let request = Request {
        raw: true,
        ..request("🧠🧠🧠🧠🧠🧠🧠🧠", 20)
    };
    let (local, ..) = Bench::on(models().join(MODEL)).ask(&request, |_, _| None);
    let (remote, ..) = Bench::on(server()).ask(&request, |_, _| None);
    let thought = |lane: &LaneView| -> Vec<(u32, String)> {
        let tokens = lane.tokens.iter().take(20);
        tokens.map(|t| (t.id, t.text.to_string())).collect()
    };
    assert_eq!(thought(&local), thought(&remote));
    assert_eq!(remote.tokens.thinking(), 20);
}

#[test]
#[ignore = "needs S1_TUI_LLAMA_SERVER"]
fn a_key_acts_within_a_token_and_a_request() {
    let mut bench = Bench::on(server());
    let mut asked: Option<Instant> = None;
    let mut took = Duration::MAX;
    let (lane, ..) = bench.ask(&request(QUESTIONS[1], 200), |lane, event| {
        if let Some(asked) = asked
            && took == Duration::MAX
            && matches!(event, Event::Tokens(_, d) if d.tokens.iter().any(|t| t.reason == Some(Reason::Cut)))
        {
            took = asked.elapsed();
        }
        if lane.tokens.len() == 20 && asked.is_none() {
            asked = Some(Instant::now());
            return Some(Command::Ask(0, Ask::Cut));
        }
        None
    });
    let thinking = lane.tokens.iter().filter(|t| t.phase == Phase::Thinking);
    println!(
        "cut after {took:?} and {} thinking tokens",
        thinking.clone().count()
    );
    assert!(thinking.count() <= 24);
    assert!(took < Duration::from_millis(500));
}

#[test]
#[ignore = "needs S1_TUI_LLAMA_SERVER and S1_TUI_MODELS"]
fn a_probe_says_the_same_and_the_thought_goes_on_as_if_there_had_been_none() {
    let plain = request(QUESTIONS[0], 40);
    let probed = Request {
        probe_every: Some(10),
        ..plain.clone()
    };
    let mut there = Bench::on(server());
    let (without, ..) = there.ask(&plain, |_, _| None);
    let (with, _, probes) = there.ask(&probed, |_, _| None);
    let ids = |lane: &LaneView| lane.tokens.iter().map(|t| t.id).collect::<Vec<_>>();
    assert_eq!(ids(&without), ids(&with));
    let (_, _, local) = Bench::on(models().join(MODEL)).ask(&probed, |_, _| None);
    let places = |probes: &[Probe]| probes.iter().map(|p| p.at).collect::<Vec<_>>();
    assert_eq!(places(&probes), places(&local));
    let same = probes.iter().zip(&local).filter(|(a, b)| a.text == b.text);
    println!("{} of {} probes equal", same.count(), probes.len());
}
