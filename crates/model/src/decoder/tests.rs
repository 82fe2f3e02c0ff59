//! What must hold of every architecture, on tiny models that need no files.

use super::*;
use crate::fixture::{tiny_gguf, tiny_gguf_layers};
use s1_core::rng::Rng;

const ARCHITECTURES: [&str; 5] = ["llama", "qwen2", "qwen3", "gemma3", "gemma3n"];

fn decoder(arch: &str) -> Decoder {
    let gguf = Gguf::from_bytes(tiny_gguf(arch, 7)).unwrap();
    Decoder::load(&gguf, &Place::Host, &mut |_| true).unwrap()
}

fn tokens(seed: u64, n: usize) -> Vec<u32> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.below(260) as u32).collect()
}

fn run(decoder: &Decoder, cache: &mut Cache, ids: &[u32], want: Logits) -> Vec<Vec<f32>> {
    decoder.forward(&mut [(cache, ids)], want).unwrap()
}

/// The logits of every position, computed at once in a fresh cache.
fn fresh(decoder: &Decoder, ids: &[u32]) -> Vec<Vec<f32>> {
    run(
        decoder,
        &mut decoder.new_cache(ids.len()).unwrap(),
        ids,
        Logits::All,
    )
}

fn assert_close(a: &[Vec<f32>], b: &[Vec<f32>], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((a - b).abs() <= 1e-4, "{what}: {a} and {b}");
    }
}

#[test]
fn a_prompt_in_chunks_gives_the_same_logits() {
    for arch in ARCHITECTURES {
        let decoder = decoder(arch);
        let ids = tokens(1, 40);
        let whole = fresh(&decoder, &ids);
        assert!(whole.iter().flatten().all(|x| x.is_finite()));
        for chunk in [1, 7, 16] {
            let mut cache = decoder.new_cache(64).unwrap();
            let rows: Vec<_> = ids
                .chunks(chunk)
                .flat_map(|ids| run(&decoder, &mut cache, ids, Logits::All))
                .collect();
            assert_eq!(cache.len(), 40);
            assert_close(&rows, &whole, arch);
        }
    }
}

#[test]
fn rewinding_leaves_no_trace() {
    for arch in ARCHITECTURES {
        let decoder = decoder(arch);
        let (prompt, wrong, right) = (tokens(2, 20), tokens(3, 15), tokens(4, 9));
        let mut cache = decoder.new_cache(64).unwrap();
        run(&decoder, &mut cache, &prompt, Logits::None);
        run(&decoder, &mut cache, &wrong, Logits::None);
        cache.truncate(17);
        let rows = run(&decoder, &mut cache, &right, Logits::All);
        let whole = fresh(&decoder, &[&prompt[..17], &right].concat());
        assert_close(&rows, &whole[17..], arch);
    }
}

#[test]
fn a_branch_is_independent_of_its_origin() {
    for arch in ARCHITECTURES {
        let decoder = decoder(arch);
        let (prompt, left, right) = (tokens(5, 20), tokens(6, 8), tokens(7, 8));
        let mut cache = decoder.new_cache(32).unwrap();
        run(&decoder, &mut cache, &prompt, Logits::None);
        let mut branch = cache.fork(12, 20).unwrap();
        assert_eq!((branch.len(), branch.capacity()), (12, 20));
        // Both continue in turns: if they shared storage, each would overwrite the other.
        cache.truncate(12);
        let mut rows = [Vec::new(), Vec::new()];
        for (l, r) in left.iter().zip(&right) {
            rows[0].extend(run(&decoder, &mut cache, &[*l], Logits::Last));
            rows[1].extend(run(&decoder, &mut branch, &[*r], Logits::Last));
        }
        for (rows, ids) in rows.iter().zip([left, right]) {
            let whole = fresh(&decoder, &[&prompt[..12], &ids].concat());
            assert_close(rows, &whole[12..], arch);
        }
    }
}

