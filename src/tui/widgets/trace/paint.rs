//! Draws a trace.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::tui::sanitize::{clean_line, fit};
use crate::tui::theme::Theme;
use s1_core::trace::{Origin, Phase, Reason, Token, thinking_tokens};

use super::layout::{LineKind, Mark, TraceLine};
use super::maths::readable;
use super::view::View;
use super::{GradedAnswer, Heat, grade_sign};

/// How a trace is to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Paint<'a> {
    pub theme: &'a Theme,
    /// What colours mean.
    pub heat: Heat,
    /// Text is streaming in: show where.
    pub running: bool,
    /// The final answer, once there is one.
    pub verdict: Option<&'a GradedAnswer>,
}

/// Draws the lines of a view that are on screen.
pub fn paint(view: &View, tokens: &[Token], how: &Paint, area: Rect, buf: &mut Buffer) {
    let layout = view.layout();
    let first = view.first_line();
    for row in 0..area.height {
        let index = first + usize::from(row);
        let Some(line) = layout.lines().get(index) else {
            break;
        };
        let pen = CellWriter {
            area,
            y: area.y + row,
            buf,
        };
        draw_line(view, tokens, how, index, line, pen);
    }
    if let Some(verdict) = how.verdict {
        let below = layout.lines().len() + 1;
        if let Some(row) = below
            .checked_sub(first)
            .filter(|&r| r < usize::from(area.height))
        {
            let mut pen = CellWriter {
                area,
                y: area.y + row as u16,
                buf,
            };
            draw_verdict(verdict, how.theme, layout.gutter(), &mut pen);
        }
    }
}

/// Writes cells of one row; everything outside the area is dropped.
struct CellWriter<'a> {
    area: Rect,
    y: u16,
    buf: &'a mut Buffer,
}

