//! Files of the Hugging Face hub, kept in its own cache on disk: `hf:owner/name[:file]` wherever a
//! model or a data file may be named. This file has the names, `cache` the files on disk,
//! [`download`] what is shown while one is fetched, `fetch` and `client` how that is done (feature
//! `hub`; without it, only what is in the cache is found).

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

mod cache;
#[cfg(feature = "hub")]
mod client;
pub mod download;
#[cfg(feature = "hub")]
mod fetch;

#[cfg(feature = "hub")]
use crate::files;
use cache::Repo;
pub use download::{Download, listen};

/// The hub's own site.
#[cfg(feature = "hub")]
const SITE: &str = "https://huggingface.co";
/// How the names of the hub's files begin.
const PREFIX: &str = "hf:";

/// What a repository of the hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// Models: GGUF files.
    Model,
    /// Data: JSON lines or Parquet.
    Dataset,
}

impl RepoKind {
    fn name(self) -> &'static str {
        match self {
            RepoKind::Model => "model",
            RepoKind::Dataset => "dataset",
        }
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            RepoKind::Model => &[".gguf"],
            RepoKind::Dataset => &[".jsonl", ".parquet"],
        }
    }

    /// In the names of the file that is meant where there are several and none is named.
    fn preferred(self) -> &'static str {
        match self {
            // What a laptop runs without a loss that anybody sees.
            RepoKind::Model => "q8_0",
            RepoKind::Dataset => "test",
        }
    }

    /// In addresses.
    #[cfg(feature = "hub")]
    fn plural(self) -> &'static str {
        match self {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
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

/// Where files come from, and where they are kept.
#[derive(Clone)]
struct Hub {
    /// The cache's folder.
    cache: PathBuf,
    #[cfg(feature = "hub")]
    site: String,
    #[cfg(feature = "hub")]
    token: Option<String>,
}

impl Hub {
    fn from_env() -> Result<Hub> {
        let env = |name: &str| std::env::var(name).ok();
        let nowhere = "there is no folder for the hub's files; set HF_HOME to one";
        Ok(Hub {
            cache: cache_folder(env).context(nowhere)?,
            #[cfg(feature = "hub")]
            site: variable(&env, "HF_ENDPOINT").unwrap_or_else(|| SITE.into()),
            #[cfg(feature = "hub")]
            token: variable(&env, "HF_TOKEN").or_else(|| {
                let token = files::read_text_file(&home(&env)?.join("token"), 1024).ok()?;
                Some(token.trim().to_owned()).filter(|token| !token.is_empty())
            }),
        })
    }

    /// Finds the file in the cache, or fetches it.
    fn fetch(&self, id: &str, kind: RepoKind, go_on: &mut dyn FnMut() -> bool) -> Result<PathBuf> {
        let (name, file) = match id.split_once(':') {
            Some((name, file)) => (name, Some(file)),
            None => (id, None),
        };
        if name.split('/').count() != 2 || check_relative_path(name).is_err() {
            let what = kind.name();
            bail!(
                "{name:?} is not the name of a {what} on the hub; write hf:owner/name or hf:owner/name:file"
            );
        }
        let repo = Repo::new(&self.cache, kind, name);
        if let Some(file) = file {
            check_relative_path(file)?;
            if let Some(path) = repo.get(file) {
                return Ok(path);
            }
        }
        self.download(id, repo, file.map(str::to_owned), go_on)
    }

    #[cfg(feature = "hub")]
    fn download(
        &self,
        id: &str,
        repo: Repo,
        file: Option<String>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<PathBuf> {
        let client = client::Client::new(&self.site, self.token.as_deref());
        let work = move |meter: &fetch::DownloadMeter| fetch::file(&client, &repo, file, meter);
        fetch::watched(id, work, go_on)
    }

    #[cfg(not(feature = "hub"))]
    fn download(
        &self,
        _: &str,
        repo: Repo,
        file: Option<String>,
        _: &mut dyn FnMut() -> bool,
    ) -> Result<PathBuf> {
        let kept = || repo.get(&only_file(&repo, repo.cached_files().into_iter()).ok()?);
        match file {
            None if let Some(path) = kept() => Ok(path),
            _ => bail!(
                "the {} {} is not in the cache, and this build cannot download it (it was made \
                 without the feature hub); download the file and give its path",
                repo.kind.name(),
                repo.name
            ),
        }
    }
}

/// Refuses the name of a file that would lie outside its repository's folder in the cache.
fn check_relative_path(file: &str) -> Result<()> {
    let plain = |part| matches!(part, Component::Normal(_));
    if file.is_empty() || !Path::new(file).components().all(plain) {
        bail!("{file:?} is not a path inside a repository; name a file such as model.gguf");
    }
    Ok(())
}

/// The file that is meant when none is named: the only one, or the only preferred one.
fn only_file(repo: &Repo, files: impl Iterator<Item = String>) -> Result<String> {
    let (kind, name) = (repo.kind, &repo.name);
    let fits = |f: &String| kind.endings().iter().any(|ending| f.ends_with(ending));
    let files: Vec<String> = files.filter(fits).collect();
    let preferred = |f: &&String| f.to_lowercase().contains(kind.preferred());
    let best: Vec<&String> = files.iter().filter(preferred).collect();
    let what = kind.name();
    match (&files[..], &best[..]) {
        ([], _) => bail!(
            "the {what} {name} has no {} file",
            kind.endings().join(" or ")
        ),
        ([one], _) => Ok(one.clone()),
        (_, [one]) => Ok((*one).clone()),
        _ => {
            let some: Vec<&str> = files.iter().map(String::as_str).take(8).collect();
            bail!(
                "the {what} {name} has {} files; name one: hf:{name}:FILE, for example {}",
                files.len(),
                some.join(", ")
            )
        }
    }
}

#[cfg(test)]
#[cfg(feature = "hub")]
mod tests;
