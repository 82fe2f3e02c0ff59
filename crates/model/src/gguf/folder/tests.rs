use std::fs;

use safetensors::tensor::TensorView;
use serde_json::json;

use super::*;
use crate::cache::CacheType;
use crate::decoder::{Decoder, Logits};
use crate::device::Place;
use crate::fixture::tiny_gguf;
use crate::gguf::write::GgufWriter;
use crate::names::Direction;
use crate::weights::encode::{encode, tensor_type};
use crate::weights::rows::WeightRows;
use s1_core::training::Quantization;

/// A tiny model without what has no place in `config.json`, and all weights in F32.
fn plain(arch: &str) -> Gguf {
    let gguf = Gguf::from_bytes(tiny_gguf(arch, 7)).unwrap();
    let mut w = GgufWriter::new();
    w.metadata_of(&gguf, |_| false);
    for (name, info) in gguf
        .tensors()
        .filter(|(name, _)| *name != "rope_freqs.weight")
    {
        let values = WeightRows::open(&gguf, name).unwrap().to_vec();
        let data = encode(GgmlDType::F32, &values).unwrap();
        w.tensor(name, &info.shape, 0, data);
    }
    Gguf::from_bytes(w.finish()).unwrap()
}

fn config(arch: &str) -> Value {
    let gemma = arch == "gemma3";
    json!({
        "model_type": if gemma { "gemma3_text" } else { arch },
        "hidden_size": 64,
        "num_hidden_layers": if gemma { 7 } else { 2 },
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": if gemma { 24 } else { 16 },
        "intermediate_size": 96,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "sliding_window": 8,
        "use_sliding_window": gemma,
        "layer_types": if gemma { json!(null) } else { json!(["full_attention", "full_attention"]) },
        "attn_logit_softcapping": if gemma { json!(20.0) } else { json!(null) },
        "final_logit_softcapping": if gemma { json!(30.0) } else { json!(null) },
        "query_pre_attn_scalar": 24,
        "eos_token_id": [258, 256],
    })
}

