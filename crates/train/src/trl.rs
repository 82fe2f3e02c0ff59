//! The trainer in Python: Hugging Face's TRL, in one process or in many, on GPUs.
//!
//! Examples are rendered, tokenized and masked here, and their order and the learning rate are worked out
//! here ([`crate::material`]); a driver of this program's (`assets/trl/driver.py`) computes with what it is
//! given, and says what happens. Settings, events and orders are those of every trainer.
//!
//! | module | subject |
//! |---|---|
//! | `files` | what the driver is given |
//! | `command` | the command that runs it |
//! | `process` | its processes, their lines, orders to them |
//! | `report` | what it says, and its faults as sentences |
//! | `checkpoint` | which of its checkpoints are whole |
//! | [`doctor`] | what an installation lacks |

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use s1_core::training::{
    ExamplePiece, Quantization, TrainConfig, TrainEvent, TrainPlan, TrainStep,
};
use s1_model::adapter::{self, PeftAdapter, PeftConfig};
use s1_model::gguf::Gguf;

use crate::control::TrainControl;
use crate::export::Merged;
use crate::material::Material;
use crate::native::checkpoint::write_whole;
use crate::recipe::{Recipe, digest_of, digest_of_examples, digest_of_samples};
use crate::trainer::{Product, TrainListener, TrainOutcome, Trainer};
use files::Start;
use process::Processes;
use report::{DriverReport, FaultKind};

pub(crate) mod checkpoint;
mod command;
pub mod doctor;
mod files;
mod process;
mod report;

/// The driver's folder inside a training's.
pub const FOLDER: &str = "trl";
/// What the driver and its libraries print, in that folder.
pub const LOG: &str = "trl.log";
/// Where the driver leaves what it made.
const RESULT: &str = "result";

/// A run that is ready to go.
#[derive(Debug)]
pub struct TrlTrainer {
    material: Material,
    /// The driver's.
    folder: PathBuf,
    recipe: String,
    plan: TrainPlan,
    /// Tokens of each step, and its epoch.
    steps: Vec<(usize, usize)>,
    done: usize,
    rate: f64,
    resume: Option<PathBuf>,
    /// The folder with the weights as they are now, if they are on the disk.
    weights: Option<PathBuf>,
    /// What to say when the steps begin.
    messages: Vec<String>,
}

impl TrlTrainer {
    /// As [`crate::prepare`](fn@crate::prepare).
    ///
    /// # Errors
    /// As [`crate::prepare`](fn@crate::prepare).
    pub fn prepare(config: &TrainConfig, resume: bool) -> Result<TrlTrainer> {
        let material = Material::read(config)?;
        files::check_base(&material)?;
        files::sharding(&material.config)?;
        command::training(&material.config, Path::new(""))?;
        let out = &material.config.out;
        let all = material.batches.from(0).take(material.steps);
        let steps = all.map(|(epoch, rows)| {
            let tokens = rows
                .iter()
                .flatten()
                .map(|i| material.data.documents[*i].ids.len());
            (tokens.sum(), epoch + 1)
        });
        let mut trainer = TrlTrainer {
            folder: out.join(FOLDER),
            recipe: recipe(&material)?,
            plan: plan(&material),
            steps: steps.collect(),
            done: 0,
            rate: 1.0,
            resume: None,
            weights: None,
            messages: Vec::new(),
            material,
        };
        let out = trainer.material.config.out.clone();
        match (checkpoint::list(&out), resume) {
            (earlier, _) if earlier.is_empty() && !resume => {}
            (earlier, true) if earlier.is_empty() => trainer.messages.push(format!(
                "there is no checkpoint in {} yet: it begins with step 1",
                out.display()
            )),
            (_, false) => bail!(
                "{} holds an earlier run; continue it with --resume, or give another --out",
                out.display()
            ),
            (earlier, true) => trainer.resume_from(&earlier)?,
        }
        Ok(trainer)
    }

    /// Continues from the newest checkpoint that is whole.
    fn resume_from(&mut self, earlier: &[(usize, PathBuf)]) -> Result<()> {
        let mut damaged = None;
        for (_, path) in earlier.iter().rev() {
            match checkpoint::open(path, &self.recipe)? {
                Ok(mark) => {
                    (self.done, self.rate) = (mark.step, mark.rate);
                    self.weights = Some(path.clone());
                    self.resume = Some(path.clone());
                    return Ok(());
                }
                Err(why) => {
                    self.messages
                        .push(format!("{why}; an earlier checkpoint is taken"));
                    damaged.get_or_insert(why);
                }
            }
        }
        bail!(damaged.unwrap_or_default());
    }

