//! Sessions, models, problem sets and figures: listed, read, written, removed; the clipboard.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Job, JobContext, Tell};
use crate::tui::widgets::model_picker::FoundModels;
use crate::tui::widgets::problem_picker::ProblemSetEntry;
use s1_core::format;
use s1_data::files;
use s1_engine::catalog::need::{ModelNeed, Room};
use s1_engine::catalog::{self, CatalogEntry};
use s1_engine::suggestions;
use s1_model::device::Places;
use s1_model::memory;
use s1_plot::Figure;
use s1_store::Db;
use s1_store::session::{self, Document, Saved};
use s1_store::training::Lease;

/// Lists the saved sessions.
#[derive(Debug, PartialEq)]
pub struct FindSessions;

impl Job for FindSessions {
    type Output = Vec<Saved>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        Ok(session::list(&context.sessions))
    }
}

/// Removes a session; lists those that are left.
#[derive(Debug, PartialEq)]
pub struct DeleteSession(pub PathBuf);

impl Job for DeleteSession {
    type Output = Vec<Saved>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let what = || format!("cannot delete {}", self.0.display());
        std::fs::remove_file(&self.0).with_context(what)?;
        Ok(session::list(&context.sessions))
    }
}

/// Gives a session another name; lists all of them.
#[derive(Debug, PartialEq)]
pub struct RenameSession {
    pub from: PathBuf,
    pub to: PathBuf,
}

impl Job for RenameSession {
    type Output = Vec<Saved>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        if self.to.exists() {
            bail!("there is a session {} already", self.to.display());
        }
        let what = || format!("cannot rename {}", self.from.display());
        std::fs::rename(&self.from, &self.to).with_context(what)?;
        Ok(session::list(&context.sessions))
    }
}

/// Reads a session.
#[derive(Debug, PartialEq)]
pub struct OpenSession(pub PathBuf);

impl Job for OpenSession {
    type Output = Document;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        Document::read(&self.0)
    }
}

/// Lists the models.
#[derive(Debug, PartialEq)]
pub struct FindModels;

/// The context that memory is said for where nobody asks for another.
const CONTEXT: usize = 8192;

impl Job for FindModels {
    type Output = FoundModels;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        // What is always there first.
        let found = catalog::bundled().chain(catalog::find(&context.models));
        Ok(FoundModels {
            here: found.map(|entry| (entry, None)).collect(),
            suggested: suggestions::all()?,
            context: context.load.context.unwrap_or(CONTEXT),
            room: Room {
                free: memory::available(),
                on_gpu: false,
            },
        })
    }
}

/// Looks at what each of the listed models needs.
#[derive(Debug, PartialEq)]
pub struct DescribeModels(pub FoundModels);

impl Job for DescribeModels {
    type Output = FoundModels;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let mut found = self.0;
        let places = Places::new(context.load.device);
        found.room = Room::of_suggestions(&places);
        for (entry, need) in &mut found.here {
            *need = Some(ModelNeed::of(
                entry,
                context.load.context,
                context.load.cache_type,
                &places,
            ));
        }
        Ok(found)
    }
}

/// Removes a model that is listed; the bytes that are free then.
#[derive(Debug, PartialEq)]
pub struct DeleteModel(pub PathBuf);

impl Job for DeleteModel {
    type Output = u64;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        catalog::remove(&listed(context, &self.0)?)
    }
}

/// The model that is listed under a path.
fn listed(context: &JobContext, path: &Path) -> Result<CatalogEntry> {
    let here = catalog::find(&context.models).into_iter();
    let mut found = here.chain(catalog::bundled());
    let entry = found.find(|entry| entry.path == path);
    entry.context("the model is not there any more")
}

/// Gives a model that is listed another name.
#[derive(Debug, PartialEq)]
pub struct RenameModel {
    pub model: PathBuf,
    pub name: String,
}

impl Job for RenameModel {
    type Output = ();

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let entry = listed(context, &self.model)?;
        let folders = [Some(&*self.model), self.model.parent()];
        if folders.into_iter().flatten().any(Lease::was_taken) {
            bail!(
                "{} is what a training made, which looks for it under this name; copy it first",
                entry.name
            );
        }
        catalog::rename(&entry, &self.name)
    }
}

/// Lists the problem sets: the bundled one, those of earlier runs, and files of the current folder.
#[derive(Debug, PartialEq)]
pub struct FindProblems;

/// Files of the current folder that are listed; more cannot be chosen from by eye.
const MOST_FILES: usize = 200;

