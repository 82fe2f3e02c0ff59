//! Counting a letter in a word, forwards and backwards.
//!
//! The word is spelled letter by letter, each with the count so far: ` r1 a1 s1 p1 b1 e1 r2 r3
//! y3`. A letter with its count is one token of the vocabulary, so that the copy has the word's
//! own stride; a small model does not learn to copy at another.

use super::injected_error::InjectedError;
use super::words;
use super::worked_path::WorkedPath;
use s1_core::rng::Rng;

/// How often `letter` occurs in `word`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letters {
    /// A lower-case letter.
    pub letter: char,
    pub word: String,
}

const WORDINGS: [&str; 9] = [
    "How many {l} in {w}?",
    "How many {l}'s are in {w}?",
    "How many {l} are in {w}?",
    "How many times does {l} occur in {w}?",
    "How often does {l} occur in {w}?",
    "How many {l} are in the word {w}?",
    "How many times does the letter {l} appear in the word {w}?",
    "Count the letter {l} in {w}.",
    "How many {l}'s are there in the word {w}?",
];

impl Letters {
    /// A random one: mostly a letter of the word.
    pub fn draw(rng: &mut Rng) -> Letters {
        let word = words::draw(rng);
        let letters: Vec<char> = word.chars().collect();
        let letter = if rng.chance(88) {
            letters[rng.range(0, letters.len() as i64 - 1) as usize]
        } else {
            (b'a' + rng.range(0, 25) as u8) as char
        };
        Letters { letter, word }
    }

    /// Often the one of this and another in which more letters come again, and of its letters often
    /// one that occurs twice in a row: difficult cases are practised more often than they occur.
    pub fn harder(self, rng: &mut Rng) -> Letters {
        let mut drawn = self;
        if rng.chance(50) {
            let other = Letters::draw(rng);
            if other.repeated() > drawn.repeated() {
                drawn = other;
            }
        }
        let twice = drawn.word.as_bytes().windows(2).find(|w| w[0] == w[1]);
        if let Some(&[letter, _]) = twice
            && rng.chance(35)
        {
            drawn.letter = char::from(letter);
        }
        drawn
    }

    /// How many letters of the word occurred in it before: a copy loses its place at these.
    fn repeated(&self) -> usize {
        let letters = self.word.as_bytes().iter().enumerate();
        letters
            .filter(|&(at, letter)| self.word.as_bytes()[..at].contains(letter))
            .count()
    }

    /// The name of the problem: the word, so that no letter of it is asked for elsewhere.
    pub fn key(&self) -> String {
        format!("letters {}", self.word)
    }

    /// The question in one of its wordings.
    pub fn question(&self, rng: &mut Rng) -> String {
        rng.pick(&WORDINGS)
            .replace("{l}", &self.letter.to_string())
            .replace("{w}", &self.word)
    }

    /// How often the letter is there.
    pub fn count(&self) -> i64 {
        self.word.chars().filter(|&c| c == self.letter).count() as i64
    }

    /// Read forwards, counting.
    pub fn first(&self, error: &mut InjectedError) -> WorkedPath {
        self.counted(self.word.chars(), error)
    }

    /// Read backwards, counting.
    pub fn second(&self, error: &mut InjectedError) -> WorkedPath {
        self.counted(self.word.chars().rev(), error)
    }

    /// Read forwards once more.
    pub fn third(&self, error: &mut InjectedError) -> WorkedPath {
        self.first(error)
    }

    fn counted(
        &self,
        letters: impl Iterator<Item = char>,
        error: &mut InjectedError,
    ) -> WorkedPath {
        let mut text = format!("{}:", self.letter);
        let mut found = 0;
        for c in letters {
            found += i64::from(c == self.letter);
            text.push_str(&format!(" {c}{found}"));
        }
        let result = error.write(found);
        text.push_str(&format!("\n{result}\n"));
        WorkedPath::new(text, result)
    }
}

/// How many results a path writes.
pub const RESULTS: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn raspberry(letter: char) -> Letters {
        Letters {
            letter,
            word: "raspberry".into(),
        }
    }

    #[test]
    fn raspberry_has_three_r_by_every_path() {
        let l = raspberry('r');
        let none = || InjectedError::none();
        assert_eq!(
            l.first(&mut none()).text,
            "r: r1 a1 s1 p1 b1 e1 r2 r3 y3\n3\n"
        );
        assert_eq!(
            l.second(&mut none()).text,
            "r: y0 r1 r2 e2 b2 p2 s2 a2 r3\n3\n"
        );
    }

    #[test]
    fn a_letter_that_is_not_there_counts_zero() {
        assert_eq!(
            raspberry('x').first(&mut InjectedError::none()).result,
            raspberry('x').count().to_string()
        );
    }
}
