//! What a model file says about its tokens, and the table of tokens made from it.

use super::bpe::char_to_byte;
use super::sentencepiece::SPACE;
use crate::gguf::Gguf;
use anyhow::{Result, bail};
use std::collections::HashMap;

/// The tokenizer part of a model file's metadata (`tokenizer.ggml.*` in GGUF), as read.
///
/// Options are keys the file may leave out; what that means depends on the model.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// `tokenizer.ggml.pre`: how BPE cuts text into words. Empty if the file has none.
    pub pre: String,
    /// The text of every token, in order of ids.
    pub tokens: Vec<String>,
    /// SentencePiece scores per id; may be empty.
    pub scores: Vec<f32>,
    /// Token types per id ([`TokenType`] by number); empty: all are normal.
    pub types: Vec<i32>,
    /// BPE merges, `"left right"`, best first.
    pub merges: Vec<String>,
    /// Beginning of text.
    pub bos: Option<u32>,
    /// End of text.
    pub eos: Option<u32>,
    /// Every other id the file names as an end: of turn, of message, fill-in-the-middle marks.
    pub other_ends: Vec<u32>,
    /// What stands for the unknown.
    pub unknown: Option<u32>,
    /// Whether a prompt begins with `bos`.
    pub add_bos: Option<bool>,
    /// Whether SentencePiece puts a space in front of text.
    pub add_space_prefix: Option<bool>,
}

impl Vocabulary {
    /// Reads `tokenizer.ggml.*` of an open file. What is missing stays empty; whether that can
    /// work is for [`Tokenizer::from_vocabulary`](super::Tokenizer::from_vocabulary) to say.
    ///
    /// # Errors
    /// If a list is of another kind than it has to be, or byte-level BPE has no merges.
    pub fn from_gguf(file: &Gguf) -> Result<Self> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let text = |name: &str| file.string(&key(name)).unwrap_or_default().to_owned();
        let texts = |name: &str| {
            let list = file.strings(&key(name)).unwrap_or_default();
            list.into_iter().map(str::to_owned).collect()
        };
        for (name, readable) in [
            ("tokens", file.strings(&key("tokens")).is_some()),
            ("merges", file.strings(&key("merges")).is_some()),
            ("scores", file.f32s(&key("scores")).is_some()),
            ("token_type", file.i32s(&key("token_type")).is_some()),
        ] {
            let missing = !file.contains(&key(name));
            if !readable && !missing {
                bail!("{} is no list of the kind that it has to be", key(name));
            }
            if missing && name == "merges" && text("model") == "gpt2" {
                bail!("{} is missing; without it every byte is a token", key(name));
            }
        }
        let id = |name: &str| file.u64(&key(name)).and_then(|id| u32::try_from(id).ok());
        Ok(Self {
            model: text("model"),
            pre: text("pre"),
            tokens: texts("tokens"),
            scores: file.f32s(&key("scores")).unwrap_or_default(),
            types: file.i32s(&key("token_type")).unwrap_or_default(),
            merges: texts("merges"),
            bos: id("bos_token_id"),
            eos: id("eos_token_id"),
            other_ends: OTHER_ENDS.into_iter().filter_map(id).collect(),
            unknown: id("unknown_token_id"),
            add_bos: file.bool(&key("add_bos_token")),
            add_space_prefix: file.bool(&key("add_space_prefix")),
        })
    }
}

/// Keys of the ids, other than `eos`, that end generation.
const OTHER_ENDS: [&str; 5] = [
    "eot_token_id",
    "eom_token_id",
    "fim_pad_token_id",
    "fim_rep_token_id",
    "fim_sep_token_id",
];

/// What a token is for; the numbers are those of GGUF's `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    /// 1: text.
    Normal,
    /// 2: stands for text that has no token.
    Unknown,
    /// 3: a mark of the protocol, such as the end of a turn.
    Control,
    /// 4: text that is always taken whole.
    UserDefined,
    /// 6: one byte, written `<0xAB>`.
    Byte,
    /// 5, 0 and everything else: padding of the embedding table; no text.
    Unused,
}

