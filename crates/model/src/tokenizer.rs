//! Text to tokens and back, for the vocabularies that GGUF files and `tokenizer.json` carry.
//!
//! The reference is llama.cpp: the same text gives the same ids. Tokens stand for bytes, not for
//! text; [`StreamDecoder`] makes text of them as they arrive. Not here: what the tokens mean, and
//! which text a conversation becomes (that is [`super::template`]).
//!
//! There are two readers because neither can do both. A `tokenizer.json` describes a pipeline of any
//! steps, which its own library, `tokenizers`, runs as it is. A GGUF file only names its
//! pre-tokenizer: the rules behind the names, and SentencePiece as llama.cpp does it, would have to
//! be written for the library all the same. Given by hand what the file names, the library says the
//! same on all of 5,000 texts (SmolLM2 and Qwen2.5, `benches/tokenizers.rs`) and encodes 0.9 and 1.3
//! MB a second where this module does 8.5 and 9.0; on 129,162 strings over 57 pre-tokenizers this
//! module agreed with llama.cpp on every one. To leave the library out would save nothing: candle
//! depends on it.

mod bpe;
mod file;
mod merge;
mod sentencepiece;
mod special;
mod split;
mod stream;
mod vocabulary;

pub use bpe::byte_to_char;
pub use stream::StreamDecoder;
pub use vocabulary::{ENDS, Vocabulary};

use crate::gguf::Gguf;
use anyhow::{Result, bail};
use bpe::Bpe;
use file::JsonTokenizer;
use sentencepiece::SentencePiece;
pub use special::GUARD;
use special::{InputPiece, Specials};
use split::PreTokenizer;
use std::borrow::Cow;
use std::path::Path;
use vocabulary::{Spelling, TokenTable, TokenType};

/// The longest text one call takes. A context holds far less; a longer text is a mistake, and
/// merging it would take memory many times its size.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// One vocabulary with its rules. Immutable, so that threads can share it.
#[derive(Debug)]
pub struct Tokenizer {
    table: TokenTable,
    specials: Specials,
    method: Algorithm,
    bos: Option<u32>,
    /// Whether the file wants prompts to begin with `bos`.
    add_bos: bool,
    warning: Option<String>,
}

/// How text is cut.
#[derive(Debug)]
enum Algorithm {
    /// At literal tokens, and between them as the vocabulary says.
    Own(Pieces),
    Json(Box<JsonTokenizer>),
}

/// How text between literal tokens is cut.
#[derive(Debug)]
enum Pieces {
    Bpe(Bpe),
    SentencePiece(SentencePiece),
}

impl Tokenizer {
    /// Builds the tokenizer of a GGUF file from its metadata.
    ///
    /// Errors: a vocabulary kind other than `gpt2` and `llama`, or a damaged one.
    pub fn from_vocabulary(v: Vocabulary) -> Result<Self> {
        let spelling = match v.model.as_str() {
            "gpt2" => Spelling::ByteLevel,
            "llama" => Spelling::SentencePiece,
            other => bail!(
                "the tokenizer kind '{}' is not supported (only gpt2 and llama are); try another conversion of the model",
                short_name(other)
            ),
        };
        // Defaults of SentencePiece's format, for files that leave the ids out.
        let or = |id: Option<u32>, default| match spelling {
            Spelling::ByteLevel => id,
            Spelling::SentencePiece => id.or(Some(default)),
        };
        let ends = or(v.eos, 2).into_iter().chain(v.other_ends);
        let table = TokenTable::new(&v.tokens, &v.types, spelling, ends)?;
        let known = |id: Option<u32>| id.filter(|id| (*id as usize) < table.kinds.len());
        let mut warning = None;
        let (pieces, add_bos) = match spelling {
            Spelling::ByteLevel => {
                if v.pre.is_empty() {
                    warning = Some("the file names no pre-tokenizer; long-standing defaults are used and answers may suffer".to_owned());
                }
                // Cut in another way, the same text is something that the model has never read.
                let Some(family) = PreTokenizer::named(&v.pre) else {
                    bail!(
                        "the pre-tokenizer '{}' is not known here; --pre names one to use instead, such as gpt-2, llama-bpe or qwen2",
                        short_name(&v.pre)
                    );
                };
                if let Some(merge) = v.merges.iter().find(|merge| !merge.contains(' ')) {
                    bail!("the merge '{}' has no blank in it", short_name(merge));
                }
                let begins_with_bos = begins_with_bos(&v.pre);
                // Families whose words skip the merges where the vocabulary has them whole.
                let whole_words = begins_with_bos || matches!(v.pre.as_str(), "glm4" | "glm5");
                let bpe = Bpe::new(family, whole_words, &v.merges, &table.ids)?;
                (Pieces::Bpe(bpe), begins_with_bos)
            }
            Spelling::SentencePiece => {
                let prefix = v.add_space_prefix.unwrap_or(true);
                let unknown = known(or(v.unknown, 0));
                let pieces = SentencePiece::new(v.scores, &table.ids, unknown, prefix);
                (Pieces::SentencePiece(pieces), true)
            }
        };
        Ok(Self {
            bos: known(or(v.bos, 1)),
            add_bos: v.add_bos.unwrap_or(add_bos),
            method: Algorithm::Own(pieces),
            specials: literal_tokens(&v.tokens, &table),
            table,
            warning,
        })
    }

