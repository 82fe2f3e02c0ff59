//! SentencePiece vocabularies in BPE mode (Llama 2, Gemma), as llama.cpp's `SPM` reads them.
//!
//! A space is written `▁`. A fragment starts as its characters; the neighbouring pair whose
//! joined text is the token with the highest score merges first. A character without a token
//! falls back to the tokens of its bytes, `<0x00>` to `<0xFF>`.

use super::merge::{Symbol, merge};
use std::collections::HashMap;

/// How a space is written in these vocabularies.
pub(super) const SPACE: &str = "▁";

/// The scores of one vocabulary, and what it does at the edges.
#[derive(Debug)]
pub(super) struct SentencePiece {
    /// One score per token id; a missing one counts as 0.
    scores: Vec<f32>,
    /// The tokens of the 256 bytes.
    bytes: Vec<Option<u32>>,
    /// Bytes in the longest token: no longer pair can merge, so none is looked up.
    longest: usize,
    /// Whether text at the start, and after a literal token, gets a space in front.
    pub space_prefix: bool,
}

impl SentencePiece {
    /// `unknown` stands for bytes that have no token of their own.
    pub fn new(
        scores: Vec<f32>,
        ids: &HashMap<Box<str>, u32>,
        unknown: Option<u32>,
        space_prefix: bool,
    ) -> Self {
        let byte_token = |byte: u8| {
            let plain = char::from(byte)
                .is_ascii()
                .then(|| char::from(byte).to_string());
            ids.get(format!("<0x{byte:02X}>").as_str())
                .or_else(|| ids.get(plain?.as_str()))
                .copied()
                .or(unknown)
        };
        let bytes = (0..=255).map(byte_token).collect();
        let longest = ids.keys().map(|text| text.len()).max().unwrap_or(0);
        Self {
            scores,
            bytes,
            longest,
            space_prefix,
        }
    }

    /// Appends the tokens of a text that holds no literal tokens. `first`: the text is at
    /// the start or right after a literal token.
    pub fn encode(
        &self,
        text: &str,
        first: bool,
        ids: &HashMap<Box<str>, u32>,
        out: &mut Vec<u32>,
    ) {
        let prefix = if first && self.space_prefix {
            SPACE
        } else {
            ""
        };
        let text = format!("{prefix}{}", text.replace(' ', SPACE));
        let characters = text.char_indices().map(|(start, letter)| {
            let len = letter.len_utf8();
            Symbol {
                start,
                len,
                id: ids.get(&text[start..start + len]).copied(),
            }
        });
        let rule = |left: &Symbol, right: &Symbol| {
            let len = left.len + right.len;
            let joined = (len <= self.longest).then(|| &text[left.start..left.start + len])?;
            let id = *ids.get(joined)?;
            let score = self.scores.get(id as usize).copied().unwrap_or(0.0);
            Some((falling(score), id))
        };
        for symbol in merge(characters.collect(), rule) {
            match symbol.id {
                Some(id) => out.push(id),
                None => {
                    let bytes = &text.as_bytes()[symbol.start..symbol.start + symbol.len];
                    out.extend(
                        bytes
                            .iter()
                            .filter_map(|&byte| self.bytes[usize::from(byte)]),
                    );
                }
            }
        }
    }
}

/// A key that falls as the score rises, in the total order of floats, so that the smallest key
/// is the highest score. Both zeros count as one.
fn falling(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 {
        bits
    } else {
        !(bits | (1 << 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(tokens: &[(&str, f32)]) -> (HashMap<Box<str>, u32>, Vec<f32>) {
        let ids = tokens
            .iter()
            .enumerate()
            .map(|(id, (text, _))| ((*text).into(), id as u32));
        (
            ids.collect(),
            tokens.iter().map(|(_, score)| *score).collect(),
        )
    }

    fn encode(tokens: &[(&str, f32)], prefix: bool, text: &str) -> Vec<u32> {
        let (ids, scores) = vocabulary(tokens);
        let mut out = Vec::new();
        SentencePiece::new(scores, &ids, Some(0), prefix).encode(text, true, &ids, &mut out);
        out
    }

    const TOKENS: [(&str, f32); 9] = [
        ("<unk>", 0.0),
        ("a", -9.0),
        ("b", -9.0),
        ("ab", -2.0),
        ("ba", -1.0),
        ("▁", -9.0),
        ("▁a", -0.5),
        ("<0xC3>", 0.0),
        ("<0xA9>", 0.0),
    ];

    #[test]
    fn the_best_scored_pair_merges_first() {
        assert_eq!(encode(&TOKENS, false, "aba"), [1, 4]);
        assert_eq!(encode(&TOKENS, false, "abab"), [1, 4, 2]);
    }

    #[test]
    fn the_space_prefix_is_the_files_choice() {
        assert_eq!(encode(&TOKENS, true, "a a"), [6, 6]);
        assert_eq!(encode(&TOKENS, false, "a a"), [1, 6]);
    }

    #[test]
    fn a_character_without_a_token_becomes_its_bytes() {
        assert_eq!(encode(&TOKENS, false, "é"), [7, 8]);
        assert_eq!(encode(&TOKENS, false, "z"), [0]);
    }

    #[test]
    fn keys_fall_as_scores_rise() {
        let scores = [f32::INFINITY, 3.5, 0.0, -0.5, -1000.0, f32::NEG_INFINITY];
        let keys = scores.map(falling);
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
        assert_eq!(falling(0.0), falling(-0.0));
    }
}
