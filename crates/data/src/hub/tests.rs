//! A hub with one repository, `a/b`, that is honest or lies in all the ways that are known of hubs and
//! of what stands between.

mod site;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::{Access, Patience};
use super::*;
use site::{COMMIT, Reply, Request, Site, Stored};

const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(20),
    silence: Duration::from_secs(20),
    slow: Duration::from_secs(20),
    pause: Duration::from_millis(10),
    again: 2,
    longest_pause: Duration::from_secs(5),
};

/// A second at most.
const HASTE: Patience = Patience {
    answer: Duration::from_secs(1),
    silence: Duration::from_secs(1),
    slow: Duration::from_millis(600),
    ..PATIENCE
};

fn hub(folder: &Path, site: &str) -> Hub {
    Hub {
        cache: folder.to_path_buf(),
        offline: false,
        access: Access {
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
fn lie(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> String {
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

const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn a_download_goes_on_where_the_connection_broke() {
    let folder = tempfile::tempdir().unwrap();
    let stored = Stored::large(250_000);
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
    let stored = Stored::large(150_000);
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
    let stored = Stored::small("GGUF and more");
    let (theirs, first) = (stored.clone(), AtomicUsize::new(0));
    let site = Site::open(move |request| match request.is_body() {
        false => theirs.answer(request),
        true => {
            let cut = first.fetch_add(1, Ordering::SeqCst) == 0;
            let whole = Reply::new("200 OK", theirs.bytes.clone());
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
    let stored = Stored::small("GGUF and more");
    let theirs = stored.clone();
    // Says the version at once, and the name of the content only where it sends to.
    let site = Site::open(move |request| match request.path.starts_with("/a/") {
        true => Reply::redirect(format!("/cache{}", request.path)).with("x-repo-commit", COMMIT),
        false => theirs.answer(request),
    });
    let path = fetch(&hub(folder.path(), &site.url()), "a/b").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
    assert!(site.requests().iter().all(|request| request.has_token));
}

/// Fetches from a hub that sends some requests to another host (or another port), and looks who
/// was shown the token. Returns what the other one was asked.
fn requests_elsewhere(moved: fn(&Request) -> bool, as_other_host: bool) -> Vec<Request> {
    let folder = tempfile::tempdir().unwrap();
    let stored = Stored::large(250_000);
    let (theirs, ours) = (stored.clone(), stored.clone());
    let other = Site::open(move |request| theirs.answer(request).cut(100_000));
    let there = if as_other_host {
        other.other_url()
    } else {
        other.url()
    };
    let home = Site::open(move |request| match moved(request) {
        true => Reply::redirect(format!("{there}{}", request.path)),
        false => ours.answer(request).cut(100_000),
    });
    let path = fetch(&hub(folder.path(), &home.url()), "a/b").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
    assert!(home.requests().iter().all(|request| request.has_token));
    other.requests()
}

#[test]
fn the_token_is_shown_to_the_hub_alone_wherever_it_redirects() {
    let asked = |requests: &[Request]| {
        assert!(
            !requests.iter().any(|request| request.has_token),
            "{requests:?}"
        );
        requests.len()
    };
    for as_other_host in [true, false] {
        let list = requests_elsewhere(Request::is_list, as_other_host);
        assert_eq!(asked(&list), 1);
        let identity = requests_elsewhere(Request::is_identity, as_other_host);
        assert_eq!(asked(&identity), 1);
        // The body, and each time that it is resumed.
        let body = requests_elsewhere(Request::is_body, as_other_host);
        assert_eq!(asked(&body), 3);
        let everything = requests_elsewhere(|_| true, as_other_host);
        assert_eq!(asked(&everything), 5);
    }
}

#[test]
fn a_hub_that_redirects_without_an_end_is_left() {
    let folder = tempfile::tempdir().unwrap();
    // Between two hosts, and on the spot.
    let other = Arc::new(Mutex::new(String::new()));
    let back = other.clone();
    let home = Site::open(move |request| {
        Reply::redirect(format!("{}{}", back.lock().unwrap(), request.path))
    });
    let url = home.url();
    let away = Site::open(move |request| Reply::redirect(format!("{url}{}", request.path)));
    for place in [String::new(), away.other_url()] {
        *other.lock().unwrap() = place;
        for id in ["a/b", "a/b:m.gguf"] {
            let before = home.requests().len() + away.requests().len();
            let sentence = refusal(&hub(folder.path(), &home.url()), id);
            assert!(
                sentence.contains("redirects more than 10 times"),
                "{sentence}"
            );
            assert_eq!(home.requests().len() + away.requests().len() - before, 11);
        }
    }
    assert!(!away.requests().iter().any(|request| request.has_token));
    assert_eq!(away.requests().len(), 10);
    // Once away, it stays unknown who asks.
    let known = home.requests().iter().filter(|r| r.has_token).count();
    assert_eq!(known, 22 + 2);
}

#[test]
fn no_name_of_the_hubs_leads_out_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("1/2/3/4");
    let stored = Stored::large(1_000);
    for (header, value) in [
        ("etag", "\"../../../../outside\""),
        ("x-linked-etag", "\"../../../../outside\""),
        ("x-repo-commit", "../../../../outside"),
    ] {
        // At once, and after an honest first answer.
        for honest in [0, 1, 2] {
            let (theirs, asked) = (stored.clone(), AtomicUsize::new(0));
            let site = Site::open(move |request| {
                let reply = theirs.answer(request);
                let lie = asked.fetch_add(1, Ordering::SeqCst) >= honest;
                if lie {
                    reply.with(header, value)
                } else {
                    reply
                }
            });
            let hub = hub(&cache, &site.url());
            match fetch(&hub, "a/b:m.gguf") {
                Ok(path) => assert!(path.starts_with(&cache)),
                Err(error) => assert!(
                    format!("{error:#}").contains("the hub's name for"),
                    "{error:#}"
                ),
            }
            let outside = std::fs::read_dir(folder.path()).unwrap().count();
            assert!(outside <= 1, "{header} {honest}");
            for up in ["1", "1/2", "1/2/3"] {
                assert!(!folder.path().join(up).join("outside").exists());
            }
            let _ = std::fs::remove_dir_all(&cache);
        }
    }
}

#[test]
fn what_is_shorter_than_announced_is_not_kept() {
    let stored = Stored::large(100_000);
    let half = Stored {
        bytes: stored.bytes[..50_000].to_vec(),
        ..stored.clone()
    };
    // The length of the body agrees with itself.
    let (theirs, sent) = (stored.clone(), half.clone());
    let sentence = lie(move |request| match request.is_body() {
        true => sent.answer(request),
        false => theirs.answer(request),
    });
    assert!(
        sentence.ends_with("announced 100000 bytes and sends a file of 50000; try again later"),
        "{sentence}"
    );
    // Only the hash knows.
    let sentence = lie(move |request| half.answer(request));
    assert!(
        sentence.contains("what came is not what the hub announced"),
        "{sentence}"
    );
}

#[test]
fn what_was_changed_on_the_way_is_not_kept() {
    for stored in [Stored::large(100_000), Stored::small("GGUF and the rest")] {
        let mut changed = stored.clone();
        changed.bytes[10] ^= 1;
        let sentence = lie(move |request| changed.answer(request));
        let expected = "what came is not what the hub announced";
        assert!(
            sentence.contains(expected) && sentence.contains(&stored.etag),
            "{sentence}"
        );
        assert!(
            sentence.ends_with("and was not kept; try again"),
            "{sentence}"
        );
    }
}

#[test]
fn what_cannot_be_checked_is_not_taken() {
    let sentence = lie(|request| {
        Stored::large(10)
            .answer(request)
            .with("etag", "\"17-5f3a\"")
    });
    assert!(
        sentence.contains("is no hash that can be checked"),
        "{sentence}"
    );
    let sentence = lie(|_| Reply::new("200 OK", "{}"));
    assert!(
        sentence.contains("does not say which version"),
        "{sentence}"
    );
}

#[test]
fn no_more_is_taken_than_was_announced() {
    let sentence = lie(|request| {
        let reply = Stored::large(1_000_000).answer(request);
        reply.with("content-range", "bytes 0-999/1000")
    });
    assert!(
        sentence.ends_with("m.gguf: the hub sends more than the 1000 bytes it announced"),
        "{sentence}"
    );
}

#[test]
fn a_file_that_the_disk_has_no_room_for_is_not_begun() {
    let sentence = lie(|request| {
        let reply = Stored::large(1_000).answer(request);
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
        Reply::new("200 OK", "")
    });
    let sentence = refusal(&hasty(folder.path(), &silent), "a/b");
    assert!(sentence.contains("does not answer in time"), "{sentence}");
    // Byte by byte: what a file is called, the list, the file.
    let drip = Duration::from_millis(20);
    let head = Site::open(move |request| Reply {
        drip_head: drip,
        ..Stored::large(20_000).answer(request)
    });
    let sentence = refusal(&hasty(folder.path(), &head), "a/b:m.gguf");
    assert!(sentence.contains("does not answer in time"), "{sentence}");
    let list = Site::open(move |_| Reply {
        drip,
        ..Reply::new("200 OK", vec![b' '; 500])
    });
    let sentence = refusal(&hasty(folder.path(), &list), "a/b");
    assert!(sentence.contains("comes too slowly"), "{sentence}");
    let body = Site::open(move |request| {
        let reply = Stored::large(20_000).answer(request);
        let drip = if request.is_body() {
            drip
        } else {
            Duration::ZERO
        };
        Reply { drip, ..reply }
    });
    let sentence = refusal(&hasty(folder.path(), &body), "a/b:m.gguf");
    assert!(
        sentence.contains("the next attempt continues from here"),
        "{sentence}"
    );
    // Something came, then nothing more.
    let halt = Site::open(|request| {
        let mut reply = Stored::large(20_000).answer(request);
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
            return Stored::large(1_000).answer(request);
        }
        let reply = Reply::new(status, "");
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
    let sentence = lie(|_| Reply::new("503 Service Unavailable", ""));
    assert!(
        sentence.ends_with("busy (503 Service Unavailable), 3 times in a row; try again later")
    );
    let sentence = lie(|_| Reply::new("429 Too Many Requests", "").with("retry-after", u64::MAX));
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

#[test]
fn a_page_for_people_is_no_file() {
    for page in [
        Request::is_identity as fn(&Request) -> bool,
        Request::is_body,
    ] {
        let sentence = lie(move |request| match page(request) {
            true => Reply::page(),
            false => Stored::large(1_000).answer(request),
        });
        assert!(
            sentence.contains("the answer is a web page, as of a login"),
            "{sentence}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(|_| Reply::page());
    let sentence = refusal(&hub(folder.path(), &site.url()), "a/b");
    assert!(
        sentence.contains("the answer is a web page, as of a login"),
        "{sentence}"
    );
}

#[test]
fn a_file_may_have_any_name_that_stays_inside() {
    for name in [
        "my model.gguf",
        "gguf/模型-é#1?.gguf",
        "100%.gguf",
        "..a.gguf",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let stored = Stored::large(1_000).named(name);
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
        let site = Site::open(move |request| Stored::large(10).named(name).answer(request));
        let sentence = refusal(&hub(folder.path(), &site.url()), "a/b");
        assert!(
            sentence.contains("is not a path inside a repository"),
            "{sentence}"
        );
        assert_eq!(site.requests().len(), 1);
    }
}

#[test]
fn what_the_hub_refuses_is_said_with_what_to_try() {
    let sentence = lie(|_| Reply::new("401 Unauthorized", ""));
    assert!(
        sentence
            .contains("401 Unauthorized; check the name (what is private or gated needs HF_TOKEN"),
        "{sentence}"
    );
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), "hf.co");
    assert!(refusal(&hub, "a/b").contains("HF_ENDPOINT is not a site's address"));
    hub.access.site = NOBODY.into();
    hub.access.token = Some("two\nlines".into());
    let sentence = refusal(&hub, "a/b");
    assert!(
        sentence.contains("HF_TOKEN") && !sentence.contains("two"),
        "{sentence}"
    );
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
    let site = Site::open(|request| Stored::large(10).answer(request));
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
