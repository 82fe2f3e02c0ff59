//! Text of a token, taken apart into what a terminal cell can show.
//!
//! The text is made safe first ([`clean`]); what leaves this module can be put into a cell, and
//! its width is the width the cell will have.

use crate::tui::sanitize::{clean, clean_line, fit, graphemes};

/// Columns of the widest gap that counts as white space.
const GAP: usize = 2;

/// One unit of text, in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph<'a> {
    /// A line break.
    Newline,
    /// A gap of this many columns, at which a line may be broken.
    Space(usize),
    /// One cell's text and its width in columns (at least 1).
    Cell(&'a str, usize),
    /// An accent that belongs onto the cell before.
    Accent(&'a str),
}

/// Calls `each(offset, glyph)` for every unit of the safe form of `text`, from byte `from` of that
/// form on; `offset` is the byte where the unit begins.
pub fn glyphs(text: &str, from: usize, mut each: impl FnMut(usize, Glyph)) {
    let text = clean(text);
    let Some(rest) = text.get(from..) else { return };
    if text.is_ascii() {
        for (i, byte) in rest.bytes().enumerate() {
            let glyph = match byte {
                b'\n' => Glyph::Newline,
                b' ' => Glyph::Space(1),
                _ => Glyph::Cell(&rest[i..=i], 1),
            };
            each(from + i, glyph);
        }
        return;
    }
    let mut at = from;
    for (cluster, width) in graphemes(rest) {
        let glyph = match width {
            _ if cluster == "\n" => Glyph::Newline,
            0 => Glyph::Accent(cluster),
            1..=GAP if cluster.chars().all(char::is_whitespace) => Glyph::Space(width),
            _ => Glyph::Cell(cluster, width),
        };
        each(at, glyph);
        at += cluster.len();
    }
}

/// A token's text on one line: safe, with line breaks as a sign that every font has.
pub fn label(text: &str) -> String {
    clean_line(&text.replace('\n', "⏎")).into_owned()
}

/// A token's text between quotation marks, safe and short.
pub fn quoted(text: &str, columns: usize) -> String {
    let safe = label(text);
    let inner = safe
        .strip_prefix(' ')
        .filter(|t| !t.is_empty())
        .unwrap_or(&safe);
    format!("“{}”", fit(inner, columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_carry_their_width_and_place() {
        let mut units = Vec::new();
        glyphs("a漢e\u{301} \n\u{3000}🦀", 0, |at, g| {
            units.push((
                at,
                match g {
                    Glyph::Newline => "newline".to_string(),
                    Glyph::Space(n) => format!("space {n}"),
                    Glyph::Cell(t, w) => format!("{t} {w}"),
                    Glyph::Accent(_) => "accent".to_string(),
                },
            ));
        });
        let shown: Vec<_> = units.iter().map(|(at, u)| (*at, u.as_str())).collect();
        assert_eq!(
            shown,
            [
                (0, "a 1"),
                (1, "漢 2"),
                (4, "e\u{301} 1"),
                (7, "space 1"),
                (8, "newline"),
                (9, "space 2"),
                (12, "🦀 2"),
            ]
        );
    }

    #[test]
    fn an_accent_alone_belongs_onto_the_cell_before() {
        glyphs("\u{301}", 0, |_, g| assert_eq!(g, Glyph::Accent("\u{301}")));
        glyphs("abc", 7, |_, _| panic!("nothing stands behind the end"));
    }
}
