//! A tokenizer out of GGUF metadata (`tokenizer.ggml.*`).

use anyhow::Result;

use super::{Tokenizer, Vocabulary};
use crate::model::gguf::Gguf;

/// Keys of ids that end something other than the text: a turn, a message.
const OTHER_ENDS: [&str; 2] = [
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
];

impl Tokenizer {
    /// The tokenizer a model file describes.
    ///
    /// Errors: no vocabulary, one of an unsupported kind, or a damaged one.
    pub fn from_gguf(gguf: &Gguf) -> Result<Tokenizer> {
        let strings = |key: &str| -> Vec<String> {
            let found = gguf.strings(key).unwrap_or_default();
            found.into_iter().map(str::to_string).collect()
        };
        let id = |key: &str| gguf.u64(key).and_then(|id| u32::try_from(id).ok());
        Tokenizer::from_vocabulary(Vocabulary {
            model: gguf
                .string("tokenizer.ggml.model")
                .unwrap_or_default()
                .to_string(),
            pre: gguf
                .string("tokenizer.ggml.pre")
                .unwrap_or_default()
                .to_string(),
            tokens: strings("tokenizer.ggml.tokens"),
            scores: gguf.f32s("tokenizer.ggml.scores").unwrap_or_default(),
            types: gguf.i32s("tokenizer.ggml.token_type").unwrap_or_default(),
            merges: strings("tokenizer.ggml.merges"),
            bos: id("tokenizer.ggml.bos_token_id"),
            eos: id("tokenizer.ggml.eos_token_id"),
            other_ends: OTHER_ENDS.iter().filter_map(|key| id(key)).collect(),
            unknown: id("tokenizer.ggml.unknown_token_id"),
            add_bos: gguf.bool("tokenizer.ggml.add_bos_token"),
            add_space_prefix: gguf.bool("tokenizer.ggml.add_space_prefix"),
        })
    }
}
