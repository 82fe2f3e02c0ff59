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
                device: &Device::Cpu,
            };
            let x = tensors.embed(&decoder.config, &[text[20 + step], text[9 + step]]);
            batch.inputs(x.unwrap()).unwrap()
        };
        let caches = lanes.each_mut().map(|cache| cache.tensors().unwrap());
        let compute = |inputs: &Inputs| {
            let logits = tensors.compute(&decoder.config, &caches, inputs);
            logits.unwrap().unwrap().to_vec2::<f32>().unwrap()
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
