//! Curation as a user sees it. What would be lost: a training set that holds evaluation problems,
//! or that nobody can make again.

use std::collections::HashSet;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Home, tokens_stored};
use serde_json::Value;

/// What every run has: the bundled pool and, for what is solved already, the bundled base.
const BASICS: [&str; 10] = [
    "curate",
    "--pool",
    "bundled:traces",
    "--keep",
    "50",
    "--small",
    "bundled:base",
    "--thinking",
    "64",
    "--json",
];
/// Items enough for the tests that ask the model about all of them.
const FEW: [&str; 2] = ["--pool-limit", "150"];

fn curate(home: &Home, out: &str, more: &[&str]) -> Output {
    let mut command = home.command();
    command
        .args(BASICS)
        .args(FEW)
        .args(["--out", out])
        .args(more);
    command.output().unwrap()
}

fn curated(home: &Home, out: &str, more: &[&str]) -> (Vec<String>, Value) {
    let output = curate(home, out, more);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let kept = std::fs::read_to_string(home.path(out)).unwrap();
    let object = serde_json::from_slice(&output.stdout).unwrap();
    (kept.lines().map(str::to_owned).collect(), object)
}

fn stage<'a>(object: &'a Value, name: &str) -> &'a Value {
    let stages = object["stages"].as_array().unwrap();
    stages.iter().find(|s| s["stage"] == name).unwrap()
}

#[test]
fn a_seed_gives_the_same_lines_again_and_another_gives_others() {
    let home = Home::new();
    let (lines, object) = curated(&home, "a.jsonl", &[]);
    let bundled = s1_data::assets::open(s1_data::assets::TRACES).unwrap();
    let pool: Vec<&str> = std::str::from_utf8(bundled).unwrap().lines().collect();
    assert_eq!(lines.len(), 50);
    assert!(lines.iter().all(|l| pool.contains(&l.as_str())), "verbatim");
    assert_eq!(object["kept"], 50);
    assert_eq!(object["domains_by"], "the field family");
    assert_eq!(stage(&object, "pool")["reasons"]["not_sampled"], 850);
    let small = stage(&object, "small");
    let solved = small["reasons"]["solved_by_small"].as_u64().unwrap();
    assert_eq!(
        small["in"].as_u64().unwrap() - solved,
        small["out"].as_u64().unwrap()
    );
    assert!(solved > 0, "the base solves some: {object}");
    // One line per item of the pool, and the kept ones are those in the result.
    let reasons = std::fs::read_to_string(home.path("a.reasons.jsonl")).unwrap();
    let reasons: Vec<Value> = reasons
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(reasons.len(), 1000);
    let kept: Vec<&str> = reasons
        .iter()
        .filter(|r| r["kept"] == true)
        .map(|r| pool[r["line"].as_u64().unwrap() as usize - 1])
        .collect();
    assert_eq!(kept, lines);
    let count = reasons
        .iter()
        .filter(|r| r["reason"] == "solved_by_small")
        .count();
    assert_eq!(count as u64, solved);

    let (again, second) = curated(&home, "b.jsonl", &[]);
    assert_eq!(again, lines);
    let seconds = |object: &Value| stage(object, "small")["seconds"].as_f64().unwrap();
    assert!(
        seconds(&second) < seconds(&object),
        "answers are asked for once"
    );
    let other = curated(&home, "c.jsonl", &["--method", "random", "--seed", "2"]).0;
    assert_ne!(other, lines);
    let third = curated(&home, "d.jsonl", &["--method", "random", "--seed", "3"]).0;
    assert_ne!(other, third);
}

#[test]
fn nothing_of_the_evaluation_set_is_kept() {
    let home = Home::new();
    // A pool into which every tenth held-out problem has leaked, with other capitals.
    let held_out = s1_data::assets::open(s1_data::assets::HELD_OUT).unwrap();
    let held_out: Vec<&str> = std::str::from_utf8(held_out).unwrap().lines().collect();
    let traces = s1_data::assets::open(s1_data::assets::TRACES).unwrap();
    let mut pool: String = std::str::from_utf8(traces).unwrap().into();
    let mut leaked = HashSet::new();
    for line in held_out.iter().step_by(10) {
        let mut problem: Value = serde_json::from_str(line).unwrap();
        let question = problem["question"].as_str().unwrap().to_uppercase();
        problem["question"] = question.clone().into();
        problem["thinking"] = "a very long thought ".repeat(100).into();
        leaked.insert(question);
        pool += &format!("{problem}\n");
    }
    std::fs::write(home.path("pool.jsonl"), pool).unwrap();
    for method in ["longest", "s1"] {
        let output = home
            .command()
            .args(["curate", "--pool", "pool.jsonl", "--keep", "900"])
            .args(["--out", "kept.jsonl", "--against", "bundled:held-out"])
            .args(["--method", method])
            .output()
            .unwrap();
        assert!(output.status.success());
        let reasons = std::fs::read_to_string(home.path("kept.reasons.jsonl")).unwrap();
        let added = reasons.lines().skip(1000);
        let why: Vec<Value> = added.map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(why.len(), 24);
        assert!(why.iter().all(|r| r["reason"] == "overlap"), "{why:?}");
        let kept = std::fs::read_to_string(home.path("kept.jsonl")).unwrap();
        for line in kept.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let question = line["question"].as_str().unwrap().to_uppercase();
            assert!(!leaked.contains(&question), "{question}");
        }
    }
}

