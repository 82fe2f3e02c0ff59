//! Finds models and adapters on this machine (GGUF files, of a split one the first part; folders with
//! safetensors): configured folders, the program's own, the Hugging Face cache, what Ollama and LM
//! Studio keep, the current folder.
//!
//! Pure file system: no model is opened, only names and sizes are read. The walk is bounded in
//! depth and in files, and a link back up ends it. Not here: what is in a file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use s1_data::{assets, hub, models};
use s1_model::adapter;
use s1_model::gguf::folder;
use walkdir::{DirEntry, WalkDir};

pub mod need;
pub mod ollama;

/// Where a model was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// Named by the user.
    Given,
    /// A folder from the settings.
    Folder,
    /// The program's own folder of models.
    Own,
    /// The Hugging Face cache.
    Hub,
    Ollama,
    LmStudio,
    /// The current folder.
    Here,
    /// Inside the program.
    Bundled,
}

impl ModelSource {
    /// The source in a few words.
    pub fn name(self) -> &'static str {
        match self {
            ModelSource::Given => "given",
            ModelSource::Folder => "model folder",
            ModelSource::Own => "own models",
            ModelSource::Hub => "Hugging Face cache",
            ModelSource::Ollama => "Ollama",
            ModelSource::LmStudio => "LM Studio",
            ModelSource::Here => "current folder",
            ModelSource::Bundled => "bundled",
        }
    }
}

/// A model file, or the folder of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The file or folder, as it was found (in the Hugging Face cache: the link with the readable name).
    pub path: PathBuf,
    /// File name without `.gguf`.
    pub name: String,
    /// What the file belongs to: `org/name` in the Hugging Face cache, else its folder.
    pub origin: String,
    /// Size in bytes.
    pub bytes: u64,
    pub source: ModelSource,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFolders {
    /// A file or folder named by the user.
    pub given: Option<PathBuf>,
    /// Folders from the settings.
    pub folders: Vec<PathBuf>,
    /// The program's own folder.
    pub own: Option<PathBuf>,
    /// The `hub` folder of the Hugging Face cache.
    pub hub: Option<PathBuf>,
    /// Where Ollama keeps its models.
    pub ollama: Option<PathBuf>,
    /// Where LM Studio keeps them.
    pub lm_studio: Option<PathBuf>,
    /// The current folder.
    pub here: Option<PathBuf>,
}

/// Levels of folders below a place: enough for `models--org--name/snapshots/HASH/sub/`.
const MAX_DEPTH: usize = 6;

/// Levels below the current folder, which may be anything, a home folder too.
const MAX_DEPTH_HERE: usize = 2;

/// The most names read below a place; one with more is not a folder of models.
const MAX_VISITED: usize = 50_000;

/// Files listed; more cannot be chosen from by eye.
const MAX_ENTRIES: usize = 1_000;

/// All model files in all places, each file once (under the first place that has it), in the order
/// of the places and by path within each. What cannot be read is passed over.
pub fn find(places: &ModelFolders) -> Vec<CatalogEntry> {
    let mut search = CatalogSearch::default();
    if let Some(given) = &places.given {
        search.place(given, ModelSource::Given, MAX_DEPTH);
    }
    for folder in &places.folders {
        search.place(folder, ModelSource::Folder, MAX_DEPTH);
    }
    let others = [
        (&places.own, ModelSource::Own, MAX_DEPTH),
        (&places.hub, ModelSource::Hub, MAX_DEPTH),
        (&places.ollama, ModelSource::Ollama, 0),
        (&places.lm_studio, ModelSource::LmStudio, MAX_DEPTH),
        (&places.here, ModelSource::Here, MAX_DEPTH_HERE),
    ];
    for (place, source, depth) in others {
        match (place, source) {
            (None, _) => {}
            (Some(place), ModelSource::Ollama) => {
                for (path, name) in ollama::find(place) {
                    search.add(&path, name, source.name().to_owned(), source);
                }
            }
            (Some(place), _) => search.place(place, source, depth),
        }
    }
    search.entries
}

/// The folder of LM Studio's models. `env` reads one variable.
pub fn lm_studio(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let home = PathBuf::from(env("HOME").filter(|home| !home.is_empty())?);
    let places = [".lmstudio/models", ".cache/lm-studio/models"].map(|place| home.join(place));
    places.into_iter().find(|place| place.is_dir())
}