/// Writes a model as transformers would, its weights in as many files.
fn save(gguf: &Gguf, arch: &str, files: usize, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(CONFIG), config(arch).to_string()).unwrap();
    let mut tensors = Vec::new();
    for (name, info) in gguf.tensors() {
        let theirs = names::hugging_face(name, arch).unwrap();
        let mut values = WeightRows::open(gguf, name).unwrap().to_vec();
        if let Some(heads) = names::reordered_heads(name, arch, 4, 2) {
            values = names::reorder(&values, 64, heads, Direction::ToHuggingFace);
        }
        if arch == "gemma3" && name.ends_with("norm.weight") {
            values.iter_mut().for_each(|v| *v -= 1.0);
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        tensors.push((theirs, info.shape.clone(), bytes));
    }
    tensors.sort();
    let mut map = serde_json::Map::new();
    for (number, part) in tensors.chunks(tensors.len().div_ceil(files)).enumerate() {
        let file = match files {
            1 => WEIGHTS.to_owned(),
            _ => format!("model-{:05}-of-{files:05}.safetensors", number + 1),
        };
        let views = part.iter().map(|(name, shape, bytes)| {
            map.insert(name.clone(), json!(file));
            (
                name,
                TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        });
        let bytes = safetensors::serialize(views, None).unwrap();
        fs::write(folder.join(file), bytes).unwrap();
    }
    if files > 1 {
        let index = json!({ "weight_map": map }).to_string();
        fs::write(folder.join(INDEX), index).unwrap();
    }
}

fn logits(gguf: &Gguf) -> Vec<Vec<f32>> {
    let decoder = Decoder::load(gguf, &Place::Host, &mut |_| true).unwrap();
    let ids: Vec<u32> = (0..30).map(|i| i * 7 % 260).collect();
    let mut cache = decoder.new_cache(30).unwrap();
    decoder
        .forward(&mut [(&mut cache, &ids)], Logits::All)
        .unwrap()
}

fn refusal(folder: &Path) -> String {
    format!("{:#}", open(folder).unwrap_err())
}

/// A user would lose: the same answers from a model's folder as from the file made of it.
#[test]
fn a_folder_computes_what_its_gguf_computes_in_one_file_or_several() {
    for arch in ["llama", "qwen2", "qwen3", "gemma3"] {
        let gguf = plain(arch);
        let expected = logits(&gguf);
        for files in [1, 3] {
            let folder = tempfile::tempdir().unwrap();
            save(&gguf, arch, files, folder.path());
            let ours = logits(&Gguf::open(folder.path()).unwrap());
            for (a, b) in ours.iter().flatten().zip(expected.iter().flatten()) {
                assert!((a - b).abs() <= 1e-5, "{arch} in {files}: {a} and {b}");
            }
        }
    }
}

/// A user would lose: the memory that `--quantize` saves, or the answers of the file made beforehand.
#[test]
fn rounding_while_loading_is_what_a_rounded_file_has() {
    let gguf = plain("llama");
    for kind in Quantization::ALL {
        let mut w = GgufWriter::new();
        w.metadata_of(&gguf, |_| false);
        for (name, info) in gguf.tensors() {
            let values = WeightRows::open(&gguf, name).unwrap().to_vec();
            // The embedding is looked up in its file, which is not rounded.
            let to = match name {
                "token_embd.weight" => GgmlDType::F32,
                _ => tensor_type(kind, name, &info.shape),
            };
            let code = crate::gguf::type_code(to);
            w.tensor(name, &info.shape, code, encode(to, &values).unwrap());
        }
        let file = Gguf::from_bytes(w.finish()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        save(&gguf, "llama", 1, folder.path());
        let rounded = Gguf::open(folder.path()).unwrap().rounded(Some(kind));
        assert_eq!(rounded.weights_bytes(), file.weights_bytes(), "{kind:?}");
        assert_eq!(logits(&rounded), logits(&file), "{kind:?}");
        // What is small already stays as it is.
        let again = file.rounded(Some(Quantization::F16));
        let attention = again.tensor("blk.0.attn_v.weight").unwrap();
        if kind == Quantization::Q4_0 {
            assert_eq!(
                again.loaded_type("blk.0.attn_v.weight", attention),
                attention.kind
            );
        }
    }
}

#[test]
fn what_the_folder_says_of_words_is_what_a_converter_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Tiny 1.5");
    save(&plain("qwen3"), "qwen3", 1, &path);
    let write = |name: &str, value: Value| fs::write(path.join(name), value.to_string()).unwrap();
    write(
        "tokenizer.json",
        json!({"added_tokens": [{"id": 9, "content": "<end>"}, {"id": 8, "content": "<s>"}]}),
    );
    let several = json!([{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]);
    write(
        "tokenizer_config.json",
        json!({"eos_token": {"content": "<end>"}, "bos_token": "<s>", "chat_template": several}),
    );
    write("generation_config.json", json!({"eos_token_id": [256, 9]}));
    let gguf = open(&path).unwrap();
    let id = |name: &str| gguf.u64(&format!("tokenizer.ggml.{name}_token_id"));
    assert_eq!(
        [id("bos"), id("eos"), id("eot"), id("eom")],
        [Some(8), Some(9), Some(256), Some(258)]
    );
    assert_eq!(gguf.string("tokenizer.chat_template"), Some("D"));
    assert_eq!(gguf.string("general.name"), Some("Tiny 1.5"));
    fs::write(path.join("chat_template.jinja"), "J").unwrap();
    let gguf = open(&path).unwrap();
    assert_eq!(gguf.string("tokenizer.chat_template"), Some("J"));
}

#[test]
fn a_repository_of_the_hub_is_called_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let snapshot = root
        .path()
        .join("models--Org--Some-Model-1.5B/snapshots/c0ffee");
    fs::create_dir_all(&snapshot).unwrap();
    assert_eq!(called(&snapshot), "Some-Model-1.5B");
    assert_eq!(
        called(root.path()),
        root.path().file_name().unwrap().to_string_lossy()
    );
}

#[test]
fn no_index_leads_out_of_the_folder_and_a_missing_part_is_named() {
    let folder = tempfile::tempdir().unwrap();
    save(&plain("qwen3"), "qwen3", 2, folder.path());
    let index = |file: &str| {
        let map = json!({"weight_map": {"model.norm.weight": file}});
        fs::write(folder.path().join(INDEX), map.to_string()).unwrap();
        refusal(folder.path())
    };
    for file in [
        "../model.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "..",
        "",
        "config.json",
        "a\u{1b}[2J.safetensors",
    ] {
        let sentence = index(file);
        assert!(sentence.contains("is no file of this folder"), "{sentence}");
        assert!(!sentence.contains('\u{1b}'));
    }
    let sentence = index("model-00003-of-00003.safetensors");
    assert!(
        sentence.ends_with("model-00003-of-00003.safetensors, one of the 1 files of its weights, is missing; download it as well"),
        "{sentence}"
    );
}

#[test]
fn damaged_files_are_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    save(&plain("qwen3"), "qwen3", 1, path);
    let whole = fs::read(path.join(WEIGHTS)).unwrap();
    let tensor = |dtype, shape: Vec<usize>, bytes: &[u8]| {
        let view = TensorView::new(dtype, shape, bytes).unwrap();
        safetensors::serialize([("model.norm.weight", view)], None).unwrap()
    };
    let header = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let outside = r#"{"model.norm.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    let negative = r#"{"model.norm.weight":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#;
    let huge = r#"{"model.norm.weight":{"dtype":"F32","shape":[18446744073709551615,18446744073709551615],"data_offsets":[0,4]}}"#;
    for (bytes, says) in [
        (whole[..100].to_vec(), "is not a usable safetensors file"),
        (
            whole[..whole.len() - 1].to_vec(),
            "is not a usable safetensors file",
        ),
        (u64::MAX.to_le_bytes().to_vec(), "its header is longer"),
        (
            vec![1, 2, 3],
            "its header is longer than 16 MiB, or cut off",
        ),
        (header("{"), "is not a usable safetensors file"),
        (header(outside), "is not a usable safetensors file"),
        (header(negative), "is not a usable safetensors file"),
        (header(huge), "is not a usable safetensors file"),
        (tensor(Dtype::I64, vec![1], &[0; 8]), "is stored as I64"),
        (tensor(Dtype::F32, vec![0], &[]), "has the shape [0]"),
        (tensor(Dtype::F32, vec![], &[0; 4]), "has the shape []"),
    ] {
        fs::write(path.join(WEIGHTS), bytes).unwrap();
        let sentence = refusal(path);
        assert!(sentence.contains(says), "{sentence}");
    }
    fs::write(path.join(WEIGHTS), &whole).unwrap();
    let with = |key: &str, value: Value| {
        let mut config = config("qwen3");
        config[key] = value;
        fs::write(path.join(CONFIG), config.to_string()).unwrap();
        refusal(path)
    };
    for (key, value, says) in [
        (
            "model_type",
            json!("mamba"),
            "the model_type \"mamba\" is not supported",
        ),
        (
            "hidden_size",
            json!(-3),
            "hidden_size is not a whole number",
        ),
        (
            "num_hidden_layers",
            json!(null),
            "num_hidden_layers is missing",
        ),
        ("rms_norm_eps", json!("x"), "rms_norm_eps is not a number"),
        (
            "hidden_act",
            json!("relu"),
            "the activation \"relu\" is not supported",
        ),
        (
            "rope_scaling",
            json!({"type": "dynamic"}),
            "the rotary embedding \"dynamic\"",
        ),
        (
            "tie_word_embeddings",
            json!(false),
            "it has no lm_head.weight",
        ),
        (
            "quantization_config",
            json!({"quant_method": "awq"}),
            "quantized by \"awq\"",
        ),
    ] {
        let sentence = with(key, value);
        assert!(sentence.contains(says), "{sentence}");
    }
    fs::write(path.join(CONFIG), "{").unwrap();
    assert!(refusal(path).contains("config.json is not JSON"));
    fs::remove_file(path.join(WEIGHTS)).unwrap();
    fs::write(path.join(CONFIG), config("qwen3").to_string()).unwrap();
    assert!(
        refusal(path)
            .ends_with("it has neither model.safetensors nor model.safetensors.index.json")
    );
    fs::write(path.join("pytorch_model.bin"), "").unwrap();
    assert!(refusal(path).contains("a format that can run code"));
}

