//! The trainer of this program: hand-written layers with a backward pass, AdamW, checkpoints.
//!
//! A run is a pure function of its settings, its data, its base and its number of threads: killed
//! at any moment and resumed from its last checkpoint, it ends with the same weights.
//!
//! | module | subject |
//! |---|---|
//! | `data`, `batches` | examples, and the order in which they are seen |
//! | [`network`] | the model: layers, attention, norms, rotary embedding |
//! | `linear`, `attention`, `gate`, `norm`, `rotary`, `loss`, `math` | its parts, forward and back |
//! | [`params`], [`optim`], [`step`] | what is trained, and one step of it |
//! | `plan` | what a run will take |
//! | `recipe` | what a resumed run has to agree with |
//! | `checkpoint`, `export` | what is written on the way and at the end |
//! | `scratch` | a base with random weights |

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::control::{NextMove, TrainControl};
use super::trainer::{Product, TrainListener, TrainOutcome, Trainer};
use s1_core::training::{
    ExamplePiece, Quantization, TrainConfig, TrainEvent, TrainPlan, TrainStep,
};
use s1_data::hub::{self, RepoKind, Split};
use s1_data::records;
use s1_engine::LoadOptions;
use s1_engine::dialogue::Dialogue;
use s1_model::adapter::PeftAdapter;
use s1_model::gguf::{self, Gguf};
use s1_model::tokenizer::Tokenizer;

mod attention;
mod batches;
pub(super) mod checkpoint;
mod data;
mod export;
mod gate;
mod linear;
mod loss;
pub mod math;
pub mod network;
mod norm;
pub mod optim;
pub mod params;
mod plan;
mod recipe;
mod rotary;
mod scratch;
pub mod step;

use batches::Batches;
use checkpoint::Checkpoint;
use data::Dataset;
use export::{Merged, save_peft};
use network::{Example, Keep, Network, Scope};
use optim::{Moments, Optim, norm, update};
use params::Params;
use plan::{CostInputs, require_memory};
use recipe::{Recipe, digest_of, digest_of_examples};
use step::Shards;

/// Checkpoints by the clock take at most one part in so many of the time.
const SAVING: u32 = 20;

/// A run that is ready to go.
#[derive(Debug)]
pub struct NativeTrainer {
    config: TrainConfig,
    scope: Scope,
    optim: Optim,
    threads: usize,
    base: PathBuf,
    gguf: Gguf,
    tokenizer: Arc<Tokenizer>,
    network: Network,
    params: Params,
    moments: Moments,
    data: Dataset,
    held_out: Vec<Example>,
    batches: Batches,
    shards: Shards,
    steps: usize,
    done: usize,
    tokens: u64,
    rate: f64,
    recipe: Recipe,
    /// The recipe as text, once it was needed.
    recipe_text: OnceCell<String>,
    plan: TrainPlan,
    /// What to say when the steps begin.
    messages: Vec<String>,
    /// When the last checkpoint was there, and how long it took.
    saved: Cell<(Instant, Duration)>,
}

/// What is trained, by the settings.
fn scope_of(config: &TrainConfig) -> Scope {
    match config.lora_rank {
        None => Scope::Full,
        Some(rank) => Scope::LowRank {
            rank: rank as usize,
            alpha: config.lora_alpha.unwrap_or(2.0 * rank as f32),
            dropout: config.lora_dropout,
        },
    }
}

