//! The trainer of this program: hand-written layers with a backward pass, AdamW, checkpoints.
//!
//! A run is a pure function of its settings, its data, its base and its number of threads: killed
//! at any moment and resumed from its last checkpoint, it ends with the same weights.
//!
//! | module | subject |
//! |---|---|
//! | [`network`] | the model: layers, attention, norms, rotary embedding |
//! | `linear`, `attention`, `gate`, `norm`, `rotary`, `loss`, `math` | its parts, forward and back |
//! | [`params`], [`optim`], [`step`] | what is trained, and one step of it |
//! | `plan` | what a run will take |
//! | `checkpoint` | what is written on the way |

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::control::{NextMove, TrainControl};
use super::data::Example;
use super::export::{Merged, save_peft};
use super::material::Material;
use super::recipe::{Recipe, digest_of, digest_of_examples};
use super::trainer::{Product, TrainListener, TrainOutcome, Trainer};
use s1_core::training::{
    ExamplePiece, Quantization, TrainConfig, TrainEvent, TrainPlan, TrainStep,
};
use s1_model::adapter::PeftAdapter;

mod attention;
pub(crate) mod checkpoint;
mod gate;
mod linear;
mod loss;
pub mod math;
pub mod network;
mod norm;
pub mod optim;
pub mod params;
mod plan;
mod rotary;
pub mod step;

use checkpoint::Checkpoint;
use network::{Keep, Network, Scope};
use optim::{Moments, Optim, norm, update};
use params::Params;
use plan::{CostInputs, require_memory};
use step::Shards;

/// Checkpoints by the clock take at most one part in so many of the time.
const SAVING: u32 = 20;

/// A run that is ready to go.
#[derive(Debug)]
pub struct NativeTrainer {
    material: Material,
    scope: Scope,
    optim: Optim,
    threads: usize,
    network: Network,
    params: Params,
    moments: Moments,
    shards: Shards,
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
    /// As [`super::prepare`](fn@super::prepare).
    ///
    /// # Errors
    /// As [`super::prepare`](fn@super::prepare).
    pub fn prepare(config: &TrainConfig, resume: bool) -> Result<NativeTrainer> {
        NativeTrainer::of(Material::read(config)?, resume)
    }

    fn of(material: Material, resume: bool) -> Result<NativeTrainer> {
        let config = &material.config;
        let scope = scope_of(config);
        let (network, params) = Network::load(&material.gguf, scope, config.seed)
            .with_context(|| format!("cannot train {}", material.base.display()))?;
        let threads = config.threads.unwrap_or(1);
        let keep = if config.checkpointing {
            Keep::Inputs
        } else {
            Keep::All
        };
        let longest = match config.pack {
            true => material.block,
            false => material.longest(),
        };
        let shape = CostInputs {
            batch_tokens: config.batch * longest,
            threads,
            shards: threads.min(config.batch).max(1),
            scope,
            keep,
        };
        let parameters = params.values.len();
        let plan = plan::plan(&material, &network, parameters, &shape);
        require_memory(plan.memory, &shape)?;
        let recipe = Recipe {
            base: digest_of(&material.gguf),
            weights: String::new(),
            data: material.data.digest.clone(),
            examples: digest_of_examples(&material.data.documents),
            scope: format!("{scope:?}"),
            optim: material.optim,
            steps: material.steps,
            batch: config.batch,
            accumulation: config.grad_accum,
            block: material.block,
            pack: config.pack,
            seed: config.seed,
            threads,
            version: env!("CARGO_PKG_VERSION"),
        };
        let mut run = NativeTrainer {
            shards: Shards::new(threads, config.batch, parameters, keep),
            moments: Moments::new(parameters),
            scope,
            optim: material.optim,
            threads,
            network,
            params,
            done: 0,
            tokens: 0,
            rate: 1.0,
            recipe,
            recipe_text: OnceCell::new(),
            plan,
            messages: Vec::new(),
            saved: Cell::new((Instant::now(), Duration::ZERO)),
            material,
        };
        let earlier = checkpoint::list(&run.material.config.out);
        match earlier.last() {
            Some(path) if resume => run.resume_from(&earlier, path)?,
            Some(_) => bail!(
                "{} holds an earlier run; continue it with --resume, or give another --out",
                run.material.config.out.display()
            ),
            None if resume => run.messages.push(format!(
                "there is no checkpoint in {} yet: it begins with step 1",
                run.material.config.out.display()
            )),
            None => {}
        }
        Ok(run)
    }

