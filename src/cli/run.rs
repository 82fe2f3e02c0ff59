//! `s1-tui run`: one question, headless, through the same engine as the explorer.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::args::{ConfigArgs, ModelFlags, SampleFlags, SystemFlag, ThinkFlags};
use super::given::GivenFlags;
use super::{json_line, say, settings};
use s1_core::loops::Loop;
use s1_core::protocol::{Command, Event, LaneState, Request};
use s1_core::trace::{Origin, Phase, Reason, StopReason, Token, thinking_tokens};
use s1_core::view::LaneView;
use s1_data::{files, sanitize};
use s1_lab::answer::FinalAnswer;

/// Longest prompt read from standard input, in bytes.
const LONGEST_PROMPT: u64 = 16 << 20;
const LANE: usize = 0;

/// What to ask, and how.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The question; `-` reads it from standard input.
    #[arg(short, long, value_name = "TEXT|-", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Take the question as the whole prompt, without chat template and without opening thinking.
    #[arg(long)]
    raw: bool,
    /// Reference answer, to grade the model's.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Print one JSON object at the end, instead of the text as it comes.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    system: GivenFlags<SystemFlag>,
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    #[command(flatten)]
    think: GivenFlags<ThinkFlags>,
    #[command(flatten)]
    sample: GivenFlags<SampleFlags>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct RunJson<'a> {
    /// The prompt as the model reads it.
    prompt_text: &'a str,
    family: &'a str,
    template: &'a str,
    warnings: &'a [String],
    prompt_ids: &'a [u32],
    tokens: Vec<OutputToken<'a>>,
    thinking_tokens: usize,
    answer_tokens: usize,
    forced: Vec<Forced>,
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    text: String,
    stop_reason: &'static str,
    prefill_tok_s: f64,
    decode_tok_s: f64,
    time_to_first_token_ms: f64,
    drafted: usize,
    taken: usize,
}

/// What the model was asked with, and how that was chosen.
#[derive(Default)]
struct PromptChoice {
    prompt: String,
    family: String,
    template: String,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct OutputToken<'a> {
    id: u32,
    text: &'a str,
    origin: Origin,
    phase: Phase,
    logprob: f32,
    entropy: f32,
}

/// Tokens the machine wrote in one go.
#[derive(Serialize)]
struct Forced {
    /// Index of the first of them in `tokens`.
    position: usize,
    reason: &'static str,
    text: String,
}

