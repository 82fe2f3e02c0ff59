//! Questions to a model file, all at once: what it answers, thinking as long as it wants.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::problems::{ProblemOptions, ProblemSet};
use crate::row::TraceResult;
use s1_core::delimiters::Family;
use s1_core::forcing::{OnLoop, Policy};
use s1_core::protocol::{Command, Event, LaneState, Request};
use s1_core::trace::{Phase, Trace, phase_text};
use s1_core::training::{TrainConfig, TrainEvent};
use s1_core::view::LaneViews;
use s1_engine::{Events, LoadOptions};

/// Questions that are thought about at the same time.
const LANES: usize = 8;
/// A thought of a model in the making may never end.
const MAX_THINKING: usize = 1024;
/// Nor may its answer.
const MAX_ANSWER: usize = 128;

/// What is asked now and then while a model is trained.
#[derive(Clone, Debug, Default)]
pub struct Evaluator {
    /// The question whose answer is shown.
    pub sample: Option<String>,
    /// The problems that are counted.
    pub problems: Option<ProblemSet>,
    /// How the model marks its thinking, as it was trained to.
    pub family: Option<Family>,
}

impl Evaluator {
    /// Reads the problems.
    ///
    /// # Errors
    /// If they cannot be read, or none of them has a reference answer.
    pub fn new(config: &TrainConfig) -> Result<Evaluator> {
        let options = ProblemOptions {
            limit: Some(config.eval_limit),
            ..ProblemOptions::default()
        };
        let problems = match &config.eval_problems {
            None => None,
            Some(path) => {
                let source = path.display().to_string();
                let mut set = ProblemSet::load(&source, &options)?;
                set.problems.retain(|p| p.reference.is_some());
                if set.problems.is_empty() {
                    bail!("no problem of {source} has an answer to compare with");
                }
                Some(set)
            }
        };
        Ok(Evaluator {
            sample: config.sample.clone(),
            problems,
            family: config.family,
        })
    }

    /// Asks the sample question of the model after a step.
    ///
    /// # Errors
    /// If the model cannot be used.
    pub fn ask_sample(
        &self,
        step: usize,
        model: PathBuf,
        threads: usize,
    ) -> Result<Option<TrainEvent>> {
        let Some(question) = &self.sample else {
            return Ok(None);
        };
        let traces = self.answers(model, threads, vec![request(question.clone(), "")])?;
        let trace = traces.first().map_or(&[][..], |trace| trace);
        Ok(Some(TrainEvent::Sample {
            step,
            question: question.clone(),
            thinking: phase_text(trace, Phase::Thinking).trim().to_owned(),
            answer: phase_text(trace, Phase::Answer).trim().to_owned(),
        }))
    }

    /// Asks the problems of the model after a step, and counts the right answers.
    ///
    /// # Errors
    /// If the model cannot be used.
    pub fn ask_problems(
        &self,
        step: usize,
        model: PathBuf,
        threads: usize,
    ) -> Result<Option<TrainEvent>> {
        let Some(set) = &self.problems else {
            return Ok(None);
        };
        let asked = set.problems.iter().map(|problem| {
            let question = format!("{}{}", problem.question, set.prompt.suffix);
            request(question, &set.prompt.system)
        });
        let traces = self.answers(model, threads, asked.collect())?;
        let (mut correct, mut thinking) = (0, 0);
        for (problem, trace) in set.problems.iter().zip(&traces) {
            let found = TraceResult::of(trace, problem.reference.as_deref());
            correct += usize::from(found.answer.correct == Some(true));
            thinking += found.thinking;
        }
        Ok(Some(TrainEvent::Accuracy {
            step,
            n: traces.len(),
            correct,
            thinking: thinking as f64 / traces.len().max(1) as f64,
        }))
    }

    /// The traces of some questions, in their order; one that was refused has none.
    fn answers(&self, model: PathBuf, threads: usize, asked: Vec<Request>) -> Result<Vec<Trace>> {
        let options = LoadOptions {
            path: model,
            family: self.family,
            ..LoadOptions::default()
        };
        let (engine, mut events) = s1_engine::start(options)?;
        engine.set_threads(threads);
        let n = asked.len();
        engine.send(Command::Limit(LANES));
        for (lane, request) in asked.into_iter().enumerate() {
            engine.send(Command::StartRow(vec![(lane, request)]));
        }
        let lanes = follow(&mut events, n);
        // The channel is closed first: an engine that waits to be heard must not wait for ever.
        drop(events);
        engine.shutdown();
        let mut lanes = lanes?;
        let trace = |lane| lanes.take(lane).unwrap_or_default().tokens;
        Ok((0..n).map(trace).collect())
    }
}

fn request(question: String, system: &str) -> Request {
    Request {
        question,
        system: system.to_owned(),
        policy: Policy {
            max_thinking: Some(MAX_THINKING),
            answer_max: MAX_ANSWER,
            on_loop: OnLoop::Answer,
            ..Policy::default()
        },
        ..Request::default()
    }
}

fn follow(events: &mut Events, n: usize) -> Result<LaneViews> {
    let mut lanes = LaneViews::default();
    let mut open = n;
    while open > 0 {
        let Some(event) = events.blocking_recv() else {
            bail!("the engine ended before it had answered");
        };
        lanes.apply(&event);
        match event {
            Event::Failed(why) => bail!("{why}"),
            // Not asked is not answered wrong.
            Event::Refused {
                why, passing: true, ..
            } => bail!("{why}"),
            Event::State(_, LaneState::Paused) => bail!("the model cannot continue"),
            Event::Finished { .. } => open -= 1,
            _ => {}
        }
    }
    Ok(lanes)
}
