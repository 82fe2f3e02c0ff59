//! Datasets of the Hugging Face hub, kept in its own cache on disk.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};

/// The file of a dataset, `owner/name` or `owner/name:file`; downloaded if it is not there yet.
///
/// # Errors
/// If the hub cannot be reached, there is no such dataset or file, or it has several files that
/// could be meant (the sentence lists them).
pub fn fetch(id: &str) -> Result<PathBuf> {
    let (name, file) = match id.split_once(':') {
        Some((name, file)) => (name, Some(file.to_string())),
        None => (id, None),
    };
    if name.split('/').filter(|part| !part.is_empty()).count() != 2 {
        bail!("{name:?} is no dataset of the hub; write hf:owner/name or hf:owner/name:file");
    }
    let repo = Repo::new(name.to_string(), RepoType::Dataset);
    if let Some(file) = &file
        && let Some(path) = Cache::from_env().repo(repo.clone()).get(file)
    {
        return Ok(path);
    }
    let place = || format!("cannot fetch the dataset {name} from the hub");
    let api = ApiBuilder::from_env()
        .with_progress(false)
        .build()
        .with_context(place)?;
    let api = api.repo(repo);
    let file = match file {
        Some(file) => file,
        None => {
            let info = api.info().with_context(place)?;
            only_file(name, info.siblings.into_iter().map(|s| s.rfilename))?
        }
    };
    api.get(&file)
        .with_context(|| format!("cannot fetch {file} of the dataset {name} from the hub"))
}

/// The file that is meant when none is named: the only one, or the only one of the test split.
fn only_file(name: &str, files: impl Iterator<Item = String>) -> Result<String> {
    let is_data = |f: &String| f.ends_with(".jsonl") || f.ends_with(".parquet");
    let files: Vec<String> = files.filter(is_data).collect();
    let tests: Vec<&String> = files.iter().filter(|f| f.contains("test")).collect();
    match (&files[..], &tests[..]) {
        ([], _) => bail!("the dataset {name} has no .jsonl or .parquet file"),
        ([one], _) => Ok(one.clone()),
        (_, [one]) => Ok((*one).clone()),
        _ => {
            let some: Vec<&str> = files.iter().map(String::as_str).take(8).collect();
            bail!(
                "the dataset {name} has {} files; name one: hf:{name}:FILE, for example {}",
                files.len(),
                some.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_split_is_meant_and_doubt_is_said() {
        let pick = |files: &[&str]| only_file("a/b", files.iter().map(ToString::to_string));
        let split = ["README.md", "main/train.parquet", "main/test.parquet"];
        assert_eq!(pick(&split).unwrap(), "main/test.parquet");
        assert_eq!(pick(&["data.jsonl", "x.py"]).unwrap(), "data.jsonl");
        let error = pick(&["a.jsonl", "b.jsonl"]).unwrap_err().to_string();
        assert!(error.contains("hf:a/b:FILE"), "{error}");
        assert!(pick(&["README.md"]).is_err());
        assert!(
            fetch("gsm8k")
                .unwrap_err()
                .to_string()
                .contains("owner/name")
        );
    }
}
