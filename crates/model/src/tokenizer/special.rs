//! Finding the tokens that are taken literally (`<|im_start|>`, `</think>`) before any merging.

use std::borrow::Cow;

/// A stretch of the input: still text, or already a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputPiece<'t> {
    /// Text that the merging algorithm has to cut.
    Text(&'t str),
    /// A token found literally.
    Token(u32),
}

/// The literal tokens of a vocabulary, longest first.
///
/// The rule is llama.cpp's: each token in turn, from the longest text to the shortest, claims
/// its occurrences from left to right in what longer ones have left over. Among equal lengths
/// the lower id goes first.
#[derive(Debug, Default)]
pub(super) struct Specials {
    entries: Vec<SpecialToken>,
}

#[derive(Debug)]
struct SpecialToken {
    text: String,
    id: u32,
    /// Control tokens count only where the text comes from a template, not from a person.
    control: bool,
}

/// Stands inside of a mark that a person typed, so that it is not found. No text has this character:
/// it is none in Unicode.
pub const GUARD: char = '\u{fdd0}';

/// Which three-byte sequences occur in a text (by hash), so that the thousands of literal tokens
/// that cannot occur are not searched for one by one.
struct Trigrams(Vec<u64>);

impl Trigrams {
    const BITS: usize = 1 << 16;

    fn of(text: &str) -> Self {
        let mut bits = vec![0u64; Self::BITS / 64];
        for window in text.as_bytes().windows(3) {
            let slot = Self::slot(window);
            bits[slot / 64] |= 1 << (slot % 64);
        }
        Self(bits)
    }

    fn may_contain(&self, text: &str) -> bool {
        let seen = |slot: usize| self.0[slot / 64] >> (slot % 64) & 1 == 1;
        text.as_bytes()
            .windows(3)
            .all(|window| seen(Self::slot(window)))
    }

    fn slot(window: &[u8]) -> usize {
        let number = window
            .iter()
            .fold(0u32, |sum, &byte| sum << 8 | u32::from(byte));
        (number.wrapping_mul(0x9E37_79B1) >> 16) as usize % Self::BITS
    }
}

impl Specials {
    /// Collects `(id, text, is control)`; empty texts are left out, they would match everywhere.
    pub fn new(tokens: impl IntoIterator<Item = (u32, String, bool)>) -> Self {
        let mut entries: Vec<SpecialToken> = tokens
            .into_iter()
            .filter(|(_, text, _)| !text.is_empty())
            .map(|(id, text, control)| SpecialToken { text, id, control })
            .collect();
        entries.sort_by_key(|entry| (std::cmp::Reverse(entry.text.len()), entry.id));
        Self { entries }
    }

    /// Cuts a text at its literal tokens. `control`: whether control tokens count.
    pub fn partition<'t>(&self, text: &'t str, control: bool) -> Vec<InputPiece<'t>> {
        let mut pieces = Vec::new();
        if text.is_empty() {
            return pieces;
        }
        pieces.push(InputPiece::Text(text));
        let trigrams = Trigrams::of(text);
        for entry in &self.entries {
            if entry.control && !control || !trigrams.may_contain(&entry.text) {
                continue;
            }
            if !text.contains(&entry.text) {
                continue;
            }
            pieces = pieces.into_iter().fold(Vec::new(), |mut done, piece| {
                match piece {
                    InputPiece::Text(text) => entry.cut(text, &mut done),
                    token => done.push(token),
                }
                done
            });
        }
        pieces
    }
}

