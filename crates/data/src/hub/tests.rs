//! A hub with one repository, `a/b`, that is honest or lies in all the ways that are known of hubs and
//! of what stands between.

mod cache;
mod download;
mod lies;
mod token;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::{HubAccess, HubTimeouts};
use super::*;
use crate::fixtures::site::{COMMIT, Site, SiteReply, SiteRequest, StoredFile};

const PATIENCE: HubTimeouts = HubTimeouts {
    answer: Duration::from_secs(20),
    silence: Duration::from_secs(20),
    slow: Duration::from_secs(20),
    pause: Duration::from_millis(10),
    again: 2,
    longest_pause: Duration::from_secs(5),
};

/// A second at most.
const HASTE: HubTimeouts = HubTimeouts {
    answer: Duration::from_secs(1),
    silence: Duration::from_secs(1),
    slow: Duration::from_millis(600),
    ..PATIENCE
};

fn hub(folder: &Path, site: &str) -> Hub {
    Hub {
        cache: folder.to_path_buf(),
        offline: false,
        access: HubAccess {
            site: site.to_owned(),
            token: Some("hf_secret".to_owned()),
            patience: PATIENCE,
        },
    }
}

fn hasty(folder: &Path, site: &Site) -> Hub {
    let mut hub = hub(folder, &site.url());
    hub.access.patience = HASTE;
    hub
}

fn fetch(hub: &Hub, id: &str) -> Result<PathBuf> {
    hub.fetch(id, RepoKind::Model, &mut || true)
}

/// The sentence of a download that must fail.
fn refusal(hub: &Hub, id: &str) -> String {
    format!("{:#}", fetch(hub, id).unwrap_err())
}

/// The sentence of a download from a hub that lies; nothing may stay that has a name.
fn lie(answer: impl Fn(&SiteRequest) -> SiteReply + Send + Sync + 'static) -> String {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(answer);
    let hub = hub(folder.path(), &site.url());
    let sentence = refusal(&hub, "a/b:m.gguf");
    assert!(
        sentence.contains("cannot fetch the model a/b from the hub: m.gguf: "),
        "{sentence}"
    );
    let repo = folder.path().join("models--a--b");
    assert!(!repo.join("snapshots").exists(), "{sentence}");
    assert!(kept(folder.path()).is_empty(), "{sentence}");
    sentence
}

/// The contents that are in the cache under their names.
fn kept(cache: &Path) -> Vec<PathBuf> {
    let blobs = std::fs::read_dir(cache.join("models--a--b/blobs"));
    let files = blobs
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_none()).collect()
}

const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn a_file_may_have_any_name_that_stays_inside() {
    for name in [
        "my model.gguf",
        "gguf/模型-é#1?.gguf",
        "100%.gguf",
        "..a.gguf",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let stored = StoredFile::large(1_000).named(name);
        let theirs = stored.clone();
        let site = Site::open(move |request| theirs.answer(request));
        let path = fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
        assert!(path.ends_with(name), "{path:?}");
        assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
        for request in site.requests() {
            let plain = request
                .path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b));
            assert!(plain, "{}", request.path);
        }
        assert!(site.requests()[2].path.contains(COMMIT));
    }
    for name in [
        "../../m.gguf",
        "/m.gguf",
        "a\0.gguf",
        "a\u{1b}[2J.gguf",
        "a/../../m.gguf",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::open(move |request| StoredFile::large(10).named(name).answer(request));
        let sentence = refusal(&hub(folder.path(), &site.url()), "a/b");
        assert!(
            sentence.contains("is not a path inside a repository"),
            "{sentence}"
        );
        assert_eq!(site.requests().len(), 1);
    }
}

#[test]
fn no_file_outside_the_repository_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), NOBODY);
    for file in ["../../../secret", "/etc/passwd", "a/../../b.gguf", ""] {
        let sentence = refusal(&hub, &format!("a/b:{file}"));
        assert!(sentence.contains("is not a path inside a"), "{sentence}");
    }
    for name in ["gsm8k", "../b", "a/b/c", "/b"] {
        let sentence = refusal(&hub, name);
        assert!(sentence.contains("write hf:owner/name"), "{sentence}");
    }
}

#[test]
fn only_names_of_the_hub_are_looked_for_there() {
    let path = Path::new("models/m.gguf");
    assert_eq!(local(path, RepoKind::Model).unwrap(), path);
    assert!(is_hub(Path::new("hf:a/b")) && !is_hub(path));
}

#[test]
fn the_cache_follows_the_variables_of_hugging_face() {
    let find = |set: &[(&str, &str)]| {
        let value = |name: &str| {
            let found = set.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| (*v).to_owned())
        };
        cache_folder(value).map(|p| p.display().to_string())
    };
    let all = [
        ("HOME", "/h"),
        ("XDG_CACHE_HOME", "/x"),
        ("HF_HOME", "/f"),
        ("HF_HUB_CACHE", "/c"),
    ];
    assert_eq!(find(&all).as_deref(), Some("/c"));
    assert_eq!(find(&all[..3]).as_deref(), Some("/f/hub"));
    assert_eq!(find(&all[..2]).as_deref(), Some("/x/huggingface/hub"));
    assert_eq!(
        find(&all[..1]).as_deref(),
        Some("/h/.cache/huggingface/hub")
    );
    assert_eq!(find(&[]), None);
    assert_eq!(
        find(&[("HF_HOME", ""), ("HOME", "/h")]).as_deref(),
        Some("/h/.cache/huggingface/hub")
    );
}