/// A folder that `tests/peers/make_tiny_models.py` makes as smallest-NAME.
fn made(name: &str) -> std::path::PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gguf/fixtures");
    fixtures.join(name)
}

/// The largest difference of a log-probability to those that transformers computes with the same folder,
/// so many tokens at a time.
fn difference(name: &str, gguf: &Gguf, step: usize) -> f64 {
    let reference = fs::read_to_string(made(name).join("reference.json")).unwrap();
    let reference: Value = serde_json::from_str(&reference).unwrap();
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let ids = reference["ids"].as_array().unwrap();
    let ids: Vec<u32> = ids.iter().map(|id| number(id) as u32).collect();
    let decoder = Decoder::load(gguf, &Place::Host, &mut |_| true).unwrap();
    // Keys and values of rounded weights are remembered in half precision otherwise.
    let decoder = decoder.with_cache(Some(CacheType::F32)).unwrap();
    let mut cache = decoder.new_cache(ids.len()).unwrap();
    let mut rows = Vec::new();
    for ids in ids.chunks(step) {
        let lane = (&mut cache, ids);
        rows.extend(decoder.forward(&mut [lane], Logits::All).unwrap());
    }
    let positions = reference["positions"].as_array().unwrap();
    assert_eq!((positions.len(), rows.len()), (47, 48));
    let mut most = 0f64;
    for (row, position) in rows.iter().zip(positions) {
        let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        let of = |id: usize| f64::from(row[id]) - total.ln();
        let mut check = |id: usize, expected: &Value| {
            most = most.max((of(id) - expected.as_f64().unwrap()).abs());
        };
        check(number(&position["next"]), &position["logprob"]);
        for top in position["top5"].as_array().unwrap() {
            check(number(&top[0]), &top[1]);
        }
    }
    most
}

