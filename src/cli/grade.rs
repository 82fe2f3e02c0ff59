//! `s1-tui grade`: compares an answer with a reference, or a file of such pairs.
//!
//! The exit code says whether the command worked, not whether the answer is right: a verdict,
//! either way, is success.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use super::json_line;
use s1_data::records::{self, Lines};

/// What to compare, and how to print the verdict.
#[derive(Debug, Args)]
pub struct GradeArgs {
    /// The right answer, or a solution that boxes it
    #[arg(
        long,
        required_unless_present = "pairs",
        conflicts_with = "pairs",
        allow_hyphen_values = true
    )]
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
    #[serde(deserialize_with = "text_or_number")]
    reference: String,
    #[serde(deserialize_with = "text_or_number")]
    answer: String,
}

/// Data sets write `"answer": 42` as often as `"answer": "42"`.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(D::Error::custom("expected text or a number")),
    }
}

/// Runs the command.
///
/// # Errors
/// A pairs file that cannot be read, or a line of it that is not a pair (named by its number).
pub fn run(args: &GradeArgs) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match (&args.pairs, &args.reference, &args.answer) {
        (Some(path), _, _) if path == Path::new("-") => {
            let lines = records::standard_input()?;
            grade_lines(lines, "standard input", args, &mut out)
        }
        (Some(path), _, _) => {
            let name = path.display().to_string();
            let lines = records::lines(path)
                .with_context(|| format!("cannot read the pairs file {name}"))?;
            grade_lines(lines, &name, args, &mut out)
        }
        (None, Some(reference), Some(answer)) => print(reference, answer, args.json, &mut out),
        _ => bail!("give --reference and --answer, or --pairs"),
    }
}

fn grade_lines(
    mut lines: Lines<impl BufRead>,
    name: &str,
    args: &GradeArgs,
    out: &mut impl Write,
) -> Result<()> {
    while let Some((number, line)) = lines.next_line().with_context(|| name.to_owned())? {
        match line.and_then(|line| Ok(serde_json::from_slice::<Pair>(line)?)) {
            Ok(pair) => print(&pair.reference, &pair.answer, args.json, out)?,
            Err(error) if args.skip_broken => eprintln!("{name}, line {number}: skipped: {error}"),
            Err(error) => bail!(
                "{name}, line {number}: not a pair of \"reference\" and \"answer\" ({error}); --skip-broken continues with the rest"
            ),
        }
    }
    Ok(())
}

fn print(reference: &str, answer: &str, json: bool, out: &mut impl Write) -> Result<()> {
    let verdict = s1_grading::grade(reference, answer).verdict;
    if json {
        let line = json!({ "equal": verdict.equal, "reason": verdict.reason });
        json_line(out, &line)?;
    } else {
        let word = if verdict.equal { "equal" } else { "different" };
        writeln!(out, "{word}: {}", verdict.reason)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        grade: GradeArgs,
    }

    fn graded(flags: &[&str], input: &str) -> (String, Result<()>) {
        let flags = [&["grade", "--pairs", "pairs.jsonl"], flags].concat();
        let args = Command::try_parse_from(flags).unwrap().grade;
        let mut out = Vec::new();
        let lines = Lines::new(input.as_bytes());
        let result = grade_lines(lines, "pairs.jsonl", &args, &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    const PAIRS: &str = concat!(
        r#"{"reference": "\\frac12", "answer": "so \\boxed{0.5}"}"#,
        "\n\n",
        r#"{"reference": 3, "answer": "4"}"#,
    );

    #[test]
    fn a_file_of_pairs_gives_one_verdict_per_line() {
        let (out, result) = graded(&["--json"], PAIRS);
        result.unwrap();
        let expected = concat!(
            r#"{"equal":true,"reason":"same value 1/2"}"#,
            "\n",
            r#"{"equal":false,"reason":"3 ≠ 4"}"#,
            "\n"
        );
        assert_eq!(out, expected);
        let (out, _) = graded(&[], PAIRS);
        assert_eq!(out, "equal: same value 1/2\ndifferent: 3 ≠ 4\n");
    }

    #[test]
    fn a_broken_line_is_named_by_its_number() {
        let broken = format!("{PAIRS}\n{{\"reference\": 3}}\n{PAIRS}");
        let (out, result) = graded(&[], &broken);
        assert_eq!(out.lines().count(), 2);
        let message = result.unwrap_err().to_string();
        assert!(
            message.starts_with("pairs.jsonl, line 4: not a pair"),
            "{message}"
        );
        let (out, result) = graded(&["--skip-broken"], &broken);
        result.unwrap();
        assert_eq!(out.lines().count(), 4);
    }

    #[test]
    fn answers_may_begin_with_a_minus() {
        let args = Command::try_parse_from(["grade", "--reference", "-5", "--answer", "-5"]);
        assert_eq!(args.unwrap().grade.answer.as_deref(), Some("-5"));
        assert!(Command::try_parse_from(["grade", "--reference", "5"]).is_err());
        assert!(Command::try_parse_from(["grade"]).is_err());
    }
}