impl CellWriter<'_> {
    /// Puts one cell's text at a column of the area.
    fn cell(&mut self, x: usize, text: &str, width: usize, style: Style) {
        if x + width > usize::from(self.area.width) {
            return;
        }
        let x = self.area.x + x as u16;
        if let Some(cell) = self.buf.cell_mut((x, self.y)) {
            cell.set_symbol(text).set_style(style);
        }
        for x in (x + 1..).take(width.saturating_sub(1)) {
            if let Some(cell) = self.buf.cell_mut((x, self.y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    /// Puts an accent onto the cell before a column.
    fn accent(&mut self, x: usize, text: &str) {
        let Some(x) = x
            .checked_sub(1)
            .filter(|&x| x < usize::from(self.area.width))
        else {
            return;
        };
        if let Some(cell) = self.buf.cell_mut((self.area.x + x as u16, self.y)) {
            let symbol = format!("{}{text}", cell.symbol());
            // Not onto half of a wide character, and not without end.
            if symbol.len() <= 32 && cell.symbol() != " " {
                cell.set_symbol(&symbol);
            }
        }
    }

    fn text(&mut self, x: usize, text: &str, style: Style) -> usize {
        let room = usize::from(self.area.width).saturating_sub(x);
        if room == 0 {
            return x;
        }
        let at = self.area.x + x as u16;
        let (end, _) = self.buf.set_stringn(at, self.y, text, room, style);
        usize::from(end - self.area.x)
    }

    fn style(&mut self, x: usize, width: usize, style: Style) {
        let room = usize::from(self.area.width).saturating_sub(x);
        let area = Rect::new(
            self.area.x + x.min(usize::from(self.area.width)) as u16,
            self.y,
            width.min(room) as u16,
            1,
        );
        self.buf.set_style(area, style);
    }
}

fn draw_line(
    view: &View,
    tokens: &[Token],
    how: &Paint,
    index: usize,
    line: &TraceLine,
    mut pen: CellWriter,
) {
    let theme = how.theme;
    let layout = view.layout();
    if let LineKind::Rule(reason) = line.kind {
        let under = view
            .cursor()
            .and_then(|c| layout.find(c))
            .is_some_and(|(l, ..)| l == index);
        return draw_rule(reason, tokens, line, under, theme, &mut pen);
    }
    let indent = layout.indent(index);
    let mut users = false;
    let mut end = indent;
    for (piece, text) in layout.pieces(index) {
        let Some(token) = tokens.get(piece.token()) else {
            continue;
        };
        let selected = view.cursor() == Some(piece.token());
        users |= token.origin == Origin::User;
        let mut style = token_style(token, how);
        if selected {
            style = style.patch(theme.cursor);
        }
        let x = indent + piece.x();
        if piece.width() == 0 {
            if !text.is_empty() {
                pen.accent(x, text);
            }
        } else if text.len() == piece.width() {
            for (i, c) in text.chars().enumerate() {
                pen.cell(x + i, c.encode_utf8(&mut [0; 4]), 1, style);
            }
        } else {
            pen.cell(x, text, piece.width(), style);
        }
        end = end.max(x + piece.width());
    }
    draw_invisible_cursor(view, tokens, theme, index, end, &mut pen);
    draw_gutter(line, layout.gutter(), users, theme, &mut pen);
    if let Some(note) = &line.note {
        let x = usize::from(pen.area.width).saturating_sub(note.chars().count() + 1);
        pen.text(x, note, theme.dim);
    }
    let last = index + 1 == layout.lines().len();
    if how.running && last && view.cursor().is_none() {
        pen.cell(end, "█", 1, theme.dim);
    }
}

/// A cursor on a token that does not show (a line break, half a character) stands at its end.
fn draw_invisible_cursor(
    view: &View,
    tokens: &[Token],
    theme: &Theme,
    index: usize,
    end: usize,
    pen: &mut CellWriter,
) {
    let Some(cursor) = view.cursor() else { return };
    let Some((line, x, 0)) = view.layout().find(cursor) else {
        return;
    };
    if line != index {
        return;
    }
    let breaks = tokens.get(cursor).is_some_and(|t| t.text.contains('\n'));
    let x = view.layout().indent(index) + x;
    if x >= end {
        pen.cell(x, if breaks { "⏎" } else { "·" }, 1, theme.cursor);
    } else {
        pen.style(x, 1, theme.cursor);
    }
}

fn draw_gutter(line: &TraceLine, gutter: usize, users: bool, theme: &Theme, pen: &mut CellWriter) {
    let (mark_style, bar) = match (line.mark, line.kind) {
        (Some(Mark::Wait | Mark::Ending), _) => (theme.forced, theme.forced),
        (Some(Mark::User), _) => (theme.user, theme.user),
        _ => (theme.dim, theme.dim),
    };
    if let Some(mark) = line.mark {
        pen.text(gutter, mark.sign(), mark_style);
    }
    if gutter == 0 {
        return;
    }
    if users && line.mark != Some(Mark::User) {
        pen.text(0, Mark::User.sign(), theme.user);
    } else if line.kind == LineKind::Thinking {
        pen.text(0, "▏", bar);
    }
}

fn draw_rule(
    reason: Reason,
    tokens: &[Token],
    line: &TraceLine,
    under: bool,
    theme: &Theme,
    pen: &mut CellWriter,
) {
    let at = thinking_tokens(tokens.get(..line.start.token).unwrap_or(tokens));
    let (label, style) = rule_label(reason, at, theme);
    let style = if under {
        style.patch(theme.cursor)
    } else {
        style
    };
    let width = usize::from(pen.area.width);
    let lead = if width > 24 { 2 } else { 0 };
    let end = pen.text(lead + 1, &label, style) + 1;
    for x in (0..lead).chain(end..width.saturating_sub(1)) {
        pen.cell(x, "─", 1, theme.border);
    }
}

/// What the rule at the end of thinking says: how it ended, after how many tokens.
fn rule_label(reason: Reason, at: usize, theme: &Theme) -> (String, Style) {
    match reason {
        Reason::NaturalEnd => (format!("■ ended its thinking ({at})"), theme.title),
        Reason::EndOfTurn => (
            format!("■ ended the turn without an end of thinking ({at})"),
            theme.title,
        ),
        Reason::Budget => (format!("✂ budget used up at {at}"), theme.forced),
        Reason::SentenceCut => (format!("✂ cut at a sentence end, {at}"), theme.forced),
        Reason::Loop => (format!("✂ loop cut at {at}"), theme.forced),
        Reason::Exit => (format!("✂ early exit at {at}"), theme.forced),
        _ => (format!("✂ cut at {at}"), theme.forced),
    }
}

fn draw_verdict(verdict: &GradedAnswer, theme: &Theme, gutter: usize, pen: &mut CellWriter) {
    let x = pen.text(gutter, "Answer ▸ ", theme.dim);
    let style = theme.graded(verdict.correct, theme.answer);
    // A sign is worth more than the end of a long answer.
    let room = usize::from(pen.area.width).saturating_sub(x + 3);
    let answer = readable(&verdict.answer);
    let answer = clean_line(&answer);
    let answer = fit(&answer, room);
    let x = pen.text(x, &answer, style);
    pen.text(x + 1, grade_sign(verdict.correct).trim_start(), style);
}

/// Whether a token is a mark of the conversation rather than a word of it: one that stands where none
/// belongs, such as a second `</think>` in the answer.
fn is_mark(text: &str) -> bool {
    let text = text.trim();
    let tagged = text.starts_with('<') && text.ends_with('>');
    tagged && (text.contains("think") || text.contains('|'))
}

fn token_style(token: &Token, how: &Paint) -> Style {
    let theme = how.theme;
    let base = match (token.origin, token.phase) {
        (Origin::User, _) => theme.user.add_modifier(Modifier::UNDERLINED),
        (Origin::Forced, _) if token.reason != Some(Reason::Kept) => theme.forced,
        _ if is_mark(&token.text) => theme.dim,
        (_, Phase::Thinking) => theme.thinking,
        (_, Phase::Answer) => theme.answer,
    };
    match how.heat {
        Heat::Off => base,
        heat => theme.text.patch(theme.heat_at(heat.of(token))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user would lose: the answer, among marks that look as if they were words of it.
    #[test]
    fn marks_in_an_answer_are_dim_and_words_are_not() {
        let theme = Theme::default();
        let how = Paint {
            theme: &theme,
            heat: Heat::Off,
            running: false,
            verdict: None,
        };
        let style = |text| token_style(&Token::new(0, text, Phase::Answer), &how);
        for mark in ["</think>", "<|im_end|>", " <think>\n"] {
            assert_eq!(style(mark), theme.dim, "{mark}");
        }
        for word in ["3", "I think", "x < y > z", "<b>"] {
            assert_eq!(style(word), theme.answer, "{word}");
        }
    }
}