    /// Writes everything that a run takes into a folder, to be run elsewhere by the returned command.
    ///
    /// # Errors
    /// If it cannot be written, or the launcher cannot be read.
    pub fn write_into(&self, folder: &Path) -> Result<String> {
        let start = Start {
            checkpoints: Path::new(checkpoint::FOLDER),
            resume: None,
            rate: 1.0,
            watched: false,
        };
        files::write(&self.material, folder, &start)?;
        let here = command::training(&self.material.config, Path::new(""))?;
        let line = command::shown(&here);
        write_whole(
            &folder.join("run.sh"),
            format!("#!/bin/sh\n# Writes checkpoints and the result here.\ncd \"$(dirname \"$0\")\" && exec {line}\n").as_bytes(),
        )?;
        Ok(line)
    }

    /// Runs the driver to its end.
    fn run(&mut self, control: &TrainControl, tell: &mut TrainListener) -> Result<TrainOutcome> {
        let checkpoints = self.material.config.out.join(checkpoint::FOLDER);
        let start = Start {
            checkpoints: &checkpoints,
            resume: self.resume.as_deref(),
            rate: control.rate(),
            watched: true,
        };
        process::wait_for_earlier(&self.folder)?;
        self.forget_leftovers()?;
        files::write(&self.material, &self.folder, &start)?;
        let words = command::training(&self.material.config, &self.folder)?;
        let processes = Processes::start(&words, &self.folder)?;
        let over = AtomicBool::new(false);
        let folder = self.folder.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| process::pass_orders(control, &folder, &over));
            let outcome = self.follow(processes, control, tell);
            over.store(true, Ordering::Relaxed);
            outcome
        })
    }

    /// Hears the driver to its end.
    fn follow(
        &mut self,
        processes: Processes,
        control: &TrainControl,
        tell: &mut TrainListener,
    ) -> Result<TrainOutcome> {
        let mut computed = (0.0, 0);
        let (mut outcome, mut fault) = (None, None);
        while let Some(report) = processes.report() {
            match report {
                DriverReport::Alive => {}
                DriverReport::Ready {
                    processes,
                    device,
                    dtype,
                    trained,
                } => {
                    let step = self.done;
                    let text = report::ready(processes, &device, &dtype, trained);
                    tell(self, TrainEvent::Message { step, text });
                    let asked = command::asked_processes(&self.material.config);
                    if let Some(text) = report::fewer(asked, processes) {
                        tell(self, TrainEvent::Message { step, text });
                    }
                }
                DriverReport::Step {
                    step,
                    loss,
                    lr,
                    grad_norm,
                    seconds,
                    memory,
                    weights,
                } => {
                    let Some(&(tokens, epoch)) = self.steps.get(step.wrapping_sub(1)) else {
                        bail!(
                            "the driver tells of step {step}, and there are {}",
                            self.steps.len()
                        );
                    };
                    self.done = step;
                    self.rate = control.rate();
                    computed = (computed.0 + seconds, computed.1 + 1);
                    let left = (self.steps.len() - step) as f64;
                    let told = TrainStep {
                        step,
                        steps: self.steps.len(),
                        epoch,
                        loss,
                        lr,
                        grad_norm,
                        tok_s: tokens as f64 / seconds.max(1e-9),
                        eta_s: computed.0 / f64::from(computed.1) * left,
                        memory,
                    };
                    let snapshot = self.folder.join(format!("now-{step}"));
                    self.weights = weights.map(|_| snapshot.clone());
                    tell(self, TrainEvent::Step(told));
                    if self.weights.take().is_some() {
                        // The next may be written once this one is gone.
                        fs::remove_dir_all(&snapshot).context("cannot remove a snapshot")?;
                    }
                }
                DriverReport::Eval { step, loss } => tell(self, TrainEvent::Eval { step, loss }),
                DriverReport::Saved { step } => {
                    tell(self, TrainEvent::Saving { step });
                    let out = &self.material.config.out;
                    let path = checkpoint::mark(out, step, control.rate(), &self.recipe)?;
                    tell(self, TrainEvent::Saved { step, path });
                }
                DriverReport::Paused { step } => tell(self, TrainEvent::Paused { step }),
                DriverReport::Resumed { step } => tell(self, TrainEvent::Resumed { step }),
                DriverReport::Done { .. } => outcome = Some(TrainOutcome::Finished),
                DriverReport::Stopped { .. } => outcome = Some(TrainOutcome::Stopped),
                // The first is the cause; what the other processes say then is what came of it.
                DriverReport::Failed(first) => {
                    fault.get_or_insert(first);
                }
            }
        }
        let (status, log) = processes.wait()?;
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
        let config = &self.material.config;
        // One that the system ends is a broken connection to the others, which say so.
        let killed = report::of_end(&status.to_string(), &log);
        let said = match (fault, killed) {
            (Some(fault), killed) if fault.kind != FaultKind::Other || killed.is_none() => {
                report::sentence(&fault, config, &doctor::install(config))
            }
            (_, Some(killed)) => killed,
            (_, None) => format!("its processes ended without a word ({status})"),
        };
        bail!(
            "{said}; {}; what Python printed is in {}",
            self.last_good(),
            self.folder.join(LOG).display()
        )
    }

    /// Removes what an earlier run left that ended in the midst of something.
    fn forget_leftovers(&self) -> Result<()> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == RESULT || name.starts_with("now-") {
                fs::remove_dir_all(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        checkpoint::remove_broken(&self.material.config.out);
        Ok(())
    }

    /// Where a training that has failed can begin again.
    fn last_good(&self) -> String {
        match checkpoint::list(&self.material.config.out).last() {
            Some((step, _)) => format!("--resume continues after step {step}"),
            None => "there is no checkpoint yet".into(),
        }
    }

    /// What a finished run leaves: an adapter, or safetensors; and the GGUF files asked for.
    fn write_results(&mut self, tell: &mut TrainListener) -> Result<()> {
        let step = self.done;
        tell(self, TrainEvent::Writing { step });
        self.weights = Some(self.folder.join(RESULT));
        let whole = match self.material.config.lora_rank {
            None => Product::SafeTensors,
            Some(_) => Product::Adapter,
        };
        let gguf = self.material.config.gguf.clone().unwrap_or_default();
        for product in std::iter::once(whole).chain(gguf.into_iter().map(Product::Gguf)) {
            let path = self.export(&self.material.config.out, product)?;
            tell(self, TrainEvent::Written { step, path });
        }
        // What is in the results, or can be made again.
        for name in [RESULT, files::BASE] {
            let _ = fs::remove_dir_all(self.folder.join(name));
        }
        Ok(())
    }

    /// Does something with the model as it is now, an adapter merged.
    fn merged<T>(&self, then: impl FnOnce(&Merged) -> Result<T>) -> Result<T> {
        let weights = self.weights()?;
        let base = &self.material.gguf;
        match self.material.config.lora_rank {
            None => then(&Merged::replaced(base, &Gguf::open(weights)?)),
            Some(_) => then(&Merged::adapted(base, &PeftAdapter::open(weights, base)?)),
        }
    }

    fn weights(&self) -> Result<&Path> {
        self.weights.as_deref().with_context(|| {
            format!(
                "the weights of step {} were not kept: those of an earlier one were still asked",
                self.done
            )
        })
    }

    /// Copies an adapter, with the base as it was named.
    fn copy_adapter(&self, folder: &Path) -> Result<PathBuf> {
        let from = self.weights()?;
        let settings = PeftConfig::read(from)?;
        let settings = PeftConfig {
            base_model_name_or_path: Some(self.material.base.display().to_string()),
            ..settings
        };
        let to = folder.join(adapter::WEIGHTS);
        copy(&from.join(adapter::WEIGHTS), &to)?;
        let text = serde_json::to_string_pretty(&settings)?;
        write_whole(&folder.join(adapter::CONFIG), text.as_bytes())?;
        Ok(to)
    }

    /// Copies weights that were all trained, in one file or in several.
    fn copy_weights(&self, folder: &Path) -> Result<PathBuf> {
        let from = self.weights()?;
        let mut first = None;
        let entries =
            fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            let shown = name.to_string_lossy();
            let is_part = shown.starts_with("model") && shown.contains(".safetensors");
            if is_part || shown == "config.json" || shown == "generation_config.json" {
                copy(&path, &folder.join(name))?;
            }
            if is_part && shown.ends_with(".safetensors") {
                first.get_or_insert(folder.join(name));
            }
        }
        first.with_context(|| {
            format!(
                "{} has no safetensors: the settings of the sharding keep weights apart; with state_dict_type FULL_STATE_DICT (FSDP) or stage3_gather_16bit_weights_on_model_save (DeepSpeed) they are written together",
                from.display()
            )
        })
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// What a resumed run has to agree with.
fn recipe(material: &Material) -> Result<String> {
    let config = &material.config;
    let recipe = Recipe {
        base: digest_of(&material.gguf),
        weights: digest_of_samples(&material.gguf),
        data: material.data.digest.clone(),
        examples: digest_of_examples(&material.data.documents),
        scope: format!(
            "TRL: rank {:?}, alpha {:?}, dropout {}, {:?}, 4 bits {}, sharding {}",
            config.lora_rank,
            config.lora_alpha,
            config.lora_dropout,
            config.dtype,
            config.load_in_4bit,
            config.sharding.is_some()
        ),
        optim: material.optim,
        steps: material.steps,
        batch: config.batch,
        accumulation: config.grad_accum,
        block: material.block,
        pack: config.pack,
        seed: config.seed,
        // Any number of processes goes on with what others began.
        threads: 0,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(serde_json::to_string(&recipe)?)
}

/// What a run will take. Of the time nothing can be said before the first step; the memory is what
/// weights, gradients and optimiser need on a device that has all of them.
fn plan(material: &Material) -> TrainPlan {
    let config = &material.config;
    let whole = material.gguf.parameters();
    let trained = match config.lora_rank {
        None => whole,
        Some(rank) => low_rank_parameters(&material.gguf, u64::from(rank)),
    };
    // Gradients and two moments, and of additions the weights besides the base's.
    let state = if config.lora_rank.is_some() { 16 } else { 12 };
    TrainPlan {
        parameters: trained as usize,
        memory: (whole as f64 * files::weight_bytes(material)) as u64 + trained * state,
        ..material.plan()
    }
}

/// Parameters of additions to all linear layers of the blocks.
fn low_rank_parameters(gguf: &Gguf, rank: u64) -> u64 {
    let linear = gguf.tensors().filter(|(name, info)| {
        name.starts_with("blk.") && name.ends_with(".weight") && info.shape.len() == 2
    });
    let of = linear.map(|(_, info)| info.shape.iter().map(|n| *n as u64).sum::<u64>());
    of.sum::<u64>() * rank
}

impl Trainer for TrlTrainer {
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
        let outcome = if self.done < self.steps.len() || !self.folder.join(RESULT).is_dir() {
            self.run(control, tell)?
        } else {
            // All steps were done, and the result written; it only was not fetched.
            TrainOutcome::Finished
        };
        if outcome == TrainOutcome::Finished {
            self.write_results(tell)?;
        }
        Ok(outcome)
    }

    fn snapshot(&self, path: &Path) -> Result<()> {
        let bytes = self.merged(|m| m.gguf_bytes(self.model_name(), Quantization::Q8_0))?;
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        self.material
            .bring_words(path.parent().unwrap_or(Path::new("")))
    }

    fn go_to(&mut self, step: usize) -> Result<()> {
        let out = &self.material.config.out;
        let all = checkpoint::list(out);
        let Some((_, path)) = all.iter().find(|(n, _)| *n == step) else {
            bail!("{} holds no checkpoint of step {step}", out.display());
        };
        match checkpoint::open(path, &self.recipe)? {
            Ok(mark) => self.done = mark.step,
            Err(why) => bail!(why),
        }
        self.weights = Some(path.clone());
        Ok(())
    }

    fn export(&self, folder: &Path, product: Product) -> Result<PathBuf> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let is_full = self.material.config.lora_rank.is_none();
        let written = match product {
            Product::Adapter if is_full => {
                bail!("every weight was trained: there is no adapter to write")
            }
            Product::Adapter => return self.copy_adapter(folder),
            Product::SafeTensors if is_full => self.copy_weights(folder)?,
            Product::SafeTensors => {
                self.merged(|m| m.save_hugging_face(folder))?;
                folder.join("model.safetensors")
            }
            Product::Gguf(kind) => {
                let path = folder.join(format!("model-{}.gguf", kind.name()));
                self.merged(|m| m.save_gguf(&path, self.model_name(), kind))?;
                path
            }
        };
        self.material.bring_words(folder)?;
        Ok(written)
    }
}
