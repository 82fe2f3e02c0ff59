//! `s1-tui grade`: compares an answer with a reference, or a file of such pairs.
//!
//! The exit code says whether the command worked, not whether the answer is right: a verdict,
//! either way, is success.

use crate::grading;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// The longest line of a pairs file, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// What to compare, and how to print the verdict.
#[derive(Debug, Args)]
pub struct GradeArgs {
    /// The right answer, or a solution that boxes it
    #[arg(long, required_unless_present = "pairs", conflicts_with = "pairs")]
    reference: Option<String>,
    /// The answer to judge: the bare answer, or a text that holds it
    #[arg(
        long,
        required_unless_present = "pairs",
        conflicts_with = "pairs",
        allow_hyphen_values = true
    )]
    answer: Option<String>,
    /// A JSONL file of {"reference": …, "answer": …}; "-" reads standard input
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Name broken lines of the file on standard error and go on with the rest
    #[arg(long, requires = "pairs")]
    skip_broken: bool,
    /// Print {"equal": …, "reason": …}, one line per pair
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Pair {
    reference: String,
    answer: String,
}

#[derive(Serialize)]
struct Line<'a> {
    equal: bool,
    reason: &'a str,
}

/// Runs the command.
///
/// # Errors
/// A pairs file that cannot be read, or a line of it that is not a pair (named by its number).
pub fn run(args: &GradeArgs) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match (&args.pairs, &args.reference, &args.answer) {
        (Some(path), _, _) if path == Path::new("-") => {
            grade_lines(std::io::stdin().lock(), "standard input", args, &mut out)
        }
        (Some(path), _, _) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path)
                .with_context(|| format!("cannot read the pairs file {name}"))?;
            grade_lines(BufReader::new(file), &name, args, &mut out)
        }
        (None, Some(reference), Some(answer)) => print(reference, answer, args.json, &mut out),
        _ => bail!("give --reference and --answer, or --pairs"),
    }
}

fn grade_lines(
    mut input: impl BufRead,
    name: &str,
    args: &GradeArgs,
    out: &mut impl Write,
) -> Result<()> {
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        let read = input
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read {name} at line {number}"))?;
        if read == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if read as u64 == MAX_LINE && !line.ends_with(b"\n") {
            bail!("{name}, line {number}: longer than {MAX_LINE} bytes");
        }
        match serde_json::from_slice::<Pair>(&line) {
            Ok(pair) => print(&pair.reference, &pair.answer, args.json, out)?,
            Err(error) if args.skip_broken => eprintln!("{name}, line {number}: skipped: {error}"),
            Err(error) => bail!(
                "{name}, line {number}: not a pair of \"reference\" and \"answer\" ({error}); --skip-broken goes on with the rest"
            ),
        }
    }
    Ok(())
}

fn print(reference: &str, answer: &str, json: bool, out: &mut impl Write) -> Result<()> {
    let verdict = grading::grade(reference, answer).verdict;
    if json {
        let line = Line {
            equal: verdict.equal,
            reason: &verdict.reason,
        };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    } else {
        let word = if verdict.equal { "equal" } else { "different" };
        writeln!(out, "{word}: {}", verdict.reason)?;
    }
    Ok(())
}
