//! A training as data: what is trained and how ([`TrainConfig`]), what happens meanwhile
//! ([`TrainEvent`]), and what it can be told ([`TrainOrder`]).
//!
//! Command line, form, database, background process and screen all use these types. Not here:
//! computing the steps (`s1-train`), and keeping records of them (`s1-store`).

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Deserializer, Serialize, de};
use strum::{EnumString, IntoStaticStr};

mod event;
mod params;

pub use event::{ExamplePiece, TrainEvent, TrainOrder, TrainPlan, TrainStep};
pub use params::{TRAIN, arguments, command_line};

use crate::param::validate;
use crate::template_args::TemplateArgs;

/// The version of [`TrainConfig`] that is written. A change of what a stored configuration means
/// raises it, and adds the reading of the version before.
pub const CONFIG_VERSION: u32 = 1;

/// Longest row where nobody asks for another, in tokens: s1's.
pub const MAX_BLOCK: usize = 32_768;

/// Seconds between two checkpoints where nobody asks for others: what a kill costs at most.
const SAVE_SECONDS: usize = 60;

/// The settings of a training. The defaults are those of s1's own fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// [`CONFIG_VERSION`].
    #[serde(deserialize_with = "known_version")]
    pub version: u32,
    /// What computes the steps; trainings from before there was a choice are native.
    #[serde(default)]
    pub trainer: TrainerKind,
    /// The base model: a GGUF file, a folder with safetensors, or a bundled or hub model by its name.
    pub model: Option<PathBuf>,
    /// Instead of a base, random weights in the shape that this TOML file describes.
    pub from_scratch: Option<PathBuf>,
    /// How the model marks its thinking; `None` is what is detected, as for all trainings before this
    /// could be set.
    #[serde(default)]
    pub family: Option<String>,
    /// Values for switches of the chat template; none where there was nothing to set yet.
    #[serde(default)]
    pub template_args: TemplateArgs,
    /// Whether a base is refused whose chat template or tokenizer has to be replaced by another.
    #[serde(default)]
    pub strict: bool,
    pub data: PathBuf,
    /// The folder for checkpoints and results.
    pub out: PathBuf,
    /// Rank of the low-rank addition that is trained; `None` trains every weight.
    pub lora_rank: Option<u32>,
    /// The addition is scaled by alpha / rank; `None` is twice the rank.
    pub lora_alpha: Option<f32>,
    /// Share of the addition's inputs that are dropped.
    pub lora_dropout: f32,
    /// Passes over the data.
    pub epochs: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// Rows in a batch.
    pub batch: usize,
    /// Longest row in tokens, at most the model's context; `None` is that, at most
    /// [`MAX_BLOCK`].
    pub block_size: Option<usize>,
    /// Threads; `None` is all cores.
    pub threads: Option<usize>,
    /// Fill rows with several examples, which do not see each other.
    pub pack: bool,
    /// Number of steps, instead of what the epochs come to.
    pub max_steps: Option<usize>,
    /// Share of the steps over which the learning rate rises.
    pub warmup: f64,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm; 0 is off.
    pub clip: f64,
    /// Batches whose gradients are added up before a step.
    pub grad_accum: usize,
    /// Keep only the layers' inputs and compute the rest twice.
    pub checkpointing: bool,
    /// Seed of the data's order, of new weights and of dropout.
    pub seed: u64,
    /// Write a checkpoint every this many steps; one is written at the end in any case.
    pub save_every: Option<usize>,
    /// Write one after this many seconds without one, too.
    pub save_seconds: Option<usize>,
    /// Held-out problems that are answered now and then.
    pub eval_problems: Option<PathBuf>,
    /// How many of them, from the first.
    pub eval_limit: usize,
    /// Held-out data whose loss is measured now and then.
    pub eval_data: Option<PathBuf>,
    /// Steps between two evaluations; `None` evaluates at the end.
    pub eval_every: Option<usize>,
    /// A question that is answered now and then.
    pub sample: Option<String>,
    /// Steps between two answers; `None` is about twenty answers in all.
    pub sample_every: Option<usize>,
    /// Leave lines of data out that cannot be used, instead of refusing the file.
    pub skip_broken: bool,
    /// GGUF files to write at the end; `None` is Q8_0 unless an adapter is trained.
    pub gguf: Option<Vec<Quantization>>,
    /// Which turns of a conversation are learned.
    #[serde(default)]
    pub turns: LearnedTurns,
    /// Tokens at which longer thoughts are cut, as a budget would.
    #[serde(default)]
    pub cut_thinking: Option<usize>,
    /// Whether the end of a thought that was cut carries loss.
    #[serde(default)]
    pub learn_cut: bool,
    /// The Python that runs TRL; `uv` is one with what is needed, made by uv.
    #[serde(default)]
    pub python: Option<String>,
    /// What starts several processes of it, with its arguments.
    #[serde(default)]
    pub launcher: Option<String>,
    /// What it computes in; `None` is bfloat16 on a GPU that has it.
    #[serde(default)]
    pub dtype: Option<Dtype>,
    /// Keep the base in four bits while an addition is trained.
    #[serde(default)]
    pub load_in_4bit: bool,
    /// How weights are spread over the processes: a file with settings of FSDP or DeepSpeed.
    #[serde(default)]
    pub sharding: Option<PathBuf>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            version: CONFIG_VERSION,
            trainer: TrainerKind::Native,
            model: None,
            from_scratch: None,
            family: None,
            template_args: TemplateArgs::default(),
            strict: false,
            data: PathBuf::new(),
            out: PathBuf::new(),
            lora_rank: None,
            lora_alpha: None,
            lora_dropout: 0.0,
            epochs: 5,
            lr: 1e-5,
            batch: 16,
            block_size: None,
            pack: false,
            max_steps: None,
            warmup: 0.05,
            weight_decay: 1e-4,
            clip: 1.0,
            grad_accum: 1,
            checkpointing: false,
            seed: 0,
            threads: None,
            save_every: None,
            save_seconds: Some(SAVE_SECONDS),
            eval_problems: None,
            eval_limit: 40,
            eval_data: None,
            eval_every: None,
            sample: None,
            sample_every: None,
            skip_broken: false,
            gguf: None,
            turns: LearnedTurns::All,
            cut_thinking: None,
            learn_cut: false,
            python: None,
            launcher: None,
            dtype: None,
            load_in_4bit: false,
            sharding: None,
        }
    }
}

