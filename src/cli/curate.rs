//! `s1-tui curate`: the lines of a pool that are worth training on.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::args::{DbArgs, JudgeFlags, number};
use super::given::{Apply, GivenFlags};
use super::sweep::SweepMeter;
use super::{interrupt, json_line, say, settings};
use crate::config::Config;
use s1_data::sanitize;
use s1_engine::LoadOptions;
use s1_lab::curate::{
    self, CurationMethod, CurationOutcome, CurationPlan, CurationProgress, Stage,
};
use s1_store::run::Budget;

/// Domains that the summary names.
const NAMED: usize = 8;
/// More lines than any pool has.
const MANY: u64 = 1 << 40;

/// What to curate, and how.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui curate --pool gsm8k-train.jsonl --keep 1000 --small bundled:reasoner --against gsm8k-test.jsonl --out kept.jsonl\n  s1-tui curate --pool s1K-1.1.jsonl --keep 200 --small a.gguf --large b.gguf --thinking natural --out kept.jsonl\n  s1-tui curate --pool bundled:traces --keep 200 --method random --out random.jsonl\n\nStages: pool, quality, decontamination (--against), small and large (what these models answer right is dropped), diversity (a domain for each question), draw (a domain at random, then a problem in it with weight 2^-rank, longest trace first). The models' answers are kept in the database of runs: the same command goes on after any interruption, and asks nothing twice.\n\nMethods: s1 runs all stages; random, longest and diverse are the paper's ablations: they draw from what passes quality and decontamination, whatever the models solve; diverse draws a domain at random and any problem in it."
)]
pub struct CurateArgs {
    /// The pool: a .jsonl or .parquet file with question/thinking/answer, s1K's fields, GSM8K,
    /// MATH or messages; hf:OWNER/NAME[:FILE] from the hub; or bundled:traces.
    #[arg(short, long, value_name = "FILE")]
    pool: PathBuf,
    /// Lines to keep; it is an error if fewer are left.
    #[arg(short, long, value_name = "N", default_value_t = 1000, value_parser = number(1, MANY))]
    keep: usize,
    /// Where the kept lines go, as they are in the pool.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Where every item's stage and reason go, one JSON line each [default: OUT with
    /// .reasons.jsonl].
    #[arg(long, value_name = "FILE")]
    reasons: Option<PathBuf>,
    /// How the kept ones are chosen.
    #[arg(long, value_parser = methods(), default_value = "s1")]
    method: CurationMethod,
    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Look at N items only, drawn by the seed.
    #[arg(long, value_name = "N", value_parser = number(1, MANY))]
    pool_limit: Option<usize>,
    /// Leave broken lines out, instead of refusing the file.
    #[arg(long)]
    skip_broken: bool,
    /// Print one JSON object: stages, domains, what was kept.
    #[arg(long)]
    json: bool,
    /// An evaluation set that must not leak into the result; may be given several times.
    #[arg(long, value_name = "FILE", help_heading = "Decontamination")]
    against: Vec<String>,
    /// Words in a row that make an overlap.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = number(1, 1_000),
        help_heading = "Decontamination"
    )]
    ngram: usize,
    /// What this model (GGUF, bundled:base, bundled:reasoner, a server's address) answers right is dropped.
    #[arg(long, value_name = "MODEL", help_heading = "Difficulty")]
    small: Option<PathBuf>,
    /// What this model answers right is dropped, too; it is asked what the small one left.
    #[arg(long, value_name = "MODEL", help_heading = "Difficulty")]
    large: Option<PathBuf>,
    /// Thinking tokens the models may use; 0 answers at once, natural is without a bound.
    #[arg(
        long,
        value_name = "N|natural",
        default_value = "512",
        help_heading = "Difficulty"
    )]
    thinking: Budget,
    /// Tokens an answer may have.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        value_parser = number(1, 1_000_000),
        help_heading = "Difficulty"
    )]
    answer_max: usize,
    /// Most questions that are asked at once; the result does not depend on it.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = number(1, 1_024),
        help_heading = "Difficulty"
    )]
    lanes: usize,
    #[command(flatten)]
    judges: GivenFlags<JudgeFlags>,
    /// Field that names a question's domain [default: domain, cot_type, subject, type, family or
    /// source_type; else clusters].
    #[arg(long, value_name = "NAME", help_heading = "Diversity")]
    domain_field: Option<String>,
    /// Clusters, where no field names the domain; at most one for ten items.
    #[arg(
        long,
        value_name = "K",
        default_value_t = 50,
        value_parser = number(1, MANY),
        help_heading = "Diversity"
    )]
    domains: usize,
    /// Model whose embeddings are clustered and whose tokens measure traces [default: the large or
    /// the small one; without any, words].
    #[arg(long, value_name = "MODEL", help_heading = "Diversity")]
    embed: Option<PathBuf>,
    #[command(flatten)]
    db: DbArgs,
}

