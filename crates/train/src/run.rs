//! A training run: from settings to a finished model, reporting as it goes and taking orders.
//!
//! A run is a pure function of its settings, its data, its base and its number of threads: killed
//! at any moment and taken up from its last checkpoint, it ends with the same weights. Who starts
//! it and who listens (a terminal, a panel) is not known here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::batches::Batches;
use super::checkpoint::{self, Checkpoint};
use super::control::Order;
use super::control::{Control, Event, Step};
use super::data::{self, Dataset};
use super::export::{Merged, Product, Quantization, save_peft};
use super::network::{Document, Keep, Network, Scope};
use super::optim::{Moments, Optim, norm, update};
use super::params::Params;
use super::plan::{Plan, Shape, require_memory};
use super::scratch;
use super::step::Shards;
use s1_engine::LoadOptions;
use s1_engine::dialogue::Dialogue;
use s1_model::adapter::PeftAdapter;
use s1_model::gguf::Gguf;
use s1_model::tokenizer::Tokenizer;

/// Where a run begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// A GGUF model.
    Model(PathBuf),
    /// A configuration of [`scratch`].
    Scratch(PathBuf),
}

/// Everything a run is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The model.
    pub base: Base,
    /// Training data, JSON lines.
    pub data: PathBuf,
    /// Held-out data whose loss is measured now and then.
    pub eval_data: Option<PathBuf>,
    /// The run's folder.
    pub out: PathBuf,
    /// What is trained.
    pub scope: Scope,
    /// The optimiser.
    pub optim: Optim,
    /// Passes over the data.
    pub epochs: usize,
    /// Rows in a micro-batch.
    pub batch: usize,
    /// Micro-batches in a step.
    pub accumulation: usize,
    /// Longest row in tokens.
    pub block: usize,
    /// Fill rows with several examples.
    pub pack: bool,
    /// Number of steps, instead of what the epochs come to.
    pub max_steps: Option<usize>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// What the forward pass keeps.
    pub keep: Keep,
    /// Measure the held-out loss every this many steps.
    pub eval_every: Option<usize>,
    /// Write a checkpoint every this many steps.
    pub save_every: Option<usize>,
    /// Leave broken lines of data out.
    pub skip_broken: bool,
    /// GGUF files to write at the end.
    pub gguf: Vec<Quantization>,
}

/// What a resumed run has to agree with.
#[derive(Serialize, Deserialize)]
struct Recipe<'a> {
    base: String,
    data: String,
    scope: String,
    optim: Optim,
    steps: usize,
    batch: usize,
    accumulation: usize,
    block: usize,
    pack: bool,
    seed: u64,
    threads: usize,
    version: &'a str,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// It was asked to stop; a checkpoint holds its state.
    Stopped,
}

/// A run that is ready to go.
#[derive(Debug)]
pub struct Run {
    settings: Settings,
    gguf: Gguf,
    tokenizer: Arc<Tokenizer>,
    network: Network,
    params: Params,
    moments: Moments,
    data: Dataset,
    held_out: Vec<Document>,
    batches: Batches,
    shards: Shards,
    steps: usize,
    done: usize,
    tokens: u64,
    rate: f64,
    recipe: String,
    plan: Plan,
}

