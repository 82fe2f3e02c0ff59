//! `s1-tui budget`: which thinking budget to use, from a run.

use std::io::{self, Write};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::args::DbArgs;
use super::json_line;
use s1_lab::advice::{self, Advice, Way};

/// Which run, and what tokens and errors are worth.
#[derive(Debug, clap::Args)]
pub struct BudgetArgs {
    /// The run.
    #[arg(value_name = "RUN")]
    run: String,
    /// What 1,000 tokens must bring in accuracy, in points of 100: the price in "accuracy − λ · tokens".
    #[arg(long, value_name = "λ", default_value_t = 5.0, value_parser = share(0.0, 100_000.0))]
    lambda: f64,
    /// Most that may be added to the error, in points of 100.
    #[arg(long, value_name = "ε", default_value_t = 2.0, value_parser = share(0.0, 100.0))]
    epsilon: f64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
}

/// A number within limits.
pub(super) fn share(least: f64, most: f64) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| match text.parse::<f64>() {
        Ok(x) if (least..=most).contains(&x) => Ok(x),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

/// Runs the command. Errors where the run cannot be read, or says nothing about budgets.
pub fn run(args: &BudgetArgs) -> Result<()> {
    let run = args.db.open()?.run(&args.run)?;
    let ways = advice::budgets(&run);
    if ways.iter().filter(|w| !w.right.is_empty()).count() < 2 {
        bail!(
            "the run {:?} has fewer than two budgets with graded answers; make one with --budgets 0,64,128,natural on problems that have references",
            run.name
        );
    }
    let advice = Advice::of(&ways, args.lambda / 100.0, args.epsilon / 100.0);
    let mut out = io::stdout().lock();
    if args.json {
        return Ok(json_line(&mut out, &output(&run.name, &advice))?);
    }
    Ok(advise(&advice, &mut out)?)
}

/// Writes what is advised.
pub(super) fn advise(advice: &Advice, out: &mut impl Write) -> io::Result<()> {
    let place = |way: &Option<Way>| match way {
        Some(way) => format!(
            "{} ({:.1}% at {:.0} tokens)",
            way.name,
            100.0 * way.accuracy(),
            way.tokens
        ),
        None => "none: the curve does not rise".into(),
    };
    writeln!(out, "knee of the curve:            {}", place(&advice.knee))?;
    writeln!(
        out,
        "best at {} points per 1,000:   {}",
        advice.lambda * 100.0,
        place(&advice.best)
    )?;
    match (advice.sentence(), &advice.safe) {
        (Some(sentence), Some(safe)) => {
            writeln!(out, "{sentence}\n\n# config.toml")?;
            write!(out, "{}", safe.way.settings)?;
        }
        _ => writeln!(
            out,
            "There are too few graded problems to choose on one half and check on the other."
        )?,
    }
    Ok(())
}

pub(super) fn output(run: &str, advice: &Advice) -> Value {
    let way = |way: &Option<Way>| {
        way.as_ref().map(|w| {
            json!({ "name": w.name, "accuracy": w.accuracy(), "tokens": w.tokens, "settings": w.settings })
        })
    };
    let safe = advice.safe.as_ref().map(|safe| {
        json!({
            "name": safe.way.name, "settings": safe.way.settings, "tokens": safe.way.tokens,
            "chosen_on": safe.chosen_on, "checked_on": safe.checked_on,
            "added_error": safe.added, "low": safe.low, "high": safe.high,
        })
    });
    json!({
        "run": run,
        "lambda": advice.lambda,
        "epsilon": advice.epsilon,
        "knee": way(&advice.knee),
        "best": way(&advice.best),
        "safe": safe,
        "sentence": advice.sentence(),
    })
}
