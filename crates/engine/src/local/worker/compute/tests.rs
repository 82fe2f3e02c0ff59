//! Which caches are kept.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::lanes::Lanes as _;
use crate::local::loaded::LoadOptions;
use crate::local::worker::Outlet;
use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, Request, Until};
use s1_core::sampling::Sampling;
use s1_model::fixture::tiny_gguf;

const CONTEXT: usize = 256;

/// A worker on random weights that is stepped by hand, and what it says.
struct Bench {
    worker: Worker<'static>,
    events: mpsc::Receiver<Event>,
}

impl Bench {
    fn new() -> Bench {
        static CANCELLED: AtomicBool = AtomicBool::new(false);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        std::fs::write(&path, tiny_gguf("llama", 7)).unwrap();
        let options = LoadOptions {
            path,
            context: Some(CONTEXT),
            ..LoadOptions::default()
        };
        let model = Loaded::open(&options, &mut |_| true).unwrap();
        let (sender, events) = mpsc::channel(1 << 16);
        let worker = Worker {
            model,
            inbox: mpsc::unbounded_channel().1,
            events: Outlet(sender),
            cancelled: &CANCELLED,
            sequences: BTreeMap::new(),
            batches: BTreeMap::new(),
            limit: usize::MAX,
            clock: 0,
            chunk: 64,
            computing: Duration::ZERO,
            reading_back: Duration::ZERO,
        };
        Bench { worker, events }
    }

    /// Carries a command out, until there is nothing left to do; what was said.
    fn run(&mut self, command: Command) -> Vec<Event> {
        assert!(self.worker.handle(command).is_ok());
        while !self.worker.is_idle() {
            assert!(self.worker.step().is_ok());
        }
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Asks, and has as much thought as is wanted.
    fn ask(&mut self, lane: LaneId, question: &str, thinking: usize) -> Vec<Event> {
        let policy = Policy {
            min_thinking: thinking,
            max_thinking: Some(thinking),
            answer_max: 1,
            ..Policy::default()
        };
        let sampling = Sampling {
            temperature: 1.0,
            seed: lane as u64,
            ..Sampling::default()
        };
        let request = Request {
            question: question.into(),
            system: String::new(),
            raw: false,
            policy,
            sampling,
            sample: 0,
            reference: None,
            probe_every: None,
            probe_text: String::new(),
            template_args: String::new(),
        };
        self.run(Command::Start {
            lane,
            request,
            run: true,
        })
    }

    /// Branches, and goes on to the end.
    fn branch(&mut self, from: LaneId, to: LaneId, at: usize) {
        self.run(Command::Fork { from, to, at });
        let sampling = Sampling {
            temperature: 1.0,
            seed: to as u64,
            ..Sampling::default()
        };
        self.run(Command::Sampling(to, sampling, 0));
        self.run(Command::Run(to, Until::End));
    }

    /// The lanes that have a cache.
    fn cached(&self) -> Vec<LaneId> {
        let sequences = self.worker.sequences.iter();
        let cached = sequences.filter(|(_, s)| s.cache.is_some());
        cached.map(|(&id, _)| id).collect()
    }
}

/// A user would lose: the memory of a thought they have left, for as long as the program runs.
#[test]
fn the_next_question_has_the_memory_of_the_one_before() {
    let mut b = Bench::new();
    b.ask(0, "2+2?", 60);
    b.branch(0, 1, 30);
    assert_eq!(b.cached(), [0, 1], "its branches go on at once");
    b.ask(7, "3+3?", 20);
    assert_eq!(b.cached(), [7]);
    // The explorer leaves a question for good.
    b.run(Command::Forget(0..2));
    b.run(Command::Forget(7..8));
    assert!(b.worker.sequences.is_empty());
}

/// A user would lose: the machine's memory, to branches of a long thought that they left behind.
#[test]
fn branches_that_rest_hold_a_context_together() {
    let mut b = Bench::new();
    b.ask(0, "2+2?", 60);
    for lane in 1..7 {
        b.branch(lane - 1, lane, 50);
    }
    let length = |lane: &LaneId| b.worker.sequences[lane].cache.as_ref().unwrap().len();
    let cached = b.cached();
    let resting: usize = cached[..cached.len() - 1].iter().map(length).sum();
    assert!(resting <= CONTEXT, "{resting} tokens at rest");
    assert!(
        resting > CONTEXT / 2,
        "{resting}: more than need be was given up"
    );
    assert_eq!(cached[cached.len() - 1], 6, "those that ran last stay");
}

/// A user would lose: the answer to a key, at the question they have come back to.
#[test]
fn a_question_without_its_cache_is_probed_and_branched_all_the_same() {
    let mut b = Bench::new();
    b.ask(0, "2+2?", 60);
    let probe = |events: Vec<Event>| {
        let mut found = events.into_iter().filter_map(|event| match event {
            Event::Probe(0, probe) => Some(probe),
            _ => None,
        });
        found.next()
    };
    let before = probe(b.run(Command::Probe(0, Some(40))));
    assert!(before.is_some());
    b.ask(7, "3+3?", 20);
    let events = b.run(Command::Probe(0, Some(40)));
    let stays = |event: &Event| !matches!(event, Event::State(0, _));
    assert!(events.iter().all(stays), "it has ended");
    assert_eq!(probe(events), before);
    assert_eq!(b.cached(), [0]);
    b.ask(8, "3+3?", 20);
    b.branch(0, 1, 50);
    let of = |lane: LaneId| b.worker.sequences[&lane].token_ids();
    let prompt = b.worker.sequences[&0].prompt.len();
    assert_eq!(of(0)[..prompt + 50], of(1)[..prompt + 50]);
    assert_eq!(b.cached(), [1]);
}