#[test]
fn lanes_of_unequal_length_do_not_disturb_each_other() {
    for arch in ARCHITECTURES {
        let decoder = decoder(arch);
        let before = [tokens(8, 3), tokens(9, 30), tokens(10, 11)];
        let new = [tokens(11, 5), tokens(12, 1), tokens(13, 12)];
        let mut caches: Vec<Cache> = before
            .iter()
            .map(|ids| {
                let mut cache = decoder.new_cache(50).unwrap();
                run(&decoder, &mut cache, ids, Logits::None);
                cache
            })
            .collect();
        let mut twins: Vec<Cache> = caches
            .iter()
            .map(|c| c.fork(c.len(), 50).unwrap())
            .collect();
        let expected: Vec<Vec<f32>> = before
            .iter()
            .zip(&new)
            .flat_map(|(b, n)| fresh(&decoder, &[&b[..], n].concat()).split_off(b.len()))
            .collect();

        let mut lanes: Vec<_> = caches
            .iter_mut()
            .zip(new.iter().map(Vec::as_slice))
            .collect();
        let all = decoder.forward(&mut lanes, Logits::All).unwrap();
        assert_close(&all, &expected, arch);

        let mut lanes: Vec<_> = twins
            .iter_mut()
            .zip(new.iter().map(Vec::as_slice))
            .collect();
        let last = decoder.forward(&mut lanes, Logits::Last).unwrap();
        let ends = [4, 5, 17].map(|row: usize| expected[row].clone());
        assert_close(&last, &ends, arch);
        assert_eq!(twins[2].len(), 23);
    }
}

/// A user would lose: the same words on a GPU. Candle's tensors compute what our kernels do, here on
/// the CPU: rounded weights and caches leave room for a small difference.
/// A user would lose: the same thought at every number of threads.
#[test]
fn lanes_computed_apart_are_those_computed_together() {
    let decoder = decoder("qwen2");
    let prompts: Vec<Vec<u32>> = (0..7).map(|i| tokens(i, 3 + i as usize % 3)).collect();
    let alone: Vec<_> = prompts.iter().map(|ids| fresh(&decoder, ids)).collect();
    for threads in [1, 2, 3, 16] {
        let pool = crate::parallel::Pool::new(threads);
        let rows = std::thread::scope(|scope| {
            let work = || {
                pool.enter();
                let mut caches: Vec<_> = prompts
                    .iter()
                    .map(|ids| decoder.new_cache(ids.len()).unwrap())
                    .collect();
                let lanes = caches.iter_mut().zip(&prompts);
                let mut lanes: Vec<_> = lanes.map(|(cache, ids)| (cache, &ids[..])).collect();
                decoder.forward(&mut lanes, Logits::All).unwrap()
            };
            scope.spawn(work).join().unwrap()
        });
        assert_eq!(rows, alone.concat(), "{threads} threads");
    }
}

#[test]
fn candles_tensors_give_the_same_logits() {
    let place = Place::Tensors(candle_core::Device::Cpu);
    for (arch, allowed) in [
        ("llama", 1e-3),
        ("gemma3", 1e-3),
        ("qwen3", 0.01),
        ("qwen2", 0.01),
    ] {
        let gguf = Gguf::from_bytes(tiny_gguf(arch, 7)).unwrap();
        let tensors = Decoder::load(&gguf, &place, &mut |_| true).unwrap();
        let ids = tokens(5, 40);
        let ours = fresh(&decoder(arch), &ids);
        let mut cache = tensors.new_cache(64).unwrap();
        let mut theirs = run(&tensors, &mut cache, &ids[..30], Logits::All);
        let mut cache = cache.fork(30, 40).unwrap();
        for id in &ids[30..] {
            theirs.extend(run(&tensors, &mut cache, &[*id], Logits::Last));
        }
        for (a, b) in ours.iter().flatten().zip(theirs.iter().flatten()) {
            assert!((a - b).abs() < allowed, "{arch}: {a} and {b}");
        }
    }
}

