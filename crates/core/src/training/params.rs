//! The parameters of a training, as the command line, the form and the reference show them.

use super::{Quantization, TrainConfig};
use crate::delimiters::{FAMILIES, Family};
use crate::field;
use crate::param::{ABOVE_ZERO, Access, Lens, Param, Shape, settings};

/// More steps than any training has.
const MAX_STEPS: u64 = 1 << 40;
/// A learning rate above this is a mistake in writing; no training survives it.
const MAX_LR: f64 = 1e3;
/// So is a norm or an alpha above this.
const MAX_FACTOR: f64 = 1e6;
/// The largest share that drops something and leaves something.
const BELOW_ONE: f64 = 0.999_999_9;

/// The parameters of a [`TrainConfig`].
pub const TRAIN: &[Param<TrainConfig>] = &[
    Param::new(
        "model",
        "Base model",
        "The model that learns: bundled:base, a GGUF file, or one of the hub (hf:OWNER/NAME[:FILE]).",
        Access::Path(field!(TrainConfig.model)),
    )
    .flag(&["model"], "PATH")
    .letter('m')
    .none(""),
    Param::new(
        "from_scratch",
        "From scratch",
        "Begin with random weights in the shape and with the vocabulary of this TOML file.",
        Access::Path(field!(TrainConfig.from_scratch)),
    )
    .flag(&["from-scratch"], "CONFIG")
    .none(""),
    Param::new(
        "family",
        "Family",
        "How the model marks its thinking, in training as when it is asked.",
        Access::Choice(
            FAMILIES,
            Lens {
                get: |config: &TrainConfig| config.family.map_or("auto", Family::name).into(),
                set: |config: &mut TrainConfig, word| config.family = Family::named(&word),
            },
        ),
    )
    .flag(&["family"], "FAMILY"),
    Param::new(
        "data",
        "Data",
        "bundled:traces, a JSONL or Parquet file, or hf:OWNER/NAME[:FILE]: questions with thinking and answers (s1K's fields), messages, or text.",
        Access::Path(field!(TrainConfig.data)),
    )
    .flag(&["data"], "FILE"),
    Param::new(
        "out",
        "Folder",
        "Where checkpoints and results go.",
        Access::Path(field!(TrainConfig.out)),
    )
    .flag(&["out"], "DIR"),
    Param::new(
        "lora_rank",
        "Weights",
        "full trains every weight; a rank, e.g. 16, trains a LoRA addition: less memory, a small file.",
        Access::Int(1, 4096, field!(TrainConfig.lora_rank)),
    )
    .none("full")
    .flag(&["lora-rank"], "R")
    .shortcut("full", "full", "Train every weight; this is the default."),
    Param::new(
        "lora_alpha",
        "LoRA alpha",
        "The LoRA addition is scaled by alpha / rank; auto is twice the rank.",
        Access::Float(ABOVE_ZERO, MAX_FACTOR, field!(TrainConfig.lora_alpha)),
    )
    .none("auto")
    .allowed("a number above 0, at most 1000000")
    .flag(&["lora-alpha"], "A"),
    Param::new(
        "lora_dropout",
        "LoRA dropout",
        "Share of the LoRA addition's inputs that are dropped.",
        Access::Float(0.0, BELOW_ONE, field!(TrainConfig.lora_dropout)),
    )
    .allowed("a number from 0 to below 1")
    .flag(&["lora-dropout"], "P"),
    Param::new(
        "epochs",
        "Epochs",
        "How often the data is gone through; s1: 5.",
        Access::Int(1, 1_000_000, field!(TrainConfig.epochs)),
    )
    .flag(&["epochs"], "N"),
    Param::new(
        "lr",
        "Learning rate",
        "The size of a step at its peak; s1: 1e-5. Too high and the loss jumps, too low and it stays.",
        Access::Float(ABOVE_ZERO, MAX_LR, field!(TrainConfig.lr)),
    )
    .allowed("a number above 0, e.g. 1e-5, at most 1000")
    .flag(&["lr"], "RATE"),
    Param::new(
        "batch",
        "Batch",
        "Rows per step; s1: 16. More is smoother, and takes memory.",
        Access::Int(1, 1_000_000, field!(TrainConfig.batch)),
    )
    .flag(&["batch"], "N"),
    Param::new(
        "block_size",
        "Block size",
        "Longest row in tokens; longer examples are cut, and with them their answers. off: the model's context, at most 32768.",
        Access::Int(8, 1 << 24, field!(TrainConfig.block_size)),
    )
    .unit("tokens")
    .none("off")
    .flag(&["block-size"], "N"),
    Param::new(
        "threads",
        "Threads",
        "How many threads it computes with; the rest stays for the explorer.",
        Access::Int(1, 1024, field!(TrainConfig.threads)),
    )
    .none("all")
    .flag(&["threads"], "N"),
    Param::new(
        "pack",
        "Packing",
        "Several examples fill a row, blind to each other: fewer steps for the same data.",
        Access::Switch(field!(TrainConfig.pack)),
    )
    .flag(&["pack"], "BOOL"),
    Param::new(
        "max_steps",
        "Steps at most",
        "Ends after this many steps, instead of after the epochs.",
        Access::Int(1, MAX_STEPS, field!(TrainConfig.max_steps)),
    )
    .none("off")
    .flag(&["max-steps"], "N"),
    Param::new(
        "warmup",
        "Warm-up",
        "Share of the steps over which the learning rate rises, before it falls as a cosine; s1: 0.05.",
        Access::Float(0.0, 1.0, field!(TrainConfig.warmup)),
    )
    .flag(&["warmup"], "SHARE"),
    Param::new(
        "weight_decay",
        "Weight decay",
        "Pulls matrices towards zero; s1: 1e-4.",
        Access::Float(0.0, MAX_LR, field!(TrainConfig.weight_decay)),
    )
    .allowed("a number from 0 to 1000")
    .flag(&["weight-decay"], "D"),
    Param::new(
        "clip",
        "Clip at norm",
        "Gradients longer than this are scaled down; 0 is off.",
        Access::Float(0.0, MAX_FACTOR, field!(TrainConfig.clip)),
    )
    .allowed("a number from 0 (off) to 1000000")
    .flag(&["clip"], "NORM"),
    Param::new(
        "grad_accum",
        "Accumulate",
        "Batches whose gradients are added up before a step: a larger batch in the same memory.",
        Access::Int(1, 1_000_000, field!(TrainConfig.grad_accum)),
    )
    .flag(&["grad-accum"], "N"),
    Param::new(
        "checkpointing",
        "Recompute",
        "Keeps only the layers' inputs and computes the rest twice: less memory, a third more time.",
        Access::Switch(field!(TrainConfig.checkpointing)),
    )
    .flag(&["checkpointing"], "BOOL"),
    Param::new(
        "seed",
        "Seed",
        "Of the data's order, of new weights and of dropout: the same seed gives the same model.",
        Access::Int(0, u64::MAX, field!(TrainConfig.seed)),
    )
    .flag(&["seed"], "N"),
    Param::new(
        "save_every",
        "Checkpoint every",
        "Steps between two checkpoints; a killed run resumes from the last. off: by the clock and at the end.",
        Access::Int(1, MAX_STEPS, field!(TrainConfig.save_every)),
    )
    .none("off")
    .flag(&["save-every"], "N"),
    Param::new(
        "save_seconds",
        "or every",
        "Seconds after which a checkpoint is written in any case, later where writing takes long. off: by steps and at the end.",
        Access::Int(1, 1_000_000, field!(TrainConfig.save_seconds)),
    )
    .unit("seconds")
    .none("off")
    .flag(&["save-seconds"], "N"),
    Param::new(
        "eval_problems",
        "Held-out problems",
        "Problems answered at natural length as the training goes: a file as for sweep, or bundled:held-out.",
        Access::Path(field!(TrainConfig.eval_problems)),
    )
    .none("off")
    .flag(&["eval-problems"], "FILE"),
    Param::new(
        "eval_limit",
        "of these the first",
        "How many of the held-out problems: more is surer, and slower.",
        Access::Int(1, MAX_STEPS, field!(TrainConfig.eval_limit)),
    )
    .flag(&["eval-limit"], "N"),
    Param::new(
        "eval_data",
        "Held-out data",
        "Data of the same form whose loss is measured as the training goes.",
        Access::Path(field!(TrainConfig.eval_data)),
    )
    .none("off")
    .flag(&["eval-data"], "FILE"),
    Param::new(
        "eval_every",
        "Evaluate every",
        "Steps between two evaluations on what is held out. off: at the end only.",
        Access::Int(1, MAX_STEPS, field!(TrainConfig.eval_every)),
    )
    .none("off")
    .flag(&["eval-every"], "N"),
    Param::new(
        "sample",
        "Sample question",
        "A question that is answered again and again, to see thinking appear.",
        Access::Text(field!(TrainConfig.sample)),
    )
    .none("off")
    .flag(&["sample"], "QUESTION"),
    Param::new(
        "sample_every",
        "Answer it every",
        "Steps between two answers to the sample question; auto is about twenty answers.",
        Access::Int(1, MAX_STEPS, field!(TrainConfig.sample_every)),
    )
    .none("auto")
    .flag(&["sample-every"], "N"),
    Param::new(
        "skip_broken",
        "Skip broken lines",
        "Leave lines of data out that cannot be used, instead of refusing the file.",
        Access::Switch(field!(TrainConfig.skip_broken)),
    )
    .flag(&["skip-broken"], "BOOL"),
    Param::new(
        "gguf",
        "GGUF files",
        "GGUF files to write at the end, an adapter merged; auto is q8_0 unless an adapter is trained.",
        Access::Notation(gguf_text, set_gguf),
    )
    .allowed("some of f32, f16, q8_0 and q4_0 with commas between, or \"none\", or \"auto\"")
    .flag(&["gguf"], "TYPES"),
];