impl NativeTrainer {
    /// As [`super::prepare`].
    ///
    /// # Errors
    /// As [`super::prepare`].
    pub fn prepare(config: &TrainConfig, resume: bool) -> Result<NativeTrainer> {
        config.check()?;
        let config = super::resolved(config.clone());
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
            strict: config.strict,
            ..LoadOptions::default()
        };
        let name = gguf.string("general.name").unwrap_or_default().to_owned();
        let dialogue = Dialogue::of(&gguf, &options, &name)?;
        let scope = scope_of(&config);
        let (network, params) = Network::load(&gguf, scope, config.seed)
            .with_context(|| format!("cannot train {}", base.display()))?;
        let context = network.config().context_length;
        let block = config.block_size.unwrap_or(context).min(context);
        let source = records::file(&config.data, Split::Train)?;
        let data = data::read(&source, &dialogue, block, config.skip_broken)?;
        let held_out = match &config.eval_data {
            Some(path) => data::read(path, &dialogue, block, config.skip_broken)?.documents,
            None => Vec::new(),
        };
        let lengths: Vec<usize> = data.documents.iter().map(|d| d.ids.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let rows = config.batch * config.grad_accum;
        let pack = config.pack.then_some(block);
        let batches = Batches::new(lengths, rows, pack, config.seed);
        let per_epoch = batches.steps_per_epoch();
        let steps = config.max_steps.unwrap_or(per_epoch * config.epochs);
        if steps == 0 {
            bail!("the run has no steps; give --epochs or --max-steps a larger number");
        }
        let threads = config.threads.unwrap_or(1);
        let keep = if config.checkpointing {
            Keep::Inputs
        } else {
            Keep::All
        };
        let shape = CostInputs {
            batch_tokens: config.batch * if config.pack { block } else { longest },
            threads,
            shards: threads.min(config.batch).max(1),
            scope,
            keep,
        };
        let epochs = steps as f64 / per_epoch as f64;
        let parameters = params.values.len();
        let mut plan = plan::plan(&network, &data, parameters, steps, epochs, &shape);
        plan.warnings = dialogue.warnings();
        if hub::is_hub(&config.data) {
            let name = source.file_name().unwrap_or_default();
            plan.file = name.to_string_lossy().into_owned();
        }
        require_memory(plan.memory, &shape)?;
        let optim = Optim {
            lr: config.lr,
            weight_decay: config.weight_decay,
            clip: config.clip,
            warmup: config.warmup,
            ..Optim::default()
        };
        let recipe = Recipe {
            base: digest_of(&gguf),
            weights: String::new(),
            data: data.digest.clone(),
            examples: digest_of_examples(&data.documents),
            scope: format!("{scope:?}"),
            optim,
            steps,
            batch: config.batch,
            accumulation: config.grad_accum,
            block,
            pack: config.pack,
            seed: config.seed,
            threads,
            version: env!("CARGO_PKG_VERSION"),
        };
        let mut run = NativeTrainer {
            shards: Shards::new(threads, config.batch, parameters, keep),
            moments: Moments::new(parameters),
            config,
            scope,
            optim,
            threads,
            base,
            gguf,
            tokenizer: dialogue.tokenizer,
            network,
            params,
            data,
            held_out,
            batches,
            steps,
            done: 0,
            tokens: 0,
            rate: 1.0,
            recipe,
            recipe_text: OnceCell::new(),
            plan,
            messages: Vec::new(),
            saved: Cell::new((Instant::now(), Duration::ZERO)),
        };
        let earlier = checkpoint::list(&run.config.out);
        match earlier.last() {
            Some(path) if resume => run.resume_from(&earlier, path)?,
            Some(_) => bail!(
                "{} holds an earlier run; continue it with --resume, or give another --out",
                run.config.out.display()
            ),
            None if resume => run.messages.push(format!(
                "there is no checkpoint in {} yet: it begins with step 1",
                run.config.out.display()
            )),
            None => {}
        }
        Ok(run)
    }

    /// What a resumed run has to agree with, as checkpoints hold it.
    fn recipe(&self) -> &str {
        self.recipe_text
            .get_or_init(|| self.recipe.text(&self.gguf))
    }

