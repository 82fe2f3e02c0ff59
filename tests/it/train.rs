//! `s1-tui train` as a whole program.
//!
//! If these fail, a user loses a night's training to a crash, or gets weights other than those
//! they asked for.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use s1_model::fixture::tiny_gguf;
use serde_json::Value;

use crate::common::Home;

/// A home with training data in it.
fn home() -> Home {
    let home = Home::new();
    std::fs::write(home.path("llama.gguf"), tiny_gguf("llama", 3)).unwrap();
    let lines: String = (0..40)
        .map(|i| {
            let (a, b) = (i % 7, i / 7);
            format!(
                "{{\"question\":\"{a}+{b}?\",\"thinking\":\"{a} and {b} make {}\",\"answer\":\"{}\"}}\n",
                a + b,
                a + b
            )
        })
        .collect();
    std::fs::write(home.path("data.jsonl"), lines).unwrap();
    home
}

fn train(home: &Home, out: &str, more: &[&str]) -> Command {
    let mut command = home.command();
    command.args(["train", "--data", "data.jsonl", "--out", out, "--json"]);
    command.args(["--batch", "4", "--epochs", "1", "--threads", "2"]);
    if !more.contains(&"--lr") {
        command.args(["--lr", "1e-3"]);
    }
    command.args(more);
    command
}

fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_says_its_plan_and_its_steps_and_the_loss_falls() {
    let home = home();
    let output = done(train(
        &home,
        "out",
        &[
            "--model",
            "llama.gguf",
            "--max-steps",
            "30",
            "--eval-data",
            "data.jsonl",
            "--eval-every",
            "10",
        ],
    ));
    let events = events(&output);
    assert_eq!(events[0]["event"], "plan");
    assert_eq!(events[0]["plan"]["examples"], 40);
    assert_eq!(events[0]["plan"]["steps"], 30);
    let steps: Vec<&Value> = events
        .iter()
        .filter(|e| e["loss"].is_number() && e["lr"].is_number())
        .collect();
    assert_eq!(steps.len(), 30);
    for field in ["step", "loss", "lr", "grad_norm", "tok_s", "eta_s"] {
        assert!(steps[0][field].is_number(), "{field}: {}", steps[0]);
    }
    let loss = |i: usize| steps[i]["loss"].as_f64().unwrap();
    assert!(loss(29) < 0.8 * loss(0), "{} {}", loss(0), loss(29));
    let held_out: Vec<&Value> = events.iter().filter(|e| e["event"] == "eval").collect();
    assert_eq!(held_out.len(), 3);
    assert!(home.path("out/model.safetensors").is_file());
    assert!(home.path("out/config.json").is_file());
    // The export is a model that the rest of the program uses.
    let mut score = home.command();
    score.args([
        "score",
        "--model",
        "out/model-q8_0.gguf",
        "--text",
        "1+1",
        "--json",
    ]);
    done(score);
}

#[test]
fn an_adapter_is_used_with_its_base_and_merged_it_says_the_same() {
    let home = home();
    let more = [
        "--model",
        "llama.gguf",
        "--lora-rank",
        "4",
        "--max-steps",
        "10",
        "--gguf",
        "f32",
    ];
    done(train(&home, "adapter", &more));
    let score = |arguments: &[&str]| {
        let mut command = home.command();
        command
            .args(["score", "--ids", "1,2,3,4,5,6,7,8", "--json"])
            .args(arguments);
        let output = done(command);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let positions = value["positions"].as_array().unwrap().clone();
        let logprobs = positions.iter().filter_map(|p| p["logprob"].as_f64());
        logprobs.collect::<Vec<f64>>()
    };
    let base = score(&["--model", "llama.gguf"]);
    let adapted = score(&["--model", "llama.gguf", "--adapter", "adapter"]);
    let merged = score(&["--model", "adapter/model-f32.gguf"]);
    assert!(base.iter().zip(&adapted).any(|(a, b)| (a - b).abs() > 0.01));
    for (a, b) in adapted.iter().zip(&merged) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    // Its folder alone is enough where its base is still where it was.
    assert_eq!(adapted, score(&["--model", "adapter"]));
    std::fs::rename(home.path("llama.gguf"), home.path("moved.gguf")).unwrap();
    let mut homeless = home.command();
    homeless.args(["score", "--ids", "1,2", "--model", "adapter"]);
    assert!(refusal(homeless).contains("give its base with --model"));
    // A folder that is no adapter is refused in one sentence.
    let mut wrong = home.command();
    wrong.args([
        "score",
        "--ids",
        "1,2",
        "--model",
        "moved.gguf",
        "--adapter",
        "nowhere",
    ]);
    assert!(refusal(wrong).contains("an adapter is a folder with"));
}

