//! Finding the answer in what a model wrote after its thinking.

mod boxed;
mod marker;
mod number;
mod option;

use super::text::Plain;
use super::{AnswerKind, Extracted, ExtractionRule, words};
use std::ops::Range;

/// The longest whole text that is taken as an answer when nothing marks one.
const MAX_WHOLE: usize = 200;

/// How many marks of one kind are looked at, from the last one back, so that hostile text stays
/// linear.
const MAX_MARKS: usize = 64;

/// Where an answer is, and by which rule.
type Found = (Range<usize>, ExtractionRule);

/// Finds the final answer in `text`, the text after the answer delimiter: the last
/// `\boxed{}` or `\fbox{}`, else the line after the last `####`, else what follows the last
/// "Answer:" or "answer is" in its sentence, else the last number, option letter or formula as
/// `kind` asks, else the whole text when it is one short line.
///
/// ```
/// use s1_grading::{AnswerKind, ExtractionRule, extract};
///
/// let found = extract("3 + 4 makes 7 apples", Some(AnswerKind::Number)).unwrap();
/// assert_eq!((found.text.as_str(), found.rule), ("7", ExtractionRule::LastNumber));
/// assert_eq!(found.span, 12..13);
/// ```
pub fn extract(text: &str, kind: Option<AnswerKind>) -> Option<Extracted> {
    let plain = Plain::of(text);
    let answered = answered(&plain.text);
    let (found, rule) = match before_next_question(answered, kind) {
        Some(found) => found,
        None => marked(answered, kind)?.or_else(|| unmarked(answered, kind))?,
    };
    let start = plain.text.len() - answered.len();
    let span = plain.original(start + found.start..start + found.end);
    let found = text.get(span.clone())?;
    (!found.is_empty()).then(|| Extracted {
        text: found.to_owned(),
        rule,
        span,
    })
}

/// What stands behind the thinking.
fn answered(text: &str) -> &str {
    text.rfind("</think>")
        .and_then(|at| text.get(at + "</think>".len()..))
        .unwrap_or(text)
}

/// A base model may go on after its answer and ask itself the next question. What it answers then is
/// no answer to the first.
fn before_next_question(text: &str, kind: Option<AnswerKind>) -> Option<Found> {
    const OPENINGS: [&str; 6] = [
        "\nQuestion:",
        "\nProblem:",
        "\nQ:",
        "\nHuman:",
        "\nUser:",
        "\n问题",
    ];
    let next = OPENINGS
        .iter()
        .filter_map(|opening| text.find(opening))
        .min()?;
    marked(text.get(..next)?, kind)?
}

/// An answer that the text marks as one. The outer `None` means that it marks one and takes it back:
/// "the answer is not 7".
fn marked(text: &str, kind: Option<AnswerKind>) -> Option<Option<Found>> {
    let boxed = boxed::last(text);
    // Of a choice, a box may hold a value on the way.
    let is_letter = |found: &Range<usize>| {
        text.get(found.clone())
            .is_some_and(|text| words::option_letter(text).is_some())
    };
    if let Some(found) = boxed
        && (kind != Some(AnswerKind::Choice)
            || is_letter(&found)
            || marker::after_last(text).is_none_or(|line| line.start < found.end))
    {
        return Some(Some((found, ExtractionRule::Boxed)));
    }
    if let Some(line) = after_hashes(text) {
        return Some(Some((of_line(text, line, kind), ExtractionRule::Hashes)));
    }
    let Some(line) = marker::after_last(text) else {
        return Some(None);
    };
    let found = marker::answer_in(text.get(line.clone())?, kind)?;
    Some(Some((
        line.start + found.start..line.start + found.end,
        ExtractionRule::AnswerMarker,
    )))
}

/// The answer of a text that marks none.
fn unmarked(text: &str, kind: Option<AnswerKind>) -> Option<Found> {
    let whole = trimmed(text, 0..text.len());
    let short = whole.len() <= MAX_WHOLE && !text.get(whole.clone())?.contains('\n');
    let as_whole = short.then_some((whole.clone(), ExtractionRule::Whole));
    match kind {
        Some(AnswerKind::Number) => {
            if short && is_one_answer(text.get(whole)?) {
                return as_whole;
            }
            last_number_or_formula(text)
        }
        Some(AnswerKind::Choice) => Some((option::chosen(text)?, ExtractionRule::LastOption)),
        Some(AnswerKind::Math) if !short || text.contains(['$']) || text.contains("\\(") => {
            match last_formula(text) {
                Some(found) => Some((found, ExtractionRule::LastFormula)),
                None => as_whole,
            }
        }
        Some(AnswerKind::Math) if short => {
            let line = text.get(whole.clone())?;
            let formula = formula_at_end(line).map(|at| whole.start + at..whole.end);
            match formula {
                Some(formula) => Some((formula, ExtractionRule::LastFormula)),
                None => as_whole,
            }
        }
        _ if short => as_whole,
        None => last_number_or_formula(text),
        Some(_) => None,
    }
}

