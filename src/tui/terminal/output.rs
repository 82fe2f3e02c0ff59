//! Where frames go: one write per frame, between the marks of a synchronized update, so that no
//! terminal shows half a frame.

use std::io::{self, Write};

/// Begin and end of a synchronized update (DEC private mode 2026); terminals that do not know it
/// ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Collects a frame and writes it on flush. What was not flushed is discarded, and so is what comes
/// once the terminal is given back: after a panic in the middle of a frame nothing of it may reach
/// the user's shell.
#[derive(Default)]
pub struct Output {
    frame: Vec<u8>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.frame.is_empty() {
            self.frame.extend_from_slice(BEGIN);
        }
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() || !super::is_entered() {
            self.frame.clear();
            return Ok(());
        }
        self.frame.extend_from_slice(END);
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.frame).and_then(|()| stdout.flush());
        // Kept after an error, the frame would be sent in part again and again.
        self.frame.clear();
        written
    }
}