fn gguf_text(config: &TrainConfig) -> String {
    match config.gguf.as_deref() {
        None => "auto".to_owned(),
        Some([]) => "none".to_owned(),
        Some(kinds) => kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(","),
    }
}

fn set_gguf(config: &mut TrainConfig, text: &str) -> Option<()> {
    let kind = |name: &str| Quantization::ALL.into_iter().find(|k| k.name() == name);
    config.gguf = match text {
        "auto" => None,
        "none" => Some(Vec::new()),
        names => Some(names.split(',').map(kind).collect::<Option<_>>()?),
    };
    Some(())
}

/// The shortest arguments of `s1-tui train` that say the same.
pub fn arguments(config: &TrainConfig) -> Vec<String> {
    let mut words = Vec::new();
    for setting in settings::<TrainConfig, TrainConfig>(TRAIN) {
        let text = setting.text(config);
        let Some(flag) = setting.info().flags.first() else {
            continue;
        };
        match setting.shape() {
            _ if text == setting.default_text() => {}
            Shape::Switch => words.push(format!("--{flag}")),
            // It would be taken for a flag.
            _ if text.starts_with('-') => words.push(format!("--{flag}={text}")),
            _ => words.extend([format!("--{flag}"), text]),
        }
    }
    words
}

/// `s1-tui train` with these arguments and a name, as a shell reads it.
pub fn command_line(config: &TrainConfig, name: &str) -> String {
    let mut words = arguments(config);
    words.extend(["--name".to_owned(), name.to_owned()]);
    let mut line = String::from("s1-tui train");
    for word in words {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@".contains(c);
        line.push(' ');
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(&word);
        } else {
            line.push_str(&format!("'{}'", word.replace('\'', r"'\''")));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_one_parameter_and_its_text_is_read_back() {
        let fields = serde_json::to_value(TrainConfig::default()).unwrap();
        let fields: Vec<&String> = fields.as_object().unwrap().keys().skip(1).collect();
        let keys: Vec<&str> = TRAIN.iter().map(|p| p.info.key).collect();
        assert_eq!(fields, keys);

        let config = TrainConfig {
            model: Some("m.gguf".into()),
            family: Some(Family::S1),
            data: "d.jsonl".into(),
            out: "o".into(),
            lora_rank: Some(8),
            lora_alpha: Some(32.0),
            lora_dropout: 0.1,
            epochs: 1,
            lr: 1e-3,
            weight_decay: 0.01,
            block_size: Some(512),
            pack: true,
            max_steps: Some(7),
            sample: Some("-5+3?".into()),
            gguf: Some(vec![Quantization::F32, Quantization::Q4_0]),
            threads: Some(1),
            ..TrainConfig::default()
        };
        let mut copy = TrainConfig::default();
        for setting in settings(TRAIN) {
            if setting.text(&config) != setting.default_text() {
                setting.set(&mut copy, &setting.text(&config)).unwrap();
            }
        }
        assert_eq!(copy, config);
        assert_eq!(
            arguments(&config).join(" "),
            "--model m.gguf --family s1 --data d.jsonl --out o --lora-rank 8 --lora-alpha 32 \
             --lora-dropout 0.1 --epochs 1 --lr 0.001 --block-size 512 --threads 1 --pack \
             --max-steps 7 --weight-decay 0.01 --sample=-5+3? --gguf f32,q4_0"
        );
    }
}
