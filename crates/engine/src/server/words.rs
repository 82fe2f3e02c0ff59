//! Text to tokens and back for a server's model: by its own `/tokenize`, by a vocabulary that the user
//! names, or, where there are no tokens, by giving every text that comes a number.
//!
//! What the server has said once is kept, so that the points of a problem ask for their prompt once.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::chat;
use super::dialect::{Considered, Drawn};
use super::http::{RequestFault, ServerClient};
use s1_core::delimiters::TokenLookup;
use s1_model::tokenizer::{ENDS, GUARD, Tokenizer, unguarded};

/// Bytes of texts and their tokens that are kept: the points of the problems under way ask for the same ones.
const KEPT: usize = 1 << 20;
/// The longest text that is asked for, in bytes: a context holds far less.
const LONGEST: usize = 16 << 20;
/// More than any vocabulary has: where a server does not say how many tokens its own has.
pub(super) const VOCABULARY: usize = 1 << 22;
/// Bytes of different pieces that are kept of a server that only chats.
const MOST_PIECES: usize = 64 << 20;

/// Where the parts of a guarded text are read one by one: [`GUARD`], twice.
const APART: &str = "\u{fdd0}\u{fdd0}";

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum TextReading {
    /// Literal tokens count.
    Literal,
    /// The same, with what the model wants at the beginning.
    Beginning,
    /// Control tokens are ordinary text, as a person typed it.
    Plain,
}

pub(super) struct ServerWords {
    source: WordSource,
    /// Ids from here on do not exist.
    pub vocabulary: usize,
    /// The text of the token that begins a prompt.
    bos: String,
    turn_ends: Vec<u32>,
    kept: RefCell<Kept>,
    bytes: RefCell<HashMap<u32, Vec<u8>>>,
}

enum WordSource {
    Own(Box<Tokenizer>),
    /// Of servers of one model, the first that answers.
    Servers(Vec<ServerClient>),
    /// A text is a token, the next that is free, from the first time on that it comes.
    Pieces(RefCell<TokenPieces>),
}

#[derive(Default)]
struct TokenPieces {
    ids: HashMap<Vec<u8>, u32>,
    texts: Vec<Vec<u8>>,
    bytes: usize,
    /// What was asked last, and how much was asked before.
    asked: (u32, String),
}

impl TokenPieces {
    /// The id of a text; `None` if there are too many.
    fn id(&mut self, text: &[u8]) -> Option<u32> {
        if let Some(&id) = self.ids.get(text) {
            return Some(id);
        }
        let id = u32::try_from(self.texts.len()).ok()?;
        self.bytes += text.len();
        if self.bytes > MOST_PIECES || self.texts.len() >= VOCABULARY {
            return None;
        }
        self.texts.push(text.to_vec());
        self.ids.insert(text.to_vec(), id);
        Some(id)
    }
}

/// Texts whose tokens are known.
#[derive(Default)]
struct Kept {
    tokens: HashMap<(TextReading, String), Vec<u32>>,
    bytes: usize,
}

impl Kept {
    /// Keeps one, and forgets all others where there are too many.
    fn insert(&mut self, key: (TextReading, String), ids: &[u32]) {
        let bytes = size_of_val(&key) + key.1.len() + size_of::<Vec<u32>>() + size_of_val(ids);
        if self.bytes + bytes > KEPT {
            *self = Kept::default();
        }
        if bytes <= KEPT && self.tokens.insert(key, ids.to_vec()).is_none() {
            self.bytes += bytes;
        }
    }
}

impl ServerWords {
    /// By a vocabulary of one's own.
    pub fn own(tokenizer: Tokenizer) -> ServerWords {
        ServerWords {
            vocabulary: tokenizer.vocab_size(),
            bos: String::new(),
            turn_ends: tokenizer.eos_ids().to_vec(),
            source: WordSource::Own(Box::new(tokenizer)),
            kept: RefCell::default(),
            bytes: RefCell::default(),
        }
    }

    /// By the pieces of a server that only chats.
    pub fn of_pieces() -> ServerWords {
        let mut pieces = TokenPieces::default();
        ServerWords {
            vocabulary: VOCABULARY,
            bos: String::new(),
            turn_ends: pieces.id(chat::TURN.as_bytes()).into_iter().collect(),
            source: WordSource::Pieces(pieces.into()),
            kept: RefCell::default(),
            bytes: RefCell::default(),
        }
    }

