//! Bytes to text while they arrive: a character may be split over tokens, the screen may not
//! show half of it.

/// Turns the bytes of successive tokens into text.
///
/// Every complete character comes out at once, newlines included. At most three bytes (the
/// beginning of a character) wait for the next call. Bytes that can never become a character
/// come out as one U+FFFD per broken sequence, as [`String::from_utf8_lossy`] writes them.
#[derive(Clone, Debug, Default)]
pub struct StreamDecoder {
    /// The beginning of a character whose end has not arrived; never more than three bytes.
    pending: Vec<u8>,
}

impl StreamDecoder {
    /// A decoder with nothing pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of one more token; returns the text they complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.pending.len());
        let mut kept = 0;
        let mut chunks = self.pending.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            match std::str::from_utf8(chunk.invalid()) {
                Ok(_) => {}
                Err(error) if error.error_len().is_none() && chunks.peek().is_none() => {
                    kept = chunk.invalid().len();
                }
                Err(_) => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        let done = self.pending.len() - kept;
        self.pending.drain(..done);
        text
    }

    /// Ends the stream: a character that never arrived in full becomes one U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(parts: &[&[u8]]) -> Vec<String> {
        let mut decoder = StreamDecoder::new();
        let mut out: Vec<String> = parts.iter().map(|part| decoder.push(part)).collect();
        out.push(decoder.finish());
        out
    }

    #[test]
    fn a_character_split_over_tokens_appears_whole_and_once() {
        let emoji = "🧠".as_bytes();
        assert_eq!(
            stream(&[b"a", &emoji[..1], &emoji[1..3], &emoji[3..], b"b"]),
            ["a", "", "", "🧠", "b", ""]
        );
    }

    #[test]
    fn newlines_and_complete_characters_are_never_held_back() {
        assert_eq!(
            stream(&[b"\n", b"\n\n", "é\n".as_bytes()]),
            ["\n", "\n\n", "é\n", ""]
        );
        // Text before the first byte of an unfinished character is not held back with it.
        assert_eq!(stream(&[b"ok\n\xf0\x9f", b"\xa7\xa0"]), ["ok\n", "🧠", ""]);
    }

    #[test]
    fn bytes_that_are_no_text_show_once() {
        assert_eq!(stream(&[b"a\xffb"]), ["a\u{fffd}b", ""]);
        // The beginning of a character, then something else: one mark, then the other text.
        assert_eq!(stream(&[b"\xe2\x96", b"x"]), ["", "\u{fffd}x", ""]);
        assert_eq!(stream(&[b"\xe2\x96"]), ["", "\u{fffd}"]);
    }

    #[test]
    fn any_split_of_any_bytes_reads_as_the_whole() {
        let bytes = b"a\xc3\xa9\xf0\x9f\xa7\xa0\xff\xe2\x82\n\xed\xa0\x80z\xf0\x9f";
        let whole = String::from_utf8_lossy(bytes);
        for size in 1..=bytes.len() {
            let parts: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(stream(&parts).concat(), whole, "in parts of {size}");
        }
    }
}
