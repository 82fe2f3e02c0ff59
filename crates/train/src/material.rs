//! What every trainer begins with: the base, the examples in its tokens, and the order in which they
//! are seen. Two trainers with the same settings therefore see the same tokens with the same loss, in
//! the same batches.
//!
//! Not here: computing with any of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use s1_core::training::{ExamplePiece, TrainConfig, TrainPlan};
use s1_data::hub::{self, RepoKind, Split};
use s1_data::records;
use s1_engine::LoadOptions;
use s1_engine::dialogue::Dialogue;
use s1_model::config::ModelConfig;
use s1_model::gguf::Gguf;
use s1_model::tokenizer::Tokenizer;
use s1_model::weights::rows::WeightRows;

use crate::batches::Batches;
use crate::data::{self, Dataset, Example, Reading};
use crate::native::optim::Optim;
use crate::{export, scratch};

/// Lines that were left out of which a plan tells why.
const LEFT_OUT: usize = 10;

#[derive(Debug)]
pub struct Material {
    /// With a value for everything.
    pub config: TrainConfig,
    /// Where the base is: a GGUF file, a model's folder, or what a model from nothing is described by.
    pub base: PathBuf,
    pub gguf: Gguf,
    pub model: ModelConfig,
    pub tokenizer: Arc<Tokenizer>,
    pub data: Dataset,
    pub held_out: Vec<Example>,
    pub batches: Batches,
    /// Longest row in tokens.
    pub block: usize,
    pub steps: usize,
    pub optim: Optim,
    /// What the user should know of the base.
    warnings: Vec<String>,
    /// The file of the data, where they are of the hub.
    file: String,
}

impl Material {
    /// Reads base and data.
    ///
    /// # Errors
    /// If the settings, the base or the data cannot be used.
    pub fn read(config: &TrainConfig) -> Result<Material> {
        config.check()?;
        let config = crate::resolved(config.clone());
        let (gguf, base) = match (&config.model, &config.from_scratch) {
            (None, Some(path)) => {
                let bytes = scratch::model(path, config.seed)?;
                (Gguf::from_bytes(bytes)?, path.clone())
            }
            (model, _) => {
                let model = model.as_deref().unwrap_or(Path::new(""));
                let path = hub::local(model, RepoKind::Model)?;
                (Gguf::open(&path)?, path)
            }
        };
        let options = LoadOptions {
            path: base.clone(),
            family: config.family.clone(),
            template_args: config.template_args.clone(),
            strict: config.strict,
            ..LoadOptions::default()
        };
        let name = gguf.string("general.name").unwrap_or_default().to_owned();
        let dialogue = Dialogue::of(&gguf, &options, &name)?;
        let vocab = WeightRows::open(&gguf, "token_embd.weight")?.rows;
        let model = ModelConfig::read(&gguf, vocab)?;
        let context = model.context_length;
        let block = config.block_size.unwrap_or(context).min(context);
        let source = records::file(&config.data, Split::Train)?;
        let how = Reading::of(&config, block);
        let data = data::read(&source, &dialogue, &how)?;
        let held_out = match &config.eval_data {
            Some(path) => data::read(path, &dialogue, &how)?.documents,
            None => Vec::new(),
        };
        let lengths: Vec<usize> = data.documents.iter().map(|d| d.ids.len()).collect();
        let rows = config.batch * config.grad_accum;
        let pack = config.pack.then_some(block);
        let batches = Batches::new(lengths, rows, pack, config.seed);
        let steps = match config.max_steps {
            Some(steps) => steps,
            None => batches.steps_per_epoch() * config.epochs,
        };
        if steps == 0 {
            bail!("the run has no steps; give --epochs or --max-steps a larger number");
        }
        let optim = Optim {
            lr: config.lr,
            weight_decay: config.weight_decay,
            clip: config.clip,
            warmup: config.warmup,
            ..Optim::default()
        };
        let file = match hub::is_hub(&config.data) {
            true => source.file_name().unwrap_or_default().to_string_lossy(),
            false => "".into(),
        };
        Ok(Material {
            file: file.into_owned(),
            warnings: dialogue.warnings(),
            tokenizer: dialogue.tokenizer,
            config,
            base,
            gguf,
            model,
            data,
            held_out,
            batches,
            block,
            steps,
            optim,
        })
    }

    /// The base's own name.
    pub fn model_name(&self) -> &str {
        self.gguf.string("general.name").unwrap_or("model")
    }

    /// The first examples as they are trained on.
    pub fn examples(&self, n: usize) -> Vec<Vec<ExamplePiece>> {
        let shown = self.data.documents.iter().take(n);
        shown.map(|d| d.pieces(&self.tokenizer)).collect()
    }

    /// Passes over the data in all.
    pub fn epochs(&self) -> f64 {
        self.steps as f64 / self.batches.steps_per_epoch() as f64
    }

    /// Tokens of the longest example.
    pub fn longest(&self) -> usize {
        let lengths = self.data.documents.iter().map(|d| d.ids.len());
        lengths.max().unwrap_or(0)
    }

    /// What a run will take, as far as it is the same for every trainer.
    pub fn plan(&self) -> TrainPlan {
        let data = &self.data;
        TrainPlan {
            file: self.file.clone(),
            examples: data.documents.len(),
            records: data.records,
            turns: data.turns,
            thoughts: data.thoughts,
            tokens: data.tokens(),
            targets: data.targets(),
            longest: data.longest,
            cut: data.cut,
            shortened: data.shortened,
            broken: data.broken.len(),
            warnings: self.warnings.clone(),
            left_out: data.broken.iter().take(LEFT_OUT).cloned().collect(),
            steps: self.steps,
            total_tokens: (data.tokens() as f64 * self.epochs()) as usize,
            ..TrainPlan::default()
        }
    }

    /// Puts the base's tokenizer beside what was made of it, where it is a file of its own.
    ///
    /// # Errors
    /// If a file cannot be copied.
    pub fn bring_words(&self, folder: &Path) -> Result<()> {
        export::bring_words(&self.gguf, &self.base, folder)
    }
}
