//! Text to tokens and back for a server's model: by its own `/tokenize`, or by a vocabulary that the
//! user names.
//!
//! What the server has said once is kept, so that the points of a problem ask for their prompt once.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::http::Client;
use s1_core::delimiters::TokenLookup;
use s1_model::tokenizer::{ENDS, Tokenizer};

/// Texts whose tokens are kept, and how long such a text may be, in bytes.
const KEPT: usize = 4096;
const KEPT_LENGTH: usize = 64 << 10;
/// The longest text that is asked for, in bytes: a context holds far less.
const LONGEST: usize = 16 << 20;

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    /// Literal tokens count.
    Literal,
    /// The same, with what the model wants at the beginning.
    Beginning,
    /// Control tokens are ordinary text, as a person typed it.
    Plain,
}

pub(super) struct Words {
    source: Source,
    /// Ids from here on do not exist.
    pub vocabulary: usize,
    /// The text of the token that begins a prompt.
    bos: String,
    turn_ends: Vec<u32>,
    kept: RefCell<HashMap<(Reading, String), Vec<u32>>>,
    bytes: RefCell<HashMap<u32, Vec<u8>>>,
}

enum Source {
    Own(Box<Tokenizer>),
    Server(Client),
}

impl Words {
    /// By a vocabulary of one's own.
    pub fn own(tokenizer: Tokenizer) -> Words {
        Words {
            vocabulary: tokenizer.vocab_size(),
            bos: String::new(),
            turn_ends: tokenizer.eos_ids().to_vec(),
            source: Source::Own(Box::new(tokenizer)),
            kept: RefCell::default(),
            bytes: RefCell::default(),
        }
    }

    /// By llama.cpp's `/tokenize`. `bos` and `eos` are the texts of those tokens.
    ///
    /// # Errors
    /// If the server does not answer, or knows no token that ends a turn.
    pub fn of_server(client: Client, vocabulary: usize, bos: &str, eos: &str) -> Result<Words> {
        let mut words = Words {
            source: Source::Server(client),
            vocabulary,
            bos: bos.to_owned(),
            turn_ends: Vec::new(),
            kept: RefCell::default(),
            bytes: RefCell::default(),
        };
        for name in [eos].into_iter().chain(ENDS) {
            if let [id] = words.tokens(Reading::Literal, name)?[..]
                && !name.is_empty()
                && words.bytes(id) == name.as_bytes()
                && !words.turn_ends.contains(&id)
            {
                words.turn_ends.push(id);
            }
        }
        if words.turn_ends.is_empty() {
            bail!(
                "the server names no token that ends a turn; name its vocabulary with --tokenizer"
            );
        }
        Ok(words)
    }

