//! `s1-tui export`: a run's samples for other programs.
//!
//! The layout is that of the sample logs of lm-evaluation-harness (`samples_TASK.jsonl`), with
//! the point and the token counts added: `doc_id`, `doc`, `target`, `arguments`, `resps`,
//! `filtered_resps`, `exact_match`. As `eval/compute_sample_stats.py` of the s1 repository tells
//! thinking from answer by s1's delimiters in `filtered_resps`, these stand there whatever the
//! model's own are; `resps` has the text as it was written.

use std::io::{self, BufWriter, Write};

use anyhow::{Result, bail};
use serde_json::json;

use super::args::{DbArgs, number};
use super::json_line;
use s1_core::trace::{Phase, Token};
use s1_store::Db;
use s1_store::run::{Budget, Row, Run, Sample};

/// Which run, and which of its points.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The run.
    #[arg(value_name = "RUN")]
    run: String,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::LmEval)]
    format: Format,
    /// Only points with this budget.
    #[arg(long, value_name = "B")]
    budget: Option<Budget>,
    /// Only points with this many waits.
    #[arg(long, value_name = "K", value_parser = number(0, 1_000_000))]
    waits: Option<usize>,
    #[command(flatten)]
    db: DbArgs,
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Sample logs of lm-evaluation-harness, one line per problem and point.
    LmEval,
}

/// Runs the command. Errors where there is no such run or point, or it cannot be read.
pub fn run(args: &ExportArgs) -> Result<()> {
    let db = args.db.open()?;
    let run = db.run(&args.run)?;
    let points: Vec<usize> = (0..run.settings.points.len())
        .filter(|&i| {
            let point = run.settings.points[i];
            args.budget.is_none_or(|b| b == point.budget)
                && args.waits.is_none_or(|w| w == point.waits)
        })
        .collect();
    if points.is_empty() {
        let all = run.settings.points.iter().map(ToString::to_string);
        let all: Vec<String> = all.collect();
        bail!(
            "run {:?} has no such point; it has: {}",
            run.name,
            all.join(", ")
        );
    }
    let Format::LmEval = args.format;
    let mut out = BufWriter::new(io::stdout().lock());
    for point in points {
        for row in &run.rows {
            let samples: Vec<&Sample> = row.samples.iter().filter(|s| s.point == point).collect();
            if !samples.is_empty() {
                json_line(&mut out, &line(&db, &run, row, &samples)?)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// One problem at one point; the samples are the harness's repeats.
fn line(db: &Db, run: &Run, row: &Row, samples: &[&Sample]) -> Result<serde_json::Value> {
    let mut texts = Vec::new();
    let mut responses = Vec::new();
    for sample in samples {
        let tokens = db.trace(sample.trace)?;
        texts.push(tokens.iter().map(|t| t.text.as_str()).collect::<String>());
        responses.push(response(&tokens));
    }
    let exact = |sample: &&Sample| sample.correct.map(u8::from);
    let counts = |f: fn(&Sample) -> usize| samples.iter().map(|s| f(s)).collect::<Vec<_>>();
    let first = samples[0];
    let point = run.settings.points[first.point];
    let policy = run.settings.policy_of(point);
    let answers: Vec<&str> = samples
        .iter()
        .map(|s| s.answer.as_deref().unwrap_or_default())
        .collect();
    Ok(json!({
        "doc_id": row.problem,
        "doc": { "id": row.id, "question": row.question, "answer": row.reference },
        "target": row.reference,
        "arguments": { "gen_args_0": {
            "arg_0": row.question,
            "arg_1": {
                "max_tokens_thinking": policy.max_thinking,
                "thinking_n_ignore": policy.waits,
                "thinking_n_ignore_str": policy.wait_text,
                "temperature": run.settings.sampling.temperature,
                "max_gen_toks": policy.answer_max,
            },
        }},
        "resps": [texts],
        "filtered_resps": responses,
        "extracted_answers": answers,
        "exact_match": exact(&first),
        "exact_matches": samples.iter().map(exact).collect::<Vec<_>>(),
        "budget": point.budget,
        "waits": point.waits,
        "thinking_tokens": counts(|s| s.thinking),
        "answer_tokens": counts(|s| s.answer_tokens),
        "looking_tokens": counts(|s| s.looking),
        "stop": samples.iter().map(|s| s.stop.name()).collect::<Vec<_>>(),
        "reasoned_on": samples.iter().map(|s| s.leaked).collect::<Vec<_>>(),
        "ended_twice": samples.iter().map(|s| s.second_end).collect::<Vec<_>>(),
    }))
}

/// A trace between s1's delimiters, which stand on lines of their own.
fn response(tokens: &[Token]) -> String {
    let text = |phase: Phase| -> String {
        let own = |t: &&Token| t.phase == phase && !t.is_delimiter();
        let texts = tokens.iter().filter(own).map(|t| t.text.as_str());
        texts.collect()
    };
    let answer = text(Phase::Answer);
    let answer = answer.trim_start_matches('\n');
    match text(Phase::Thinking).trim_end_matches('\n') {
        "" => format!("<|im_start|>answer\n{answer}"),
        thinking => format!("<|im_start|>think\n{thinking}\n<|im_start|>answer\n{answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::trace::Reason;

    fn token(text: &str, phase: Phase, reason: Option<Reason>) -> Token {
        Token {
            reason,
            ..Token::new(0, text, phase)
        }
    }

    #[test]
    fn thinking_and_answer_stand_between_the_delimiters_of_s1() {
        let thought = [
            token("1+1\n", Phase::Thinking, None),
            token("=2\n", Phase::Thinking, None),
            token("</think>", Phase::Answer, Some(Reason::NaturalEnd)),
            token("\n\n", Phase::Answer, None),
            token("2", Phase::Answer, None),
        ];
        assert_eq!(
            response(&thought),
            "<|im_start|>think\n1+1\n=2\n<|im_start|>answer\n2"
        );
        assert_eq!(response(&thought[4..]), "<|im_start|>answer\n2");
    }
}
