//! Trainings by TRL as a whole program, with an interpreter that only says what the driver would say.
//!
//! If these fail, a user who trains on GPUs sees another state than the real one, loses a checkpoint, or
//! reads a traceback. What TRL itself computes is held by `tests/peers/check_trl.py`.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use s1_core::training::{TrainEvent, TrainOrder};
use s1_model::fixture::tiny_gguf;
use s1_store::Db;
use s1_store::training::{Training, TrainingState};
use serde_json::Value;

use crate::common::Home;

/// Stands for Python: prints the driver's lines, follows orders, writes checkpoints and a result.
/// `FAIL_AT` and `FAULT` make it fail at a step, `HOLD` waits for an order after the first one.
const INTERPRETER: &str = r#"#!/bin/sh
dir=$(dirname "$1"); out=$(dirname "$dir")
say() { printf 's1-tui %s\n' "$1"; }
if [ "$2" = --doctor ]; then
  say '{"event":"doctor","python":"3.11.7","packages":{"torch":"2.13.0+cpu","transformers":"5.19.0","trl":null,"peft":"0.20.0","accelerate":"1.15.0","datasets":"5.2.0"},"devices":[],"bf16":false,"fault":null}'
  exit
fi
now() { sed -n 's/.*"now":"\([a-z]*\)".*/\1/p' "$dir/orders.json"; }
save() {
  at=$out/checkpoints/checkpoint-$1; mkdir -p "$at"; cp "$ADAPTER"/adapter_* "$at"
  say "{\"event\":\"saved\",\"step\":$1}"
}
echo 'a library says something'
say '{"event":"ready","processes":2,"device":"cpu","dtype":"float32","trained":8}'
steps=$(wc -l < "$dir/steps.jsonl")
i=$(sed -n 's/.*"resume": ".*checkpoint-\([0-9]*\)".*/\1/p' "$dir/job.json"); i=${i:-0}
while [ "$i" -lt "$steps" ]; do
  i=$((i+1))
  say "{\"event\":\"step\",\"step\":$i,\"loss\":1.5,\"lr\":0.001,\"grad_norm\":0.5,\"seconds\":0.5,\"memory\":1048576,\"weights\":null}"
  say '{"event":"alive"}'
  [ "$i" = 2 ] && save 2
  if [ "$FAIL_AT" = "$i" ]; then
    echo 'Traceback (most recent call last)' >&2
    [ -n "$FAULT" ] && say "$FAULT"
    exit 1
  fi
  while [ -n "$HOLD" ] && [ "$(now)" = go ]; do sleep 0.02; done
  if [ "$(now)" = pause ]; then
    save "$i"; say "{\"event\":\"paused\",\"step\":$i}"
    while [ "$(now)" = pause ]; do sleep 0.02; done
    HOLD=; say "{\"event\":\"resumed\",\"step\":$i}"
  fi
  if [ "$(now)" = stop ]; then
    save "$i"; say "{\"event\":\"stopped\",\"step\":$i}"; exit
  fi
done
mkdir -p "$dir/result"; cp "$ADAPTER"/adapter_* "$dir/result"
say "{\"event\":\"done\",\"step\":$i}"
"#;

/// A home with a base, data, the interpreter, and an adapter that this program has trained.
fn home() -> Home {
    let home = Home::new();
    std::fs::write(home.path("base.gguf"), tiny_gguf("qwen3", 3)).unwrap();
    let line = "{\"question\":\"1+1?\",\"thinking\":\"two\",\"answer\":\"2\"}\n";
    std::fs::write(home.path("data.jsonl"), line.repeat(8)).unwrap();
    let python = home.path("python");
    std::fs::write(&python, INTERPRETER).unwrap();
    std::fs::set_permissions(&python, PermissionsExt::from_mode(0o755)).unwrap();
    let mut native = home.command();
    native.args(["train", "--model", "base.gguf", "--data", "data.jsonl"]);
    native.args(["--out", "native", "--lora-rank", "4", "--batch", "2"]);
    native.args(["--max-steps", "2", "--threads", "1", "--lr", "1e-2"]);
    done(native);
    home
}

/// A training of five steps; what is said of it goes before what is usual.
fn train(home: &Home, more: &[&str]) -> Command {
    let python = home.path("python").display().to_string();
    let mut command = home.command();
    command.args(["train", "--model", "base.gguf", "--data", "data.jsonl"]);
    command.args([
        "--out",
        "out",
        "--batch",
        "2",
        "--max-steps",
        "5",
        "--db",
        "t.db",
    ]);
    for (flag, value) in [
        ("--trainer", "trl"),
        ("--lora-rank", "4"),
        ("--python", &*python),
    ] {
        if !more.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command.args(more).env("ADAPTER", home.path("native"));
    command
}

fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output
}

fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn read(home: &Home) -> Option<Training> {
    let db = Db::open_to_read(&home.path("t.db")).unwrap()?;
    db.training("out").unwrap()
}

fn wait_for(home: &Home, state: TrainingState) {
    let since = Instant::now();
    while read(home).is_none_or(|training| training.state != state) {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "{:?}",
            read(home)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lines(home: &Home, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home.path("out/trl").join(name)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn a_run_is_followed_to_its_end_and_what_it_made_opens_with_its_base() {
    let home = home();
    let output = done(train(&home, &["--json"]));
    let events = events(&output);
    let plan = &events[0]["plan"];
    assert_eq!((&plan["examples"], &plan["steps"]), (&8.into(), &5.into()));
    let steps: Vec<&Value> = events.iter().filter(|e| e["event"] == "step").collect();
    assert_eq!(steps.len(), 5);
    for field in [
        "epoch",
        "loss",
        "lr",
        "grad_norm",
        "tok_s",
        "eta_s",
        "memory",
    ] {
        assert!(steps[0][field].is_number(), "{field}: {}", steps[0]);
    }
    assert_eq!(
        (&steps[0]["eta_s"], &steps[4]["epoch"]),
        (&2.0.into(), &2.into())
    );

    // What is trained is what is shown: the tokens with loss are those of the plan.
    let examples = lines(&home, "examples.jsonl");
    let labels = examples
        .iter()
        .flat_map(|e| e["labels"].as_array().unwrap());
    let with_loss = labels.filter(|label| label.as_i64() != Some(-100)).count();
    assert_eq!(plan["targets"], with_loss);
    for example in &examples {
        let ids = example["input_ids"].as_array().unwrap();
        let labels = example["labels"].as_array().unwrap();
        let fits = |(id, label): (&Value, &Value)| *label == -100 || id == label;
        assert!(ids.len() == labels.len() && ids.iter().zip(labels).all(fits));
    }
    assert_eq!(lines(&home, "steps.jsonl").len(), 5);

    let settings = std::fs::read_to_string(home.path("out/adapter_config.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let base = home.path("base.gguf").display().to_string();
    assert_eq!(settings["base_model_name_or_path"], base);
    let score = |adapter: &str| {
        let mut command = home.command();
        command.args([
            "score",
            "--model",
            "base.gguf",
            "--ids",
            "1,2,3,4,5,6",
            "--json",
        ]);
        command.args(["--adapter", adapter]);
        done(command).stdout
    };
    assert_eq!(score("out"), score("native"));
    // The base that was written for it is not left behind; what was printed is.
    assert!(!home.path("out/trl/base").exists() && !home.path("out/trl/result").exists());
    let log = std::fs::read_to_string(home.path("out/trl/trl.log")).unwrap();
    assert_eq!(log, "a library says something\n");
    let db = Db::open_to_read(&home.path("t.db")).unwrap().unwrap();
    assert_eq!(db.training_steps("out", 0).unwrap()[4].memory, 1_048_576);
    let said = db.training_events("out", 0).unwrap();
    assert!(
        said.iter()
            .any(|e| e.event.sentence().contains("2 processes on cpu")),
        "{said:?}"
    );
}

#[test]
fn a_fault_is_one_sentence_and_what_was_saved_is_continued_from() {
    let home = home();
    for (fault, expected) in [
        (
            r#"{"event":"failed","kind":"memory","text":"CUDA out of memory.","rank":1}"#,
            "process 1: memory does not suffice (CUDA out of memory.); try --checkpointing, or --batch 1 --grad-accum 2, or --load-in-4bit",
        ),
        (
            r#"{"event":"failed","kind":"missing","text":"trl","rank":0}"#,
            "Python has no trl; install it with: ",
        ),
        (
            r#"{"event":"failed","kind":"disk","text":"No space left on device","rank":0}"#,
            "the disk is full (No space left on device)",
        ),
        (
            r#"{"event":"failed","kind":"other","text":"the loss of step 3 is not a number","rank":0}"#,
            "the loss of step 3 is not a number",
        ),
        ("", "its processes ended without a word (exit status: 1)"),
    ] {
        let _ = std::fs::remove_dir_all(home.path("out"));
        let mut command = train(&home, &[]);
        command.env("FAIL_AT", "3").env("FAULT", fault);
        let said = refusal(command);
        let last = said.lines().last().unwrap();
        assert!(last.starts_with(&format!("s1-tui: {expected}")), "{said}");
        assert!(last.contains("--resume continues after step 2"), "{said}");
        assert!(
            last.contains("trl/trl.log") && !said.contains("Traceback"),
            "{said}"
        );
        let failed = read(&home).unwrap();
        assert_eq!((failed.state, failed.step), (TrainingState::Failed, 3));
    }
    let log = std::fs::read_to_string(home.path("out/trl/trl.log")).unwrap();
    assert!(log.contains("Traceback"), "{log}");
    // Begun again by mistake, nothing is written over.
    let said = refusal(train(&home, &[]));
    assert!(said.contains("continue it with --resume"), "{said}");
    // Nor by the other trainer.
    let said = refusal(train(
        &home,
        &["--trainer", "native", "--resume", "--python", "auto"],
    ));
    assert!(said.contains("a run of the other trainer"), "{said}");
    let resumed = events(&done(train(&home, &["--resume", "--json"])));
    let steps = resumed.iter().filter(|e| e["event"] == "step");
    let steps: Vec<u64> = steps.map(|e| e["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [3, 4, 5]);
    let db = Db::open_to_read(&home.path("t.db")).unwrap().unwrap();
    assert_eq!(db.training_steps("out", 0).unwrap().len(), 5);
    // With other settings it would be another run.
    let said = refusal(train(&home, &["--resume", "--seed", "9"]));
    assert!(said.contains("seed was 0 and is now 9"), "{said}");
}

#[test]
fn in_the_background_it_is_paused_resumed_and_stopped() {
    let home = home();
    let order = |order| {
        let mut db = Db::open(&home.path("t.db")).unwrap();
        db.order_training("out", order).unwrap();
    };
    let mut command = train(&home, &["--detach"]);
    command.env("HOLD", "1");
    done(command);
    order(TrainOrder::Pause);
    wait_for(&home, TrainingState::Paused);
    let checkpoints = s1_train::checkpoints(&home.path("out"));
    assert_eq!((checkpoints.len(), checkpoints[0].step), (1, 1));
    order(TrainOrder::Resume);
    wait_for(&home, TrainingState::Finished);

    std::fs::remove_dir_all(home.path("out")).unwrap();
    let mut command = train(&home, &["--detach"]);
    command.env("HOLD", "1");
    done(command);
    order(TrainOrder::Stop);
    wait_for(&home, TrainingState::Stopped);
    assert_eq!(read(&home).unwrap().step, 1);
    let db = Db::open_to_read(&home.path("t.db")).unwrap().unwrap();
    let saved = |e: &TrainEvent| matches!(e, TrainEvent::Saved { step: 1, .. });
    assert!(
        db.training_events("out", 0)
            .unwrap()
            .iter()
            .any(|e| saved(&e.event))
    );
}

#[test]
fn what_cannot_run_is_said_before_anything_is_started() {
    let home = home();
    let cases: [(&[&str], &str); 6] = [
        (
            &["--python", "./none"],
            "there is no program ./none; give the Python",
        ),
        (
            &["--launcher", "sh -c 'x'"],
            "--launcher is split at blanks",
        ),
        (
            &["--sharding", "data.jsonl"],
            "no JSON object with settings of FSDP",
        ),
        (
            &["--lora-rank", "full", "--load-in-4bit"],
            "give it a --lora-rank",
        ),
        (
            &["--trainer", "native", "--python", "uv"],
            "--python is a setting of TRL",
        ),
        (
            &["--doctor", "--trainer", "native", "--python", "auto"],
            "--doctor is about TRL",
        ),
    ];
    for (more, expected) in cases {
        let said = refusal(train(&home, more));
        let last = said.lines().last().unwrap();
        assert!(
            last.starts_with("s1-tui: ") && last.contains(expected),
            "{more:?}: {said}"
        );
    }
}

#[test]
fn the_doctor_says_what_is_missing_and_a_run_is_printed_for_another_machine() {
    let home = home();
    let output = train(&home, &["--doctor"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "✓ Python 3.11.7",
        "✓ torch 2.13.0+cpu",
        "✗ trl is missing",
        "✓ peft 0.20.0 (tried with 0.21.2)",
        "✓ no GPU: it computes on the CPU, in float32",
    ] {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
    assert!(said.contains("-m pip install torch==2.13.0"), "{said}");

    let launcher = [
        "--launcher",
        "torchrun --nproc_per_node 2",
        "--python",
        "python3",
    ];
    let output = done(train(
        &home,
        &[&["--print", "bundle"], &launcher[..]].concat(),
    ));
    let command = "python3 -m torch.distributed.run --nproc_per_node 2 driver.py\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), command);
    for name in [
        "driver.py",
        "requirements.txt",
        "job.json",
        "examples.jsonl",
        "steps.jsonl",
        "base/model.safetensors",
        "run.sh",
    ] {
        assert!(home.path("bundle").join(name).is_file(), "{name}");
    }
    let job = std::fs::read_to_string(home.path("bundle/job.json")).unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(
        (&job["model"], &job["checkpoints"]),
        (&"base".into(), &"checkpoints".into())
    );
    assert_eq!(job["watched"], false);
    assert!(!home.path("out").exists() && read(&home).is_none());
}
