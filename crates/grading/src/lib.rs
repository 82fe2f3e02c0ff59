//! Grades mathematical answers: finds the final answer in what a language model wrote and decides
//! whether it equals a reference, by value and without a judge model.
//!
//! ```
//! use s1_grading::{equal, extract, grade};
//!
//! // A whole response against a reference answer.
//! let graded = grade("3/4", r"The probability is $\frac{6}{8}$.");
//! assert!(graded.verdict.equal);
//! assert_eq!(graded.verdict.reason, "same value 3/4");
//!
//! // The two steps on their own.
//! let answer = extract(r"so 9 * 2 = \boxed{18}", None).map(|found| found.text);
//! assert_eq!(answer.as_deref(), Some("18"));
//! assert!(equal(r"\sqrt{12}", r"2\sqrt{3}").equal);
//! ```
//!
//! Equality is by value: `\frac12`, `0.5` and `50\%` are one answer. Values with an exact form
//! (rationals, square roots, powers of π, complex numbers of these) are compared exactly; others
//! (`e`, `∛2`, `\sin 1`) in floating point, and expressions in variables at fixed points. What does
//! not parse is compared as text. Time, recursion depth and memory are bounded for any input, and no
//! function panics.
//!
//! This is not a computer algebra system, and not a judge of reasoning: only the final answer
//! counts. The README lists what is and is not recognised.
//!
//! | file | subject |
//! |---|---|
//! | `text` | plain characters for the many that look alike |
//! | `extract` | the answer in a response: last `\boxed{}`, `####`, "Answer:", last number or option |
//! | `words`, `units` | answers in words: option letters, names, numbers; what is counted |
//! | `lexer`, `parser`, `node` | LaTeX and plain notation to a tree |
//! | `exact` | exact numbers: rationals, square roots, π, i |
//! | `evaluate` | the value of a tree, exactly or in floating point |
//! | `budget` | the bound on the work of one comparison |
//! | `compare` | equivalence of two trees |

#![warn(missing_docs)]

mod budget;
mod compare;
mod evaluate;
mod exact;
mod extract;
mod lexer;
mod node;
mod parser;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod words;

use budget::WorkBudget;
pub use extract::extract;
use std::ops::Range;
use text::{Plain, undressed};

/// The longest answer that is parsed, in bytes; longer ones are equal only when identical.
const MAX_ANSWER: usize = 8192;

/// The kind of answer that is expected, which decides what [`extract()`] looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerKind {
    /// A single number (GSM8K, AIME).
    Number,
    /// An option letter (GPQA, MMLU).
    Choice,
    /// Any mathematical expression or shape (MATH).
    Math,
    /// Words, such as a name.
    Text,
}

impl AnswerKind {
    /// Guesses the kind from a reference answer.
    ///
    /// ```
    /// use s1_grading::AnswerKind;
    ///
    /// assert_eq!(AnswerKind::of("1,234"), AnswerKind::Number);
    /// assert_eq!(AnswerKind::of("(C)"), AnswerKind::Choice);
    /// assert_eq!(AnswerKind::of("x^2+1"), AnswerKind::Math);
    /// assert_eq!(AnswerKind::of("Evelyn"), AnswerKind::Text);
    /// ```
    pub fn of(reference: &str) -> Self {
        if reference.len() > MAX_ANSWER {
            Self::Text
        } else if is_choice(reference) {
            Self::Choice
        } else if reads_as_number(reference)
            || words::meaning(reference).is_some_and(|text| reads_as_number(&text))
        {
            Self::Number
        } else if words::is_words(reference) || !reads_as_mathematics(reference) {
            Self::Text
        } else {
            Self::Math
        }
    }
}

/// The rule by which an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtractionRule {
    /// The last `\boxed{}` or `\fbox{}`.
    Boxed,
    /// The rest of the line after the last `####`.
    Hashes,
    /// The rest of the line after the last "Answer:" or "answer is".
    AnswerMarker,
    /// The last number.
    LastNumber,
    /// The last option letter.
    LastOption,
    /// The last formula between dollars or `\(` and `\)`.
    LastFormula,
    /// The whole text, when it is one short line.
    Whole,
}

