//! Text of a token, taken apart into what a terminal cell can show.
//!
//! Model output is hostile: it may carry escape sequences, bidirectional overrides, lone joiners,
//! or a letter with a thousand accents. What leaves this module is safe to put into a cell, and
//! its width is the width the cell will have.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns a tab takes.
const TAB: usize = 4;
/// Bytes of one cell at most; accents beyond it are dropped.
const CELL_BYTES: usize = 32;

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

/// Calls `each(offset, glyph)` for every unit of `text` from byte `from` on; `offset` is the
/// byte where the unit begins in `text`. An offset that is not on a character is moved on to the
/// next one.
pub fn glyphs(text: &str, from: usize, mut each: impl FnMut(usize, Glyph)) {
    let mut from = from.min(text.len());
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let rest = &text[from..];
    if text.is_ascii() {
        for (i, byte) in rest.bytes().enumerate() {
            ascii(byte, &rest[i..=i], |g| each(from + i, g));
        }
    } else {
        for (i, cluster) in rest.grapheme_indices(true) {
            match cluster.as_bytes() {
                [byte] => ascii(*byte, cluster, |g| each(from + i, g)),
                b"\r\n" => each(from + i, Glyph::Newline),
                _ => wide(cluster, |g| each(from + i, g)),
            }
        }
    }
}

fn ascii(byte: u8, text: &str, mut each: impl FnMut(Glyph)) {
    match byte {
        b'\n' => each(Glyph::Newline),
        b'\t' => each(Glyph::Space(TAB)),
        b' ' => each(Glyph::Space(1)),
        // A carriage return on its own moves the cursor of a terminal; here it is nothing.
        b'\r' => {}
        0..=31 => each(Glyph::Cell(picture(byte), 1)),
        127 => each(Glyph::Cell("\u{2421}", 1)),
        _ => each(Glyph::Cell(text, 1)),
    }
}

/// The visible picture of a control character, so that `ESC [ 3 1 m` reads `␛[31m`.
fn picture(byte: u8) -> &'static str {
    const PICTURES: &str = "␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟";
    // Every picture takes three bytes.
    let at = usize::from(byte) * 3;
    PICTURES.get(at..at + 3).unwrap_or("\u{fffd}")
}

/// A cluster of more than one byte.
fn wide(cluster: &str, mut each: impl FnMut(Glyph)) {
    if cluster.chars().any(|c| c == '\u{2028}' || c == '\u{2029}') {
        return each(Glyph::Newline);
    }
    if cluster.len() <= CELL_BYTES && cluster.chars().all(|c| !c.is_control() && !is_format(c)) {
        return cell(cluster, each);
    }
    // Emoji sequences keep their joiners; everything else loses what does not show, and is cut
    // at a size that no writing system needs.
    let emoji = cluster.width() == 2 && cluster.len() <= CELL_BYTES;
    let mut clean = String::with_capacity(CELL_BYTES);
    for c in cluster.chars() {
        let kept = match c {
            '\u{200d}' | '\u{fe0f}' | '\u{e0020}'..='\u{e007f}' => emoji && !clean.is_empty(),
            c => !is_format(c),
        };
        if c.is_control() {
            each(Glyph::Cell("\u{fffd}", 1));
        } else if kept && clean.len() + c.len_utf8() <= CELL_BYTES {
            clean.push(c);
        }
    }
    // A joiner with nothing to join would join the next cell.
    while clean.ends_with('\u{200d}') {
        clean.pop();
    }
    if !clean.is_empty() {
        cell(&clean, each);
    }
}

fn cell(text: &str, mut each: impl FnMut(Glyph)) {
    let width = text.width();
    if text.chars().all(char::is_whitespace) {
        each(Glyph::Space(width.max(1)));
    } else if width == 0 {
        each(Glyph::Accent(text));
    } else {
        each(Glyph::Cell(text, width));
    }
}

/// Characters that show nothing themselves and change how others are shown: bidirectional
/// controls, joiners, variation selectors, tags, fillers.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        glyphs(text, 0, |_, g| match g {
            Glyph::Newline => out.push('\n'),
            Glyph::Space(n) => out.extend(std::iter::repeat_n(' ', n)),
            Glyph::Cell(t, _) | Glyph::Accent(t) => out.push_str(t),
        });
        out
    }

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert_eq!(shown("a\x1b[31mred\x07"), "a␛[31mred␇");
        assert_eq!(shown("é\x1b]0;x\u{9c}"), "é␛]0;x\u{fffd}");
        assert_eq!(shown("a\rb\r\nc\r\n漢"), "ab\nc\n漢");
    }

    #[test]
    fn invisible_controls_are_dropped_and_emoji_stay_whole() {
        assert_eq!(shown("a\u{202e}b\u{200b}c\u{feff}"), "abc");
        assert_eq!(shown("👩\u{200d}💻 ❤\u{fe0f}"), "👩\u{200d}💻 ❤\u{fe0f}");
        assert_eq!(shown("\u{200d}💻"), "💻", "a lone joiner joins nothing");
        assert_eq!(shown("👩\u{200d}"), "👩");
    }

    #[test]
    fn a_letter_with_a_thousand_accents_fits_a_cell() {
        let text = format!("e{}", "\u{301}".repeat(1000));
        let mut cells = Vec::new();
        glyphs(&text, 0, |_, g| {
            if let Glyph::Cell(t, w) = g {
                cells.push((t.len(), w));
            }
        });
        assert_eq!(cells, vec![(31, 1)]);
    }

    #[test]
    fn widths_are_columns() {
        let mut widths = Vec::new();
        glyphs("a漢e\u{301}🦀", 0, |at, g| {
            if let Glyph::Cell(_, w) = g {
                widths.push((at, w));
            }
        });
        assert_eq!(widths, vec![(0, 1), (1, 2), (4, 1), (7, 2)]);
    }
}
