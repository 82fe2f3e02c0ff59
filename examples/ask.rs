//! Asks the bundled reasoner, makes it wait once, and shows who wrote what:
//! `cargo run --release --example ask -- "What is 12 times 13?"`.

use anyhow::bail;
use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, LaneState, Request};
use s1_core::sampling::Sampling;
use s1_core::trace::{Origin, Trace};
use s1_engine::LoadOptions;

fn main() -> anyhow::Result<()> {
    let question = std::env::args().nth(1);
    let request = Request {
        question: question.unwrap_or_else(|| "How many r in raspberry?".into()),
        system: String::new(),
        raw: false,
        policy: Policy {
            waits: 1,
            ..Policy::default()
        },
        sampling: Sampling::default(),
        sample: 0,
        reference: None,
        probe_every: None,
        probe_text: String::new(),
        template_args: String::new(),
    };
    let (engine, mut events) = s1_engine::start(LoadOptions {
        path: s1_data::assets::REASONER.into(),
        ..LoadOptions::default()
    })?;
    engine.send(Command::Start {
        lane: 0,
        request,
        run: true,
    });
    let mut trace = Trace::default();
    while let Some(event) = events.blocking_recv() {
        match event {
            Event::Tokens(_, delta) => _ = trace.apply(&delta),
            Event::State(_, LaneState::Stopped(_)) => break,
            Event::Failed(why) | Event::Refused { why, .. } => bail!(why),
            _ => {}
        }
    }
    for token in trace.iter() {
        match token.origin {
            Origin::Forced => print!("⟨{}⟩", token.text),
            Origin::Sampled | Origin::User => print!("{}", token.text),
        }
    }
    println!();
    Ok(())
}