/// A user would lose: gpt-oss as it is published. The weights are what transformers makes of blocks and
/// scales, so nothing but the order of sums may differ.
#[test]
fn gpt_oss_in_mxfp4_computes_what_transformers_does() {
    let gguf = open(&made("gpt-oss")).unwrap();
    let kind = |name: &str| gguf.tensor(name).map(|info| info.kind);
    let packed = Some(TensorType::Indexed(crate::gguf::indexed::Indexed::Mxfp4));
    assert_eq!(kind("blk.1.ffn_up.7.weight"), packed);
    assert_eq!(kind("blk.1.ffn_gate.7.bias"), kind("blk.1.attn_q.weight"));
    assert_eq!(kind("blk.1.ffn_up.8.weight"), None);
    let most = difference("gpt-oss", &gguf, 48);
    println!("{most:.1e}");
    assert!(most <= 1e-3, "{most}");
}

/// A user would lose: the right answer of Gemma 3n.
#[test]
fn gemma_3n_computes_what_transformers_does_in_whole_and_in_steps() {
    let gguf = open(&made("gemma3n")).unwrap();
    for step in [48, 5, 1] {
        let most = difference("gemma3n", &gguf, step);
        println!("{step} at a time: {most:.1e}");
        assert!(most <= 1e-4, "{step} at a time: {most}");
    }
}

#[test]
fn settings_of_gemma_3n_that_would_compute_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(made("gemma3n").join(WEIGHTS), folder.path().join(WEIGHTS)).unwrap();
    let whole = fs::read_to_string(made("gemma3n").join(CONFIG)).unwrap();
    let with = |key: &str, value: Value| {
        let mut config: Value = serde_json::from_str(&whole).unwrap();
        config[key] = value;
        fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
        match open(folder.path()).and_then(|g| Decoder::load(&g, &Place::Host, &mut |_| true)) {
            Err(error) => format!("{error:#}"),
            Ok(_) => "it was loaded".to_owned(),
        }
    };
    let shares = "activation_sparsity_pattern";
    let no_shares = "is not a list with a share below 1 for every layer";
    for (key, value, says) in [
        (
            "intermediate_size",
            json!([32, 32, 32, 64]),
            "differs from layer to layer",
        ),
        (
            "intermediate_size",
            json!([]),
            "differs from layer to layer",
        ),
        (
            "altup_correct_scale",
            json!(false),
            "altup_correct_scale = false is not supported",
        ),
        (
            "altup_active_idx",
            json!(3),
            "gemma3n.altup.active_idx is none of the 3 streams",
        ),
        (
            "altup_num_inputs",
            json!(17),
            "gemma3n.altup.num_inputs is 17; 1 to 16 is accepted",
        ),
        (
            "num_kv_shared_layers",
            json!(4),
            "is not a number of layers below 4",
        ),
        (
            "num_kv_shared_layers",
            json!(3),
            "layer 1 has no keys and values, and no layer before it",
        ),
        (
            "hidden_size_per_layer_input",
            json!(9),
            "per_layer_token_embd.weight has 32 columns and not 9",
        ),
        (shares, json!([0.95]), no_shares),
        (shares, json!([1.0, 0, 0, 0]), no_shares),
        (shares, json!(["x", 0, 0, 0]), no_shares),
        ("layer_types", json!(null), "it was loaded"),
    ] {
        let sentence = with(key, value.clone());
        assert!(sentence.contains(says), "{key} {value}: {sentence}");
    }
}

