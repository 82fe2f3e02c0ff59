//! The engine of a server on a real one, beside the engine of this machine on the same file: what a
//! user would lose is a measurement that depends on where it was made.
//!
//! `S1_TUI_TEST_SERVER` is the address of a server that has [`MODEL`], or, with `S1_TUI_TEST_SERVER_MODEL`,
//! the weights of that file; `S1_TUI_TEST_SERVER_TOKENIZER` names its vocabulary where it does not hand
//! it out. With `S1_TUI_TEST_SERVER_ROUNDS` it computes in half precision: texts part earlier, and how
//! often is only counted.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::common::models;
use s1_core::forcing::Policy;
use s1_core::protocol::{Ask, Command, Event, LaneState, Request, Until};
use s1_core::trace::{Origin, Phase, Reason, Token};
use s1_core::tree::Probe;
use s1_core::view::LaneView;
use s1_engine::{Engine, Events, LoadOptions, ServerOptions};

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

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn server() -> PathBuf {
    variable("S1_TUI_TEST_SERVER").expect("S1_TUI_TEST_SERVER")
}

/// The file that the server's weights come from.
fn model() -> PathBuf {
    variable("S1_TUI_TEST_SERVER_MODEL").unwrap_or_else(|| models().join(MODEL))
}

struct Bench {
    engine: Box<dyn Engine>,
    events: Events,
}

impl Bench {
    fn here() -> Bench {
        Bench::on(model())
    }

    fn there() -> Bench {
        Bench::on(server())
    }

    fn on(path: PathBuf) -> Bench {
        let server = ServerOptions {
            tokenizer: variable("S1_TUI_TEST_SERVER_TOKENIZER"),
            ..ServerOptions::default()
        };
        let (engine, events) = s1_engine::start(LoadOptions {
            path,
            context: Some(1024),
            server,
            ..LoadOptions::default()
        })
        .unwrap();
        Bench { engine, events }
    }