/// A user would lose: the right words after a probe, or after a draft that was not taken.
#[test]
fn what_was_set_aside_is_taken_in_again_unless_something_was_computed() {
    let decoder = decoder("llama");
    let ids = tokens(8, 30);
    let expected = fresh(&decoder, &ids);
    let mut cache = decoder.new_cache(64).unwrap();
    run(&decoder, &mut cache, &ids[..20], Logits::None);
    cache.set_aside(6);
    assert_eq!(cache.len(), 14);
    assert!(cache.restore(2) && cache.restore(1) && !cache.restore(4));
    let rows = run(&decoder, &mut cache, &ids[17..], Logits::All);
    assert_close(&rows, &expected[17..], "restored");
    assert!(!cache.restore(1));
    // What is computed writes over it, and what is forgotten ends it.
    cache.set_aside(6);
    run(&decoder, &mut cache, &[1, 2], Logits::None);
    assert!(!cache.restore(1));
    cache.set_aside(6);
    cache.truncate(4);
    assert!(!cache.restore(1));
}

#[test]
fn a_window_hides_what_lies_before_it() {
    // One windowed layer only: what is more than a window back cannot reach the logits at all.
    let file = tiny_gguf_layers("gemma3", 7, 1);
    let gguf = Gguf::from_bytes(file).unwrap();
    let decoder = Decoder::load(&gguf, &Place::Host, &mut |_| true).unwrap();
    assert_eq!(decoder.config().window_of(0), Some(8));
    let (mut a, mut b) = (tokens(14, 12), tokens(14, 12));
    (a[3], b[3]) = (10, 20);
    let (a, b) = (fresh(&decoder, &a), fresh(&decoder, &b));
    assert_ne!(a[10], b[10], "the eighth token still sees it");
    assert_eq!(a[11], b[11], "the ninth does not");
}

#[test]
fn requests_that_cannot_be_met_are_refused_and_change_nothing() {
    let decoder = decoder("llama");
    let mut cache = decoder.new_cache(8).unwrap();
    run(&decoder, &mut cache, &[1, 2, 3, 4, 5], Logits::None);
    let mut refusal = |ids: &[u32]| {
        let error = decoder
            .forward(&mut [(&mut cache, ids)], Logits::Last)
            .unwrap_err();
        assert_eq!(cache.len(), 5);
        error.to_string()
    };
    assert_eq!(refusal(&[]), "a lane has no tokens to append");
    assert_eq!(
        refusal(&[3, 272]),
        "token 272 is beyond the vocabulary of 272"
    );
    assert_eq!(
        refusal(&[1, 2, 3, 4]),
        "the context is full: 4 tokens do not fit after 5 of 8"
    );
    assert!(decoder.forward(&mut [], Logits::Last).is_err());
    assert!(decoder.new_cache(0).is_err());
    assert!(
        decoder
            .new_cache(1 << 50)
            .unwrap_err()
            .to_string()
            .contains("use a smaller context")
    );
    assert!(cache.fork(6, 8).is_err(), "more than is remembered");
    assert!(cache.fork(5, 4).is_err(), "more than fits");
    cache.truncate(9);
    assert_eq!(cache.len(), 5, "truncating never lengthens");
}

#[test]
fn loading_reports_progress_and_can_be_cancelled() {
    let gguf = Gguf::from_bytes(tiny_gguf("qwen3", 7)).unwrap();
    let mut seen = Vec::new();
    Decoder::load(&gguf, &Place::Host, &mut |f| {
        seen.push(f);
        true
    })
    .unwrap();
    assert!(seen.is_sorted() && seen.first() == Some(&0.0) && seen.last() == Some(&1.0));
    let cancelled = Decoder::load(&gguf, &Place::Host, &mut |f| f < 0.5).unwrap_err();
    assert_eq!(cancelled.to_string(), "loading was cancelled");
}

