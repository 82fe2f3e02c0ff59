//! `s1-tui sweep`: a problem set at several budgets and waits, every prefix computed once.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::args::{
    ConfigArgs, DbArgs, ModelFlags, PointFlags, SampleFlags, SweepFlags, SystemFlag,
};
use super::given::{Apply, GivenFlags};
use super::status::StatusLine;
use super::{interrupt, json_line, say, settings};
use crate::config::Config;
use s1_core::forcing::Policy;
use s1_core::format;
use s1_data::records;
use s1_engine::catalog;
use s1_lab::problems::ProblemSet;
use s1_lab::report::{PointStats, Report};
use s1_lab::sweep::{self, Plan, Progress, SweepConfig};
use s1_store::Db;
use s1_store::run::{PromptTemplate, Run, RunSettings};

/// What to compute.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("problems", |problems| problems.required_unless_present("resume")),
    mut_arg("name", |name| name.conflicts_with("resume")),
    after_help = "Examples:\n  s1-tui sweep --model m.gguf --problems gsm8k.jsonl --budgets 0,64,128,256,natural --waits 0,1,2 --limit 40\n  s1-tui sweep --resume m-gsm8k\n\nProblem sets: JSON lines or Parquet with the field names of GSM8K, MATH500, AIME24, GPQA, MMLU, ARC, s1K, SVAMP, ASDiv, or question and answer."
)]
pub struct SweepArgs {
    /// Go on with this run; settings that are not given are the run's own.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// Print one JSON object at the end, instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    sweep: GivenFlags<SweepFlags>,
    #[command(flatten)]
    system: GivenFlags<SystemFlag>,
    #[command(flatten)]
    think: GivenFlags<PointFlags>,
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    #[command(flatten)]
    sample: GivenFlags<SampleFlags>,
}

