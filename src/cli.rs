//! The command line: flags, subcommands, exit codes.
//!
//! Everything the screens do, they do through the same engine as these commands. Exit codes: 0
//! done, 1 something failed (one sentence on stderr says what), 2 the command line is wrong.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use serde::Serialize;

mod args;
mod bench;
mod budget;
mod curate;
mod doctor;
mod explore;
mod export;
mod given;
mod grade;
mod interrupt;
mod models;
mod plot;
mod policies;
mod prompt;
mod run;
mod runs;
mod score;
mod server;
mod settings;
mod status;
mod sweep;
mod tokenize;
mod train;
mod trainings;

use crate::config::Dirs;
use crate::log;
use args::TuiArgs;
use status::StatusLine;

use s1_core::format;
use s1_data::contained::is_contained;
use s1_data::hub;
use s1_data::sanitize::clean_line;

/// Watch, steer and measure a local model's thinking.
///
/// Without a command it opens the explorer on the model given with --model, or on the bundled
/// reasoner.
#[derive(Debug, Parser)]
#[command(name = "s1-tui", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  s1-tui --model model.gguf\n  s1-tui run --model model.gguf --prompt \"How many r in raspberry?\" --max-thinking 256 --waits 1\n\nSettings come from defaults, then config.toml, then S1_TUI_… variables, then flags."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<CliCommand>,
    #[command(flatten)]
    tui: TuiArgs,
    /// Write a log of what the program does (twice: of every step); S1_TUI_LOG says what of.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Ask one question and stream the thought and the answer to standard output.
    Run(Box<run::RunArgs>),
    /// The models on this machine with what each needs, and those to begin with.
    Models(models::ModelsArgs),
    /// Fetch a model of the Hugging Face hub.
    Pull(models::PullArgs),
    /// What a server can do: tried, and said in a line for each.
    Server(Box<server::ServerArgs>),
    /// Log-probabilities of a text under the model, position by position.
    Score(score::ScoreArgs),
    /// How fast a model computes here: prompt and decoding, one sequence and several at once.
    Bench(bench::BenchArgs),
    /// What a question becomes before the model reads it, and how that was chosen.
    Prompt(Box<prompt::PromptArgs>),
    /// The token ids of a text.
    Tokenize(tokenize::TokenizeArgs),
    /// Fine-tune a model on reasoning traces, or train a small one from nothing.
    Train(Box<train::TrainArgs>),
    /// Choose the lines of a pool that are worth training on, as s1 chose 1,000 of 59,000.
    Curate(Box<curate::CurateArgs>),
    /// Compare an answer with a reference, by value.
    Grade(grade::GradeArgs),
    /// Draw stored runs: accuracy against thinking tokens, as a picture, a table, or right here.
    Plot(plot::PlotArgs),
    /// Accuracy against thinking tokens: a problem set at several budgets and waits.
    Sweep(Box<sweep::SweepArgs>),
    /// Early exits on a run's thoughts: what each rule would have saved and cost at every threshold.
    Policies(Box<policies::PoliciesArgs>),
    /// Which thinking budget to use, from a run: knee, best value, and what is safe.
    Budget(budget::BudgetArgs),
    /// List the runs in the database, rename or remove one.
    Runs(runs::RunsArgs),
    /// List the trainings, or tell one to pause, go on, stop.
    Trainings(trainings::TrainingsArgs),
    /// Write a run's samples as JSON lines.
    Export(export::ExportArgs),
    /// What this machine and this installation are like: to be pasted into a report of a fault.
    Doctor(doctor::DoctorArgs),
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (troff).
    Man,
}

/// The command line with all its commands.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Starts the log, if somebody wants it.
fn start_log(verbose: u8) -> Result<()> {
    let wish = std::env::var("S1_TUI_LOG").ok();
    match Dirs::of_user() {
        Ok(dirs) => log::start(&dirs, wish.as_deref(), verbose),
        Err(_) => Ok(()),
    }
}