/// An answer found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extracted {
    /// The answer as written.
    pub text: String,
    /// The rule that found it.
    pub rule: ExtractionRule,
    /// Its position in the text, in bytes.
    pub span: Range<usize>,
}

/// Whether an answer equals a reference, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether the answer equals the reference.
    pub equal: bool,
    /// Why, in a few words: `same value 1/2`, `3 ≠ 4`, `differs as text`.
    pub reason: String,
}

/// The verdict on a model's text, with the answer that was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Graded {
    /// The answer found; `None` when the text holds none.
    pub extracted: Option<Extracted>,
    /// The verdict on it.
    pub verdict: Verdict,
}

/// Compares two answers that are already extracted.
///
/// ```
/// use s1_grading::equal;
///
/// assert!(equal(r"x \in [-2,7]", r"-2 \le x \le 7").equal);
/// assert_eq!(equal("3", "4").reason, "3 ≠ 4");
/// ```
pub fn equal(reference: &str, answer: &str) -> Verdict {
    let (reference, answer) = (Plain::of(reference), Plain::of(answer));
    let is_name = words::is_name(&reference.text) || words::is_name(&answer.text);
    let (reference, answer) = (undressed(&reference.text), undressed(&answer.text));
    if answer.is_empty() {
        return verdict(false, "no answer".into());
    }
    if reference.len().max(answer.len()) > MAX_ANSWER {
        let reason = if reference == answer {
            "same text"
        } else {
            "differs as text: too long to parse"
        };
        return verdict(reference == answer, reason.into());
    }
    // `$e$` is a name: not the letter of an option, nor another spelling of `E`.
    if is_name {
        if words::differ_in_case(reference, answer) {
            let reason = format!("{} ≠ {}", short(reference), short(answer));
            return verdict(false, reason);
        }
    } else if let Some(verdict) = same_option(reference, answer) {
        return verdict;
    }
    // A text is always the same as itself, whatever it is read as.
    let written_alike = words::squeezed(reference) == words::squeezed(answer);
    let mut verdict = same_content(reference, answer);
    // `C. 12` is an option with its text; the reference may be the text.
    if !verdict.equal
        && let Some(text) = words::option_text(answer)
    {
        let of_text = same_content(reference, text);
        verdict = if of_text.equal { of_text } else { verdict };
    }
    if written_alike && !verdict.equal {
        return Verdict {
            equal: true,
            reason: "same text".into(),
        };
    }
    verdict
}

/// Compares options by their letters, when the reference names one.
fn same_option(reference: &str, answer: &str) -> Option<Verdict> {
    let expected = words::option_letter(reference)?;
    // `(D) Alina` is an option only where the answer is a letter alone.
    let with_text = reference.starts_with(['(', '\\']) && is_choice(answer);
    if !is_choice(reference) && !with_text {
        return None;
    }
    let given = words::option_letter(answer)?;
    Some(if given == expected {
        verdict(true, format!("same option {expected}"))
    } else {
        verdict(false, format!("option {expected} ≠ {given}"))
    })
}

