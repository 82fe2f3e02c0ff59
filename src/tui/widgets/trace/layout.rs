//! Tokens to screen lines: wrapping, marked starts, the rule at the end of thinking.
//!
//! The layout is incremental. A line's start never depends on what follows it, so appending
//! tokens lays out the last line again and nothing before it. Taking tokens back goes to the last
//! hard line start before the change (a word that shrinks may fit a line further up). Drawing and
//! finding a token are a binary search; neither looks at the whole trace.
//!
//! Not here: colours, scrolling, the cursor.

use s1_core::trace::{Origin, Phase, Reason, Token};

use super::glyph::{Glyph, glyphs};
use super::maths::Maths;

/// Columns left of the text: the bar and a gap.
pub const GUTTER: usize = 2;
/// Columns of a mark and the gap behind it.
const MARK: usize = 2;
/// No cluster of letters is wider than this; a wider one is not shown.
const WIDEST: usize = 7;
/// A narrower view than this does without the gutter and the marks.
const GUTTER_FROM: usize = 12;
/// A narrower view than this does without notes.
const NOTE_FROM: usize = 44;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Part of the thought.
    Thinking,
    /// Part of the answer.
    Answer,
    /// The end of thinking, with the delimiter's tokens hidden behind it.
    Rule(Reason),
}

/// The sign at the start of a marked line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `⟲`: the wait text stands here instead of an end; or nothing, if it is empty.
    Wait,
    /// `✂`: the message that the thinking ends.
    Ending,
    /// `✎`: words of the user.
    User,
}

impl Mark {
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Wait => "⟲",
            Mark::Ending => "✂",
            Mark::User => "✎",
        }
    }
}

/// A place in a trace: a token, and a byte of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    pub token: usize,
    /// Byte offset in the token's text.
    pub byte: usize,
}

/// One line of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    pub kind: LineKind,
    pub start: TextPosition,
    /// The sign at its start.
    pub mark: Option<Mark>,
    /// A note at its right end: who put the first token there, in words.
    pub note: Option<String>,
    /// Whether the line begins here whatever stands before it (a line break, a new segment).
    hard: bool,
    /// Whether white space at its start is skipped (the start of a segment).
    segment: bool,
    /// Its first piece; its last is the one before the next line's first.
    first_piece: usize,
}

/// A run of one token on one line. There is at least one for every token of a trace, so it is
/// kept small; a trace of 4 GB of text would be cut off by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePiece {
    token: u32,
    /// Where its text begins; it ends where the next one's does.
    start: u32,
    x: u16,
    width: u16,
}

impl LinePiece {
    pub fn token(&self) -> usize {
        self.token as usize
    }

    /// First column, counted from the line's indent.
    pub fn x(&self) -> usize {
        self.x.into()
    }

    /// Columns; 0 for text that does not show (a line break, a space at a line's end).
    pub fn width(&self) -> usize {
        self.width.into()
    }

    fn start(&self) -> usize {
        self.start as usize
    }
}

/// The laid-out trace.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    width: usize,
    show_delimiters: bool,
    lines: Vec<TraceLine>,
    pieces: Vec<LinePiece>,
    /// The texts of the pieces, one after the other, safe to draw.
    text: String,
    /// Number of tokens laid out.
    tokens: usize,
}

