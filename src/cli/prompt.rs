//! `s1-tui prompt`: what a question becomes before the model reads it, and how that was chosen.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use super::args::{ConfigArgs, ModelFlags, SystemFlag, ThinkFlags};
use super::given::GivenFlags;
use super::{json_line, run, say, settings};
use s1_engine::dialogue::Dialogue;
use s1_model::gguf::Gguf;
use s1_model::template::Message;
use s1_model::tokenizer::unguarded;

/// The question, and how it is asked.
#[derive(Debug, clap::Args)]
pub struct PromptArgs {
    /// The question; `-` reads it from standard input.
    #[arg(short, long, value_name = "TEXT|-", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Print one JSON object with the prompt, its tokens and how it was chosen.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    system: GivenFlags<SystemFlag>,
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    #[command(flatten)]
    think: GivenFlags<ThinkFlags>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct PromptJson<'a> {
    prompt_text: &'a str,
    prompt_ids: &'a [u32],
    family: &'a str,
    /// Why it is that family.
    chosen: &'a str,
    template: &'static str,
    /// What the template reads besides the conversation; `--template-arg` sets it.
    switches: Vec<String>,
    warnings: Vec<String>,
}

/// Runs the command. Errors where the file has no vocabulary, or its template refuses the question.
pub fn run(args: &PromptArgs) -> Result<()> {
    let config = settings::load(&args.config, &[&args.system, &args.model, &args.think])?;
    let load = settings::load_options(&config)?.resolved(&mut || true)?;
    let gguf = Gguf::open(&load.path)?;
    let name = s1_engine::model_name(&gguf, &load.path);
    let dialogue = Dialogue::of(&gguf, &load, &name)?;
    let question = run::question(args.prompt.as_deref())?;
    let mut messages = Vec::new();
    if !config.request.system.is_empty() {
        messages.push(Message::new("system", &config.request.system));
    }
    messages.push(Message::new("user", question));
    let guarded = dialogue.prompt(&messages, config.request.policy.think)?;
    let (text, warnings) = (unguarded(&guarded), dialogue.warnings());
    let mut out = io::stdout().lock();
    if args.json {
        let output = PromptJson {
            prompt_text: &text,
            prompt_ids: &dialogue.tokenizer.encode_prompt(&guarded)?,
            family: &dialogue.delimiters.spec.family,
            chosen: &dialogue.chosen,
            template: dialogue.template.kind().name(),
            switches: dialogue.template.switches(),
            warnings,
        };
        json_line(&mut out, &output)?;
        return Ok(());
    }
    warnings.iter().for_each(|warning| say(warning));
    say(&format!(
        "family {} ({}), template: {}",
        dialogue.delimiters.spec.family,
        dialogue.chosen,
        dialogue.template.kind().name()
    ));
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}
