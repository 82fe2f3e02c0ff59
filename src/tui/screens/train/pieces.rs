//! Text in rows, of which some parts carry loss: shown by a bar at the row, and underlined.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::tui::sanitize::clean;
use crate::tui::widgets::overlay::put;
use crate::tui::widgets::prose::{KeptRow, kept_rows};
use s1_train::ExamplePiece;

/// The bar at a row that carries loss.
const BAR: &str = "▌ ";

/// One row: its parts, and whether each carries loss.
pub type MarkedRow = KeptRow<bool>;

/// As [`kept_rows`].
pub fn rows(pieces: &[ExamplePiece], columns: usize) -> Vec<MarkedRow> {
    let pieces = pieces.iter().map(|piece| (clean(&piece.text), piece.loss));
    kept_rows(pieces, columns)
}

/// The same for a text of which nothing carries loss.
pub fn plain_rows(text: &str, columns: u16) -> Vec<MarkedRow> {
    kept_rows([(clean(text), false)], usize::from(columns))
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
        let mut rest = put(buf, place, sign, bar);
        for (text, loss) in row {
            let style = if *loss {
                with.add_modifier(Modifier::UNDERLINED)
            } else {
                without
            };
            rest = put(buf, rest, text, style);
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