impl Job for FindProblems {
    type Output = Vec<ProblemSetEntry>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let bytes = |path: &Path| path.metadata().ok().map(|meta| meta.len());
        let mut sets = vec![ProblemSetEntry::bundled()];
        let used = Db::open_to_read(&context.database)?;
        for set in used.map_or(Ok(Vec::new()), |db| db.problem_sets())? {
            let path = PathBuf::from(&set.path);
            let age = files::now().saturating_sub(set.used_at);
            sets.push(ProblemSetEntry {
                bytes: bytes(&path),
                path,
                problems: Some(set.problems),
                origin: format!("used {}", format::ago(age)),
                about: format!("of the run {}", set.run),
            });
        }
        let here = std::env::current_dir()?;
        let mut found: Vec<PathBuf> = (std::fs::read_dir(&here)?.flatten())
            .map(|entry| entry.path())
            .filter(|path| path.is_file() && is_table(path))
            .take(MOST_FILES)
            .collect();
        found.sort();
        sets.extend(found.into_iter().map(|path| ProblemSetEntry {
            problems: None,
            bytes: bytes(&path),
            origin: "this folder".into(),
            about: path.display().to_string(),
            path,
        }));
        let mut seen = HashSet::new();
        sets.retain(|set| seen.insert(set.path.clone()));
        Ok(sets)
    }
}

/// Whether a file's name is that of a table of records.
fn is_table(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let ends = [".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"];
    ends.iter().any(|end| name.ends_with(end))
}

/// Writes a figure to a file; the end of its name says the format.
#[derive(Debug, PartialEq)]
pub struct SaveFigure {
    pub figure: Figure,
    pub path: PathBuf,
}

impl Job for SaveFigure {
    type Output = PathBuf;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        s1_plot::write(&self.figure, &self.path)?;
        Ok(self.path)
    }
}

/// Puts a text on the clipboard through a program; which one took it, in words, if any did.
#[derive(Debug, PartialEq)]
pub struct CopyText(pub String);

/// A program that takes a text for a clipboard: what it is for, and the variable that says whether it
/// can work here.
struct Clipboard {
    variable: &'static str,
    command: &'static [&'static str],
    place: &'static str,
}

const CLIPBOARDS: [Clipboard; 4] = [
    Clipboard {
        variable: "TMUX",
        command: &["tmux", "load-buffer", "-w", "-"],
        place: "tmux's buffer",
    },
    Clipboard {
        variable: "WAYLAND_DISPLAY",
        command: &["wl-copy"],
        place: "the clipboard",
    },
    Clipboard {
        variable: "DISPLAY",
        command: &["xclip", "-selection", "clipboard"],
        place: "the clipboard",
    },
    Clipboard {
        variable: "__CFBundleIdentifier",
        command: &["pbcopy"],
        place: "the clipboard",
    },
];

/// Longer than this none of them needs.
const PATIENCE: Duration = Duration::from_secs(2);

impl Job for CopyText {
    type Output = Option<&'static str>;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        // Over ssh only the terminal, and a multiplexer in it, is on the user's own machine.
        let remote = set("SSH_TTY") || set("SSH_CONNECTION");
        let here = |c: &&Clipboard| set(c.variable) && (!remote || c.variable == "TMUX");
        let mut taken = CLIPBOARDS.iter().filter(here);
        Ok(taken.find(|c| takes(c.command, &self.0)).map(|c| c.place))
    }
}

/// Whether a program is there, takes a text, and says that it has.
fn takes(command: &[&str], text: &str) -> bool {
    let Some((program, args)) = command.split_first() else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = started else { return false };
    let given = child.stdin.take().map(|mut input| {
        // Larger than a pipe: written beside the wait, as it may never be read.
        let text = text.to_owned();
        std::thread::spawn(move || input.write_all(text.as_bytes()).is_ok())
    });
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let given = given.is_some_and(|thread| thread.join().unwrap_or(false));
                return status.success() && given;
            }
            Ok(None) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user would lose: "copied" where nothing was.
    #[test]
    fn only_a_program_that_says_so_has_taken_a_text() {
        let long = "x".repeat(1 << 20);
        assert!(takes(&["sh", "-c", "cat > /dev/null"], &long));
        assert!(!takes(&["sh", "-c", "cat > /dev/null; exit 1"], "a"));
        assert!(!takes(&["s1-tui-no-such-program"], "a"));
        assert!(!takes(&["true"], &long), "it was not read to its end");
        let start = Instant::now();
        assert!(!takes(&["sleep", "60"], "a"));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    /// A user would lose: a training that cannot be gone on with, since its folder has another name.
    #[test]
    fn what_a_training_made_keeps_its_name() {
        let root = tempfile::tempdir().unwrap();
        let trained = root.path().join("tuned");
        let lease = Lease::take(&trained).unwrap();
        let models = [
            trained.join("model-q8_0.gguf"),
            root.path().join("other.gguf"),
        ];
        models
            .iter()
            .for_each(|m| std::fs::write(m, "GGUF").unwrap());
        drop(lease);
        let context = JobContext {
            sessions: root.path().into(),
            database: root.path().join("none.db"),
            models: catalog::ModelFolders {
                folders: vec![root.path().into()],
                ..Default::default()
            },
            load: Default::default(),
        };
        let renamed = models.map(|model| {
            let name = "mine".to_owned();
            RenameModel { model, name }.run(&context, &mut |_| {})
        });
        let refused = renamed[0].as_ref().unwrap_err().to_string();
        assert!(refused.contains("is what a training made"), "{refused}");
        assert!(renamed[1].is_ok());
        assert!(trained.join("model-q8_0.gguf").exists());
        assert!(root.path().join("mine.gguf").exists());
    }
}
