//! The parameters of a training, as the command line, the form and the reference show them.

use super::{LearnedTurns, Quantization, TrainConfig, TrainerKind};
use crate::param;
use crate::param::{ABOVE_ZERO, Access, Lens, Param, Shape, Word, settings};

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
    param!(
        "trainer",
        Access::Choice(
            TRAINERS,
            Lens {
                get: |config: &TrainConfig| <&str>::from(config.trainer).to_owned(),
                set: |config: &mut TrainConfig, word| {
                    config.trainer = word.parse().unwrap_or(TrainerKind::Native);
                },
            },
        )
    )
    .named("Trainer", "native|trl")
    .help("What computes the steps: this program on the CPU, or Hugging Face's TRL in Python, on GPUs and many of them."),
    param!(TrainConfig.model, Path)
        .named("Base model", "PATH")
        .help("The model that learns: bundled:base, a GGUF file, a folder with safetensors, or one of the hub (hf:OWNER/NAME[:FILE]).")
        .letter('m')
        .none(""),
    param!(TrainConfig.from_scratch, Path)
        .named("From scratch", "CONFIG")
        .help("Begin with random weights in the shape and with the vocabulary of this TOML file.")
        .none(""),
    param!(TrainConfig.family, Text)
        .named("Family", "FAMILY")
        .help("How the model marks its thinking, in training as when it is asked: a name of the table of families.")
        .none("auto"),
    param!(TrainConfig.template_args, Parsed)
        .named("Template", "KEY=VALUE")
        .help("A value for a switch of the chat template, such as enable_thinking=false, that the examples are written with; may be given again.")
        .flags(&["template-arg"])
        .allowed("KEY=VALUE, several of them with semicolons between")
        .repeats(),
    param!(TrainConfig.strict, Switch)
        .named("Strict", "true|false")
        .help("Refuse a base whose chat template or tokenizer cannot be used as it is, instead of warning."),
    param!(TrainConfig.data, Path)
        .named("Data", "FILE")
        .help("bundled:traces, a JSONL or Parquet file, or hf:OWNER/NAME[:FILE]: questions with thinking and answers (s1K's fields), messages, or text."),
    param!(TrainConfig.out, Path)
        .named("Folder", "DIR")
        .help("Where checkpoints and results go."),
    param!(TrainConfig.lora_rank, Int, 1, 4096)
        .named("Weights", "R")
        .help("full trains every weight; a rank, e.g. 16, trains a LoRA addition: less memory, a small file.")
        .none("full")
        .shortcut("full", "full", "Train every weight; this is the default."),
    param!(TrainConfig.lora_alpha, Float, ABOVE_ZERO, MAX_FACTOR)
        .named("LoRA alpha", "A")
        .help("The LoRA addition is scaled by alpha / rank; auto is twice the rank.")
        .none("auto")
        .allowed("a number above 0, at most 1000000"),
    param!(TrainConfig.lora_dropout, Float, 0.0, BELOW_ONE)
        .named("LoRA dropout", "P")
        .help("Share of the LoRA addition's inputs that are dropped.")
        .allowed("a number from 0 to below 1"),
    param!(TrainConfig.epochs, Int, 1, 1_000_000)
        .named("Epochs", "N")
        .help("How often the data is gone through; s1: 5."),
    param!(TrainConfig.lr, Float, ABOVE_ZERO, MAX_LR)
        .named("Learning rate", "RATE")
        .help("The size of a step at its peak; s1: 1e-5. Too high and the loss jumps, too low and it stays.")
        .allowed("a number above 0, e.g. 1e-5, at most 1000"),
    param!(TrainConfig.batch, Int, 1, 1_000_000)
        .named("Batch", "N")
        .help("Rows per step; s1: 16. More is smoother, and takes memory."),
    param!(TrainConfig.block_size, Int, 8, 1 << 24)
        .named("Block size", "N")
        .help("Longest row in tokens; longer examples are cut, and with them their answers. off: the model's context, at most 32768.")
        .unit("tokens")
        .none("off"),
    param!(TrainConfig.threads, Int, 1, 1024)
        .named("Threads", "N")
        .help("How many threads it computes with; the rest stays for the explorer.")
        .none("all"),
    param!(TrainConfig.pack, Switch)
        .named("Packing", "BOOL")
        .help("Several examples fill a row, blind to each other: fewer steps for the same data."),
    param!(TrainConfig.max_steps, Int, 1, MAX_STEPS)
        .named("Steps at most", "N")
        .help("Ends after this many steps, instead of after the epochs.")
        .none("off"),
    param!(TrainConfig.warmup, Float, 0.0, 1.0)
        .named("Warm-up", "SHARE")
        .help("Share of the steps over which the learning rate rises, before it falls as a cosine; s1: 0.05."),
    param!(TrainConfig.weight_decay, Float, 0.0, MAX_LR)
        .named("Weight decay", "D")
        .help("Pulls matrices towards zero; s1: 1e-4.")
        .allowed("a number from 0 to 1000"),
    param!(TrainConfig.clip, Float, 0.0, MAX_FACTOR)
        .named("Clip at norm", "NORM")
        .help("Gradients longer than this are scaled down; 0 is off.")
        .allowed("a number from 0 (off) to 1000000"),
    param!(TrainConfig.grad_accum, Int, 1, 1_000_000)
        .named("Accumulate", "N")
        .help("Batches whose gradients are added up before a step: a larger batch in the same memory."),
    param!(TrainConfig.checkpointing, Switch)
        .named("Recompute", "BOOL")
        .help("Keeps only the layers' inputs and computes the rest twice: less memory, a third more time."),
    param!(TrainConfig.seed, Int, 0, u64::MAX)
        .named("Seed", "N")
        .help("Of the data's order, of new weights and of dropout: the same seed gives the same model."),
    param!(TrainConfig.save_every, Int, 1, MAX_STEPS)
        .named("Checkpoint every", "N")
        .help("Steps between two checkpoints; a killed run resumes from the last. off: by the clock and at the end.")
        .none("off"),
    param!(TrainConfig.save_seconds, Int, 1, 1_000_000)
        .named("or every", "N")
        .help("Seconds after which a checkpoint is written in any case, later where writing takes long. off: by steps and at the end.")
        .unit("seconds")
        .none("off"),
    param!(TrainConfig.eval_problems, Path)
        .named("Held-out problems", "FILE")
        .help("Problems answered at natural length as the training goes: a file as for sweep, or bundled:held-out.")
        .none("off"),
    param!(TrainConfig.eval_limit, Int, 1, MAX_STEPS)
        .named("of these the first", "N")
        .help("How many of the held-out problems: more is surer, and slower."),
    param!(TrainConfig.eval_data, Path)
        .named("Held-out data", "FILE")
        .help("Data of the same form whose loss is measured as the training goes.")
        .none("off"),
    param!(TrainConfig.eval_every, Int, 1, MAX_STEPS)
        .named("Evaluate every", "N")
        .help("Steps between two evaluations on what is held out. off: at the end only.")
        .none("off"),
    param!(TrainConfig.sample, Text)
        .named("Sample question", "QUESTION")
        .help("A question that is answered again and again, to see thinking appear.")
        .none("off"),
    param!(TrainConfig.sample_every, Int, 1, MAX_STEPS)
        .named("Answer it every", "N")
        .help("Steps between two answers to the sample question; auto is about twenty answers.")
        .none("auto"),
    param!(TrainConfig.skip_broken, Switch)
        .named("Skip broken lines", "BOOL")
        .help("Leave lines of data out that cannot be used, instead of refusing the file."),
    param!("gguf", Access::Notation(gguf_text, set_gguf))
        .named("GGUF files", "TYPES")
        .help("GGUF files to write at the end, an adapter merged; auto is q8_0 unless an adapter is trained.")
        .allowed("some of f32, f16, q8_0 and q4_0 with commas between, or \"none\", or \"auto\""),
    param!(
        "turns",
        Access::Choice(
            TURNS,
            Lens {
                get: |config: &TrainConfig| <&str>::from(config.turns).to_owned(),
                set: |config: &mut TrainConfig, word| {
                    config.turns = word.parse().unwrap_or(LearnedTurns::All);
                },
            },
        )
    )
    .named("Turns learned", "all|last")
    .help("Of a conversation, whether every turn of the assistant carries loss, or its last alone; a turn's own \"train\" or \"weight\" goes before."),
    param!(TrainConfig.cut_thinking, Int, 1, MAX_STEPS)
        .named("Cut thoughts at", "N")
        .help("Longer thoughts are cut at this length and closed as a budget closes them, the answer behind: a cut at inference is then nothing new.")
        .unit("tokens")
        .none("off"),
    param!(TrainConfig.learn_cut, Switch)
        .named("Learn the cut", "BOOL")
        .help("Whether the end of a thought that was cut carries loss; if so, the model learns to end there by itself."),
    param!(TrainConfig.python, Text)
        .named("Python", "PROGRAM")
        .help("The Python that has TRL, or uv, which brings what is needed along; auto is python3.")
        .none("auto"),
    param!(TrainConfig.launcher, Text)
        .named("Launcher", "COMMAND")
        .help("Starts several processes of TRL: \"torchrun --nproc_per_node 2\", \"accelerate launch --config_file FILE\", or another command; off is one process.")
        .none("off"),
    param!(
        "dtype",
        Access::Choice(
            DTYPES,
            Lens {
                get: |config: &TrainConfig| config.dtype.map_or("auto", <&str>::from).to_owned(),
                set: |config: &mut TrainConfig, word| config.dtype = word.parse().ok(),
            },
        )
    )
    .named("Computes in", "auto|float32|bfloat16")
    .help("The numbers that TRL computes with; weights that are trained stay in float32."),
    param!(TrainConfig.load_in_4bit, Switch)
        .named("Base in 4 bits", "BOOL")
        .help("QLoRA: TRL keeps the base in four bits while an addition is trained; needs bitsandbytes and a GPU."),
    param!(TrainConfig.sharding, Path)
        .named("Sharding", "FILE")
        .help("A JSON file of FSDP's or DeepSpeed's settings, by which TRL spreads the weights over the processes.")
        .none("off"),
];

