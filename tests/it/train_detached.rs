//! Trainings in the background, as a whole program.
//!
//! If these fail, a user who closes the terminal loses the training, cannot pause or stop it, or
//! gets other weights after an interruption.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use s1_core::training::{TrainEvent, TrainOrder};
use s1_store::Db;
use s1_store::training::{Lease, Training, TrainingState};

use crate::common::Home;

const STEPS: &str = "24";

/// `s1-tui train` of the bundled base on its traces, small enough for a test.
fn train(home: &Home, out: &str, more: &[&str]) -> Command {
    let mut command = home.command();
    command.args([
        "train",
        "--model",
        "bundled:base",
        "--data",
        "bundled:traces",
    ]);
    command.args([
        "--batch",
        "2",
        "--block-size",
        "96",
        "--threads",
        "1",
        "--lr",
        "1e-3",
    ]);
    command.args([
        "--max-steps",
        STEPS,
        "--save-every",
        "5",
        "--db",
        "t.db",
        "--out",
        out,
    ]);
    command.args(more);
    command
}

fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output
}

fn read(home: &Home, name: &str) -> Option<Training> {
    let db = Db::open_to_read(&home.path("t.db")).unwrap()?;
    db.training(name).unwrap()
}

fn wait_until(home: &Home, name: &str, what: impl Fn(&Training) -> bool) -> Training {
    let since = Instant::now();
    loop {
        let seen = read(home, name);
        if let Some(training) = seen.as_ref().filter(|t| what(t)) {
            return training.clone();
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{seen:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn order(home: &Home, name: &str, order: TrainOrder) {
    let mut db = Db::open(&home.path("t.db")).unwrap();
    db.order_training(name, order).unwrap();
}

/// A training in the background that was told to pause while it prepared, so that it pauses however
/// quickly its steps are done.
fn paused(home: &Home, name: &str) -> Training {
    let starter = train(home, name, &["--detach"]).spawn().unwrap();
    wait_until(home, name, |_| true);
    order(home, name, TrainOrder::Pause);
    let output = starter.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    wait_until(home, name, |t| t.state == TrainingState::Paused)
}

#[test]
fn it_outlives_its_starter_and_obeys_pause_rate_and_stop_and_ends_as_if_never_stopped() {
    let home = Home::new();
    done(train(
        &home,
        "whole",
        &["--sample", "How many r in raspberry?"],
    ));
    let whole = read(&home, "whole").unwrap();
    assert_eq!((whole.state, whole.step), (TrainingState::Finished, 24));
    let db = Db::open_to_read(&home.path("t.db")).unwrap().unwrap();
    assert_eq!(db.training_steps("whole", 0).unwrap().len(), 24);
    let events = db.training_events("whole", 0).unwrap();
    let events: Vec<TrainEvent> = events.into_iter().map(|e| e.event).collect();
    let samples = events
        .iter()
        .filter(|e| matches!(e, TrainEvent::Sample { .. }));
    assert!(samples.count() >= 12, "{events:?}");
    assert!(
        events
            .iter()
            .any(|e| matches!(e, TrainEvent::Written { .. }))
    );

    let paused = paused(&home, "parts");
    assert!(Lease::is_held(paused.folder()) && paused.clone().seen() == paused);
    // A second one in the same folder is refused.
    let second = train(&home, "parts", &["--detach", "--resume"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("a training is running in"), "{said}");
    // While that was refused, no step was done.
    assert_eq!(read(&home, "parts").unwrap().step, paused.step);
    order(&home, "parts", TrainOrder::Resume);
    order(&home, "parts", TrainOrder::Stop);
    let stopped = wait_until(&home, "parts", |t| t.state == TrainingState::Stopped);
    assert!(stopped.step < 24 && stopped.can_resume());
    let list = done({
        let mut command = home.command();
        command.args(["trainings", "--db", "t.db"]);
        command
    });
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("parts") && list.contains("stopped"), "{list}");
    // Gone on with otherwise it is refused, and whoever asked for it hears why.
    let other = ["--detach", "--resume", "--seed", "5"];
    let other = train(&home, "parts", &other).output().unwrap();
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        !other.status.success() && said.contains("other settings"),
        "{said}"
    );
    done(train(&home, "parts", &["--detach", "--resume"]));
    let finished = wait_until(&home, "parts", |t| t.state == TrainingState::Finished);
    assert_eq!(finished.step, 24);
    let weights = |out: &str| std::fs::read(home.path(out).join("model.safetensors")).unwrap();
    assert!(weights("whole") == weights("parts"));

    done(train(&home, "slow", &["--detach"]));
    order(&home, "slow", TrainOrder::Rate(0.25));
    wait_until(&home, "slow", |t| t.state == TrainingState::Finished);
    let (fast, slow) = (
        db.training_steps("whole", 23).unwrap(),
        db.training_steps("slow", 23).unwrap(),
    );
    assert_eq!(slow[0].lr, 0.25 * fast[0].lr);
}

#[test]
#[cfg(unix)]
fn killed_at_any_moment_and_resumed_it_ends_with_the_same_weights() {
    let home = Home::new();
    done(train(&home, "whole", &[]));
    for moment in 0..10u64 {
        let out = format!("killed-{moment}");
        let mut child = train(&home, &out, &["--json"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + 70 * moment));
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(training) = read(&home, &out) {
            let state = training.seen().state;
            let ended = [TrainingState::Interrupted, TrainingState::Finished];
            assert!(ended.contains(&state), "{state:?}");
        }
        done(train(&home, &out, &["--resume"]));
        let ended = read(&home, &out).unwrap();
        assert_eq!((ended.state, ended.step), (TrainingState::Finished, 24));
        let weights = |out: &str| std::fs::read(home.path(out).join("model.safetensors")).unwrap();
        assert!(
            weights("whole") == weights(&out),
            "killed at moment {moment}"
        );
        let db = Db::open_to_read(&home.path("t.db")).unwrap().unwrap();
        let steps = db.training_steps(&out, 0).unwrap();
        let numbers: Vec<usize> = steps.iter().map(|s| s.step).collect();
        assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
    }
}

#[test]
fn a_pause_ends_when_its_folder_is_gone() {
    let home = Home::new();
    let paused = paused(&home, "gone");
    std::fs::remove_dir_all(paused.folder()).unwrap();
    let failed = wait_until(&home, "gone", |t| t.state == TrainingState::Failed);
    assert!(failed.fault.unwrap().contains("gone is gone"));
}

#[test]
fn a_kill_order_ends_it_at_once_and_faults_are_told_to_whoever_started_it() {
    let home = Home::new();
    done(train(&home, "k", &["--detach"]));
    order(&home, "k", TrainOrder::Kill);
    let killed = wait_until(&home, "k", |t| !t.state.is_open());
    assert!(matches!(
        killed.state,
        TrainingState::Killed | TrainingState::Finished
    ));

    std::fs::write(home.path("bad.jsonl"), "{\"question\":\"q\"}\n").unwrap();
    let mut command = home.command();
    command.args(["train", "--model", "bundled:base", "--data", "bad.jsonl"]);
    command.args(["--db", "t.db", "--out", "bad", "--detach"]);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("line 1") && said.lines().count() == 1,
        "{said}"
    );
    let failed = read(&home, "bad").unwrap();
    assert_eq!(failed.state, TrainingState::Failed);
    assert!(failed.fault.unwrap().contains("line 1"));

    // Its fault is not that of another one which asks for its name.
    let mut other = train(&home, "other", &["--detach", "--name", "bad"]);
    let said = other.output().unwrap().stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("already, in"), "{said}");
}
