//! The trainer against PyTorch: twenty steps of full fine-tuning and of LoRA on a tiny Llama.
//!
//! If this fails, a user's fine-tuning is not the method they think it is.

use std::path::Path;

use crate::common::golden;
use s1_model::adapter::PeftAdapter;
use s1_model::gguf::Gguf;
use s1_train::Example;
use s1_train::native::network::{Keep, Network, Scope};
use s1_train::native::optim::{Moments, Optim, norm, update};
use s1_train::native::params::Params;
use s1_train::native::step::Shards;
use serde_json::Value;

fn documents(reference: &Value, batch: usize) -> Vec<Example> {
    let rows = reference["batches"][batch].as_array().unwrap();
    let masks = reference["loss_mask"][batch].as_array().unwrap();
    let document = |(ids, mask): (&Value, &Value)| Example {
        ids: serde_json::from_value(ids.clone()).unwrap(),
        mask: mask
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m.as_u64() == Some(1))
            .collect(),
    };
    rows.iter().zip(masks).map(document).collect()
}

fn close(what: &str, ours: f64, theirs: f64) -> f64 {
    let relative = (ours / theirs - 1.0).abs();
    assert!(relative < 1e-3, "{what}: {ours}, PyTorch has {theirs}");
    relative
}

/// Runs the reference's steps and returns the parameters they end with.
fn run(
    folder: &Path,
    reference: &Value,
    part: &str,
    scope: Scope,
    init: impl Fn(&mut Params),
) -> Params {
    let gguf = Gguf::open(&folder.join("llama.gguf")).unwrap();
    let (network, mut params) = Network::load(&gguf, scope, 0).unwrap();
    init(&mut params);
    let optim = Optim {
        lr: 3e-3,
        weight_decay: 1e-2,
        warmup: 0.1,
        ..Optim::default()
    };
    let steps = reference[part]["steps"].as_array().unwrap();
    let batches = reference["batches"].as_array().unwrap().len();
    let mut moments = Moments::new(params.values.len());
    let mut shards = Shards::new(2, 4, params.values.len(), Keep::All);
    let mut worst = 0f64;
    for (step, theirs) in steps.iter().enumerate() {
        let documents = documents(reference, step % batches);
        let batch = vec![documents.iter().collect::<Vec<_>>()];
        let (sums, grads) = shards.gradient(&network, &params.values, &batch, 0);
        let size = norm(grads);
        let lr = optim.lr * optim.schedule(step, steps.len());
        let what = |name: &str| format!("{part}, step {step}, {name}");
        worst = worst
            .max(close(
                &what("loss"),
                sums.mean(),
                theirs["loss"].as_f64().unwrap(),
            ))
            .max(close(
                &what("norm"),
                size,
                theirs["grad_norm"].as_f64().unwrap(),
            ))
            .max(close(&what("rate"), lr, theirs["lr"].as_f64().unwrap()));
        let scale = if size > optim.clip {
            optim.clip / (size + 1e-6)
        } else {
            1.0
        };
        let grads = grads.to_vec();
        update(
            &optim,
            &mut params,
            &grads,
            &mut moments,
            step,
            lr,
            scale,
            2,
        );
    }
    println!(
        "{part}: {} steps, largest relative difference {worst:.1e}",
        steps.len()
    );
    params
}

fn compare_norms(reference: &Value, part: &str, params: &Params, name: impl Fn(&str) -> String) {
    let norms = reference[part]["final_norms"].as_object().unwrap();
    assert_eq!(norms.len(), params.list.len());
    for param in &params.list {
        let theirs = norms[&name(&param.name)].as_f64().unwrap();
        let ours = norm(&params.values[param.range.clone()]);
        close(&param.name, ours, theirs);
    }
}

#[test]
#[ignore = "needs S1_TUI_GOLDEN"]
fn full_fine_tuning_is_pytorch_s() {
    let folder = golden().join("tiny");
    let text = std::fs::read_to_string(folder.join("sft-llama.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let params = run(&folder, &reference, "full", Scope::Full, |_| {});
    compare_norms(&reference, "full", &params, |name| {
        s1_model::names::hugging_face(name, "llama").unwrap()
    });
}

#[test]
#[ignore = "needs S1_TUI_GOLDEN"]
fn lora_is_pytorch_s() {
    let folder = golden().join("tiny");
    let text = std::fs::read_to_string(folder.join("sft-llama.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let scope = Scope::LowRank {
        rank: 4,
        alpha: 8.0,
        dropout: 0.0,
    };
    let gguf = Gguf::open(&folder.join("llama.gguf")).unwrap();
    let init = PeftAdapter::read_file(&folder.join("lora-init.safetensors"), &gguf, 2.0).unwrap();
    let params = run(&folder, &reference, "lora", scope, |params| {
        for param in &params.list {
            let (prefix, factor) = param.name.rsplit_once('.').unwrap();
            let low_rank = &init.layers[prefix];
            let values = if factor == "lora_a" {
                &low_rank.a
            } else {
                &low_rank.b
            };
            params.values[param.range.clone()].copy_from_slice(values);
        }
    });
    compare_norms(&reference, "lora", &params, |name| {
        let (prefix, factor) = name.rsplit_once('.').unwrap();
        let weight = s1_model::names::hugging_face(&format!("{prefix}.weight"), "llama").unwrap();
        let prefix = weight.strip_suffix(".weight").unwrap();
        let factor = if factor == "lora_a" { "A" } else { "B" };
        format!("base_model.model.{prefix}.{factor}")
    });
}
