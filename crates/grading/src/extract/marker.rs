//! Phrases that announce an answer, and the part of their sentence that is it.

use super::{
    MAX_MARKS, formula_at_end, is_one_answer, last_formula, line_at, number, opening_formula,
    option, trimmed,
};
use crate::AnswerKind;
use std::ops::Range;

/// Words that name an answer. Lower case.
const NAMES: [&str; 20] = [
    "answer",
    "answers",
    "ans",
    "antwort",
    "respuesta",
    "réponse",
    "reponse",
    "risposta",
    "resposta",
    "jawaban",
    "ответ",
    "정답",
    "उत्तर",
    "答え",
    "答案",
    "答",
    "option",
    "choice",
    "选",
    "選",
];

/// Names that need no sign between them and the answer: `因此选B`.
const BARE: [&str; 2] = ["选", "選"];

/// Verbs between the name and the answer.
const VERBS: [&str; 16] = [
    "is",
    "are",
    "was",
    "would be",
    "will be",
    "must be",
    "should be",
    "ist",
    "lautet",
    "est",
    "es",
    "是",
    "为",
    "為",
    "는",
    "은",
];

/// Signs between the name and the answer.
const SIGNS: [&str; 8] = [":", "=", "→", "->", "=>", "–", "-", ">"];

/// Where a sentence turns to something else than the answer.
const TURNS: [&str; 12] = [
    ", not ",
    " (not ",
    " not ",
    " because",
    " since ",
    "(since",
    ", as ",
    ", so ",
    " rather than",
    " instead of",
    ", which ",
    ", where ",
];

/// Abbreviations, whose point ends no sentence.
const ABBREVIATIONS: [&str; 12] = [
    "mr", "mrs", "ms", "dr", "st", "rs", "no", "vs", "approx", "ca", "e.g", "i.e",
];

/// What follows the last marker: the rest of its line, or the next line when that rest is empty.
pub fn after_last(text: &str) -> Option<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let candidates = NAMES.iter().flat_map(|name| {
        let mut places: Vec<usize> = Vec::new();
        let mut end = lower.len();
        while let Some(at) = lower.get(..end).and_then(|head| head.rfind(name)) {
            if places.len() >= MAX_MARKS {
                break;
            }
            places.push(at);
            end = at;
        }
        places.into_iter().map(|at| (at, *name))
    });
    let mut candidates: Vec<(usize, &str)> = candidates.collect();
    candidates.sort_unstable();
    candidates
        .into_iter()
        .rev()
        .find_map(|(at, name)| behind(text, &lower, at, name))
        .or_else(|| behind_letter(text))
}

/// What follows the marker that begins at `at` with this name, if it is one.
fn behind(text: &str, lower: &str, at: usize, name: &str) -> Option<Range<usize>> {
    let head = lower.get(..at)?;
    if head.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let mut end = at + name.len();
    let closing = |c: char| c == ' ' || "*_\"'`)".contains(c);
    let skip = |end: usize| {
        let rest = text.get(end..).unwrap_or_default();
        end + rest.len() - rest.trim_start_matches(closing).len()
    };
    let starting = |end: usize, list: &'static [&'static str]| {
        let rest = lower.get(end..).unwrap_or_default();
        list.iter().copied().find(|word| rest.starts_with(*word))
    };
    let after_name = skip(end);
    let spaced = after_name > end;
    end = after_name;
    let verb = starting(end, &VERBS).filter(|verb| {
        let rest = lower.get(end + verb.len()..).unwrap_or_default();
        !verb.is_ascii() || spaced && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
    });
    if let Some(verb) = verb {
        end = skip(end + verb.len());
    }
    let sign = starting(end, &SIGNS).filter(|sign| *sign != "-" || spaced);
    if let Some(sign) = sign {
        end += sign.len();
    }
    if sign.is_some() {
        end = skip(end);
    }
    let abbreviated = name == "ans" && starting(end, &["."]).is_some();
    if abbreviated {
        end += 1;
    }
    let rest = text.get(line_at(text, end)?)?;
    let blank = rest
        .trim_matches(|c: char| c.is_whitespace() || "*:_#".contains(c))
        .is_empty();
    let line_start = head.rfind('\n').map_or(0, |at| at + 1);
    // A heading: nothing but "Final Answer" on its line.
    let title = |c: char| c.is_ascii_alphabetic() || " #*_".contains(c);
    let heading = blank && at - line_start <= 24 && head[line_start..].chars().all(title);
    if verb.is_none() && sign.is_none() && !abbreviated && !heading && !BARE.contains(&name) {
        return None;
    }
    let mut line = line_at(text, end)?;
    if blank {
        let rest = text.get(line.end..)?;
        let from = line.end + (rest.len() - rest.trim_start().len());
        line = line_at(text, from)?;
    }
    let found = trimmed(text, line);
    (!found.is_empty()).then_some(found)
}

/// `A: 7` at the start of a line, as question and answer are often written.
fn behind_letter(text: &str) -> Option<Range<usize>> {
    let at = match text.rfind("\nA:") {
        Some(at) => at + 3,
        None if text.starts_with("A:") => 2,
        None => return None,
    };
    let found = trimmed(text, line_at(text, at)?);
    let digit = text
        .get(found.clone())?
        .contains(|c: char| c.is_ascii_digit());
    digit.then_some(found)
}

