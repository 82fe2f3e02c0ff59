//! One JSON array as lines, one for each of its elements, without reading it whole.
//!
//! Not here: whether an element is valid JSON; whoever reads the line sees that.

use std::io::{self, BufRead, Read};

/// Where in the array the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrayState {
    Before,
    Inside,
    Behind,
}

/// The elements of an array, each on a line.
pub(super) struct ArrayLines<R> {
    input: R,
    place: ArrayState,
    /// Brackets and braces that are open in the element.
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl<R: BufRead> ArrayLines<R> {
    /// The lines of an input that begins with `[`, white space and a byte order mark aside.
    pub(super) fn new(input: R) -> ArrayLines<R> {
        ArrayLines {
            input,
            place: ArrayState::Before,
            depth: 0,
            in_text: false,
            escaped: false,
        }
    }

    /// The byte that takes the place of this one.
    fn take(&mut self, byte: u8) -> io::Result<u8> {
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return Ok(byte);
        }
        match (self.place, byte) {
            (ArrayState::Before, b'[') => self.place = ArrayState::Inside,
            (ArrayState::Before, _) => {}
            (ArrayState::Behind, byte) if !byte.is_ascii_whitespace() => {
                return Err(io::Error::other("there is more behind the JSON array"));
            }
            (ArrayState::Behind, _) => {}
            (ArrayState::Inside, b',') if self.depth == 0 => return Ok(b'\n'),
            (ArrayState::Inside, b']') if self.depth == 0 => {
                self.place = ArrayState::Behind;
                return Ok(b'\n');
            }
            (ArrayState::Inside, byte) => {
                match byte {
                    b'"' => self.in_text = true,
                    b'[' | b'{' => self.depth += 1,
                    b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                let blank = byte.is_ascii_whitespace();
                return Ok(if blank { b' ' } else { byte });
            }
        }
        Ok(b' ')
    }
}

impl<R: BufRead> Read for ArrayLines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.fill_buf()?;
        if bytes.is_empty() && self.place != ArrayState::Behind && !out.is_empty() {
            return Err(io::Error::other(
                "the JSON array has no end; the file is cut off",
            ));
        }
        let n = out.len().min(bytes.len());
        out[..n].copy_from_slice(&bytes[..n]);
        self.input.consume(n);
        for byte in &mut out[..n] {
            *byte = self.take(*byte)?;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> io::Result<Vec<String>> {
        let mut out = String::new();
        ArrayLines::new(text.as_bytes()).read_to_string(&mut out)?;
        let lines = out.lines().map(|line| line.trim().to_owned());
        Ok(lines.filter(|line| !line.is_empty()).collect())
    }

    #[test]
    fn each_element_is_a_line_however_it_is_laid_out() {
        let text =
            "\u{feff} [\n  {\n \"a\": \"x, ]\\\" [\",\n \"b\": [1, {\"c\": 2}]\n  },\n {}\n]\n";
        let found = lines(text).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        let first: serde_json::Value = serde_json::from_str(&found[0]).unwrap();
        assert_eq!(first["a"], "x, ]\" [");
        assert_eq!(first["b"][1]["c"], 2);
        assert!(lines("[]").unwrap().is_empty());
    }

    #[test]
    fn an_array_that_is_cut_off_or_goes_on_is_named() {
        let cut = lines("[{\"a\":1},").unwrap_err().to_string();
        assert!(cut.contains("has no end"), "{cut}");
        let more = lines("[{}] {}").unwrap_err().to_string();
        assert!(more.contains("more behind"), "{more}");
    }
}
