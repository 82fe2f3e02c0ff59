//! `s1-tui tokenize`: the token ids of a text, as the model would read it.

use std::io::{self, Write};

use anyhow::Result;

use super::args::ModelFlags;
use super::given::GivenFlags;
use super::{json_line, settings};
use s1_model::gguf::Gguf;

/// What to tokenize.
#[derive(Debug, clap::Args)]
pub struct TokenizeArgs {
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    /// The text; special tokens are parsed, and a begin-of-text token added where the model has it.
    #[arg(long, allow_hyphen_values = true)]
    text: String,
    /// Print a JSON list of ids, instead of a line for each token.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Errors where the file has no vocabulary.
pub fn run(args: &TokenizeArgs) -> Result<()> {
    let files = settings::files(&args.model)?;
    let gguf = Gguf::open(&files.path)?;
    let tokenizer = settings::tokenizer(&gguf, &files)?;
    let ids = tokenizer.encode(&args.text, true)?;
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &ids)?;
    } else {
        for id in ids {
            let text = String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned();
            writeln!(out, "{id:>8} {text:?}")?;
        }
    }
    Ok(())
}
