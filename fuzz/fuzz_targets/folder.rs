//! A model's folder: settings, vocabulary, and the header of the weights, parted by zero bytes.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use s1_engine::tokenizer_for;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::Place;
use s1_model::gguf::Gguf;
use serde_json::{Map, Value, json};

const NAMES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];
/// Most bytes of weights behind a header.
const WEIGHTS: u64 = 1 << 16;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(s1_fuzz::scratch);

fn settings() -> Value {
    json!({
        "model_type": "llama", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 24, "vocab_size": 4,
        "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "rope_theta": 10_000.0,
        "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "tie_word_embeddings": true,
        "eos_token_id": [3],
    })
}

fn vocabulary() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{
            "id": 3, "content": "<|end|>", "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false,
        }],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]],
        },
    })
}

fn header() -> Vec<u8> {
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let tensors = [
        ("model.embed_tokens.weight".to_owned(), vec![4, 16]),
        ("model.norm.weight".to_owned(), vec![16]),
        (layer("input_layernorm"), vec![16]),
        (layer("post_attention_layernorm"), vec![16]),
        (layer("self_attn.q_proj"), vec![16, 16]),
        (layer("self_attn.k_proj"), vec![8, 16]),
        (layer("self_attn.v_proj"), vec![8, 16]),
        (layer("self_attn.o_proj"), vec![16, 16]),
        (layer("mlp.gate_proj"), vec![24, 16]),
        (layer("mlp.up_proj"), vec![24, 16]),
        (layer("mlp.down_proj"), vec![16, 24]),
    ];
    let (mut map, mut at) = (Map::new(), 0);
    for (name, shape) in tensors {
        let end = at + 4 * shape.iter().product::<usize>();
        let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]});
        map.insert(name, tensor);
        at = end;
    }
    let text = Value::Object(map).to_string().into_bytes();
    [&(text.len() as u64).to_le_bytes()[..], &text, &vec![0; at]].concat()
}

/// The header with as many bytes of weights as it speaks of, up to a bound.
fn with_weights(header: &[u8]) -> Vec<u8> {
    let mut file = header.to_vec();
    let json = header
        .get(8..)
        .and_then(|text| serde_json::from_slice::<Map<String, Value>>(text).ok());
    let tensors = json.iter().flat_map(Map::values);
    let ends = tensors.filter_map(|tensor| tensor["data_offsets"][1].as_u64());
    let weights = ends.max().unwrap_or_default().min(WEIGHTS);
    file.resize(header.len() + weights as usize, 0);
    file
}

fn seed() {
    let parts = [
        settings().to_string().into_bytes(),
        vocabulary().to_string().into_bytes(),
        header(),
    ];
    s1_fuzz::seed("folder", [parts.join(&0)]);
}

fuzz_target!(init: seed(), |data: &[u8]| {
    // The header has zeros of its own.
    for (name, part) in NAMES.iter().zip(data.splitn(NAMES.len(), |&b| b == 0)) {
        let bytes = match *name {
            "model.safetensors" => with_weights(part),
            _ => part.to_vec(),
        };
        s1_fuzz::write(&FOLDER.join(name), &bytes);
    }
    let Ok(gguf) = Gguf::open(&FOLDER) else {
        return;
    };
    if let Ok(tokenizer) = tokenizer_for(&gguf, &FOLDER, None) {
        let ids = tokenizer.encode("ab <|end|> ba\u{301}\n", true);
        let _ = ids.map(|ids| tokenizer.decode(&ids));
    }
    let Ok(decoder) = Decoder::load(&gguf, &Place::Host, &mut |_| true) else {
        return;
    };
    let Ok(mut cache) = decoder.new_cache(4) else {
        return;
    };
    let ids = [0, decoder.config().vocab as u32 - 1];
    let rows = decoder.forward(&mut [(&mut cache, &ids)], Logits::All);
    assert!(rows.expect("a model that loads computes").len() == 2);
});