    /// By the `/tokenize` of llama.cpp's servers. `bos` and `eos` are the texts of those tokens.
    ///
    /// # Errors
    /// If the server does not answer, or knows no token that ends a turn.
    pub fn of_servers(
        clients: Vec<ServerClient>,
        vocabulary: usize,
        bos: &str,
        eos: &str,
    ) -> Result<ServerWords> {
        let mut words = ServerWords {
            source: WordSource::Servers(clients),
            vocabulary,
            bos: bos.to_owned(),
            turn_ends: Vec::new(),
            kept: RefCell::default(),
            bytes: RefCell::default(),
        };
        for name in [eos].into_iter().chain(ENDS) {
            if let [id] = words.tokens(TextReading::Literal, name)?[..]
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
        if let WordSource::Own(tokenizer) = &self.source {
            return tokenizer.encode_prompt(rendered);
        }
        let written = !self.bos.is_empty() && rendered.starts_with(&self.bos);
        let reading = match written {
            true => TextReading::Literal,
            false => TextReading::Beginning,
        };
        match rendered.contains(GUARD) {
            true => self.guarded(reading, rendered),
            false => self.tokens(reading, rendered),
        }
    }

    /// Tokens of a rendered template with guarded words of a person in it: what stands between the
    /// control tokens of the template is read as text.
    fn guarded(&self, reading: TextReading, rendered: &str) -> Result<Vec<u32>> {
        let controls = self.controls(rendered)?;
        let (mut ids, mut reading, mut rest) = (Vec::new(), reading, rendered);
        while !rest.is_empty() {
            let of = |name: &String| Some((rest.find(name.as_str())?, name.len()));
            let next = controls.iter().filter_map(of);
            // Of several that begin there, the longest.
            let next = next.min_by_key(|&(at, len)| (at, Reverse(len)));
            let (at, len) = next.unwrap_or((rest.len(), 0));
            if reading == TextReading::Beginning {
                ids.extend(self.tokens(reading, "")?);
                reading = TextReading::Literal;
            }
            for text in rest[..at].split(APART) {
                ids.extend(self.tokens(TextReading::Plain, &unguarded(text))?);
            }
            ids.extend(self.tokens(reading, &rest[at..at + len])?);
            rest = &rest[at + len..];
        }
        Ok(ids)
    }

    /// A text that a person typed, for a place in a template: the control tokens in it are text there,
    /// for [`Self::encode_prompt`], and so are the tags of a thought in it. Those in `kept` stay what they
    /// are.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn guard(&self, text: &str, kept: &[&str], tags: [&str; 2]) -> Result<String> {
        match &self.source {
            WordSource::Own(tokenizer) => return Ok(tokenizer.guard(text, kept).into_owned()),
            WordSource::Pieces(_) => return Ok(text.to_owned()),
            WordSource::Servers(_) => {}
        }
        let mut guarded = unguarded(text).into_owned();
        // What is broken may leave a shorter one: another look, and then no more.
        for _ in 0..4 {
            let mut controls = self.controls(&guarded)?;
            controls.retain(|name| !kept.contains(&name.as_str()));
            if controls.is_empty() {
                break;
            }
            for name in controls {
                let first = name.chars().next().map_or(0, char::len_utf8);
                let (head, tail) = name.split_at(first);
                guarded = guarded.replace(&name, &format!("{head}{GUARD}{tail}"));
            }
        }
        // Many are tokens of the ordinary vocabulary, which are found in every text: their parts are read
        // one by one.
        for tag in tags.into_iter().filter(|tag| !kept.contains(tag)) {
            if tag.chars().count() > 1 && guarded.contains(tag) && self.token(tag).is_some() {
                let first = tag.chars().next().map_or(0, char::len_utf8);
                let (head, tail) = tag.split_at(first);
                guarded = guarded.replace(tag, &format!("{head}{APART}{tail}"));
            }
        }
        Ok(guarded)
    }

    /// The control tokens that the server finds in a text: those that it does not find where it is told
    /// to look for none.
    fn controls(&self, text: &str) -> Result<Vec<String>> {
        let plain: HashSet<u32> = self.tokens(TextReading::Plain, text)?.into_iter().collect();
        let mut found: Vec<u32> = self.tokens(TextReading::Literal, text)?;
        found.retain(|id| !plain.contains(id));
        found.sort_unstable();
        found.dedup();
        let name = |id| String::from_utf8(self.bytes(id)).ok();
        let mut controls = Vec::new();
        for (id, name) in found.into_iter().filter_map(|id| Some((id, name(id)?))) {
            if name.chars().count() > 1
                && text.contains(&name)
                && self.tokens(TextReading::Plain, &name)? != [id]
            {
                controls.push(name);
            }
        }
        Ok(controls)
    }