impl Layout {
    /// Brings the layout up to date with `tokens`, of which everything before `changed_from` is
    /// as it was at the last call, for a view of `width` columns.
    pub fn update(
        &mut self,
        tokens: &[Token],
        maths: &Maths,
        changed_from: usize,
        width: usize,
        show: bool,
    ) {
        if width != self.width || show != self.show_delimiters {
            *self = Layout {
                width,
                show_delimiters: show,
                ..Layout::default()
            };
        }
        let same = changed_from.min(self.tokens);
        if same == self.tokens && same == tokens.len() {
            return;
        }
        let from = if same < self.tokens {
            self.rewind(same)
        } else {
            self.reopen_last()
        };
        let mut pen = LineWriter::new(self, from);
        for i in from.place.token..tokens.len() {
            let byte = if i == from.place.token {
                from.place.byte
            } else {
                0
            };
            pen.token((tokens, maths), i, byte, from.open && i == from.place.token);
        }
        self.tokens = tokens.len();
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[TraceLine] {
        &self.lines
    }

    /// Columns left of the text.
    pub fn gutter(&self) -> usize {
        if self.width < GUTTER_FROM { 0 } else { GUTTER }
    }

    /// Column where a line's text begins: behind the gutter and the mark.
    pub fn indent(&self, line: usize) -> usize {
        let mark = self
            .lines
            .get(line)
            .and_then(|l| l.mark)
            .map_or(0, |_| MARK);
        self.gutter() + mark
    }

    /// The pieces of a line, each with its text.
    pub fn pieces(&self, line: usize) -> impl Iterator<Item = (&LinePiece, &str)> {
        self.piece_range(line).map(|at| {
            let piece = &self.pieces[at];
            let text = self.text.get(piece.start()..self.text_end(at));
            (piece, text.unwrap_or(""))
        })
    }

    /// Line and column (counted from the line's indent) where a token begins to show, and its width
    /// there.
    pub fn find(&self, token: usize) -> Option<(usize, usize, usize)> {
        let first = self.pieces.partition_point(|p| p.token() < token);
        let mut at = first;
        while self
            .pieces
            .get(at)
            .is_some_and(|p| p.token() == token && p.width == 0)
        {
            at += 1;
        }
        if self.pieces.get(at).is_none_or(|p| p.token() != token) {
            at = first;
        }
        let piece = self.pieces.get(at).filter(|p| p.token() == token)?;
        Some((self.line_of_piece(at), piece.x(), piece.width()))
    }

    /// The line that holds a place of the text.
    pub fn line_at(&self, place: TextPosition) -> usize {
        self.lines
            .partition_point(|l| l.start <= place)
            .saturating_sub(1)
    }

    /// The token at a column (counted from the line's indent) of a line: the one under it, or the last
    /// one before it.
    pub fn token_at(&self, line: usize, x: usize) -> Option<usize> {
        let range = self.piece_range(line);
        let pieces = self.pieces.get(range)?;
        let shown = pieces.iter().rev().find(|p| p.width > 0 && p.x() <= x);
        shown.or(pieces.first()).map(LinePiece::token)
    }

    /// Where a piece's text ends.
    fn text_end(&self, piece: usize) -> usize {
        let next = self.pieces.get(piece + 1);
        next.map_or(self.text.len(), LinePiece::start)
    }

    fn piece_range(&self, line: usize) -> std::ops::Range<usize> {
        let start = self
            .lines
            .get(line)
            .map_or(self.pieces.len(), |l| l.first_piece);
        let end = self
            .lines
            .get(line + 1)
            .map_or(self.pieces.len(), |l| l.first_piece);
        start..end.max(start)
    }

    fn line_of_piece(&self, piece: usize) -> usize {
        // A rule whose tokens are shown below it has no piece of its own; the last line that
        // begins at the piece is the one that holds it.
        self.lines
            .partition_point(|l| l.first_piece <= piece)
            .saturating_sub(1)
    }

    /// Takes the last line's pieces away, so that it is laid out again from its start.
    fn reopen_last(&mut self) -> From {
        match self.lines.last() {
            Some(line) => {
                let place = line.start;
                self.cut_pieces(line.first_piece);
                From { place, open: true }
            }
            None => From::default(),
        }
    }

    /// Goes back to the last hard line start before token `same`.
    fn rewind(&mut self, same: usize) -> From {
        let keep = self
            .lines
            .iter()
            .rposition(|l| l.hard && l.start.token < same);
        match keep {
            Some(at) => {
                self.lines.truncate(at + 1);
                self.reopen_last()
            }
            None => {
                self.lines.clear();
                self.cut_pieces(0);
                From::default()
            }
        }
    }

    fn cut_pieces(&mut self, first: usize) {
        if let Some(piece) = self.pieces.get(first) {
            self.text.truncate(piece.start());
        }
        self.pieces.truncate(first);
    }
}

/// Where laying out goes on.
#[derive(Clone, Copy, Default)]
struct From {
    place: TextPosition,
    /// The line for it exists already.
    open: bool,
}

/// The unfinished last line.
struct LineWriter<'a> {
    out: &'a mut Layout,
    /// Columns used on the line.
    x: usize,
    /// The word being written: its first piece, column and place.
    word: Option<(usize, usize, TextPosition)>,
    /// Line breaks read since the last thing shown: the piece and place of each.
    breaks: Vec<(usize, TextPosition)>,
    /// White space is skipped until something shows.
    skip_blank: bool,
}

