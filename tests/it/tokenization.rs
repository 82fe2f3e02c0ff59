//! Real vocabularies against llama.cpp's record of them.
//!
//! Needs the model files (`S1_TUI_MODELS`, a folder of GGUF files) and the records
//! (`S1_TUI_GOLDEN`, a folder of JSON files, each naming its model). A record holds `cases` with
//! `text` and `prompt_ids`, and may hold `greedy` with `greedy_text`, `plain_ids` (control tokens
//! not parsed), and for the whole vocabulary `eog`, `control` and `pieces` (hexadecimal bytes).
//! What a user would lose: the model would read another text than the one on the screen.

use crate::common::{golden, models};
use s1_model::gguf::Gguf;
use s1_model::tokenizer::{Tokenizer, Vocabulary};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The tokenizer of a GGUF file.
fn tokenizer(path: &Path) -> Tokenizer {
    let vocabulary = Vocabulary::from_gguf(&Gguf::open(path).unwrap()).unwrap();
    Tokenizer::from_vocabulary(vocabulary).unwrap()
}

fn ids(json: &Json) -> Option<Vec<u32>> {
    json.as_array()
        .map(|list| list.iter().map(|id| id.as_u64().unwrap() as u32).collect())
}

/// What differs between a record and the tokenizer, one line per difference.
fn differences(record: &Json, tokenizer: &Tokenizer) -> Vec<String> {
    let mut found = Vec::new();
    for case in record["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ours = tokenizer.encode(text, true).unwrap();
        let theirs = ids(&case["prompt_ids"]).unwrap();
        if ours != theirs {
            found.push(format!("{text:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
        let plain = tokenizer.encode_plain(text).unwrap();
        if ids(&case["plain_ids"]).is_some_and(|theirs| theirs != plain) {
            found.push(format!(
                "{text:?} typed: {plain:?} is not {}",
                case["plain_ids"]
            ));
        }
        if let (Some(greedy), Some(text)) = (ids(&case["greedy"]), case["greedy_text"].as_str())
            && tokenizer.decode(&greedy) != text
        {
            found.push(format!("{:?} is not {text:?}", tokenizer.decode(&greedy)));
        }
    }
    if let Some(ends) = ids(&record["eog"])
        && ends != tokenizer.eos_ids()
    {
        found.push(format!("ends: {:?} is not {ends:?}", tokenizer.eos_ids()));
    }
    if let Some(control) = ids(&record["control"]) {
        let ours: Vec<u32> = (0..tokenizer.vocab_size() as u32)
            .filter(|&id| tokenizer.is_control(id))
            .collect();
        if ours != control {
            found.push("the sets of control tokens differ".to_owned());
        }
    }
    for (id, piece) in record["pieces"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let hex: String = tokenizer
            .token_bytes(id as u32)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        if hex != piece.as_str().unwrap() {
            found.push(format!("token {id}: bytes {hex} are not {piece}"));
        }
    }
    found
}

#[test]
#[ignore = "needs S1_TUI_MODELS and S1_TUI_GOLDEN"]
fn real_vocabularies_agree_with_llama_cpp() {
    let models = models();
    let mut records: Vec<PathBuf> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    records.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    records.sort();
    assert!(!records.is_empty(), "no records to compare with");
    let mut failures = 0;
    for path in records {
        let record: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = record["model"].as_str().unwrap();
        let start = Instant::now();
        let tokenizer = tokenizer(&models.join(name));
        let loaded = start.elapsed();
        let start = Instant::now();
        let found = differences(&record, &tokenizer);
        let cases = record["cases"].as_array().unwrap().len();
        println!(
            "{name}: loaded in {loaded:?}; {cases} cases in {:?}, {} differences",
            start.elapsed(),
            found.len()
        );
        for line in found.iter().take(20) {
            println!("{line}");
        }
        failures += found.len();
    }
    assert_eq!(failures, 0);
}

#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn a_long_text_takes_time_in_proportion() {
    for entry in std::fs::read_dir(models()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        let tokenizer = tokenizer(&path);
        let prose = "The quick brown fox can't jump over 12 lazy dogs.\n";
        let texts = [
            ("one word", "a".repeat(1 << 20)),
            ("prose", prose.repeat((1 << 20) / prose.len())),
        ];
        for (name, text) in texts {
            let start = Instant::now();
            let ids = tokenizer.encode(&text, true).unwrap();
            let took = start.elapsed();
            println!(
                "{}: 1 MiB of {name}: {} tokens in {took:?}",
                path.display(),
                ids.len()
            );
            assert!(took.as_secs() < 20, "{name} took {took:?}");
        }
    }
}
