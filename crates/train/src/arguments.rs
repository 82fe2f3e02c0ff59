//! A training as its flags: what `s1-tui train` reads, what the panel fills in, and what the store
//! keeps so that a run can be repeated. The defaults are those of s1's own fine-tuning.
//!
//! Not here: flags that only say how the command behaves (`--json`, `--detach`).

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use clap::{Parser, ValueEnum};

use super::export::Quantization;
use super::network::{Keep, Scope};
use super::optim::Optim;
use super::run::{Base, Settings};
use s1_data::hub::{self, RepoKind};
use s1_data::records;

/// Longest row where nobody asks for another, in tokens: s1's.
const BLOCK: usize = 32768;

/// What to train, on what, and how.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Arguments {
    /// The base model: a GGUF file, one of the hub (hf:OWNER/NAME[:FILE]), or bundled:base.
    #[arg(
        short,
        long,
        value_name = "PATH",
        required_unless_present = "from_scratch"
    )]
    pub model: Option<PathBuf>,
    /// Begin with random weights in the shape and with the vocabulary of this TOML file.
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["model", "lora_rank"])]
    pub from_scratch: Option<PathBuf>,
    /// Training data, JSON lines or Parquet: question/thinking/answer, s1K's fields, messages, or
    /// text; a file, bundled:traces, or hf:OWNER/NAME[:FILE] from the hub.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Held-out data of the same form, whose loss is measured every --eval-every steps.
    #[arg(long, value_name = "FILE")]
    pub eval_data: Option<PathBuf>,
    /// Held-out problems that are answered every --eval-every steps, greedily and at natural
    /// length: a file as for sweep, or bundled:held-out.
    #[arg(long, value_name = "FILE")]
    pub eval_problems: Option<PathBuf>,
    /// Ask this many of the held-out problems, from the first.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub eval_limit: usize,
    /// A question that is answered every --sample-every steps, so that one sees thinking appear.
    #[arg(long, value_name = "QUESTION")]
    pub sample: Option<String>,
    /// Answer the sample question every N steps [default: about twenty times].
    #[arg(long, value_name = "N", requires = "sample")]
    pub sample_every: Option<usize>,
    /// Folder for checkpoints and results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Train every weight (the default, unless --lora-rank is given).
    #[arg(long, conflicts_with = "lora_rank")]
    pub full: bool,
    /// Train a low-rank addition of this rank to every linear layer instead.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub lora_rank: Option<u32>,
    /// The addition is scaled by alpha / rank [default: twice the rank].
    #[arg(long, value_name = "A", requires = "lora_rank")]
    pub lora_alpha: Option<f32>,
    /// Share of the addition's inputs that are dropped.
    #[arg(long, value_name = "P", default_value_t = 0.0, requires = "lora_rank")]
    pub lora_dropout: f32,
    /// Passes over the data.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub epochs: usize,
    /// Rows in a batch.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub batch: usize,
    /// Batches whose gradients are added up before a step.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub grad_accum: usize,
    /// Highest learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-5)]
    pub lr: f64,
    /// Share of the steps over which the learning rate rises.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub warmup: f64,
    /// Decoupled weight decay of matrices.
    #[arg(long, value_name = "D", default_value_t = 1e-4)]
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm; 0 is off.
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    pub clip: f64,
    /// Longest row in tokens; longer examples are cut [default: the model's context, at most
    /// 32768].
    #[arg(long, value_name = "N")]
    pub block_size: Option<usize>,
    /// Fill rows with several examples, which do not see each other.
    #[arg(long)]
    pub pack: bool,
    /// Number of steps, instead of what the epochs come to.
    #[arg(long, value_name = "N")]
    pub max_steps: Option<usize>,
    /// Seed of the data's order, of new weights and of dropout.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Keep only the layers' inputs and compute the rest twice: less memory, a third more time.
    #[arg(long)]
    pub checkpointing: bool,
    /// Measure on what is held out every N steps [default: at the end].
    #[arg(long, value_name = "N")]
    pub eval_every: Option<usize>,
    /// Write a checkpoint every N steps (one is written at the end in any case).
    #[arg(long, value_name = "N")]
    pub save_every: Option<usize>,
    /// Leave lines of data out that cannot be used, instead of refusing the file.
    #[arg(long)]
    pub skip_broken: bool,
    /// GGUF files to write at the end (with an adapter: merged) [default: q8_0 unless an adapter
    /// is trained].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TYPES")]
    pub gguf: Option<Vec<Type>>,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// Types of a GGUF export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Type {
    /// As trained.
    F32,
    /// Half precision.
    F16,
    /// 8.5 bits a weight.
    #[value(name = "q8_0")]
    Q8,
    /// 4.5 bits a weight.
    #[value(name = "q4_0")]
    Q4,
}

