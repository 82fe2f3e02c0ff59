//! Flags that several commands share, and what they override.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::config::Dirs;
use s1_core::delimiters::Family;
use s1_core::forcing::{CutAt, OnLoop, Policy};
use s1_core::sampling::Sampling;
use s1_engine::LoadOptions;
use s1_model::device::DeviceChoice;
use s1_store::Db;

/// Which model, and how it is used.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// The model: a GGUF file, one of the hub (hf:OWNER/NAME[:FILE]), an adapter's folder that
    /// names its base, or bundled:reasoner or bundled:base.
    #[arg(short, long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// A LoRA adapter's folder (PEFT's layout) to use with the model.
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    /// Context length in tokens [default: the model's own, at most 8192].
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal [default: auto]. A GPU needs a build with
    /// --features cuda or metal.
    #[arg(long, value_name = "PLACE")]
    pub device: Option<DeviceChoice>,
    /// Threads for computing on the CPU [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Delimiter family, instead of the one detected.
    #[arg(long, value_enum)]
    pub family: Option<FamilyArg>,
    /// Text that opens thinking, appended to the assistant's turn.
    #[arg(long, value_name = "TEXT")]
    pub think_open: Option<String>,
    /// Text with which the model ends its thinking.
    #[arg(long, value_name = "TEXT")]
    pub think_end: Option<String>,
    /// Text appended when the thinking is cut off.
    #[arg(long, value_name = "TEXT")]
    pub think_close: Option<String>,
}

impl ModelArgs {
    /// Model and adapter. Errors where none is named, or an adapter's base is not here.
    pub fn files(&self) -> anyhow::Result<LoadOptions> {
        let path = self.model.clone();
        let named = LoadOptions {
            path: path.context("which model? give it with --model PATH.gguf")?,
            adapter: self.adapter.clone(),
            device: self.device.unwrap_or_default(),
            ..LoadOptions::default()
        };
        named.resolved(&mut || true)
    }
}

/// Delimiter families by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FamilyArg {
    /// s1 and s1.1: `<|im_start|>think` … `<|im_start|>answer`.
    S1,
    /// Qwen3: `<think>` … `</think>`, as tokens.
    Qwen3,
    /// R1 distills.
    R1,
    /// Any other instruct model: `<think>` as text.
    Generic,
}

impl From<FamilyArg> for Family {
    fn from(arg: FamilyArg) -> Family {
        match arg {
            FamilyArg::S1 => Family::S1,
            FamilyArg::Qwen3 => Family::Qwen3,
            FamilyArg::R1 => Family::R1,
            FamilyArg::Generic => Family::Generic,
        }
    }
}

/// Budget forcing.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Thinking")]
pub struct ThinkArgs {
    /// Upper bound on thinking tokens, forced and typed ones included [default: what the context
    /// allows].
    #[arg(long, value_name = "N")]
    pub max_thinking: Option<usize>,
    /// How many attempts to end the thinking are replaced by the wait text [default: 0].
    #[arg(long, value_name = "K")]
    pub waits: Option<usize>,
    /// The wait text [default: Wait].
    #[arg(long, value_name = "TEXT")]
    pub wait_text: Option<String>,
    /// Answer at once, without thinking.
    #[arg(long)]
    pub no_think: bool,
    /// Attempts to end do not count before this many thinking tokens [default: 0].
    #[arg(long, value_name = "N")]
    pub min_thinking: Option<usize>,
    /// Cut at the budget itself, or at the last sentence end in the N tokens before it.
    #[arg(long, value_name = "token|sentence[:N]", value_parser = parse_cut_at)]
    pub cut_at: Option<CutAt>,
    /// Upper bound on what the model writes after its thinking [default: 512].
    #[arg(long, value_name = "N")]
    pub answer_max: Option<usize>,
    /// Cut the thinking off when it repeats itself in a loop.
    #[arg(long)]
    pub cut_loops: bool,
}