    /// Tokens of a text that a person typed: control tokens in it are ordinary text.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        match &self.source {
            WordSource::Own(tokenizer) => tokenizer.encode_plain(text),
            WordSource::Servers(_) | WordSource::Pieces(_) => self.tokens(TextReading::Plain, text),
        }
    }

    /// The bytes that a token stands for, as far as they are known.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        match &self.source {
            WordSource::Own(tokenizer) => tokenizer.token_bytes(id).to_vec(),
            WordSource::Servers(_) => self.bytes.borrow().get(&id).cloned().unwrap_or_default(),
            WordSource::Pieces(pieces) => {
                let pieces = pieces.borrow();
                let (asked, text) = &pieces.asked;
                match id as usize == VOCABULARY + *asked as usize {
                    true => text.as_bytes().to_vec(),
                    false => pieces.texts.get(id as usize).cloned().unwrap_or_default(),
                }
            }
        }
    }

    /// The prompt of a server that only chats: what it is asked, as one token that is never used again, so
    /// that no two lanes are taken for one.
    pub fn asking(&self, text: String) -> Vec<u32> {
        let WordSource::Pieces(pieces) = &self.source else {
            return Vec::new();
        };
        let asked = &mut pieces.borrow_mut().asked;
        *asked = (asked.0.wrapping_add(1), text);
        vec![(VOCABULARY as u32).saturating_add(asked.0)]
    }

    /// Takes in what came: what the server says of its tokens, and numbers for pieces.
    ///
    /// # Errors
    /// If there are more pieces than can be kept.
    pub fn take_in(&self, drawn: &mut [Drawn]) -> Result<(), RequestFault> {
        let all = drawn
            .iter_mut()
            .flat_map(|drawn| drawn.top.iter_mut().chain([&mut drawn.token]));
        let WordSource::Pieces(pieces) = &self.source else {
            all.for_each(|token| self.learn(token.id, token.bytes.as_deref().unwrap_or_default()));
            return Ok(());
        };
        let mut pieces = pieces.borrow_mut();
        for Considered { id, bytes, .. } in all {
            let text = bytes.as_deref().unwrap_or_default();
            *id = pieces.id(text).ok_or_else(|| {
                RequestFault::lasting("the server has written more different pieces of text than can be told apart; start the program again")
            })?;
        }
        Ok(())
    }

    /// Takes in what the server says a token is.
    fn learn(&self, id: u32, bytes: &[u8]) {
        if matches!(self.source, WordSource::Servers(_)) && !bytes.is_empty() {
            let mut known = self.bytes.borrow_mut();
            known.entry(id).or_insert_with(|| bytes.to_vec());
        }
    }

    /// The bytes of a whole text.
    pub fn text_bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.bytes(id)).collect()
    }

    fn tokens(&self, reading: TextReading, text: &str) -> Result<Vec<u32>> {
        let WordSource::Servers(clients) = &self.source else {
            return Ok(self.encode(text));
        };
        if text.len() > LONGEST {
            bail!(
                "the text has {} MiB, more than one prompt may have; shorten it",
                text.len() >> 20
            );
        }
        if text.is_empty() && reading != TextReading::Beginning {
            return Ok(Vec::new());
        }
        let key = (reading, text.to_owned());
        if let Some(ids) = self.kept.borrow().tokens.get(&key) {
            return Ok(ids.clone());
        }
        let asked = json!({
            "content": text,
            "add_special": reading == TextReading::Beginning,
            "parse_special": reading != TextReading::Plain,
            "with_pieces": true,
        });
        let (client, answer) = first_answer(clients, &asked)?;
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
        self.kept.borrow_mut().insert(key, &ids);
        Ok(ids)
    }
}

/// What the first of the servers says that does not fail for a reason of its own.
fn first_answer<'a>(
    clients: &'a [ServerClient],
    asked: &Value,
) -> Result<(&'a ServerClient, Value)> {
    let mut failed = None;
    for client in clients {
        match client.post("/tokenize", asked) {
            Ok(answer) => return Ok((client, answer)),
            Err(fault) if fault.passing => drop(failed.get_or_insert(fault)),
            Err(fault) => return Err(fault.into()),
        }
    }
    Err(failed.map_or_else(|| anyhow::anyhow!("no server is named"), Into::into))
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

impl TokenLookup for ServerWords {
    fn encode(&self, text: &str) -> Vec<u32> {
        // Asked for when a server is connected to: one that fails there has no tokens, which is
        // then said of the delimiter.
        match &self.source {
            WordSource::Own(tokenizer) => tokenizer.encode(text, false).unwrap_or_default(),
            WordSource::Servers(_) => self.tokens(TextReading::Literal, text).unwrap_or_default(),
            WordSource::Pieces(_) if text.is_empty() => Vec::new(),
            WordSource::Pieces(pieces) => {
                let id = pieces.borrow_mut().id(text.as_bytes());
                id.into_iter().collect()
            }
        }
    }

    fn token(&self, text: &str) -> Option<u32> {
        if let WordSource::Own(tokenizer) = &self.source {
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

    /// A user would lose: ten megabytes for every thousand problems of a sweep.
    #[test]
    fn what_is_kept_of_texts_is_bounded_however_many_there_are() {
        let mut kept = Kept::default();
        let key = |n: usize| (TextReading::Plain, format!("{n:05} {}", "x".repeat(500)));
        let mut most = 0;
        for n in 0..10_000 {
            kept.insert(key(n), &[7; 400]);
            let held = kept.tokens.iter();
            let held = held.map(|((_, text), ids)| text.capacity() + 4 * ids.capacity());
            most = most.max(held.sum::<usize>());
            assert!(kept.tokens.contains_key(&key(n)), "the last one is at hand");
        }
        assert!((KEPT / 2..=KEPT).contains(&most), "{most}");
        kept.insert(key(10_000), &vec![7; KEPT]);
        assert!(kept.tokens.len() < 2, "one that is too long is not kept");
    }

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