/// How many answers to the sample question there are in all where nobody says how often.
const SAMPLES: usize = 20;

/// What is asked of the model after a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// The sample question.
    pub sample: bool,
    /// The held-out problems.
    pub problems: bool,
}

impl Questions {
    pub fn any(self) -> bool {
        self.sample || self.problems
    }
}

impl TrainConfig {
    /// The base, as it was named.
    pub fn base(&self) -> &Path {
        let base = self.model.as_ref().or(self.from_scratch.as_ref());
        base.map_or(Path::new(""), PathBuf::as_path)
    }

    /// The same with a value for everything that is left open and does not depend on the data, so
    /// that it means the same on another machine and to a later version.
    pub fn resolved(mut self, cores: usize) -> TrainConfig {
        self.threads.get_or_insert(cores);
        self.block_size.get_or_insert(MAX_BLOCK);
        match self.lora_rank {
            Some(rank) => {
                self.lora_alpha.get_or_insert(2.0 * rank as f32);
                self.gguf.get_or_insert_default();
            }
            None => {
                self.gguf.get_or_insert_with(|| vec![Quantization::Q8_0]);
            }
        }
        self
    }

    /// What is asked of the model after a step of so many.
    pub fn questions(&self, step: usize, steps: usize) -> Questions {
        let last = step == steps;
        let due = |every: usize| step.is_multiple_of(every.max(1));
        let sample_every = self.sample_every.unwrap_or(steps.div_ceil(SAMPLES));
        Questions {
            sample: self.sample.is_some() && (step == 1 || last || due(sample_every)),
            problems: self.eval_problems.is_some() && (last || self.eval_every.is_some_and(due)),
        }
    }

