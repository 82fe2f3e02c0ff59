//! Records of a table of text with a header (CSV, TSV), row by row as JSON lines.

use std::io::{self, Read};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::{LONGEST_LINE, Record};

/// The most columns that a table may have.
const MAX_COLUMNS: usize = 1000;

/// The rows of a table as JSON lines, each made when it is read.
pub(super) struct CsvRows<R> {
    reader: Reader<RowLimit<R>>,
    header: StringRecord,
    row: StringRecord,
    line: Vec<u8>,
    at: usize,
}

impl<R: Read> CsvRows<R> {
    /// The rows of a table whose columns are parted by `delimiter`.
    ///
    /// # Errors
    /// If its header cannot be read.
    pub(super) fn new(input: R, delimiter: u8) -> io::Result<CsvRows<R>> {
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(RowLimit { input, read: 0 });
        let header = reader.headers()?.clone();
        if header.len() > MAX_COLUMNS {
            let message = format!("the table has more than {MAX_COLUMNS} columns");
            return Err(io::Error::other(message));
        }
        Ok(CsvRows {
            reader,
            header,
            row: StringRecord::new(),
            line: Vec::new(),
            at: 0,
        })
    }
}

impl<R: Read> Read for CsvRows<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            self.reader.get_mut().read = 0;
            if !self.reader.read_record(&mut self.row)? {
                return Ok(0);
            }
            let cells = self.header.iter().zip(&self.row);
            let record: Record = cells
                .map(|(name, cell)| (name.trim().to_owned(), cell.into()))
                .collect();
            self.line = serde_json::to_vec(&record)?;
            self.line.push(b'\n');
            self.at = 0;
        }
        let n = out.len().min(self.line.len() - self.at);
        out[..n].copy_from_slice(&self.line[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// An input of which one row may take only so much: a quote that is never closed would otherwise make
/// one cell of the whole file.
struct RowLimit<R> {
    input: R,
    /// Bytes read since the row began, and what the library has read ahead.
    read: usize,
}

impl<R: Read> Read for RowLimit<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.read += n;
        if self.read > LONGEST_LINE {
            let limit = LONGEST_LINE >> 20;
            let message = format!("a row is longer than {limit} MiB; is a quote never closed?");
            return Err(io::Error::other(message));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, delimiter: u8) -> io::Result<String> {
        let mut out = String::new();
        CsvRows::new(text.as_bytes(), delimiter)?.read_to_string(&mut out)?;
        Ok(out)
    }

    #[test]
    fn rows_become_lines_with_the_names_of_the_header() {
        let text = "Question,\"Correct Answer\"\n\"What, now?\n\"\"So\"\"\",4\nWhy?,because\n";
        assert_eq!(
            lines(text, b',').unwrap(),
            "{\"Question\":\"What, now?\\n\\\"So\\\"\",\"Correct Answer\":\"4\"}\n{\"Question\":\"Why?\",\"Correct Answer\":\"because\"}\n"
        );
        assert_eq!(
            lines("a\tb\n1\t2\n", b'\t').unwrap(),
            "{\"a\":\"1\",\"b\":\"2\"}\n"
        );
        assert_eq!(lines("a,b\n", b',').unwrap(), "");
    }

    #[test]
    fn a_broken_table_is_named() {
        let uneven = lines("a,b\n1,2,3\n", b',').unwrap_err().to_string();
        assert!(uneven.contains("3 fields"), "{uneven}");
        let endless = format!("a\n\"{}", "x".repeat(LONGEST_LINE + (1 << 20)));
        let endless = lines(&endless, b',').unwrap_err().to_string();
        assert!(endless.contains("never closed"), "{endless}");
    }
}
