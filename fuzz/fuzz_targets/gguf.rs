//! The header of a model file. Weights follow that are always the same: what a file says of itself is
//! what the reader has to face.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use s1_engine::tokenizer_for;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::Place;
use s1_model::fixture::tiny_gguf;
use s1_model::gguf::Gguf;

/// As many bytes of weights as the largest of the tiny models has, and more.
const WEIGHTS: usize = 1 << 19;

fn header(architecture: &str) -> Vec<u8> {
    let mut file = tiny_gguf(architecture, 3);
    let weights = Gguf::from_bytes(file.clone()).map_or(0, |gguf| gguf.weights_bytes());
    file.truncate(file.len() - weights as usize);
    file
}

fn seed() {
    s1_fuzz::seed("gguf", ["llama", "qwen2", "qwen3", "gemma3"].map(header));
}

fn read(data: &[u8]) {
    let mut file = data.to_vec();
    file.resize(data.len() + WEIGHTS, 0x11);
    let Ok(gguf) = Gguf::from_bytes(file) else {
        return;
    };
    for (key, _) in gguf.metadata() {
        let _ = (
            gguf.string(key),
            gguf.strings(key),
            gguf.f32s(key),
            gguf.i32s(key),
        );
    }
    if let Ok(tokenizer) = tokenizer_for(&gguf, Path::new("model.gguf"), None) {
        let ids = tokenizer.encode("ab <think>\u{301}\n", true);
        let _ = ids.map(|ids| tokenizer.decode(&ids));
    }
    let Ok(decoder) = Decoder::load(&gguf, &Place::Host, &mut |_| true) else {
        return;
    };
    let Ok(mut cache) = decoder.new_cache(4) else {
        return;
    };
    let vocab = decoder.config().vocab;
    let ids = [0, vocab as u32 - 1];
    let rows = decoder.forward(&mut [(&mut cache, &ids)], Logits::All);
    let rows = rows.expect("a model that loads computes");
    assert!(rows.len() == 2 && rows.iter().all(|row| row.len() == vocab));
}

fuzz_target!(init: seed(), |data: &[u8]| read(data));
