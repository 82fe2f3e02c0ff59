//! The bundled model and its data: what holds when the recipe is repeated.

use std::collections::HashSet;

use crate::datagen;
use s1_data::assets;
use s1_model::gguf::Gguf;

/// The seeds of `docs/bundled-model.md`.
const BASE_SEED: u64 = 1;
const TRACES_SEED: u64 = 7;
const HELD_OUT_SEED: u64 = 3;

fn lines(name: &str) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(assets::open(name).unwrap()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ids(values: &[serde_json::Value]) -> HashSet<String> {
    let id = |value: &serde_json::Value| value["id"].as_str().unwrap().to_owned();
    values.iter().map(id).collect()
}

#[test]
fn the_data_is_what_the_generator_makes() {
    let traces = lines(assets::TRACES);
    assert_eq!(traces.len(), 1000);
    for (index, line) in traces.iter().enumerate() {
        let made = datagen::traces(TRACES_SEED, index as u64);
        assert_eq!(line, &serde_json::to_value(made).unwrap(), "trace {index}");
    }
    let held_out = lines(assets::HELD_OUT);
    let made = datagen::held_out(HELD_OUT_SEED, held_out.len());
    assert!(held_out.len() >= 200);
    for (line, made) in held_out.iter().zip(made) {
        assert_eq!(line, &serde_json::to_value(made).unwrap());
    }
}

#[test]
fn no_held_out_problem_is_in_any_training_data() {
    let held_out = lines(assets::HELD_OUT);
    let held_ids = ids(&held_out);
    assert_eq!(held_ids.len(), held_out.len(), "no problem twice");
    assert!(held_ids.is_disjoint(&ids(&lines(assets::TRACES))));
    for index in 0..100_000 {
        let example = datagen::base(BASE_SEED, index, None);
        assert!(
            !held_ids.contains(&example.id),
            "base line {index}: {}",
            example.id
        );
    }
}

#[test]
fn the_models_are_small_and_have_the_recipe_s_tokens() {
    let config: toml::Table = datagen::config().parse().unwrap();
    let expected: Vec<&str> = config["tokenizer"]["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|token| token.as_str())
        .collect();
    let mut bytes = 0;
    for name in assets::MODELS {
        let gguf = Gguf::open(name.as_ref()).unwrap();
        assert_eq!(gguf.strings("tokenizer.ggml.tokens").unwrap(), expected);
        bytes += assets::open(name).unwrap().len();
    }
    assert!(bytes <= 5_000_000, "{bytes}");
}
