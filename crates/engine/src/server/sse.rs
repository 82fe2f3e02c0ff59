//! Server-sent events, read with bounds.
//!
//! The crates for them need streams of an asynchronous runtime, and keep a line of any length in
//! memory. Here a server that never ends its line is told to the reader instead. Only the data of an
//! event is of interest; names, ids and comments are left out.

use std::io::{self, BufRead};

/// The data of no event is longer, in bytes.
const LONGEST: usize = 4 << 20;

/// What a stream has next.
#[derive(Debug, PartialEq)]
pub(super) enum NextEvent {
    /// The data of an event.
    Event(String),
    /// It has ended between two events.
    End,
    /// It has ended within one.
    Torn,
    /// An event, or a line, is too long.
    TooLong,
}

pub(super) struct EventReader<R> {
    input: R,
}

impl<R: BufRead> EventReader<R> {
    pub fn new(input: R) -> EventReader<R> {
        EventReader { input }
    }

    /// The next event.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn next(&mut self) -> io::Result<NextEvent> {
        let mut data = Vec::new();
        let mut line = Vec::new();
        let mut begun = false;
        loop {
            line.clear();
            let room = (LONGEST - data.len()) as u64;
            let read = io::Read::take(&mut self.input, room).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(match (begun, room) {
                    (_, 0) => NextEvent::TooLong,
                    (true, _) => NextEvent::Torn,
                    (false, _) => NextEvent::End,
                });
            }
            if line.pop() != Some(b'\n') {
                return Ok(match read as u64 == room {
                    true => NextEvent::TooLong,
                    false => NextEvent::Torn,
                });
            }
            let text = line.strip_suffix(b"\r").unwrap_or(&line);
            if text.is_empty() {
                if !data.is_empty() {
                    return Ok(NextEvent::Event(
                        String::from_utf8_lossy(&data).into_owned(),
                    ));
                }
                begun = false;
                continue;
            }
            begun = true;
            if let Some(value) = text.strip_prefix(b"data:") {
                if !data.is_empty() {
                    data.push(b'\n');
                }
                data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<NextEvent> {
        let mut reader = EventReader::new(text);
        let mut all = Vec::new();
        loop {
            let next = reader.next().unwrap();
            let more = matches!(next, NextEvent::Event(_));
            all.push(next);
            if !more {
                return all;
            }
        }
    }

    fn event(text: &str) -> NextEvent {
        NextEvent::Event(text.into())
    }

    #[test]
    fn events_are_told_from_what_stands_between_them() {
        assert_eq!(
            all(b": hello\n\nevent: x\r\ndata: {\"a\": 1}\r\n\r\n\ndata:b\ndata: c\n\n"),
            [event("{\"a\": 1}"), event("b\nc"), NextEvent::End]
        );
        assert_eq!(
            all(b"data: whole\n\ndata: ha"),
            [event("whole"), NextEvent::Torn]
        );
        assert_eq!(all(b"data: no empty line\n"), [NextEvent::Torn]);
    }

    #[test]
    fn a_line_that_never_ends_does_not_fill_the_memory() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        assert_eq!(
            EventReader::new(endless).next().unwrap(),
            NextEvent::TooLong
        );
    }
}