impl<'a> LineWriter<'a> {
    fn new(out: &'a mut Layout, from: From) -> LineWriter<'a> {
        let skip_blank = from.open && out.lines.last().is_some_and(|l| l.segment);
        LineWriter {
            out,
            x: 0,
            word: None,
            breaks: Vec::new(),
            skip_blank,
        }
    }

    /// Writes one token from byte `from` on. `resumed`: the line for it is there already.
    fn token(&mut self, (tokens, maths): (&[Token], &Maths), i: usize, from: usize, resumed: bool) {
        let Some(token) = tokens.get(i) else { return };
        if !resumed {
            self.start_segment(i, token, i.checked_sub(1).and_then(|p| tokens.get(p)));
        }
        if !token.is_delimiter() || self.out.show_delimiters {
            glyphs(maths.text(i, token), from, |byte, glyph| {
                let place = TextPosition { token: i, byte };
                match glyph {
                    Glyph::Newline => self.newline(place),
                    Glyph::Space(n) => self.space(place, n),
                    Glyph::Accent(text) => self.piece(i, text, 0, true),
                    Glyph::Cell(text, width) => self.cell(place, text, width),
                }
            });
        }
        if self.out.pieces.last().is_none_or(|p| p.token() != i) {
            self.piece(i, "", 0, true);
        }
    }

    /// Begins a new line where the token begins a new part of the trace.
    fn start_segment(&mut self, i: usize, token: &Token, before: Option<&Token>) {
        let place = TextPosition { token: i, byte: 0 };
        let reason_before = before.and_then(|t| t.reason);
        let ended_before = before.is_some_and(Token::is_delimiter);
        if token.is_delimiter() {
            if !ended_before {
                let reason = token.reason.unwrap_or(Reason::NaturalEnd);
                self.open(place, LineKind::Rule(reason), None, None);
                if self.out.show_delimiters {
                    self.open(place, LineKind::Answer, None, None);
                }
            }
            return;
        }
        let answer = token.phase == Phase::Answer;
        let kind = if answer {
            LineKind::Answer
        } else {
            LineKind::Thinking
        };
        let changed = before.is_none_or(|b| b.phase != token.phase)
            || (ended_before && !self.out.show_delimiters);
        let marked = token.reason != reason_before;
        let (mark, who) = match token.reason {
            Some(Reason::Wait) => (Mark::Wait, "forced"),
            Some(Reason::UserWait) => (Mark::Wait, "by you"),
            Some(Reason::EndIgnored) => (Mark::Wait, "end ignored"),
            Some(Reason::UserEndIgnored) => (Mark::Wait, "end ignored, by you"),
            Some(Reason::Message) => (Mark::Ending, "told to end"),
            Some(Reason::UserMessage) => (Mark::Ending, "told to end, by you"),
            Some(Reason::Injected) => (Mark::User, "by you"),
            _ if changed => return self.open(place, kind, None, None),
            _ => return self.gap(token, before.filter(|_| marked)),
        };
        // An end that was ignored is a place of its own each time.
        if changed || marked || who.starts_with("end ignored") {
            self.open(place, kind, Some(mark), Some((who, i)));
        }
    }

    /// Leaves a column between words that were put there and those that the model wrote right behind
    /// them, where neither has a space: they are not one word.
    fn gap(&mut self, token: &Token, before: Option<&Token>) {
        let ends = before.is_some_and(|b| {
            let own = matches!(b.origin, Origin::Sampled);
            !own && b.text.ends_with(char::is_alphanumeric)
        });
        let sampled = matches!(token.origin, Origin::Sampled);
        if ends && sampled && token.text.starts_with(char::is_alphanumeric) && self.x > 0 {
            self.word = None;
            self.x += 1;
        }
    }

    fn open(
        &mut self,
        start: TextPosition,
        kind: LineKind,
        mark: Option<Mark>,
        note: Option<(&str, usize)>,
    ) {
        let note = note
            .filter(|_| self.out.width >= NOTE_FROM)
            .map(|(who, at)| format!("{who} · token {at}"));
        self.breaks.clear();
        self.line(start, kind, true);
        self.skip_blank = true;
        let mark = mark.filter(|_| self.out.gutter() > 0);
        if let Some(line) = self.out.lines.last_mut() {
            line.mark = mark;
            line.note = note;
            line.segment = true;
        }
    }

    fn line(&mut self, start: TextPosition, kind: LineKind, hard: bool) {
        let first_piece = self.out.pieces.len();
        self.out.lines.push(TraceLine {
            kind,
            start,
            mark: None,
            note: None,
            hard,
            segment: false,
            first_piece,
        });
        self.x = 0;
        self.word = None;
    }

    fn kind(&self) -> LineKind {
        match self.out.lines.last().map(|l| l.kind) {
            Some(LineKind::Answer) => LineKind::Answer,
            _ => LineKind::Thinking,
        }
    }

    /// Columns of text on the current line.
    fn limit(&self) -> usize {
        // One column stays free at the right: for the cursor behind the last word, and as a
        // margin to the border.
        let text = self.out.width.saturating_sub(self.out.gutter() + 1);
        let line = self.out.lines.last();
        let mark = line.and_then(|l| l.mark).map_or(0, |_| MARK);
        let note = line
            .and_then(|l| l.note.as_ref())
            .map_or(0, |n| n.chars().count() + 2);
        text.saturating_sub(mark + note).max(1)
    }

    fn newline(&mut self, place: TextPosition) {
        if !self.skip_blank {
            self.breaks.push((self.out.pieces.len(), place));
        }
        self.piece(place.token, "", 0, true);
        self.word = None;
    }

    fn space(&mut self, place: TextPosition, columns: usize) {
        if self.skip_blank {
            return self.piece(place.token, "", 0, false);
        }
        self.flush_breaks(place);
        // A gap at the end of a full line hangs over it and does not show.
        let shown = columns.min(self.limit().saturating_sub(self.x));
        self.word = None;
        for _ in 0..shown {
            self.piece(place.token, " ", 1, false);
        }
        if shown == 0 {
            self.piece(place.token, "", 0, true);
        }
    }

    fn cell(&mut self, place: TextPosition, text: &str, width: usize) {
        self.flush_breaks(place);
        self.skip_blank = false;
        // The same on every line, marked or not: a line's start must not depend on it.
        let widest = self.limit().min(WIDEST);
        let (text, width) = if width > widest {
            ("…", 1)
        } else {
            (text, width)
        };
        // Scripts with wide characters have no gaps: a line may break at any of them.
        let breaks = width > 1;
        if breaks || self.word.is_none() {
            self.word = Some((self.out.pieces.len(), self.x, place));
        }
        while self.x > 0 && self.x + width > self.limit() {
            self.wrap(place);
        }
        let first = self
            .word
            .is_some_and(|(piece, ..)| piece == self.out.pieces.len());
        self.piece(place.token, text, width, first || !text.is_ascii());
        if breaks {
            self.word = None;
        }
    }

    /// Moves the current word to a new line; a word that fills its line is split before `place`.
    fn wrap(&mut self, place: TextPosition) {
        let kind = self.kind();
        let Some((piece, x, start)) = self.word.filter(|(_, x, _)| *x > 0) else {
            self.line(place, kind, false);
            self.word = Some((self.out.pieces.len(), 0, place));
            return;
        };
        self.line(start, kind, false);
        if let Some(line) = self.out.lines.last_mut() {
            line.first_piece = piece;
        }
        for p in self.out.pieces.iter_mut().skip(piece) {
            p.x = p.x.saturating_sub(columns(x));
            self.x = p.x() + p.width();
        }
        self.word = Some((piece, 0, start));
    }

    /// Turns the line breaks read so far into lines.
    fn flush_breaks(&mut self, place: TextPosition) {
        if self.breaks.is_empty() {
            return;
        }
        let kind = self.kind();
        let breaks = std::mem::take(&mut self.breaks);
        for (piece, start) in breaks.into_iter().skip(1) {
            // Not a hard start: what made the empty line show may be taken back.
            self.line(start, kind, false);
            if let Some(line) = self.out.lines.last_mut() {
                line.first_piece = piece;
            }
        }
        self.line(place, kind, true);
    }

    /// Appends text of a token to the line: to the last piece if it is the same token's and
    /// `fresh` does not forbid it.
    fn piece(&mut self, token: usize, text: &str, width: usize, fresh: bool) {
        if self.out.lines.is_empty() {
            self.line(TextPosition { token, byte: 0 }, LineKind::Thinking, true);
        }
        let start = self.out.text.len();
        self.out.text.push_str(text);
        let first = self.out.lines.last().map_or(0, |l| l.first_piece);
        let many = self.out.pieces.len() > first;
        match self.out.pieces.last_mut() {
            Some(last)
                if many
                    && !fresh
                    && last.token() == token
                    && start - last.start() == last.width() =>
            {
                last.width = last.width.saturating_add(columns(width));
            }
            _ => self.out.pieces.push(LinePiece {
                token: place(token),
                start: place(start),
                x: columns(self.x),
                width: columns(width),
            }),
        }
        self.x += width;
    }
}

/// Columns in the size that a piece keeps them in.
fn columns(n: usize) -> u16 {
    n.min(u16::MAX.into()) as u16
}

/// A place in the trace in the size that a piece keeps it in.
fn place(n: usize) -> u32 {
    n.min(u32::MAX as usize) as u32
}

#[cfg(test)]
mod tests;