    /// Reads a Hugging Face `tokenizer.json`.
    ///
    /// The file does not say which tokens end a turn; those with the usual names count.
    pub fn from_file(tokenizer_json: &Path) -> Result<Self> {
        Self::from_json(tokenizer_json, &Vocabulary::default())
    }

    /// Reads the `tokenizer.json` of a model, whose metadata name more tokens that begin and end a
    /// text.
    pub fn from_file_of(tokenizer_json: &Path, model: &Gguf) -> Result<Self> {
        Self::from_json(tokenizer_json, &Vocabulary::from_gguf(model)?)
    }

    fn from_json(tokenizer_json: &Path, named: &Vocabulary) -> Result<Self> {
        let json = JsonTokenizer::read(tokenizer_json)?;
        let (tokens, types) = json.tokens()?;
        let ends = named
            .eos
            .into_iter()
            .chain(named.other_ends.iter().copied());
        let table = TokenTable::new(&tokens, &types, json.spelling(), ends)?;
        let prefix = json.prefix_token();
        let known = |id: &u32| (*id as usize) < table.kinds.len();
        let bos = prefix.or(named.bos.filter(known));
        let method = Algorithm::Json(Box::new(json));
        Ok(Self {
            specials: literal_tokens(&tokens, &table),
            table,
            method,
            bos,
            add_bos: prefix.is_some(),
            warning: None,
        })
    }

