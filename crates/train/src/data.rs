//! Training data: records to documents of tokens that say which of them carry loss.
//!
//! | module | subject |
//! |---|---|
//! | `lesson` | what a record means: its turns, whatever its fields are called |
//! | `thought` | thought and answer in what an assistant says |
//! | `render` | a conversation as the model is asked, and what it learns of it |
//!
//! Not here: the order in which documents are seen ([`crate::batches`]).

use std::io::{self, BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::recipe::hex;
use render::Rendered;
use s1_core::training::{ExamplePiece, LearnedTurns, TrainConfig};
use s1_data::records::{self, Lines};
use s1_engine::dialogue::Dialogue;
use s1_model::tokenizer::Tokenizer;

mod lesson;
mod render;
mod thought;

/// A row of tokens that is trained on, or the part of it that fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    pub ids: Vec<u32>,
    /// Whether each token carries loss (the prediction *of* it does).
    pub mask: Vec<bool>,
}

impl Example {
    /// Tokens that carry loss; the first never does, as nothing predicts it.
    pub fn targets(&self) -> usize {
        self.mask.iter().skip(1).filter(|m| **m).count()
    }

    /// As text, parted where loss begins and ends.
    pub fn pieces(&self, tokenizer: &Tokenizer) -> Vec<ExamplePiece> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(&loss) = self.mask.get(at) {
            let rest = &self.mask[at..];
            let end = at + rest.iter().take_while(|m| **m == loss).count();
            let text = tokenizer.decode(&self.ids[at..end]);
            pieces.push(ExamplePiece { text, loss });
            at = end;
        }
        pieces
    }
}

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
    /// Thoughts that were cut as a budget would.
    pub shortened: usize,
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
            self.shortened += rendered.shortened;
            self.documents.push(document);
        }
    }
}

/// How data are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Every example is cut to so many tokens.
    pub block: usize,
    /// Lines that cannot be used are left out, and remembered; otherwise the first one is an error that
    /// names it.
    pub skip_broken: bool,
    pub turns: LearnedTurns,
    pub cut: Option<ThoughtCut>,
}

impl Reading {
    pub fn of(config: &TrainConfig, block: usize) -> Reading {
        Reading {
            block,
            skip_broken: config.skip_broken,
            turns: config.turns,
            cut: config.cut_thinking.map(|at| ThoughtCut {
                at,
                learned: config.learn_cut,
            }),
        }
    }
}

/// Thoughts are cut as a budget cuts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThoughtCut {
    /// Tokens that are kept.
    pub at: usize,
    /// Whether what closes the thought then carries loss.
    pub learned: bool,
}

/// Reads JSON lines (from any source of [`s1_data::records`]), once and to the end. Errors also where
/// nothing is left to train on.
pub fn read(path: &Path, dialogue: &Dialogue, how: &Reading) -> Result<Dataset> {
    let place = || format!("cannot train on {}", path.display());
    let mut input = Hashed {
        input: records::open(path)?,
        hash: Sha256::new(),
    };
    let lines = Lines::new(&mut input);
    let mut data = parse(lines, dialogue, how).with_context(place)?;
    data.digest = hex(&input.hash.finalize());
    Ok(data)
}

/// As [`read`], from anything that has lines.
fn parse(mut lines: Lines<impl BufRead>, dialogue: &Dialogue, how: &Reading) -> Result<Dataset> {
    let mut data = Dataset::default();
    while let Some((number, line)) = lines.next_line()? {
        match line.and_then(|line| documents(line, dialogue, how)) {
            Ok(documents) => {
                data.records += 1;
                for document in documents {
                    data.add(document, how.block);
                }
            }
            Err(error) if how.skip_broken => data.broken.push(format!("line {number}: {error:#}")),
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

fn documents(line: &[u8], dialogue: &Dialogue, how: &Reading) -> Result<Vec<Rendered>> {
    let mut lesson = lesson::lesson(&records::record(line)?)?;
    if how.turns == LearnedTurns::Last {
        lesson.learn_last();
    }
    render::render(&lesson, dialogue, how.cut)
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
