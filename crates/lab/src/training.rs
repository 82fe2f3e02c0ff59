//! Trainings in the background: a trainer in a process of its own, which records in the store what
//! happens and follows the orders that it finds there.
//!
//! | file | subject |
//! |---|---|
//! | this one | starting one in the background, a look before the start, checkpoints and exports |
//! | [`process`] | the process's side: training, and questions to the model meanwhile |
//! | `recorder` | its thread that writes to the store and reads orders |
//! | [`evaluator`] | the questions: the sample, and held-out problems |
//!
//! Not here: what a step computes (`s1-train`), and the screen.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use s1_core::training::{Quantization, TrainConfig, TrainPlan, TrainerKind};
use s1_data::files;
use s1_store::Db;
use s1_store::training::{Lease, Training, TrainingState};
use s1_train::{ExamplePiece, Product, trl};

pub mod evaluator;
pub mod process;
mod recorder;

/// What the process prints, in its folder.
pub const LOG: &str = "train.log";
/// How long a start is waited for; a large model may take longer to read, and is then on its way.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of its end that are read.
const OUTPUT: u64 = 1 << 16;
/// What there is to say where neither a name nor a folder gives one.
const NAMELESS: &str = "the folder has no name; give the training one with --name";
/// Between two looks whether it has started.
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// A training before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    pub plan: TrainPlan,
    /// The first examples, rendered as the model will see them.
    pub examples: Vec<Vec<ExamplePiece>>,
    /// The base's own name.
    pub model: String,
}

/// Reads base and data as a training would, and says what it will take.
///
/// # Errors
/// As the training itself: a base or data that cannot be used, and what cannot fit, with what
/// would make it fit.
pub fn preview(config: &TrainConfig, examples: usize) -> Result<Preview> {
    let trainer = s1_train::prepare(config, true)?;
    Ok(Preview {
        plan: trainer.plan().clone(),
        examples: trainer.examples(examples),
        model: trainer.model_name().to_owned(),
    })
}

/// Starts a training as a process of its own, which outlives this one; with `resume`, it
/// continues from its last checkpoint, or begins again where there is none. Returns its name once it
/// is running; without one given it is [`Db::training_name`].
///
/// # Errors
/// If it could not be started, or ended at once with a fault of its own.
pub fn start(config: TrainConfig, name: Option<&str>, db: &Path, resume: bool) -> Result<String> {
    config.check()?;
    let config = s1_train::resolved(config);
    // Taken here and released at once: who is in the way is named before a process is made.
    drop(Lease::take(&config.out)?);
    // Made here if there is none: half made by the process it could not be read below.
    let mut store = Db::open(db)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => store.training_name(&config.out)?.context(NAMELESS)?,
    };
    // What an earlier process said of itself is not this one's word.
    let known = store.training(&name)?;
    if known.is_some_and(|known| known.folder() == config.out) {
        store.record_training(&name, TrainingState::Preparing, None, &[])?;
    }
    drop(store);
    let log = config.out.join(LOG);
    let file = OpenOptions::new().create(true).append(true).open(&log);
    let file = file.with_context(|| format!("cannot write {}", log.display()))?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command
        .args(["train", "--config=-"])
        .arg(format!("--name={name}"))
        .arg(format!("--db={}", std::path::absolute(db)?.display()))
        .args(resume.then_some("--resume"))
        .current_dir(&config.out)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(file);
    // A group of its own: an interrupt or a hangup of this terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().context("cannot start the training")?;
    if let Some(stdin) = child.stdin.take() {
        // A process that ended already says why below.
        let _ = serde_json::to_writer(stdin, &config);
    }
    let outcome = at_work(&mut child, &name, db, &config.out);
    // Somebody has to take note of its end, or it stays in the system's list while we live.
    std::thread::spawn(move || child.wait());
    outcome.map(|()| name)
}

/// Waits until the process has recorded that it is at work, or has ended.
fn at_work(child: &mut Child, name: &str, db: &Path, folder: &Path) -> Result<()> {
    let since = Instant::now();
    loop {
        let ended = child.try_wait().context("cannot watch the training")?;
        let training = match Db::open_to_read(db)? {
            Some(db) => db.training(name)?,
            None => None,
        };
        // Another folder's training of that name is in the way, and has nothing to say of this one.
        let training = training.filter(|training| training.folder() == folder);
        match (ended, training) {
            (Some(status), _) if status.success() => return Ok(()),
            (
                Some(_),
                Some(Training {
                    fault: Some(why), ..
                }),
            ) => bail!("{why}"),
            (Some(_), _) => bail!("{}", last_words(&folder.join(LOG))),
            // A fault is recorded before the process ends; its end is waited for.
            (None, Some(training))
                if !matches!(
                    training.state,
                    TrainingState::Preparing | TrainingState::Failed
                ) && training.step > 0 =>
            {
                return Ok(());
            }
            _ if since.elapsed() > STARTUP_TIMEOUT => return Ok(()),
            _ => std::thread::sleep(POLL_INTERVAL),
        }
    }
}

/// The end of what the processes of a training printed; empty where they printed nothing.
///
/// # Errors
/// If it is there and cannot be read.
pub fn output(training: &Training) -> Result<String> {
    let folder = training.folder();
    let path = match training.config.trainer {
        TrainerKind::Native => folder.join(LOG),
        TrainerKind::Trl => folder.join(trl::FOLDER).join(trl::LOG),
    };
    match path.is_file() {
        true => files::read_end(&path, OUTPUT)
            .with_context(|| format!("cannot read {}", path.display())),
        false => Ok(String::new()),
    }
}

/// The last line a process printed.
fn last_words(log: &Path) -> String {
    let text = files::read_end(log, OUTPUT).unwrap_or_default();
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("the training ended at once, without a message");
    last.trim_start_matches("s1-tui: ").to_owned()
}

/// Writes the model of a training as it was after `step` steps (`None`: its newest checkpoint) and
/// returns the file with its weights.
///
/// # Errors
/// If the base or the checkpoint is gone or belongs to another run, if there is no adapter to
/// write, or if nothing can be written.
pub fn export(training: &Training, step: Option<usize>, product: Product) -> Result<PathBuf> {
    let mut trainer = s1_train::prepare(&training.config, true)?;
    if let Some(step) = step {
        trainer.go_to(step)?;
    }
    let folder = match step {
        Some(step) => training.folder().join(format!("step-{step:07}")),
        None => training.folder().to_path_buf(),
    };
    trainer.export(&folder, product)
}

/// What to load to ask the model of a training: a GGUF file, or an adapter's folder. What is not
/// on the disk yet is written.
///
/// # Errors
/// As [`export`].
pub fn opened(training: &Training, step: Option<usize>) -> Result<PathBuf> {
    let finished =
        training.state == TrainingState::Finished && step.is_none_or(|s| s == training.step);
    let step = step.filter(|_| !finished);
    if training.config.lora_rank.is_some() {
        if finished {
            return Ok(training.folder().to_path_buf());
        }
        let weights = export(training, step, Product::Adapter)?;
        return Ok(weights.parent().map(Path::to_path_buf).unwrap_or_default());
    }
    let kind = Quantization::Q8_0;
    let written = training
        .folder()
        .join(format!("model-{}.gguf", kind.name()));
    if finished && written.exists() {
        return Ok(written);
    }
    export(training, step, Product::Gguf(kind))
}
