//! Trainings that are watched: a run of [`s1_train`] as a process of its own, which records in
//! the store what it does and obeys what the store tells it.
//!
//! | file | subject |
//! |---|---|
//! | this one | starting one in the background, a look before the start, checkpoints and exports |
//! | [`watched`] | the process's side: recording, orders |
//! | [`exam`] | questions to the model as it is: the sample answer, held-out problems |
//!
//! Not here: what a step computes, and the screen.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use s1_store::Db;
use s1_store::training::{Lease, State, Training};
use s1_train::arguments::Arguments;
use s1_train::checkpoint;
pub use s1_train::export::Product;
use s1_train::export::Quantization;
use s1_train::plan::Plan;
use s1_train::run::Run;

pub mod exam;
pub mod watched;

/// What the process prints, in its folder.
pub const LOG: &str = "train.log";
/// How long a start is waited for; a large model may take longer to read, and is then on its way.
const PATIENCE: Duration = Duration::from_secs(5);
/// What there is to say where neither a name nor a folder gives one.
const NAMELESS: &str = "the folder has no name; give the training one with --name";
/// Between two looks whether it has started.
const LOOK: Duration = Duration::from_millis(30);

/// A training before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// What it will take.
    pub plan: Plan,
    /// The first examples, rendered as the model will see them.
    pub examples: Vec<Vec<Piece>>,
    /// The base's own name.
    pub model: String,
}

/// A piece of a rendered example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether the model learns to write it.
    pub loss: bool,
}

/// Reads base and data as a training would, and says what it will take.
///
/// # Errors
/// As the training itself: a base or data that cannot be used, and what cannot fit, with what
/// would make it fit.
pub fn preview(arguments: &[String], examples: usize) -> Result<Preview> {
    let settings = Arguments::parse(arguments)?.settings()?;
    let run = Run::prepare(settings, true)?;
    let piece = |(text, loss)| Piece { text, loss };
    let examples = run.examples(examples).into_iter();
    Ok(Preview {
        plan: run.plan().clone(),
        examples: examples
            .map(|pieces| pieces.into_iter().map(piece).collect())
            .collect(),
        model: run.model_name().to_owned(),
    })
}

/// Starts a training as a process of its own, which outlives this one; with `resume`, it goes on
/// from its last checkpoint, or begins again where there is none. Returns its name once it is at
/// work; without one given it is [`Db::training_name`].
///
/// # Errors
/// If it could not be started, or ended at once with a fault of its own.
pub fn start(arguments: &[String], name: Option<&str>, db: &Path, resume: bool) -> Result<String> {
    let arguments = Arguments::parse(arguments)?.absolute();
    // Taken here and given back at once: whoever is in the way is named before a process is made.
    drop(Lease::take(&arguments.out)?);
    // Made here if there is none: half made by the process it could not be read below.
    let mut store = Db::open(db)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => store.training_name(&arguments.out)?.context(NAMELESS)?,
    };
    // What an earlier process said of itself is not this one's word.
    let known = store.training(&name)?;
    if known.is_some_and(|known| known.folder == arguments.out) {
        store.record_training(&name, State::Preparing, None, &[], &[])?;
    }
    drop(store);
    let log = arguments.out.join(LOG);
    let file = OpenOptions::new().create(true).append(true).open(&log);
    let file = file.with_context(|| format!("cannot write {}", log.display()))?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command
        .arg("train")
        .args(arguments.words())
        .arg(format!("--name={name}"))
        .arg(format!("--db={}", std::path::absolute(db)?.display()))
        .args(resume.then_some("--resume"))
        .current_dir(&arguments.out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file);
    // A group of its own: an interrupt or a hangup of this terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().context("cannot start the training")?;
    let outcome = at_work(&mut child, &name, db, &arguments.out);
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
        let training = training.filter(|training| training.folder == *folder);
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
                if !matches!(training.state, State::Preparing | State::Failed)
                    && training.step > 0 =>
            {
                return Ok(());
            }
            _ if since.elapsed() > PATIENCE => return Ok(()),
            _ => std::thread::sleep(LOOK),
        }
    }
}

/// The last line a process printed.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("the training ended at once, without a word");
    last.trim_start_matches("s1-tui: ").to_owned()
}

/// A checkpoint on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    /// Steps done.
    pub step: usize,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The checkpoints of a training's folder, oldest first.
pub fn checkpoints(folder: &Path) -> Vec<CheckpointFile> {
    let found = checkpoint::list(folder).into_iter();
    found
        .filter_map(|path| {
            let step = checkpoint::step_of(&path)?;
            let bytes = path.metadata().map_or(0, |m| m.len());
            Some(CheckpointFile { step, path, bytes })
        })
        .collect()
}

/// Writes the model of a training as it was after `step` steps (`None`: its newest checkpoint) and
/// returns the file with its weights.
///
/// # Errors
/// If the base or the checkpoint is gone or belongs to another run, if there is no adapter to
/// write, or if nothing can be written.
pub fn export(training: &Training, step: Option<usize>, product: Product) -> Result<PathBuf> {
    let settings = Arguments::parse(&training.arguments)?.settings()?;
    let mut run = Run::prepare(settings, true)?;
    if let Some(step) = step {
        run.go_to(step)?;
    }
    let folder = match step {
        Some(step) => training.folder.join(format!("step-{step:07}")),
        None => training.folder.clone(),
    };
    run.export_as(&folder, product)
}

/// What to load to ask the model of a training: a GGUF file, or an adapter's folder. What is not
/// on the disk yet is written.
///
/// # Errors
/// As [`export`].
pub fn opened(training: &Training, step: Option<usize>) -> Result<PathBuf> {
    let arguments = Arguments::parse(&training.arguments)?;
    let finished = training.state == State::Finished && step.is_none_or(|s| s == training.step);
    let step = step.filter(|_| !finished);
    if arguments.lora_rank.is_some() {
        if finished {
            return Ok(training.folder.clone());
        }
        let weights = export(training, step, Product::Adapter)?;
        return Ok(weights.parent().map(Path::to_path_buf).unwrap_or_default());
    }
    let kind = Quantization::Q8_0;
    let written = training.folder.join(format!("model-{}.gguf", kind.name()));
    if finished && written.exists() {
        return Ok(written);
    }
    export(training, step, Product::Gguf(kind))
}