impl From<Type> for Quantization {
    fn from(kind: Type) -> Self {
        match kind {
            Type::F32 => Quantization::F32,
            Type::F16 => Quantization::F16,
            Type::Q8 => Quantization::Q8_0,
            Type::Q4 => Quantization::Q4_0,
        }
    }
}

#[derive(Parser)]
#[command(name = "s1-tui train", disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

impl Arguments {
    /// Reads arguments as the command line does.
    ///
    /// # Errors
    /// If one is not an argument of `s1-tui train`; the sentence names it.
    pub fn parse(words: &[String]) -> Result<Arguments> {
        let program = "s1-tui train".to_owned();
        let line = std::iter::once(&program).chain(words);
        let parsed = Line::try_parse_from(line);
        Ok(parsed.map_err(|e| anyhow!("{}", first_line(&e)))?.arguments)
    }

    /// The shortest command line that means the same: what [`Arguments::parse`] reads.
    pub fn words(&self) -> Vec<String> {
        let mut words = Words::default();
        words.path("--model", &self.model);
        words.path("--from-scratch", &self.from_scratch);
        words.path("--data", &Some(self.data.clone()));
        words.path("--eval-data", &self.eval_data);
        words.path("--eval-problems", &self.eval_problems);
        words.unless("--eval-limit", self.eval_limit, 40);
        words.option("--sample", self.sample.clone());
        words.option("--sample-every", self.sample_every);
        words.path("--out", &Some(self.out.clone()));
        words.flag("--full", self.full);
        words.option("--lora-rank", self.lora_rank);
        words.option("--lora-alpha", self.lora_alpha);
        words.unless("--lora-dropout", self.lora_dropout, 0.0);
        words.unless("--epochs", self.epochs, 5);
        words.unless("--batch", self.batch, 16);
        words.unless("--grad-accum", self.grad_accum, 1);
        words.unless("--lr", self.lr, 1e-5);
        words.unless("--warmup", self.warmup, 0.05);
        words.unless("--weight-decay", self.weight_decay, 1e-4);
        words.unless("--clip", self.clip, 1.0);
        words.option("--block-size", self.block_size);
        words.flag("--pack", self.pack);
        words.option("--max-steps", self.max_steps);
        words.unless("--seed", self.seed, 0);
        words.flag("--checkpointing", self.checkpointing);
        words.option("--eval-every", self.eval_every);
        words.option("--save-every", self.save_every);
        words.flag("--skip-broken", self.skip_broken);
        words.option("--gguf", self.gguf.as_ref().map(|kinds| names(kinds)));
        words.option("--threads", self.threads);
        words.0
    }

    /// The same with paths that mean the same from any folder.
    pub fn absolute(mut self) -> Arguments {
        let paths = [
            &mut self.model,
            &mut self.from_scratch,
            &mut self.eval_data,
            &mut self.eval_problems,
        ];
        let options = paths.into_iter().filter_map(Option::as_mut);
        for path in options.chain([&mut self.data, &mut self.out]) {
            if !records::is_elsewhere(path)
                && let Ok(absolute) = std::path::absolute(&*path)
            {
                *path = absolute;
            }
        }
        self
    }

    /// The base, as it is named.
    pub fn base(&self) -> &Path {
        let base = self.model.as_ref().or(self.from_scratch.as_ref());
        base.map_or(Path::new(""), PathBuf::as_path)
    }

