//! A Hugging Face folder as a model: `config.json`, weights in safetensors, `tokenizer.json` and the
//! chat template, read as the GGUF file that a converter would write of them. Everything behind the
//! reader is therefore the same for both, to the last bit.
//!
//! The weights stay in the maps of their files, in their type. What a converter changes is changed
//! where it is small (norms, rotary divisors), and when it is read where it is not (the order of
//! Llama's rows). As with a GGUF file nothing here is trusted: sizes are bounded before they are
//! read, offsets are held against the file, and no name leads out of the folder.
//!
//! Not here: what a tokenizer does with its file ([`crate::tokenizer`]).

use std::collections::HashMap;
use std::path::{Component, Path};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use candle_core::quantized::GgmlDType;
use s1_data::files::read_text_file;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;

use super::stored::{Order, Stored};
use super::{AlignedBytes, Bytes, Gguf, TensorInfo, TensorType, map};
use crate::names;
use crate::weights::rows::widened;
use experts::ExpertTensors;
use settings::Settings;

mod experts;
mod settings;
mod speech;

/// The settings of a model.
pub const CONFIG: &str = "config.json";
/// The weights where they lie in one file.
pub const WEIGHTS: &str = "model.safetensors";
/// Which file has which tensor, where there are several.
pub const INDEX: &str = "model.safetensors.index.json";
/// The vocabulary.
pub const TOKENIZER: &str = "tokenizer.json";
/// Everything that says how a model is spoken to.
pub const WORDS: [&str; 5] = [
    TOKENIZER,
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];
/// Weights as PyTorch pickles them.
const PICKLES: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The longest settings and index that are read.
const MAX_JSON_BYTES: u64 = 32 << 20;
/// The longest header of a file of weights.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// As many as a GGUF file may have.
const MAX_TENSORS: usize = 1 << 16;
/// More files than any model is split into.
const MAX_FILES: usize = 1000;

/// Whether a folder is a model of this kind, and not an adapter, by the names of its files.
pub fn is_model(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has(CONFIG) && (has(WEIGHTS) || has(INDEX) || PICKLES.iter().any(|name| has(name)))
}

/// Whether a folder is a model that can be spoken to: it has a tokenizer as well.
pub fn is_usable(folder: &Path) -> bool {
    is_model(folder) && folder.join(TOKENIZER).is_file()
}

/// Brings what a model says of its tokens and its template into another folder, beside weights that
/// were made of its own. `base` is a model's folder, or a file without a vocabulary of its own.
///
/// # Errors
/// If a file cannot be copied.
pub fn bring_words(base: &Path, to: &Path) -> Result<()> {
    let from = match base.is_dir() {
        true => base,
        false => base.parent().unwrap_or(Path::new("")),
    };
    for name in WORDS {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_file() && !to.exists() {
            std::fs::copy(&from, &to)
                .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
    }
    Ok(())
}

/// The size of a model's weights in bytes, by the names of its files.
pub fn weights_bytes(folder: &Path) -> u64 {
    let files = files_of(folder).unwrap_or_default();
    let sizes = files.iter().map(|name| folder.join(name).metadata());
    sizes.flatten().map(|meta| meta.len()).sum()
}

/// Reads the settings and the headers of the weights.
///
/// # Errors
/// In one sentence, where a file is missing, damaged or of a kind that is not known here.
pub fn open(folder: &Path) -> Result<Gguf> {
    read(folder).with_context(|| format!("{} is not a usable model folder", folder.display()))
}

fn read(folder: &Path) -> Result<Gguf> {
    let config = json(folder, CONFIG)?.with_context(|| format!("it has no {CONFIG}"))?;
    let mut settings =
        Settings::read(&config).with_context(|| format!("{CONFIG} cannot be used"))?;
    settings.keys.string("general.name", &called(folder));
    speech::write(folder, &config, &mut settings.keys)?;
    let mut gguf = Gguf::parse(Bytes::Owned(AlignedBytes::copy_of(&settings.keys.finish())))?;

    let files = files_of(folder)?;
    let mut experts = ExpertTensors::default();
    for name in &files {
        let damaged = || format!("{name} is not a usable safetensors file");
        let bytes = map(&folder.join(name))?;
        let part = gguf.parts.len();
        let tensors = directory(&bytes, part, &settings, &mut experts);
        let tensors = tensors.with_context(damaged)?;
        gguf.parts.push(Arc::new(bytes));
        for (name, info) in tensors {
            if gguf.tensors.insert(name.clone(), info).is_some() {
                bail!("the tensor {name} occurs in two files");
            }
        }
        if gguf.tensors.len() > MAX_TENSORS {
            bail!("it has more than {MAX_TENSORS} tensors");
        }
    }
    experts.enter(&mut gguf.tensors)?;
    match (settings.tied, gguf.tensor("output.weight").is_some()) {
        (Some(true), true) => drop(gguf.tensors.remove("output.weight")),
        (Some(false), false) => bail!(
            "it has no lm_head.weight, and its {CONFIG} does not say that the embedding serves as one"
        ),
        _ => {}
    }
    rewritten(&mut gguf, &settings);
    gguf.checked()
}

/// The folder's name; in the hub's cache, where that is a hash, the repository's.
pub fn called(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let folder = whole.as_deref().unwrap_or(folder);
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let repository = folder
        .parent()
        .filter(|above| name(above).as_deref() == Some("snapshots"))
        .and_then(|above| name(above.parent()?))
        .and_then(|name| {
            Some(
                name.strip_prefix("models--")?
                    .rsplit_once("--")?
                    .1
                    .to_owned(),
            )
        });
    repository.or_else(|| name(folder)).unwrap_or_default()
}

/// A JSON file of the folder, if it is there.
fn json(folder: &Path, name: &str) -> Result<Option<Value>> {
    let path = folder.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let text =
        read_text_file(&path, MAX_JSON_BYTES).with_context(|| format!("{name} is damaged"))?;
    let value = serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
    Ok(Some(value))
}

/// The names of the files that hold the weights.
fn files_of(folder: &Path) -> Result<Vec<String>> {
    let Some(index) = json(folder, INDEX)? else {
        if folder.join(WEIGHTS).is_file() {
            return Ok(vec![WEIGHTS.to_owned()]);
        }
        if let Some(pickle) = PICKLES.iter().find(|name| folder.join(name).is_file()) {
            bail!(
                "its weights are in {pickle}, a format that can run code and is not read; save the model as safetensors (transformers' save_pretrained does)"
            );
        }
        bail!("it has neither {WEIGHTS} nor {INDEX}");
    };
    let Some(of_tensors) = index["weight_map"].as_object() else {
        bail!("{INDEX} has no weight_map");
    };
    let mut files: Vec<String> = Vec::new();
    for (tensor, file) in of_tensors {
        let file = file.as_str().unwrap_or_default();
        let mut parts = Path::new(file).components();
        let inside = matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        );
        if !inside || file.chars().any(char::is_control) || !file.ends_with(".safetensors") {
            bail!("{INDEX} has the tensor {tensor:?} in {file:?}, which is no file of this folder");
        }
        if !files.iter().any(|known| known == file) {
            files.push(file.to_owned());
        }
        if files.len() > MAX_FILES {
            bail!("{INDEX} names more than {MAX_FILES} files");
        }
    }
    files.sort();
    if let Some(missing) = files.iter().find(|name| !folder.join(name).is_file()) {
        bail!(
            "{missing}, one of the {} files of its weights, is missing; download it as well",
            files.len()
        );
    }
    Ok(files)
}