    /// Tokens of a rendered chat template.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn encode_prompt(&self, rendered: &str) -> Result<Vec<u32>> {
        if let Source::Own(tokenizer) = &self.source {
            return tokenizer.encode_prompt(rendered);
        }
        let written = !self.bos.is_empty() && rendered.starts_with(&self.bos);
        let reading = match written {
            true => Reading::Literal,
            false => Reading::Beginning,
        };
        self.tokens(reading, rendered)
    }

    /// A text that a person typed, for a place in a template. Without a vocabulary of one's own nobody
    /// knows what its control tokens are: the server reads them as they stand.
    pub fn guard(&self, text: &str, kept: &[&str]) -> String {
        match &self.source {
            Source::Own(tokenizer) => tokenizer.guard(text, kept).into_owned(),
            Source::Server(_) => text.to_owned(),
        }
    }

    /// Tokens of a text that a person typed: control tokens in it are ordinary text.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        match &self.source {
            Source::Own(tokenizer) => tokenizer.encode_plain(text),
            Source::Server(_) => self.tokens(Reading::Plain, text),
        }
    }

    /// The bytes that a token stands for, as far as they are known.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        match &self.source {
            Source::Own(tokenizer) => tokenizer.token_bytes(id).to_vec(),
            Source::Server(_) => self.bytes.borrow().get(&id).cloned().unwrap_or_default(),
        }
    }

    /// Takes in what the server says a token is.
    pub fn learn(&self, id: u32, bytes: &[u8]) {
        if matches!(self.source, Source::Server(_)) && !bytes.is_empty() {
            let mut known = self.bytes.borrow_mut();
            known.entry(id).or_insert_with(|| bytes.to_vec());
        }
    }

    /// The bytes of a whole text.
    pub fn text_bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.bytes(id)).collect()
    }

    fn tokens(&self, reading: Reading, text: &str) -> Result<Vec<u32>> {
        let Source::Server(client) = &self.source else {
            return Ok(self.encode(text));
        };
        if text.len() > LONGEST {
            bail!(
                "the text has {} MiB, more than one prompt may have; shorten it",
                text.len() >> 20
            );
        }
        if text.is_empty() && reading != Reading::Beginning {
            return Ok(Vec::new());
        }
        let key = (reading, text.to_owned());
        if let Some(ids) = self.kept.borrow().get(&key) {
            return Ok(ids.clone());
        }
        let answer = client.post(
            "/tokenize",
            &json!({
                "content": text,
                "add_special": reading == Reading::Beginning,
                "parse_special": reading != Reading::Plain,
                "with_pieces": true,
            }),
        )?;
        let Some(pieces) = pieces(&answer) else {
            bail!(
                "the server at {} does not say what tokens a text has; name its vocabulary with --tokenizer",
                client.base
            );
        };
        let mut ids = Vec::with_capacity(pieces.len());
        for (id, bytes) in pieces {
            if id as usize >= self.vocabulary {
                bail!(
                    "the server at {} names token {id}, where its vocabulary has {}",
                    client.base,
                    self.vocabulary
                );
            }
            self.learn(id, &bytes);
            ids.push(id);
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        if text.len() <= KEPT_LENGTH {
            kept.insert(key, ids.clone());
        }
        Ok(ids)
    }
}

/// Ids and bytes of an answer of `/tokenize`.
pub(super) fn pieces(answer: &Value) -> Option<Vec<(u32, Vec<u8>)>> {
    let tokens = answer.get("tokens")?.as_array()?.iter();
    let piece = |token: &Value| {
        let id = u32::try_from(token.get("id")?.as_u64()?).ok()?;
        let bytes = match token.get("piece")? {
            Value::String(text) => text.clone().into_bytes(),
            // Part of a character.
            Value::Array(bytes) => {
                let bytes = bytes.iter().map(|b| u8::try_from(b.as_u64()?).ok());
                bytes.collect::<Option<_>>()?
            }
            _ => return None,
        };
        Some((id, bytes))
    };
    tokens.map(piece).collect()
}

impl TokenLookup for Words {
    fn encode(&self, text: &str) -> Vec<u32> {
        // Asked for when a server is connected to: one that fails there has no tokens, which is
        // then said of the delimiter.
        match &self.source {
            Source::Own(tokenizer) => tokenizer.encode(text, false).unwrap_or_default(),
            Source::Server(_) => self.tokens(Reading::Literal, text).unwrap_or_default(),
        }
    }

    fn token(&self, text: &str) -> Option<u32> {
        if let Source::Own(tokenizer) = &self.source {
            return tokenizer.id(text);
        }
        match self.encode(text)[..] {
            [id] if self.bytes(id) == text.as_bytes() => Some(id),
            _ => None,
        }
    }

    fn turn_ends(&self) -> Vec<u32> {
        self.turn_ends.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_characters_are_bytes() {
        let answer = json!({"tokens": [
            {"id": 26843, "piece": "Hi"},
            {"id": 40303, "piece": [32, 240, 159, 152]},
        ]});
        assert_eq!(
            pieces(&answer),
            Some(vec![
                (26843, b"Hi".to_vec()),
                (40303, vec![32, 240, 159, 152])
            ])
        );
        assert_eq!(pieces(&json!({"tokens": [1, 2]})), None);
    }
}
