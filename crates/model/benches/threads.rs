//! The thread pool against rayon: tokens per second of decoding, with 1, 2, … and as many threads
//! as there are: `S1_TUI_MODELS=DIR cargo bench -p s1-model --features rayon --bench threads`.
//!
//! Run it on a quiet machine; both take turns, and the best of each counts.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use s1_data::assets;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::Place;
use s1_model::gguf::Gguf;
use s1_model::parallel::{Pool, default_threads};

const MODEL: &str = "smollm2-135m-instruct-q4_1.gguf";
const REPEATS: usize = 7;

/// Tokens per second of decoding `tokens` tokens one by one.
fn decode(decoder: &Decoder, tokens: usize) -> f64 {
    let mut cache = decoder.new_cache(tokens + 8).unwrap();
    let mut step = |ids: &[u32]| decoder.forward(&mut [(&mut cache, ids)], Logits::Last);
    step(&[1, 2, 3, 4]).unwrap();
    let started = Instant::now();
    for id in 0..tokens as u32 {
        step(&[5 + id % 50]).unwrap();
    }
    tokens as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    let bundled = assets::open_path(assets::REASONER.as_ref()).unwrap();
    let mut models = vec![("bundled", Gguf::from_bytes(bundled.to_vec()).unwrap(), 400)];
    if let Some(folder) = std::env::var_os("S1_TUI_MODELS") {
        let gguf = Gguf::open(&Path::new(&folder).join(MODEL)).unwrap();
        models.push(("SmolLM2-135M", gguf, 32));
    }
    let most = default_threads();
    let mut counts = vec![1, 2, most];
    counts.dedup();
    for (name, gguf, tokens) in models {
        let decoder = Decoder::load(&gguf, &Place::Host, &mut |_| true).unwrap();
        for &threads in &counts {
            let own = Pool::new(threads);
            let rayon = Pool::with_rayon(threads).unwrap();
            let (mut best_own, mut best_rayon) = (0f64, 0f64);
            let time = |pool: &Arc<Pool>, best: &mut f64| {
                pool.enter();
                *best = best.max(decode(&decoder, tokens));
            };
            for _ in 0..REPEATS {
                time(&own, &mut best_own);
                time(&rayon, &mut best_rayon);
            }
            println!(
                "{name}, {threads} threads: pool {best_own:.1} tok/s, rayon {best_rayon:.1} tok/s \
                 ({:+.0} %)",
                100.0 * (best_own / best_rayon - 1.0)
            );
        }
    }
}