/// Reads the user's own families, if there is a file of them.
fn own_families() -> Result<()> {
    let Ok(dirs) = Dirs::of_user() else {
        return Ok(());
    };
    let path = dirs.config.join("families.toml");
    if path.is_file() {
        s1_engine::use_families(&path)?;
    }
    Ok(())
}

/// Keeps quiet about panics that are contained.
fn hide_contained_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_contained() {
            usual(info);
        }
    }));
}

/// Parses the arguments, runs the command, and turns any error into one sentence on stderr.
pub fn main() -> ExitCode {
    // An error is one sentence, also where RUST_BACKTRACE is set for panics: candle's would say
    // where they come from.
    // SAFETY: the program has one thread yet.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    // A file that reaches the limit on sizes is an error of writing, with a sentence, and no end.
    // SAFETY: as above; nobody has set this signal's action before.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN)
    };
    hide_contained_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = error.exit_code();
            // Nothing is left to do if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    if cli.command.is_some() {
        show_downloads();
    }
    if let Err(error) = start_log(cli.verbose).and_then(|()| own_families()) {
        say(&format!("{error:#}"));
        return ExitCode::FAILURE;
    }
    let done = |()| ExitCode::SUCCESS;
    let outcome = match cli.command {
        None => explore::run(cli.tui),
        Some(CliCommand::Run(args)) => run::run(*args),
        Some(CliCommand::Models(args)) => models::run(&args).map(done),
        Some(CliCommand::Pull(args)) => models::pull(&args).map(done),
        Some(CliCommand::Server(args)) => server::run(&args).map(done),
        Some(CliCommand::Score(args)) => score::run(&args).map(done),
        Some(CliCommand::Bench(args)) => bench::run(&args).map(done),
        Some(CliCommand::Prompt(args)) => prompt::run(&args).map(done),
        Some(CliCommand::Tokenize(args)) => tokenize::run(&args).map(done),
        Some(CliCommand::Train(args)) => train::run(*args),
        Some(CliCommand::Curate(args)) => curate::run(&args),
        Some(CliCommand::Grade(args)) => grade::run(&args).map(done),
        Some(CliCommand::Plot(args)) => plot::run(&args).map(done),
        Some(CliCommand::Sweep(args)) => sweep::run(*args),
        Some(CliCommand::Policies(args)) => policies::run(&args),
        Some(CliCommand::Budget(args)) => budget::run(&args).map(done),
        Some(CliCommand::Runs(args)) => runs::run(&args).map(done),
        Some(CliCommand::Trainings(args)) => trainings::run(&args).map(done),
        Some(CliCommand::Export(args)) => export::run(&args).map(done),
        Some(CliCommand::Doctor(args)) => doctor::run(&args).map(done),
        Some(CliCommand::Completions { shell }) => completions(shell).map(done),
        Some(CliCommand::Man) => man().map(done),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // An error of the system's without a word of ours can only come from writing.
            let bare = error.chain().len() == 1 && error.is::<io::Error>();
            let place = if bare {
                "cannot write the output: "
            } else {
                ""
            };
            say(&format!("{place}{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Shows downloads on standard error: on a terminal how far each is, on a line that is rewritten;
/// elsewhere that it has begun, once its size is known. What there is to know of one gets a line of
/// its own.
fn show_downloads() {
    let mut line = StatusLine::new();
    let (mut begun, mut noted) = (String::new(), String::new());
    hub::listen(move |download| {
        let Some(download) = download else {
            line.clear();
            return;
        };
        let what = clean_line(&download.what);
        if download.note != noted {
            noted.clone_from(&download.note);
            if !noted.is_empty() {
                line.clear();
                say(&format!("{what}: {noted}"));
            }
        }
        if line.is_live() {
            line.show(&clean_line(&download.to_string()));
        } else if download.total > 0 && download.what != begun {
            begun.clone_from(&download.what);
            say(&format!(
                "fetching {what} ({})",
                format::size(download.total)
            ));
        }
    });
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "s1-tui", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

fn man() -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(io::stdout().write_all(&page)?)
}

/// Says a sentence on standard error, which may be closed.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "s1-tui: {}", clean_line(text));
}

/// Writes a value as one line of JSON.
fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// Whoever read our output has read enough: no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
