//! What is in the cache already: whole, damaged, or by other tools.

use super::*;

/// A cache with a file that was fetched, and what was changed of it since.
#[cfg(unix)]
fn damaged(folder: &Path, site: &Site, change: impl Fn(&mut Vec<u8>)) -> PathBuf {
    let path = fetch(&hub(folder, &site.url()), "a/b:m.gguf").unwrap();
    let blob = path.canonicalize().unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    change(&mut bytes);
    std::fs::write(&blob, bytes).unwrap();
    path
}

#[test]
#[cfg(unix)]
fn a_half_file_that_an_earlier_version_kept_as_whole_is_fetched_again() {
    for stored in [
        StoredFile::large(100_000),
        StoredFile::small("GGUF and the rest"),
    ] {
        let theirs = stored.clone();
        let site = Site::open(move |request| theirs.answer(request));
        let half = stored.bytes.len() / 2;
        for id in ["a/b", "a/b:m.gguf"] {
            for flip in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let path = damaged(folder.path(), &site, |bytes| match flip {
                    true => bytes[half] ^= 1,
                    false => bytes.truncate(half),
                });
                // An earlier version noted nothing.
                let note = path.canonicalize().unwrap().with_extension("checked");
                std::fs::remove_file(note).unwrap();
                let before = site.parts().len();
                let again = fetch(&hub(folder.path(), &site.url()), id).unwrap();
                assert_eq!(again, path);
                assert_eq!(std::fs::read(&path).unwrap(), stored.bytes);
                assert_eq!(site.parts().len(), before + 1);
            }
        }
    }
}

#[test]
#[cfg(unix)]
fn what_changed_since_it_was_fetched_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let stored = StoredFile::large(1_000);
    let theirs = stored.clone();
    let site = Site::open(move |request| theirs.answer(request));
    let path = damaged(folder.path(), &site, |bytes| bytes.truncate(500));
    fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
}

#[test]
#[cfg(unix)]
fn without_a_network_what_is_damaged_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(|request| StoredFile::large(1_000).answer(request));
    let path = damaged(folder.path(), &site, |bytes| bytes.truncate(500));
    let mut hub = hub(folder.path(), NOBODY);
    let sentence = refusal(&hub, "a/b:m.gguf");
    assert!(sentence.contains("network"), "{sentence}");
    // What cannot be replaced is not taken away either.
    assert_eq!(std::fs::read(path).unwrap().len(), 500);
    hub.offline = true;
    for id in ["a/b", "a/b:m.gguf"] {
        assert_eq!(
            refusal(&hub, id),
            "m.gguf of the model a/b is damaged in the cache, and HF_HUB_OFFLINE is set: unset it to \
             download the file, or give the path of one"
        );
    }
}

/// A model has gigabytes: no start may take as long as reading them.
#[test]
#[cfg(unix)]
fn what_was_found_whole_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(|request| StoredFile::large(1_000).answer(request));
    let hub = hub(folder.path(), &site.url());
    let path = fetch(&hub, "a/b").unwrap();
    let blob = path.canonicalize().unwrap();
    let time = std::fs::metadata(&blob).unwrap().modified().unwrap();
    // Only reading it would tell.
    std::fs::write(&blob, vec![0; 1_000]).unwrap();
    let file = std::fs::File::options().write(true).open(&blob).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(fetch(&hub, "a/b:m.gguf").unwrap(), path);
    assert_eq!(site.parts(), [0]);
    assert_eq!(std::fs::read(path).unwrap(), [0; 1_000]);
}

/// A cache that has a file of `a/b` already.
fn cached(folder: &Path) -> PathBuf {
    let repo = folder.join("models--a--b");
    let file = repo.join("snapshots/c0ffee/gguf/m.gguf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(&file, "GGUF").unwrap();
    std::fs::write(repo.join("refs/main"), "c0ffee").unwrap();
    file
}

#[test]
fn without_a_network_what_was_fetched_earlier_serves() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), NOBODY);
    let sentence = refusal(&hub, "a/b");
    assert!(
        sentence.starts_with("cannot fetch the model a/b from the hub: "),
        "{sentence}"
    );
    assert!(
        sentence.contains("check the name and the network"),
        "{sentence}"
    );
    let file = cached(folder.path());
    assert_eq!(fetch(&hub, "a/b").unwrap(), file);
    assert_eq!(fetch(&hub, "a/b:gguf/m.gguf").unwrap(), file);
    // Nobody is asked who is not to be asked.
    let site = Site::open(|request| StoredFile::large(10).answer(request));
    (hub.access.site, hub.offline) = (site.url(), true);
    assert_eq!(fetch(&hub, "a/b").unwrap(), file);
    let sentence = refusal(&hub, "a/c");
    assert!(sentence.contains("the model a/c is not in the cache, and HF_HUB_OFFLINE is set"));
    let sentence = refusal(&hub, "a/b:other.gguf");
    assert!(
        sentence.contains("other.gguf of the model a/b is not in the cache"),
        "{sentence}"
    );
    assert!(site.requests().is_empty());
}

#[test]
fn offline_is_said_as_to_hugging_faces_own_tools() {
    for (value, offline) in [
        ("1", true),
        ("True", true),
        ("on", true),
        ("0", false),
        ("", false),
    ] {
        let env = |name: &str| (name == "HF_HUB_OFFLINE").then(|| value.to_owned());
        assert_eq!(is_offline(&env), offline, "{value}");
    }
    assert!(!is_offline(&|_: &str| None));
}
