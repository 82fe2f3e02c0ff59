//! Text before it is read: characters that look like others are those others, invisible ones are
//! gone, and quotes or emphasis around an answer come off. The place of everything in the original is
//! kept.

use std::borrow::Cow;
use std::ops::Range;

/// A text with plain characters, and where each byte of it was in the original.
pub struct Plain<'a> {
    pub text: Cow<'a, str>,
    /// For every byte of `text` and its end, the place in the original; empty where both are the
    /// same.
    places: Vec<usize>,
}

impl<'a> Plain<'a> {
    pub fn of(original: &'a str) -> Self {
        if original.is_ascii() || !original.chars().any(|c| plain(c) != Some(c)) {
            return Self {
                text: Cow::Borrowed(original),
                places: Vec::new(),
            };
        }
        let mut text = String::with_capacity(original.len());
        let mut places = Vec::with_capacity(original.len() + 1);
        for (at, c) in original.char_indices() {
            if let Some(c) = plain(c) {
                text.push(c);
                places.resize(text.len(), at);
            }
        }
        places.push(original.len());
        Self {
            text: Cow::Owned(text),
            places,
        }
    }

    /// The same part of the original.
    pub fn original(&self, part: Range<usize>) -> Range<usize> {
        if self.places.is_empty() {
            return part;
        }
        let place = |at: usize| self.places.get(at).copied().unwrap_or_default();
        place(part.start)..place(part.end)
    }
}

/// The character that `c` stands for; `None` where it stands for nothing.
fn plain(c: char) -> Option<char> {
    let shifted =
        |first: char, to: char| char::from_u32(u32::from(c) - u32::from(first) + u32::from(to));
    let digit = |zero: char| shifted(zero, '0');
    match c {
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => None,
        // Full-width forms, as in Chinese and Japanese text.
        '！'..='～' => shifted('！', '!'),
        '、' => Some(','),
        '\u{3000}' => Some(' '),
        '٠'..='٩' => digit('٠'),
        '۰'..='۹' => digit('۰'),
        '०'..='९' => digit('०'),
        // The five alphabets of bold, double-struck and other digits.
        '𝟎'..='𝟿' => {
            let value = (u32::from(c) - u32::from('𝟎')) % 10;
            char::from_digit(value, 10)
        }
        // Bold and italic letters; the unit vectors 𝐢, 𝐣, 𝐤 keep their boldness.
        '𝐀'..='𝐙' => shifted('𝐀', 'A'),
        '𝐴'..='𝑍' => shifted('𝐴', 'A'),
        '𝑎'..='𝑧' => shifted('𝑎', 'a'),
        other => Some(other),
    }
}

/// An answer without what only encloses it: quotes, emphasis, code marks, tags, a list of one quoted
/// text as programs print it.
pub fn undressed(text: &str) -> &str {
    const PAIRS: [(&str, &str); 11] = [
        ("['", "']"),
        ("[\"", "\"]"),
        ("<answer>", "</answer>"),
        ("**", "**"),
        ("\"", "\""),
        ("'", "'"),
        ("“", "”"),
        ("‘", "’"),
        ("`", "`"),
        ("$$", "$$"),
        ("$", "$"),
    ];
    let mut text = text.trim();
    // Each round takes a pair off; a bound keeps hostile text linear.
    for _ in 0..8 {
        let inner = PAIRS.iter().find_map(|(open, close)| {
            let inner = text.strip_prefix(open)?.strip_suffix(close)?;
            (!inner.contains(open) && !inner.contains(close)).then_some(inner.trim())
        });
        match inner.filter(|inner| !inner.is_empty()) {
            Some(inner) => text = inner,
            None => break,
        }
    }
    text
}