    /// Continues from the newest checkpoint that is whole.
    fn resume_from(&mut self, earlier: &[PathBuf], newest: &Path) -> Result<()> {
        let mut first_error = None;
        for path in earlier.iter().rev() {
            match Checkpoint::load(path, &self.params, self.recipe()) {
                Ok(checkpoint) => {
                    self.done = checkpoint.step;
                    self.tokens = checkpoint.tokens;
                    self.rate = checkpoint.lr;
                    self.params.values = checkpoint.values;
                    self.moments = checkpoint.moments;
                    return Ok(());
                }
                // An older one would be another run's, too.
                Err(error) if !checkpoint::is_damage(&error) => return Err(error),
                Err(error) => {
                    self.messages
                        .push(format!("{error:#}; an earlier checkpoint is taken"));
                    first_error = first_error.or(Some(error));
                }
            }
        }
        match first_error {
            Some(error) => Err(error),
            None => bail!("{} cannot be read", newest.display()),
        }
    }

    fn pieces(&self, document: &Example) -> Vec<ExamplePiece> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(&loss) = document.mask.get(at) {
            let rest = &document.mask[at..];
            let end = at + rest.iter().take_while(|m| **m == loss).count();
            let text = self.tokenizer.decode(&document.ids[at..end]);
            pieces.push(ExamplePiece { text, loss });
            at = end;
        }
        pieces
    }

    /// Computes the steps that are left, or until it is told to stop.
    fn run_steps(
        &mut self,
        control: &TrainControl,
        tell: &mut TrainListener,
    ) -> Result<TrainOutcome> {
        let first = self.done;
        let started = Instant::now();
        let batches = self.batches.clone();
        for (epoch, rows) in batches.from(first).take(self.steps - first) {
            let tokens = self.step(epoch, &rows, control, (first, started), tell)?;
            self.tokens += tokens as u64;
            let due =
                |every: Option<usize>| every.is_some_and(|n| self.done.is_multiple_of(n.max(1)));
            let last = self.done == self.steps;
            if !self.held_out.is_empty() && (due(self.config.eval_every) || last) {
                let documents: Vec<&Example> = self.held_out.iter().collect();
                let values = &self.params.values;
                let sums = self.shards.evaluate(&self.network, values, &documents);
                let (step, loss) = (self.done, sums.mean());
                tell(self, TrainEvent::Eval { step, loss });
            }
            let save = due(self.config.save_every) || self.is_save_time() || last;
            if self.follow_orders(control, save, tell)? == TrainOutcome::Stopped && !last {
                return Ok(TrainOutcome::Stopped);
            }
        }
        Ok(TrainOutcome::Finished)
    }

    /// Whether the clock says that a checkpoint is due.
    fn is_save_time(&self) -> bool {
        let (at, took) = self.saved.get();
        let seconds = self.config.save_seconds.map(|n| n as u64);
        seconds.is_some_and(|n| at.elapsed() >= Duration::from_secs(n).max(took * SAVING))
    }

    /// Writes the checkpoint that is due (`save`) or asked for, waits while it is to wait, and says
    /// whether it is to stop.
    fn follow_orders(
        &self,
        control: &TrainControl,
        save: bool,
        tell: &mut TrainListener,
    ) -> Result<TrainOutcome> {
        let step = self.done;
        let (mut saved, mut held) = (false, false);
        loop {
            // Looked at once in each turn: whatever is followed below has its checkpoint.
            let next = control.next();
            if (save || next != NextMove::Go) && !std::mem::replace(&mut saved, true) {
                self.save(tell)?;
            }
            match next {
                NextMove::Stop => return Ok(TrainOutcome::Stopped),
                NextMove::Pause => {
                    if !std::mem::replace(&mut held, true) {
                        tell(self, TrainEvent::Paused { step });
                    }
                    // Nobody can resume what is gone, and nobody would end it.
                    let out = &self.config.out;
                    ensure!(out.is_dir(), "{} is gone; the training ends", out.display());
                    std::thread::sleep(Duration::from_millis(20));
                }
                NextMove::Go | NextMove::Save => {
                    control.saved();
                    if held {
                        tell(self, TrainEvent::Resumed { step });
                    }
                    return Ok(TrainOutcome::Finished);
                }
            }
        }
    }

    fn step(
        &mut self,
        epoch: usize,
        rows: &[Vec<usize>],
        control: &TrainControl,
        (first, started): (usize, Instant),
        tell: &mut TrainListener,
    ) -> Result<usize> {
        let begun = Instant::now();
        let micro: Vec<Vec<&Example>> = rows
            .chunks(self.config.batch)
            .map(|rows| {
                rows.iter()
                    .flatten()
                    .map(|&i| &self.data.documents[i])
                    .collect()
            })
            .collect();
        let tokens: usize = micro.iter().flatten().map(|d| d.ids.len()).sum();
        let dropout = s1_core::rng::mix(self.config.seed ^ 0x64_726f_706f_7574, self.done as u64);
        let values = &self.params.values;
        let (sums, grads) = self.shards.gradient(&self.network, values, &micro, dropout);
        let size = norm(grads);
        if !(sums.loss.is_finite() && size.is_finite()) {
            let mut examples: Vec<usize> = rows.iter().flatten().map(|i| i + 1).collect();
            examples.sort();
            bail!(
                "the loss of step {} is not a number (loss {}, gradient {size}), in the batch of examples {examples:?}; {}; try a lower --lr",
                self.done + 1,
                sums.mean(),
                self.last_good()
            );
        }
        let optim = &self.optim;
        self.rate = control.rate();
        let lr = optim.lr * self.rate * optim.schedule(self.done, self.steps);
        let scale = match optim.clip {
            clip if clip > 0.0 && size > clip => clip / (size + 1e-6),
            _ => 1.0,
        };
        let threads = self.threads;
        let (params, moments) = (&mut self.params, &mut self.moments);
        update(optim, params, grads, moments, self.done, lr, scale, threads);
        ensure!(
            checkpoint::are_finite(&self.params.values),
            "step {} makes weights that are not numbers (learning rate {lr:.3e}); {}; try a lower --lr",
            self.done + 1,
            self.last_good()
        );
        self.done += 1;
        let elapsed = started.elapsed().as_secs_f64();
        let (done, left) = (self.done - first, self.steps - self.done);
        let step = TrainStep {
            step: self.done,
            steps: self.steps,
            epoch: epoch + 1,
            loss: sums.mean(),
            lr,
            grad_norm: size,
            tok_s: tokens as f64 / begun.elapsed().as_secs_f64(),
            eta_s: elapsed / done as f64 * left as f64,
        };
        tell(self, TrainEvent::Step(step));
        Ok(tokens)
    }

    /// Where a training that has failed can begin again.
    fn last_good(&self) -> String {
        match checkpoint::list(&self.config.out).last() {
            Some(path) => format!("the last good checkpoint is {}", path.display()),
            None => "there is no checkpoint yet".into(),
        }
    }

    fn save(&self, tell: &mut TrainListener) -> Result<()> {
        let begun = Instant::now();
        let step = self.done;
        tell(self, TrainEvent::Saving { step });
        let checkpoint = Checkpoint {
            step,
            tokens: self.tokens,
            lr: self.rate,
            values: self.params.values.clone(),
            moments: self.moments.clone(),
        };
        let path = checkpoint.save(&self.config.out, &self.params, self.recipe())?;
        self.saved.set((Instant::now(), begun.elapsed()));
        tell(self, TrainEvent::Saved { step, path });
        Ok(())
    }

    /// What a finished run leaves: an adapter, or safetensors; and the GGUF files asked for.
    fn write_results(&self, tell: &mut TrainListener) -> Result<()> {
        let step = self.done;
        tell(self, TrainEvent::Writing { step });
        let whole = match self.scope {
            Scope::Full => Product::SafeTensors,
            Scope::LowRank { .. } => Product::Adapter,
        };
        let gguf = self.config.gguf.iter().flatten();
        for product in std::iter::once(whole).chain(gguf.map(|kind| Product::Gguf(*kind))) {
            let path = self.export(&self.config.out, product)?;
            tell(self, TrainEvent::Written { step, path });
        }
        Ok(())
    }

    /// Does something with the model as it is now, an adapter merged.
    fn merged<T>(&self, then: impl FnOnce(&Merged) -> Result<T>) -> Result<T> {
        match self.scope {
            Scope::Full => then(&Merged::full(&self.gguf, &self.params)),
            Scope::LowRank { .. } => then(&Merged::adapted(&self.gguf, &self.adapter()?)),
        }
    }

    /// Puts the base's tokenizer beside what was made of it, where it is a file of its own.
    fn bring_words(&self, folder: &Path) -> Result<()> {
        match self.gguf.contains("tokenizer.ggml.tokens") {
            true => Ok(()),
            false => gguf::folder::bring_words(&self.base, folder),
        }
    }

    /// The factors as they are now.
    fn adapter(&self) -> Result<PeftAdapter> {
        let Scope::LowRank { rank, alpha, .. } = self.scope else {
            bail!("a full fine-tuning has no adapter");
        };
        let mut adapter = PeftAdapter::default();
        for param in &self.params.list {
            let Some((prefix, factor)) = param.name.rsplit_once('.') else {
                continue;
            };
            let values = self.params.values[param.range.clone()].to_vec();
            let layer = adapter.layers.entry(prefix.to_owned()).or_insert_with(|| {
                s1_model::weights::LowRankFactors {
                    rank,
                    scale: alpha / rank as f32,
                    a: Vec::new(),
                    b: Vec::new(),
                }
            });
            match factor {
                "lora_a" => layer.a = values,
                _ => layer.b = values,
            }
        }
        Ok(adapter)
    }
}