/// Runs the command. Errors where the model, the problems or the database cannot be used.
pub fn run(args: SweepArgs) -> Result<ExitCode> {
    let plan = plan(&args)?;
    for warning in &plan.problems.warnings {
        say(warning);
    }
    let control = interrupt::control()?;
    let mut meter = SweepMeter::new();
    let complete = sweep::run(&plan, &control, &mut |progress| meter.show(progress));
    meter.clear();
    let complete = complete?;
    if !complete {
        let db = Db::open_to_read(&plan.db)?;
        match db.filter(|db| db.has_run(&plan.name).unwrap_or(false)) {
            Some(db) => {
                let begun = match db.open_rows(&plan.name)?.len() {
                    0 => String::new(),
                    n => format!(" and inside {n} more"),
                };
                say(&format!(
                    "stopped after {} of {} problems{begun}; continue with s1-tui sweep --resume {}",
                    db.done(&plan.name)?.len(),
                    plan.problems.problems.len(),
                    plan.name
                ));
            }
            None => say("stopped before it began"),
        }
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    }
    let db = Db::open_to_read(&plan.db)?.context("the database is gone")?;
    let run = db.run(&plan.name)?;
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &output(&run))?;
    } else {
        table(&run, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the flags come to: over the settings of the run to go on with, or over the user's own.
fn plan(args: &SweepArgs) -> Result<Plan> {
    let db = args.db.path()?;
    let flags: [&dyn Apply<Config>; 4] = [&args.system, &args.think, &args.model, &args.sample];
    let mut config = settings::load(&args.config, &flags)?;
    let earlier = match &args.resume {
        Some(name) => Some(args.db.open()?.run(name)?),
        None => None,
    };
    let mut sweep = SweepConfig::default();
    if let Some(run) = &earlier {
        restore(run, &mut config, &mut sweep);
        flags
            .iter()
            .try_for_each(|given| given.apply(&mut config))?;
    }
    args.sweep.apply(&mut sweep)?;
    let load = settings::load_options(&config)?;
    let path = sweep.problems.as_ref();
    let path = path.context("which problems? give them with --problems FILE")?;
    let source = path.display().to_string();
    let options = sweep.options();
    // A run records its problems' hash, and is resumed with them.
    records::require_file(source.as_ref())?;
    let problems = ProblemSet::load(&source, &options)?;
    let points = match &earlier {
        Some(run) if !(args.sweep.has("budgets") || args.sweep.has("waits")) => {
            run.settings.points.clone()
        }
        _ => sweep.points(),
    };
    let name = match (&args.resume, &sweep.name) {
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => free_name(&db, &load.path, &problems.name)?,
    };
    Ok(Plan {
        points,
        samples: sweep.samples,
        prompt: PromptTemplate {
            system: config.request.system,
            suffix: sweep
                .suffix
                .unwrap_or_else(|| problems.prompt.suffix.clone()),
        },
        resume: args.resume.is_some(),
        lanes: sweep.lanes,
        threads: None,
        load,
        problems,
        source,
        options,
        policy: match &earlier {
            Some(_) => config.request.policy,
            // A point without thinking is a thought cut at once, or it would not be on the curve.
            None => Policy {
                think: true,
                ..config.request.policy
            },
        },
        sampling: config.request.sampling,
        name,
        db,
    })
}

/// What a run was made with.
fn restore(run: &Run, config: &mut Config, sweep: &mut SweepConfig) {
    let RunSettings {
        problems,
        policy,
        sampling,
        ..
    } = run.settings.clone();
    config.request.policy = policy;
    config.request.sampling = sampling;
    config.request.system = problems.prompt.system;
    config.load = sweep::model_of(run, &config.load);
    *sweep = SweepConfig {
        problems: Some(run.sources.problems.clone().into()),
        budgets: distinct(run.settings.points.iter().map(|p| p.budget)),
        waits: distinct(run.settings.points.iter().map(|p| p.waits)),
        limit: Some(problems.count),
        samples: run.settings.samples,
        suffix: Some(problems.prompt.suffix),
        question_field: problems.question_field,
        answer_field: problems.answer_field,
        id_field: problems.id_field,
        skip_broken: problems.skipped > 0,
        ..SweepConfig::default()
    };
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for item in items {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    distinct
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

/// Progress on standard error: one line that is rewritten on a terminal; elsewhere a
/// line per row, or per hundredth of the rows.
pub(super) struct SweepMeter {
    status: StatusLine,
    done: usize,
    total: usize,
    speed: String,
}

impl SweepMeter {
    pub(super) fn new() -> SweepMeter {
        SweepMeter {
            status: StatusLine::new(),
            done: 0,
            total: 0,
            speed: String::new(),
        }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Loading(part) => {
                self.status.show(&format!("loading {:.0}%", part * 100.0));
            }
            Progress::Paused(_) => {}
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
                if !self.status.is_live()
                    && (done.is_multiple_of(total.div_ceil(100)) || done == total)
                {
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

    fn line(&mut self) {
        let text = format!("{}/{}{}", self.done, self.total, self.speed);
        self.status.show(&text);
    }

    pub(super) fn clear(&mut self) {
        self.status.clear();
    }
}

/// The object that `--json` prints.
fn output(run: &Run) -> Value {
    let report = Report::of(run);
    let point = |point: &PointStats| {
        json!({
            "budget": point.spec.budget,
            "waits": point.spec.waits,
            "n": point.n,
            "correct": point.correct,
            "accuracy": point.accuracy,
            "low": point.low,
            "high": point.high,
            "avg_thinking_tokens": point.avg_thinking_tokens,
            "avg_answer_tokens": point.avg_answer_tokens,
            "avg_looking_tokens": point.avg_looking_tokens,
            "outcomes": {
                "samples": point.outcomes.samples,
                "answered": point.outcomes.answered,
                "without_answer": point.outcomes.missing,
                "cut_short": point.outcomes.cut_short,
                "reasoned_on": point.outcomes.leaked,
                "ended_twice": point.outcomes.second_end,
                "not_looked_at": point.outcomes.unknown,
            },
            "accuracy_of_answered": point.outcomes.accuracy_of_answered(),
        })
    };
    json!({
        "run": run.name,
        "points": report.points.iter().map(point).collect::<Vec<_>>(),
        "tokens_computed": report.computed,
        "tokens_pointwise": report.pointwise,
        "wall_s": run.wall.as_secs_f64(),
    })
}

/// The run as a table, with what it cost.
pub(super) fn table(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let report = Report::of(run);
    writeln!(
        out,
        "{:>8} {:>5} {:>5} {:>8} {:>9} {:>15} {:>9} {:>9} {:>7} {:>7}  answers",
        "budget",
        "waits",
        "n",
        "correct",
        "accuracy",
        "95 %",
        "answered",
        "thinking",
        "answer",
        "forced"
    )?;
    for point in &report.points {
        writeln!(
            out,
            "{:>8} {:>5} {:>5} {:>8} {:>8.1}% {:>6.1}% – {:>4.1}% {:>9} {:>9.1} {:>7.1} {:>7}  {}",
            point.spec.budget,
            point.spec.waits,
            point.n,
            point.correct,
            point.accuracy * 100.0,
            point.low * 100.0,
            point.high * 100.0,
            point
                .outcomes
                .accuracy_of_answered()
                .map_or("–".into(), |x| format!("{:.1}%", x * 100.0)),
            point.avg_thinking_tokens,
            point.avg_answer_tokens,
            point.forced,
            match point.outcomes.is_clean() {
                true => "all given".into(),
                false => point.outcomes.words(),
            }
        )?;
    }
    if report.points.iter().any(|p| p.avg_looking_tokens > 0.0) {
        let looking = report
            .points
            .iter()
            .map(|p| format!("{} {:.1}", p.spec, p.avg_looking_tokens));
        let looking: Vec<String> = looking.collect();
        writeln!(
            out,
            "tokens that the early exit took to look, on average: {}",
            looking.join(" · ")
        )?;
    }
    for line in report.metrics() {
        let share = |x: Option<f64>| x.map_or("–".into(), |x| format!("{:.1}%", x * 100.0));
        let slope =
            |x: Option<f64>| x.map_or("–".into(), |x| format!("{:+.2}%/token", x * 100.0));
        writeln!(
            out,
            "waits {}: control {}, scaling {}, performance {}",
            line.waits,
            share(line.control),
            slope(line.scaling),
            share(Some(line.performance))
        )?;
    }
    if let Some(long) = report.long_answers() {
        writeln!(
            out,
            "{long}: some of the thinking is in the answers; s1-tui plot {} --x all counts it",
            run.name
        )?;
    }
    let (computed, pointwise, floor) = (report.computed, report.pointwise, report.floor);
    let share = |a: usize, b: usize| a as f64 / b.max(1) as f64 * 100.0;
    writeln!(
        out,
        "{computed} tokens computed, {:.1}% of the {pointwise} that point by point would take, {:.1}% above the least possible; {:.1} s",
        share(computed, pointwise),
        share(computed, floor) - 100.0,
        run.wall.as_secs_f64()
    )
}
