//! Files of the Hugging Face hub, kept in its own cache on disk: `hf:owner/name[:file]` wherever a
//! model or a data file may be named. This file has the names, `cache` the files on disk, `content`
//! whether they are what they are called, [`download`] what is shown while one is fetched, `fetch` and
//! `client` how that is done (feature `hub`; without it, only what is in the cache is found).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

mod cache;
mod choice;
#[cfg(feature = "hub")]
mod client;
mod content;
pub mod download;
#[cfg(feature = "hub")]
mod fetch;
mod names;

use crate::models;
use cache::Repo;
use choice::ChosenFiles;
use download::DownloadMeter;
pub use download::{Download, listen};
use names::FileName;

/// How the names of the hub's files begin.
const PREFIX: &str = "hf:";

/// What a repository of the hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// Models: GGUF files, or folders with safetensors.
    Model,
    /// Data: JSON lines or Parquet.
    Dataset(Split),
}

/// What a dataset is wanted for, and so which of its files is meant where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// To learn from: never what is kept for tests.
    Train,
    /// To measure with.
    Test,
}

impl RepoKind {
    fn name(self) -> &'static str {
        match self {
            RepoKind::Model => "model",
            RepoKind::Dataset(_) => "dataset",
        }
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            RepoKind::Model => &[".gguf"],
            RepoKind::Dataset(_) => &[".jsonl", ".parquet"],
        }
    }
}

/// Whether a path names a file of the hub.
pub fn is_hub(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with(PREFIX))
}

/// The `hub` folder of the Hugging Face cache, as its own tools find it: `HF_HUB_CACHE`, else
/// `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`. `env`
/// reads one variable.
pub fn cache_folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    match variable(&env, "HF_HUB_CACHE") {
        Some(folder) => Some(folder.into()),
        None => Some(home(&env)?.join("hub")),
    }
}

/// The folder of Hugging Face's tools.
fn home(env: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = |name: &str| variable(env, name).map(PathBuf::from);
    folder("HF_HOME")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface")))
        .or_else(|| Some(folder("HOME")?.join(".cache/huggingface")))
}