/// The tensors of one file under GGUF's names. What a decoder has no use for is left out; what is
/// not known keeps its name, for the decoder to refuse.
fn directory(
    bytes: &Bytes,
    part: usize,
    settings: &Settings,
    experts: &mut ExpertTensors,
) -> Result<HashMap<String, TensorInfo>> {
    let announced = bytes.first_chunk().map(|n| u64::from_le_bytes(*n));
    if announced.is_none_or(|len| len > MAX_HEADER_BYTES) {
        bail!(
            "its header is longer than {} MiB, or cut off",
            MAX_HEADER_BYTES >> 20
        );
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes)?;
    let data = header + size_of::<u64>();
    let mut tensors = HashMap::new();
    for (theirs, info) in metadata.tensors() {
        if settings.architecture == "gpt-oss" && experts.take(&theirs, info, part, data)? {
            continue;
        }
        let Some(name) = names::from_hugging_face(&theirs, settings.architecture) else {
            continue;
        };
        let kind = float(info.dtype, &theirs)?;
        if info.shape.is_empty() || info.shape.contains(&0) {
            bail!("the tensor {theirs} has the shape {:?}", info.shape);
        }
        let (start, end) = info.data_offsets;
        let (heads, kv_heads) = (settings.heads, settings.kv_heads);
        let reordered = names::reordered_heads(&name, settings.architecture, heads, kv_heads);
        if let Some(heads) = reordered
            && !info.shape[0].is_multiple_of(2 * heads)
        {
            bail!(
                "the tensor {theirs} has {} rows, which are not pairs of {heads} heads",
                info.shape[0]
            );
        }
        let info = TensorInfo {
            kind: TensorType::Candle(kind),
            shape: info.shape.clone(),
            part,
            offset: data + start,
            bytes: end - start,
            stored: reordered.map(|heads| Stored {
                bytes: end - start,
                order: Order::Heads(heads),
            }),
        };
        if tensors.insert(name.clone(), info).is_some() {
            bail!("it has two tensors for {name}");
        }
    }
    Ok(tensors)
}

/// The type of a tensor of floats.
fn float(dtype: Dtype, theirs: &str) -> Result<GgmlDType> {
    Ok(match dtype {
        Dtype::F32 => GgmlDType::F32,
        Dtype::F16 => GgmlDType::F16,
        Dtype::BF16 => GgmlDType::BF16,
        other => bail!(
            "the tensor {theirs} is stored as {other:?}; F32, F16 and BF16 are supported, and --quantize rounds them while they are loaded"
        ),
    })
}

/// Puts what a converter changes or adds into a part of its own: Gemma's norms, which have a 1
/// added to them, and the rotary divisors that follow from the settings.
fn rewritten(gguf: &mut Gguf, settings: &Settings) {
    let mut vectors = settings.divisors.clone();
    if settings.architecture == "gemma3" {
        let norms: Vec<String> = gguf
            .tensors()
            .map(|(name, _)| name.to_owned())
            .filter(|name| name.ends_with("norm.weight"))
            .collect();
        for name in norms {
            let Some(info) = gguf.tensor(&name).filter(|info| info.shape.len() == 1) else {
                continue;
            };
            let values = widened(info.kind, &gguf.data(info));
            vectors.push((name, values.iter().map(|v| v + 1.0).collect()));
        }
    }
    let part = gguf.parts.len();
    let mut bytes = Vec::new();
    for (name, values) in vectors {
        let info = TensorInfo {
            kind: TensorType::Candle(GgmlDType::F32),
            shape: vec![values.len()],
            part,
            offset: bytes.len(),
            bytes: size_of_val(&values[..]),
            stored: None,
        };
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        gguf.tensors.insert(name, info);
    }
    let bytes = Bytes::Owned(AlignedBytes::copy_of(&bytes));
    gguf.parts.push(Arc::new(bytes));
}

#[cfg(test)]
mod tests;
