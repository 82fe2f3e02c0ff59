//! Models that Ollama keeps: its manifests say which of the files called by their hashes is which.
//!
//! Not here: talking to Ollama.

use std::fs;
use std::path::{Path, PathBuf};

use s1_data::files::read_text_file;
use serde_json::Value;
use walkdir::WalkDir;

/// A manifest lies at `HOST/NAMESPACE/NAME/TAG`.
const DEPTH: usize = 4;
/// The longest manifest that is read, and the most of them.
const MAX_BYTES: u64 = 1 << 20;
const MAX_MANIFESTS: usize = 1000;
/// What the weights are called in a manifest.
const WEIGHTS: &str = "application/vnd.ollama.image.model";

/// The folder of its models, as Ollama finds it: `OLLAMA_MODELS`, else `~/.ollama/models`. `env` reads
/// one variable.
pub fn folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let given = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    given("OLLAMA_MODELS").or_else(|| Some(given("HOME")?.join(".ollama/models")))
}

/// The file and the name of each model, `NAME:TAG`, in the order of the names. What cannot be read is
/// passed over.
pub(super) fn find(folder: &Path) -> Vec<(PathBuf, String)> {
    let root = folder.join("manifests");
    let walk = WalkDir::new(&root).min_depth(DEPTH).max_depth(DEPTH);
    let manifests = walk.into_iter().flatten().take(MAX_MANIFESTS);
    let mut found: Vec<_> = manifests
        .filter_map(|entry| {
            let parts: Vec<_> = entry.path().strip_prefix(&root).ok()?.iter().collect();
            let [.., space, name, tag] = parts[..] else {
                return None;
            };
            let (space, name, tag) = (space.to_str()?, name.to_str()?, tag.to_str()?);
            let space = match space {
                "library" => String::new(),
                other => format!("{other}/"),
            };
            let blob = weights(&read_text_file(entry.path(), MAX_BYTES).ok()?)?;
            let path = folder.join("blobs").join(blob);
            fs::metadata(&path).ok()?;
            Some((path, format!("{space}{name}:{tag}")))
        })
        .collect();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

/// The name of the file that has the weights.
fn weights(manifest: &str) -> Option<String> {
    let manifest: Value = serde_json::from_str(manifest).ok()?;
    let layers = manifest["layers"].as_array()?;
    let layer = layers.iter().find(|layer| layer["mediaType"] == WEIGHTS)?;
    let hash = layer["digest"].as_str()?.strip_prefix("sha256:")?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| format!("sha256-{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_the_file_of_its_weights_and_nothing_outside() {
        let root = tempfile::tempdir().unwrap();
        let hash = "ab".repeat(32);
        let manifest = |path: &str, digest: &str| {
            let path = root.path().join("manifests/registry.ollama.ai").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!(
                r#"{{"layers":[{{"mediaType":"application/vnd.ollama.image.template","digest":"sha256:0"}},
                {{"mediaType":"{WEIGHTS}","digest":"{digest}"}}]}}"#
            );
            fs::write(path, text).unwrap();
        };
        fs::create_dir_all(root.path().join("blobs")).unwrap();
        fs::write(root.path().join(format!("blobs/sha256-{hash}")), "GGUF").unwrap();
        manifest("library/qwen3/0.6b", &format!("sha256:{hash}"));
        manifest("someone/other/latest", &format!("sha256:{hash}"));
        manifest("library/gone/1b", &format!("sha256:{}", "cd".repeat(32)));
        manifest("library/bad/1b", "sha256:../../../etc/passwd");
        let names: Vec<String> = find(root.path())
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["qwen3:0.6b", "someone/other:latest"]);
        assert!(find(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn the_folder_is_the_one_that_ollama_uses() {
        let of = |name: &'static str, value: &'static str| {
            folder(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(of("HOME", "/h"), Some("/h/.ollama/models".into()));
        assert_eq!(of("OLLAMA_MODELS", "/m"), Some("/m".into()));
        assert_eq!(of("X", ""), None);
    }
}
