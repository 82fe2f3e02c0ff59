//! `cargo xtask generate`: the data the bundled model is made of, from a seed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::datagen;

/// What to generate.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// What to generate.
    #[arg(value_enum)]
    what: DataKind,
    /// How many lines (`config` has no lines to count).
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: u64,
    /// The seed; the same seed gives the same lines.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Lines of one family only (for `base`).
    #[arg(long, value_name = "FAMILY", value_parser = family)]
    only: Option<datagen::ProblemKind>,
    /// The file to write; without it, standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The kinds of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DataKind {
    /// Short lines of copying and comparing: what a base is trained on first (JSONL).
    Drill,
    /// Worked lines and questions answered at once: what a base is trained on (JSONL).
    Base,
    /// Questions with a thought and an answer: what makes a reasoner of the base (JSONL).
    Traces,
    /// Problems that no training data holds (JSONL).
    HeldOut,
    /// Shape and tokenizer of the model, for `train --from-scratch` (TOML).
    Config,
}

/// A family by its name.
fn family(name: &str) -> Result<datagen::ProblemKind, String> {
    let found = datagen::ProblemKind::ALL
        .into_iter()
        .find(|f| f.name() == name);
    found.ok_or_else(|| {
        let names = datagen::ProblemKind::ALL.map(datagen::ProblemKind::name);
        format!("no family of this name; there are {}", names.join(", "))
    })
}

/// Runs the command. Errors where the file cannot be written.
pub fn run(args: &GenerateArgs) -> Result<ExitCode> {
    match &args.out {
        None => write(args, std::io::stdout().lock())?,
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            write(args, file).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(args: &GenerateArgs, out: impl Write) -> Result<()> {
    let mut out = BufWriter::new(out);
    let line = |example: &datagen::ExampleLine, out: &mut BufWriter<_>| -> Result<()> {
        serde_json::to_writer(&mut *out, example)?;
        writeln!(out)?;
        Ok(())
    };
    match args.what {
        DataKind::Drill => {
            for index in 0..args.count {
                line(&datagen::drill(args.seed, index), &mut out)?;
            }
        }
        DataKind::Base => {
            for index in 0..args.count {
                line(&datagen::base(args.seed, index, args.only), &mut out)?;
            }
        }
        DataKind::Traces => {
            for index in 0..args.count {
                line(&datagen::traces(args.seed, index), &mut out)?;
            }
        }
        DataKind::HeldOut => {
            let count = usize::try_from(args.count).unwrap_or(usize::MAX);
            for example in datagen::held_out(args.seed, count) {
                line(&example, &mut out)?;
            }
        }
        DataKind::Config => write!(out, "{}", datagen::config())?,
    }
    out.flush()?;
    Ok(())
}
