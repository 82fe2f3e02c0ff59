//! Sentences on the screen, broken into rows.
//!
//! The library's own paragraph, where it breaks a word of wide characters, lets the row be a cell
//! too long and then writes beside its area, which ends the program. Sentences hold names of files
//! and what others say, so they are broken here, and written by what never leaves its area.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::tui::sanitize::{graphemes, width};

/// Draws lines one under another, each broken at spaces where it is too long; what is below the
/// area is left out. The text must be clean.
pub fn prose(lines: Vec<Line<'_>>, alignment: Alignment, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    let mut y = area.top();
    for line in &lines {
        let pieces = line.spans.iter().map(|span| {
            let style = line.style.patch(span.style);
            graphemes(&span.content).map(move |(cluster, width)| (cluster, width, style))
        });
        let clusters: Vec<(&str, usize, Style)> = pieces.flatten().collect();
        let widths = clusters.iter().map(|&(cluster, width, _)| (cluster, width));
        for row in rows(&widths.collect::<Vec<_>>(), usize::from(area.width)) {
            if y >= area.bottom() {
                return;
            }
            let spans = clusters[row].iter();
            let spans = spans.map(|&(cluster, _, style)| Span::styled(cluster, style));
            let place = Rect {
                y,
                height: 1,
                ..area
            };
            Line::from_iter(spans)
                .alignment(alignment)
                .render(place, buf);
            y += 1;
        }
    }
}

/// Draws lines in the middle of an area.
pub fn middle(lines: Vec<Line<'_>>, area: Rect, buf: &mut Buffer) {
    let above = area.height.saturating_sub(lines.len() as u16) / 2;
    let area = Rect {
        y: area.y + above,
        height: area.height - above,
        ..area
    };
    prose(lines, Alignment::Center, area, buf);
}

/// Breaks a sentence at spaces into lines of at most `max` cells; a longer word is broken.
pub fn wrap(text: &str, max: usize) -> Vec<String> {
    let clusters: Vec<(&str, usize)> = graphemes(text).collect();
    let row = |row: Range<usize>| clusters[row].iter().map(|&(cluster, _)| cluster).collect();
    rows(&clusters, max).into_iter().map(row).collect()
}

/// The rows of clusters and their widths, one at least. The space at which a row is broken is in
/// none.
fn rows(clusters: &[(&str, usize)], max: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut start = 0;
    while start < clusters.len() || rows.is_empty() {
        let left = &clusters[start..];
        let mut used = 0;
        let fit = left.iter().take_while(|(_, width)| {
            used += width;
            used <= max
        });
        // One at least, or it would never end.
        let fit = fit.count().max(1).min(left.len());
        let end_of_word = |at: usize| left.get(at).is_none_or(|&(cluster, _)| cluster == " ");
        let at = (1..=fit).rev().find(|&at| end_of_word(at)).unwrap_or(fit);
        rows.push(start..start + at);
        start += at + usize::from(end_of_word(at));
    }
    rows
}

/// One row: its parts, and what each is marked with.
pub type KeptRow<M> = Vec<(String, M)>;

/// Rows of texts in which every character counts: broken at line breaks and wherever a row of
/// `columns` is full, behind a space where there is one in the second half of the row.
pub fn kept_rows<T: AsRef<str>, M: Copy + PartialEq>(
    parts: impl IntoIterator<Item = (T, M)>,
    columns: usize,
) -> Vec<KeptRow<M>> {
    let columns = columns.max(1);
    let mut rows = Vec::new();
    let mut row: KeptRow<M> = Vec::new();
    let mut used = 0;
    for (text, mark) in parts {
        for (cluster, wide) in graphemes(text.as_ref()) {
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
            row.push((cluster.to_owned(), mark));
            used += wide;
        }
    }
    if !row.is_empty() {
        rows.push(joined(row));
    }
    rows
}

fn joined<M: Copy + PartialEq>(clusters: KeptRow<M>) -> KeptRow<M> {
    let mut out: KeptRow<M> = Vec::new();
    for (cluster, mark) in clusters {
        match out.last_mut() {
            Some((text, same)) if *same == mark => text.push_str(&cluster),
            _ => out.push((cluster, mark)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sanitize::clean_line;

    #[test]
    fn rows_end_at_spaces_and_long_words_are_broken() {
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("ab cd", 2), ["ab", "cd"]);
        assert_eq!(wrap("ab cdefg h", 3), ["ab", "cde", "fg", "h"]);
        assert_eq!(wrap("漢字漢", 4), ["漢字", "漢"]);
        assert_eq!(wrap("漢", 0), ["漢"]);
    }

    /// A narrow screen still shows what a key does, and the key as a key.
    #[test]
    fn pieces_keep_their_style_across_rows() {
        let key = Style::new().bold();
        let line = Line::from_iter([Span::styled("n", key), Span::raw(" starts one")]);
        let mut buf = Buffer::empty(Rect::new(0, 0, 8, 2));
        prose(vec![line], Alignment::Left, buf.area, &mut buf);
        assert_eq!(buf[(0, 0)].style().add_modifier, key.add_modifier);
        assert_eq!(buf[(2, 0)].symbol(), "s");
        assert_eq!(buf[(0, 1)].symbol(), "o");
        assert!(buf[(0, 1)].style().add_modifier.is_empty());
    }

    /// Found by fuzzing: a sentence of wide characters, on a small screen, ended the program.
    #[test]
    fn no_cluster_is_written_beside_the_area() {
        let clusters = [
            "a",
            " ",
            "漢字",
            "🦀",
            "👩\u{200d}💻",
            "\u{301}",
            "\u{200d}",
            "\u{fe0f}",
            "🇩🇪",
            "क्षि",
            "ﷺ",
            "\u{1f3fb}",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "\u{ad}",
            "ﾞ",
            "\u{1160}",
        ];
        for (i, a) in clusters.iter().enumerate() {
            for b in clusters {
                let text = format!("{a}{b}{a}{b} {b}{a}ab{b}").repeat(1 + i % 3);
                for wide in 1..9 {
                    let mut buf = Buffer::empty(Rect::new(0, 0, wide, 3));
                    let lines = vec![Line::raw(clean_line(&text)), Line::from_iter(["x ", b])];
                    prose(lines, Alignment::Center, buf.area, &mut buf);
                }
            }
        }
    }
}
