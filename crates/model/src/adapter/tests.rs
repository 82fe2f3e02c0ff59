use super::*;
use crate::fixture::tiny_gguf;
use serde_json::{Value, json};

const Q0: &str = "model.layers.0.self_attn.q_proj";
const Q1: &str = "model.layers.1.self_attn.q_proj";

/// An adapter's folder: ranks of some layers (of 64 × 64), and what its settings say beyond the
/// usual. Of each layer, the factors that are wanted.
fn folder(layers: &[(&str, usize, &str)], settings: Value) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut tensors = Vec::new();
    for (layer, rank, factors) in layers {
        for factor in factors.chars() {
            let shape = match factor {
                'A' => vec![*rank, 64],
                _ => vec![64, *rank],
            };
            let name = format!("base_model.model.{layer}.lora_{factor}.weight");
            tensors.push((name, shape, vec![0u8; rank * 64 * 4]));
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(home.path().join(WEIGHTS), bytes).unwrap();
    let mut config = json!({
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"],
    });
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    std::fs::write(home.path().join(CONFIG), config.to_string()).unwrap();
    home
}

/// An adapter of whole tensors, each of one value, by their names behind `base_model.model.`.
fn of_tensors(tensors: &[(&str, &[usize], f32)], settings: Value) -> tempfile::TempDir {
    let home = folder(&[], settings);
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape, value)| value.to_le_bytes().repeat(shape.iter().product()))
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        (format!("base_model.model.{name}"), view)
    });
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(home.path().join(WEIGHTS), file).unwrap();
    home
}

fn open(folder: &tempfile::TempDir) -> Result<PeftAdapter> {
    let gguf = Gguf::from_bytes(tiny_gguf("llama", 3)).unwrap();
    PeftAdapter::open(folder.path(), &gguf)
}

/// A user would lose: the adapter that they trained, to another one that looks like it.
#[test]
fn every_layer_is_scaled_by_its_own_alpha_and_rank() {
    let layers = [(Q0, 4, "AB"), (Q1, 2, "AB")];
    let settings = json!({
        "rank_pattern": {"layers.1.self_attn.q_proj": 2},
        "alpha_pattern": {"layers.0.*": 1},
    });
    let adapter = open(&folder(&layers, settings)).unwrap();
    let scales: Vec<(&str, usize, f32)> = adapter
        .layers
        .iter()
        .map(|(layer, low)| (layer.as_str(), low.rank, low.scale))
        .collect();
    // 1 / 4 and 8 / 2.
    assert_eq!(
        scales,
        [("blk.0.attn_q", 4, 0.25), ("blk.1.attn_q", 2, 4.0)]
    );
}

#[test]
fn what_does_not_fit_its_settings_or_is_not_whole_is_refused_by_name() {
    let both = [(Q0, 4, "AB"), (Q1, 2, "AB")];
    let said = |layers: &[(&str, usize, &str)], settings: Value| {
        format!("{:#}", open(&folder(layers, settings)).unwrap_err())
    };
    let rank = said(&both, json!({}));
    assert!(
        rank.contains("rank 4, and its weights have rank 2"),
        "{rank}"
    );
    let targets = said(&both[..1], json!({"target_modules": ["k_proj"]}));
    assert!(
        targets.contains("which its settings leave out"),
        "{targets}"
    );
    let no_a = said(&[(Q0, 4, "AB"), (Q1, 4, "B")], json!({}));
    assert!(
        no_a.contains("layers.1.self_attn.q_proj has a B without an A"),
        "{no_a}"
    );
    let no_b = said(&[(Q0, 4, "A")], json!({}));
    assert!(no_b.contains("has an A without a B"), "{no_b}");
    let kind = said(&both, json!({"peft_type": "IA3"}));
    assert!(kind.contains("is of type \"IA3\""), "{kind}");

    let pickled = folder(&both, json!({}));
    let weights = pickled.path().join(WEIGHTS);
    std::fs::rename(weights, pickled.path().join(PICKLE)).unwrap();
    let said = format!("{:#}", open(&pickled).unwrap_err());
    assert!(
        said.contains("adapter_model.bin, a format that can run code"),
        "{said}"
    );
}

/// The values of a tensor of the tiny model with an adapter on it.
fn values(adapter: &PeftAdapter, architecture: &str, name: &str) -> Vec<f32> {
    let gguf = Gguf::from_bytes(tiny_gguf(architecture, 3)).unwrap();
    let rows = crate::weights::rows::WeightRows::open(&adapter.onto(gguf), name).unwrap();
    rows.to_vec()
}