    /// What a resumed run has to agree with, as checkpoints hold it.
    fn recipe(&self) -> &str {
        self.recipe_text
            .get_or_init(|| self.recipe.text(&self.material.gguf))
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

    /// Computes the steps that are left, or until it is told to stop.
    fn run_steps(
        &mut self,
        control: &TrainControl,
        tell: &mut TrainListener,
    ) -> Result<TrainOutcome> {
        let first = self.done;
        let started = Instant::now();
        let batches = self.material.batches.clone();
        for (epoch, rows) in batches.from(first).take(self.material.steps - first) {
            let tokens = self.step(epoch, &rows, control, (first, started), tell)?;
            self.tokens += tokens as u64;
            let due =
                |every: Option<usize>| every.is_some_and(|n| self.done.is_multiple_of(n.max(1)));
            let last = self.done == self.material.steps;
            if !self.material.held_out.is_empty() && (due(self.material.config.eval_every) || last)
            {
                let documents: Vec<&Example> = self.material.held_out.iter().collect();
                let values = &self.params.values;
                let sums = self.shards.evaluate(&self.network, values, &documents);
                let (step, loss) = (self.done, sums.mean());
                tell(self, TrainEvent::Eval { step, loss });
            }
            let save = due(self.material.config.save_every) || self.is_save_time() || last;
            if self.follow_orders(control, save, tell)? == TrainOutcome::Stopped && !last {
                return Ok(TrainOutcome::Stopped);
            }
        }
        Ok(TrainOutcome::Finished)
    }

    /// Whether the clock says that a checkpoint is due.
    fn is_save_time(&self) -> bool {
        let (at, took) = self.saved.get();
        let seconds = self.material.config.save_seconds.map(|n| n as u64);
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
                    let out = &self.material.config.out;
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
            .chunks(self.material.config.batch)
            .map(|rows| {
                rows.iter()
                    .flatten()
                    .map(|&i| &self.material.data.documents[i])
                    .collect()
            })
            .collect();
        let tokens: usize = micro.iter().flatten().map(|d| d.ids.len()).sum();
        let dropout = s1_core::rng::mix(
            self.material.config.seed ^ 0x64_726f_706f_7574,
            self.done as u64,
        );
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
        let lr = optim.lr * self.rate * optim.schedule(self.done, self.material.steps);
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
        let (done, left) = (self.done - first, self.material.steps - self.done);
        let step = TrainStep {
            step: self.done,
            steps: self.material.steps,
            epoch: epoch + 1,
            loss: sums.mean(),
            lr,
            grad_norm: size,
            tok_s: tokens as f64 / begun.elapsed().as_secs_f64(),
            eta_s: elapsed / done as f64 * left as f64,
            memory: 0,
        };
        tell(self, TrainEvent::Step(step));
        Ok(tokens)
    }

    /// Where a training that has failed can begin again.
    fn last_good(&self) -> String {
        match checkpoint::list(&self.material.config.out).last() {
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
        let path = checkpoint.save(&self.material.config.out, &self.params, self.recipe())?;
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
        let gguf = self.material.config.gguf.iter().flatten();
        for product in std::iter::once(whole).chain(gguf.map(|kind| Product::Gguf(*kind))) {
            let path = self.export(&self.material.config.out, product)?;
            tell(self, TrainEvent::Written { step, path });
        }
        Ok(())
    }

    /// Does something with the model as it is now, an adapter merged.
    fn merged<T>(&self, then: impl FnOnce(&Merged) -> Result<T>) -> Result<T> {
        match self.scope {
            Scope::Full => then(&Merged::full(&self.material.gguf, &self.params)),
            Scope::LowRank { .. } => then(&Merged::adapted(&self.material.gguf, &self.adapter()?)),
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
        self.material.model_name()
    }

    fn examples(&self, n: usize) -> Vec<Vec<ExamplePiece>> {
        self.material.examples(n)
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
        self.material
            .bring_words(path.parent().unwrap_or(Path::new("")))
    }

    fn go_to(&mut self, step: usize) -> Result<()> {
        let all = checkpoint::list(&self.material.config.out);
        let Some(path) = all.iter().find(|p| checkpoint::step_of(p) == Some(step)) else {
            bail!(
                "{} holds no checkpoint of step {step}",
                self.material.config.out.display()
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
                let base = self.material.base.display().to_string();
                save_peft(folder, &self.material.gguf, &base, self.scope, &self.params)?;
                Ok(folder.join(s1_model::adapter::WEIGHTS))
            }
            Product::SafeTensors => {
                self.merged(|m| m.save_hugging_face(folder))?;
                self.material.bring_words(folder)?;
                Ok(folder.join("model.safetensors"))
            }
            Product::Gguf(kind) => {
                let path = folder.join(format!("model-{}.gguf", kind.name()));
                self.merged(|m| m.save_gguf(&path, self.model_name(), kind))?;
                self.material.bring_words(folder)?;
                Ok(path)
            }
        }
    }
}

#[cfg(test)]
mod tests;