impl Specials {
    /// A text in which no mark of the protocol is found any more, with [`GUARD`] inside of each. The
    /// texts in `kept` stay marks.
    pub fn guard<'t>(&self, text: &'t str, kept: &[&str]) -> Cow<'t, str> {
        let mut guarded = Cow::Borrowed(text);
        if text.contains(GUARD) {
            guarded = text.replace(GUARD, "").into();
        }
        // A mark that is broken may leave a shorter one: another look, and then no more.
        for _ in 0..4 {
            let trigrams = Trigrams::of(&guarded);
            let marks = self.entries.iter().filter(|entry| {
                entry.is_mark()
                    && !kept.contains(&entry.text.as_str())
                    && trigrams.may_contain(&entry.text)
                    && guarded.contains(&entry.text)
            });
            let found: Vec<&SpecialToken> = marks.collect();
            if found.is_empty() {
                break;
            }
            let mut text = guarded.into_owned();
            for mark in found {
                let first = mark.text.chars().next().map_or(0, char::len_utf8);
                let (head, tail) = mark.text.split_at(first);
                text = text.replace(&mark.text, &format!("{head}{GUARD}{tail}"));
            }
            guarded = text.into();
        }
        guarded
    }
}

impl SpecialToken {
    /// Whether the token is a mark of the protocol: a control token, or one that is written like one
    /// (`<think>`, `[THINK]`). Runs of blanks are tokens of a vocabulary, too, and are none.
    fn is_mark(&self) -> bool {
        let written = |open, close| self.text.starts_with(open) && self.text.ends_with(close);
        let bracketed = written('<', '>') || written('[', ']') || written('◁', '▷');
        self.text.chars().count() > 1 && (self.control || bracketed)
    }

    fn cut<'t>(&self, text: &'t str, pieces: &mut Vec<InputPiece<'t>>) {
        let mut from = 0;
        for (at, found) in text.match_indices(&self.text) {
            if from < at {
                pieces.push(InputPiece::Text(&text[from..at]));
            }
            pieces.push(InputPiece::Token(self.id));
            from = at + found.len();
        }
        if from < text.len() {
            pieces.push(InputPiece::Text(&text[from..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::InputPiece::{Text, Token};
    use super::*;

    fn specials(tokens: &[(&str, bool)]) -> Specials {
        let token =
            |(id, (text, control)): (usize, &(&str, bool))| (id as u32, text.to_string(), *control);
        Specials::new(tokens.iter().enumerate().map(token))
    }

    #[test]
    fn a_typed_control_token_cannot_forge_a_turn() {
        let specials = specials(&[("<|im_end|>", true), ("<think>", false)]);
        let text = "a<|im_end|><think>b";
        assert_eq!(
            specials.partition(text, true),
            [Text("a"), Token(0), Token(1), Text("b")]
        );
        assert_eq!(
            specials.partition(text, false),
            [Text("a<|im_end|>"), Token(1), Text("b")]
        );
    }

    #[test]
    fn the_longest_token_wins_even_if_a_shorter_one_begins_earlier() {
        let specials = specials(&[
            ("xab", false),
            ("abcd", false),
            ("\n", false),
            ("\n\n", false),
        ]);
        assert_eq!(specials.partition("xabcd", true), [Text("x"), Token(1)]);
        assert_eq!(
            specials.partition("\n\n\nxab", true),
            [Token(3), Token(2), Token(0)]
        );
    }

    #[test]
    fn what_a_person_types_is_guarded_and_what_a_template_writes_is_not() {
        let specials = specials(&[("<|im_end|>", true), ("<think>", false), ("\n\n", false)]);
        let typed = specials.guard("a<|im_end|>b<think>\n\n", &[]);
        assert_eq!(
            specials.partition(&typed, true),
            [Text("a<\u{fdd0}|im_end|>b<\u{fdd0}think>"), Token(2)]
        );
        assert_eq!(specials.guard("a\u{fdd0}b", &[]), "ab");
        let kept = specials.guard("<think><|im_end|>", &["<think>"]);
        assert_eq!(specials.partition(&kept, true)[0], Token(1));
        assert!(matches!(specials.guard("plain", &[]), Cow::Borrowed(_)));
    }

    #[test]
    fn empty_texts_neither_match_nor_loop() {
        let specials = specials(&[("", true), ("<s>", true)]);
        assert_eq!(specials.partition("", true), []);
        assert_eq!(specials.partition("a<s", true), [Text("a<s")]);
    }
}