impl TokenType {
    fn numbered(number: i32) -> Self {
        match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            6 => Self::Byte,
            _ => Self::Unused,
        }
    }
}

/// How the file writes the text of normal tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// One printable character per byte (`Ġ` is a space).
    ByteLevel,
    /// UTF-8, a space written `▁`.
    SentencePiece,
}

/// The most tokens of a vocabulary: a file with more is damaged.
const MAX_TOKENS: usize = 1 << 22;
/// Bytes of token text in all, for the same reason.
const MAX_BYTES: usize = 1 << 28;

/// Names that mean "nothing follows", whatever their declared type; the set is llama.cpp's.
pub const ENDS: [&str; 22] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Marks of fill-in-the-middle data; a model that writes one has left the conversation. Of each
/// group the first name present counts.
const MIDDLE_MARKS: [&[&str]; 3] = [
    &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    &[
        "<|fim_repo|>",
        "<|repo_name|>",
        "<fim-repo>",
        "<REPO>",
        "<reponame>",
    ],
    &["<|file_sep|>"],
];

/// Every token's bytes, kind and id.
#[derive(Debug)]
pub(super) struct TokenTable {
    /// The bytes of all tokens, one after the other.
    bytes: Vec<u8>,
    /// Where each token's bytes end in `bytes`.
    ends: Vec<usize>,
    /// What each token is for.
    pub kinds: Vec<TokenType>,
    /// Ids by the text in the file. Of a repeated text the last id counts, as in llama.cpp.
    pub ids: HashMap<Box<str>, u32>,
    /// The ids after which generation is over, ascending.
    pub eos: Vec<u32>,
}

impl TokenTable {
    /// Builds the table. `named_ends` are ids the file itself calls ends; ids outside the
    /// vocabulary are ignored. Errors: no tokens, or more than a vocabulary can have.
    pub fn new(
        tokens: &[String],
        types: &[i32],
        spelling: Spelling,
        named_ends: impl IntoIterator<Item = u32>,
    ) -> Result<Self> {
        if tokens.is_empty() {
            bail!("the model file holds no tokens (tokenizer.ggml.tokens is empty or missing)");
        }
        let text_bytes: usize = tokens.iter().map(String::len).sum();
        if tokens.len() > MAX_TOKENS || text_bytes > MAX_BYTES {
            bail!(
                "the model file claims {} tokens of {text_bytes} bytes in all, too many for a vocabulary",
                tokens.len()
            );
        }
        if !types.is_empty() && types.len() < tokens.len() {
            bail!(
                "the model file has {} tokens but only {} token types; it is damaged",
                tokens.len(),
                types.len()
            );
        }
        let mut kinds: Vec<TokenType> = match types {
            [] => vec![TokenType::Normal; tokens.len()],
            types => types
                .iter()
                .take(tokens.len())
                .map(|&number| TokenType::numbered(number))
                .collect(),
        };
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, text) in tokens
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.is_empty())
        {
            ids.insert(text.as_str().into(), id as u32);
        }
        let eos = end_ids(&ids, named_ends, &mut kinds);
        let mut table = Self {
            bytes: Vec::with_capacity(text_bytes),
            ends: Vec::new(),
            kinds,
            ids,
            eos,
        };
        for (text, &kind) in tokens.iter().zip(&table.kinds) {
            spell(text, kind, spelling, &mut table.bytes);
            table.ends.push(table.bytes.len());
        }
        Ok(table)
    }

    /// The bytes of a token; empty for padding and for ids outside the vocabulary.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else {
            return &[];
        };
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..end]
    }
}

