//! Records of trainings as version 0.1 wrote them: settings as words of a command line in which
//! defaults were left out, and notes under other names.
//!
//! Read by the defaults of that version, which never change here, whatever they are by now.

use anyhow::{Context, Result, bail};
use s1_core::training::{TrainConfig, TrainEvent};
use serde_json::{Map, Value, json};

/// The settings that words say.
///
/// # Errors
/// If a word was not written by version 0.1.
pub fn config(words: &[String]) -> Result<TrainConfig> {
    let mut config = json!({
        "version": 1, "model": null, "from_scratch": null, "data": "", "out": "",
        "lora_rank": null, "lora_alpha": null, "lora_dropout": 0.0, "epochs": 5, "lr": 1e-5,
        "batch": 16, "block_size": 32768, "pack": false, "max_steps": null, "warmup": 0.05,
        "weight_decay": 1e-4, "clip": 1.0, "grad_accum": 1, "checkpointing": false, "seed": 0,
        "threads": null, "save_every": null, "eval_problems": null, "eval_limit": 40,
        "eval_data": null, "eval_every": null, "sample": null, "sample_every": null,
        "skip_broken": false, "gguf": null,
    });
    for word in words {
        // The default where no rank is given, and refused where one is.
        if word == "--full" {
            continue;
        }
        let word_of = || format!("{word:?} is not a setting of a training");
        let flag = word.strip_prefix("--").with_context(word_of)?;
        let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
        let key = name.replace('-', "_");
        let value = match key.as_str() {
            "model" | "from_scratch" | "data" | "out" | "eval_data" | "eval_problems"
            | "sample" => value.into(),
            "gguf" => value.split(',').collect(),
            _ => serde_json::from_str(value).with_context(word_of)?,
        };
        match config.get_mut(&key) {
            Some(place) => *place = value,
            None => bail!(word_of()),
        }
    }
    serde_json::from_value(config).context("the words of a training do not fit together")
}

/// The event that a note says: it had no step of its own, and a kind instead of an event.
///
/// # Errors
/// If it is not such a note.
pub fn event(step: usize, mut note: Map<String, Value>) -> Result<TrainEvent> {
    let kind = note.remove("what").unwrap_or_default();
    let kind = if kind == "loss" { "eval".into() } else { kind };
    note.insert("event".into(), kind);
    note.insert("step".into(), step.into());
    Ok(serde_json::from_value(note.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::training::{LearnedTurns, Quantization, TrainerKind};

    fn read(line: &str) -> Result<TrainConfig> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        config(&words)
    }

    #[test]
    fn words_mean_what_they_meant() {
        // Written out, so that no later default changes what an old record says.
        let shortest = TrainConfig {
            version: 1,
            trainer: TrainerKind::Native,
            model: Some("bundled:base".into()),
            from_scratch: None,
            family: None,
            template_args: "".parse().unwrap(),
            strict: false,
            data: "bundled:traces".into(),
            out: "/o".into(),
            lora_rank: None,
            lora_alpha: None,
            lora_dropout: 0.0,
            epochs: 5,
            lr: 1e-5,
            batch: 16,
            block_size: Some(32768),
            pack: false,
            max_steps: None,
            warmup: 0.05,
            weight_decay: 1e-4,
            clip: 1.0,
            grad_accum: 1,
            checkpointing: false,
            seed: 0,
            threads: None,
            save_every: None,
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
        let words = "--model=bundled:base --data=bundled:traces --out=/o";
        assert_eq!(read(words).unwrap(), shortest);
        let all = "--from-scratch=c.toml --data=d.jsonl --eval-data=e.jsonl \
             --eval-problems=bundled:held-out --eval-limit=20 --sample=-5+3=? --sample-every=10 \
             --out=/o --full --lora-rank=8 --lora-alpha=32 --lora-dropout=0.1 --epochs=1 --batch=2 \
             --grad-accum=4 --lr=0.001 --warmup=0.1 --weight-decay=0.01 --clip=0 --block-size=512 \
             --pack --max-steps=7 --seed=3 --checkpointing --eval-every=50 --save-every=100 \
             --skip-broken --gguf=f32,q4_0 --threads=1";
        let meant = TrainConfig {
            version: 1,
            trainer: TrainerKind::Native,
            model: None,
            from_scratch: Some("c.toml".into()),
            family: None,
            template_args: "".parse().unwrap(),
            strict: false,
            data: "d.jsonl".into(),
            out: "/o".into(),
            lora_rank: Some(8),
            lora_alpha: Some(32.0),
            lora_dropout: 0.1,
            epochs: 1,
            lr: 1e-3,
            batch: 2,
            block_size: Some(512),
            pack: true,
            max_steps: Some(7),
            warmup: 0.1,
            weight_decay: 0.01,
            clip: 0.0,
            grad_accum: 4,
            checkpointing: true,
            seed: 3,
            threads: Some(1),
            save_every: Some(100),
            save_seconds: None,
            eval_problems: Some("bundled:held-out".into()),
            eval_limit: 20,
            eval_data: Some("e.jsonl".into()),
            eval_every: Some(50),
            sample: Some("-5+3=?".into()),
            sample_every: Some(10),
            skip_broken: true,
            gguf: Some(vec![Quantization::F32, Quantization::Q4_0]),
            turns: LearnedTurns::All,
            cut_thinking: None,
            learn_cut: false,
            python: None,
            launcher: None,
            dtype: None,
            load_in_4bit: false,
            sharding: None,
        };
        assert_eq!(read(all).unwrap(), meant);
    }

    #[test]
    fn what_is_no_setting_is_named() {
        for words in ["--lrr=1", "--epochs=many", "stray"] {
            let error = format!("{:#}", read(words).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