/// The models inside the program; their path is their name.
pub fn bundled() -> impl Iterator<Item = CatalogEntry> {
    assets::MODELS.into_iter().map(|name| CatalogEntry {
        path: PathBuf::from(name),
        name: name.to_owned(),
        origin: ModelSource::Bundled.name().to_owned(),
        bytes: assets::open(name).map_or(0, |bytes| bytes.len() as u64),
        source: ModelSource::Bundled,
    })
}

/// Removes a model that the program, or the hub's client, has put there; the bytes that are free then.
///
/// # Errors
/// If it is in a place that is not theirs to clear, or cannot be removed.
pub fn remove(entry: &CatalogEntry) -> Result<u64> {
    let (name, path) = (&entry.name, entry.path.display());
    match entry.source {
        ModelSource::Hub | ModelSource::Own => {}
        ModelSource::Bundled => bail!("{name} is in the program itself"),
        ModelSource::Ollama => {
            bail!("{name} belongs to Ollama, which keeps account of it: ollama rm {name}")
        }
        other => bail!(
            "{path} is in a place of yours ({}), where nothing is removed; remove the file itself",
            other.name()
        ),
    }
    hub::remove_files(&entry.path).with_context(|| format!("cannot remove {path}"))
}

/// Gives a model another name: of a file without its ending, of all parts of a split one, or of its
/// folder. It stays where it is.
///
/// # Errors
/// If its name is somebody else's to give, if the name is taken, or if it cannot be renamed.
pub fn rename(entry: &CatalogEntry, name: &str) -> Result<()> {
    let (old, path) = (&entry.name, &entry.path);
    match entry.source {
        ModelSource::Hub => bail!("{old} has the name that the hub gives it"),
        ModelSource::Bundled => bail!("{old} is in the program itself"),
        ModelSource::Ollama => bail!("{old} belongs to Ollama: ollama cp {old} {name}"),
        _ => {}
    }
    let moves = match part_of(path) {
        _ if path.is_dir() => vec![(path.clone(), path.with_file_name(name))],
        Some((stem, _, parts)) => {
            let part = |stem, n| path.with_file_name(models::part_name(stem, n, parts));
            let each = (1..=parts).map(|n| (part(stem, n), part(name, n)));
            each.collect()
        }
        None => vec![(path.clone(), path.with_file_name(format!("{name}.gguf")))],
    };
    move_all(&moves)
}

/// Moves all or none: nothing is written over, and what was moved before one fails is moved back.
fn move_all(moves: &[(PathBuf, PathBuf)]) -> Result<()> {
    if let Some((_, taken)) = moves.iter().find(|(_, to)| to.symlink_metadata().is_ok()) {
        bail!("there is {} already", taken.display());
    }
    for (done, (from, to)) in moves.iter().enumerate() {
        if let Err(error) = fs::rename(from, to) {
            for (from, to) in &moves[..done] {
                // The first fault is the one to be told.
                let _ = fs::rename(to, from);
            }
            return Err(error).with_context(|| format!("cannot rename {}", from.display()));
        }
    }
    Ok(())
}

#[derive(Default)]
struct CatalogSearch {
    entries: Vec<CatalogEntry>,
    /// Real paths of files that are listed.
    files: HashSet<PathBuf>,
}

impl CatalogSearch {
    fn place(&mut self, place: &Path, source: ModelSource, max_depth: usize) {
        if place.is_file() {
            self.file(place, place, source);
            return;
        }
        let walk = WalkDir::new(place)
            // The Hugging Face cache is made of links.
            .follow_links(true)
            .max_depth(max_depth + 1)
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !is_hidden_folder(entry));
        let mut found = Vec::new();
        // What cannot be read is passed over, and a link back up with it.
        for entry in walk.take(MAX_VISITED).flatten() {
            let path = entry.path();
            let inside = path.parent().unwrap_or(path);
            // An adapter implies its base; the adapter's folder is what is loaded.
            let whole_folder = path.ends_with(adapter::WEIGHTS)
                || path.ends_with(folder::CONFIG) && folder::is_usable(inside);
            if !entry.file_type().is_file() {
            } else if models::is_model(path) && !is_later_part(path) {
                found.push(path.to_path_buf());
            } else if whole_folder {
                found.push(inside.to_path_buf());
            }
        }
        found.sort();
        for path in found {
            self.file(&path, place, source);
        }
    }

    fn file(&mut self, path: &Path, place: &Path, source: ModelSource) {
        self.add(path, called(path), origin(path, place, source), source);
    }

    /// Lists a file or folder, unless it is there already.
    fn add(&mut self, path: &Path, name: String, origin: String, source: ModelSource) {
        if self.entries.len() >= MAX_ENTRIES || name.is_empty() {
            return;
        }
        let (Ok(meta), Ok(real)) = (fs::metadata(path), path.canonicalize()) else {
            return;
        };
        let bytes = match meta.is_dir() {
            true => weights_bytes(path),
            false => file_bytes(path, meta.len()),
        };
        if self.files.insert(real) {
            self.entries.push(CatalogEntry {
                path: path.to_path_buf(),
                name,
                origin,
                bytes,
                source,
            });
        }
    }
}

