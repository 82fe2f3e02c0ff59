use super::*;
use s1_core::rng::{mix, unit};
use s1_model::cache::Cache;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::Place;
use s1_model::fixture::tiny_gguf;

const LOW_RANK: Scope = Scope::LowRank {
    rank: 4,
    alpha: 8.0,
    dropout: 0.0,
};

fn documents() -> Vec<Example> {
    let document = |len: usize, prompt: usize, seed: u64| Example {
        ids: (0..len)
            .map(|i| (mix(seed, i as u64) % 256) as u32)
            .collect(),
        mask: (0..len).map(|i| i >= prompt && i != len - 2).collect(),
    };
    vec![document(23, 5, 1), document(9, 0, 2), document(70, 60, 3)]
}

fn load(arch: &str, scope: Scope) -> (Network, Params) {
    let gguf = Gguf::from_bytes(tiny_gguf(arch, 5)).unwrap();
    let (network, mut params) = Network::load(&gguf, scope, 1).unwrap();
    if scope != Scope::Full {
        // B starts at zero, where A has no gradient.
        for param in params.list.iter().filter(|p| p.name.ends_with("lora_b")) {
            for i in param.range.clone() {
                params.values[i] = 0.2 * unit(mix(9, i as u64)) - 0.1;
            }
        }
    }
    (network, params)
}

fn gradient(network: &Network, params: &Params, keep: Keep, dropout: Option<u64>) -> Vec<f32> {
    let documents = documents();
    let documents: Vec<&Example> = documents.iter().collect();
    let mut grads = vec![0.0; params.values.len()];
    let mut tape = Tape::new(keep, 1);
    let grads_and_factor = Some((&mut grads[..], 0.1));
    network.loss(
        &params.values,
        &documents,
        grads_and_factor,
        dropout,
        &mut tape,
    );
    grads
}

/// The slope along a random direction within one tensor, by central differences.
fn slope(network: &Network, params: &Params, name: &str, direction: &[f32]) -> f64 {
    let documents = documents();
    let documents: Vec<&Example> = documents.iter().collect();
    let (param, _) = params.get(name).unwrap();
    let mut tape = Tape::new(Keep::All, 1);
    let mut at = |step: f32| {
        let mut values = params.values.clone();
        for (value, d) in values[param.range.clone()].iter_mut().zip(direction) {
            *value += step * d;
        }
        network.loss(&values, &documents, None, None, &mut tape)
    };
    let step = 5e-3;
    // A five-point stencil: the error falls with the fourth power of the step.
    let near = at(step) - at(-step);
    let far = at(2.0 * step) - at(-2.0 * step);
    0.1 * (8.0 * near - far) / (12.0 * f64::from(step))
}

#[test]
fn gradients_agree_with_finite_differences_for_every_tensor_of_every_architecture() {
    for arch in ["llama", "qwen2", "qwen3", "gemma3"] {
        for scope in [Scope::Full, LOW_RANK] {
            let (network, params) = load(arch, scope);
            let grads = gradient(&network, &params, Keep::All, None);
            for param in &params.list {
                let mut direction: Vec<f32> = param
                    .range
                    .clone()
                    .map(|i| 2.0 * unit(mix(77, i as u64)) - 1.0)
                    .collect();
                let norm = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
                direction.iter_mut().for_each(|d| *d /= norm);
                let along: f64 = grads[param.range.clone()]
                    .iter()
                    .zip(&direction)
                    .map(|(g, d)| f64::from(g * d))
                    .sum();
                let size = f64::from(
                    grads[param.range.clone()]
                        .iter()
                        .map(|g| g * g)
                        .sum::<f32>()
                        .sqrt(),
                );
                let measured = slope(&network, &params, &param.name, &direction);
                assert!(
                    (along - measured).abs() < 2e-3 * size.max(1.0),
                    "{arch} {scope:?} {}: {along} by the backward pass, {measured} measured, \
                     of a gradient of {size}",
                    param.name
                );
            }
        }
    }
}

#[test]
fn checkpointing_gives_the_same_gradients() {
    for arch in ["qwen2", "gemma3"] {
        for (scope, dropout) in [(Scope::Full, None), (LOW_RANK, Some(3))] {
            let (network, params) = load(arch, scope);
            let all = gradient(&network, &params, Keep::All, dropout);
            let inputs = gradient(&network, &params, Keep::Inputs, dropout);
            assert_eq!(all, inputs, "{arch} {scope:?}");
        }
    }
}

#[test]
fn documents_of_a_batch_do_not_see_each_other() {
    let (network, params) = load("llama", Scope::Full);
    let documents = documents();
    let mut tape = Tape::new(Keep::All, 1);
    let mut loss = |d: &[&Example]| network.loss(&params.values, d, None, None, &mut tape);
    let together = loss(&documents.iter().collect::<Vec<_>>());
    let alone: f64 = documents.iter().map(|d| loss(&[d])).sum();
    assert!(
        (together - alone).abs() < 1e-4 * together,
        "{together} {alone}"
    );
}

#[test]
fn what_is_trained_is_what_is_decoded() {
    for arch in ["llama", "gemma3"] {
        let gguf = Gguf::from_bytes(tiny_gguf(arch, 5)).unwrap();
        let (network, params) = Network::load(&gguf, Scope::Full, 1).unwrap();
        let decoder = Decoder::load(&gguf, &Place::Host, &mut |_| true).unwrap();
        let document = &documents()[0];
        let mut cache: Cache = decoder.new_cache(64).unwrap();
        let lane = (&mut cache, &document.ids[..]);
        let rows = decoder.forward(&mut [lane], Logits::All).unwrap();
        let mut expected = 0.0;
        for i in 1..document.ids.len() {
            if document.mask[i] {
                let row = &rows[i - 1];
                let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
                expected += sum.ln() - f64::from(row[document.ids[i] as usize]);
            }
        }
        let mut tape = Tape::new(Keep::All, 1);
        let loss = network.loss(&params.values, &[document], None, None, &mut tape);
        assert!(
            (loss - expected).abs() < 1e-4 * expected,
            "{arch}: {loss} {expected}"
        );
    }
}

#[test]
fn dropout_keeps_the_mean_and_depends_on_the_seed_alone() {
    let scope = Scope::LowRank {
        rank: 4,
        alpha: 8.0,
        dropout: 0.5,
    };
    let (network, params) = load("qwen3", scope);
    let once = gradient(&network, &params, Keep::All, Some(3));
    assert_eq!(once, gradient(&network, &params, Keep::All, Some(3)));
    assert_ne!(once, gradient(&network, &params, Keep::All, Some(4)));
    let mean: f32 = (0..10_000)
        .map(|i| {
            network.layers[0]
                .query
                .low_rank
                .as_ref()
                .unwrap()
                .keeps(1, i)
        })
        .sum::<f32>()
        / 10_000.0;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
}
