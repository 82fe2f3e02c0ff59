//! Correctness of the decoder against other engines, on models too large for the repository.
//!
//! `S1_TUI_GOLDEN` names the folder of reference log-probabilities, `S1_TUI_MODELS` the folder of
//! the models they were made with, `S1_TUI_TINY` that of tiny models made with their references.

use std::path::Path;

use crate::common::{folder, golden, models};
use candle_core::Device;
use s1_model::decoder::{Decoder, Logits};
use s1_model::device::Place;
use s1_model::gguf::Gguf;
use serde_json::Value;

fn load_on(path: &Path, place: &Place) -> Decoder {
    let gguf = Gguf::open(path).unwrap();
    Decoder::load(&gguf, place, &mut |_| true).unwrap()
}

fn load(path: &Path) -> Decoder {
    load_on(path, &Place::Host)
}

/// Where a GPU's way of computing can be held against the references without one.
const TENSORS: Place = Place::Tensors(Device::Cpu);

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap() as u32)
        .collect()
}

/// Natural-log probabilities of every token after every position.
fn log_probabilities(decoder: &Decoder, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut cache = decoder.new_cache(ids.len()).unwrap();
    let lane = (&mut cache, ids);
    let mut rows = decoder.forward(&mut [lane], Logits::All).unwrap();
    for row in &mut rows {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|x| f64::from(x - max).exp()).sum();
        let norm = max + total.ln() as f32;
        row.iter_mut().for_each(|x| *x -= norm);
    }
    rows
}

/// Number of positions, of equal top-1 tokens, the summed |Δ| of `next` log-probabilities, and the
/// largest lead that the reference's best token has over the one that is best here.
fn compare(decoder: &Decoder, ids: &[u32], positions: &Value) -> (usize, usize, f64, f64) {
    let rows = log_probabilities(decoder, ids);
    let positions = positions.as_array().unwrap();
    let (mut agree, mut difference, mut lead) = (0, 0.0, 0f64);
    for (row, position) in rows.iter().zip(positions) {
        let top = (0..row.len())
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .unwrap();
        let top5 = position["top5"].as_array().unwrap();
        agree += usize::from(top as u64 == top5[0][0].as_u64().unwrap());
        let theirs = top5.iter().find(|t| t[0].as_u64() == Some(top as u64));
        let theirs = theirs.map_or(f64::NEG_INFINITY, |t| t[1].as_f64().unwrap());
        lead = lead.max(top5[0][1].as_f64().unwrap() - theirs);
        let next = position["next"].as_u64().unwrap() as usize;
        difference += (f64::from(row[next]) - position["logprob"].as_f64().unwrap()).abs();
    }
    (positions.len(), agree, difference, lead)
}

/// A user would lose: the right answer. F32 weights leave no excuse for any difference.
#[test]
#[ignore = "needs S1_TUI_GOLDEN"]
fn f32_models_match_transformers() {
    let golden = golden();
    for name in ["llama", "llama3-rope", "qwen2", "qwen3", "gemma3"] {
        let reference = json(&golden.join(format!("tiny/{name}.json")));
        for place in [Place::Host, TENSORS] {
            let decoder = load_on(&golden.join(format!("tiny/{name}.gguf")), &place);
            let (n, agree, sum, _) =
                compare(&decoder, &ids(&reference["ids"]), &reference["positions"]);
            let (mean, place) = (sum / n as f64, place.name());
            println!("{name} on {place}: top-1 {agree}/{n}, mean |Δ logprob| {mean:.2e}");
            assert!(mean <= 0.001, "{name} on {place}: {mean}");
            assert_eq!(agree, n, "{name} on {place}");
        }
    }
}

/// A user would lose: the right answer of every other architecture. Each is made with random weights by
/// `tests/peers/make_tiny_models.py`, as a folder and, where llama.cpp has it, as a GGUF file.
#[test]
#[ignore = "needs S1_TUI_TINY, which tests/peers/make_tiny_models.py makes"]
fn other_architectures_match_transformers() {
    let tiny = folder("S1_TUI_TINY");
    for name in [
        "smollm3",
        "granite",
        "phi3",
        "phi3-partial",
        "mistral",
        "ministral",
        "ministral3",
        "yarn",
        "qwen2moe",
        "qwen3moe",
        "gpt-oss",
        "gpt-oss-mxfp4",
        "gemma3n",
    ] {
        let reference = json(&tiny.join(format!("{name}.json")));
        let ids = ids(&reference["ids"]);
        let whole = Some(tiny.join(name));
        let file = Some(tiny.join(format!("{name}.gguf"))).filter(|path| path.exists());
        for path in whole.iter().chain(&file) {
            // Gemma 3n is computed on the CPU alone.
            for place in [Place::Host, TENSORS]
                .into_iter()
                .take(if name == "gemma3n" { 1 } else { 2 })
            {
                let decoder = load_on(path, &place).for_context(ids.len());
                let (n, agree, sum, _) = compare(&decoder, &ids, &reference["positions"]);
                let (mean, place) = (sum / n as f64, place.name());
                let shown = path.file_name().unwrap().display();
                println!("{shown} on {place}: top-1 {agree}/{n}, mean |Δ logprob| {mean:.2e}");
                assert!(mean <= 0.001, "{shown} on {place}: {mean}");
                assert_eq!(agree, n, "{shown} on {place}");
            }
        }
    }
}

