//! A GPU computes what the CPU computes: in a build for one (`--features cuda` or `metal`), on a
//! machine that has it.

use crate::common::{Home, MODEL};
use s1_core::sampling::Sampling;
use s1_model::cache::Cache;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::{DeviceChoice, Place};
use s1_model::fixture::tiny_gguf;
use s1_model::gguf::Gguf;
use s1_model::logits::PositionLogits;

const PLACE: DeviceChoice = match cfg!(feature = "cuda") {
    true => DeviceChoice::Cuda(0),
    false => DeviceChoice::Metal,
};

fn decoder(arch: &str, place: &Place) -> Decoder {
    let gguf = Gguf::from_bytes(tiny_gguf(arch, 7)).unwrap();
    Decoder::load(&gguf, place, &mut |_| true).unwrap()
}

fn gpu() -> Place {
    PLACE.open(0).unwrap()
}

fn rows(decoder: &Decoder, lanes: &mut [(&mut Cache, &[u32])]) -> Vec<Vec<f32>> {
    decoder.forward(lanes, Logits::All).unwrap()
}

/// The largest difference between logits.
fn difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn tokens(n: u32) -> Vec<u32> {
    (0..n).map(|i| 32 + i * 7 % 90).collect()
}

/// A user would lose: the model's own words, on a GPU. Weights in full precision leave no room for a
/// difference, rounded ones some.
#[test]
fn every_architecture_gives_the_cpus_logits() {
    for (arch, allowed) in [
        ("llama", 1e-3),
        ("gemma3", 1e-3),
        ("qwen3", 0.01),
        ("qwen2", 0.01),
    ] {
        let [cpu, gpu] = [Place::Host, gpu()].map(|device| {
            let decoder = decoder(arch, &device);
            let mut cache = decoder.new_cache(300).unwrap();
            let ids = tokens(270);
            // A prompt, and then token by token, recorded and repeated on a GPU that can, until the keys
            // are more than one recording is for.
            let mut all = rows(&decoder, &mut [(&mut cache, &ids[..240])]);
            for id in &ids[240..] {
                all.extend(rows(&decoder, &mut [(&mut cache, &[*id])]));
            }
            assert_eq!(decoder.take_notice(), None, "{arch}");
            all
        });
        let difference = difference(&cpu, &gpu);
        println!("{arch}: {difference}");
        assert!(difference < allowed, "{arch}: {difference}");
    }
}

/// A user would lose: comparisons and branches, on a GPU.
#[test]
fn lanes_together_branches_and_rewinds_are_what_they_are_alone() {
    for (arch, allowed) in [("llama", 1e-3), ("gemma3", 1e-3), ("qwen2", 0.1)] {
        let decoder = decoder(arch, &gpu());
        let ids = tokens(30);
        let alone = |ids: &[u32]| {
            let mut cache = decoder.new_cache(64).unwrap();
            rows(&decoder, &mut [(&mut cache, ids)])
        };
        let (mut first, mut second) = (
            decoder.new_cache(64).unwrap(),
            decoder.new_cache(64).unwrap(),
        );
        let both = rows(
            &decoder,
            &mut [(&mut first, &ids[..20]), (&mut second, &ids[5..])],
        );
        assert!(difference(&both[..20], &alone(&ids[..20])) < allowed);
        assert!(difference(&both[20..], &alone(&ids[5..])) < allowed);
        let mut branch = first.fork(10, 64).unwrap();
        first.truncate(15);
        let both = rows(
            &decoder,
            &mut [(&mut branch, &ids[10..]), (&mut first, &ids[15..])],
        );
        let whole = alone(&ids);
        assert!(difference(&both[..20], &whole[10..]) < allowed, "{arch}");
        assert!(difference(&both[20..], &whole[15..]) < allowed, "{arch}");
    }
}

/// A user would lose: the draws, probabilities and alternatives of the CPU, where a GPU keeps the rest to itself.
#[test]
fn tokens_are_drawn_from_what_the_gpu_keeps_ready() {
    let vocab = 200;
    let ids = tokens(40);
    let [host, gpu] = [Place::Host, gpu()].map(|place| {
        let decoder = decoder("llama", &place).drawn_from(vocab, &[7]).unwrap();
        let mut caches = [(); 2].map(|()| decoder.new_cache(64).unwrap());
        let mut steps = Vec::new();
        for id in &ids {
            let batch = caches.each_mut();
            let mut batch = batch.map(|cache| (cache, std::slice::from_ref(id)));
            let rows = decoder.next_logits(&mut batch, Logits::Last).unwrap();
            let read = |row: &PositionLogits| {
                let greedy = row.sample(vocab, &[3], &[], &Sampling::default(), 0, 0);
                (greedy.unwrap(), row.read(vocab, 8, &[7, 9]).unwrap())
            };
            assert_eq!(rows.len(), 2);
            steps.extend(rows.iter().map(read));
        }
        assert_eq!(decoder.take_notice(), None);
        steps
    });
    for (cpu, gpu) in host.iter().zip(&gpu) {
        assert_eq!(cpu.0, gpu.0);
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-3, "{cpu:?} and {gpu:?}");
        near(cpu.1.entropy, gpu.1.entropy);
        for (a, b) in cpu.1.top.iter().zip(&gpu.1.top) {
            assert_eq!(a.0, b.0);
            near(a.1, b.1);
        }
        for (a, b) in cpu.1.asked.iter().zip(&gpu.1.asked) {
            near(*a, *b);
        }
    }
}

/// A user would lose: the whole program, on a GPU.
#[test]
fn the_bundled_reasoner_thinks_there() {
    let home = Home::new();
    let place = PLACE.to_string();
    let output = home
        .command()
        .args(["run", "--model", MODEL, "--json", "--device", &place])
        .args(["--prompt", "How many r in raspberry?", "--waits", "1"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["forced"].as_array().unwrap().len(), 1);
    assert!(run["thinking_tokens"].as_u64().unwrap() > 20, "{run}");
    assert!(run["answer"].is_string(), "{run}");
}