/// Waits until a few answers are in the database.
fn until_rows(home: &Home, rows: usize, child: &mut Child) {
    let database = home.path("data/s1-tui/runs.db");
    let done = || {
        let db = s1_store::Db::open_to_read(&database).ok()??;
        Some(db.runs().ok()?.first()?.rows)
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while done().unwrap_or(0) < rows {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(Instant::now() < deadline, "there is no answer");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tokens that were computed for what is stored of the only run.
fn stored(home: &Home) -> usize {
    let database = home.path("data/s1-tui/runs.db");
    let db = s1_store::Db::open_to_read(&database).unwrap();
    let run = db.and_then(|db| Some(db.runs().unwrap().first()?.name.clone()));
    run.map_or(0, |run| tokens_stored(&database, &run))
}

#[test]
fn a_curation_that_is_killed_again_and_again_ends_with_the_same_files() {
    let whole = Home::new();
    curated(&whole, "a.jsonl", &[]);
    let (all, home) = (stored(&whole), Home::new());
    let mut kills = 0;
    let output = loop {
        let before = stored(&home);
        let mut child = home
            .command()
            .args(BASICS)
            .args(FEW)
            .args(["--out", "a.jsonl"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let since = Instant::now();
        let over = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if stored(&home) > before + all / 7 {
                break false;
            }
            assert!(
                since.elapsed() < Duration::from_secs(120),
                "it stands still"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if over {
            break output;
        }
        kills += 1;
        assert!(!home.path("a.jsonl").exists(), "nothing half-made");
    };
    assert!(kills >= 3, "{kills}");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("of them done before"), "{errors}");
    assert_eq!(stored(&home), all);
    for file in ["a.jsonl", "a.reasons.jsonl"] {
        let read = |home: &Home| std::fs::read(home.path(file)).unwrap();
        assert!(read(&home) == read(&whole), "{file}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_curation_says_how_to_go_on() {
    let home = Home::new();
    let mut child = home
        .command()
        .args(BASICS)
        .args(["--out", "a.jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_rows(&home, 1, &mut child);
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(
        errors.ends_with(
            "s1-tui: stopped; nothing was written, and the same command continues where it was\n"
        ),
        "{errors}"
    );
    assert!(!home.path("a.jsonl").exists());
}

#[test]
fn bad_input_is_one_sentence() {
    let home = Home::new();
    std::fs::write(home.path("empty.jsonl"), "\n").unwrap();
    let good = "{\"question\":\"a\",\"answer\":\"1\"}\n";
    std::fs::write(home.path("broken.jsonl"), format!("{good}{{\"que\n")).unwrap();
    std::fs::write(home.path("bare.jsonl"), "{\"text\":\"a\"}\n").unwrap();
    std::fs::write(home.path("one.jsonl"), good).unwrap();
    let error = |args: &[&str]| {
        let output = home.command().arg("curate").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8(output.stderr).unwrap();
        errors.lines().last().unwrap().to_owned()
    };
    for (pool, expected) in [
        (
            "empty.jsonl",
            "s1-tui: empty.jsonl is empty; there is nothing to curate",
        ),
        (
            "broken.jsonl",
            "s1-tui: broken.jsonl, line 2: it is not JSON",
        ),
        (
            "bare.jsonl",
            "s1-tui: bare.jsonl, line 1: no field is recognised as the question",
        ),
        (
            "one.jsonl",
            "s1-tui: 1 items are left, fewer than the 1000 to be kept; give --keep 1",
        ),
        ("nowhere.jsonl", "s1-tui: cannot open nowhere.jsonl"),
    ] {
        let sentence = error(&["--pool", pool, "--out", "o.jsonl"]);
        assert!(sentence.starts_with(expected), "{sentence}");
    }
    let sentence = error(&["--pool", "one.jsonl", "--keep", "1", "--out", "one.jsonl"]);
    assert!(
        sentence.contains("take the place of the pool"),
        "{sentence}"
    );
    let sentence = error(&["--pool", "one.jsonl", "--keep", "1", "--out", "no/o.jsonl"]);
    assert!(
        sentence.starts_with("s1-tui: cannot write no/o.jsonl"),
        "{sentence}"
    );
}

#[test]
fn what_was_kept_can_be_trained_on() {
    let home = Home::new();
    let line = |i: usize| {
        format!(
            "{{\"question\":\"Tom has {i} pens and buys {}. How many?\",\"answer\":\"{i}+{}={}\\n#### {}\"}}\n",
            2 * i,
            2 * i,
            3 * i,
            3 * i
        )
    };
    std::fs::write(
        home.path("pool.jsonl"),
        (0..40).map(line).collect::<String>(),
    )
    .unwrap();
    let output = home
        .command()
        .args([
            "curate",
            "--pool",
            "pool.jsonl",
            "--keep",
            "20",
            "--out",
            "kept.jsonl",
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    let output = home
        .command()
        .args(["train", "--model", "bundled:base", "--data", "kept.jsonl"])
        .args(["--out", "run", "--plan"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("20 examples"), "{said}");
}
