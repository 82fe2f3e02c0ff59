//! `s1-tui sweep`: a problem set at several budgets and waits, every prefix computed once.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;

use super::args::{ConfigArgs, DbArgs, ModelArgs, SampleArgs, ThinkArgs, parse_cut_at};
use super::{interrupt, settings};
use crate::config::Config;
use s1_core::delimiters::Family;
use s1_core::forcing::CutAt;
use s1_core::format;
use s1_data::sanitize;
use s1_engine::{LoadOptions, catalog};
use s1_lab::problems::{ProblemOptions, ProblemSet};
use s1_lab::report::{PointStats, Report};
use s1_lab::sweep::{self, Control, Plan, Progress};
use s1_store::Db;
use s1_store::run::{Budget, PointSpec, PromptTemplate, Run};

/// Problems that decode at once, unless told otherwise: more gain little on a CPU.
const LANES: usize = 8;

/// What to compute.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui sweep --model m.gguf --problems gsm8k.jsonl --budgets 0,64,128,256,natural --waits 0,1,2 --limit 40\n  s1-tui sweep --resume m-gsm8k\n\nProblem sets: JSON lines or Parquet with the field names of GSM8K, MATH500, AIME24, GPQA, MMLU, ARC, s1K, SVAMP, ASDiv, or question and answer."
)]
pub struct Args {
    /// The problems: a .jsonl or .parquet file, bundled:held-out, or hf:OWNER/NAME[:FILE] from the
    /// hub.
    #[arg(short, long, value_name = "FILE", required_unless_present = "resume")]
    problems: Option<String>,
    /// Thinking budgets in tokens; natural is without one [default: 0,64,128,256,natural].
    #[arg(long, value_name = "B,…", value_delimiter = ',')]
    budgets: Option<Vec<Budget>>,
    /// How many attempts to end the thinking are replaced by the wait text [default: 0].
    #[arg(long, value_name = "K,…", value_delimiter = ',')]
    waits: Option<Vec<usize>>,
    /// Answers per problem and point; needs a temperature [default: 1].
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Ask this many problems, from the beginning of the set.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Most lanes that decode at once; the result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = LANES)]
    lanes: usize,
    /// Name of the run [default: made from model and problems].
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    name: Option<String>,
    /// Go on with this run; settings that are not given are the run's own.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// Print one JSON object at the end, instead of a table.
    #[arg(long)]
    json: bool,
    /// System prompt, in place of the template's own.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Appended to every question, in place of what suits the set.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    suffix: Option<String>,
    /// Field of the question, where it is not recognised.
    #[arg(long, value_name = "NAME")]
    question_field: Option<String>,
    /// Field of the answer, where it is not recognised.
    #[arg(long, value_name = "NAME")]
    answer_field: Option<String>,
    /// Field of the id, where it is not recognised.
    #[arg(long, value_name = "NAME")]
    id_field: Option<String>,
    /// Leave broken lines of the problems out, instead of refusing them.
    #[arg(long)]
    skip_broken: bool,
    /// The wait text [default: Wait].
    #[arg(long, value_name = "TEXT", help_heading = "Thinking")]
    wait_text: Option<String>,
    /// Attempts to end do not count before this many thinking tokens [default: 0].
    #[arg(long, value_name = "N", help_heading = "Thinking")]
    min_thinking: Option<usize>,
    /// Cut at the budget itself, or at the last sentence end in the N tokens before it.
    #[arg(long, value_name = "token|sentence[:N]", value_parser = parse_cut_at, help_heading = "Thinking")]
    cut_at: Option<CutAt>,
    /// Upper bound on what the model writes after its thinking [default: 512].
    #[arg(long, value_name = "N", help_heading = "Thinking")]
    answer_max: Option<usize>,
    /// Cut the thinking off when it repeats itself in a loop.
    #[arg(long, help_heading = "Thinking")]
    cut_loops: bool,
    #[command(flatten)]
    db: DbArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sample: SampleArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Output {
    run: String,
    points: Vec<OutputPoint>,
    tokens_computed: usize,
    tokens_pointwise: usize,
    wall_s: f64,
}

#[derive(Serialize)]
struct OutputPoint {
    budget: Budget,
    waits: usize,
    n: usize,
    correct: usize,
    accuracy: f64,
    low: f64,
    high: f64,
    avg_thinking_tokens: f64,
}

