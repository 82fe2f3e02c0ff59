//! `s1-tui score`: log-probabilities of a token sequence, position by position.
//!
//! This is what the decoder's correctness is measured with: it works on a file without a
//! vocabulary when ids are given.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::args::ModelFlags;
use super::given::GivenFlags;
use super::{json_line, settings};
use s1_model::adapter::PeftAdapter;
use s1_model::decoder::{Decoder, Logits};
use s1_model::gguf::Gguf;
use s1_model::sampler::LogitsRow;

/// Tokens computed at once: bounds the memory that a row of logits per token takes.
const CHUNK: usize = 32;

/// What to score.
#[derive(Debug, clap::Args)]
pub struct ScoreArgs {
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    /// Token ids, separated by commas.
    #[arg(
        long,
        value_name = "1,2,3",
        value_delimiter = ',',
        required_unless_present = "text"
    )]
    ids: Vec<u32>,
    /// A text (special tokens are parsed).
    #[arg(long, conflicts_with = "ids", allow_hyphen_values = true)]
    text: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Scored {
    ids: Vec<u32>,
    positions: Vec<Position>,
}

/// `positions[i]` predicts `ids[i + 1]`.
#[derive(Serialize)]
struct Position {
    next: u32,
    logprob: f32,
    top5: Vec<(u32, f32)>,
}

/// Runs the command. Errors where the model cannot be loaded or the sequence does not fit it.
pub fn run(args: &ScoreArgs) -> Result<()> {
    let files = settings::files(&args.model)?;
    let path = &files.path;
    let mut gguf = Gguf::open(path)?.rounded(files.quantize);
    let mut adapter = None;
    if let Some(folder) = &files.adapter {
        let read = PeftAdapter::open(folder, &gguf)?;
        gguf = read.onto(gguf);
        adapter = Some(read);
    }
    let ids = match &args.text {
        Some(text) => settings::tokenizer(&gguf, &files)?.encode(text, true)?,
        None => args.ids.clone(),
    };
    if ids.len() < 2 {
        bail!("there is nothing to score: a sequence needs at least two tokens");
    }
    let place = files.device.for_model(&gguf)?;
    let mut decoder = Decoder::load(&gguf, &place, &mut |_| true)
        .with_context(|| format!("cannot load {}", path.display()))?
        .with_cache(files.cache_type)?;
    if let Some(adapter) = &adapter {
        decoder.apply_adapter(adapter)?;
    }
    let (context, vocab) = (decoder.config().context_length, decoder.config().vocab);
    if ids.len() > context {
        bail!(
            "the sequence has {} tokens, more than the {context} of this model's context",
            ids.len()
        );
    }
    let decoder = decoder.for_context(ids.len());
    let mut cache = decoder.new_cache(ids.len())?;
    let mut positions = Vec::with_capacity(ids.len() - 1);
    let (inputs, targets) = (&ids[..ids.len() - 1], &ids[1..]);
    for (input, target) in inputs.chunks(CHUNK).zip(targets.chunks(CHUNK)) {
        let rows = decoder.forward(&mut [(&mut cache, input)], Logits::All)?;
        for (&next, logits) in target.iter().zip(rows) {
            if next as usize >= vocab {
                bail!("token {next} is beyond the vocabulary of {vocab} tokens");
            }
            let row = LogitsRow::new(&logits, vocab, 5);
            positions.push(Position {
                next,
                logprob: row.logprob(next),
                top5: row.top.clone(),
            });
        }
    }
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &Scored { ids, positions })?;
    } else {
        for p in &positions {
            writeln!(out, "{:>8} {:>10.5}", p.next, p.logprob)?;
        }
    }
    Ok(())
}
