//! Damaged model files: whatever is done to a file, reading it ends in a model or in an error,
//! never in a panic, and never in memory that the file does not justify.
//!
//! A short run by default; `S1_TUI_FUZZ_SECONDS` makes it long. The seed is printed.

use std::time::{Duration, Instant};

use crate::measure;
use s1_core::rng::Rng;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::Place;
use s1_model::fixture::tiny_gguf;
use s1_model::gguf::Gguf;

/// Extra memory that reading one damaged file of about 100 KB may take at its peak.
const MEMORY_LIMIT: usize = 64 << 20;

/// Bytes at the start of a tiny model that hold its hyper-parameters, before the vocabulary.
const HYPER_PARAMETERS: usize = 700;

/// Where the header ends: damage there is what the parser has to face.
fn header_len(file: &[u8]) -> usize {
    let gguf = Gguf::from_bytes(file.to_vec()).unwrap();
    file.len() - (gguf.weights_bytes() as usize).min(file.len())
}

fn damage(file: &mut Vec<u8>, header: usize, rng: &mut Rng) {
    // Half of the files keep their length, so that some get past the reader.
    let kinds = if rng.below(2) == 0 { 3 } else { 7 };
    for _ in 0..1 + rng.below(3) {
        if file.is_empty() {
            return;
        }
        // The hyper-parameters come first, then the rest of the header, then the weights.
        let end = match rng.below(8) {
            0..4 => HYPER_PARAMETERS.min(file.len()),
            4..7 => header.min(file.len()),
            _ => file.len(),
        };
        let at = rng.below(end);
        match rng.below(kinds) {
            0 => file[at] ^= 1 << rng.below(8),
            1 => file[at] = rng.bits() as u8,
            2 => {
                // A count, length, offset or size: plausible, huge, or about to overflow.
                let value = match rng.below(5) {
                    0 => rng.bits(),
                    1 => u64::MAX - rng.below(64) as u64,
                    2 => 1 << rng.below(64),
                    3 => rng.below(1 << 20) as u64,
                    _ => rng.below(64) as u64,
                };
                let width = if rng.below(2) == 0 { 8 } else { 4 };
                let end = (at + width).min(file.len());
                let bytes = value.to_le_bytes();
                file[at..end].copy_from_slice(&bytes[..end - at]);
            }
            3 => file.truncate(at),
            4 => {
                let from = rng.below(end);
                let len = rng.below(64).min(file.len() - from.max(at));
                file.copy_within(from..from + len, at);
            }
            5 => {
                let len = rng.below(32).min(file.len() - at);
                file.drain(at..at + len);
            }
            _ => {
                let len = rng.below(32);
                let noise: Vec<u8> = (0..len).map(|_| rng.bits() as u8).collect();
                file.splice(at..at, noise);
            }
        }
    }
}

/// What happened to one file: refused by the parser, by the decoder, or computed with.
fn try_file(file: Vec<u8>) -> usize {
    let Ok(gguf) = Gguf::from_bytes(file) else {
        return 0;
    };
    for (key, _) in gguf.metadata() {
        gguf.string(key);
        gguf.strings(key);
        gguf.f32s(key);
        gguf.i32s(key);
    }
    let Ok(decoder) = Decoder::load(&gguf, &Place::Host, &mut |_| true) else {
        return 1;
    };
    let Ok(mut cache) = decoder.new_cache(8) else {
        return 1;
    };
    // Damage can leave as little as one token.
    let vocab = decoder.config().vocab;
    let ids = [0, vocab / 2, vocab - 1].map(|id| id as u32);
    match decoder.forward(&mut [(&mut cache, &ids)], Logits::All) {
        Ok(rows) => {
            assert_eq!(rows.len(), 3);
            assert!(rows.iter().all(|row| row.len() == vocab));
        }
        other => panic!("a model that loads must compute: {other:?}"),
    }
    2
}

#[test]
fn damaged_files_never_panic_and_never_take_much_memory() {
    let _alone = measure::alone();
    let seconds = std::env::var("S1_TUI_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let seed = std::env::var("S1_TUI_FUZZ_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let files: Vec<(Vec<u8>, usize)> = ["llama", "qwen2", "qwen3", "gemma3"]
        .map(|arch| tiny_gguf(arch, 3))
        .map(|file| (file.clone(), header_len(&file)))
        .to_vec();
    let start = Instant::now();
    let (mut outcomes, mut worst) = ([0usize; 3], 0);
    loop {
        let done = outcomes.iter().sum::<usize>();
        let enough = match seconds {
            Some(seconds) => start.elapsed() >= Duration::from_secs(seconds),
            None => done == 400,
        };
        if enough {
            break;
        }
        let (file, header) = &files[rng.below(files.len())];
        let mut file = file.clone();
        damage(&mut file, *header, &mut rng);

        // Kept by name, so that a failure leaves behind what caused it.
        let kept = file.clone();
        let (outcome, used) = measure::peak_of(|| std::panic::catch_unwind(|| try_file(file)));
        worst = worst.max(used);
        if outcome.is_err() || used > MEMORY_LIMIT {
            let path = std::env::temp_dir().join(format!("s1-tui-fuzz-{seed}-{done}.gguf"));
            std::fs::write(&path, kept).unwrap();
            panic!(
                "file {done} of seed {seed} took {used} bytes; kept as {}",
                path.display()
            );
        }
        outcomes[outcome.unwrap_or(0)] += 1;
    }
    let [parser, decoder, computed] = outcomes;
    println!(
        "{} files: {parser} refused by the reader, {decoder} by the decoder, {computed} computed; \
         at most {} KiB",
        parser + decoder + computed,
        worst >> 10
    );
    assert!(
        parser > 0 && computed > 0,
        "the damage is neither too mild nor too strong"
    );
}
