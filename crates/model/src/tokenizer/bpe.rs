//! Byte-level byte-pair encoding: GPT-2's scheme, used by Llama 3, Qwen, SmolLM and others.
//!
//! Vocabularies of this kind write each byte as one printable character (a space is `Ġ`). Text
//! is cut into words by a [`Splitter`], a word starts as its bytes, and neighbours merge in the
//! order of the file's merge list.

use super::merge::{Symbol, merge};
use super::split::{PreTokenizer, Splitter};
use anyhow::Result;
use std::collections::HashMap;

/// The merge rules of one vocabulary.
#[derive(Debug)]
pub(super) struct Bpe {
    splitter: Splitter,
    /// The token of each single byte. Llama.cpp drops a byte that has none; so does this.
    bytes: Vec<Option<u32>>,
    /// `(left, right)` to `(rank, merged token)`.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// A word that is a token itself is taken whole, whatever the merges would make of it.
    whole_words: bool,
}

impl Bpe {
    /// Reads the merge list (`"left right"` per entry). Entries that name no token, or that make
    /// none, are left out; of a repeated pair the first counts.
    pub fn new(
        family: PreTokenizer,
        whole_words: bool,
        merges: &[String],
        ids: &HashMap<Box<str>, u32>,
    ) -> Result<Self> {
        let mut table = HashMap::with_capacity(merges.len());
        let mut joined = String::new();
        for (rank, entry) in merges.iter().enumerate() {
            // The left half may itself begin with a space in files that do not escape spaces.
            let Some(space) = entry.char_indices().skip(1).find(|(_, c)| *c == ' ') else {
                continue;
            };
            let (left, right) = (&entry[..space.0], &entry[space.0 + 1..]);
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            if let (Some(&left), Some(&right), Some(&merged)) =
                (ids.get(left), ids.get(right), ids.get(joined.as_str()))
            {
                table.entry((left, right)).or_insert((rank as u32, merged));
            }
        }
        let mut letter = [0; 4];
        let bytes = (0..=255)
            .map(|byte| {
                ids.get(&*byte_to_char(byte).encode_utf8(&mut letter))
                    .copied()
            })
            .collect();
        Ok(Self {
            splitter: Splitter::new(family)?,
            bytes,
            merges: table,
            whole_words,
        })
    }

    /// Appends the tokens of a text that holds no literal tokens.
    pub fn encode(&self, text: &str, ids: &HashMap<Box<str>, u32>, out: &mut Vec<u32>) {
        let mut spelled = String::new();
        for word in self.splitter.split(text) {
            if self.whole_words {
                spelled.clear();
                spelled.extend(word.bytes().map(byte_to_char));
                if let Some(&id) = ids.get(spelled.as_str()) {
                    out.push(id);
                    continue;
                }
            }
            let bytes = word.bytes().enumerate();
            let symbols = bytes.map(|(start, byte)| Symbol {
                start,
                len: 1,
                id: self.bytes[usize::from(byte)],
            });
            let rule =
                |left: &Symbol, right: &Symbol| self.merges.get(&(left.id?, right.id?)).copied();
            out.extend(
                merge(symbols.collect(), rule)
                    .iter()
                    .filter_map(|symbol| symbol.id),
            );
        }
    }
}

/// The printable character that stands for a byte: itself where it is printable and not a space in
/// Latin-1, else the next free one from U+0100 on.
pub fn byte_to_char(byte: u8) -> char {
    let code = u32::from(byte);
    let shifted = match byte {
        0..=32 => 256 + code,
        127..=160 => 256 + code - 127 + 33,
        173 => 256 + 67,
        _ => code,
    };
    char::from_u32(shifted).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character of a vocabulary stands for, if it stands for one.
pub(super) fn char_to_byte(letter: char) -> Option<u8> {
    let byte = match u32::from(letter) {
        code @ (33..=126 | 161..=172 | 174..=255) => code,
        code @ 256..=288 => code - 256,
        code @ 289..=322 => code - 289 + 127,
        323 => 173,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tokens: &[&str]) -> HashMap<Box<str>, u32> {
        tokens
            .iter()
            .enumerate()
            .map(|(id, text)| ((*text).into(), id as u32))
            .collect()
    }

    fn encode(bpe: &Bpe, ids: &HashMap<Box<str>, u32>, text: &str) -> Vec<u32> {
        let mut out = Vec::new();
        bpe.encode(text, ids, &mut out);
        out
    }

    #[test]
    fn every_byte_has_its_own_character_and_finds_its_way_back() {
        let letters: std::collections::HashSet<char> = (0..=255).map(byte_to_char).collect();
        assert_eq!(letters.len(), 256);
        for byte in 0..=255 {
            assert_eq!(char_to_byte(byte_to_char(byte)), Some(byte));
        }
        assert_eq!(
            (byte_to_char(b' '), byte_to_char(b'\n'), byte_to_char(b'A')),
            ('Ġ', 'Ċ', 'A')
        );
        assert_eq!(char_to_byte('▁'), None);
    }

    #[test]
    fn merges_apply_in_the_order_of_the_list_not_of_the_text() {
        let ids = ids(&["a", "b", "c", "ab", "bc"]);
        let merges = ["b c".to_owned(), "a b".to_owned()];
        let bpe = Bpe::new(PreTokenizer::Gpt2, false, &merges, &ids).unwrap();
        assert_eq!(encode(&bpe, &ids, "abc"), [0, 4]);
        assert_eq!(encode(&bpe, &ids, "abab"), [3, 3]);
    }

    #[test]
    fn llama3_takes_a_whole_word_that_no_merge_can_build() {
        let ids = ids(&["a", "b", "ab"]);
        let whole = Bpe::new(PreTokenizer::Llama3, true, &[], &ids).unwrap();
        let merged = Bpe::new(PreTokenizer::Llama3, false, &[], &ids).unwrap();
        assert_eq!(encode(&whole, &ids, "ab"), [2]);
        assert_eq!(encode(&merged, &ids, "ab"), [0, 1]);
    }

    #[test]
    fn a_merge_list_that_names_unknown_tokens_does_no_harm() {
        let ids = ids(&["a", "b"]);
        let merges = ["a b", "x y", "", " ", "a", "a  b"].map(str::to_owned);
        let bpe = Bpe::new(PreTokenizer::Gpt2, false, &merges, &ids).unwrap();
        assert_eq!(encode(&bpe, &ids, "abz"), [0, 1]);
    }
}
