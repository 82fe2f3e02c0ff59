//! Parts of screens: each draws one thing from plain data, and knows no application state.

pub mod bars;
pub mod probes;
pub mod spark;
pub mod trace;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use trace::glyph::{Glyph, glyphs};

/// One line of safe text from text of any kind: line breaks and tabs become spaces, control
/// characters become pictures.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    glyphs(text, 0, |_, glyph| match glyph {
        Glyph::Newline | Glyph::Space(_) => line.push(' '),
        Glyph::Cell(cell, _) => line.push_str(cell),
        Glyph::Accent(accent) if !line.is_empty() => line.push_str(accent),
        Glyph::Accent(_) => {}
    });
    line
}

/// The text as one safe line of at most `columns` columns, with `…` where something was left out.
pub fn fit(text: &str, columns: usize) -> String {
    let line = one_line(text);
    if line.width() <= columns {
        return line;
    }
    let mut out = String::new();
    let mut used = 1;
    for cluster in line.graphemes(true) {
        used += cluster.width();
        if used > columns {
            break;
        }
        out.push_str(cluster);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}
