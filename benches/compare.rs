//! What comparing together saves: four budget lanes at once against the same four runs one after
//! another, on the same engine: `S1_TUI_MODELS=DIR cargo bench --bench compare`.
//!
//! Run it on a quiet machine. A second argument names another file of the folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, Request};
use s1_core::view::LaneView;
use s1_engine::{Engine, Events, LoadOptions};
use s1_lab::lanes::{Comparison, Lane, Limit, Preset, Strategy};

const MODEL: &str = "smollm2-135m-instruct-q4_1.gguf";
const QUESTION: &str =
    "Tom has 3 boxes with 12 pens each and gives away 9 pens. How many pens are left?";
/// Bound on the natural length: the small models do not end by themselves.
const NATURAL: usize = 128;
const REPEATS: usize = 3;

fn request() -> Request {
    Request {
        question: QUESTION.into(),
        system: String::new(),
        raw: false,
        policy: Policy {
            max_thinking: Some(NATURAL),
            answer_max: 48,
            ..Policy::default()
        },
        sampling: Default::default(),
        sample: 0,
        reference: None,
        probe_every: None,
        probe_text: String::new(),
        template_args: String::new(),
    }
}

struct Bench {
    engine: Box<dyn Engine>,
    events: Events,
}

impl Bench {
    /// All lanes as the comparison screen runs them; time, tokens computed, tokens shown.
    fn together(&mut self, plan: &[Strategy]) -> (Duration, Comparison) {
        let started = Instant::now();
        let mut run = Comparison::new(request(), plan, 0);
        run.ready(0, Default::default());
        loop {
            for (_, command) in run.drain() {
                self.engine.send(command);
            }
            let done = |l: &Lane| l.runs.iter().all(|r| r.lane.has_ended());
            if run.lanes().all(done) {
                break;
            }
            run.apply(0, &self.events.blocking_recv().unwrap());
        }
        let time = started.elapsed();
        run.forget();
        for (_, command) in run.drain() {
            self.engine.send(command);
        }
        (time, run)
    }

    /// The same requests, each on its own, nothing kept in between.
    fn one_by_one(&mut self, requests: &[Request]) -> (Duration, Vec<Vec<u32>>) {
        let started = Instant::now();
        let mut traces = Vec::new();
        for (lane, request) in requests.iter().enumerate() {
            let lane = 100_000 + lane;
            self.engine.send(Command::Start {
                lane,
                request: request.clone(),
                run: true,
            });
            let mut view = LaneView::default();
            while !view.has_ended() {
                let event = self.events.blocking_recv().unwrap();
                if let Event::Refused { why, .. } | Event::Failed(why) = &event {
                    panic!("{why}");
                }
                if event.lane() == Some(lane) {
                    view.apply(&event);
                }
            }
            traces.push(view.tokens.iter().map(|t| t.id).collect());
            self.engine.send(Command::Forget(lane..lane + 1));
        }
        (started.elapsed(), traces)
    }
}

fn main() {
    let Some(folder) = std::env::var_os("S1_TUI_MODELS").map(PathBuf::from) else {
        println!("skipped: set S1_TUI_MODELS to a folder with the real models");
        return;
    };
    let named = std::env::args().skip(1).find(|a| a.ends_with(".gguf"));
    let path = folder.join(named.as_deref().unwrap_or(MODEL));
    let (engine, mut events) = s1_engine::start(LoadOptions {
        path,
        context: Some(1024),
        ..LoadOptions::default()
    })
    .unwrap();
    loop {
        match events.blocking_recv().unwrap() {
            Event::Loaded(_) => break,
            Event::Failed(why) => panic!("{why}"),
            _ => {}
        }
    }
    let mut bench = Bench { engine, events };
    let fixed = [32, 64, 128, 256].map(|n| Strategy::limited(Limit::Tokens(n)));
    for (name, plan) in [
        ("budgets 32 64 128 256", fixed.to_vec()),
        ("budgets ¼ ½ 1 2 × natural", Preset::Budgets.strategies()),
    ] {
        let (mut best_together, mut best_apart) = (Duration::MAX, Duration::MAX);
        let mut figures = (0, 0);
        for _ in 0..REPEATS {
            let (time, run) = bench.together(&plan);
            best_together = best_together.min(time);
            figures = (run.computed(), run.shown());
            let requests: Vec<Request> = run
                .lanes()
                .map(|l| {
                    let natural = run.natural(l.origin);
                    let limit = l.strategy.limit.tokens(natural, &run.request.policy);
                    l.request(&run.request, limit.unwrap(), 0)
                })
                .collect();
            let (time, traces) = bench.one_by_one(&requests);
            best_apart = best_apart.min(time);
            for (lane, trace) in run.lanes().zip(&traces) {
                let ids: Vec<u32> = lane.run().lane.tokens.iter().map(|t| t.id).collect();
                let same = ids.iter().zip(trace).take_while(|(a, b)| a == b).count();
                if same < trace.len() {
                    let label = lane.strategy.label(None);
                    println!("  {label}: differs from alone at {same} of {}", trace.len());
                }
            }
        }
        println!(
            "{name}: together {:.2} s, one by one {:.2} s: {:.2} × as fast; {} tokens computed for {} shown",
            best_together.as_secs_f64(),
            best_apart.as_secs_f64(),
            best_apart.as_secs_f64() / best_together.as_secs_f64(),
            figures.0,
            figures.1,
        );
    }
}