/// A formula at the end of a sentence, behind plain words: where it begins. `None` when the sentence
/// has no words, or what follows them is no formula.
fn formula_at_end(line: &str) -> Option<usize> {
    if !words::is_sentence(line) || super::reads_as_mathematics(line) {
        return None;
    }
    let mut start = 0;
    for word in line.split_inclusive(' ') {
        let plain = word.trim();
        if !plain
            .chars()
            .all(|c| c.is_alphabetic() || ",:'".contains(c))
        {
            break;
        }
        start += word.len();
    }
    let rest = line.get(start..).filter(|rest| !rest.is_empty())?;
    super::reads_as_mathematics(rest).then_some(start)
}

/// The last number, or the last formula where that number is only a part of it: of
/// `$\frac{3}{4}$` the answer is not 4.
fn last_number_or_formula(text: &str) -> Option<Found> {
    let number = number::last(text)?;
    let around = last_formula(text).filter(|formula| formula.contains(&number.start));
    let fits = |formula: &Range<usize>| {
        text.get(formula.clone())
            .is_some_and(|formula| is_one_answer(formula) && !formula.starts_with('^'))
    };
    match around.filter(fits) {
        Some(formula) => Some((formula, ExtractionRule::LastFormula)),
        None => Some((number, ExtractionRule::LastNumber)),
    }
}

/// Whether the text as a whole is an answer, so that no number may be picked out of it: a number
/// with its unit, or a formula (understood or not) without words around it.
fn is_one_answer(text: &str) -> bool {
    let formula = || text.contains(['_', '^', '\\', '{']) || super::reads_as_mathematics(text);
    super::reads_as_number(text) || !words::is_sentence(text) && formula()
}

/// GSM8K's own form: the line after the last `####`.
fn after_hashes(text: &str) -> Option<Range<usize>> {
    let start = text.rfind("####")? + 4;
    let line = line_at(text, start)?;
    let found = trimmed(text, line);
    // A Markdown heading of level four is words, not an answer.
    text.get(found.clone())?
        .contains(|c: char| c.is_ascii_digit())
        .then_some(found)
}

/// The answer on a line that holds it and may go on: `42`, `Answer: 42`, `42 and the reasoning above…`.
fn of_line(text: &str, line: Range<usize>, kind: Option<AnswerKind>) -> Range<usize> {
    let Some(content) = text.get(line.clone()) else {
        return line;
    };
    if is_one_answer(content) {
        return line;
    }
    let within = match marker::after_last(content) {
        Some(marked) => content
            .get(marked.clone())
            .and_then(|sentence| marker::answer_in(sentence, kind))
            .map(|found| marked.start + found.start..marked.start + found.end),
        None => marker::answer_in(content, Some(AnswerKind::Number)),
    };
    within.map_or(line.clone(), |found| {
        line.start + found.start..line.start + found.end
    })
}

fn line_at(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    Some(from..from + rest.find('\n').unwrap_or(rest.len()))
}

/// Without white space, Markdown emphasis, and a closing full stop.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(mut part) = text.get(range.clone()) else {
        return range;
    };
    let mut start = range.start;
    let markup = |c: char| c.is_whitespace() || c == '*' || c == '`';
    let front = part.trim_start_matches(|c: char| markup(c) || c == ':');
    start += part.len() - front.len();
    part = front.trim_end_matches(markup);
    if !part.ends_with("..") {
        part = part
            .strip_suffix(['.', '。'])
            .unwrap_or(part)
            .trim_end_matches(markup);
    }
    start..start + part.len()
}

/// The content of the last `$…$`, `$$…$$`, `\(…\)` or `\[…\]`.
fn last_formula(text: &str) -> Option<Range<usize>> {
    let dollar = || {
        let end = text.rfind('$')?;
        let end = text.get(..end)?.trim_end_matches('$').len();
        let start = text.get(..end)?.rfind('$')? + 1;
        Some(start..end)
    };
    let paired = |open: &str, close: &str| {
        let end = text.rfind(close)?;
        let start = text.get(..end)?.rfind(open)? + open.len();
        Some(start..end)
    };
    let found = [
        dollar(),
        paired("\\(", "\\)"),
        paired("\\[", "\\]"),
        paired("\\begin{align*}", "\\end{align*}"),
        paired("\\begin{align}", "\\end{align}"),
    ];
    let last = found.into_iter().flatten().max_by_key(|range| range.end)?;
    let last = trimmed(text, last);
    (!last.is_empty()).then_some(last)
}

/// The content of the first `$…$` or `\(…\)` when the text opens with one.
fn opening_formula(text: &str) -> Option<Range<usize>> {
    let (open, close) = [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")]
        .into_iter()
        .find(|(open, _)| text.starts_with(open))?;
    let rest = text.get(open.len()..)?;
    let end = open.len() + rest.find(close)?;
    let found = trimmed(text, open.len()..end);
    (!found.is_empty()).then_some(found)
}
