//! The fields of the form: what each is called, what it does, and what may be typed.

use super::is_plain;
use crate::config::expand_home;

/// Something that can be set before a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The model it begins with.
    Base,
    /// What it learns from.
    Data,
    /// Every weight, or a low-rank addition.
    Weights,
    /// Passes over the data.
    Epochs,
    /// Highest learning rate.
    Rate,
    /// Rows in a batch.
    Batch,
    /// Longest row in tokens.
    Block,
    /// Threads.
    Threads,
    /// Share of the steps over which the learning rate rises.
    Warmup,
    /// Weight decay.
    Decay,
    /// Norm to which gradients are scaled down.
    Clip,
    /// Batches in a step.
    Accumulation,
    /// Several examples in a row.
    Pack,
    /// Compute twice instead of keeping.
    Checkpointing,
    /// Number of steps, instead of what the epochs come to.
    MaxSteps,
    /// Seed.
    Seed,
    /// Steps between two checkpoints.
    SaveEvery,
    /// Held-out problems.
    EvalProblems,
    /// How many of them.
    EvalLimit,
    /// Held-out data.
    EvalData,
    /// Steps between two evaluations.
    EvalEvery,
    /// The question whose answer is watched.
    Sample,
    /// Steps between two answers.
    SampleEvery,
    /// What an hour costs.
    Price,
    /// The training's name.
    Name,
    /// Its folder.
    Out,
}

impl Field {
    /// Those that matter.
    pub const FIRST: [Field; 8] = [
        Field::Base,
        Field::Data,
        Field::Weights,
        Field::Epochs,
        Field::Rate,
        Field::Batch,
        Field::Block,
        Field::Threads,
    ];

    /// The others.
    pub const ADVANCED: [Field; 18] = [
        Field::Name,
        Field::Out,
        Field::Pack,
        Field::MaxSteps,
        Field::Warmup,
        Field::Decay,
        Field::Clip,
        Field::Accumulation,
        Field::Checkpointing,
        Field::Seed,
        Field::SaveEvery,
        Field::EvalProblems,
        Field::EvalLimit,
        Field::EvalData,
        Field::EvalEvery,
        Field::Sample,
        Field::SampleEvery,
        Field::Price,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Field::Base => "Base model",
            Field::Data => "Data",
            Field::Weights => "Weights",
            Field::Epochs => "Epochs",
            Field::Rate => "Learning rate",
            Field::Batch => "Batch",
            Field::Block => "Block size",
            Field::Threads => "Threads",
            Field::Warmup => "Warm-up",
            Field::Decay => "Weight decay",
            Field::Clip => "Clip at norm",
            Field::Accumulation => "Accumulate",
            Field::Pack => "Packing",
            Field::Checkpointing => "Recompute",
            Field::MaxSteps => "Steps at most",
            Field::Seed => "Seed",
            Field::SaveEvery => "Checkpoint every",
            Field::EvalProblems => "Held-out problems",
            Field::EvalLimit => "of these the first",
            Field::EvalData => "Held-out data",
            Field::EvalEvery => "Evaluate every",
            Field::Sample => "Sample question",
            Field::SampleEvery => "Answer it every",
            Field::Price => "Price per hour",
            Field::Name => "Name",
            Field::Out => "Folder",
        }
    }

    /// What it does, in one line.
    pub fn note(self) -> &'static str {
        match self {
            Field::Base => "The model that learns: bundled:base, or any GGUF file.",
            Field::Data => {
                "bundled:traces, a JSONL or Parquet file, or hf:simplescaling/s1K-1.1 and the like."
            }
            Field::Weights => {
                "full trains all of them; a rank, e.g. 16, trains a LoRA addition: less memory, a small file."
            }
            Field::Epochs => "How often the data is gone through; s1: 5.",
            Field::Rate => {
                "The size of a step at its peak; s1: 1e-5. Too high and the loss jumps, too low and it stays."
            }
            Field::Batch => "Rows per step; s1: 16. More is smoother, and takes memory.",
            Field::Block => {
                "Longest row in tokens; longer examples are cut, and with them their answers."
            }
            Field::Threads => "How many it computes with; the rest stays for the explorer.",
            Field::Warmup => {
                "Share of the steps over which the learning rate rises, before it falls as a cosine; s1: 0.05."
            }
            Field::Decay => "Pulls matrices towards zero; s1: 1e-4.",
            Field::Clip => "Gradients longer than this are scaled down; 0 is off.",
            Field::Accumulation => {
                "Batches whose gradients are added up before a step: a larger batch in the same memory."
            }
            Field::Pack => {
                "Several examples fill a row, blind to each other: fewer steps for the same data."
            }
            Field::Checkpointing => {
                "Keeps less and computes more again: less memory, a third more time."
            }
            Field::MaxSteps => "Ends earlier than the epochs would; empty: after them.",
            Field::Seed => {
                "Of the order of the data and of new weights: the same seed gives the same model."
            }
            Field::SaveEvery => {
                "Steps between two checkpoints; a killed run goes on from the last. off: at the end only."
            }
            Field::EvalProblems => {
                "Problems answered at natural length as the training goes; off: none."
            }
            Field::EvalLimit => "How many of the problems: more is surer, and slower.",
            Field::EvalData => {
                "Data of the same form whose loss is measured as the training goes; off: none."
            }
            Field::EvalEvery => "Steps between two evaluations.",
            Field::Sample => {
                "A question that is answered again and again, to see thinking appear; off: none."
            }
            Field::SampleEvery => "Steps between two answers.",
            Field::Price => {
                "Of this machine, for the cost line; 0: it is your own. s1 itself took 7 H100 hours."
            }
            Field::Name => "Letters, digits, and - _ . between them.",
            Field::Out => "Where checkpoints and results go.",
        }
    }

    /// Whether it is on or off and nothing else.
    pub fn is_switch(self) -> bool {
        matches!(self, Field::Pack | Field::Checkpointing)
    }

    /// Whether `off` is a value of it.
    pub fn may_be_off(self) -> bool {
        matches!(
            self,
            Field::Block
                | Field::MaxSteps
                | Field::SaveEvery
                | Field::EvalProblems
                | Field::EvalLimit
                | Field::EvalData
                | Field::Sample
        )
    }
}