/// A user would lose: the same answers from a model's folder as from the file made of it.
#[test]
#[ignore = "needs S1_TUI_GOLDEN"]
fn a_folder_of_safetensors_is_its_f32_gguf() {
    let golden = golden();
    for name in ["llama", "llama3-rope", "qwen2", "qwen3", "gemma3"] {
        let reference = json(&golden.join(format!("tiny/{name}.json")));
        let ids = ids(&reference["ids"]);
        let [file, folder] = [format!("tiny/{name}.gguf"), format!("tiny/{name}")]
            .map(|path| log_probabilities(&load(&golden.join(path)), &ids));
        let pairs = file.iter().flatten().zip(folder.iter().flatten());
        let most = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name}: max |Δ logprob| {most:.2e}");
        assert!(most <= 1e-5, "{name}: {most}");
    }
}

/// A user would lose: the answer that the same file gives in llama.cpp. The bounds are wide because
/// llama.cpp rounds activations to eight bits before multiplying, and that is all of the difference:
/// on these cases it is as far from exact arithmetic (0.048 in the mean on SmolLM2, the best token at
/// 95.9 % of the positions) as from this decoder, which is within 0.0011 and 100 % of exact
/// arithmetic on every one of them (`docs/parity.md`). Where the best tokens differ, the two were
/// nearly equal.
#[test]
#[ignore = "needs S1_TUI_MODELS and S1_TUI_GOLDEN"]
fn quantized_models_match_llama_cpp() {
    let (golden, models) = (golden(), models());
    for (name, place) in [
        ("smollm2-135m-instruct-q4_1", Place::Host),
        ("smollm2-135m-instruct-q4_1", TENSORS),
        ("qwen2.5-coder-0.5b-instruct-q4_k_m", Place::Host),
        ("gemma-3-270m-q4_k_m", Place::Host),
    ] {
        let decoder = load_on(&models.join(format!("{name}.gguf")), &place);
        let reference = json(&golden.join(format!("{name}.json")));
        let (mut n, mut agree, mut sum, mut lead) = (0, 0, 0.0, 0f64);
        for case in reference["cases"].as_array().unwrap() {
            let ids = [ids(&case["prompt_ids"]), ids(&case["greedy"])].concat();
            let (count, same, difference, most) = compare(&decoder, &ids, &case["positions"]);
            (n, agree, sum) = (n + count, agree + same, sum + difference);
            lead = lead.max(most);
        }
        let (share, mean) = (agree as f64 / n as f64, sum / n as f64);
        let name = format!("{name} on {}", place.name());
        println!("{name}: top-1 {agree}/{n} = {share:.4}, lead {lead:.3}, mean |Δ| {mean:.4}");
        assert!(share >= 0.95, "{name}: top-1 agreement {share}");
        assert!(
            lead <= 0.5,
            "{name}: a clear favourite was missed by {lead}"
        );
        assert!(mean <= 0.05, "{name}: mean difference {mean}");
    }
}

/// A user would lose: a mistake that this decoder and its references' conversion share. candle's own
/// models read the same files with other code.
#[test]
#[ignore = "needs S1_TUI_GOLDEN"]
fn candle_s_own_models_are_of_the_same_opinion() {
    use candle_core::Tensor;
    use candle_core::quantized::gguf_file::Content;
    use candle_transformers::models::{quantized_llama, quantized_qwen2};

    let golden = golden();
    // Not its qwen3, which computes in half precision.
    for name in ["llama", "qwen2"] {
        let path = golden.join(format!("tiny/{name}.gguf"));
        let ids = ids(&json(&path.with_extension("json"))["ids"]);
        let input = Tensor::new(&ids[..], &Device::Cpu).unwrap();
        let input = input.unsqueeze(0).unwrap();
        let mut file = std::fs::File::open(&path).unwrap();
        let content = Content::read(&mut file).unwrap();
        let device = &Device::Cpu;
        let theirs = match name {
            "llama" => quantized_llama::ModelWeights::from_gguf(content, &mut file, device)
                .and_then(|mut model| model.forward(&input, 0)),
            _ => quantized_qwen2::ModelWeights::from_gguf(content, &mut file, device)
                .and_then(|mut model| model.forward(&input, 0)),
        };
        let theirs = theirs.unwrap().flatten_all().unwrap();
        let theirs = theirs.to_vec1::<f32>().unwrap();
        let decoder = load(&path);
        let mut cache = decoder.new_cache(ids.len()).unwrap();
        let ours = decoder.forward(&mut [(&mut cache, &ids)], Logits::Last);
        let ours = ours.unwrap().concat();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let pairs = ours.iter().zip(&theirs);
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        println!("{name}: largest difference of logits to candle's own {worst:.1e}");
        assert!(worst <= 1e-3, "{name}: {worst}");
    }
}