impl Trainer for NativeTrainer {
    fn plan(&self) -> &TrainPlan {
        &self.plan
    }

    fn done(&self) -> usize {
        self.done
    }

    fn rate(&self) -> f64 {
        self.rate
    }

    fn model_name(&self) -> &str {
        self.gguf.string("general.name").unwrap_or("model")
    }

    fn examples(&self, n: usize) -> Vec<Vec<ExamplePiece>> {
        let shown = self.data.documents.iter().take(n);
        shown.map(|d| self.pieces(d)).collect()
    }

    fn train(&mut self, control: &TrainControl, tell: &mut TrainListener) -> Result<TrainOutcome> {
        for text in std::mem::take(&mut self.messages) {
            let step = self.done;
            tell(self, TrainEvent::Message { step, text });
        }
        self.saved.set((Instant::now(), Duration::ZERO));
        let outcome = self.run_steps(control, tell)?;
        if outcome == TrainOutcome::Finished {
            self.write_results(tell)?;
        }
        Ok(outcome)
    }

    fn snapshot(&self, path: &Path) -> Result<()> {
        let bytes = self.merged(|m| m.gguf_bytes(self.model_name(), Quantization::Q8_0))?;
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        self.bring_words(path.parent().unwrap_or(Path::new("")))
    }