fn is_hidden_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Size of the weights in a folder: an adapter's, or a model's.
fn weights_bytes(path: &Path) -> u64 {
    match fs::metadata(path.join(adapter::WEIGHTS)) {
        Ok(meta) => meta.len(),
        Err(_) => folder::weights_bytes(path),
    }
}

/// The name of a file of a split model: what it begins with, which part, of how many.
fn part_of(path: &Path) -> Option<(&str, usize, usize)> {
    models::part_of(path.file_name()?.to_str()?)
}

fn is_later_part(path: &Path) -> bool {
    part_of(path).is_some_and(|(_, part, _)| part > 1)
}

/// Size of a file, and of the other parts of a split model.
fn file_bytes(path: &Path, bytes: u64) -> u64 {
    let Some((stem, _, parts)) = part_of(path) else {
        return bytes;
    };
    let part = |part| path.with_file_name(models::part_name(stem, part, parts));
    let sizes = (1..=parts).map(|n| fs::metadata(part(n)).map_or(0, |meta| meta.len()));
    sizes.sum()
}

/// What the model in a file is called: as the file, without its ending and without a part's number. A
/// training calls its files `model-q8_0.gguf` and the like, which says nothing; these are called after
/// the folder, unless it is a snapshot in the hub's cache, which is called by a hash. A folder is
/// called as it is, or by its repository.
pub fn called(path: &Path) -> String {
    match path.is_dir() {
        true => folder::called(path),
        false => called_file(path),
    }
}

/// The same for what is known to be a file, from its path alone.
pub fn called_file(path: &Path) -> String {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
    let stem = match part_of(path) {
        Some((stem, ..)) => stem.to_owned(),
        None => text(path.file_stem()).unwrap_or_default(),
    };
    let rest = stem.strip_prefix("model");
    let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('-'));
    let folder = path.parent().filter(|folder| {
        let above = folder.parent().and_then(Path::file_name);
        above.is_none_or(|above| above != "snapshots")
    });
    match (rest, text(folder.and_then(Path::file_name))) {
        (Some(rest), Some(folder)) => format!("{folder}{rest}"),
        _ => stem,
    }
}