pub(super) fn parse_cut_at(text: &str) -> Result<CutAt, String> {
    match text.split_once(':') {
        None if text == "token" => Ok(CutAt::Token),
        None if text == "sentence" => Ok(CutAt::Sentence { window: 64 }),
        Some(("sentence", n)) => n
            .parse()
            .map(|window| CutAt::Sentence { window })
            .map_err(|_| format!("{n:?} is not a number of tokens")),
        _ => Err("expected token, sentence, or sentence:N".into()),
    }
}

/// How tokens are drawn.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sampling")]
pub struct SampleArgs {
    /// Temperature; 0 is greedy [default: 0].
    #[arg(
        long,
        visible_alias = "temperature",
        value_name = "T",
        allow_negative_numbers = true
    )]
    pub temp: Option<f32>,
    /// Draw from the K most probable tokens only; 0 is all [default: 0].
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Draw from the smallest set of tokens with this probability [default: 1].
    #[arg(long, value_name = "P")]
    pub top_p: Option<f32>,
    /// Drop tokens less probable than this share of the best [default: 0].
    #[arg(long, value_name = "P")]
    pub min_p: Option<f32>,
    /// Make tokens that occurred already less probable; 1 is off [default: 1].
    #[arg(long, value_name = "R")]
    pub repetition_penalty: Option<f32>,
    /// Seed: the same seed gives the same trace again [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Settings file, instead of config.toml in the configuration folder.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where runs are kept.
#[derive(Clone, Debug, Default, Args)]
pub struct DbArgs {
    /// Database of runs, instead of runs.db in the data folder.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
}

impl DbArgs {
    /// The database's path. Errors where the system names no home folder.
    pub fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.db {
            Some(path) => Ok(path.clone()),
            None => Ok(Dirs::of_user()?.data.join(s1_store::db::FILE)),
        }
    }

    /// The database, to read. Errors where there is none yet.
    pub fn open(&self) -> anyhow::Result<Db> {
        let path = self.path()?;
        Db::open_to_read(&path)?.with_context(|| {
            format!(
                "there are no runs yet in {}; s1-tui sweep makes one",
                path.display()
            )
        })
    }
}

/// The explorer's own flags.
#[derive(Clone, Debug, Default, Args)]
pub struct TuiArgs {
    /// Flags of the model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Flags of budget forcing.
    #[command(flatten)]
    pub think: ThinkArgs,
    /// Flags of sampling.
    #[command(flatten)]
    pub sample: SampleArgs,
    /// Where settings come from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Theme: default, light, dark, high-contrast, color-blind, or one of your own.
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// A question to have ready in the question box.
    #[arg(short, long, value_name = "TEXT")]
    pub question: Option<String>,
    /// Reference answer, to grade probes and answers.
    #[arg(long, value_name = "TEXT")]
    pub reference: Option<String>,
    /// Open a saved session.
    #[arg(long, value_name = "FILE")]
    pub session: Option<PathBuf>,
}

impl ThinkArgs {
    /// The policy these flags make of `base`.
    pub fn over(&self, base: Policy) -> Policy {
        Policy {
            think: base.think && !self.no_think,
            max_thinking: self.max_thinking.or(base.max_thinking),
            waits: self.waits.unwrap_or(base.waits),
            wait_text: self.wait_text.clone().unwrap_or(base.wait_text),
            min_thinking: self.min_thinking.unwrap_or(base.min_thinking),
            cut_at: self.cut_at.unwrap_or(base.cut_at),
            answer_max: self.answer_max.unwrap_or(base.answer_max),
            on_loop: if self.cut_loops {
                OnLoop::Answer
            } else {
                base.on_loop
            },
        }
    }
}

impl SampleArgs {
    /// The sampling these flags make of `base`.
    pub fn over(&self, base: Sampling) -> Sampling {
        Sampling {
            temperature: self.temp.unwrap_or(base.temperature),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: self.top_p.unwrap_or(base.top_p),
            min_p: self.min_p.unwrap_or(base.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(base.repetition_penalty),
            seed: self.seed.unwrap_or(base.seed),
            ..base
        }
    }
}
