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
//! | `extract` | the answer in a response: last `\boxed{}`, `####`, "Answer:", last number or option |
//! | `words` | answers in words: option letters, names, units |
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
mod words;

use budget::WorkBudget;
pub use extract::extract;
use std::ops::Range;

/// The longest answer that is parsed, in bytes; longer ones are equal only when identical.
const MAX_ANSWER: usize = 8192;

/// The kind of answer that is expected, which decides what [`extract`] looks for.
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
        } else if reads_as_number(reference) {
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
    let verdict = |equal: bool, reason: String| Verdict { equal, reason };
    let (reference, answer) = (reference.trim(), answer.trim());
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
    let differ = || format!("{} ≠ {}", short(reference), short(answer));
    if let Some(expected) = words::option_letter(reference).filter(|_| is_choice(reference))
        && let Some(given) = words::option_letter(answer)
    {
        return if given == expected {
            verdict(true, format!("same option {expected}"))
        } else {
            verdict(false, format!("option {expected} ≠ {given}"))
        };
    }
    let same_text = || {
        words::squeezed(reference) == words::squeezed(answer)
            || !words::normal(reference).is_empty()
                && words::normal(reference) == words::normal(answer)
    };
    if words::is_words(reference) || words::is_words(answer) {
        return if same_text() {
            verdict(true, "same text".into())
        } else {
            verdict(false, differ())
        };
    }
    let (references, answers) = (parser::readings(reference), parser::readings(answer));
    let budget = WorkBudget::new();
    let mut decided = false;
    for expected in &references {
        for given in &answers {
            match compare::same(expected, given, &budget) {
                Some(true) => {
                    let value = compare::value(expected, &budget).and_then(|value| value.short());
                    let reason = value.map_or_else(
                        || format!("same value {}", short(reference)),
                        |value| format!("same value {value}"),
                    );
                    return verdict(true, reason);
                }
                Some(false) => decided = true,
                None => {}
            }
        }
    }
    if decided {
        verdict(false, differ())
    } else if same_text() {
        verdict(true, "same text".into())
    } else {
        verdict(false, format!("differs as text: {}", differ()))
    }
}

/// Finds the answer in `response` and compares it with `reference`. The reference may be a
/// whole solution whose answer is boxed or follows `####`.
pub fn grade(reference: &str, response: &str) -> Graded {
    let reference = match extract(reference, None) {
        Some(found) if matches!(found.rule, ExtractionRule::Boxed | ExtractionRule::Hashes) => {
            found.text
        }
        _ => reference.to_owned(),
    };
    let extracted = extract(response, Some(AnswerKind::of(&reference)));
    let verdict = match &extracted {
        Some(found) => equal(&reference, &found.text),
        None => Verdict {
            equal: false,
            reason: "no answer".into(),
        },
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
