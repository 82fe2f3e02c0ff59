//! What the driver is given: itself, the examples as tokens, the steps, the settings, and a base that
//! transformers can load.
//!
//! Not here: what it does with them (`assets/trl/driver.py`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use s1_core::training::{Dtype, TrainConfig};
use s1_data::files::{self, FileAccess};
use serde::Serialize;
use serde_json::{Value, json};

use crate::data::Example;
use crate::export::Merged;
use crate::material::Material;
use crate::native::network::TRAINABLE;
use crate::recipe::digest_of_samples;

/// The driver, in its folder.
pub const DRIVER: &str = "driver.py";
/// What it needs.
pub const REQUIREMENTS: &str = "requirements.txt";
/// Where a base is written that transformers could not load as it is.
pub const BASE: &str = "base";
/// In there, which base it was made of; it is written last: with it the folder is whole.
const ORIGIN: &str = "made-of";
const JOB: &str = "job.json";
const EXAMPLES: &str = "examples.jsonl";
const HELD_OUT: &str = "held-out.jsonl";
const STEPS: &str = "steps.jsonl";
const ORDERS: &str = "orders.json";
const SHARDING: &str = "sharding.json";
/// Whose settings of the sharding may be, and the package that they need.
pub const DEEPSPEED: &str = "deepspeed";

const DRIVER_TEXT: &str = include_str!("../../../../assets/trl/driver.py");
/// What the driver was tried with.
pub const REQUIREMENTS_TEXT: &str = include_str!("../../../../assets/trl/requirements.txt");

/// More than any file of such settings has.
const MAX_SHARDING_BYTES: u64 = 1 << 20;
/// The label of a token that carries no loss.
const NO_LOSS: i64 = -100;

/// How the driver is to behave in a run.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// Where checkpoints go, as the driver sees it.
    pub checkpoints: &'a Path,
    /// The checkpoint to continue from.
    pub resume: Option<&'a Path>,
    /// The factor on the learning rate.
    pub rate: f64,
    /// Whether this program follows the driver, which ends with it.
    pub watched: bool,
}

/// What the driver is told to do now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Orders {
    pub now: &'static str,
    /// Checkpoints that were asked for so far.
    pub saves: usize,
    pub rate: f64,
}

/// Writes orders.
pub fn write_orders(folder: &Path, orders: &Orders) -> Result<()> {
    put(folder, ORDERS, &serde_json::to_string(orders)?)
}

/// Writes the driver and what it needs; this is all that a look at an installation takes.
pub fn write_driver(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    put(folder, DRIVER, DRIVER_TEXT)?;
    put(folder, REQUIREMENTS, REQUIREMENTS_TEXT)
}

/// Writes everything for a run.
pub fn write(material: &Material, folder: &Path, start: &Start) -> Result<()> {
    write_driver(folder)?;
    let orders = Orders {
        now: "go",
        saves: 0,
        rate: start.rate,
    };
    write_orders(folder, &orders)?;
    write_examples(folder, EXAMPLES, &material.data.documents)?;
    write_examples(folder, HELD_OUT, &material.held_out)?;
    write_lines(folder, STEPS, steps(material))?;
    let sharding = match sharding(&material.config)? {
        None => Value::Null,
        Some(Sharding { kind, text }) => {
            put(folder, SHARDING, &text)?;
            json!({"file": SHARDING, "kind": kind})
        }
    };
    let model = base(material, folder)?;
    let job = job(material, start, &model, sharding);
    put(folder, JOB, &serde_json::to_string_pretty(&job)?)
}

/// The settings, in the driver's terms. Every setting of a training is here, in the files beside, or
/// has its effect in this program.
fn job(material: &Material, start: &Start, model: &Path, sharding: Value) -> Value {
    let (config, optim) = (&material.config, &material.optim);
    let steps = 1..=material.steps;
    let asked = steps.filter(|step| config.questions(*step, material.steps).any());
    json!({
        "model": model.display().to_string(),
        "checkpoints": start.checkpoints.display().to_string(),
        "resume": start.resume.map(|path| path.display().to_string()),
        "rate": start.rate,
        "watched": start.watched,
        "batch": config.batch,
        "accumulation": config.grad_accum,
        "pack": config.pack,
        "checkpointing": config.checkpointing,
        "seed": config.seed,
        "threads": config.threads,
        "dtype": config.dtype.map(<&str>::from),
        "load_in_4bit": config.load_in_4bit,
        "lora": config.lora_rank.map(|rank| json!({
            "rank": rank,
            "alpha": config.lora_alpha,
            "dropout": config.lora_dropout,
            "targets": "all-linear",
        })),
        "sharding": sharding,
        "optimizer": {
            "lr": optim.lr,
            "beta1": optim.beta1,
            "beta2": optim.beta2,
            "eps": optim.eps,
            "weight_decay": optim.weight_decay,
            "clip": optim.clip,
        },
        "save_every": config.save_every,
        "save_seconds": config.save_seconds,
        "eval_every": config.eval_every,
        "held_out": !material.held_out.is_empty(),
        "snapshots": asked.collect::<Vec<_>>(),
    })
}

