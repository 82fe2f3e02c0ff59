//! Trainings that version 0.1 recorded.
//!
//! If these fail, a user who updates the program loses the list of trainings, sees settings that a
//! training was not made with, or cannot go on from a checkpoint. The records are in
//! `tests/fixtures/training-0.1`: `full` and `lora` ended after six steps, `failed` had data
//! without answers, and `lora` has two orders waiting.

use std::path::{Path, PathBuf};

use s1_core::training::{
    LearnedTurns, Quantization, TrainConfig, TrainEvent, TrainOrder, TrainStep, TrainerKind,
};
use s1_store::Db;
use s1_store::training::TrainingState;

use crate::common::Home;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training-0.1");
    folder.join(name)
}

/// A home with some files of version 0.1 in it.
fn home(files: &[(&str, &str)]) -> Home {
    let home = Home::new();
    for (from, to) in files {
        let to = home.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixture(from), to).unwrap();
    }
    home
}

#[test]
fn the_database_opens_and_every_training_says_what_it_was_made_with() {
    let home = home(&[("trainings.db", "t.db")]);
    let mut db = Db::open(&home.path("t.db")).unwrap();
    let names: Vec<String> = db
        .trainings()
        .unwrap()
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert_eq!(names, ["failed", "lora", "full"]);

    // The defaults of that version, written out: a later default must not change them.
    let full = db.training("full").unwrap().unwrap();
    let expected = TrainConfig {
        version: 1,
        trainer: TrainerKind::Native,
        model: None,
        from_scratch: Some("/tmp/f/model.toml".into()),
        family: None,
        template_args: "".parse().unwrap(),
        strict: false,
        data: "/tmp/f/data.jsonl".into(),
        out: "/tmp/f/full".into(),
        lora_rank: None,
        lora_alpha: None,
        lora_dropout: 0.0,
        epochs: 5,
        lr: 0.01,
        batch: 2,
        block_size: Some(32768),
        threads: Some(1),
        pack: false,
        max_steps: Some(6),
        warmup: 0.05,
        weight_decay: 1e-4,
        clip: 1.0,
        grad_accum: 1,
        checkpointing: false,
        seed: 0,
        save_every: Some(2),
        save_seconds: None,
        eval_problems: None,
        eval_limit: 40,
        eval_data: None,
        eval_every: None,
        sample: None,
        sample_every: None,
        skip_broken: false,
        gguf: None,
        turns: LearnedTurns::All,
        cut_thinking: None,
        learn_cut: false,
        python: None,
        launcher: None,
        dtype: None,
        load_in_4bit: false,
        sharding: None,
    };
    assert_eq!(full.config, expected);
    assert_eq!(
        (full.state, full.step, full.steps),
        (TrainingState::Finished, 6, 6)
    );
    let steps = db.training_steps("full", 0).unwrap();
    assert_eq!(steps.len(), 6);
    let TrainStep {
        step,
        steps,
        loss,
        lr,
        ..
    } = steps[0];
    assert_eq!((step, steps, lr), (1, 6, 0.01));
    assert!((loss - 6.3613).abs() < 1e-4, "{loss}");

    let lora = db.training("lora").unwrap().unwrap().config;
    assert_eq!((lora.lora_rank, lora.lora_dropout), (Some(2), 0.1));
    assert_eq!((lora.grad_accum, lora.clip, lora.pack), (2, 0.0, true));
    assert_eq!(lora.sample.as_deref(), Some("-5+3?"));
    assert_eq!(lora.gguf, Some(vec![Quantization::F32, Quantization::Q4_0]));
    let events = db.training_events("lora", 0).unwrap();
    let count = |is: fn(&TrainEvent) -> bool| events.iter().filter(|e| is(&e.event)).count();
    assert_eq!(count(|e| matches!(e, TrainEvent::Eval { .. })), 3);
    assert_eq!(count(|e| matches!(e, TrainEvent::Accuracy { n: 2, .. })), 3);
    assert_eq!(count(|e| matches!(e, TrainEvent::Sample { .. })), 4);
    assert_eq!(count(|e| matches!(e, TrainEvent::Saved { .. })), 6);
    assert_eq!(count(|e| matches!(e, TrainEvent::Written { .. })), 3);
    assert_eq!(events[0].event.step(), 1);
    let orders = db.take_training_orders("lora").unwrap();
    assert_eq!(orders, [TrainOrder::Pause, TrainOrder::Rate(0.5)]);

    let failed = db.training("failed").unwrap().unwrap();
    assert_eq!(failed.state, TrainingState::Failed);
    assert!(failed.fault.unwrap().contains("it has no answer"));
}

#[test]
fn a_checkpoint_goes_on_and_ends_with_the_weights_it_would_have_had() {
    let home = home(&[
        ("model.toml", "model.toml"),
        ("data.jsonl", "data.jsonl"),
        ("full/model-q8_0.gguf", "base.gguf"),
        (
            "full/step-0000002.safetensors",
            "full/checkpoints/step-0000002.safetensors",
        ),
        (
            "lora/step-0000004.safetensors",
            "lora/checkpoints/step-0000004.safetensors",
        ),
    ]);
    let full = "--from-scratch model.toml --data data.jsonl --out full --batch 2 --threads 1 \
        --max-steps 6 --lr 0.01 --resume";
    let lora = "--model base.gguf --data data.jsonl --out lora --lora-rank 2 --lora-dropout 0.1 \
        --epochs 3 --batch 1 --grad-accum 2 --lr 0.001 --warmup 0.1 --weight-decay 0.01 --clip 0 \
        --block-size 128 --pack --seed 3 --checkpointing --threads 1 --resume";
    for (words, weights) in [
        (full, "full/model.safetensors"),
        (lora, "lora/adapter_model.safetensors"),
    ] {
        let mut command = home.command();
        command.arg("train").args(words.split_whitespace());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("steps are done already"), "{said}");
        let ours = values(&home.path(weights));
        let theirs = values(&fixture(weights));
        assert_eq!(ours.len(), theirs.len());
        // Exactly the same on one kind of processor, and all but the same on another.
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-4, "{weights}: {a} {b}");
        }
    }
}

/// The numbers of a safetensors file.
fn values(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (floats, _) = bytes[8 + header..].as_chunks::<4>();
    floats.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
