//! Hugging Face's `tokenizer.json`, through their own library.
//!
//! The file describes a whole pipeline (normalizer, pre-tokenizer, merges, post-processor), so
//! it is run as it is rather than translated. What the rest of the program also needs, the
//! exact bytes of each token, is read off the file's decoder.

use super::vocabulary::{Spelling, byte_value};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::path::Path;
use tokenizers::{DecoderWrapper, Tokenizer};

/// No `tokenizer.json` of a real model comes near this.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The regex engine behind these files backtracks; beyond this length it may give up.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Ids may have gaps, but not so many that the table of tokens grows without bound.
const MAX_IDS: usize = 1 << 22;

/// A tokenizer described by a file.
#[derive(Debug)]
pub(super) struct JsonTokenizer {
    /// Finds special tokens in text.
    parsing: Tokenizer,
    /// Takes special tokens in text for ordinary text.
    plain: Tokenizer,
}

impl JsonTokenizer {
    /// Reads the file. Errors: no such file, too large, not a tokenizer.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let size = std::fs::metadata(path)
            .with_context(|| format!("cannot open the tokenizer {name}"))?
            .len();
        if size > MAX_FILE_BYTES {
            bail!(
                "the tokenizer {name} has {} MiB, too large for a tokenizer.json",
                size >> 20
            );
        }
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read the tokenizer {name}"))?;
        let json: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the tokenizer {name} is not JSON"))?;
        check_merges(&json["model"]).with_context(|| format!("the tokenizer {name} is damaged"))?;
        let mut parsing = Tokenizer::from_bytes(&bytes)
            .map_err(|error| anyhow!("the tokenizer {name} cannot be used: {error}"))?;
        // Some files cut or pad every text to a training length; a prompt must arrive whole.
        parsing.with_padding(None);
        parsing
            .with_truncation(None)
            .map_err(|error| anyhow!("the tokenizer {name} cannot be used: {error}"))?;
        let mut plain = parsing.clone();
        plain.set_encode_special_tokens(true);
        Ok(Self { parsing, plain })
    }

    /// The text and the type (as in GGUF) of every id from 0 on; gaps are unused.
    pub fn tokens(&self) -> Result<(Vec<String>, Vec<i32>)> {
        let vocabulary = self.parsing.get_vocab(true);
        let added = self.parsing.get_added_tokens_decoder();
        let count = vocabulary
            .values()
            .max()
            .map_or(0, |&highest| highest as usize + 1);
        if count > MAX_IDS {
            bail!(
                "the tokenizer has an id of {}, beyond any real vocabulary; it is damaged",
                count - 1
            );
        }
        let mut tokens = vec![String::new(); count];
        let mut types = vec![5; count];
        for (text, id) in vocabulary {
            let byte = self.spelling() == Spelling::SentencePiece && byte_value(&text).is_some();
            types[id as usize] = match added.get(&id) {
                Some(token) if token.special => 3,
                Some(_) => 4,
                None if byte => 6,
                None => 1,
            };
            tokens[id as usize] = text;
        }
        Ok((tokens, types))
    }

    /// How the vocabulary writes bytes, by the decoder that would undo it.
    pub fn spelling(&self) -> Spelling {
        let byte_level = |decoder: &DecoderWrapper| matches!(decoder, DecoderWrapper::ByteLevel(_));
        let found = match self.parsing.get_decoder() {
            Some(DecoderWrapper::Sequence(all)) => all.get_decoders().iter().any(byte_level),
            Some(decoder) => byte_level(decoder),
            None => false,
        };
        if found {
            Spelling::ByteLevel
        } else {
            Spelling::SentencePiece
        }
    }

    /// The token the post-processor puts in front of every text.
    pub fn prefix_token(&self) -> Option<u32> {
        let empty = self.parsing.encode_fast("", true).ok()?;
        empty.get_ids().first().copied()
    }

    /// The tokens of a text, without what the post-processor would add.
    pub fn encode(&self, text: &str, control: bool) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            bail!(
                "the text has {} bytes, more than the 1 MiB a tokenizer.json takes; shorten it",
                text.len()
            );
        }
        let tokenizer = if control { &self.parsing } else { &self.plain };
        let encoding = tokenizer
            .encode_fast(text, false)
            .map_err(|error| anyhow!("cannot cut the text into tokens: {error}"))?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// Refuses merges that make no token: the library sizes a buffer by the longest token and would
/// write past it.
fn check_merges(model: &Value) -> Result<()> {
    let (Some(merges), Some(vocabulary)) = (model["merges"].as_array(), model["vocab"].as_object())
    else {
        return Ok(());
    };
    for (rank, merge) in merges.iter().enumerate() {
        let joined = match merge {
            Value::String(pair) => pair.replacen(' ', "", 1),
            Value::Array(pair) => pair.iter().filter_map(Value::as_str).collect(),
            _ => bail!("merge {rank} is not a pair of tokens"),
        };
        // With a continuing-subword prefix the right half loses it; then the text gets shorter.
        let prefix = model["continuing_subword_prefix"].as_str().unwrap_or("");
        if prefix.is_empty() && !vocabulary.contains_key(&joined) {
            bail!("merge {rank} makes a token that the vocabulary does not have");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Tokenizer;

    const BYTE_LEVEL: &str = r#"{
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [
            {"id": 4, "content": "<|im_end|>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
            {"id": 5, "content": "</think>", "special": false, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<|im_end|>": {"id": "<|im_end|>", "ids": [4], "tokens": ["<|im_end|>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"a": 0, "Ġ": 1, "Ġa": 2, "<": 3}, "merges": [["Ġ", "a"]]}
    }"#;

    fn load(json: &str) -> anyhow::Result<Tokenizer> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        Tokenizer::from_file(file.path())
    }

    #[test]
    fn a_tokenizer_json_gives_ids_bytes_and_ends() {
        let tokenizer = load(BYTE_LEVEL).unwrap();
        assert_eq!(
            tokenizer.encode("a a</think><|im_end|>", true).unwrap(),
            [4, 0, 2, 5, 4]
        );
        assert_eq!(tokenizer.encode("a", false).unwrap(), [0]);
        assert_eq!(tokenizer.encode_plain("a<|im_end|>").unwrap(), [0, 3]);
        assert_eq!(tokenizer.token_bytes(2), b" a");
        assert_eq!(tokenizer.token_bytes(5), b"</think>");
        assert_eq!(tokenizer.token_bytes(6), b"");
        assert_eq!((tokenizer.vocab_size(), tokenizer.eos_ids()), (6, &[4][..]));
        assert_eq!(
            (tokenizer.is_control(4), tokenizer.is_control(5)),
            (true, false)
        );
    }

    #[test]
    fn a_damaged_tokenizer_json_is_an_error_not_a_crash() {
        let long = BYTE_LEVEL.replace(r#"["Ġ", "a"]"#, r#"["Ġa", "ĠaĠaĠaĠaĠaĠa"]"#);
        assert!(format!("{:#}", load(&long).unwrap_err()).contains("merge 0 makes a token"));
        let sparse = BYTE_LEVEL.replace("\"Ġa\": 2", "\"Ġa\": 4000000000");
        assert!(
            load(&sparse)
                .unwrap_err()
                .to_string()
                .contains("beyond any real vocabulary")
        );
        assert!(load("{").unwrap_err().to_string().contains("not JSON"));
    }
}
