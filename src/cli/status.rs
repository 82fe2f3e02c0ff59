//! The line on standard error that is rewritten while something is under way.
//!
//! Only a terminal has one. Elsewhere what is under way is told in whole lines, now and then, by
//! those who know when.

use std::io::{self, IsTerminal, Write};

pub struct StatusLine {
    terminal: bool,
    open: bool,
}

impl StatusLine {
    /// None is shown yet.
    pub fn new() -> StatusLine {
        StatusLine {
            terminal: io::stderr().is_terminal(),
            open: false,
        }
    }

    /// Whether there is such a line.
    pub fn is_live(&self) -> bool {
        self.terminal
    }

    /// Writes the line anew.
    pub fn show(&mut self, text: &str) {
        if self.terminal {
            self.open = true;
            write(&format!("\r\x1b[K{text}"));
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.open) {
            write("\r\x1b[K");
        }
    }

    /// Leaves the line where it is; what comes next is below it.
    pub fn keep(&mut self) {
        if std::mem::take(&mut self.open) {
            write("\n");
        }
    }
}

fn write(text: &str) {
    let mut err = io::stderr().lock();
    // A closed standard error is no reason to stop what is under way.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