/// Runs the command. Errors where the model or the question cannot be used.
pub fn run(args: RunArgs) -> Result<ExitCode> {
    let config = settings::load(
        &args.config,
        &[&args.system, &args.model, &args.think, &args.sample],
    )?;
    let load = settings::load_options(&config)?;
    let request = Request {
        question: question(args.prompt.as_deref())?,
        raw: args.raw,
        reference: args.reference,
        probe_every: None,
        probe_text: String::new(),
        ..config.request
    };
    let (engine, mut events) = s1_engine::start(load)?;
    engine.send(Command::Start {
        lane: LANE,
        request: request.clone(),
        run: true,
    });
    let mut printer = (!args.json).then(Printer::new);
    let mut lane = LaneView::default();
    let mut asked = PromptChoice::default();
    let stop = loop {
        let Some(event) = events.blocking_recv() else {
            bail!("the engine ended without an answer");
        };
        lane.apply(&event);
        match event {
            Event::Failed(why) | Event::Refused { why, .. } => bail!("{why}"),
            Event::Loaded(info) => {
                info.warnings.iter().for_each(|warning| say(warning));
                asked.family = info.family;
                asked.template = info.template;
                asked.warnings = info.warnings;
            }
            Event::Prompt { text, .. } => asked.prompt = text,
            Event::Notice(_, why) => say(&why),
            Event::Loop(_, Loop { period, repeats }) => eprintln!(
                "s1-tui: the model repeats itself ({period} tokens, {repeats} times); --cut-loops would cut it off"
            ),
            Event::Tokens(..) => {
                if let Some(printer) = &mut printer {
                    printer.follow(&lane.tokens)?;
                }
            }
            Event::State(_, LaneState::Stopped(stop)) => break stop,
            Event::State(_, LaneState::Paused) => bail!("the model could not continue"),
            _ => {}
        }
    };
    engine.shutdown();
    while let Ok(event) = events.try_recv() {
        lane.apply(&event);
    }
    match printer {
        Some(printer) => printer.finish()?,
        None => print_json(&request, &asked, &lane, stop)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The question that was given, or read.
///
/// # Errors
/// If there is none.
pub fn question(prompt: Option<&str>) -> Result<String> {
    let text = match prompt {
        Some("-") => read_stdin()?,
        None if !io::stdin().is_terminal() => read_stdin()?,
        None => bail!("what is the question? give it with --prompt TEXT, or - for standard input"),
        Some(text) => text.to_string(),
    };
    if text.trim().is_empty() {
        bail!("the question is empty; give it with --prompt TEXT, or - for standard input");
    }
    Ok(text)
}

fn read_stdin() -> Result<String> {
    let mut text = files::read_text(io::stdin(), LONGEST_PROMPT)
        .context("cannot read the question from standard input")?;
    while text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Streams the trace: on a terminal dimmed and without control sequences, in a pipe as it is.
struct Printer {
    terminal: bool,
    styled: bool,
    dimmed: bool,
    /// Tokens printed. The last few are held back while they might still be taken back.
    printed: usize,
    last: char,
}

/// Pieces of a delimiter that arrive one by one can be taken back as long as they are this few.
const HELD: usize = 8;

impl Printer {
    fn new() -> Printer {
        let terminal = io::stdout().is_terminal();
        let colourless = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Printer {
            terminal,
            styled: terminal && !colourless,
            dimmed: false,
            printed: 0,
            last: '\n',
        }
    }

    /// Prints what is new and cannot be taken back any more.
    fn follow(&mut self, tokens: &[Token]) -> io::Result<()> {
        let begun = tokens
            .iter()
            .rev()
            .take(HELD)
            .position(|t| t.text.contains('<'));
        let held = match begun {
            Some(i) if tokens.last().is_some_and(|t| t.phase == Phase::Thinking) => i + 1,
            _ => 0,
        };
        self.print(&tokens[..tokens.len() - held])
    }

    fn print(&mut self, tokens: &[Token]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for token in tokens.get(self.printed..).unwrap_or_default() {
            let thinking = token.phase == Phase::Thinking;
            if self.styled && thinking != self.dimmed {
                out.write_all(if thinking { b"\x1b[2m" } else { b"\x1b[0m" })?;
                self.dimmed = thinking;
            }
            if self.terminal {
                out.write_all(sanitize::clean(&token.text).as_bytes())?;
            } else {
                out.write_all(token.text.as_bytes())?;
            }
            self.last = token.text.chars().next_back().unwrap_or(self.last);
        }
        self.printed = self.printed.max(tokens.len());
        out.flush()
    }

    fn finish(self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.dimmed {
            out.write_all(b"\x1b[0m")?;
        }
        if self.last != '\n' {
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

fn print_json(
    request: &Request,
    asked: &PromptChoice,
    lane: &LaneView,
    stop: StopReason,
) -> Result<()> {
    let LaneView { tokens, speed, .. } = lane;
    let thinking = thinking_tokens(tokens);
    let answer = FinalAnswer::of(tokens, request.reference.as_deref());
    let output = RunJson {
        prompt_text: &asked.prompt,
        family: &asked.family,
        template: &asked.template,
        warnings: &asked.warnings,
        prompt_ids: &lane.prompt,
        thinking_tokens: thinking,
        answer_tokens: tokens.len() - thinking,
        forced: forced(tokens),
        answer: answer.text,
        correct: answer.correct,
        text: tokens.iter().map(|t| t.text.as_str()).collect(),
        stop_reason: stop.name(),
        prefill_tok_s: speed.prefill_tok_s,
        decode_tok_s: speed.decode_tok_s,
        time_to_first_token_ms: speed.time_to_first_token_ms,
        drafted: speed.drafted,
        taken: speed.taken,
        tokens: tokens
            .iter()
            .map(|t| OutputToken {
                id: t.id,
                text: &t.text,
                origin: t.origin,
                phase: t.phase,
                logprob: t.logprob,
                entropy: t.entropy,
            })
            .collect(),
    };
    Ok(json_line(&mut io::stdout().lock(), &output)?)
}

/// Runs of tokens that were forced for one reason, and the places where an end was ignored without
/// a text to stand for it.
fn forced(tokens: &[Token]) -> Vec<Forced> {
    let mut runs: Vec<Forced> = Vec::new();
    let mut open = false;
    for (position, token) in tokens.iter().enumerate() {
        if let Some(reason @ (Reason::EndIgnored | Reason::UserEndIgnored)) = token.reason {
            // Nothing was written in place of the end: a run of no tokens before this one.
            runs.push(Forced {
                position,
                reason: reason.name(),
                text: String::new(),
            });
            open = false;
            continue;
        }
        let reason = match (token.origin, token.reason) {
            (Origin::Forced, Some(reason)) => reason.name(),
            _ => {
                open = false;
                continue;
            }
        };
        match runs.last_mut() {
            Some(run) if open && run.reason == reason => run.text.push_str(&token.text),
            _ => runs.push(Forced {
                position,
                reason,
                text: token.text.to_string(),
            }),
        }
        open = true;
    }
    runs
}