impl Run {
    /// Reads base and data, and refuses what cannot fit. With `resume`, goes on from the newest
    /// whole checkpoint in the run's folder, if there is one.
    pub fn prepare(settings: Settings, resume: bool) -> Result<Run> {
        let (gguf, path) = match &settings.base {
            Base::Model(path) => (Gguf::open(path)?, path.clone()),
            Base::Scratch(path) => {
                let bytes = scratch::model(path, settings.seed)?;
                (Gguf::from_bytes(bytes)?, path.clone())
            }
        };
        let options = LoadOptions {
            path: path.clone(),
            ..LoadOptions::default()
        };
        let name = gguf.string("general.name").unwrap_or_default().to_owned();
        let dialogue = Dialogue::of(&gguf, &options, &name)?;
        let (network, params) = Network::load(&gguf, settings.scope, settings.seed)
            .with_context(|| format!("cannot train {}", path.display()))?;
        let block = settings.block.min(network.config().context_length);
        let data = data::read(&settings.data, &dialogue, block, settings.skip_broken)?;
        let held_out = match &settings.eval_data {
            Some(path) => data::read(path, &dialogue, block, settings.skip_broken)?.documents,
            None => Vec::new(),
        };
        let lengths: Vec<usize> = data.documents.iter().map(|d| d.ids.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let rows = settings.batch * settings.accumulation;
        let pack = settings.pack.then_some(block);
        let batches = Batches::new(lengths, rows, pack, settings.seed);
        let per_epoch = batches.steps_per_epoch();
        let steps = settings.max_steps.unwrap_or(per_epoch * settings.epochs);
        if steps == 0 {
            bail!("the run has no steps; give --epochs or --max-steps a larger number");
        }
        let shards = settings.threads.min(settings.batch).max(1);
        let shape = Shape {
            batch_tokens: settings.batch * if settings.pack { block } else { longest },
            threads: settings.threads,
            shards,
            scope: settings.scope,
            keep: settings.keep,
        };
        let epochs = steps as f64 / per_epoch as f64;
        let parameters = params.values.len();
        let plan = Plan::new(&network, &data, parameters, steps, epochs, &shape);
        require_memory(plan.memory, &shape)?;
        let recipe = serde_json::to_string(&Recipe {
            base: digest_of(&gguf),
            data: digest_of_file(&settings.data)?,
            scope: format!("{:?}", settings.scope),
            optim: settings.optim,
            steps,
            batch: settings.batch,
            accumulation: settings.accumulation,
            block,
            pack: settings.pack,
            seed: settings.seed,
            threads: settings.threads,
            version: env!("CARGO_PKG_VERSION"),
        })?;
        let mut run = Run {
            shards: Shards::new(settings.threads, settings.batch, parameters, settings.keep),
            moments: Moments::new(parameters),
            settings,
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
            plan,
        };
        let earlier = checkpoint::list(&run.settings.out);
        match earlier.last() {
            Some(path) if resume => run.take_up(&earlier, path)?,
            Some(_) => bail!(
                "{} holds an earlier run; go on with it by --resume, or give another --out",
                run.settings.out.display()
            ),
            None => {}
        }
        Ok(run)
    }

    /// Goes on from the newest checkpoint that is whole.
    fn take_up(&mut self, earlier: &[PathBuf], newest: &Path) -> Result<()> {
        let mut first_error = None;
        for path in earlier.iter().rev() {
            match Checkpoint::load(path, &self.params, &self.recipe) {
                Ok(checkpoint) => {
                    self.done = checkpoint.step;
                    self.tokens = checkpoint.tokens;
                    self.rate = checkpoint.lr;
                    self.params.values = checkpoint.values;
                    self.moments = checkpoint.moments;
                    return Ok(());
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        match first_error {
            Some(error) => Err(error),
            None => bail!("{} cannot be read", newest.display()),
        }
    }

    /// Puts the run where a checkpoint of its folder was written, to be exported.
    ///
    /// # Errors
    /// If there is none of this step, or it cannot be read.
    pub fn go_to(&mut self, step: usize) -> Result<()> {
        let all = checkpoint::list(&self.settings.out);
        let Some(path) = all.iter().find(|p| checkpoint::step_of(p) == Some(step)) else {
            bail!(
                "{} holds no checkpoint of step {step}",
                self.settings.out.display()
            );
        };
        let checkpoint = Checkpoint::load(path, &self.params, &self.recipe)?;
        self.done = checkpoint.step;
        self.params.values = checkpoint.values;
        Ok(())
    }

    /// The first examples as they are trained on: pieces of text, and whether they carry loss.
    pub fn examples(&self, n: usize) -> Vec<Vec<(String, bool)>> {
        let shown = self.data.documents.iter().take(n);
        shown.map(|d| self.pieces(d)).collect()
    }

    fn pieces(&self, document: &Document) -> Vec<(String, bool)> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(&loss) = document.mask.get(at) {
            let rest = &document.mask[at..];
            let end = at + rest.iter().take_while(|m| **m == loss).count();
            pieces.push((self.tokenizer.decode(&document.ids[at..end]), loss));
            at = end;
        }
        pieces
    }

    /// What it is made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The model's own name, as its file says it.
    pub fn model_name(&self) -> &str {
        self.gguf.string("general.name").unwrap_or("model")
    }

    /// What the run will take.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Steps that are done already.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The factor on the scheduled learning rate.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The data it trains on.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Trains to the end, or until it is told to stop. The learning rate follows `control`; a run
    /// that is taken up had a factor of [`Run::rate`].
    ///
    /// Errors where a loss is not finite (the batch is named, the last checkpoint is kept) and
    /// where a checkpoint cannot be written.
    pub fn train(
        &mut self,
        control: &Control,
        tell: &mut dyn FnMut(&Run, Event),
    ) -> Result<Outcome> {
        let first = self.done;
        let started = Instant::now();
        let batches = self.batches.clone();
        for (epoch, rows) in batches.from(first).take(self.steps - first) {
            let tokens = self.step(epoch, &rows, control, (first, started), tell)?;
            self.tokens += tokens as u64;
            let due =
                |every: Option<usize>| every.is_some_and(|n| self.done.is_multiple_of(n.max(1)));
            let last = self.done == self.steps;
            if !self.held_out.is_empty() && (due(self.settings.eval_every) || last) {
                let documents: Vec<&Document> = self.held_out.iter().collect();
                let values = &self.params.values;
                let sums = self.shards.evaluate(&self.network, values, &documents);
                let (step, loss) = (self.done, sums.mean());
                tell(self, Event::Eval { step, loss });
            }
            let save = due(self.settings.save_every) || last;
            if self.obey(control, save, tell)? == Outcome::Stopped && !last {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Finished)
    }

    /// Writes the checkpoint that is due (`save`) or asked for, waits while it is to wait, and says
    /// whether it is to stop.
    fn obey(
        &self,
        control: &Control,
        save: bool,
        tell: &mut dyn FnMut(&Run, Event),
    ) -> Result<Outcome> {
        let step = self.done;
        let (mut saved, mut held) = (false, false);
        loop {
            // Looked at once in each turn: whatever is obeyed below has its checkpoint.
            let order = control.order();
            if (save || order != Order::Go) && !std::mem::replace(&mut saved, true) {
                self.save(tell)?;
            }
            match order {
                Order::Stop => return Ok(Outcome::Stopped),
                Order::Pause => {
                    if !std::mem::replace(&mut held, true) {
                        tell(self, Event::Paused { step });
                    }
                    // Nobody can resume what is gone, and nobody would end it.
                    let out = &self.settings.out;
                    ensure!(out.is_dir(), "{} is gone; the training ends", out.display());
                    std::thread::sleep(Duration::from_millis(20));
                }
                Order::Go | Order::Save => {
                    control.saved();
                    if held {
                        tell(self, Event::Resumed { step });
                    }
                    return Ok(Outcome::Finished);
                }
            }
        }
    }

    fn step(
        &mut self,
        epoch: usize,
        rows: &[Vec<usize>],
        control: &Control,
        (first, started): (usize, Instant),
        tell: &mut dyn FnMut(&Run, Event),
    ) -> Result<usize> {
        let begun = Instant::now();
        let micro: Vec<Vec<&Document>> = rows
            .chunks(self.settings.batch)
            .map(|rows| {
                rows.iter()
                    .flatten()
                    .map(|&i| &self.data.documents[i])
                    .collect()
            })
            .collect();
        let tokens: usize = micro.iter().flatten().map(|d| d.ids.len()).sum();
        let dropout = s1_core::rng::mix(self.settings.seed ^ 0x64_726f_706f_7574, self.done as u64);
        let values = &self.params.values;
        let (sums, grads) = self.shards.gradient(&self.network, values, &micro, dropout);
        let size = norm(grads);
        if !(sums.loss.is_finite() && size.is_finite()) {
            let mut examples: Vec<usize> = rows.iter().flatten().map(|i| i + 1).collect();
            examples.sort();
            let kept = match checkpoint::list(&self.settings.out).last() {
                Some(path) => format!("the last good checkpoint is {}", path.display()),
                None => "there is no checkpoint yet".into(),
            };
            bail!(
                "the loss of step {} is not a number (loss {}, gradient {size}), in the batch of examples {examples:?}; {kept}; try a lower --lr",
                self.done + 1,
                sums.mean()
            );
        }
        let optim = &self.settings.optim;
        self.rate = control.factor();
        let lr = optim.lr * self.rate * optim.schedule(self.done, self.steps);
        let scale = match optim.clip {
            clip if clip > 0.0 && size > clip => clip / (size + 1e-6),
            _ => 1.0,
        };
        let threads = self.settings.threads;
        let (params, moments) = (&mut self.params, &mut self.moments);
        update(optim, params, grads, moments, self.done, lr, scale, threads);
        self.done += 1;
        let elapsed = started.elapsed().as_secs_f64();
        let (done, left) = (self.done - first, self.steps - self.done);
        let step = Step {
            step: self.done,
            steps: self.steps,
            epoch: epoch + 1,
            loss: sums.mean(),
            lr,
            grad_norm: size,
            tok_s: tokens as f64 / begun.elapsed().as_secs_f64(),
            eta_s: elapsed / done as f64 * left as f64,
        };
        tell(self, Event::Step(step));
        Ok(tokens)
    }

    fn save(&self, tell: &mut dyn FnMut(&Run, Event)) -> Result<()> {
        let checkpoint = Checkpoint {
            step: self.done,
            tokens: self.tokens,
            lr: self.rate,
            values: self.params.values.clone(),
            moments: self.moments.clone(),
        };
        let path = checkpoint.save(&self.settings.out, &self.params, &self.recipe)?;
        let step = self.done;
        tell(self, Event::Saved { step, path });
        Ok(())
    }

    /// Writes the trained model: an adapter, or safetensors; and the GGUF files asked for.
    /// Returns what was written.
    pub fn export(&self) -> Result<Vec<PathBuf>> {
        let whole = match self.settings.scope {
            Scope::Full => Product::SafeTensors,
            Scope::LowRank { .. } => Product::Adapter,
        };
        let gguf = self.settings.gguf.iter().map(|kind| Product::Gguf(*kind));
        let products = std::iter::once(whole).chain(gguf);
        products
            .map(|product| self.export_as(&self.settings.out, product))
            .collect()
    }

    /// Writes the model as it is now into a folder, in one form. Returns the file with its
    /// weights.
    ///
    /// # Errors
    /// If an adapter is asked for where every weight was trained, or nothing can be written.
    pub fn export_as(&self, folder: &Path, product: Product) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let adapter = match self.settings.scope {
            Scope::Full => None,
            Scope::LowRank { .. } => Some(self.adapter()?),
        };
        let merged = match &adapter {
            None => Merged::full(&self.gguf, &self.params),
            Some(adapter) => Merged::adapted(&self.gguf, adapter),
        };
        match product {
            Product::Adapter => {
                let base = match &self.settings.base {
                    Base::Model(path) | Base::Scratch(path) => path.display().to_string(),
                };
                if adapter.is_none() {
                    bail!("every weight was trained: there is no adapter to write");
                }
                let scope = self.settings.scope;
                save_peft(folder, &self.gguf, &base, scope, &self.params)?;
                Ok(folder.join(s1_model::adapter::WEIGHTS))
            }
            Product::SafeTensors => {
                merged.save_hugging_face(folder)?;
                Ok(folder.join("model.safetensors"))
            }
            Product::Gguf(kind) => {
                let path = folder.join(format!("model-{}.gguf", kind.name()));
                merged.save_gguf(&path, self.model_name(), kind)?;
                Ok(path)
            }
        }
    }

    /// The model as it is now, as a GGUF file in memory.
    pub fn snapshot(&self, kind: Quantization) -> Result<Vec<u8>> {
        let name = self.model_name();
        match self.settings.scope {
            Scope::Full => Merged::full(&self.gguf, &self.params).gguf_bytes(name, kind),
            Scope::LowRank { .. } => {
                let adapter = self.adapter()?;
                Merged::adapted(&self.gguf, &adapter).gguf_bytes(name, kind)
            }
        }
    }

    /// The factors as they are now.
    fn adapter(&self) -> Result<PeftAdapter> {
        let Scope::LowRank { rank, alpha, .. } = self.settings.scope else {
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

/// Tells one base from another: sizes and the beginning of the first weights.
fn digest_of(gguf: &Gguf) -> String {
    let mut hash = Sha256::new();
    hash.update(gguf.weights_bytes().to_le_bytes());
    if let Some(info) = gguf.tensor("token_embd.weight") {
        let data = gguf.data(info);
        hash.update(&data[..data.len().min(1 << 20)]);
    }
    hex(&hash.finalize())
}

fn digest_of_file(path: &Path) -> Result<String> {
    let mut file = s1_data::records::lines(path)?;
    let mut hash = Sha256::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        let n = std::io::Read::read(&mut file, &mut bytes)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&bytes[..n]);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|b| format!("{b:02x}")).collect()
}
