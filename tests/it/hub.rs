//! Models of the hub, fetched by the program from a site that does what hubs do.
//!
//! If these fail, a user loses a download, or a secret. Lies of all kinds are told to the unit tests
//! (`s1_data::hub`).

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use s1_data::assets;
use s1_data::fixtures::site::{Site, SiteReply, StoredFile};

use crate::common::Home;
#[cfg(unix)]
use crate::common::limited;

/// A model as a hub has it.
fn base() -> StoredFile {
    StoredFile::of(assets::open(assets::BASE).unwrap())
}

const ASK: [&str; 6] = [
    "tokenize",
    "--model",
    "hf:a/b:m.gguf",
    "--text",
    "3+4=?",
    "--json",
];

fn tokenize(home: &Home, site: &Site) -> Command {
    asked_of(home.command(), home, site)
}

fn asked_of(mut command: Command, home: &Home, site: &Site) -> Command {
    command
        .env("HF_ENDPOINT", site.url())
        .env("HF_TOKEN", "hf_secret");
    command.env("HF_HOME", home.path("hf")).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    output.stdout
}

fn blob(home: &Home, stored: &StoredFile) -> PathBuf {
    let blobs = home.path("hf/hub/models--a--b/blobs");
    blobs.join(&stored.etag)
}

/// A download that is killed each time when some more of it is here.
#[test]
fn a_download_that_is_killed_again_and_again_ends_whole() {
    let (home, stored) = (Home::new(), base());
    let expected = done(
        home.command()
            .args(["tokenize", "--model", "bundled:base"])
            .args(&ASK[3..]),
    );
    let (theirs, slow) = (stored.clone(), Arc::new(AtomicBool::new(true)));
    let is_slow = slow.clone();
    let site = Site::open(move |request| {
        let mut reply = theirs.answer(request);
        if request.is_body() && is_slow.load(Ordering::SeqCst) {
            reply = reply.cut(70_000);
            reply.stall = Duration::from_secs(60);
        }
        reply
    });
    let (part, whole) = (
        blob(&home, &stored).with_extension("part"),
        blob(&home, &stored),
    );
    let here = || std::fs::metadata(&part).map_or(0, |m| m.len());
    let kills = 15;
    for _ in 0..kills {
        let before = here();
        let mut child = tokenize(&home, &site)
            .args(ASK)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let since = Instant::now();
        while here() == before {
            assert!(since.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!whole.exists(), "nothing half has its name");
    }
    slow.store(false, Ordering::SeqCst);
    assert_eq!(done(tokenize(&home, &site).args(ASK)), expected);
    assert!(std::fs::read(whole).unwrap() == stored.bytes);
    let parts = site.parts();
    assert_eq!(parts.len(), kills + 1);
    assert!(
        parts.is_sorted_by(|a, b| a < b),
        "nothing comes twice: {parts:?}"
    );
}

#[test]
fn the_token_of_the_environment_is_shown_to_the_hub_alone() {
    let (home, stored) = (Home::new(), base());
    let (theirs, ours) = (stored.clone(), stored.clone());
    let other = Site::open(move |request| theirs.answer(request).cut(500_000));
    let there = other.other_url();
    let hub = Site::open(move |request| match request.is_list() {
        true => ours.answer(request),
        false => SiteReply::redirect(format!("{there}{}", request.path)),
    });
    done(tokenize(&home, &hub).args(ASK));
    done(tokenize(&home, &hub).args(["tokenize", "--model", "hf:a/b", "--text", "x"]));
    assert!(hub.requests().len() >= 4);
    assert!(hub.requests().iter().all(|request| request.has_token));
    assert!(other.requests().len() >= 4);
    assert!(!other.requests().iter().any(|request| request.has_token));
    // What is here needs nobody.
    let before = hub.requests().len();
    done(tokenize(&home, &hub).args(ASK).env("HF_HUB_OFFLINE", "1"));
    assert_eq!(hub.requests().len(), before);
}

#[test]
#[cfg(unix)]
fn a_download_that_finds_no_room_says_so_and_goes_on_when_there_is_some() {
    let (home, stored) = (Home::new(), base());
    let theirs = stored.clone();
    let site = Site::open(move |request| theirs.answer(request));
    let mut command = asked_of(limited(&home, "-f 1000", &ASK), &home, &site);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let lines = said(&output);
    let last = lines.lines().last().unwrap();
    assert!(last.contains("cannot fetch the model a/b"), "{last}");
    assert!(
        last.contains("cannot write") && last.contains("make room"),
        "{last}"
    );
    assert_eq!(site.parts(), [0], "asking again does not mend it");
    assert!(!blob(&home, &stored).exists());
    done(tokenize(&home, &site).args(ASK));
    assert!(site.parts()[1] > 0, "it goes on: {:?}", site.parts());
}
