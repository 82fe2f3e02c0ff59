//! A download that breaks, stands still, is too slow, or has to wait.

use super::*;

#[test]
fn a_download_goes_on_where_the_connection_broke() {
    let folder = tempfile::tempdir().unwrap();
    let stored = StoredFile::large(250_000);
    let theirs = stored.clone();
    let site = Site::open(move |request| theirs.answer(request).cut(100_000));
    let hub = hub(folder.path(), &site.url());
    let path = fetch(&hub, "a/b").unwrap();
    assert!(path.starts_with(folder.path()) && path.ends_with("m.gguf"));
    assert_eq!(std::fs::read(&path).unwrap(), stored.bytes);
    let asked = [0, 100_000, 200_000];
    assert_eq!(site.parts(), asked);
    // The second time it is here, whether the name says which file or not.
    assert_eq!(fetch(&hub, "a/b").unwrap(), path);
    assert_eq!(fetch(&hub, "a/b:m.gguf").unwrap(), path);
    assert_eq!(site.parts(), asked);
}

#[test]
fn a_download_that_stands_still_can_be_left_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let stored = StoredFile::large(150_000);
    let theirs = stored.clone();
    let site = Site::open(move |request| {
        let mut reply = theirs.answer(request).cut(100_000);
        if request.range == Some((0, None)) {
            reply.stall = Duration::from_secs(2);
        }
        reply
    });
    let hub = hub(folder.path(), &site.url());
    let (since, mut looks) = (Instant::now(), 0);
    let left = hub.fetch("a/b", RepoKind::Model, &mut || {
        looks += 1;
        looks < 5
    });
    assert!(since.elapsed() < Duration::from_secs(2));
    let sentence = left.unwrap_err().to_string();
    assert_eq!(
        sentence,
        "fetching m.gguf was cancelled; the next attempt continues from here"
    );
    let path = fetch(&hub, "a/b:m.gguf").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
    assert_eq!(site.parts(), [0, 100_000]);
}

#[test]
fn a_hub_that_cannot_send_parts_sends_the_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let stored = StoredFile::small("GGUF and more");
    let (theirs, first) = (stored.clone(), AtomicUsize::new(0));
    let site = Site::open(move |request| match request.is_body() {
        false => theirs.answer(request),
        true => {
            let cut = first.fetch_add(1, Ordering::SeqCst) == 0;
            let whole = SiteReply::new("200 OK", theirs.bytes.clone());
            whole.cut(if cut { 4 } else { usize::MAX })
        }
    });
    let path = fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
    assert_eq!(site.parts(), [0, 4]);
}

#[test]
fn a_file_that_was_moved_inside_the_hub_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let stored = StoredFile::small("GGUF and more");
    let theirs = stored.clone();
    // Says the version at once, and the name of the content only where it sends to.
    let site = Site::open(move |request| match request.path.starts_with("/a/") {
        true => {
            SiteReply::redirect(format!("/cache{}", request.path)).with("x-repo-commit", COMMIT)
        }
        false => theirs.answer(request),
    });
    let path = fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
    assert!(site.requests().iter().all(|request| request.has_token));
}

#[test]
fn a_file_that_the_disk_has_no_room_for_is_not_begun() {
    let sentence = lie(|request| {
        let reply = StoredFile::large(1_000).answer(request);
        reply.with("content-range", "bytes 0-999/1000000000000000000")
    });
    assert!(
        sentence.contains("1000000000.0 GB more are needed and "),
        "{sentence}"
    );
    assert!(sentence.contains("make room, or set HF_HOME"), "{sentence}");
}

#[test]
fn a_silent_hub_and_one_that_is_too_slow_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let since = Instant::now();
    let silent = Site::open(|_| {
        std::thread::sleep(Duration::from_secs(5));
        SiteReply::new("200 OK", "")
    });
    let sentence = refusal(&hasty(folder.path(), &silent), "a/b");
    assert!(sentence.contains("does not answer in time"), "{sentence}");
    // Byte by byte: what a file is called, the list, the file.
    let drip = Duration::from_millis(20);
    let head = Site::open(move |request| SiteReply {
        drip_head: drip,
        ..StoredFile::large(20_000).answer(request)
    });
    let sentence = refusal(&hasty(folder.path(), &head), "a/b:m.gguf");
    assert!(sentence.contains("does not answer in time"), "{sentence}");
    let list = Site::open(move |_| SiteReply {
        drip,
        ..SiteReply::new("200 OK", vec![b' '; 500])
    });
    let sentence = refusal(&hasty(folder.path(), &list), "a/b");
    assert!(sentence.contains("comes too slowly"), "{sentence}");
    let body = Site::open(move |request| {
        let reply = StoredFile::large(20_000).answer(request);
        let drip = if request.is_body() {
            drip
        } else {
            Duration::ZERO
        };
        SiteReply { drip, ..reply }
    });
    let sentence = refusal(&hasty(folder.path(), &body), "a/b:m.gguf");
    assert!(
        sentence.contains("the next attempt continues from here"),
        "{sentence}"
    );
    // Something came, then nothing more.
    let halt = Site::open(|request| {
        let mut reply = StoredFile::large(20_000).answer(request);
        if request.is_body() {
            reply = reply.cut(0);
            reply.stall = Duration::from_secs(5);
        }
        reply
    });
    let sentence = refusal(&hasty(folder.path(), &halt), "a/b:m.gguf");
    assert!(sentence.contains("does not answer in time"), "{sentence}");
    assert!(since.elapsed() < Duration::from_secs(20));
}

