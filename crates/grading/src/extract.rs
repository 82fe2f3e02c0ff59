//! Finding the answer in what a model wrote after its thinking.

use super::{AnswerKind, Extracted, ExtractionRule, words};
use std::ops::Range;

/// The longest whole text that is taken as an answer when nothing marks one.
const MAX_WHOLE: usize = 200;

/// Phrases that announce an answer; the rest of their line holds it. Lower case.
const MARKERS: [&str; 3] = ["answer:", "answer is", "answer**:"];

/// Finds the final answer in `text`, the text after the answer delimiter: the last
/// `\boxed{}` or `\fbox{}`, else the line after the last `####`, else the rest of the line after
/// the last "Answer:" (any case, bold or not), else the last number, option letter or formula as
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
    if let Some(found) = last_boxed(text) {
        return take(text, found, ExtractionRule::Boxed);
    }
    if let Some(found) = after_hashes(text) {
        return take(text, found, ExtractionRule::Hashes);
    }
    if let Some(found) = after_marker(text) {
        return within_marked(text, found, kind);
    }
    let whole = trimmed(text, 0..text.len());
    let short = whole.len() <= MAX_WHOLE && !text.get(whole.clone())?.contains('\n');
    match kind {
        Some(AnswerKind::Number) => {
            if short && is_one_answer(text.get(whole.clone())?) {
                return take(text, whole, ExtractionRule::Whole);
            }
            let (found, rule) = last_number_or_formula(text)?;
            take(text, found, rule)
        }
        Some(AnswerKind::Choice) => take(text, last_option(text)?, ExtractionRule::LastOption),
        Some(AnswerKind::Math) if !short || text.contains(['$']) || text.contains("\\(") => {
            match last_formula(text) {
                Some(found) => take(text, found, ExtractionRule::LastFormula),
                None if short => take(text, whole, ExtractionRule::Whole),
                None => None,
            }
        }
        _ if short => take(text, whole, ExtractionRule::Whole),
        None => take(text, last_number(text)?, ExtractionRule::LastNumber),
        Some(_) => None,
    }
}

/// The extracted answer, unless it is empty.
fn take(text: &str, span: Range<usize>, rule: ExtractionRule) -> Option<Extracted> {
    let found = text.get(span.clone())?;
    (!found.is_empty()).then(|| Extracted {
        text: found.to_owned(),
        rule,
        span,
    })
}

/// What follows a marker is the answer, or a sentence that contains it.
fn within_marked(text: &str, found: Range<usize>, kind: Option<AnswerKind>) -> Option<Extracted> {
    let line = text.get(found.clone())?;
    let inner = match kind {
        Some(AnswerKind::Number) if !is_one_answer(line) => number_in_sentence(line),
        Some(AnswerKind::Choice) if words::option_letter(line).is_none() => last_option(line),
        Some(AnswerKind::Math) if line.matches('$').count() >= 2 || line.contains("\\(") => {
            last_formula(line)
        }
        _ => None,
    };
    let span = inner.map_or(found.clone(), |r| {
        found.start + r.start..found.start + r.end
    });
    take(text, span, ExtractionRule::AnswerMarker)
}

/// The number a sentence gives: the first if it opens the sentence ("5, since 2 + 3…"), unless a
/// calculation follows; else the last.
fn number_in_sentence(line: &str) -> Option<Range<usize>> {
    let opening = line.trim_start_matches(['$', '\\', '-', '(']);
    if !line.contains('=') && opening.starts_with(|c: char| c.is_ascii_digit()) {
        let start = line.len() - opening.len();
        let length = opening
            .find(|c: char| !(c.is_ascii_digit() || ",./".contains(c)))
            .unwrap_or(opening.len());
        let end = start
            + opening
                .get(..length)?
                .trim_end_matches([',', '.', '/'])
                .len();
        // A sum or product that is not worked out is not yet an answer.
        let rest = line.get(end..)?.trim_start();
        if !rest.starts_with(['+', '-', '*', '/', '^', '×', '{', '\\']) {
            let sign = usize::from(line.get(..start)?.ends_with('-'));
            return Some(start - sign..end);
        }
    }
    last_number_or_formula(line).map(|(found, _)| found)
}

