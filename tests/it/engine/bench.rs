//! An engine to steer in a test, and what it has said.

use std::path::PathBuf;

use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, LaneId, LaneState, Request};
use s1_core::sampling::Sampling;
use s1_core::trace::{StopReason, Token};
use s1_core::tree::Probe;
use s1_core::view::LaneView;
use s1_engine::{Engine, Events, LoadOptions};
use s1_model::fixture::tiny_gguf;

/// An engine on a small model, and everything it has said.
pub struct Bench {
    pub engine: Box<dyn Engine>,
    pub events: Events,
    pub lanes: Vec<LaneView>,
    pub probes: Vec<Probe>,
    pub notices: Vec<String>,
    pub refused: Vec<String>,
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    /// On the bundled reasoner.
    pub fn new() -> Bench {
        Bench::open(s1_data::assets::REASONER.into(), None, true)
    }

    /// As [`Bench::new`], one token at a time.
    pub fn without_lookup() -> Bench {
        Bench::open(s1_data::assets::REASONER.into(), None, false)
    }

    /// On random weights of an architecture.
    pub fn tiny(arch: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        std::fs::write(&path, tiny_gguf(arch, 7)).unwrap();
        Bench::open(path, Some(folder), true)
    }

    pub fn open(path: PathBuf, folder: Option<tempfile::TempDir>, lookup: bool) -> Bench {
        let (engine, events) = s1_engine::start(LoadOptions {
            path,
            context: Some(512),
            lookup,
            ..LoadOptions::default()
        })
        .unwrap();
        Bench {
            engine,
            events,
            lanes: vec![LaneView::default(); 8],
            probes: Vec::new(),
            notices: Vec::new(),
            refused: Vec::new(),
            _folder: folder,
        }
    }

    pub fn send(&self, command: Command) -> &Bench {
        assert!(self.engine.send(command), "the engine has ended");
        self
    }

    pub fn start(&self, lane: LaneId, request: Request, run: bool) -> &Bench {
        self.send(Command::Start { lane, request, run })
    }

    /// Takes events in until `done` says so.
    pub fn until(&mut self, mut done: impl FnMut(&Bench, &Event) -> bool) {
        loop {
            let event = self.events.blocking_recv().expect("the engine has ended");
            if let Some(lane) = event.lane() {
                self.lanes[lane].apply(&event);
            }
            match &event {
                Event::Failed(why) => panic!("{why}"),
                Event::Probe(_, probe) => self.probes.push(probe.clone()),
                Event::Notice(_, why) => self.notices.push(why.clone()),
                Event::Refused { why, .. } => self.refused.push(why.clone()),
                _ => {}
            }
            if done(self, &event) {
                return;
            }
        }
    }

    pub fn until_stopped(&mut self, lane: LaneId) -> StopReason {
        self.until(|b, _| matches!(b.lanes[lane].state, Some(LaneState::Stopped(_))));
        match self.lanes[lane].state {
            Some(LaneState::Stopped(reason)) => reason,
            _ => unreachable!(),
        }
    }

    /// Waits for the lane's *next* pause.
    pub fn until_paused(&mut self, lane: LaneId) {
        self.until(|_, e| matches!(e, Event::State(l, LaneState::Paused) if *l == lane));
    }
}

pub fn request(max_thinking: usize) -> Request {
    Request {
        question: "What is 337 times 93?".into(),
        system: String::new(),
        raw: false,
        policy: Policy {
            max_thinking: Some(max_thinking),
            answer_max: 12,
            ..Policy::default()
        },
        sampling: Sampling::default(),
        sample: 0,
        reference: None,
        probe_every: None,
        probe_text: String::new(),
        template_args: String::new(),
    }
}

pub fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|t| t.id).collect()
}

/// The same tokens, with the same scores to within rounding.
pub fn assert_same(a: &[Token], b: &[Token]) {
    assert_eq!(ids(a), ids(b));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let close = |x: f32, y: f32| (x - y).abs() < 1e-3;
        assert!(
            close(a.logprob, b.logprob),
            "{i}: {} {}",
            a.logprob,
            b.logprob
        );
        assert!(
            close(a.entropy, b.entropy),
            "{i}: {} {}",
            a.entropy,
            b.entropy
        );
        assert_eq!(
            (a.phase, a.origin, a.reason),
            (b.phase, b.origin, b.reason),
            "{i}"
        );
        assert_eq!(a.text, b.text);
    }
}
