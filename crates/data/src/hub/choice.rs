//! Which file of a repository is meant when none is named. Pure.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::cache::Repo;
use super::names::FileName;
use super::{RepoKind, Split};
use crate::models;

/// What data that are kept from training are called.
const HELD_OUT: [&str; 9] = [
    "test",
    "tests",
    "testing",
    "validation",
    "valid",
    "val",
    "dev",
    "eval",
    "evaluation",
];

/// What is meant, and what the user should know about it: which it is, where there are several.
#[derive(Debug)]
pub(super) struct ChosenFiles {
    /// The file that is meant comes first, then those it does not do without: the other parts of a
    /// split one, or a model's settings, tokenizer and weights.
    pub(super) files: Vec<FileName>,
    /// Whether the folder of these files is meant.
    pub(super) folder: bool,
    pub(super) note: String,
}

impl ChosenFiles {
    /// A file that was named, with the other parts of it.
    pub(super) fn of(file: FileName) -> Result<ChosenFiles> {
        let path = file.as_str().to_owned();
        let (folder, name) = match path.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name),
            None => (String::new(), path.as_str()),
        };
        let files = match models::part_of(name) {
            Some((stem, part, parts)) if name.ends_with(".gguf") => {
                let others = (1..=parts).filter(|other| *other != part);
                let names =
                    others.map(|n| format!("{folder}{}", models::part_name(stem, n, parts)));
                let others = names.map(|name| FileName::new(&name));
                std::iter::once(Ok(file))
                    .chain(others)
                    .collect::<Result<_>>()?
            }
            _ => vec![file],
        };
        Ok(ChosenFiles {
            files,
            folder: false,
            note: String::new(),
        })
    }

    /// Where what is meant lies, after `get` has brought every file and said where it is.
    pub(super) fn paths(
        &self,
        mut get: impl FnMut(&FileName) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        let mut first = None;
        for file in &self.files {
            let path = get(file)?;
            first.get_or_insert(path);
        }
        let first = first.unwrap_or_default();
        Ok(match self.folder {
            true => first.parent().map(Path::to_path_buf).unwrap_or_default(),
            false => first,
        })
    }

    /// A model as a folder: its settings first. `None` where the repository is no such model.
    fn of_folder(files: &[String]) -> Result<Option<ChosenFiles>> {
        let has = |name: &str| files.iter().any(|file| file == name);
        let weights = |file: &&String| {
            let part = models::part_of(file).filter(|(stem, ..)| *stem == "model");
            file.ends_with(".safetensors") && part.is_some()
        };
        let mut names: Vec<&str> = models::FOLDER
            .into_iter()
            .filter(|name| has(name))
            .collect();
        if !has("model.safetensors") {
            names.extend(files.iter().filter(weights).map(String::as_str));
        }
        let whole = names.first() == Some(&"config.json")
            && names.iter().any(|name| name.ends_with(".safetensors"));
        if !whole {
            return Ok(None);
        }
        Ok(Some(ChosenFiles {
            files: names
                .into_iter()
                .map(FileName::new)
                .collect::<Result<_>>()?,
            folder: true,
            note: String::new(),
        }))
    }
}

