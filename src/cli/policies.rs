//! `s1-tui policies`: early exits, evaluated afterwards on the natural thoughts of a run.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::args::{ConfigArgs, DbArgs, ModelFlags};
use super::budget::share;
use super::given::{Apply, GivenFlags};
use super::status::StatusLine;
use super::{interrupt, json_line, say, settings};
use crate::config::Config;
use s1_core::exit::Exit;
use s1_lab::advice::{self, Advice};
use s1_lab::replay::measure::{self, ReplayProgress, Rule};
use s1_lab::replay::{Line, Replay, Vote, votes};
use s1_lab::sweep;
use s1_store::Db;

/// Which run, and which rules.
#[derive(Debug, clap::Args)]
pub struct PoliciesArgs {
    /// The run; its points must include "natural" without waits.
    #[arg(value_name = "RUN")]
    run: String,
    /// Rules to evaluate, such as deer,dynasor:16,thinkbrake:0.25: alone at many thresholds, with all
    /// their numbers at these. All rules where it is left out.
    #[arg(long, value_name = "RULE,…", value_delimiter = ',')]
    policies: Vec<String>,
    /// What 1,000 tokens must bring in accuracy, in points of 100, for the advice at the end.
    #[arg(long, value_name = "λ", default_value_t = 5.0, value_parser = share(0.0, 100_000.0))]
    lambda: f64,
    /// Most that may be added to the error, in points of 100, for the advice at the end.
    #[arg(long, value_name = "ε", default_value_t = 2.0, value_parser = share(0.0, 100.0))]
    epsilon: f64,
    /// Draw the figure into this file; its name ends in .svg, .png or .csv.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    db: DbArgs,
}