    /// Whether the settings can be trained with.
    ///
    /// # Errors
    /// With a sentence that names the flag, where something is missing or invalid.
    pub fn check(&self) -> Result<()> {
        match (&self.model, &self.from_scratch) {
            (None, None) => bail!("which model? give it with --model PATH.gguf"),
            (Some(_), Some(_)) => bail!("give either --model or --from-scratch"),
            (None, Some(_)) if self.lora_rank.is_some() => {
                bail!("--from-scratch trains every weight; leave --lora-rank out")
            }
            _ => {}
        }
        if self.data.as_os_str().is_empty() {
            bail!("which data? give it with --data FILE");
        }
        if self.out.as_os_str().is_empty() {
            bail!("where to? give a folder with --out DIR");
        }
        validate(TRAIN, self)?;
        if self.lora_alpha.is_some() && self.lora_rank.is_none() {
            bail!("--lora-alpha belongs to --lora-rank");
        }
        if self.learn_cut && self.cut_thinking.is_none() {
            bail!("--learn-cut is about thoughts that are cut; give --cut-thinking N with it");
        }
        if self.eval_every.is_some() && self.eval_data.is_none() && self.eval_problems.is_none() {
            bail!("--eval-every measures on what is held out; give --eval-data or --eval-problems");
        }
        self.check_trainer()
    }

    /// Whether the trainer has everything that is set: nothing is silently left out.
    fn check_trainer(&self) -> Result<()> {
        if self.trainer == TrainerKind::Trl {
            if self.load_in_4bit && self.lora_rank.is_none() {
                bail!("--load-in-4bit is for training an addition; give it a --lora-rank");
            }
            return Ok(());
        }
        let given = [
            ("python", self.python.is_some()),
            ("launcher", self.launcher.is_some()),
            (
                "dtype",
                self.dtype.is_some_and(|dtype| dtype != Dtype::Float32),
            ),
            ("load-in-4bit", self.load_in_4bit),
            ("sharding", self.sharding.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => bail!("--{flag} is a setting of TRL; give --trainer trl with it"),
            None => Ok(()),
        }
    }
}

/// Which of the assistant's turns in a conversation carry loss, of those that are not marked as seen only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum LearnedTurns {
    #[default]
    All,
    Last,
}

/// What computes the steps of a training.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum TrainerKind {
    /// This program, on the CPU.
    #[default]
    Native,
    /// Hugging Face's TRL, in Python processes: GPUs, and many of them.
    Trl,
}

/// What a trainer computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    Float32,
    Bfloat16,
}

fn known_version<'de, D: Deserializer<'de>>(value: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(value)?;
    if version != CONFIG_VERSION {
        return Err(de::Error::custom(format!(
            "settings of version {version}, and this program reads version {CONFIG_VERSION}; use a newer s1-tui"
        )));
    }
    Ok(version)
}

/// How the weights of a GGUF file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Quantization {
    /// As trained.
    F32,
    /// Half precision.
    F16,
    /// 8.5 bits a weight.
    Q8_0,
    /// 4.5 bits a weight; embedding and output stay in Q8_0.
    Q4_0,
}

impl Quantization {
    /// All of them, the largest first.
    pub const ALL: [Quantization; 4] = [Self::F32, Self::F16, Self::Q8_0, Self::Q4_0];