    /// Tokens of a text whose literal tokens count, such as a rendered chat template. `bos`: put
    /// the beginning-of-text token in front if the file asks for it.
    ///
    /// Errors: a text of more than 16 MiB.
    pub fn encode(&self, text: &str, bos: bool) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(text.len() / 3 + 1);
        out.extend(self.bos.filter(|_| bos && self.add_bos));
        self.encode_into(text, true, &mut out)?;
        Ok(out)
    }

    /// Tokens of a rendered chat template: as [`Self::encode`] with `bos`, but a template that
    /// writes the beginning-of-text token itself does not get a second one.
    ///
    /// Errors: a text of more than 16 MiB.
    pub fn encode_prompt(&self, rendered: &str) -> Result<Vec<u32>> {
        let mark = self.bos.map_or(&[][..], |bos| self.token_bytes(bos));
        let written = !mark.is_empty() && rendered.as_bytes().starts_with(mark);
        self.encode(rendered, !written)
    }

    /// A text that a person typed, for a place in a rendered template: the marks of the protocol in it
    /// are text there, for [`Self::encode`] and [`Self::encode_prompt`]. Those in `kept` stay marks.
    /// [`unguarded`] is the text again.
    pub fn guard<'t>(&self, text: &'t str, kept: &[&str]) -> Cow<'t, str> {
        self.specials.guard(text, kept)
    }

    /// Tokens of a text that a person typed: control tokens in it are ordinary text, so that a
    /// typed `<|im_end|>` cannot forge the end of a turn. User-defined tokens (Qwen3's
    /// `<think>` is one) still count, as in llama.cpp.
    ///
    /// Errors: a text of more than 16 MiB.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(text.len() / 3 + 1);
        self.encode_into(text, false, &mut out)?;
        Ok(out)
    }

    fn encode_into(&self, text: &str, control: bool, out: &mut Vec<u32>) -> Result<()> {
        if text.len() > MAX_TEXT_BYTES {
            bail!(
                "the text has {} MiB, more than the {} MiB one prompt may have; shorten it",
                text.len() >> 20,
                MAX_TEXT_BYTES >> 20
            );
        }
        let ids = &self.table.ids;
        match &self.method {
            Algorithm::Own(pieces) => {
                let mut first = true;
                for segment in self.specials.partition(text, control) {
                    match (segment, pieces) {
                        (InputPiece::Token(id), _) => out.push(id),
                        (InputPiece::Text(text), Pieces::Bpe(bpe)) => {
                            bpe.encode(&unguarded(text), ids, out);
                        }
                        (InputPiece::Text(text), Pieces::SentencePiece(pieces)) => {
                            pieces.encode(&unguarded(text), first, ids, out);
                        }
                    }
                    first = matches!(segment, InputPiece::Token(_));
                }
            }
            Algorithm::Json(json) if text.contains(GUARD) => {
                for segment in self.specials.partition(text, control) {
                    match segment {
                        InputPiece::Token(id) => out.push(id),
                        InputPiece::Text(text) => out.extend(json.encode(&unguarded(text), false)?),
                    }
                }
            }
            Algorithm::Json(json) => out.extend(json.encode(text, control)?),
        }
        Ok(())
    }

    /// The exact bytes a token stands for: text as it is, control tokens by their literal text
    /// (`</think>`), nothing for padding and for ids outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.table.bytes(id)
    }

    /// The token with exactly this text in the file, such as `</think>` or `<|im_start|>`.
    pub fn id(&self, token_text: &str) -> Option<u32> {
        self.table.ids.get(token_text).copied()
    }

    /// Whether a token is a mark of the protocol rather than text.
    pub fn is_control(&self, id: u32) -> bool {
        self.table.kinds.get(id as usize) == Some(&TokenType::Control)
    }

    /// The number of tokens; logits of higher ids belong to padding and must not be sampled.
    pub fn vocab_size(&self) -> usize {
        self.table.kinds.len()
    }

    /// Every token that ends a turn or a text, ascending.
    pub fn eos_ids(&self) -> &[u32] {
        &self.table.eos
    }

    /// The beginning-of-text token.
    pub fn bos_id(&self) -> Option<u32> {
        self.bos
    }

    /// The text of a sequence of tokens, control tokens included.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|&id| self.token_bytes(id))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One sentence if the file leaves something to guess, for the screen to show.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

/// A text without what [`Tokenizer::guard`] has put into it.
pub fn unguarded(text: &str) -> Cow<'_, str> {
    match text.contains(GUARD) {
        true => text.replace(GUARD, "").into(),
        false => text.into(),
    }
}

/// Families whose prompts begin with the beginning-of-text token unless the file says otherwise.
fn begins_with_bos(pre: &str) -> bool {
    matches!(
        pre,
        "llama-bpe"
            | "llama3"
            | "llama-v3"
            | "falcon3"
            | "falcon-h1"
            | "pixtral"
            | "midm-2.0"
            | "lfm2"
            | "jina-v5-nano"
            | "tekken"
    )
}

/// A name from a file, for a sentence.
fn short_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// The tokens that are found literally in text.
fn literal_tokens(tokens: &[String], table: &TokenTable) -> Specials {
    Specials::new(
        tokens
            .iter()
            .zip(&table.kinds)
            .enumerate()
            .filter_map(|(id, (text, kind))| {
                let control = match kind {
                    TokenType::Control | TokenType::Unknown => true,
                    TokenType::UserDefined => false,
                    TokenType::Normal | TokenType::Byte | TokenType::Unused => return None,
                };
                Some((id as u32, text.clone(), control))
            }),
    )
}

#[cfg(test)]
mod tests;