/// A site that is busy the first `times`, with `Retry-After` if it is given.
fn busy(times: usize, status: &'static str, retry_after: Option<u64>) -> Site {
    let asked = AtomicUsize::new(0);
    Site::open(move |request| {
        if asked.fetch_add(1, Ordering::SeqCst) >= times {
            return StoredFile::large(1_000).answer(request);
        }
        let reply = SiteReply::new(status, "");
        match retry_after {
            Some(seconds) => reply.with("retry-after", seconds),
            None => reply,
        }
    })
}

#[test]
fn a_busy_hub_is_asked_again_as_it_wishes_and_that_is_said() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let said = notes.clone();
    listen(move |download| {
        said.lock()
            .unwrap()
            .extend(download.map(|d| d.note.clone()))
    });
    let folder = tempfile::tempdir().unwrap();
    let since = Instant::now();
    let site = busy(1, "429 Too Many Requests", Some(1));
    fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
    assert!(since.elapsed() >= Duration::from_secs(1));
    let expected = "the hub is busy (429 Too Many Requests), asked again in 1 s".to_owned();
    assert!(notes.lock().unwrap().contains(&expected));

    let folder = tempfile::tempdir().unwrap();
    let site = busy(2, "503 Service Unavailable", None);
    fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
    let sentence = lie(|_| SiteReply::new("503 Service Unavailable", ""));
    assert!(
        sentence.ends_with("busy (503 Service Unavailable), 3 times in a row; try again later")
    );
    let sentence =
        lie(|_| SiteReply::new("429 Too Many Requests", "").with("retry-after", u64::MAX));
    assert!(sentence.contains("asks to wait"), "{sentence}");
}

#[test]
fn nobody_has_to_wait_for_a_busy_hub() {
    let folder = tempfile::tempdir().unwrap();
    let site = busy(9, "429 Too Many Requests", Some(5));
    let (since, mut looks) = (Instant::now(), 0);
    let left = hub(folder.path(), &site.url()).fetch("a/b", RepoKind::Model, &mut || {
        looks += 1;
        looks < 3
    });
    assert!(left.unwrap_err().to_string().contains("was cancelled"));
    assert!(since.elapsed() < Duration::from_secs(4));
}

/// Answers for a repository of several files.
fn several(files: Vec<StoredFile>) -> Site {
    Site::open(move |request| {
        if request.is_list() {
            let names = files
                .iter()
                .map(|file| serde_json::json!({ "rfilename": file.name }));
            let list = serde_json::json!({ "siblings": names.collect::<Vec<_>>() });
            return SiteReply::new("200 OK", list.to_string());
        }
        let asked = files.iter().find(|file| request.path.ends_with(file.name));
        asked.map_or_else(
            || SiteReply::new("404 Not Found", ""),
            |file| file.answer(request),
        )
    })
}

/// A user would lose: a model of which a part was never fetched, or stays on the disk for ever.
#[test]
fn a_model_of_several_files_comes_whole_and_goes_whole() {
    let file = |name, len| StoredFile::large(len).named(name);
    for (files, first, all) in [
        (
            vec![
                file("config.json", 10),
                file("model-00001-of-00002.safetensors", 2_000),
                file("model-00002-of-00002.safetensors", 3_000),
                file("pytorch_model.bin", 9_000),
                file("tokenizer.json", 40),
            ],
            COMMIT,
            5_050,
        ),
        (
            vec![
                file("m-00001-of-00002.gguf", 2_000),
                file("m-00002-of-00002.gguf", 3_000),
            ],
            "m-00001-of-00002.gguf",
            5_000,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let site = several(files);
        let online = hub(folder.path(), &site.url());
        let path = fetch(&online, "a/b").unwrap();
        assert!(path.ends_with(first), "{path:?}");
        let offline = Hub {
            offline: true,
            ..hub(folder.path(), NOBODY)
        };
        assert_eq!(fetch(&offline, "a/b").unwrap(), path);
        assert_eq!(remove_files(&path).unwrap(), all);
        assert!(kept(folder.path()).is_empty());
    }
}
