//! Sentences on the screen, broken into rows.
//!
//! The library's own paragraph measures text twice, and where it disagrees with itself about the
//! width of a cluster it writes beside its area. Sentences hold names of files and what others
//! say, so they are broken here, and written by what never leaves its area.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::tui::sanitize::{graphemes, width};

/// Draws lines one under another. A line of one piece is broken at spaces where it is too long; one
/// of several pieces is cut. The text must be clean.
pub fn prose(lines: Vec<Line<'_>>, alignment: Alignment, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    let broken = |line: Line<'_>| match line.spans.as_slice() {
        [only] => wrap(&only.content, usize::from(area.width))
            .into_iter()
            .map(|row| Line::styled(row, line.style.patch(only.style)))
            .collect(),
        _ => vec![own(line)],
    };
    let rows = lines.into_iter().flat_map(broken);
    for (y, row) in (area.top()..area.bottom()).zip(rows) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        row.alignment(alignment).render(place, buf);
    }
}

/// The same line, borrowing nothing.
fn own(line: Line<'_>) -> Line<'static> {
    let spans = line.spans.into_iter();
    let spans =
        spans.map(|span| ratatui::text::Span::styled(span.content.into_owned(), span.style));
    Line::from_iter(spans).style(line.style)
}

/// Breaks a sentence at spaces into lines of at most `max` cells; a longer word is broken.
pub fn wrap(text: &str, max: usize) -> Vec<String> {
    let max = max.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let wide = width(word);
        if used > 0 && used + 1 + wide > max {
            lines.push(String::new());
            used = 0;
        }
        if used > 0 {
            push(&mut lines, " ");
            used += 1;
        }
        for (cluster, w) in graphemes(word) {
            if used + w > max && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, cluster);
            used += w;
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sanitize::clean_line;

    /// Found by fuzzing: a sentence with such clusters, on a small screen, ended the program.
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
