//! `s1-tui trainings`: what is being trained and what was, and orders to a training.

use std::io::{self, Write};

use anyhow::{Result, bail};
use serde::Serialize;

use super::args::DbArgs;
use super::json_line;
use super::train::log_line;
use s1_core::format;
use s1_core::training::{TrainConfig, TrainOrder, arguments, command_line};
use s1_data::sanitize::clean_line;
use s1_store::Db;
use s1_store::training::Training;

/// A larger factor is a mistake in writing.
const MAX_RATE: f64 = 1e3;

/// Which training, and what to tell it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui trainings\n  s1-tui trainings tuned --pause\n  s1-tui trainings tuned --rate 0.5"
)]
pub struct TrainingsArgs {
    /// Show this training's log instead of the list.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Hold after the step, with a checkpoint.
    #[arg(long, requires = "name", group = "order")]
    pause: bool,
    /// Continue after a pause.
    #[arg(long, alias = "go-on", requires = "name", group = "order")]
    resume: bool,
    /// Finish the step, write a checkpoint, and end.
    #[arg(long, requires = "name", group = "order")]
    stop: bool,
    /// End at once; what came after the last checkpoint is lost.
    #[arg(long, requires = "name", group = "order")]
    kill: bool,
    /// Write a checkpoint after the step.
    #[arg(long, requires = "name", group = "order")]
    save: bool,
    /// Multiply the scheduled learning rate by this from the next step on.
    #[arg(long, requires = "name", group = "order", value_name = "FACTOR", value_parser = factor)]
    rate: Option<f64>,
    /// Take one that has ended off the list; its folder stays.
    #[arg(long, requires = "name", group = "order")]
    remove: bool,
    /// Print one JSON object per training.
    #[arg(long, conflicts_with_all = ["order", "name"])]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
}

#[derive(Serialize)]
struct TrainingLine<'a> {
    training: &'a str,
    created_at: u64,
    folder: &'a std::path::Path,
    base: &'a std::path::Path,
    data: &'a std::path::Path,
    state: &'a str,
    step: usize,
    steps: usize,
    rate: f64,
    fault: Option<&'a str>,
    /// Arguments of `s1-tui train` that repeat it.
    arguments: Vec<String>,
    config: &'a TrainConfig,
}

/// Runs the command. Errors where the database cannot be used, or has no such training.
pub fn run(args: &TrainingsArgs) -> Result<()> {
    let path = args.db.path()?;
    let Some(db) = Db::open_to_read(&path)? else {
        bail!(
            "there are no trainings yet in {}; s1-tui train makes one",
            path.display()
        );
    };
    match &args.name {
        None => list(&db, args.json)?,
        Some(name) => {
            let Some(training) = db.training(name)?.map(Training::seen) else {
                let names: Vec<String> = db.trainings()?.into_iter().map(|t| t.name).collect();
                bail!(
                    "there is no training {name:?}; there are: {}",
                    names.join(", ")
                );
            };
            match order(args) {
                Some(order) => tell(&path, &training, order)?,
                None if args.remove => Db::open(&path)?.remove_training(name)?,
                None => log(&db, &training)?,
            }
        }
    }
    Ok(())
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok();
    let factor = factor.filter(|rate| *rate > 0.0 && *rate <= MAX_RATE);
    factor.ok_or_else(|| {
        format!("the learning rate is multiplied by a number above 0, at most {MAX_RATE}")
    })
}

fn order(args: &TrainingsArgs) -> Option<TrainOrder> {
    let flags = [
        (args.pause, TrainOrder::Pause),
        (args.resume, TrainOrder::Resume),
        (args.stop, TrainOrder::Stop),
        (args.kill, TrainOrder::Kill),
        (args.save, TrainOrder::Save),
    ];
    let flag = flags.into_iter().find(|(set, _)| *set);
    flag.map(|(_, order)| order)
        .or(args.rate.map(TrainOrder::Rate))
}

fn tell(path: &std::path::Path, training: &Training, order: TrainOrder) -> Result<()> {
    if !training.is_open() {
        bail!(
            "training {:?} is not running ({}); s1-tui train --resume continues it",
            training.name,
            training.state.name()
        );
    }
    Db::open(path)?.order_training(&training.name, order)
}

fn list(db: &Db, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    for training in db.trainings()?.into_iter().map(Training::seen) {
        if json {
            let line = TrainingLine {
                training: &training.name,
                created_at: training.created_at,
                folder: training.folder(),
                base: training.config.base(),
                data: &training.config.data,
                state: training.state.name(),
                step: training.step,
                steps: training.steps,
                rate: training.rate,
                fault: training.fault.as_deref(),
                arguments: arguments(&training.config),
                config: &training.config,
            };
            json_line(&mut out, &line)?;
            continue;
        }
        let left = match db.training_steps(&training.name, training.step.saturating_sub(1))? {
            steps if training.state.is_open() => steps.last().map_or(String::new(), |s| {
                format!(" · ETA {}", format::duration(s.eta_s))
            }),
            _ => String::new(),
        };
        let line = format!(
            "{:<24} {:<11} step {:>5}/{:<5}{left} · {} · {} · {}",
            training.name,
            training.state.name(),
            training.step,
            training.steps,
            training.config.base().display(),
            training.config.data.display(),
            training.folder().display()
        );
        writeln!(out, "{}", clean_line(&line))?;
    }
    Ok(())
}

/// What came of a training, the latest last.
fn log(db: &Db, training: &Training) -> Result<()> {
    let mut out = io::stdout().lock();
    let head = format!(
        "{}: {}, step {} of {}\n{}",
        training.name,
        training.state.name(),
        training.step,
        training.steps,
        command_line(&training.config, &training.name)
    );
    for line in head.lines() {
        writeln!(out, "{}", clean_line(line))?;
    }
    for recorded in db.training_events(&training.name, 0)? {
        writeln!(out, "{}", log_line(&recorded.event))?;
    }
    if let Some(fault) = &training.fault {
        writeln!(out, "{}", clean_line(fault))?;
    }
    Ok(())
}