    /// Reads on until a lane has run and stands still again.
    fn until_still(&mut self, lanes: &mut [LaneView], lane: usize) {
        let mut has_run = false;
        loop {
            let event = self.events.blocking_recv().expect("the engine has ended");
            if let Some(lane) = event.lane() {
                lanes[lane].apply(&event);
            }
            match event {
                Event::Failed(why) | Event::Refused { why, .. } | Event::Notice(_, why) => {
                    panic!("{why}")
                }
                Event::State(id, LaneState::Running) if id == lane => has_run = true,
                Event::State(id, LaneState::Paused | LaneState::Stopped(_))
                    if id == lane && has_run =>
                {
                    return;
                }
                _ => {}
            }
        }
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
#[ignore = "needs S1_TUI_TEST_SERVER and S1_TUI_MODELS"]
fn a_server_and_this_machine_write_the_same_of_the_same_file() {
    let (mut here, mut there) = (Bench::here(), Bench::there());
    let (mut equal, mut all, mut worst, mut departures) = (0, 0, 0f32, 0);
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
                departures += 1;
                let rounds = variable("S1_TUI_TEST_SERVER_ROUNDS").is_some();
                assert!(gap < CLOSE || rounds, "{question}: at {at} by {gap}");
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
        "{departures} of {} texts depart; {equal} of {all} tokens come before that, whose log-probabilities differ by {worst:.4} at most",
        QUESTIONS.len()
    );
}

/// A user would lose: the tokens of every emoji, which the server does not name while it streams, and
/// all that follows a budget that falls in the middle of one.
#[test]
#[ignore = "needs S1_TUI_TEST_SERVER and S1_TUI_MODELS"]
fn characters_of_several_tokens_are_the_same_over_a_server() {
    let request = Request {
        raw: true,
        ..request("🧠🧠🧠🧠🧠🧠🧠🧠", 20)
    };
    let (local, ..) = Bench::here().ask(&request, |_, _| None);
    let (remote, ..) = Bench::there().ask(&request, |_, _| None);
    let thought = |lane: &LaneView| -> Vec<(u32, String)> {
        let tokens = lane.tokens.iter().take(20);
        tokens.map(|t| (t.id, t.text.to_string())).collect()
    };
    assert_eq!(thought(&local), thought(&remote));
    assert_eq!(remote.tokens.thinking(), 20);
}

#[test]
#[ignore = "needs S1_TUI_TEST_SERVER"]
fn a_key_acts_within_a_token_and_a_request() {
    let mut bench = Bench::there();
    let mut asked: Option<Instant> = None;
    let (mut took, mut answered) = (Duration::MAX, Duration::MAX);
    let (lane, ..) = bench.ask(&request(QUESTIONS[1], 200), |lane, event| {
        if let Some(asked) = asked
            && took == Duration::MAX
            && matches!(event, Event::Tokens(_, d) if d.tokens.iter().any(|t| t.reason == Some(Reason::Cut)))
        {
            took = asked.elapsed();
        }
        if let Some(asked) = asked
            && answered == Duration::MAX
            && lane.tokens.last().is_some_and(|t| {
                t.phase == Phase::Answer && t.origin == Origin::Sampled && !t.is_delimiter()
            })
        {
            answered = asked.elapsed();
        }
        if lane.tokens.len() == 10 && asked.is_none() {
            asked = Some(Instant::now());
            return Some(Command::Ask(0, Ask::Cut));
        }
        None
    });
    let thinking = lane.tokens.iter().filter(|t| t.phase == Phase::Thinking);
    println!(
        "cut after {took:?} and {} thinking tokens, answered after {answered:?}",
        thinking.clone().count()
    );
    assert!(thinking.count() <= 14);
    assert!(took < Duration::from_millis(500));
}

#[test]
#[ignore = "needs S1_TUI_TEST_SERVER and S1_TUI_MODELS"]
fn a_probe_says_the_same_and_the_thought_goes_on_as_if_there_had_been_none() {
    let plain = request(QUESTIONS[0], 40);
    let probed = Request {
        probe_every: Some(10),
        ..plain.clone()
    };
    let mut there = Bench::there();
    let (without, ..) = there.ask(&plain, |_, _| None);
    let (with, _, probes) = there.ask(&probed, |_, _| None);
    let ids = |lane: &LaneView| lane.tokens.iter().map(|t| t.id).collect::<Vec<_>>();
    assert_eq!(ids(&without), ids(&with));
    let (_, _, local) = Bench::here().ask(&probed, |_, _| None);
    let places = |probes: &[Probe]| probes.iter().map(|p| p.at).collect::<Vec<_>>();
    assert_eq!(places(&probes), places(&local));
    let same = probes.iter().zip(&local).filter(|(a, b)| a.text == b.text);
    println!("{} of {} probes equal", same.count(), probes.len());
}

/// What was written for the model, in order: why, and which tokens.
fn written(tokens: &[Token]) -> Vec<(Reason, Vec<u32>)> {
    let mut all: Vec<(Reason, Vec<u32>)> = Vec::new();
    for token in tokens.iter().filter(|t| t.origin != Origin::Sampled) {
        let reason = token.reason.unwrap();
        match all.last_mut().filter(|(last, _)| *last == reason) {
            Some((_, ids)) => ids.push(token.id),
            None => all.push((reason, vec![token.id])),
        }
    }
    all
}

/// One script of keys, here and there: words, a wait, a branch, another budget, a cut.
#[test]
#[ignore = "needs S1_TUI_TEST_SERVER and S1_TUI_MODELS"]
fn a_thought_is_steered_over_a_server_as_it_is_here() {
    let steered = |mut bench: Bench| {
        let mut lanes = vec![LaneView::default(); 2];
        bench.engine.send(Command::Start {
            lane: 0,
            request: request(QUESTIONS[1], 120),
            run: false,
        });
        let mut run = |lanes: &mut Vec<LaneView>, commands: &[Command], lane, until| {
            for command in commands {
                bench.engine.send(command.clone());
            }
            bench.engine.send(Command::Run(lane, until));
            bench.until_still(lanes, lane);
        };
        run(&mut lanes, &[], 0, Until::Tokens(8));
        let words = Command::Ask(0, Ask::Inject(" Let me see.".into()));
        run(&mut lanes, &[words], 0, Until::Tokens(6));
        run(
            &mut lanes,
            &[Command::Ask(0, Ask::Wait)],
            0,
            Until::Tokens(6),
        );
        let fork = Command::Fork {
            from: 0,
            to: 1,
            at: 10,
        };
        let (here, budget) = (lanes[0].tokens.len(), Command::Budget(1, Some(30)));
        run(&mut lanes, &[fork, budget], 1, Until::End);
        assert_eq!(lanes[0].tokens.len(), here, "the branch is its own");
        run(&mut lanes, &[Command::Ask(0, Ask::Cut)], 0, Until::End);
        lanes
    };
    let (here, there) = (steered(Bench::here()), steered(Bench::there()));
    for (lane, (here, there)) in here.iter().zip(&there).enumerate() {
        assert_eq!(
            written(&here.tokens),
            written(&there.tokens),
            "branch {lane}"
        );
        match departure(&here.tokens, &there.tokens) {
            None => assert_eq!(here.tokens.len(), there.tokens.len(), "branch {lane}"),
            Some((at, gap)) => {
                println!("branch {lane} departs at {at}, where the best two differ by {gap:.3}");
                let rounds = variable("S1_TUI_TEST_SERVER_ROUNDS").is_some();
                assert!(gap < CLOSE || rounds, "branch {lane}: at {at} by {gap}");
            }
        }
        let thinking = [here, there].map(|lane| lane.tokens.thinking());
        println!("branch {lane} thought {thinking:?} tokens");
    }
    assert!(there[1].tokens.thinking() <= 30, "the branch's own budget");
}

/// A user would lose: the turn, if words in it could end it.
#[test]
#[ignore = "needs S1_TUI_TEST_SERVER and S1_TUI_MODELS"]
fn control_tokens_in_a_question_are_text_over_a_server_too() {
    let request = request("Say <|im_end|> and <|im_start|>, then </think>.", 8);
    let (_, here, _) = Bench::here().ask(&request, |_, _| None);
    let (_, there, _) = Bench::there().ask(&request, |_, _| None);
    assert_eq!(here, there);
}

/// A user would lose: the servers that take no token ids. This one does, and is used as if it did not.
#[test]
#[ignore = "needs S1_TUI_TEST_SERVER"]
fn a_server_that_only_chats_is_watched_and_says_what_cannot_be_had() {
    let address = format!("{}/v1/chat/completions", server().display());
    let mut bench = Bench::on(address.into());
    let (lane, ..) = bench.ask(&request(QUESTIONS[4], 0), |_, _| None);
    assert_eq!(lane.tokens.thinking(), 0);
    let (end, answer) = lane.tokens.split_first().unwrap();
    assert_eq!(end.text, "</think>");
    assert!(!answer.is_empty());
    assert!(answer.iter().all(|t| t.phase == Phase::Answer));
    let scored = answer.iter().filter(|t| !t.top.is_empty()).count();
    println!("{scored} of {} pieces have alternatives", answer.len());
    let mut waits = request(QUESTIONS[4], 16);
    waits.policy.waits = 1;
    bench.engine.send(Command::Start {
        lane: 0,
        request: waits,
        run: true,
    });
    let why = loop {
        match bench.events.blocking_recv().unwrap() {
            Event::Refused { why, .. } => break why,
            Event::Tokens(..) => panic!("it was not refused"),
            _ => {}
        }
    };
    assert!(why.contains("takes no token ids"), "{why}");
}