/// The ends by name and by metadata. A token named like an end is made a control token.
fn end_ids(
    ids: &HashMap<Box<str>, u32>,
    named: impl IntoIterator<Item = u32>,
    kinds: &mut [TokenType],
) -> Vec<u32> {
    let marks = MIDDLE_MARKS
        .iter()
        .filter_map(|names| names.iter().find_map(|name| ids.get(*name)));
    let by_name: Vec<u32> = ENDS
        .iter()
        .filter_map(|name| ids.get(*name))
        .chain(marks)
        .copied()
        .collect();
    for &id in &by_name {
        kinds[id as usize] = TokenType::Control;
    }
    let known = |id: &u32| (*id as usize) < kinds.len();
    let mut all: Vec<u32> = by_name
        .into_iter()
        .chain(named.into_iter().filter(known))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Appends the bytes that a token stands for.
fn spell(text: &str, kind: TokenType, spelling: Spelling, out: &mut Vec<u8>) {
    match (kind, spelling) {
        (TokenType::Unused, _) => {}
        (TokenType::Control | TokenType::Unknown | TokenType::UserDefined, _) => {
            out.extend(text.as_bytes())
        }
        (TokenType::Byte, _) => out.extend(byte_value(text)),
        (TokenType::Normal, Spelling::SentencePiece) => {
            out.extend(text.replace(SPACE, " ").as_bytes())
        }
        (TokenType::Normal, Spelling::ByteLevel) => {
            let mut letter = [0; 4];
            for character in text.chars() {
                match char_to_byte(character) {
                    Some(byte) => out.push(byte),
                    None => out.extend(character.encode_utf8(&mut letter).as_bytes()),
                }
            }
        }
    }
}

/// The byte of a text like `<0x0A>`.
pub(super) fn byte_value(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(tokens: &[(&str, i32)], spelling: Spelling, ends: &[u32]) -> TokenTable {
        let texts: Vec<String> = tokens.iter().map(|(text, _)| text.to_string()).collect();
        let types: Vec<i32> = tokens.iter().map(|(_, number)| *number).collect();
        TokenTable::new(&texts, &types, spelling, ends.iter().copied()).unwrap()
    }

    #[test]
    fn tokens_stand_for_exact_bytes() {
        let tokens = [
            ("Ġthe", 1),
            ("Ċ", 1),
            ("Ã", 1),
            ("</think>", 4),
            ("<|im_end|>", 3),
            ("[PAD5]", 5),
        ];
        let table = table(&tokens, Spelling::ByteLevel, &[]);
        let bytes: Vec<&[u8]> = (0..7).map(|id| table.bytes(id)).collect();
        assert_eq!(
            bytes,
            [
                b" the" as &[u8],
                b"\n",
                b"\xc3",
                b"</think>",
                b"<|im_end|>",
                b"",
                b""
            ]
        );
    }

    #[test]
    fn sentencepiece_spells_spaces_and_bytes_its_own_way() {
        let table = table(
            &[("▁the▁", 1), ("<0x0A>", 6), ("<0xZZ>", 6), ("<s>", 3)],
            Spelling::SentencePiece,
            &[],
        );
        let bytes: Vec<&[u8]> = (0..4).map(|id| table.bytes(id)).collect();
        assert_eq!(bytes, [b" the " as &[u8], b"\n", b"", b"<s>"]);
    }

    #[test]
    fn every_way_to_end_a_turn_is_an_end() {
        let tokens = [
            ("a", 1),
            ("<|im_end|>", 3),
            ("<|endoftext|>", 4),
            ("<|file_sep|>", 3),
            ("<x>", 3),
        ];
        let table = table(&tokens, Spelling::ByteLevel, &[4, 99]);
        assert_eq!(table.eos, [1, 2, 3, 4]);
        assert_eq!(table.kinds[2], TokenType::Control);
    }

    #[test]
    fn damaged_files_are_refused_with_a_reason() {
        let refuse = |tokens: &[String], types: &[i32]| {
            TokenTable::new(tokens, types, Spelling::ByteLevel, [])
                .unwrap_err()
                .to_string()
        };
        assert!(refuse(&[], &[]).contains("no tokens"));
        assert!(refuse(&["a".into(), "b".into()], &[1]).contains("only 1 token types"));
    }
}