const TRAINERS: &[Word] = &[
    ("native", "this program, on the CPU"),
    ("trl", "TRL in Python, on GPUs"),
];

const TURNS: &[Word] = &[
    ("all", "every turn of the assistant"),
    ("last", "its last turn, the others are seen only"),
];

const DTYPES: &[Word] = &[
    ("auto", "bfloat16 on a GPU that has it, else float32"),
    ("float32", ""),
    ("bfloat16", "half the memory and coarse steps"),
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
    use super::super::Dtype;
    use super::*;

    #[test]
    fn every_field_has_one_parameter_and_its_text_is_read_back() {
        let fields = serde_json::to_value(TrainConfig::default()).unwrap();
        let fields: Vec<&String> = fields.as_object().unwrap().keys().skip(1).collect();
        let keys: Vec<&str> = TRAIN.iter().map(|p| p.info.key).collect();
        assert_eq!(fields, keys);

        let config = TrainConfig {
            model: Some("m.gguf".into()),
            family: Some("s1".into()),
            template_args: "effort=high; n=3".parse().unwrap(),
            strict: true,
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
            trainer: TrainerKind::Trl,
            turns: LearnedTurns::Last,
            cut_thinking: Some(256),
            learn_cut: true,
            python: Some("uv".into()),
            launcher: Some("torchrun --nproc_per_node 2".into()),
            dtype: Some(Dtype::Bfloat16),
            load_in_4bit: true,
            sharding: Some("fsdp.json".into()),
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
            "--trainer trl --model m.gguf --family s1 --template-arg effort=high; n=3 --strict --data d.jsonl --out o --lora-rank 8 --lora-alpha 32 \
             --lora-dropout 0.1 --epochs 1 --lr 0.001 --block-size 512 --threads 1 --pack \
             --max-steps 7 --weight-decay 0.01 --sample=-5+3? --gguf f32,q4_0 --turns last --cut-thinking 256 --learn-cut --python uv \
             --launcher torchrun --nproc_per_node 2 --dtype bfloat16 --load-in-4bit --sharding fsdp.json"
        );
    }
}
