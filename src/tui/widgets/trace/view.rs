//! Where a reader is in a trace: what is on screen, and the token under the cursor.
//!
//! The view follows the stream only while it stands at the end. Anywhere else it is pinned to a
//! place in the text, so that neither new tokens nor a new width move what is being read.

use s1_core::trace::{Phase, Token};

use super::layout::{Layout, TextPosition};
use super::maths::Maths;

/// A way to move the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// To the token before, or after.
    Token(Towards),
    /// To the start of a word.
    Word(Towards),
    /// To the start of a sentence.
    Sentence(Towards),
    Line(Towards),
    Page(Towards),
    /// To the first token.
    Start,
    /// To the end, following the stream.
    End,
}

impl Motion {
    fn is_back(self) -> bool {
        use Motion as M;
        let (M::Token(way) | M::Word(way) | M::Sentence(way) | M::Line(way) | M::Page(way)) = self
        else {
            return false;
        };
        way == Towards::Back
    }
}

/// Backwards or forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// Towards the start.
    Back,
    /// Towards the end.
    On,
}

/// A reader's place in one trace.
#[derive(Clone, Debug, Default)]
pub struct View {
    layout: Layout,
    /// Formulas, as they are shown.
    maths: Maths,
    /// Tokens before this one are as they were laid out.
    unchanged: usize,
    /// Token under the cursor; `None` is the end of the stream.
    cursor: Option<usize>,
    /// The place at the top of the screen; `None` follows the end.
    top: Option<TextPosition>,
    /// Rows of the screen.
    height: usize,
    /// Lines drawn below the last token (the verdict).
    tail: usize,
}

impl View {
    /// The text has changed from this token on. Appending needs no call.
    pub fn text_changed(&mut self, from: usize) {
        self.unchanged = self.unchanged.min(from);
    }

    /// Brings the view up to date; `tail` is the number of lines that will be drawn below the text.
    pub fn update(
        &mut self,
        tokens: &[Token],
        (width, height): (usize, usize),
        show_delimiters: bool,
        tail: usize,
    ) {
        let changed = self.maths.update(tokens, self.unchanged.min(tokens.len()));
        self.layout
            .update(tokens, &self.maths, changed, width, show_delimiters);
        self.unchanged = tokens.len();
        self.tail = tail;
        if self.cursor.is_some_and(|c| c >= tokens.len()) {
            self.cursor = None;
        }
        if self.top.is_some_and(|top| top.token >= tokens.len()) {
            self.top = None;
        }
        let grown = height != self.height;
        self.height = height;
        // A cursor that was on screen stays on screen when the screen shrinks.
        if grown && self.cursor.is_some() {
            self.reveal();
        }
    }