/// Runs the command. Errors where the model, the problems or the database cannot be used.
pub fn run(args: Args) -> Result<ExitCode> {
    let plan = plan(&args)?;
    for warning in &plan.problems.warnings {
        say(warning);
    }
    let control = Control::default();
    let cancelled = control.clone();
    interrupt::on_first(move || cancelled.cancel())?;
    let mut meter = Meter::new();
    let complete = sweep::run(&plan, &control, &mut |progress| meter.show(progress));
    meter.clear();
    let complete = complete?;
    if !complete {
        let done = Db::open_to_read(&plan.db)?
            .filter(|db| db.has_run(&plan.name).unwrap_or(false))
            .map(|db| db.done(&plan.name))
            .transpose()?;
        match done {
            Some(done) => say(&format!(
                "stopped after {} of {} problems; continue with s1-tui sweep --resume {}",
                done.len(),
                plan.problems.problems.len(),
                plan.name
            )),
            None => say("stopped before it began"),
        }
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    }
    let db = Db::open_to_read(&plan.db)?.context("the database is gone")?;
    let run = db.run(&plan.name)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &output(&run))?;
        writeln!(out)?;
    } else {
        table(&run, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the flags come to: over the settings of the run to go on with, or over the user's own.
fn plan(args: &Args) -> Result<Plan> {
    let db = args.db.path()?;
    let think = ThinkArgs {
        wait_text: args.wait_text.clone(),
        min_thinking: args.min_thinking,
        cut_at: args.cut_at,
        answer_max: args.answer_max,
        cut_loops: args.cut_loops,
        ..ThinkArgs::default()
    };
    let config = settings::load(&args.config, &args.model, &think, &args.sample)?;
    let earlier = match &args.resume {
        Some(name) => Some(args.db.open()?.run(name)?),
        None => None,
    };
    let was = earlier.as_ref().map(|run| &run.settings);
    let load = load_options(args, &config, earlier.as_ref())?;
    let source = args
        .problems
        .clone()
        .or_else(|| Some(earlier.as_ref()?.sources.problems.clone()))
        .context("which problems? give them with --problems FILE")?;
    let set = was.map(|s| &s.problems);
    let options = ProblemOptions {
        question_field: or(&args.question_field, set.map(|s| &s.question_field)),
        answer_field: or(&args.answer_field, set.map(|s| &s.answer_field)),
        id_field: or(&args.id_field, set.map(|s| &s.id_field)),
        skip_broken: args.skip_broken || set.is_some_and(|s| s.skipped > 0),
        limit: args.limit.or(set.map(|s| s.count)),
    };
    let problems = ProblemSet::load(&source, &options)?;
    let prompt = set.map_or_else(
        || PromptTemplate {
            system: config.system.clone(),
            ..problems.prompt.clone()
        },
        |s| s.prompt.clone(),
    );
    let (policy, sampling) = match was {
        Some(s) => (
            think.over(s.policy.clone()),
            args.sample.over(s.sampling.clone()),
        ),
        None => (config.policy, config.sampling),
    };
    sampling.validate()?;
    let name = match (&args.resume, &args.name) {
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => free_name(&db, &load.path, &problems.name)?,
    };
    Ok(Plan {
        points: points(args, was.map(|s| &s.points[..])),
        samples: args.samples.or(was.map(|s| s.samples)).unwrap_or(1),
        prompt: PromptTemplate {
            system: args.system.clone().unwrap_or(prompt.system),
            suffix: args.suffix.clone().unwrap_or(prompt.suffix),
        },
        resume: args.resume.is_some(),
        lanes: args.lanes,
        load,
        problems,
        source,
        options,
        policy,
        sampling,
        name,
        db,
    })
}

fn or(flag: &Option<String>, was: Option<&Option<String>>) -> Option<String> {
    flag.clone().or_else(|| was.cloned().flatten())
}

fn load_options(args: &Args, config: &Config, earlier: Option<&Run>) -> Result<LoadOptions> {
    let Some(run) = earlier else {
        return settings::load_options(config);
    };
    let was = &run.settings.model;
    let flags = &args.model;
    let family = Family::ALL
        .into_iter()
        .find(|family| family.name() == was.card.family);
    Ok(LoadOptions {
        path: flags
            .model
            .clone()
            .unwrap_or_else(|| run.sources.model.clone().into()),
        context: flags.context.or(Some(was.context)),
        family: flags.family.map(Into::into).or(family),
        think_open: or(&flags.think_open, Some(&was.think_open)),
        think_end: or(&flags.think_end, Some(&was.think_end)),
        think_close: or(&flags.think_close, Some(&was.think_close)),
        adapter: flags
            .adapter
            .clone()
            .or_else(|| run.sources.adapter.clone().map(Into::into)),
        device: flags
            .device
            .or_else(|| was.device.parse().ok())
            .unwrap_or(config.device),
    })
}

/// Every budget with every number of waits, each once.
fn points(args: &Args, was: Option<&[PointSpec]>) -> Vec<PointSpec> {
    if let (None, None, Some(points)) = (&args.budgets, &args.waits, was) {
        return points.to_vec();
    }
    let natural = [0, 64, 128, 256].map(Budget::Tokens);
    let budgets = args.budgets.clone().unwrap_or_else(|| match was {
        Some(points) => points.iter().map(|p| p.budget).collect(),
        None => natural.into_iter().chain([Budget::Natural]).collect(),
    });
    let waits = args.waits.clone().unwrap_or_else(|| match was {
        Some(points) => points.iter().map(|p| p.waits).collect(),
        None => vec![0],
    });
    let mut points = Vec::new();
    for &waits in &waits {
        for &budget in &budgets {
            let point = PointSpec { budget, waits };
            if !points.contains(&point) {
                points.push(point);
            }
        }
    }
    points
}

/// A name that no run has: model and problems, with a number if there is such a run.
fn free_name(db: &Path, model: &Path, problems: &str) -> Result<String> {
    let plain = |text: &str| -> String {
        let kept = text.chars().map(|c| {
            if c.is_alphanumeric() || "._".contains(c) {
                c
            } else {
                '-'
            }
        });
        kept.take(40).collect()
    };
    let base = format!("{}-{}", plain(&catalog::called(model)), plain(problems));
    let Some(db) = Db::open_to_read(db)? else {
        return Ok(base);
    };
    let mut name = base.clone();
    for number in 2.. {
        if !db.has_run(&name)? {
            break;
        }
        name = format!("{base}-{number}");
    }
    Ok(name)
}

pub(super) fn say(text: &str) {
    eprintln!("s1-tui: {}", sanitize::clean_line(text));
}

/// Progress on standard error: one line that is rewritten on a terminal; elsewhere a
/// line per row, or per hundredth of the rows.
pub(super) struct Meter {
    terminal: bool,
    done: usize,
    total: usize,
    speed: String,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter {
            terminal: io::stderr().is_terminal(),
            done: 0,
            total: 0,
            speed: String::new(),
        }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Loading(part) if self.terminal => {
                eprint!("\r\x1b[Kloading {:.0} %", part * 100.0);
            }
            Progress::Loading(_) | Progress::Paused(_) => {}
            Progress::Started {
                run,
                model,
                done,
                total,
            } => {
                (self.done, self.total) = (done, total);
                self.clear();
                let again = match done {
                    0 => String::new(),
                    done => format!(", {done} of them done before"),
                };
                say(&format!(
                    "run {}: {total} problems{again}, {} ({})",
                    run.name, model.name, model.quantization
                ));
            }
            Progress::Row { done, total, .. } => {
                (self.done, self.total) = (done, total);
                self.line();
                // A log of thousands of rows is not read: a hundred lines tell as much.
                if !self.terminal && (done.is_multiple_of(total.div_ceil(100)) || done == total) {
                    eprintln!("{done}/{total}{}", self.speed);
                }
            }
            Progress::Speed { tokens_per_s, left } => {
                let left = left.map_or(String::new(), |left| {
                    format!(", {} left", format::duration(left.as_secs_f64()))
                });
                self.speed = format!(" · {tokens_per_s:.0} tok/s{left}");
                self.line();
            }
            Progress::Notice(why) => {
                self.clear();
                say(&why);
            }
        }
    }

    fn line(&self) {
        if self.terminal {
            eprint!("\r\x1b[K{}/{}{}", self.done, self.total, self.speed);
        }
    }

    pub(super) fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

fn output(run: &Run) -> Output {
    let report = Report::of(run);
    let point = |point: &PointStats| OutputPoint {
        budget: point.spec.budget,
        waits: point.spec.waits,
        n: point.n,
        correct: point.correct,
        accuracy: point.accuracy,
        low: point.low,
        high: point.high,
        avg_thinking_tokens: point.avg_thinking_tokens,
    };
    Output {
        run: run.name.clone(),
        points: report.points.iter().map(point).collect(),
        tokens_computed: report.computed,
        tokens_pointwise: report.pointwise,
        wall_s: run.wall.as_secs_f64(),
    }
}

/// The run as a table, with what it cost.
pub(super) fn table(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let report = Report::of(run);
    writeln!(
        out,
        "{:>8} {:>5} {:>5} {:>8} {:>9} {:>15} {:>9} {:>7}",
        "budget", "waits", "n", "correct", "accuracy", "95 %", "thinking", "forced"
    )?;
    for point in &report.points {
        writeln!(
            out,
            "{:>8} {:>5} {:>5} {:>8} {:>8.1}% {:>6.1}% – {:>4.1}% {:>9.1} {:>7}",
            point.spec.budget,
            point.spec.waits,
            point.n,
            point.correct,
            point.accuracy * 100.0,
            point.low * 100.0,
            point.high * 100.0,
            point.avg_thinking_tokens,
            point.forced
        )?;
    }
    for line in report.metrics() {
        let share = |x: Option<f64>| x.map_or("–".into(), |x| format!("{:.1} %", x * 100.0));
        let slope =
            |x: Option<f64>| x.map_or("–".into(), |x| format!("{:+.2} %/token", x * 100.0));
        writeln!(
            out,
            "waits {}: control {}, scaling {}, performance {}",
            line.waits,
            share(line.control),
            slope(line.scaling),
            share(Some(line.performance))
        )?;
    }
    let (computed, pointwise, floor) = (report.computed, report.pointwise, report.floor);
    let share = |a: usize, b: usize| a as f64 / b.max(1) as f64 * 100.0;
    writeln!(
        out,
        "{computed} tokens computed, {:.1} % of the {pointwise} that point by point would take, {:.1} % above the least possible; {:.1} s",
        share(computed, pointwise),
        share(computed, floor) - 100.0,
        run.wall.as_secs_f64()
    )
}
