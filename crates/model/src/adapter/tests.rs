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