    /// Shows formulas as they were written, or readable.
    pub fn show_raw(&mut self, raw: bool) {
        if self.maths.raw != raw {
            self.maths.raw = raw;
            self.unchanged = 0;
        }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Token under the cursor, where it has left the end.
    pub fn cursor(&self) -> Option<usize> {
        self.cursor
    }

    /// The token that is looked at: the one under the cursor, or the last.
    pub fn focus(&self, tokens: &[Token]) -> Option<usize> {
        self.cursor
            .or_else(|| Some(visible(tokens, tokens.len().checked_sub(1)?)))
    }

    /// Whether new text scrolls the view.
    pub fn follows(&self) -> bool {
        self.top.is_none()
    }

    /// First line on screen.
    pub fn first_line(&self) -> usize {
        match self.top {
            Some(place) => self.layout.line_at(place),
            None => self.total().saturating_sub(self.height),
        }
    }

    /// Lines in all, the tail included.
    pub fn total(&self) -> usize {
        self.layout.lines().len() + self.tail
    }

    /// Puts the cursor on a token (the end if there is no such token) and brings it on screen.
    pub fn put(&mut self, tokens: &[Token], token: Option<usize>) {
        match token.filter(|&t| t < tokens.len()) {
            Some(token) => {
                self.pin(self.first_line());
                self.cursor = Some(token);
                self.reveal();
            }
            None => {
                self.cursor = None;
                self.top = None;
            }
        }
    }

    /// Moves the cursor. Moving on from the last token follows the stream again.
    pub fn go(&mut self, tokens: &[Token], motion: Motion) {
        let Some(last) = tokens.len().checked_sub(1) else {
            return;
        };
        let here = self.cursor.unwrap_or(visible(tokens, last));
        let to = match motion {
            Motion::Start => Some(0),
            Motion::End => None,
            Motion::Token(Towards::Back) if self.cursor.is_none() => Some(here),
            Motion::Token(way) => stops(tokens, here, way, |_, _| true),
            Motion::Word(way) => stops(tokens, here, way, starts_word),
            Motion::Sentence(way) => stops(tokens, here, way, starts_sentence),
            Motion::Line(way) => self.vertical(here, way, 1),
            Motion::Page(way) => {
                let page = self.height.saturating_sub(1).max(1);
                let to = self.vertical(here, way, page);
                // What is on the screen moves with the cursor, not only when that meets its edge.
                let lines = isize::try_from(page).unwrap_or(isize::MAX);
                self.scroll(if way == Towards::Back { -lines } else { lines });
                to
            }
        };
        // With nothing further back, back is the start.
        let start = Some(0).filter(|_| motion.is_back());
        self.put(tokens, to.or(start).map(|t| visible(tokens, t)));
    }

    /// Scrolls without moving the cursor; reaching the end follows the stream again.
    pub fn scroll(&mut self, lines: isize) {
        let bottom = self.total().saturating_sub(self.height);
        let first = self.first_line().saturating_add_signed(lines);
        if first >= bottom && lines > 0 {
            self.top = None;
            if self.cursor.is_some() {
                self.pin(bottom);
            }
        } else {
            self.pin(first.min(bottom.max(self.first_line())));
        }
    }

    /// Brings a token on screen, with some lines before it, without moving the cursor.
    pub fn look_at(&mut self, tokens: &[Token], token: usize) {
        if token < tokens.len()
            && let Some((line, ..)) = self.layout.find(visible(tokens, token))
        {
            let bottom = self.total().saturating_sub(self.height);
            self.pin(line.saturating_sub(self.height / 3).min(bottom));
        }
    }

    /// The token at a cell of the view, counted from its top left corner.
    pub fn token_at(&self, tokens: &[Token], x: usize, y: usize) -> Option<usize> {
        let line = self.first_line() + y;
        let column = x.saturating_sub(self.layout.indent(line));
        let token = self.layout.token_at(line, column)?;
        (token < tokens.len()).then(|| visible(tokens, token))
    }

    fn vertical(&self, here: usize, way: Towards, lines: usize) -> Option<usize> {
        let (line, x, _) = self.layout.find(here)?;
        let x = x + self.layout.indent(line);
        let target = match way {
            Towards::Back => line.checked_sub(lines)?,
            Towards::On => line + lines,
        };
        if target >= self.layout.lines().len() {
            return None;
        }
        self.layout
            .token_at(target, x.saturating_sub(self.layout.indent(target)))
    }

    fn pin(&mut self, line: usize) {
        self.top = self
            .layout
            .lines()
            .get(line)
            .or(self.layout.lines().last())
            .map(|l| l.start);
    }

    fn reveal(&mut self) {
        let Some((line, ..)) = self.cursor.and_then(|c| self.layout.find(c)) else {
            return;
        };
        let first = self.first_line();
        if line < first {
            self.pin(line);
        } else if line >= first + self.height.max(1) {
            self.pin(line + 1 - self.height.max(1));
        }
    }
}

/// The next token in a direction that satisfies `stop(before, token)`.
fn stops(
    tokens: &[Token],
    here: usize,
    way: Towards,
    stop: impl Fn(Option<&Token>, &Token) -> bool,
) -> Option<usize> {
    let ok = |&i: &usize| {
        let token = &tokens[i];
        let before = i.checked_sub(1).map(|b| &tokens[b]);
        // The delimiter is one stop, however many tokens it has.
        let hidden = token.is_delimiter() && before.is_some_and(Token::is_delimiter);
        !hidden && (stop(before, token) || before.is_some_and(|b| part(b) != part(token)))
    };
    match way {
        Towards::Back => (0..here).rev().find(ok),
        Towards::On => (here + 1..tokens.len()).find(ok),
    }
}

/// The part of a trace that a token belongs to: thought, delimiter, answer.
fn part(token: &Token) -> (bool, bool) {
    (token.phase == Phase::Answer, token.is_delimiter())
}

/// The token that stands for the one at `token`: of a delimiter always the first, since half a
/// delimiter is no place to be.
fn visible(tokens: &[Token], mut token: usize) -> usize {
    let delimiter = |i: usize| tokens.get(i).is_some_and(Token::is_delimiter);
    while token > 0 && delimiter(token) && delimiter(token - 1) {
        token -= 1;
    }
    token
}

fn starts_word(before: Option<&Token>, token: &Token) -> bool {
    before.is_none_or(|b| b.text.ends_with(char::is_whitespace))
        || token.text.starts_with(char::is_whitespace) && !token.text.trim().is_empty()
}

fn starts_sentence(before: Option<&Token>, token: &Token) -> bool {
    let Some(before) = before else { return true };
    let text = before.text.trim_end();
    let ended = text.ends_with(['.', '!', '?', '。', '！', '？', '…']);
    let gap = text.len() < before.text.len() || token.text.starts_with(char::is_whitespace);
    (ended && gap || before.text.contains('\n')) && !token.text.trim().is_empty()
}

#[cfg(test)]
mod tests;
