//! Training data: records to documents of tokens that say which of them carry loss.
//!
//! | module | subject |
//! |---|---|
//! | `lesson` | what a record means: its turns, whatever its fields are called |
//! | `thought` | thought and answer in what an assistant says |
//! | `render` | a conversation as the model is asked, and what it learns of it |
//!
//! Not here: the order in which documents are seen ([`super::batches`]).

use std::io::{self, BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::network::Example;
use super::recipe::hex;
use render::Rendered;
use s1_data::records::{self, Lines};
use s1_engine::dialogue::Dialogue;

mod lesson;
mod render;
mod thought;

/// What a data file gave.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Documents, none longer than the block: one for each record, or several where earlier turns
    /// of a conversation are rendered differently once they are over.
    pub documents: Vec<Example>,
    /// Records that were used.
    pub records: usize,
    /// Turns that carry loss.
    pub turns: usize,
    /// Those of them with a thought.
    pub thoughts: usize,
    /// Examples that the block size cut short.
    pub cut: usize,
    /// Examples that lost everything that carries loss to the cut; they are left out.
    pub emptied: usize,
    /// Lines that were left out because something was wrong with them, with what was.
    pub broken: Vec<String>,
    /// Tokens of the longest example before it was cut.
    pub longest: usize,
    /// Tells these data from others.
    pub digest: String,
}

impl Dataset {
    pub fn tokens(&self) -> usize {
        self.documents.iter().map(|d| d.ids.len()).sum()
    }

    pub fn targets(&self) -> usize {
        self.documents.iter().map(Example::targets).sum()
    }

    fn add(&mut self, rendered: Rendered, block: usize) {
        let mut document = rendered.example;
        self.longest = self.longest.max(document.ids.len());
        if document.ids.len() > block {
            self.cut += 1;
            document.ids.truncate(block);
            document.mask.truncate(block);
        }
        if document.targets() == 0 {
            self.emptied += 1;
        } else {
            self.turns += rendered.turns;
            self.thoughts += rendered.thoughts;
            self.documents.push(document);
        }
    }
}

/// Reads JSON lines (from any source of [`s1_data::records`]), once and to the end, and cuts every
/// example to `block` tokens.
///
/// `skip_broken` leaves lines out that cannot be used, and remembers them; otherwise the first
/// one is an error that names it. Errors also where nothing is left to train on.
pub fn read(path: &Path, dialogue: &Dialogue, block: usize, skip_broken: bool) -> Result<Dataset> {
    let place = || format!("cannot train on {}", path.display());
    let mut input = Hashed {
        input: records::open(path)?,
        hash: Sha256::new(),
    };
    let lines = Lines::new(&mut input);
    let mut data = parse(lines, dialogue, block, skip_broken).with_context(place)?;
    data.digest = hex(&input.hash.finalize());
    Ok(data)
}

/// As [`read`], from anything that has lines.
fn parse(
    mut lines: Lines<impl BufRead>,
    dialogue: &Dialogue,
    block: usize,
    skip_broken: bool,
) -> Result<Dataset> {
    let mut data = Dataset::default();
    while let Some((number, line)) = lines.next_line()? {
        match line.and_then(|line| documents(line, dialogue)) {
            Ok(documents) => {
                data.records += 1;
                for document in documents {
                    data.add(document, block);
                }
            }
            Err(error) if skip_broken => data.broken.push(format!("line {number}: {error:#}")),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("line {number} (--skip-broken uses the others)"));
            }
        }
    }
    if data.documents.is_empty() {
        bail!(
            "nothing is left to train on: {} lines were unusable, and {} examples lost all that carries loss to the block size",
            data.broken.len(),
            data.emptied
        );
    }
    Ok(data)
}

fn documents(line: &[u8], dialogue: &Dialogue) -> Result<Vec<Rendered>> {
    let lesson = lesson::lesson(&records::record(line)?)?;
    render::render(&lesson, dialogue)
}

/// An input with the hash of what was read of it: a pipe cannot be read again for one.
struct Hashed<R> {
    input: R,
    hash: Sha256,
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What is consumed is in the buffer, which is not filled anew before.
        if let Ok(bytes) = self.input.fill_buf() {
            self.hash.update(&bytes[..n.min(bytes.len())]);
        }
        self.input.consume(n);
    }
}

impl<R: BufRead> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
