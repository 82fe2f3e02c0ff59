//! An answer that was begun for the model: whether the box in it is closed.

/// Follows the braces of a text, piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Braces {
    depth: usize,
    opened: bool,
    escaped: bool,
}

impl Braces {
    /// Whether a brace was opened.
    pub fn are_opened(&self) -> bool {
        self.opened
    }

    /// Takes in more of the text.
    pub fn push(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '{' => {
                    self.depth += 1;
                    self.opened = true;
                }
                '}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether every brace that was opened is closed again, and one was.
    pub fn are_closed(&self) -> bool {
        self.opened && self.depth == 0
    }
}