#[test]
fn the_decoder_can_move_to_a_thread() {
    fn is_send<T: Send>() {}
    is_send::<Decoder>();
    is_send::<Cache>();
}

/// Replaces the little-endian u32 after a key by another value.
fn with_u32(mut file: Vec<u8>, key: &str, value: u32) -> Vec<u8> {
    let at = file
        .windows(key.len())
        .position(|w| w == key.as_bytes())
        .unwrap()
        + key.len()
        + 4;
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    file
}

#[test]
fn senseless_hyper_parameters_are_named() {
    let refusal = |key: &str, value: u32| {
        let file = with_u32(tiny_gguf("llama", 7), key, value);
        let gguf = Gguf::from_bytes(file).unwrap();
        let error = Decoder::load(&gguf, &Place::Host, &mut |_| true).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refusal("llama.attention.head_count", 0),
        "llama.attention.head_count is 0; 1 to 1024 is accepted"
    );
    assert_eq!(
        refusal("llama.attention.head_count_kv", 3),
        "4 attention heads do not divide among 3 key/value heads"
    );
    assert_eq!(
        refusal("llama.block_count", 2000),
        "llama.block_count is 2000; 1 to 1024 is accepted"
    );
    assert_eq!(
        refusal("llama.block_count", 3),
        "the file has no tensor blk.2.attn_norm.weight"
    );
    assert_eq!(
        refusal("llama.embedding_length", 32),
        "tensor token_embd.weight has the shape [272, 64]; the metadata implies [272, 32]"
    );
    assert_eq!(
        refusal("llama.attention.key_length", u32::MAX),
        "llama.attention.key_length is 4294967295; 1 to 4096 is accepted"
    );
    assert_eq!(
        refusal("llama.attention.key_length", 15),
        "a rotary embedding of 15 dimensions does not fit heads of 15"
    );
    let nan = refusal("llama.rope.freq_base", f32::NAN.to_bits());
    assert_eq!(nan, "llama.rope.freq_base is not a finite number");
}

#[test]
fn an_unknown_architecture_is_named() {
    let gguf = Gguf::from_bytes(tiny_gguf("mamba", 7)).unwrap();
    let error = Decoder::load(&gguf, &Place::Host, &mut |_| true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the architecture \"mamba\" is not supported (llama, qwen2, qwen3, gemma3, smollm3, granite, phi3, mistral3, qwen2moe, qwen3moe, gpt-oss, gemma3n are)"
    );
}

/// A user would lose: a sentence instead of another model's words.
#[test]
fn what_is_for_the_cpu_alone_is_refused_elsewhere_and_goes_nowhere_by_itself() {
    let gguf = Gguf::from_bytes(tiny_gguf("gemma3n", 7)).unwrap();
    let place = Place::Tensors(candle_core::Device::Cpu);
    let error = Decoder::load(&gguf, &place, &mut |_| true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the architecture gemma3n is computed on the CPU alone, not on candle-cpu: give --device cpu"
    );
    let place = crate::device::DeviceChoice::Auto.for_model(&gguf).unwrap();
    assert_eq!(place.name(), "cpu");
}

#[test]
fn layers_that_see_another_s_keys_and_values_remember_none() {
    let decoder = decoder("gemma3n");
    let config = decoder.config();
    assert_eq!((config.layers, config.own_kv), (10, 7));
    let seen: Vec<usize> = (5..10).map(|layer| config.kv_of(layer)).collect();
    assert_eq!(seen, [5, 6, 6, 6, 4]);
    assert_eq!(decoder.new_cache(8).unwrap().layers(), 7);
    // Tokens that have nothing to say to the layers say what the first one does.
    let streams = config.streams.unwrap();
    assert!(streams.embedded < config.vocab);
    let last = fresh(&decoder, &[1, config.vocab as u32 - 1]);
    assert!(last.iter().flatten().all(|x| x.is_finite()));
}