/// The last number, or the last formula where that number is only a part of it: of
/// `$\frac{3}{4}$` the answer is not 4.
fn last_number_or_formula(text: &str) -> Option<(Range<usize>, ExtractionRule)> {
    let number = last_number(text)?;
    let around = last_formula(text).filter(|formula| formula.contains(&number.start));
    match around.filter(|formula| text.get(formula.clone()).is_some_and(is_one_answer)) {
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

/// What the last `\boxed` or `\fbox` holds that is closed and not empty.
fn last_boxed(text: &str) -> Option<Range<usize>> {
    let mut end = text.len();
    // Each candidate is scanned once to its closing brace; a limit keeps hostile text linear.
    for _ in 0..64 {
        let head = text.get(..end)?;
        let start = [head.rfind("\\boxed"), head.rfind("\\fbox")]
            .into_iter()
            .flatten()
            .max()?;
        end = start;
        let name = if text.get(start..)?.starts_with("\\boxed") {
            6
        } else {
            5
        };
        let Some(found) = boxed_content(text, start + name) else {
            continue;
        };
        let found = trimmed(text, found);
        if !found.is_empty() {
            return Some(found);
        }
    }
    None
}

/// The balanced braces at `from`, or the one token there when it has none (`\boxed 5`).
fn boxed_content(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let start = from + (rest.len() - rest.trim_start().len());
    let rest = text.get(start..)?;
    if !rest.starts_with('{') {
        // `\boxedfoo` is another command.
        if start == from && rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let length = rest
            .find(|c: char| c.is_whitespace() || "$,;{}".contains(c))
            .unwrap_or(rest.len());
        let token = rest.get(..length)?.trim_end_matches('.');
        return Some(start..start + token.len());
    }
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(start + 1..start + at);
                }
            }
            _ => {}
        }
    }
    None
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

/// The rest of the line after the last marker, or the next line when that rest is empty.
fn after_marker(text: &str) -> Option<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let mut end = lower.len();
    for _ in 0..64 {
        let head = lower.get(..end)?;
        let (start, marker) = MARKERS
            .iter()
            .filter_map(|m| head.rfind(m).map(|at| (at, *m)))
            .max_by_key(|(at, m)| at + m.len())?;
        end = start;
        let mut from = start + marker.len();
        let mut line = line_at(text, from)?;
        if text
            .get(line.clone())?
            .trim_matches(|c: char| c.is_whitespace() || c == '*' || c == ':')
            .is_empty()
        {
            let rest = text.get(line.end..)?;
            from = line.end + (rest.len() - rest.trim_start().len());
            line = line_at(text, from)?;
        }
        let found = trimmed(text, line);
        if !found.is_empty() {
            return Some(found);
        }
    }
    None
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
    part = part
        .strip_suffix('.')
        .unwrap_or(part)
        .trim_end_matches(markup);
    start..start + part.len()
}

/// The last number, with its sign, separators, decimals, and a fraction's slash.
fn last_number(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let end = bytes.iter().rposition(u8::is_ascii_digit)? + 1;
    let mut start = end - 1;
    while start > 0 {
        let before = bytes.get(start - 1).copied().unwrap_or(b' ');
        let joins = match before {
            b'0'..=b'9' => true,
            // A comma joins three digits that follow, and only to digits.
            b',' => {
                start >= 2 && digit(start - 2) && (start..start + 3).all(digit) && !digit(start + 3)
            }
            b'.' | b'/' => start >= 2 && digit(start - 2) && digit(start),
            _ => false,
        };
        if !joins {
            break;
        }
        start -= 1;
    }
    if start > 0 && bytes.get(start - 1) == Some(&b'.') {
        start -= 1;
    }
    // A minus counts as a sign unless it separates two values ("7-3", "page 3-4").
    if start > 0 && bytes.get(start - 1) == Some(&b'-') {
        let binary = start >= 2
            && text
                .get(..start - 1)
                .and_then(|t| t.chars().next_back())
                .is_some_and(|c| c.is_alphanumeric() || c == ')');
        if !binary {
            start -= 1;
        }
    }
    // A percent sign belongs to the number.
    let percent = if text.get(end..)?.starts_with("\\%") {
        2
    } else {
        usize::from(bytes.get(end) == Some(&b'%'))
    };
    Some(start..end + percent)
}

/// The last option letter: `(C)` first, else a capital A–J on its own.
fn last_option(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let option = |at: usize| bytes.get(at).is_some_and(|b| (b'A'..=b'J').contains(b));
    let bracketed = (1..bytes.len())
        .rev()
        .find(|&at| option(at) && bytes[at - 1] == b'(' && bytes.get(at + 1) == Some(&b')'));
    if let Some(at) = bracketed {
        return Some(at..at + 1);
    }
    let word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'\'' || !b.is_ascii())
    };
    let alone = |at: usize| option(at) && !word(at.checked_sub(1)) && !word(Some(at + 1));
    // "A" and "I" are also words: as options they end the text, a line or a clause.
    let ends =
        |at: usize| !matches!(bytes.get(at + 1), Some(b' ')) || !matches!(bytes[at], b'A' | b'I');
    (0..bytes.len())
        .rev()
        .find(|&at| alone(at) && ends(at))
        .map(|at| at..at + 1)
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
    let found = [dollar(), paired("\\(", "\\)"), paired("\\[", "\\]")];
    let last = found.into_iter().flatten().max_by_key(|range| range.end)?;
    let last = trimmed(text, last);
    (!last.is_empty()).then_some(last)
}