/// The only file of the kind, or the only preferred one.
///
/// # Errors
/// If there is none, or several could be meant, or by its name the only one is kept from training or
/// no model; the sentence says how one is named.
pub(super) fn choose(repo: &Repo, files: impl Iterator<Item = String>) -> Result<ChosenFiles> {
    let (kind, name) = (repo.kind, &repo.name);
    let (what, endings) = (kind.name(), kind.endings());
    let fits = |file: &String| endings.iter().any(|ending| file.ends_with(ending));
    let everything: Vec<String> = files.collect();
    let later = |file: &String| {
        let name = file.rsplit('/').next().unwrap_or_default();
        models::part_of(name).is_some_and(|(_, part, _)| part > 1)
    };
    // Of a split model the first part stands for all.
    let single = |file: &&String| fits(file) && !(kind == RepoKind::Model && later(file));
    let files: Vec<String> = everything.iter().filter(single).cloned().collect();
    if files.is_empty()
        && kind == RepoKind::Model
        && let Some(folder) = ChosenFiles::of_folder(&everything)?
    {
        return Ok(folder);
    }
    let those = |wanted: fn(RepoKind, &str) -> bool| -> Vec<&String> {
        files.iter().filter(|file| wanted(kind, file)).collect()
    };
    let (all, open, best) = (those(|_, _| true), those(is_allowed), those(is_preferred));
    let file = match (&all[..], &open[..], &best[..]) {
        ([], _, _) if kind == RepoKind::Model => {
            bail!("the model {name} has no .gguf file, and no config.json with safetensors")
        }
        ([], _, _) => bail!("the {what} {name} has no {} file", endings.join(" or ")),
        (_, [], _) => {
            let (which, verb) = match kind {
                RepoKind::Model => ("go with a model and are none", "load one"),
                RepoKind::Dataset(_) => ("are kept from training", "train on one"),
            };
            bail!(
                "the {what} {name} has only files that {which}, by their names ({}); to {verb} all \
                 the same, name it: hf:{name}:FILE",
                listed(&all)
            )
        }
        (_, [one], _) | (_, _, [one]) => one,
        _ => bail!(
            "the {what} {name} has {} files; name one: hf:{name}:FILE, for example {}",
            open.len(),
            listed(&open)
        ),
    };
    let note = match all.len() {
        1 => String::new(),
        n => format!("taken of {n} files, hf:{name}:FILE names another"),
    };
    Ok(ChosenFiles {
        note,
        ..ChosenFiles::of(FileName::new(file)?)?
    })
}

fn is_preferred(kind: RepoKind, file: &str) -> bool {
    let has = |wanted: &[&str]| words(file).any(|word| wanted.contains(&word.as_str()));
    let preferred = match kind {
        // What a laptop runs without a loss that anybody sees.
        RepoKind::Model => file.to_lowercase().contains("q8_0"),
        RepoKind::Dataset(Split::Train) => has(&["train", "training"]),
        RepoKind::Dataset(Split::Test) => has(&["test"]),
    };
    preferred && is_allowed(kind, file)
}

fn is_allowed(kind: RepoKind, file: &str) -> bool {
    match kind {
        RepoKind::Model => models::is_model(Path::new(file)),
        RepoKind::Dataset(Split::Train) => {
            !words(file).any(|word| HELD_OUT.contains(&word.as_str()))
        }
        RepoKind::Dataset(Split::Test) => true,
    }
}

/// The words of a path, without numbers behind them: `latest` is not `test`, `test2` is.
fn words(file: &str) -> impl Iterator<Item = String> {
    let parts = file.split(|c: char| !c.is_alphanumeric());
    parts.map(|part| part.trim_end_matches(char::is_numeric).to_lowercase())
}

