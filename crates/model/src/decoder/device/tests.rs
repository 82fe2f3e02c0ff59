//! Steps that can be repeated, held against passes that cannot: what a GPU records is computed here by
//! candle on the CPU.

use candle_core::Device;

use super::*;
use crate::cache::Cache;
use crate::decoder::{Body, Decoder};
use crate::device::Place;
use crate::fixture::tiny_gguf;
use crate::gguf::Gguf;

fn decoder(architecture: &str) -> Decoder {
    let gguf = Gguf::from_bytes(tiny_gguf(architecture, 1)).unwrap();
    let place = Place::Tensors(Device::Cpu);
    Decoder::load(&gguf, &place, &mut |_| true).unwrap()
}

fn ids(n: u32) -> Vec<u32> {
    (0..n).map(|i| (i * 37 + 11) % 250).collect()
}

/// A cache that remembers these tokens.
fn remembers(decoder: &Decoder, ids: &[u32], capacity: usize) -> Cache {
    let mut cache = decoder.new_cache(capacity).unwrap();
    decoder
        .forward(&mut [(&mut cache, ids)], Logits::None)
        .unwrap();
    cache
}

fn near(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-4, "{a} and {b}");
    }
}

/// A user would lose: every answer on a GPU, where a step sees keys that are not there yet.
#[test]
fn a_step_sees_what_the_pass_over_the_whole_text_sees() {
    // From within one bucket of keys into the next, and to the end of the room there is.
    for architecture in ["llama", "qwen3", "gemma3"] {
        let decoder = decoder(architecture);
        let text = ids(262);
        let mut whole = decoder.new_cache(262).unwrap();
        let all = decoder.forward(&mut [(&mut whole, &text)], Logits::All);
        let all = all.unwrap();
        let mut cache = remembers(&decoder, &text[..250], 262);
        for at in 250..262 {
            let step = decoder.forward(&mut [(&mut cache, &text[at..=at])], Logits::Last);
            near(&step.unwrap()[0], &all[at]);
        }
    }
}

/// A user would lose: the text from the second token on, if a recorded step went on with the first.
#[test]
fn inputs_that_take_over_a_later_step_are_that_step() {
    for architecture in ["llama", "gemma3"] {
        let decoder = decoder(architecture);
        let Body::Tensor(tensors) = &decoder.body else {
            panic!("it computes through tensors");
        };
        let text = ids(24);
        // Two lanes of unequal length.
        let mut lanes = [
            remembers(&decoder, &text[..20], 40),
            remembers(&decoder, &text[..9], 30),
        ];
        let expected = {
            let mut copies = lanes
                .each_ref()
                .map(|cache| cache.fork(cache.len(), 40).unwrap());
            let [a, b] = &mut copies;
            let mut batch = [(a, &text[20..21]), (b, &text[9..10])];
            decoder.forward(&mut batch, Logits::Last).unwrap();
            let [a, b] = &mut copies;
            let mut batch = [(a, &text[21..22]), (b, &text[10..11])];
            decoder.forward(&mut batch, Logits::Last).unwrap()
        };
        let inputs = |step: usize| {
            let span = |row, position| Span {
                row,
                tokens: 1,
                position: position + step,
            };
            let batch = Batch {
                config: &decoder.config,
                ropes: (&decoder.rope, &decoder.local_rope),
                spans: &[span(0, 20), span(1, 9)],
                capacities: vec![40, 30],
                want: Logits::Last,
                reduced: false,
                device: &Device::Cpu,
            };
            let x = tensors.embed(&decoder.config, &[text[20 + step], text[9 + step]]);
            batch.inputs(x.unwrap()).unwrap()
        };
        let caches = lanes.each_mut().map(|cache| cache.tensors().unwrap());
        let compute = |inputs: &Inputs| {
            let logits = tensors.compute(&decoder.config, &caches, inputs);
            logits.unwrap().unwrap().logits.to_vec2::<f32>().unwrap()
        };
        let held = inputs(0);
        assert_eq!(held.repeats, Some(vec![40, 30]));
        compute(&held);
        held.take(&inputs(1)).unwrap();
        for (a, b) in compute(&held).iter().zip(&expected) {
            near(a, b);
        }
    }
}