/// What a file belongs to: in the Hugging Face cache `models--org--name` says `org/name`.
fn origin(path: &Path, place: &Path, source: ModelSource) -> String {
    if source == ModelSource::Hub {
        let below = path.strip_prefix(place).unwrap_or(path);
        let first = below.iter().next().map(|f| f.to_string_lossy());
        if let Some(repository) = first.as_deref().and_then(|f| f.strip_prefix("models--")) {
            return repository.replacen("--", "/", 1);
        }
    }
    let folder = path.parent().unwrap_or(place);
    folder.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: PathBuf, bytes: usize) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![0; bytes]).unwrap();
    }

    fn names(entries: &[CatalogEntry]) -> Vec<&str> {
        entries.iter().map(|e| e.name.as_str()).collect()
    }

    #[test]
    fn a_trained_model_is_called_after_its_folder() {
        let named = |path: &str| called(Path::new(path));
        assert_eq!(named("/m/smollm2-q4_1.gguf"), "smollm2-q4_1");
        assert_eq!(named("/t/reasoner-1/model-q8_0.gguf"), "reasoner-1-q8_0");
        assert_eq!(named("/t/reasoner-1/model.gguf"), "reasoner-1");
        assert_eq!(named("/m/modelling.gguf"), "modelling");
        assert_eq!(named("model-f32.gguf"), "model-f32");
        let cached = "/hub/models--a--b/snapshots/c0ffee/model.gguf";
        assert_eq!(named(cached), "model");
    }

    #[test]
    fn models_are_found_in_every_place_and_listed_once() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        write(at("folder/a.gguf"), 10);
        write(at("folder/sub/b.GGUF"), 20);
        write(at("folder/mmproj-b.gguf"), 1);
        write(at("folder/imatrix.gguf"), 1);
        write(at("folder/b-LoRA.gguf"), 1);
        write(at("folder/notes.txt"), 1);
        write(at("folder/.hidden/c.gguf"), 1);
        write(at("own/d.gguf"), 30);
        write(at("here/e.gguf"), 40);
        write(at("given.gguf"), 50);
        // A model as Hugging Face has them, one without a tokenizer, and a split one.
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            write(at(&format!("own/Qwen2.5-x/{name}")), 7);
        }
        write(at("own/no-words/config.json"), 1);
        write(at("own/no-words/model.safetensors"), 1);
        write(at("own/z-00001-of-00002.gguf"), 3);
        write(at("own/z-00002-of-00002.gguf"), 4);
        let entries = find(&ModelFolders {
            given: Some(at("given.gguf")),
            folders: vec![at("folder"), at("missing")],
            own: Some(at("own")),
            hub: Some(at("missing")),
            here: Some(at("here")),
            ..ModelFolders::default()
        });
        assert_eq!(
            names(&entries),
            ["given", "a", "b", "Qwen2.5-x", "d", "z", "e"]
        );
        assert_eq!([entries[3].bytes, entries[5].bytes], [7, 7]);
        assert_eq!(entries[2].bytes, 20);
        assert_eq!(entries[2].origin, at("folder/sub").display().to_string());
        assert_eq!(entries[4].source, ModelSource::Own);

        let twice = ModelFolders {
            folders: vec![at("folder"), at("folder/sub")],
            ..ModelFolders::default()
        };
        assert_eq!(names(&find(&twice)), ["a", "b"]);
    }

    /// A user would lose: which of ten files with names of forty letters is theirs; and a part of a model,
    /// or another model, if a name is taken.
    #[test]
    fn a_model_is_renamed_with_all_its_parts_and_never_onto_another() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for file in [
            "a.gguf",
            "b.gguf",
            "z-00001-of-00002.gguf",
            "z-00002-of-00002.gguf",
        ] {
            write(at(file), 1);
        }
        write(at("tuned/model-q8_0.gguf"), 1);
        write(at("y-00002-of-00002.gguf"), 9);
        let folders = vec![root.path().to_path_buf()];
        let places = ModelFolders {
            folders,
            ..ModelFolders::default()
        };
        let renamed = |name: &str, to: &str| {
            let entries = find(&places);
            let entry = entries.iter().find(|e| e.name == name).unwrap();
            rename(entry, to).map_err(|error| error.to_string())
        };
        renamed("a", "mine").unwrap();
        assert!(
            renamed("b", "mine")
                .unwrap_err()
                .ends_with("mine.gguf already")
        );
        assert!(
            renamed("z", "y")
                .unwrap_err()
                .ends_with("00002.gguf already")
        );
        assert!(at("z-00001-of-00002.gguf").exists(), "nothing was moved");
        renamed("z", "whole").unwrap();
        renamed("tuned-q8_0", "tuned").unwrap();
        assert_eq!(names(&find(&places)), ["b", "mine", "tuned", "whole"]);
        let bundled = bundled().next().unwrap();
        assert!(rename(&bundled, "x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_hugging_face_cache_is_read_through_its_links() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let model = root.path().join("models--Qwen--Qwen3-0.6B-GGUF");
        write(model.join("blobs/abc"), 123);
        let snapshot = model.join("snapshots/9f3");
        fs::create_dir_all(snapshot.join("q8")).unwrap();
        symlink(
            "../../../blobs/abc",
            snapshot.join("q8/Qwen3-0.6B-Q8_0.gguf"),
        )
        .unwrap();
        symlink("../../blobs/gone", snapshot.join("broken.gguf")).unwrap();
        // The same blob in a second snapshot is the same model.
        fs::create_dir_all(model.join("snapshots/aaa")).unwrap();
        symlink(
            "../../blobs/abc",
            model.join("snapshots/aaa/Qwen3-0.6B-Q8_0.gguf"),
        )
        .unwrap();
        let entries = find(&ModelFolders {
            hub: Some(root.path().into()),
            ..ModelFolders::default()
        });
        assert_eq!(names(&entries), ["Qwen3-0.6B-Q8_0"]);
        assert_eq!(entries[0].origin, "Qwen/Qwen3-0.6B-GGUF");
        assert_eq!(entries[0].bytes, 123);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_and_deep_folders_end() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        write(root.path().join("a/m.gguf"), 1);
        symlink(root.path(), root.path().join("a/up")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let deep = "d/".repeat(MAX_DEPTH + 1);
        write(root.path().join(deep).join("too-deep.gguf"), 1);
        let folders = vec![root.path().to_path_buf()];
        assert_eq!(
            names(&find(&ModelFolders {
                folders,
                ..ModelFolders::default()
            })),
            ["m"]
        );
    }
}
