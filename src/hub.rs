//! Files of the Hugging Face hub, kept in its own cache on disk: `hf:owner/name[:file]` wherever a
//! model or a data file may be named.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};

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

/// The file on disk: of `hf:owner/name[:file]` what the hub has, downloaded if it is not in the
/// cache yet; any other path as it is.
///
/// # Errors
/// If the hub cannot be reached, has no such repository or file, or has several files that could be
/// meant (the sentence lists them).
pub fn local(path: &Path, kind: Kind) -> Result<PathBuf> {
    match path.to_str().and_then(|path| path.strip_prefix(PREFIX)) {
        Some(id) => fetch(id, kind, &Cache::from_env()),
        None => Ok(path.to_path_buf()),
    }
}

fn fetch(id: &str, kind: Kind, cache: &Cache) -> Result<PathBuf> {
    let what = kind.name();
    let (name, file) = match id.split_once(':') {
        Some((name, file)) => (name, Some(file.to_string())),
        None => (id, None),
    };
    if name.split('/').filter(|part| !part.is_empty()).count() != 2 {
        bail!("{name:?} is no {what} of the hub; write hf:owner/name or hf:owner/name:file");
    }
    if let Some(file) = &file {
        inside(file)?;
    }
    let repo = Repo::new(name.to_string(), kind.repo_type());
    if let Some(file) = &file
        && let Some(path) = cache.repo(repo.clone()).get(file)
    {
        return Ok(path);
    }
    let place = || format!("cannot fetch the {what} {name} from the hub");
    let api = ApiBuilder::from_env()
        .with_cache_dir(cache.path().clone())
        .with_progress(false)
        .build()
        .with_context(place)?;
    let api = api.repo(repo);
    let file = match file {
        Some(file) => file,
        None => {
            let info = api.info().with_context(place)?;
            only_file(name, kind, info.siblings.into_iter().map(|s| s.rfilename))?
        }
    };
    // The hub's own list is not trusted either.
    inside(&file)?;
    api.get(&file)
        .with_context(|| format!("cannot fetch {file} of the {what} {name} from the hub"))
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
mod tests {
    use super::*;

    fn pick(kind: Kind, files: &[&str]) -> Result<String> {
        only_file("a/b", kind, files.iter().map(ToString::to_string))
    }

    #[test]
    fn the_test_split_is_meant_and_doubt_is_said() {
        let split = ["README.md", "main/train.parquet", "main/test.parquet"];
        assert_eq!(pick(Kind::Dataset, &split).unwrap(), "main/test.parquet");
        let one = ["data.jsonl", "x.py"];
        assert_eq!(pick(Kind::Dataset, &one).unwrap(), "data.jsonl");
        let error = pick(Kind::Dataset, &["a.jsonl", "b.jsonl"]).unwrap_err();
        assert!(error.to_string().contains("hf:a/b:FILE"), "{error}");
        assert!(pick(Kind::Dataset, &["README.md"]).is_err());
    }

    #[test]
    fn of_a_models_quantizations_q8_is_meant() {
        let files = ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "config.json"];
        assert_eq!(pick(Kind::Model, &files).unwrap(), "m-Q8_0.gguf");
        assert!(pick(Kind::Model, &["model.safetensors"]).is_err());
    }

    #[test]
    fn what_is_in_the_cache_needs_no_network() {
        let folder = tempfile::tempdir().unwrap();
        let repo = folder.path().join("models--a--b");
        let file = repo.join("snapshots/c0ffee/m.gguf");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::create_dir_all(repo.join("refs")).unwrap();
        std::fs::write(&file, "GGUF").unwrap();
        std::fs::write(repo.join("refs/main"), "c0ffee").unwrap();
        let cache = Cache::new(folder.path().to_path_buf());
        assert_eq!(fetch("a/b:m.gguf", Kind::Model, &cache).unwrap(), file);
    }

    #[test]
    fn no_file_outside_the_repository_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_path_buf());
        for file in ["../../../secret", "/etc/passwd", "a/../../b.gguf", ""] {
            let error = fetch(&format!("a/b:{file}"), Kind::Model, &cache).unwrap_err();
            assert!(error.to_string().contains("is no file of a"), "{error}");
        }
        assert!(inside("gguf/m-q8_0.gguf").is_ok());
    }

    #[test]
    fn only_names_of_the_hub_are_looked_for_there() {
        let path = Path::new("models/m.gguf");
        assert_eq!(local(path, Kind::Model).unwrap(), path);
        assert!(is_hub(Path::new("hf:a/b")) && !is_hub(path));
        let error = local(Path::new("hf:gsm8k"), Kind::Dataset).unwrap_err();
        assert!(error.to_string().contains("owner/name"), "{error}");
    }
}