#[test]
fn experts_that_are_not_whole_are_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::copy(made("gpt-oss").join(CONFIG), path.join(CONFIG)).unwrap();
    let blocks = "model.layers.0.mlp.experts.gate_up_proj_blocks";
    let scales = "model.layers.0.mlp.experts.gate_up_proj_scales";
    let bias = "model.layers.0.mlp.experts.down_proj_bias";
    let write = |tensors: &[(&str, Dtype, &[usize])]| {
        let zeros = [0; 4096];
        let views = tensors.iter().map(|(name, dtype, shape)| {
            let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (
                name,
                TensorView::new(*dtype, shape.to_vec(), &zeros[..bytes]).unwrap(),
            )
        });
        fs::write(
            path.join(WEIGHTS),
            safetensors::serialize(views, None).unwrap(),
        )
        .unwrap();
        refusal(path)
    };
    let whole: (&str, Dtype, &[usize]) = (scales, Dtype::U8, &[1, 4, 1]);
    for (tensors, says) in [
        (
            vec![(blocks, Dtype::U8, &[1, 4, 1, 16][..])],
            "has no model.layers.0.mlp.experts.gate_up_proj_scales",
        ),
        (
            vec![(blocks, Dtype::U8, &[1, 4, 1, 15]), whole],
            "which is not MXFP4",
        ),
        (
            vec![(blocks, Dtype::F32, &[1, 4, 1, 16]), whole],
            "which is not MXFP4",
        ),
        (
            vec![
                (blocks, Dtype::U8, &[1, 3, 1, 16]),
                (scales, Dtype::U8, &[1, 3, 1]),
            ],
            "has the shape [1, 3, 1, 16]",
        ),
        (
            vec![(blocks, Dtype::U8, &[2, 4, 1, 16]), whole],
            "does not fit that of",
        ),
        (
            vec![
                (blocks, Dtype::U8, &[0, 4, 1, 16]),
                (scales, Dtype::U8, &[0, 4, 1]),
            ],
            "has the shape [0, 4, 1, 16]",
        ),
        (vec![(bias, Dtype::U8, &[1, 4])], "is stored as U8"),
        (vec![(bias, Dtype::F32, &[4])], "has the shape [4]"),
    ] {
        let sentence = write(&tensors);
        assert!(sentence.contains(says), "{sentence}");
    }
    let with = |key: &str, value: Value| {
        let mut config: Value =
            serde_json::from_str(&fs::read_to_string(made("gpt-oss").join(CONFIG)).unwrap())
                .unwrap();
        config[key] = value;
        fs::write(path.join(CONFIG), config.to_string()).unwrap();
        refusal(path)
    };
    let quantized = with("quantization_config", json!({"quant_method": "fbgemm"}));
    assert!(quantized.contains("quantized by \"fbgemm\""), "{quantized}");
    let limited = with("swiglu_limit", json!(5.0));
    assert!(
        limited.contains("an activation that ends at 5"),
        "{limited}"
    );
    let whole = with(
        "rope_parameters",
        json!({"rope_type": "yarn", "factor": 32.0}),
    );
    assert!(whole.contains("truncate = true"), "{whole}");
}