/// What was typed, as it goes into the command.
pub fn read(field: Field, text: &str) -> Result<String, String> {
    let whole = |least: u64, most: u64| match text.parse::<u64>() {
        Ok(n) if (least..=most).contains(&n) => Ok(n.to_string()),
        _ if most == u64::MAX => Err(format!("Write a whole number from {least}.")),
        _ => Err(format!("Write a whole number from {least} to {most}.")),
    };
    let number = |good: &dyn Fn(f64) -> bool, what: &str| match text.parse::<f64>() {
        Ok(x) if x.is_finite() && good(x) => Ok(text.to_owned()),
        _ => Err(format!("Write a number {what}.")),
    };
    match field {
        Field::Base | Field::Data | Field::EvalProblems | Field::EvalData | Field::Out => {
            Ok(expand_home(text).display().to_string())
        }
        Field::Weights => {
            let rank = text.trim_start_matches("lora").trim();
            match rank.parse::<u32>() {
                _ if text == "full" => Ok("full".into()),
                Ok(n @ 1..=4096) => Ok(n.to_string()),
                _ => Err("Write full, or a rank from 1 to 4096.".into()),
            }
        }
        Field::Epochs | Field::Batch | Field::Accumulation => whole(1, 1_000_000),
        Field::Threads => whole(1, 1024),
        Field::Block => whole(8, 1 << 24),
        Field::MaxSteps | Field::SaveEvery | Field::EvalLimit => whole(1, 1 << 40),
        Field::EvalEvery | Field::SampleEvery => whole(1, 1 << 40),
        Field::Seed => whole(0, u64::MAX),
        Field::Rate => number(&|x| x > 0.0, "above 0, e.g. 1e-5"),
        Field::Warmup => number(&|x| (0.0..=1.0).contains(&x), "from 0 to 1"),
        Field::Decay | Field::Clip | Field::Price => number(&|x| x >= 0.0, "from 0"),
        Field::Sample => Ok(text.to_owned()),
        Field::Name => {
            let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            let good = text.chars().all(is_plain)
                && edge(text.chars().next())
                && edge(text.chars().last())
                && text.len() <= 80;
            if good {
                Ok(text.to_owned())
            } else {
                Err("Write letters and digits, with - _ . between them.".into())
            }
        }
        Field::Pack | Field::Checkpointing => match text {
            "on" => Ok("on".into()),
            _ => Err("Enter turns it on and off.".into()),
        },
    }
}
