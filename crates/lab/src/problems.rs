//! Problem sets: questions with reference answers, from JSON lines or Parquet, on disk or on the
//! Hugging Face hub.
//!
//! The fields of the usual sets are recognised by their names (`fields`); others are named by the
//! user. Files are hostile: lines have a largest length, broken ones are named by their number,
//! and only what is asked for is kept in memory.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use s1_data::hub::Split;
use s1_data::records::{self, Record};
use s1_store::run::PromptTemplate;

mod fields;
#[cfg(test)]
mod tests;

pub(super) use fields::RecordLayout;

/// Broken lines that are named one by one.
const NAMED: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its id in the set: the file's own, else the line's number. Unique.
    pub id: String,
    /// The question, options included, without the prompt's suffix.
    pub question: String,
    /// The right answer, if the set has one.
    pub reference: Option<String>,
}

/// How a set is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProblemOptions {
    /// Field of the question, if it is not to be recognised.
    pub question_field: Option<String>,
    /// Field of the answer, if it is not to be recognised.
    pub answer_field: Option<String>,
    /// Field of the id, if it is not to be recognised.
    pub id_field: Option<String>,
    /// Leave broken lines out, instead of refusing the file.
    pub skip_broken: bool,
    /// Read this many problems from the beginning only.
    pub limit: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProblemSet {
    /// Display name: the file's.
    pub name: String,
    /// The file that was read.
    pub path: PathBuf,
    /// The layout that was recognised, e.g. `gsm8k`.
    pub layout: &'static str,
    /// The prompt that suits this layout.
    pub prompt: PromptTemplate,
    /// The problems, in the order of the file.
    pub problems: Vec<Problem>,
    /// Lines that were left out because they are broken.
    pub skipped: usize,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
}

impl ProblemSet {
    /// Reads a set: a file's path, a bundled set's name, or `hf:owner/name[:file]` for a dataset of
    /// the hub.
    ///
    /// # Errors
    /// If it cannot be read, a line is broken (and `skip_broken` is not set), or no field is
    /// recognised as the question; the sentence names the file, the line, and what to do.
    pub fn load(source: &str, options: &ProblemOptions) -> Result<ProblemSet> {
        let path = records::file(source.as_ref(), Split::Test)?;
        let mut reading = ProblemReader::new(&path, options);
        reading.lines(records::lines(&path)?)?;
        reading.finish()
    }
}

/// A set that is being read.
struct ProblemReader<'a> {
    path: &'a Path,
    options: &'a ProblemOptions,
    layout: Option<RecordLayout>,
    problems: Vec<Problem>,
    ids: BTreeSet<String>,
    /// Number of the record at hand, from 1: the line's, in JSON lines.
    number: usize,
    broken: Vec<String>,
    doubled: usize,
    unanswered: usize,
}

impl<'a> ProblemReader<'a> {
    fn new(path: &'a Path, options: &'a ProblemOptions) -> ProblemReader<'a> {
        ProblemReader {
            path,
            options,
            layout: None,
            problems: Vec::new(),
            ids: BTreeSet::new(),
            number: 0,
            broken: Vec::new(),
            doubled: 0,
            unanswered: 0,
        }
    }

    fn is_full(&self) -> bool {
        let limit = self.options.limit.unwrap_or(usize::MAX);
        self.problems.len() >= limit
    }

    fn lines(&mut self, mut lines: records::Lines<impl BufRead>) -> Result<()> {
        while !self.is_full() {
            let next = lines.next_line();
            let Some((number, line)) = next.with_context(|| self.path.display().to_string())?
            else {
                break;
            };
            self.number = number;
            match line.and_then(records::record) {
                Ok(record) => self.take(&record)?,
                Err(error) => self.reject(error.to_string())?,
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<()> {
        let layout = match &self.layout {
            Some(layout) => layout,
            None => {
                let found = RecordLayout::of(record, self.options)
                    .with_context(|| self.path.display().to_string())?;
                self.layout.insert(found)
            }
        };
        let (id, question, reference) = match layout.read(record) {
            Ok(read) => read,
            Err(why) => return self.reject(why),
        };
        let mut id = id.unwrap_or_else(|| self.number.to_string());
        if !self.ids.insert(id.clone()) {
            self.doubled += 1;
            id = format!("{id}#{}", self.number);
            self.ids.insert(id.clone());
        }
        self.unanswered += usize::from(reference.is_none());
        self.problems.push(Problem {
            id,
            question,
            reference,
        });
        Ok(())
    }

    fn reject(&mut self, why: String) -> Result<()> {
        let sentence = format!("{}, line {}: {why}", self.path.display(), self.number);
        if !self.options.skip_broken {
            bail!("{sentence}; --skip-broken continues with the rest");
        }
        self.broken.push(sentence);
        Ok(())
    }

    fn finish(self) -> Result<ProblemSet> {
        let path = self.path.to_path_buf();
        let shown = path.display();
        let layout = match self.layout {
            Some(layout) if !self.problems.is_empty() => layout,
            _ if self.broken.is_empty() => bail!("{shown} holds no problems"),
            _ => bail!("{shown} holds no problems: {}", self.broken[0]),
        };
        let skipped = self.broken.len();
        let mut warnings: Vec<String> = self
            .broken
            .into_iter()
            .take(NAMED)
            .map(|why| format!("left out: {why}"))
            .collect();
        if skipped > NAMED {
            warnings.push(format!("left out: {} more broken lines", skipped - NAMED));
        }
        let all = self.problems.len();
        if self.doubled > 0 {
            warnings.push(format!(
                "{} of {all} problems share an id with another; their line numbers distinguish them",
                self.doubled
            ));
        }
        if self.unanswered > 0 {
            warnings.push(format!(
                "{} of {all} problems have no reference answer; they are asked but not graded",
                self.unanswered
            ));
        }
        let name = path.file_stem().unwrap_or_default();
        Ok(ProblemSet {
            name: name.to_string_lossy().into_owned(),
            layout: layout.name(),
            prompt: layout.prompt(),
            problems: self.problems,
            skipped,
            warnings,
            path,
        })
    }
}