    /// For flags and file names.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TrainConfig {
        TrainConfig {
            model: Some("bundled:base".into()),
            data: "d.jsonl".into(),
            out: "o".into(),
            ..TrainConfig::default()
        }
    }

    #[test]
    fn what_is_stored_has_every_value_and_is_read_back() {
        let config = TrainConfig {
            lora_rank: Some(8),
            lora_dropout: 0.1,
            sample: Some("-5+3?".into()),
            ..config()
        };
        let config = config.resolved(4);
        assert_eq!((config.threads, config.lora_alpha), (Some(4), Some(16.0)));
        let stored = serde_json::to_value(&config).unwrap();
        assert_eq!(stored["version"], CONFIG_VERSION);
        assert_eq!(
            (&stored["epochs"], &stored["lr"]),
            (&5.into(), &1e-5.into())
        );
        assert_eq!(stored.as_object().unwrap().len(), 43);
        assert_eq!(
            serde_json::from_value::<TrainConfig>(stored).unwrap(),
            config
        );
    }

    #[test]
    fn a_newer_version_is_not_guessed_at() {
        let mut stored = serde_json::to_value(config()).unwrap();
        stored["version"] = 2.into();
        let error = serde_json::from_value::<TrainConfig>(stored).unwrap_err();
        assert!(error.to_string().contains("use a newer s1-tui"), "{error}");
    }

    #[test]
    fn the_model_is_asked_at_the_beginning_at_the_end_and_between() {
        let config = TrainConfig {
            sample: Some("1+1?".into()),
            eval_problems: Some("p.jsonl".into()),
            eval_every: Some(30),
            ..config()
        };
        let asked = |of: fn(Questions) -> bool| -> Vec<usize> {
            (1..=61)
                .filter(|step| of(config.questions(*step, 61)))
                .collect()
        };
        // Every 61 / 20 steps, rounded up.
        let samples = asked(|q| q.sample);
        assert_eq!(samples[..3], [1, 4, 8]);
        assert_eq!((samples.len(), samples.last()), (17, Some(&61)));
        assert_eq!(asked(|q| q.problems), [30, 60, 61]);
        assert!(!TrainConfig::default().questions(1, 1).any());
    }

    #[test]
    fn what_cannot_be_trained_with_is_named() {
        let refused = |change: &dyn Fn(&mut TrainConfig)| {
            let mut config = config();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(&|c| c.model = None).contains("--model"));
        assert!(refused(&|c| c.from_scratch = Some("c.toml".into())).contains("either"));
        assert!(refused(&|c| c.data = PathBuf::new()).contains("--data"));
        assert!(refused(&|c| c.lr = f64::NAN).contains("lr must be"));
        assert!(refused(&|c| c.warmup = 1.5).contains("warmup must be"));
        assert!(refused(&|c| c.threads = Some(0)).contains("threads must be"));
        assert!(refused(&|c| c.lora_alpha = Some(4.0)).contains("--lora-rank"));
        assert!(refused(&|c| c.eval_every = Some(5)).contains("--eval-data"));
        assert!(refused(&|c| c.learn_cut = true).contains("--cut-thinking"));
        type Change<'a> = &'a dyn Fn(&mut TrainConfig);
        let of_trl: [(Change, &str); 5] = [
            (&|c| c.python = Some("uv".into()), "--python"),
            (&|c| c.launcher = Some("torchrun".into()), "--launcher"),
            (&|c| c.dtype = Some(Dtype::Bfloat16), "--dtype"),
            (
                &|c| (c.load_in_4bit, c.lora_rank) = (true, Some(4)),
                "--load-in-4bit",
            ),
            (&|c| c.sharding = Some("fsdp.json".into()), "--sharding"),
        ];
        for (change, flag) in of_trl {
            let said = refused(change);
            assert!(
                said.contains(flag) && said.contains("--trainer trl"),
                "{said}"
            );
            let mut trl = config();
            trl.trainer = TrainerKind::Trl;
            change(&mut trl);
            trl.check().unwrap();
        }
        let said = refused(&|c| (c.trainer, c.load_in_4bit) = (TrainerKind::Trl, true));
        assert!(said.contains("--lora-rank"), "{said}");
        config().check().unwrap();
    }
}