/// The steps: their rows, and the factor that the schedule puts on the learning rate.
fn steps(material: &Material) -> impl Iterator<Item = Value> {
    let all = material.batches.from(0).take(material.steps).enumerate();
    all.map(|(index, (epoch, rows))| {
        json!({
            "epoch": epoch + 1,
            "rate": material.optim.schedule(index, material.steps),
            "rows": rows,
        })
    })
}

fn write_examples(folder: &Path, name: &str, examples: &[Example]) -> Result<()> {
    let lines = examples.iter().map(|example| {
        let labels = example.ids.iter().zip(&example.mask);
        let labels = labels.map(|(id, loss)| if *loss { i64::from(*id) } else { NO_LOSS });
        json!({"input_ids": example.ids, "labels": labels.collect::<Vec<_>>()})
    });
    write_lines(folder, name, lines)
}

fn write_lines(folder: &Path, name: &str, lines: impl Iterator<Item = Value>) -> Result<()> {
    files::replace(&folder.join(name), FileAccess::Usual, |file| {
        for line in lines {
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    files::replace(&folder.join(name), FileAccess::Usual, |file| {
        Ok(file.write_all(text.as_bytes())?)
    })
}

/// How weights are spread over the processes.
#[derive(Debug)]
pub struct Sharding {
    /// Whose settings these are.
    kind: &'static str,
    text: String,
}

impl Sharding {
    pub fn is_deepspeed(&self) -> bool {
        self.kind == DEEPSPEED
    }
}

/// Reads the settings of the sharding, if there is to be any.
///
/// # Errors
/// If they are no JSON object.
pub fn sharding(config: &TrainConfig) -> Result<Option<Sharding>> {
    let Some(path) = &config.sharding else {
        return Ok(None);
    };
    let text = files::read_text_file(path, MAX_SHARDING_BYTES)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let settings: Value = serde_json::from_str(&text).unwrap_or_default();
    let Value::Object(settings) = settings else {
        bail!(
            "{} holds no JSON object with settings of FSDP or DeepSpeed",
            path.display()
        );
    };
    let deepspeed = ["zero_optimization", "train_micro_batch_size_per_gpu"];
    let kind = match deepspeed.iter().any(|key| settings.contains_key(*key)) {
        true => DEEPSPEED,
        false => "fsdp",
    };
    Ok(Some(Sharding { kind, text }))
}

/// Whether the base has to be written anew: transformers load folders.
pub fn is_converted(material: &Material) -> bool {
    !material.base.is_dir()
}

/// Refuses a base that cannot be written as a folder.
pub fn check_base(material: &Material) -> Result<()> {
    if !is_converted(material) {
        return Ok(());
    }
    let architecture = &material.model.architecture;
    if !TRAINABLE.contains(&architecture.as_str()) {
        bail!(
            "TRL loads folders with safetensors, and what {} says of its model ({architecture}) is not written as one; give the folder that it was made of with --model",
            material.base.display()
        );
    }
    Ok(())
}

/// The base as the driver is to load it.
fn base(material: &Material, folder: &Path) -> Result<PathBuf> {
    if !is_converted(material) {
        let whole = std::path::absolute(&material.base);
        return whole.context("the base has no absolute path");
    }
    let to = folder.join(BASE);
    let digest = digest_of_samples(&material.gguf);
    let written = fs::read_to_string(to.join(ORIGIN));
    if !written.is_ok_and(|written| written == digest) {
        Merged::untrained(&material.gguf).save_hugging_face(&to)?;
        put(&to, ORIGIN, &digest)?;
    }
    Ok(PathBuf::from(BASE))
}

/// Bytes that a weight of the base takes.
pub fn weight_bytes(material: &Material) -> f64 {
    let config = &material.config;
    match (config.load_in_4bit, config.dtype, config.lora_rank) {
        (true, _, _) => 0.5,
        (false, Some(Dtype::Bfloat16), Some(_)) => 2.0,
        _ => 4.0,
    }
}