/// A user would lose: probabilities, alternatives and draws on a GPU, where no more than this is copied.
#[test]
fn what_is_kept_of_a_row_says_what_the_whole_row_says() {
    use crate::sampler::LogitsRow;

    // Less than one piece, several, several times over; with padding behind.
    for vocab in [64, 100, 1024, 1500, 40_000] {
        let mut rng = s1_core::rng::Rng::new(vocab as u64);
        let width = vocab + 7;
        let mut rows: Vec<Vec<f32>> = (0..3)
            .map(|_| (0..width).map(|_| 12.0 * rng.signed_unit()).collect())
            .collect();
        rows[0][vocab + 2] = 99.0;
        rows[1][5..9].copy_from_slice(&[f32::NAN, f32::NEG_INFINITY, 30.0, 30.0]);
        rows[2][3] = f32::INFINITY;
        let logits = Tensor::new(rows.clone(), &Device::Cpu).unwrap();
        let named = [1, 5, vocab as u32 - 1];
        let reduction = Reduction::new(vocab, &named, &Device::Cpu)
            .unwrap()
            .unwrap();
        let kept = reduction.of(&logits).unwrap();
        let read = reduction.read(&kept, &logits).unwrap();
        assert_eq!(read.len(), rows.len());
        for (row, kept) in rows.iter().zip(&read) {
            let PositionLogits::Best(best) = kept else {
                panic!("the row is reduced");
            };
            let whole = LogitsRow::new(row, vocab, 8);
            let asked = [named[0], named[1], named[2], whole.top[4].0];
            // Of what is at hand alone.
            let found = best.read(8, &asked).unwrap();
            assert!((found.entropy - whole.entropy).abs() < 1e-4);
            assert_eq!(found.top.len(), 8);
            for (a, b) in found.top.iter().zip(&whole.top) {
                assert_eq!(a.0, b.0);
                assert!((a.1 - b.1).abs() < 1e-4 || a.1 == b.1);
            }
            for (id, logprob) in asked.into_iter().zip(found.asked) {
                let exact = whole.logprob(id);
                assert!((logprob - exact).abs() < 1e-4 * exact.abs().max(1.0) || logprob == exact);
            }
            // And of the rest, which is fetched.
            let seldom = (2..vocab as u32)
                .find(|&id| best.read(0, &[id]).is_none() && row[id as usize].is_finite());
            if let Some(seldom) = seldom {
                let read = kept.read(vocab, 8, &[seldom]).unwrap();
                assert_eq!(read.asked, [whole.logprob(seldom)]);
            }
            assert_eq!(seldom.is_none(), vocab == 64);
        }
    }
    // Nothing to reduce, or too much to say in floats.
    for vocab in [0, 63, (1 << 24) + 1] {
        assert!(Reduction::new(vocab, &[], &Device::Cpu).unwrap().is_none());
    }
}

/// A user would lose: the text that the CPU gives.
#[test]
fn tokens_are_drawn_from_what_is_kept_as_from_all() {
    use s1_core::sampling::Sampling;

    let decoder = decoder("llama");
    let vocab = decoder.config.vocab - 3;
    let decoder = decoder.drawn_from(vocab, &[7]).unwrap();
    let mut caches = [
        remembers(&decoder, &ids(9), 64),
        remembers(&decoder, &ids(20), 64),
    ];
    for step in 0..8u64 {
        let [a, b] = &mut caches;
        let input = [step as u32 + 40];
        let whole = {
            let mut copies = [a.fork(a.len(), 64).unwrap(), b.fork(b.len(), 64).unwrap()];
            let [a, b] = &mut copies;
            let mut batch = [(a, &input[..]), (b, &input[..])];
            decoder.forward(&mut batch, Logits::Last).unwrap()
        };
        let mut batch = [(a, &input[..]), (b, &input[..])];
        let kept = decoder.next_logits(&mut batch, Logits::Last).unwrap();
        for (kept, whole) in kept.iter().zip(&whole) {
            assert!(matches!(kept, PositionLogits::Best(_)));
            assert_eq!(*kept.whole().unwrap(), whole[..]);
            for (temperature, top_k, top_p) in [(0.0, 0, 1.0), (0.6, 20, 0.95), (1.0, 0, 1.0)] {
                let s = Sampling {
                    temperature,
                    top_k,
                    top_p,
                    seed: 11,
                    ..Sampling::default()
                };
                let drawn = kept.sample(vocab, &[3], &[], &s, step, 0).unwrap();
                let all = crate::sampler::sample(whole, vocab, &[3], &[], &s, step, 0);
                assert_eq!(drawn, all.unwrap());
            }
        }
    }
}