fn listed(files: &[&String]) -> String {
    let some: Vec<&str> = files.iter().map(|file| file.as_str()).take(8).collect();
    some.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TRAIN: RepoKind = RepoKind::Dataset(Split::Train);
    const TEST: RepoKind = RepoKind::Dataset(Split::Test);

    fn choice(kind: RepoKind, files: &[&str]) -> Result<ChosenFiles> {
        let repo = Repo::new(Path::new(""), kind, "a/b");
        choose(&repo, files.iter().map(ToString::to_string))
    }

    fn pick(kind: RepoKind, files: &[&str]) -> String {
        choice(kind, files).unwrap().files[0].to_string()
    }

    fn refusal(kind: RepoKind, files: &[&str]) -> String {
        choice(kind, files).unwrap_err().to_string()
    }

    #[test]
    fn problems_come_from_the_test_split_and_training_never_does() {
        let split = ["README.md", "main/train.parquet", "main/test.parquet"];
        assert_eq!(pick(TEST, &split), "main/test.parquet");
        assert_eq!(pick(TRAIN, &split), "main/train.parquet");
        assert_eq!(pick(TRAIN, &["test.jsonl", "s1K.jsonl"]), "s1K.jsonl");
        assert_eq!(pick(TRAIN, &["a.jsonl", "train-1.jsonl"]), "train-1.jsonl");
        // `latest` has a test in it, but is not one.
        let latest = ["my-latest.jsonl", "other.jsonl"];
        assert!(refusal(TEST, &latest).contains("has 2 files"));
        assert!(refusal(TRAIN, &latest).contains("has 2 files"));
        assert_eq!(pick(TRAIN, &["my-latest.jsonl"]), "my-latest.jsonl");
        for held_out in [
            "test.jsonl",
            "math_test2.jsonl",
            "test/data.parquet",
            "VAL.jsonl",
        ] {
            let sentence = refusal(TRAIN, &[held_out]);
            assert!(sentence.contains("kept from training"), "{sentence}");
            assert!(sentence.contains("hf:a/b:FILE"), "{sentence}");
        }
    }

    /// A user would lose: a model whose other half was never fetched.
    #[test]
    fn a_split_model_is_one_and_a_folder_of_safetensors_comes_whole() {
        let all = |files: &[&str]| -> (Vec<String>, bool) {
            let choice = choice(RepoKind::Model, files).unwrap();
            let names = choice.files.iter().map(ToString::to_string);
            (names.collect(), choice.folder)
        };
        let split = [
            "q/m-00001-of-00002.gguf",
            "q/m-00002-of-00002.gguf",
            "config.json",
        ];
        let parts = split[..2].iter().map(ToString::to_string).collect();
        assert_eq!(all(&split), (parts, false));
        let named = FileName::new("m-00002-of-00002.gguf").unwrap();
        let named = ChosenFiles::of(named).unwrap().files;
        let named: Vec<&str> = named.iter().map(FileName::as_str).collect();
        assert_eq!(named, ["m-00002-of-00002.gguf", "m-00001-of-00002.gguf"]);
        let folder = [
            "README.md",
            "config.json",
            "consolidated.safetensors",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "onnx/model.onnx",
            "original/model-00001-of-00002.safetensors",
            "tokenizer.json",
        ];
        let (names, whole) = all(&folder);
        assert!(whole);
        assert_eq!(
            names,
            [
                "config.json",
                "model.safetensors.index.json",
                "tokenizer.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ]
        );
        let sentence = refusal(RepoKind::Model, &["config.json", "pytorch_model.bin"]);
        assert!(sentence.ends_with("no .gguf file, and no config.json with safetensors"));
    }

    #[test]
    fn what_goes_with_a_model_is_not_taken_for_it() {
        let vision = ["mmproj-Q8_0.gguf", "m-Q4_K_M.gguf", "imatrix.gguf"];
        assert_eq!(pick(RepoKind::Model, &vision), "m-Q4_K_M.gguf");
        let three = ["mmproj-q8_0.gguf", "m-Q8_0.gguf", "m-Q4_0.gguf"];
        assert_eq!(pick(RepoKind::Model, &three), "m-Q8_0.gguf");
        let two = ["mmproj-q8_0.gguf", "m-Q6_K.gguf", "m-Q4_0.gguf"];
        assert_eq!(
            refusal(RepoKind::Model, &two),
            "the model a/b has 2 files; name one: hf:a/b:FILE, for example m-Q6_K.gguf, m-Q4_0.gguf"
        );
        assert_eq!(
            refusal(RepoKind::Model, &["mmproj-q8_0.gguf", "m-LoRA.gguf"]),
            "the model a/b has only files that go with a model and are none, by their names \
             (mmproj-q8_0.gguf, m-LoRA.gguf); to load one all the same, name it: hf:a/b:FILE"
        );
    }

    #[test]
    fn of_several_files_the_one_that_is_taken_is_said_and_doubt_too() {
        let one = choice(TEST, &["data.jsonl", "x.py"]).unwrap();
        assert_eq!((one.files[0].as_str(), &*one.note), ("data.jsonl", ""));
        let files = ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "config.json"];
        let q8 = choice(RepoKind::Model, &files).unwrap();
        assert_eq!(q8.files[0].as_str(), "m-Q8_0.gguf");
        assert_eq!(q8.note, "taken of 2 files, hf:a/b:FILE names another");
        let sentence = refusal(TRAIN, &["a.jsonl", "b.jsonl"]);
        assert!(
            sentence.ends_with("hf:a/b:FILE, for example a.jsonl, b.jsonl"),
            "{sentence}"
        );
        let nothing = refusal(TRAIN, &["README.md"]);
        assert_eq!(nothing, "the dataset a/b has no .jsonl or .parquet file");
        assert!(choice(RepoKind::Model, &["model.safetensors"]).is_err());
        assert!(choice(RepoKind::Model, &["../m.gguf"]).is_err());
    }
}
