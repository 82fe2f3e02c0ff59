//! Which files are models or belong to one, by their names.
//!
//! Not here: what is in a file, which only its reader knows.

use std::path::Path;

/// The files of a model as Hugging Face has them, beside weights in several files.
pub const FOLDER: [&str; 8] = [
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];

/// What a name ends with, in GGUF's convention, where the file is no model: a LoRA adapter, as PEFT
/// calls one, or a vocabulary alone.
const TYPES: [&str; 3] = ["lora", "adapter", "vocab"];

/// Whether a file is a model by its name, and nothing that only goes with one: a projector for images
/// (`mmproj`), an importance matrix, an adapter, a vocabulary. In doubt it is one.
pub fn is_model(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    let Some(name) = name.strip_suffix(".gguf") else {
        return false;
    };
    let name = part_of(&format!("{name}.gguf")).map_or(name, |(stem, ..)| &name[..stem.len()]);
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    let adapter = match words[..] {
        [.., "adapter", "model"] => true,
        [.., last] => TYPES.contains(&last),
        [] => false,
    };
    // A model that was rounded with the help of such a matrix says how it was rounded, too.
    let matrix = words.contains(&"imatrix") && !words.iter().any(|word| is_encoding(word));
    !(name.contains("mmproj") || matrix || adapter)
}

/// The most files that a model is split into.
const MAX_PARTS: usize = 1000;

/// What the name of one file of a split model, `model-00001-of-00003.gguf`, begins with, which part
/// it is and of how many; `None` for any other name.
pub fn part_of(name: &str) -> Option<(&str, usize, usize)> {
    let name = name
        .strip_suffix(".gguf")
        .or_else(|| name.strip_suffix(".safetensors"))?;
    let (rest, parts) = name.rsplit_once("-of-")?;
    let (stem, part) = rest.rsplit_once('-')?;
    let number = |digits: &str| {
        let whole = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
        whole.then(|| digits.parse().ok())?
    };
    let (part, parts) = (number(part)?, number(parts)?);
    let fits = (1..=parts).contains(&part) && parts <= MAX_PARTS;
    (fits && !stem.is_empty()).then_some((stem, part, parts))
}

/// The name of a part of a split GGUF model.
pub fn part_name(stem: &str, part: usize, parts: usize) -> String {
    format!("{stem}-{part:05}-of-{parts:05}.gguf")
}

/// Whether a word of a name says how weights are stored: the `q4` of `Q4_K_M`, `iq2`, `f16`.
fn is_encoding(word: &str) -> bool {
    let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let prefixes = ["q", "iq", "tq", "f", "bf", "fp", "mxfp"];
    let mut rest = prefixes.iter().filter_map(|p| word.strip_prefix(p));
    rest.any(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_goes_with_a_model_is_none() {
        for name in [
            "mmproj-BF16.gguf",
            "mmproj-model-f16.gguf",
            "gemma-3-4b-it.mmproj-Q8_0.gguf",
            "vision/mmproj-Q8_0.gguf",
            "imatrix.gguf",
            "imatrix_unsloth.gguf",
            "Qwen3-8B-imatrix.gguf",
            "Mixtral-8x7B-v0.1-F16-LoRA.gguf",
            "grok-100B-Q4_0-LoRA-00001-of-00009.gguf",
            "ggml-adapter-model.gguf",
            "adapter_model.gguf",
            "my-adapter.gguf",
            "llama-3-vocab.gguf",
            "model.safetensors",
        ] {
            assert!(!is_model(Path::new(name)), "{name}");
        }
        for name in [
            "model.gguf",
            "m-Q8_0.GGUF",
            "Qwen3-8B-imatrix-Q4_K_M.gguf",
            "Qwen3-8B-IQ2_XS-imatrix.gguf",
            "Model-f16-imatrix.gguf",
            "alpaca-lora-7b-q4_0.gguf",
            "llama-lora-merged.gguf",
            "explorer.gguf",
            "q8-00001-of-00002.gguf",
        ] {
            assert!(is_model(Path::new(name)), "{name}");
        }
    }
}