/// Runs the command. Errors where the run has no natural thoughts, or its model cannot be used.
pub fn run(args: &PoliciesArgs) -> Result<ExitCode> {
    // Asked for by name, so a database that is not there must be said, not made.
    let run = args.db.open()?.run(&args.run)?;
    let db = Db::open(&args.db.path()?)?;
    let named = args.policies.iter().map(|text| {
        Rule::read(text, &run).with_context(|| {
            format!(
                "{text:?} is no early exit; the rules are {}",
                Exit::NOTATION
            )
        })
    });
    let mut rules: Vec<Rule> = named.collect::<Result<_>>()?;
    if rules.is_empty() {
        rules = Rule::all(&run);
    }
    let flags: [&dyn Apply<Config>; 1] = [&args.model];
    let mut config = settings::load(&args.config, &flags)?;
    config.load = sweep::model_of(&run, &config.load);
    flags
        .iter()
        .try_for_each(|given| given.apply(&mut config))?;
    let control = interrupt::control()?;
    let mut line = StatusLine::new();
    let started = Instant::now();
    let looked = measure::look(&db, &run, &rules, config.load, &control, &mut |progress| {
        line.show(&match progress {
            ReplayProgress::Loading(part) => format!("loading {:.0}%", part * 100.0),
            ReplayProgress::Looked(done, total) => format!("looked at {done} of {total} thoughts"),
        });
    });
    line.clear();
    let Some((thoughts, exits)) = looked? else {
        say("stopped; what was seen is kept, and the next call goes on from there");
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    };
    let replay = Replay::of(&thoughts, &exits);
    let deepconf = exits.iter().find(|e| matches!(e, Exit::Deepconf { .. }));
    let votes = match (run.settings.samples > 1, deepconf) {
        (true, Some(rule)) => votes(&thoughts, *rule),
        _ => Vec::new(),
    };
    let ways = advice::exits(&thoughts, &exits);
    let advice = Advice::of(&ways, args.lambda / 100.0, args.epsilon / 100.0);
    if let Some(out) = &args.out {
        let figure = s1_plot::policies::figure(&run.name, &replay, &votes);
        s1_plot::write(&figure, out)?;
    }
    if replay.natural.n == 0 {
        bail!(
            "the problems of this run have no reference answers, so that nothing can be said of a stop"
        );
    }
    let mut out = io::stdout().lock();
    match args.json {
        true => {
            let mut object = output(&run.name, &replay, &votes);
            object["advice"] = super::budget::output(&run.name, &advice);
            json_line(&mut out, &object)?;
        }
        false => {
            table(&replay, &votes, &mut out)?;
            super::budget::advise(&advice, &mut out)?;
            say(&format!("{:.1} s", started.elapsed().as_secs_f64()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn output(run: &str, replay: &Replay, votes: &[Vote]) -> Value {
    let line = |line: &Line| {
        json!({
            "name": line.name,
            "n": line.n,
            "correct": line.correct,
            "accuracy": line.accuracy,
            "low": line.low,
            "high": line.high,
            "thinking_tokens": line.thinking,
            "looking_tokens": line.looking,
            "left_early": line.early,
            "won": line.won,
            "lost": line.lost,
        })
    };
    let all = |lines: &[Line]| lines.iter().map(line).collect::<Vec<_>>();
    let rules = replay
        .rules
        .iter()
        .map(|(name, lines)| json!({ "rule": name, "thresholds": all(lines) }));
    let votes = votes.iter().map(|v| {
        json!({
            "k": v.k, "n": v.n, "plain": v.plain, "weighted": v.weighted, "stopped": v.stopped,
            "thinking_tokens": v.tokens, "thinking_tokens_stopped": v.tokens_stopped,
        })
    });
    json!({
        "run": run,
        "natural": line(&replay.natural),
        "oracle": line(&replay.oracle),
        "budgets": all(&replay.budgets),
        "flips": replay.flips.iter().map(|(won, lost)| json!({"won": won, "lost": lost})).collect::<Vec<_>>(),
        "converged": replay.converged,
        "rules": rules.collect::<Vec<_>>(),
        "votes": votes.collect::<Vec<_>>(),
    })
}

fn table(replay: &Replay, votes: &[Vote], out: &mut impl Write) -> io::Result<()> {
    let rules = replay.rules.iter();
    let rules: Vec<Line> = rules.flat_map(|(_, lines)| Line::merged(lines)).collect();
    let names = rules.iter().map(|line| line.name.chars().count());
    let width = names.chain([24]).max().unwrap_or_default();
    writeln!(
        out,
        "{:<width$} {:>9} {:>15} {:>9} {:>9} {:>7} {:>6} {:>5} {:>5}",
        "", "accuracy", "95 %", "thinking", "looking", "all", "early", "won", "lost"
    )?;
    let mut row = |line: &Line| {
        writeln!(
            out,
            "{:<width$} {:>8.1}% {:>6.1}% – {:>4.1}% {:>9.1} {:>9.1} {:>7.1} {:>6} {:>5} {:>5}",
            line.name,
            line.accuracy * 100.0,
            line.low * 100.0,
            line.high * 100.0,
            line.thinking,
            line.looking,
            line.tokens(),
            line.early,
            line.won,
            line.lost
        )
    };
    row(&replay.natural)?;
    row(&replay.oracle)?;
    for line in &replay.budgets {
        row(&Line {
            name: format!("budget {}", line.name),
            ..line.clone()
        })?;
    }
    rules.iter().try_for_each(&mut row)?;
    let along = replay.budgets.iter().zip(&replay.converged);
    let converged: Vec<String> = along
        .map(|(line, share)| format!("{} {:.0}%", line.name, share * 100.0))
        .collect();
    writeln!(
        out,
        "answers that no longer change from a budget on: {}",
        converged.join(" · ")
    )?;
    let pairs = replay.budgets.windows(2).zip(&replay.flips);
    let flips: Vec<String> = pairs
        .map(|(pair, (won, lost))| format!("{}→{} +{won} −{lost}", pair[0].name, pair[1].name))
        .collect();
    writeln!(out, "flips along the budgets: {}", flips.join(" · "))?;
    for vote in votes {
        writeln!(
            out,
            "vote of {}: {} of {} right at {:.0} tokens; weighted by confidence {}; with DeepConf's stop {} at {:.0}",
            vote.k,
            vote.plain,
            vote.n,
            vote.tokens,
            vote.weighted,
            vote.stopped,
            vote.tokens_stopped
        )?;
    }
    Ok(())
}
