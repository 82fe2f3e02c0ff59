//! The clipboard, through the terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The sequence that asks the terminal to put a text on the clipboard (OSC 52). It works over
/// ssh, and needs no window system.
pub fn osc52(text: &str) -> Vec<u8> {
    format!("\x1b]52;c;{}\x1b\\", STANDARD.encode(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_cannot_leave_its_sequence() {
        let sequence = super::osc52("a\x1b\\\x07");
        assert_eq!(sequence, b"\x1b]52;c;YRtcBw==\x1b\\");
    }
}
