//! Decontamination: questions that share a run of words with an evaluation set.
//!
//! As in s1: the words (lower case, without punctuation) of every run of `n` in an evaluation
//! question must not occur in a question of the pool. An evaluation question of fewer than `n`
//! words is one run by itself, which only the same question has.

use std::collections::HashMap;

use super::text;

/// The runs of words of evaluation sets.
#[derive(Debug)]
pub(super) struct Index {
    n: usize,
    /// The source of each run of words, by its hash.
    runs: HashMap<u64, usize>,
    /// The same for questions of fewer words.
    short: HashMap<u64, usize>,
    /// Names of the problems, as they are told.
    names: Vec<String>,
}

fn hash(words: &[String]) -> u64 {
    text::hash(words.iter().map(String::as_str))
}

impl Index {
    /// An index of runs of `n` words (at least one).
    pub(super) fn new(n: usize) -> Index {
        Index {
            n: n.max(1),
            runs: HashMap::new(),
            short: HashMap::new(),
            names: Vec::new(),
        }
    }

    /// Adds a problem.
    pub(super) fn add(&mut self, name: String, question: &str) {
        let words = text::words(question);
        let at = self.names.len();
        self.names.push(name);
        if words.is_empty() {
        } else if words.len() < self.n {
            self.short.entry(hash(&words)).or_insert(at);
        } else {
            for run in words.windows(self.n) {
                self.runs.entry(hash(run)).or_insert(at);
            }
        }
    }

    /// The problem that a question shares a run with, and the run.
    pub(super) fn find(&self, question: &str) -> Option<(&str, String)> {
        let words = text::words(question);
        if words.len() < self.n {
            let at = *self.short.get(&hash(&words))?;
            return Some((&self.names[at], words.join(" ")));
        }
        words.windows(self.n).find_map(|run| {
            let at = *self.runs.get(&hash(run))?;
            Some((self.names[at].as_str(), run.join(" ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_words_in_a_row_are_an_overlap_and_seven_are_not() {
        let mut index = Index::new(8);
        index.add("a".into(), "one two three four five six seven eight nine");
        index.add("b".into(), "Multiply 465 by 12.");
        let found = |q: &str| index.find(q).map(|(name, run)| (name.to_owned(), run));
        let run = "two three four five six seven eight nine";
        assert_eq!(
            found("So: TWO three four, five six seven eight nine ten"),
            Some(("a".into(), run.into()))
        );
        assert_eq!(
            found("x one two three four five six seven x eight nine"),
            None
        );
        assert_eq!(
            found("multiply 465 by 12"),
            Some(("b".into(), "multiply 465 by 12".into()))
        );
        assert_eq!(found("multiply 465 by 120"), None);
        assert_eq!(found("please do multiply 465 by 12 for me now"), None);
        assert_eq!(found(""), None);
    }
}