/// Compares words, numbers and everything else by what it means.
fn same_content(reference: &str, answer: &str) -> Verdict {
    let differ = || format!("{} ≠ {}", short(reference), short(answer));
    let same_words = || {
        let normal = words::normal(reference);
        !normal.is_empty() && normal == words::normal(answer)
    };
    let (words, other_words) = (words::is_words(reference), words::is_words(answer));
    if (words || other_words) && same_words() {
        return verdict(true, "same text".into());
    }
    // `twelve` is a number, and "no solution" a set.
    let meaning = |text: &str, words: bool| words.then(|| words::meaning(text)).flatten();
    let (meant, other_meant) = (meaning(reference, words), meaning(answer, other_words));
    if words && meant.is_none() || other_words && other_meant.is_none() {
        // One word may be digits or letters after all: `ABC` in base sixteen.
        let one_word = !reference.contains(' ') && !answer.contains(' ');
        let spelled = words != other_words
            && one_word
            && same_value(reference, answer).is_some_and(|(same, _)| same);
        return match words::affirms(reference, answer) || spelled {
            true => verdict(true, "same text".into()),
            false => verdict(false, differ()),
        };
    }
    let expected = meant.as_deref().unwrap_or(reference);
    let given = other_meant.as_deref().unwrap_or(answer);
    let found = same_value(expected, given);
    let found = match words::decimal_comma(reference, answer) {
        Some(point) if found.as_ref().is_none_or(|same| !same.0) => same_value(expected, &point),
        _ => found,
    };
    match found {
        Some((true, value)) => {
            let value = value.unwrap_or_else(|| short(reference));
            verdict(true, format!("same value {value}"))
        }
        Some((false, _)) => verdict(false, differ()),
        None if words::same_text(reference, answer) => verdict(true, "same text".into()),
        None => verdict(false, format!("differs as text: {}", differ())),
    }
}

/// Whether two answers are one value in some reading of both, with a short form of that value; `None`
/// when no reading decides.
fn same_value(reference: &str, answer: &str) -> Option<(bool, Option<String>)> {
    let (references, answers) = (parser::readings(reference), parser::readings(answer));
    let budget = WorkBudget::new();
    let mut decided = false;
    for expected in &references {
        for given in &answers {
            match compare::same(expected, given, &budget) {
                Some(true) => {
                    let value = compare::value(expected, &budget).and_then(|value| value.short());
                    return Some((true, value));
                }
                Some(false) => decided = true,
                None => {}
            }
        }
    }
    decided.then_some((false, None))
}

fn verdict(equal: bool, reason: String) -> Verdict {
    Verdict { equal, reason }
}

/// Finds the answer in `response` and compares it with `reference`. The reference may be a
/// whole solution whose answer is boxed, follows `####`, or is announced ("The answer is 7.").
pub fn grade(reference: &str, response: &str) -> Graded {
    let reference = match extract(reference, None) {
        Some(found)
            if matches!(
                found.rule,
                ExtractionRule::Boxed | ExtractionRule::Hashes | ExtractionRule::AnswerMarker
            ) =>
        {
            found.text
        }
        _ => reference.to_owned(),
    };
    let extracted = extract(response, Some(AnswerKind::of(&reference)));
    let verdict = match &extracted {
        // A box is mathematics, where these two are constants.
        Some(found)
            if found.rule == ExtractionRule::Boxed && ["e", "i"].contains(&&*found.text) =>
        {
            equal(&reference, &format!("${}$", found.text))
        }
        Some(found) => equal(&reference, &found.text),
        None => verdict(false, "no answer".into()),
    };
    Graded { extracted, verdict }
}

/// Whether a reference is an option letter: a capital alone or in brackets, nothing behind it.
fn is_choice(reference: &str) -> bool {
    let letters: String = reference.chars().filter(|c| c.is_alphanumeric()).collect();
    let letters = letters.trim_start_matches("text").trim_start_matches("bf");
    letters.len() == 1
        && letters.starts_with(|c: char| ('A'..='J').contains(&c))
        && words::option_letter(reference).is_some()
}

/// Whether the text as a whole is one rational number, units and percent aside.
fn reads_as_number(text: &str) -> bool {
    let budget = WorkBudget::new();
    parser::readings(text).iter().any(|node| {
        compare::value(node, &budget).is_some_and(|value| value.as_rational().is_some())
    })
}

/// Whether the text as a whole is mathematics of any kind.
fn reads_as_mathematics(text: &str) -> bool {
    !parser::readings(text).is_empty()
}

/// The text on one line, cut to fit a reason.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 48 {
        return line;
    }
    let head: String = line.chars().take(47).collect();
    format!("{head}…")
}

/// The README's code, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