fn variable(env: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// The file on disk: of `hf:owner/name[:file]` what the hub has, downloaded if it is not in the
/// cache yet; any other path as it is.
///
/// # Errors
/// If the hub cannot be reached, has no such repository or file, or has several files that could be
/// meant (the sentence lists them).
pub fn local(path: &Path, kind: RepoKind) -> Result<PathBuf> {
    local_while(path, kind, &mut || true)
}

/// As [`local`], for as long as `go_on` says so: it is asked several times a second.
///
/// # Errors
/// As [`local`], and if it is not to go on.
pub fn local_while(
    path: &Path,
    kind: RepoKind,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<PathBuf> {
    match path.to_str().and_then(|path| path.strip_prefix(PREFIX)) {
        Some(id) => Hub::from_env()?.fetch(id, kind, go_on),
        None => Ok(path.to_path_buf()),
    }
}

/// Removes a model's file, with the other parts of it, or the files of its folder. In the cache they are
/// links, and what they lead to goes with them. Gives the bytes that are free now.
///
/// # Errors
/// If one cannot be removed.
pub fn remove_files(path: &Path) -> Result<u64> {
    let inside = |name: &str| path.with_file_name(name);
    let files: Vec<PathBuf> = match path.is_dir() {
        true => std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?,
        false => {
            let name = path.file_name().and_then(|name| name.to_str());
            match name.and_then(models::part_of) {
                Some((stem, _, parts)) => (1..=parts)
                    .map(|part| inside(&models::part_name(stem, part, parts)))
                    .collect(),
                None => vec![path.to_path_buf()],
            }
        }
    };
    let mut freed = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        freed += file.metadata()?.len();
        if let Ok(target) = std::fs::read_link(file) {
            let blob = file.parent().unwrap_or(file).join(target);
            std::fs::remove_file(&blob)?;
        }
        std::fs::remove_file(file)?;
    }
    if path.is_dir() {
        // What else lies there is not this program's.
        let _ = std::fs::remove_dir(path);
    }
    Ok(freed)
}

/// Where files come from, and where they are kept.
#[derive(Clone)]
struct Hub {
    /// The cache's folder.
    cache: PathBuf,
    /// Nothing is to be asked for.
    offline: bool,
    #[cfg(feature = "hub")]
    access: client::HubAccess,
}

impl Hub {
    fn from_env() -> Result<Hub> {
        let env = |name: &str| std::env::var(name).ok();
        let nowhere = "there is no folder for the hub's files; set HF_HOME to one";
        Ok(Hub {
            cache: cache_folder(env).context(nowhere)?,
            offline: is_offline(&env),
            #[cfg(feature = "hub")]
            access: client::HubAccess::from_env(&env),
        })
    }

    /// Finds the file in the cache, or fetches it.
    fn fetch(&self, id: &str, kind: RepoKind, go_on: &mut dyn FnMut() -> bool) -> Result<PathBuf> {
        let (name, file) = match id.split_once(':') {
            Some((name, file)) => (name, Some(file)),
            None => (id, None),
        };
        if name.split('/').count() != 2 || FileName::new(name).is_err() {
            let what = kind.name();
            bail!(
                "{name:?} is not the name of a {what} on the hub; write hf:owner/name or hf:owner/name:file"
            );
        }
        let repo = Repo::new(&self.cache, kind, name);
        let file = file.map(FileName::new).transpose()?;
        let hub = self.clone();
        let work = move |meter: &DownloadMeter| hub.find(&repo, file, meter);
        download::watched(id, work, go_on)
    }

    fn find(&self, repo: &Repo, file: Option<FileName>, meter: &DownloadMeter) -> Result<PathBuf> {
        if let Some(file) = &file {
            let all = ChosenFiles::of(file.clone())?;
            let here = all.files.iter().map(|file| repo.get(file, meter));
            let here = here.collect::<Result<Option<Vec<PathBuf>>>>()?;
            if let Some(path) = here.and_then(|paths| paths.into_iter().next()) {
                return Ok(path);
            }
        }
        if self.offline {
            let why = "HF_HUB_OFFLINE is set: unset it to download";
            return cached(repo, file, why, meter);
        }
        self.download(repo, file, meter)
    }

    #[cfg(feature = "hub")]
    fn download(
        &self,
        repo: &Repo,
        file: Option<FileName>,
        meter: &DownloadMeter,
    ) -> Result<PathBuf> {
        fetch::file(&client::Client::new(&self.access)?, repo, file, meter)
    }

    #[cfg(not(feature = "hub"))]
    fn download(
        &self,
        repo: &Repo,
        file: Option<FileName>,
        meter: &DownloadMeter,
    ) -> Result<PathBuf> {
        let why = "this build cannot download it (it was made without the feature hub): download";
        cached(repo, file, why, meter)
    }
}

/// What Hugging Face's own tools take for yes.
fn is_offline(env: &impl Fn(&str) -> Option<String>) -> bool {
    let value = variable(env, "HF_HUB_OFFLINE").unwrap_or_default();
    ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
}

/// The file that is meant, where only the cache is looked at. `why` ends before "the file".
fn cached(
    repo: &Repo,
    file: Option<FileName>,
    why: &str,
    meter: &DownloadMeter,
) -> Result<PathBuf> {
    let files = repo.cached_files();
    let choice = match file {
        None if !files.is_empty() => {
            let choice = choice::choose(repo, files.into_iter())?;
            meter.change(|download| choice.note.clone_into(&mut download.note))?;
            choice
        }
        None => {
            let (what, name) = (repo.kind.name(), &repo.name);
            bail!(
                "the {what} {name} is not in the cache, and {why} the file, or give the path of one"
            );
        }
        Some(file) => ChosenFiles::of(file)?,
    };
    choice.paths(|file| {
        meter.change(|download| file.as_str().clone_into(&mut download.what))?;
        if let Some(path) = repo.get(file, meter)? {
            return Ok(path);
        }
        let state = match repo.has(file) {
            true => "is damaged in the cache",
            false => "is not in the cache",
        };
        let (what, name) = (repo.kind.name(), &repo.name);
        bail!("{file} of the {what} {name} {state}, and {why} the file, or give the path of one")
    })
}

#[cfg(test)]
#[cfg(feature = "hub")]
mod tests;