fn weights(out: &Path) -> Vec<u8> {
    std::fs::read(out.join("model.safetensors")).unwrap()
}

#[test]
fn a_run_killed_at_any_moment_and_resumed_ends_with_the_same_weights() {
    let home = home();
    let more = [
        "--model",
        "llama.gguf",
        "--max-steps",
        "40",
        "--save-every",
        "3",
    ];
    done(train(&home, "whole", &more));
    let expected = weights(&home.path("whole"));
    let mut kills = 0;
    for attempt in 0..12u64 {
        let mut command = train(&home, "killed", &more);
        if !checkpoints(&home).is_empty() {
            command.arg("--resume");
        }
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(40 + 37 * (attempt * 7 % 5)));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "the run was over before it could be killed");
    let mut last = train(&home, "killed", &more);
    if !checkpoints(&home).is_empty() {
        last.arg("--resume");
    }
    done(last);
    assert!(
        weights(&home.path("killed")) == expected,
        "after {kills} kills"
    );
}

fn checkpoints(home: &Home) -> Vec<s1_train::CheckpointFile> {
    s1_train::checkpoints(&home.path("killed"))
}

#[test]
fn a_run_is_not_started_over_another_one_nor_gone_on_with_otherwise() {
    let home = home();
    let more = ["--model", "llama.gguf", "--max-steps", "2"];
    done(train(&home, "out", &more));
    let again = refusal(train(&home, "out", &more));
    assert!(
        again.contains("holds an earlier run; continue it with --resume"),
        "{again}"
    );
    let more = [
        "--model",
        "llama.gguf",
        "--max-steps",
        "2",
        "--seed",
        "9",
        "--resume",
    ];
    let other = refusal(train(&home, "out", &more));
    assert!(other.contains("seed was 0 and is now 9"), "{other}");
}

#[test]
fn a_training_is_repeated_from_its_recorded_settings() {
    let home = home();
    let more = ["--model", "llama.gguf", "--max-steps", "3", "--seed", "4"];
    let output = done(train(&home, "first", &more));
    for event in events(&output) {
        assert!(event["event"].is_string(), "{event}");
    }
    let list = done({
        let mut command = home.command();
        command.args(["trainings", "--json"]);
        command
    });
    let listed: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(listed["config"]["seed"], 4);
    assert_eq!(
        listed["config"]["weight_decay"], 1e-4,
        "defaults are written out"
    );
    std::fs::write(home.path("c.json"), listed["config"].to_string()).unwrap();
    let mut again = home.command();
    again.args(["train", "--config", "c.json", "--out", "again"]);
    done(again);
    assert!(weights(&home.path("first")) == weights(&home.path("again")));

    std::fs::write(home.path("c.json"), "{\"version\":99}").unwrap();
    let mut newer = home.command();
    newer.args(["train", "--config", "c.json"]);
    let refused = refusal(newer);
    assert!(refused.contains("use a newer s1-tui"), "{refused}");
    // The order's earlier name still reaches the training; this one has ended.
    for flag in ["--resume", "--go-on"] {
        let mut command = home.command();
        command.args(["trainings", "first", flag]);
        let refused = refusal(command);
        assert!(refused.contains("is not running (finished)"), "{refused}");
    }
}

#[test]
fn bad_input_is_one_sentence() {
    let home = home();
    let lines = "{\"question\":\"a\",\"answer\":\"b\"}\n{\"question\":\"a\"}\n";
    std::fs::write(home.path("data.jsonl"), lines).unwrap();
    let missing = refusal(train(&home, "out", &["--model", "llama.gguf"]));
    assert!(
        missing.contains("line 2 (--skip-broken uses the others): it has no answer"),
        "{missing}"
    );
    std::fs::write(home.path("data.jsonl"), "").unwrap();
    let empty = refusal(train(&home, "out", &["--model", "llama.gguf"]));
    assert!(empty.contains("nothing is left to train on"), "{empty}");
    for said in [&missing, &empty] {
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
    let huge = "{\"question\":\"a\",\"answer\":\"b\"}\n".repeat(9);
    std::fs::write(home.path("data.jsonl"), huge).unwrap();
    let diverged = refusal(train(
        &home,
        "out",
        &["--model", "llama.gguf", "--lr", "1e38"],
    ));
    assert!(diverged.contains("must be a number above 0"), "{diverged}");
}