/// The answer in what follows a marker; `None` where it says what the answer is not, or leaves a
/// calculation to the reader.
pub fn answer_in(line: &str, kind: Option<AnswerKind>) -> Option<Range<usize>> {
    if kind == Some(AnswerKind::Choice) {
        return option::first(line).or(Some(0..line.len()));
    }
    let sentence = trimmed(line, 0..sentence_end(line));
    let content = line.get(sentence.clone())?;
    let within = |found: Range<usize>| sentence.start + found.start..sentence.start + found.end;
    let lower = content.to_ascii_lowercase();
    if lower.starts_with("not ") {
        let but = lower.find(" but ")? + " but ".len();
        let found = answer_in(content.get(but..)?, kind)?;
        return Some(within(but + found.start..but + found.end));
    }
    match kind {
        Some(AnswerKind::Number) => number_in(content).map(within),
        Some(AnswerKind::Text) => Some(sentence),
        _ => Some(within(formula_in(content))),
    }
}

/// The number that a sentence gives: the sentence itself if it is one, the formula or number that
/// opens it, else the last before it turns to reasons.
fn number_in(content: &str) -> Option<Range<usize>> {
    let whole = 0..content.len();
    let closed = |formula: &Range<usize>| {
        let rest = content.get(formula.end..).unwrap_or_default();
        rest.trim_matches(['$', '\\', ')', ']', ' ']).is_empty()
    };
    if let Some(formula) = opening_formula(content).filter(closed) {
        return Some(formula);
    }
    if content.contains("\\begin") || is_one_answer(content) {
        return (!is_unfinished(content)).then_some(whole);
    }
    let turn = turn(content);
    let clause = content.get(..turn)?;
    if is_one_answer(clause) {
        return (!is_unfinished(clause)).then_some(0..turn);
    }
    if let Some(formula) = opening_formula(clause) {
        return Some(formula);
    }
    let numbers = number::all(clause);
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return number::last(clause).or(Some(whole));
    };
    // "5 or 7", "between 5 and 7": not one number.
    let alternatives = numbers.windows(2).any(|pair| {
        let between = clause.get(pair[0].end..pair[1].start).unwrap_or_default();
        let word = between.trim_matches([' ', '$', '*']);
        word == "or" || word == "and" && clause.to_lowercase().contains("between")
    });
    if alternatives {
        return Some(first.start..last.end);
    }
    let opens = clause
        .get(..first.start)?
        .trim_matches([' ', '$', '\\', '(', '*'])
        .is_empty();
    let rest = clause.get(first.end..)?.trim_start_matches([' ', '$']);
    let calculates =
        rest.starts_with(['+', '-', '*', '/', '^', '×', '=']) || rest.starts_with("x ");
    if opens && !calculates {
        return Some(first.clone());
    }
    let formula = last_formula(clause).filter(|formula| formula.contains(&last.start));
    match formula.filter(|formula| clause.get(formula.clone()).is_some_and(is_one_answer)) {
        Some(formula) => Some(formula),
        None if calculates && !clause.contains('=') => None,
        None => Some(last.clone()),
    }
}

/// The formula that a sentence gives, or the sentence.
fn formula_in(content: &str) -> Range<usize> {
    let clause = content.get(..turn(content)).unwrap_or(content);
    if let Some(formula) = opening_formula(content) {
        // A list of formulas is one answer: `$1$ and $2$`.
        let rest = content.get(formula.end..).unwrap_or_default();
        let rest = rest.trim_start_matches(['$', '\\', ')', ']', ' ', ',']);
        let goes_on = ["and", "or", "$", "\\("]
            .iter()
            .any(|joint| rest.starts_with(joint));
        return if goes_on { 0..clause.len() } else { formula };
    }
    if content.matches('$').count() >= 2 || content.contains("\\(") {
        return last_formula(clause).unwrap_or(0..clause.len());
    }
    formula_at_end(clause).unwrap_or(0)..clause.len()
}

/// Whether a number is a sum or product that is not worked out: `4 + 3`.
fn is_unfinished(content: &str) -> bool {
    let plain = content.trim_matches(['$', ' ', '.']);
    let operators = plain
        .char_indices()
        .filter(|(at, c)| "+*×".contains(*c) || *c == '-' && *at > 0)
        .count();
    let scientific = plain.contains("10^") || plain.contains("10⁻");
    operators > 0
        && !scientific
        && plain
            .chars()
            .all(|c| c.is_ascii_digit() || " +-*×.,/".contains(c))
}

/// Where a sentence turns from its answer to something else.
fn turn(content: &str) -> usize {
    let lower = content.to_ascii_lowercase();
    let turns = TURNS.iter().filter_map(|turn| lower.find(turn));
    let end = turns.filter(|at| *at > 0).min().unwrap_or(content.len());
    let clause = content.get(..end).unwrap_or(content);
    clause.trim_end_matches([',', ';', ' ']).len()
}

/// Where the first sentence of a line ends: at a point that is neither a decimal's nor an
/// abbreviation's, outside of formulas and brackets, or at a closing tag.
fn sentence_end(line: &str) -> usize {
    let (mut depth, mut formula) = (0_i32, false);
    for (at, c) in line.char_indices() {
        let rest = line.get(at..).unwrap_or_default();
        match c {
            '$' => formula = !formula,
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '。' => return at,
            '<' if rest.starts_with("</") => return at,
            '.' | '!' | '?' if depth <= 0 && !formula => {
                let next = rest.chars().nth(1);
                let word = line.get(..at).unwrap_or_default();
                let word = word.rsplit([' ', '(']).next().unwrap_or_default();
                let ends = next.is_none_or(|c| c.is_whitespace() || c == '*' || c == '"');
                if ends && !ABBREVIATIONS.contains(&word.to_ascii_lowercase().as_str()) {
                    return at;
                }
            }
            _ => {}
        }
    }
    line.len()
}