/// Reads a method by its name.
fn methods() -> impl TypedValueParser<Value = CurationMethod> {
    use CurationMethod::{Diverse, Longest, Random, S1};
    let all = [
        (S1, "Difficulty and diversity, longer traces preferred"),
        (Random, "Any"),
        (Longest, "The longest traces"),
        (Diverse, "A domain at random, any item within it"),
    ];
    let words = all.map(|(method, about)| PossibleValue::new(method.name()).help(about));
    PossibleValuesParser::new(words).map(move |name| {
        let named = all.iter().find(|(method, _)| method.name() == name);
        named.map_or(S1, |(method, _)| *method)
    })
}

/// Runs the command. Errors where the pool, a model, a set or the database cannot be used, too few
/// items are left, or the result cannot be written.
pub fn run(args: &CurateArgs) -> Result<ExitCode> {
    let mut config = Config::default();
    args.judges.apply(&mut config)?;
    settings::set_threads(config.threads);
    let plan = plan(args, &config.load)?;
    let reasons = match &args.reasons {
        Some(path) => path.clone(),
        None => args.out.with_extension("reasons.jsonl"),
    };
    if same(&args.out, &plan.pool) || same(&reasons, &plan.pool) {
        bail!("the result would take the place of the pool; give another --out");
    }
    if same(&args.out, &reasons) {
        bail!("--out and --reasons are the same file; give another --reasons");
    }
    if !plan.method.uses_models() && (plan.small.is_some() || plan.large.is_some()) {
        say(&format!(
            "method {} asks no model; --small and --large only lend their tokens and embeddings",
            plan.method.name()
        ));
    }
    let control = interrupt::control()?;
    let mut meter = SweepMeter::new();
    eprintln!(
        "{:<16} {:>7} {:>7} {:>9}  why",
        "stage", "in", "out", "time"
    );
    let outcome = curate::run(&plan, &control, &mut |progress| match progress {
        CurationProgress::Began(_) => {}
        CurationProgress::Solving { progress, .. } => meter.show(progress),
        CurationProgress::Stage(stage) => {
            meter.clear();
            eprintln!("{}", row(&stage));
        }
        CurationProgress::Notice(why) => {
            meter.clear();
            say(&why);
        }
    });
    meter.clear();
    let Some(outcome) = outcome? else {
        say("stopped; nothing was written, and the same command continues where it was");
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    };
    outcome.save(&args.out, &reasons)?;
    summary(&outcome);
    say(&format!(
        "kept {} of {} in {}; every item's reason is in {}",
        outcome.lines.len(),
        outcome.items.len(),
        args.out.display(),
        reasons.display()
    ));
    if args.json {
        let object = json!({
            "stages": outcome.stages,
            "kept": outcome.lines.len(),
            "domains": outcome.domains,
            "domains_by": outcome.domains_by,
            "method": outcome.method,
            "seed": outcome.seed,
            "length_unit": outcome.unit,
            "out": args.out.display().to_string(),
            "reasons": reasons.display().to_string(),
        });
        json_line(&mut io::stdout().lock(), &object)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &CurateArgs, options: &LoadOptions) -> Result<CurationPlan> {
    let load = |path: &PathBuf| LoadOptions {
        path: path.clone(),
        ..options.clone()
    };
    Ok(CurationPlan {
        pool: args.pool.clone(),
        keep: args.keep,
        seed: args.seed,
        method: args.method,
        pool_limit: args.pool_limit,
        skip_broken: args.skip_broken,
        against: args.against.clone(),
        ngram: args.ngram,
        small: args.small.as_ref().map(load),
        large: args.large.as_ref().map(load),
        thinking: args.thinking,
        answer_max: args.answer_max,
        lanes: args.lanes,
        domain_field: args.domain_field.clone(),
        domains: args.domains,
        embed: args.embed.clone(),
        db: args.db.path()?,
    })
}

/// Whether two paths name one file that exists, or will be.
fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// A stage as a line of the table.
fn row(stage: &Stage) -> String {
    let reasons = stage.reasons.iter();
    let mut why: Vec<String> = reasons.map(|(r, n)| format!("{n} {}", r.text())).collect();
    if let Some(note) = &stage.note {
        why.push(format!("({})", sanitize::clean_line(note)));
    }
    format!(
        "{:<16} {:>7} {:>7} {:>7.1} s  {}",
        stage.stage.name(),
        stage.input,
        stage.output,
        stage.seconds,
        why.join(", ")
    )
}

/// The largest domains.
fn summary(outcome: &CurationOutcome) {
    if outcome.domains.is_empty() {
        return;
    }
    eprintln!("\n{:<40} {:>7} {:>7}", "domain", "pool", "kept");
    for domain in outcome.domains.iter().take(NAMED) {
        let name: String = sanitize::clean_line(&domain.domain)
            .chars()
            .take(40)
            .collect();
        eprintln!("{name:<40} {:>7} {:>7}", domain.pool, domain.kept);
    }
    if let Some(more) = outcome.domains.len().checked_sub(NAMED).filter(|n| *n > 0) {
        eprintln!("… and {more} more");
    }
}
