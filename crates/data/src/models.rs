//! Which GGUF files are models, by their names.
//!
//! Not here: what is in a file, which only its reader knows.

use std::path::Path;

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
    let mut words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    // Of a file in parts, `-00001-of-00003`.
    if let [.., _, "of", _] = words[..] {
        words.truncate(words.len() - 3);
    }
    let adapter = match words[..] {
        [.., "adapter", "model"] => true,
        [.., last] => TYPES.contains(&last),
        [] => false,
    };
    // A model that was rounded with the help of such a matrix says how it was rounded, too.
    let matrix = words.contains(&"imatrix") && !words.iter().any(|word| is_encoding(word));
    !(name.contains("mmproj") || matrix || adapter)
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
