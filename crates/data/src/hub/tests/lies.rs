//! What a hub says that is not so.

use std::io::Read;

use super::*;

#[test]
fn no_name_of_the_hubs_leads_out_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("1/2/3/4");
    let stored = StoredFile::large(1_000);
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
    let stored = StoredFile::large(100_000);
    let half = StoredFile {
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
    for stored in [
        StoredFile::large(100_000),
        StoredFile::small("GGUF and the rest"),
    ] {
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
        StoredFile::large(10)
            .answer(request)
            .with("etag", "\"17-5f3a\"")
    });
    assert!(
        sentence.contains("is no hash that can be checked"),
        "{sentence}"
    );
    let sentence = lie(|_| SiteReply::new("200 OK", "{}"));
    assert!(
        sentence.contains("does not say which version"),
        "{sentence}"
    );
}

#[test]
fn no_more_is_taken_than_was_announced() {
    let sentence = lie(|request| {
        let reply = StoredFile::large(1_000_000).answer(request);
        reply.with("content-range", "bytes 0-999/1000")
    });
    assert!(
        sentence.ends_with("m.gguf: the hub sends more than the 1000 bytes it announced"),
        "{sentence}"
    );
}

#[test]
fn a_page_for_people_is_no_file() {
    for page in [
        SiteRequest::is_identity as fn(&SiteRequest) -> bool,
        SiteRequest::is_body,
    ] {
        let sentence = lie(move |request| match page(request) {
            true => SiteReply::page(),
            false => StoredFile::large(1_000).answer(request),
        });
        assert!(
            sentence.contains("the answer is a web page, as of a login"),
            "{sentence}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(|_| SiteReply::page());
    let sentence = refusal(&hub(folder.path(), &site.url()), "a/b");
    assert!(
        sentence.contains("the answer is a web page, as of a login"),
        "{sentence}"
    );
}

#[test]
fn what_the_hub_refuses_is_said_with_what_to_try() {
    let sentence = lie(|_| SiteReply::new("401 Unauthorized", ""));
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

/// Everything else that hubs, and what stands between, were seen to send: each is one sentence, soon.
#[test]
fn whatever_is_sent_is_one_sentence() {
    let json = |text: String| SiteReply::new("200 OK", text);
    let list = |names: &mut dyn Iterator<Item = String>| {
        let files: Vec<String> = names
            .map(|name| serde_json::json!({ "rfilename": name }).to_string())
            .collect();
        json(format!("{{\"siblings\":[{}]}}", files.join(",")))
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::repeat(b' ').take(64 << 20), &mut packed).unwrap();
    let packed =
        SiteReply::new("200 OK", packed.finish().unwrap()).with("content-encoding", "gzip");
    let answers = [
        ("nothing", json(String::new())),
        ("an empty object", json("{}".into())),
        ("a list", json("[]".into())),
        (
            "files that are none",
            json("{\"siblings\":[1,null,{}]}".into()),
        ),
        ("lists in lists", json("[".repeat(200_000))),
        ("no end of spaces", json(" ".repeat(33 << 20))),
        ("what grows when it is unpacked", packed),
        (
            "100 000 files",
            list(&mut (0..100_000).map(|i| format!("{i}.gguf"))),
        ),
        (
            "a name of 5 000 characters",
            list(&mut [format!("{}.gguf", "x".repeat(5_000))].into_iter()),
        ),
        (
            "a name with a line break",
            list(&mut ["a\nb.gguf".to_owned()].into_iter()),
        ),
        (
            "a name in the folder above",
            list(&mut ["../a.gguf".to_owned()].into_iter()),
        ),
        (
            "headers of 5 MB",
            json("{}".into()).with("x-long", "y".repeat(5 << 20)),
        ),
        ("a redirection to nowhere", SiteReply::new("302 Found", "")),
        (
            "a redirection to a file",
            SiteReply::redirect("file:///etc/passwd"),
        ),
        (
            "a redirection to another protocol",
            SiteReply::redirect("ftp://127.0.0.1/m.gguf"),
        ),
        (
            "a redirection to what is no address",
            SiteReply::redirect("http://["),
        ),
        (
            "a part that was not asked for",
            json("{}".into()).with("content-range", "bytes 5-9/10"),
        ),
    ];
    let statuses = [
        "204 No Content",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "416 Range Not Satisfiable",
        "429 Too Many Requests",
        "451 Unavailable",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ];
    let statuses = statuses.map(|status| (status, SiteReply::new(status, "{}")));
    for (what, reply) in answers.into_iter().chain(statuses) {
        // Of all that is asked, or of a file's bytes alone.
        for only_body in [false, true] {
            let (folder, sent) = (tempfile::tempdir().unwrap(), reply.clone());
            let site = Site::open(move |request| match only_body && !request.is_body() {
                true => StoredFile::large(1_000).answer(request),
                false => sent.clone(),
            });
            let since = Instant::now();
            let hub = hub(folder.path(), &format!("{}/", site.url()));
            let sentence = refusal(&hub, "a/b");
            assert!(since.elapsed() < Duration::from_secs(10), "{what}");
            assert!(
                !sentence.contains(['\n', '\0', '\u{1b}']),
                "{what}: {sentence}"
            );
            assert!(sentence.len() < 6_000, "{what}: {sentence}");
            assert!(kept(folder.path()).is_empty(), "{what}");
            let outside = std::fs::read_dir(folder.path()).unwrap().count();
            assert!(outside <= 1, "{what}");
        }
    }
}
