//! Text in rows, of which some parts carry loss: shown by a bar at the row, and underlined.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::tui::sanitize::{clean, graphemes, width};
use crate::tui::widgets::overlay::put;
use s1_train::ExamplePiece;

/// The bar at a row that carries loss.
const BAR: &str = "▌ ";

/// One row: its parts, and whether each carries loss.
pub type MarkedRow = Vec<(String, bool)>;

/// Breaks at line breaks and wherever a row of `columns` is full, after a space where there is one
/// in the second half of the row.
pub fn rows(pieces: &[ExamplePiece], columns: usize) -> Vec<MarkedRow> {
    let columns = columns.max(1);
    let mut rows: Vec<MarkedRow> = Vec::new();
    let mut row: Vec<(String, bool)> = Vec::new();
    let mut used = 0;
    for piece in pieces {
        let text = clean(&piece.text);
        for (cluster, wide) in graphemes(&text) {
            if cluster == "\n" {
                rows.push(joined(std::mem::take(&mut row)));
                used = 0;
                continue;
            }
            if used + wide > columns && used > 0 {
                let space = row.iter().rposition(|(c, _)| c == " ");
                let at = space.filter(|at| *at >= row.len() / 2);
                let rest = at.map_or_else(Vec::new, |at| row.split_off(at + 1));
                rows.push(joined(std::mem::take(&mut row)));
                used = rest.iter().map(|(c, _)| width(c)).sum();
                row = rest;
            }
            row.push((cluster.to_owned(), piece.loss));
            used += wide;
        }
    }
    if !row.is_empty() {
        rows.push(joined(row));
    }
    rows
}

fn joined(clusters: Vec<(String, bool)>) -> MarkedRow {
    let mut out: MarkedRow = Vec::new();
    for (cluster, loss) in clusters {
        match out.last_mut() {
            Some((text, same)) if *same == loss => text.push_str(&cluster),
            _ => out.push((cluster, loss)),
        }
    }
    out
}

/// Draws rows from `first` on.
pub fn draw(
    rows: &[MarkedRow],
    first: usize,
    (with, without, bar): (Style, Style, Style),
    area: Rect,
    buf: &mut Buffer,
) {
    for (row, place) in rows.iter().skip(first).zip(area.rows()) {
        let carries = row.iter().any(|(_, loss)| *loss);
        let sign = if carries { BAR } else { "  " };
        let mut x = put(buf, place, place.x, place.y, place.width, sign, bar);
        for (text, loss) in row {
            let style = if *loss {
                with.add_modifier(Modifier::UNDERLINED)
            } else {
                without
            };
            x = put(buf, place, x, place.y, place.width, text, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, loss: bool) -> ExamplePiece {
        ExamplePiece {
            text: text.into(),
            loss,
        }
    }

    #[test]
    fn no_character_is_lost_and_the_mask_goes_on_over_the_break() {
        let shown = rows(
            &[piece("question\n", false), piece("one two three", true)],
            9,
        );
        let text = |text: &str, loss| vec![(text.to_owned(), loss)];
        assert_eq!(
            shown,
            [
                text("question", false),
                text("one two ", true),
                text("three", true)
            ]
        );
        let mixed = rows(&[piece("a", false), piece("b", true)], 9);
        assert_eq!(
            mixed,
            [vec![("a".to_owned(), false), ("b".to_owned(), true)]]
        );
        assert_eq!(rows(&[piece("日本語", true)], 1).len(), 3);
        assert!(rows(&[], 5).is_empty());
    }
}