    /// The settings of the run.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn settings(&self) -> Result<Settings> {
        let base = match (&self.model, &self.from_scratch) {
            (_, Some(config)) => Base::Scratch(config.clone()),
            (Some(model), None) => Base::Model(hub::local(model, RepoKind::Model)?),
            (None, None) => bail!("which model? give it with --model PATH.gguf"),
        };
        let scope = match self.lora_rank {
            None => Scope::Full,
            Some(rank) => Scope::LowRank {
                rank: rank as usize,
                alpha: self.lora_alpha.unwrap_or(2.0 * rank as f32),
                dropout: self.lora_dropout,
            },
        };
        if !(0.0..1.0).contains(&self.lora_dropout) || !(0.0..=1.0).contains(&self.warmup) {
            bail!("--lora-dropout and --warmup are shares: give numbers from 0 to 1");
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            bail!("--lr is {}; a learning rate is a positive number", self.lr);
        }
        if self.batch == 0 || self.grad_accum == 0 {
            bail!("a batch of nothing teaches nothing; give --batch and --grad-accum 1 or more");
        }
        if self.eval_every.is_some() && self.eval_data.is_none() && self.eval_problems.is_none() {
            bail!("--eval-every measures on what is held out; give --eval-data or --eval-problems");
        }
        let threads = match self.threads {
            Some(0) => bail!("0 threads compute nothing; give --threads 1 or more"),
            Some(n) => n,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let default = match scope {
            Scope::Full => vec![Type::Q8],
            Scope::LowRank { .. } => Vec::new(),
        };
        let gguf = self.gguf.clone().unwrap_or(default);
        Ok(Settings {
            base,
            data: self.data.clone(),
            eval_data: self.eval_data.clone(),
            out: self.out.clone(),
            scope,
            optim: Optim {
                lr: self.lr,
                weight_decay: self.weight_decay,
                clip: self.clip,
                warmup: self.warmup,
                ..Optim::default()
            },
            epochs: self.epochs,
            batch: self.batch,
            accumulation: self.grad_accum,
            block: self.block_size.unwrap_or(BLOCK),
            pack: self.pack,
            max_steps: self.max_steps,
            seed: self.seed,
            threads,
            keep: if self.checkpointing {
                Keep::Inputs
            } else {
                Keep::All
            },
            eval_every: self.eval_every,
            save_every: self.save_every,
            skip_broken: self.skip_broken,
            gguf: gguf.into_iter().map(Into::into).collect(),
        })
    }
}

/// What clap says, without its usage lines.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn names(kinds: &[Type]) -> String {
    let values = kinds.iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = values.map(|v| v.get_name().to_owned()).collect();
    names.join(",")
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn path(&mut self, name: &str, path: &Option<PathBuf>) {
        self.option(name, path.as_ref().map(|p| p.display().to_string()));
    }

    fn option(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            // In one word: a value may begin with a dash.
            self.0.push(format!("{name}={}", value.to_string()));
        }
    }

    fn unless<T: ToString + PartialEq>(&mut self, name: &str, value: T, default: T) {
        self.option(name, (value != default).then_some(value));
    }

    fn flag(&mut self, name: &str, set: bool) {
        if set {
            self.0.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_training_is_repeated_from_its_words() {
        for line in [
            "--model=bundled:base --data=bundled:traces --out=o",
            "--model=m.gguf --data=d.jsonl --eval-data=e.jsonl --eval-problems=bundled:held-out \
             --eval-limit=20 --sample=-5+3? --sample-every=10 --out=o --lora-rank=8 \
             --lora-alpha=32 --lora-dropout=0.1 --epochs=1 --batch=2 --grad-accum=4 --lr=0.001 \
             --warmup=0.1 --weight-decay=0.01 --clip=0 --block-size=512 --pack --max-steps=7 \
             --seed=3 --checkpointing --eval-every=50 --save-every=100 --skip-broken \
             --gguf=f32,q4_0 --threads=1",
            "--from-scratch=c.toml --data=d.jsonl --out=o --full",
        ] {
            let read = Arguments::parse(&words(line)).unwrap();
            assert_eq!(read.words(), words(line));
            assert_eq!(Arguments::parse(&read.words()).unwrap(), read);
        }
    }

    #[test]
    fn what_it_cannot_read_is_named_in_one_line() {
        let error = Arguments::parse(&words("--model m --data d --out o --lrr 1")).unwrap_err();
        assert_eq!(error.to_string(), "unexpected argument '--lrr' found");
    }

    #[test]
    fn paths_are_made_absolute_and_bundled_names_are_not_paths() {
        let read = Arguments::parse(&words("--model bundled:base --data d.jsonl --out o")).unwrap();
        let read = read.absolute();
        assert_eq!(read.base(), Path::new("bundled:base"));
        assert!(read.data.is_absolute() && read.out.is_absolute());
    }
}