    fn go_to(&mut self, step: usize) -> Result<()> {
        let all = checkpoint::list(&self.config.out);
        let Some(path) = all.iter().find(|p| checkpoint::step_of(p) == Some(step)) else {
            bail!(
                "{} holds no checkpoint of step {step}",
                self.config.out.display()
            );
        };
        let checkpoint = Checkpoint::load(path, &self.params, self.recipe())?;
        self.done = checkpoint.step;
        self.params.values = checkpoint.values;
        Ok(())
    }

    fn export(&self, folder: &Path, product: Product) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        match product {
            Product::Adapter => {
                if self.scope == Scope::Full {
                    bail!("every weight was trained: there is no adapter to write");
                }
                let base = self.base.display().to_string();
                save_peft(folder, &self.gguf, &base, self.scope, &self.params)?;
                Ok(folder.join(s1_model::adapter::WEIGHTS))
            }
            Product::SafeTensors => {
                self.merged(|m| m.save_hugging_face(folder))?;
                self.bring_words(folder)?;
                Ok(folder.join("model.safetensors"))
            }
            Product::Gguf(kind) => {
                let path = folder.join(format!("model-{}.gguf", kind.name()));
                self.merged(|m| m.save_gguf(&path, self.model_name(), kind))?;
                self.bring_words(folder)?;
                Ok(path)
            }
        }
    }
}

#[cfg(test)]
mod tests;
