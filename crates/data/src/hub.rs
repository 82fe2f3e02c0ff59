//! Files of the Hugging Face hub, kept in its own cache on disk: `hf:owner/name[:file]` wherever a
//! model or a data file may be named. This file has the names and the cache, [`download`] what
//! happens while one is fetched.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

pub mod download;

use download::Meter;
pub use download::{Download, listen};

/// How the names of the hub's files begin.
const PREFIX: &str = "hf:";

/// What a repository of the hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Models: GGUF files.
    Model,
    /// Data: JSON lines or Parquet.
    Dataset,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Dataset => "dataset",
        }
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            Kind::Model => &[".gguf"],
            Kind::Dataset => &[".jsonl", ".parquet"],
        }
    }

    /// In the names of the file that is meant where there are several and none is named.
    fn preferred(self) -> &'static str {
        match self {
            // What a laptop runs without a loss that anybody sees.
            Kind::Model => "q8_0",
            Kind::Dataset => "test",
        }
    }

    fn repo_type(self) -> RepoType {
        match self {
            Kind::Model => RepoType::Model,
            Kind::Dataset => RepoType::Dataset,
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
pub fn local(path: &Path, kind: Kind) -> Result<PathBuf> {
    local_while(path, kind, &mut || true)
}

/// As [`local`], for as long as `go_on` says so: it is asked several times a second.
///
/// # Errors
/// As [`local`], and if it is not to go on.
pub fn local_while(path: &Path, kind: Kind, go_on: &mut dyn FnMut() -> bool) -> Result<PathBuf> {
    match path.to_str().and_then(|path| path.strip_prefix(PREFIX)) {
        Some(id) => Hub::from_env()?.fetch(id, kind, go_on),
        None => Ok(path.to_path_buf()),
    }
}

/// Where files come from, and where they are kept.
struct Hub {
    cache: Cache,
    /// The site; `None` is the hub's own.
    site: Option<String>,
    token: Option<String>,
}

impl Hub {
    fn from_env() -> Result<Hub> {
        let env = |name: &str| std::env::var(name).ok();
        let nowhere = "the hub's files have no place here; set HF_HOME to a folder for them";
        let home = home(&env).context(nowhere)?;
        let token = Cache::new(home.join("hub")).token();
        Ok(Hub {
            cache: Cache::new(cache_folder(env).context(nowhere)?),
            site: variable(&env, "HF_ENDPOINT"),
            token: variable(&env, "HF_TOKEN").or(token),
        })
    }

    /// Finds the file in the cache, or fetches it.
    fn fetch(&self, id: &str, kind: Kind, go_on: &mut dyn FnMut() -> bool) -> Result<PathBuf> {
        let what = kind.name();
        let (name, file) = match id.split_once(':') {
            Some((name, file)) => (name, Some(file)),
            None => (id, None),
        };
        if name.split('/').count() != 2 || inside(name).is_err() {
            bail!("{name:?} is no {what} of the hub; write hf:owner/name or hf:owner/name:file");
        }
        let repo = Repo::new(name.to_owned(), kind.repo_type());
        if let Some(file) = file {
            inside(file)?;
            if let Some(path) = self.cache.repo(repo.clone()).get(file) {
                return Ok(path);
            }
        }
        let place = format!("cannot fetch the {what} {name} from the hub");
        let hub = self.api().context(place.clone())?;
        let (cache, name, file) = (self.cache.clone(), name.to_owned(), file.map(str::to_owned));
        let work = move |meter: &Meter| {
            let api = hub.repo(repo.clone());
            let file = match file {
                Some(file) => file,
                None => match api.info() {
                    Ok(info) => {
                        let files = info.siblings.into_iter().map(|file| file.rfilename);
                        only_file(&name, kind, files)?
                    }
                    // Without a network, what was fetched earlier is as good.
                    Err(error) => only_file(&name, kind, kept(&cache, &repo).into_iter())
                        .map_err(|_| because(error))
                        .context(place.clone())?,
                },
            };
            // The hub's own list is not trusted either.
            inside(&file)?;
            if let Some(path) = cache.repo(repo).get(&file) {
                return Ok(path);
            }
            meter.fetches(&file);
            let place = || format!("{place}: {file}");
            check(&hub, &api.url(&file)).with_context(place)?;
            meter.file(&api, &file).map_err(because).with_context(place)
        };
        download::watched(id, work, go_on)
    }

    fn api(&self) -> Result<Api, ApiError> {
        let mut builder = ApiBuilder::from_cache(self.cache.clone())
            .with_progress(false)
            .with_token(self.token.clone());
        if let Some(site) = &self.site {
            builder = builder.with_endpoint(site.clone());
        }
        builder.build()
    }
}

/// Refuses what would be kept outside the cache: the library takes the names that a file and its
/// commit have there from the hub's answer as they are.
fn check(hub: &Api, url: &str) -> Result<()> {
    let known = hub.metadata(url).map_err(because)?;
    for name in [known.etag(), known.commit_hash()] {
        inside(name).map_err(|_| anyhow!("the hub calls it {name:?}, which names no file"))?;
    }
    Ok(())
}

/// The library's errors in words that say what to try.
fn because(error: ApiError) -> anyhow::Error {
    match &error {
        ApiError::LockAcquisition(_) => {
            anyhow!("it is being fetched already; try again when that is done")
        }
        ApiError::RequestError(why) => anyhow!(
            "{why}; check the name and the network (what is private or gated needs HF_TOKEN)"
        ),
        _ => error.into(),
    }
}

/// The files of a repository that are in the cache, by their names there.
fn kept(cache: &Cache, repo: &Repo) -> Vec<String> {
    let folder = cache.path().join(repo.folder_name());
    let Ok(commit) = std::fs::read_to_string(folder.join("refs/main")) else {
        return Vec::new();
    };
    let snapshot = folder.join("snapshots").join(commit.trim());
    let (mut folders, mut files) = (vec![snapshot.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Its folders are the repository's own: only files are links there.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(&snapshot) {
                files.extend(name.to_str().map(str::to_owned));
            }
        }
    }
    files.sort();
    files
}

/// Refuses the name of a file that would lie outside its repository's folder in the cache.
fn inside(file: &str) -> Result<()> {
    let plain = |part| matches!(part, Component::Normal(_));
    if file.is_empty() || !Path::new(file).components().all(plain) {
        bail!("{file:?} is no file of a repository; name one that is, such as model.gguf");
    }
    Ok(())
}

/// The file that is meant when none is named: the only one, or the only preferred one.
fn only_file(name: &str, kind: Kind, files: impl Iterator<Item = String>) -> Result<String> {
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
mod tests;