/// A user would lose: what was trained beside the low-rank factors, without a word.
#[test]
fn what_was_trained_whole_takes_the_place_of_the_models_own() {
    let norm: (&str, &[usize], f32) = ("model.norm.weight", &[64], 2.5);
    let saved = json!({"modules_to_save": ["norm"]});
    let adapter = open(&of_tensors(&[norm], saved)).unwrap();
    assert_eq!(values(&adapter, "llama", "output_norm.weight"), [2.5; 64]);
    // PEFT takes the end of a name, wherever it begins; a module may be at the top.
    let first: (&str, &[usize], f32) = ("model.layers.0.input_layernorm.weight", &[64], 3.0);
    let saved = json!({"modules_to_save": ["norm", "lm_head"]});
    let gguf = Gguf::from_bytes(tiny_gguf("llama", 3)).unwrap();
    let shape = gguf.tensor("output.weight").unwrap().shape.clone();
    let head: (&str, &[usize], f32) = ("lm_head.weight", &shape, 0.5);
    let adapter = open(&of_tensors(&[head, first], saved)).unwrap();
    assert_eq!(
        values(&adapter, "llama", "blk.0.attn_norm.weight"),
        [3.0; 64]
    );
    assert!(
        values(&adapter, "llama", "output.weight")
            .iter()
            .all(|w| *w == 0.5)
    );
    let unsaid = open(&of_tensors(&[norm], json!({}))).unwrap_err();
    assert!(
        format!("{unsaid:#}").contains("modules_to_save"),
        "{unsaid:#}"
    );
    let unfit = [("model.norm.weight", &[65][..], 1.0)];
    let unfit = open(&of_tensors(&unfit, json!({"modules_to_save": ["norm"]}))).unwrap_err();
    assert!(
        format!("{unfit:#}").contains("the model's is [64]"),
        "{unfit:#}"
    );
    let bias = [("model.layers.0.self_attn.q_proj.bias", &[64][..], 1.0)];
    let bias = open(&of_tensors(&bias, json!({}))).unwrap_err();
    assert!(format!("{bias:#}").contains("(bias)"), "{bias:#}");
}

#[test]
fn the_rows_of_a_dora_have_the_lengths_that_were_trained() {
    let named = |part: &str| format!("{Q0}.{part}");
    let names = ["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"].map(named);
    let tensors: [(&str, &[usize], f32); 3] = [
        (&names[0], &[4, 64], 0.01),
        (&names[1], &[64, 4], 0.5),
        (&names[2], &[64], 3.0),
    ];
    let adapter = open(&of_tensors(&tensors, json!({"use_dora": true}))).unwrap();
    assert!(adapter.layers.is_empty());
    for row in values(&adapter, "llama", "blk.0.attn_q.weight").chunks(64) {
        let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
        assert!((length - 3.0).abs() < 1e-4, "{length}");
    }
    for (tensors, settings) in [
        (&tensors[..], json!({})),
        (&tensors[..2], json!({"use_dora": true})),
    ] {
        let error = open(&of_tensors(tensors, settings)).unwrap_err();
        assert!(format!("{error:#}").contains("use_dora"), "{error:#}");
    }
}

#[test]
fn an_embedding_is_trained_apart_from_the_output_that_it_was() {
    let gguf = || Gguf::from_bytes(tiny_gguf("qwen3", 3)).unwrap();
    assert!(gguf().tensor("output.weight").is_none());
    let [vocab, hidden] = gguf().tensor("token_embd.weight").unwrap().shape[..] else {
        panic!();
    };
    let home = of_tensors(
        &[
            ("model.embed_tokens.lora_embedding_A", &[4, vocab], 0.5),
            ("model.embed_tokens.lora_embedding_B", &[hidden, 4], 0.25),
        ],
        json!({"target_modules": ["embed_tokens"]}),
    );
    let adapter = PeftAdapter::open(home.path(), &gguf()).unwrap();
    let before = values(&PeftAdapter::default(), "qwen3", "token_embd.weight");
    let after = values(&adapter, "qwen3", "token_embd.weight");
    // 8 / 4 times four products of 0.5 and 0.25.
    let moved = before.iter().zip(&after).map(|(a, b)| b - a);
    assert!(moved.into_iter().all(|d| (d - 1.0).abs() < 1e-5));
    assert_eq!(values(&adapter, "qwen3", "output.weight"), before);
}

#[test]
fn an_adalora_weighs_its_directions() {
    let named = |part: &str| format!("{Q0}.{part}");
    let names = ["lora_A", "lora_B", "lora_E"].map(named);
    let tensors: [(&str, &[usize], f32); 3] = [
        (&names[0], &[12, 64], 0.5),
        (&names[1], &[64, 12], 1.0),
        (&names[2], &[12, 1], 3.0),
    ];
    let settings = json!({"peft_type": "ADALORA", "init_r": 12, "rank_pattern": null});
    let adapter = open(&of_tensors(&tensors, settings.clone())).unwrap();
    let low = &adapter.layers["blk.0.attn_q"];
    assert_eq!((low.rank, low.a[0]), (12, 1.5));
    assert!((low.scale - 8.0 / 12.0).abs() < 1e-5);
    let error = open(&of_tensors(&tensors[..2], settings)).unwrap_err();
    assert!(format!("{error:#}").contains("AdaLoRA"), "{error:#}");
}
