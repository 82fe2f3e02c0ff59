//! The option that a text chooses, among the letters that it mentions.

use super::MAX_MARKS;
use std::ops::Range;

/// Words before a letter that deny it, in its clause.
const DENIALS: [&str; 17] = [
    "not ",
    "n't ",
    "neither ",
    "nor ",
    "rule out",
    "rules out",
    "ruled out",
    "eliminate",
    "nothing",
    "except",
    "instead of",
    "rather than",
    "without",
    "unlike",
    " non ",
    " pas ",
    "不是",
];

/// Words behind a letter that deny it, in its clause.
const REJECTIONS: [&str; 12] = [
    "wrong",
    "incorrect",
    " not ",
    "n't",
    " too ",
    "false",
    "unlikely",
    "ruled out",
    "eliminated",
    "distractor",
    "do not",
    "cannot",
];

/// Words before a letter that choose it.
const CHOOSING: [&str; 10] = [
    "is", "be", "it's", "choose", "pick", "select", "chose", "with", "option", "leaving",
];

/// A letter that a text mentions.
struct Mention {
    at: usize,
    denied: bool,
    chosen: bool,
    /// Another letter stands beside it: `B and C`.
    joined: bool,
}

/// The letter that a text without a marker chooses: the one that opens it, else the last that it
/// says to be the answer, else the last that it does not deny.
pub fn chosen(text: &str) -> Option<Range<usize>> {
    if let Some(opening) = opening(text) {
        return Some(opening);
    }
    let mentions: Vec<Mention> = letters(text)
        .rev()
        .take(MAX_MARKS)
        .map(|at| mention(text, at))
        .filter(|mention| !mention.denied)
        .collect();
    let last = mentions.iter().find(|mention| mention.chosen);
    let last = last.or(mentions.first())?;
    (!last.joined).then_some(last.at..last.at + 1)
}

/// The letter behind a marker: the first that is not denied.
pub fn first(text: &str) -> Option<Range<usize>> {
    if let Some(opening) = opening(text) {
        return Some(opening);
    }
    let first = letters(text)
        .take(MAX_MARKS)
        .map(|at| mention(text, at))
        .find(|mention| !mention.denied)?;
    (!first.joined).then_some(first.at..first.at + 1)
}

/// The letter that opens a text: `B) Paris`, `b. 4`, `C 12 m/s`, `D, it can't be A`.
fn opening(text: &str) -> Option<Range<usize>> {
    let mut start = text.find(|c: char| c.is_alphanumeric() || c == '\\')?;
    for word in ["option ", "choice "] {
        let named = text
            .get(start..start + word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word));
        if named {
            let rest = text.get(start + word.len()..)?;
            start += word.len() + rest.find(|c: char| c.is_alphanumeric())?;
        }
    }
    let rest = text.get(start..)?;
    let letter = rest.chars().next()?;
    if !('A'..='J').contains(&letter.to_ascii_uppercase()) {
        return None;
    }
    let behind = rest.get(1..)?;
    let found = start..start + 1;
    let marked = behind.starts_with([')', '.', ':', ']', '}', '>', '\'', '"', '*', '\n'])
        || behind.trim().is_empty();
    if letter.is_ascii_lowercase() {
        // A lone small letter may be a variable; nothing or a mark behind it says that it is an option.
        let sign = behind.starts_with([')', '.', ':']) || behind.trim().is_empty();
        let variable = text.get(..start).is_some_and(|head| head.ends_with('$'));
        return (sign && !variable).then_some(found);
    }
    let first = letters(text).next().filter(|at| *at == start)?;
    let first = mention(text, first);
    // "A, B and C are wrong" opens with a list.
    let mut listed = behind.strip_prefix(", ").unwrap_or_default().chars();
    let listed =
        listed.next().is_some_and(is_option) && !listed.next().is_some_and(char::is_alphanumeric);
    let goes_on = behind.starts_with([',', ' ', '-']) && !listed || !behind.is_ascii();
    (!first.joined && !first.denied && (marked || goes_on)).then_some(found)
}

/// The places of all option letters on their own, in order.
fn letters(text: &str) -> impl DoubleEndedIterator<Item = usize> + '_ {
    let bytes = text.as_bytes();
    let word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'\'' | b'\\'))
    };
    (0..bytes.len()).filter(move |&at| {
        (b'A'..=b'J').contains(&bytes[at])
            && !word(at.checked_sub(1))
            && !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
            && !is_word(text, at)
    })
}

/// "A" and "I" are also words: before another small word.
fn is_word(text: &str, at: usize) -> bool {
    if !matches!(text.as_bytes().get(at), Some(b'A' | b'I')) {
        return false;
    }
    let rest = text.get(at + 1..).unwrap_or_default();
    let Some(rest) = rest.strip_prefix(' ') else {
        return rest.starts_with(['\'', '’']);
    };
    let next: String = rest.chars().take_while(|c| c.is_alphabetic()).collect();
    let verbs = [
        "is", "are", "because", "since", "and", "or", "as", "fits", "does", "do", "was",
    ];
    next.starts_with(char::is_lowercase) && !verbs.contains(&next.as_str())
}

fn mention(text: &str, at: usize) -> Mention {
    let ends = |c: char| ",;.!?\n。".contains(c);
    // A clause is not longer than this; the bound keeps hostile text linear.
    const WINDOW: usize = 240;
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    let window = boundary(at.saturating_sub(WINDOW))..boundary(text.len().min(at + WINDOW));
    let head = text.get(window.start..at).unwrap_or_default();
    let tail = text.get(at + 1..window.end).unwrap_or_default();
    let from = [head.rfind(ends).map(|at| at + 1), head.rfind(" but ")]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(0);
    let from = (from..=head.len())
        .find(|at| head.is_char_boundary(*at))
        .unwrap_or(head.len());
    let before = head.get(from..).unwrap_or_default().to_lowercase();
    let after = tail
        .get(..tail.find(ends).unwrap_or(tail.len()))
        .unwrap_or_default();
    let after = after
        .get(..after.find(" because").unwrap_or(after.len()))
        .unwrap_or(after);
    let mark = |c: char| c.is_whitespace() || "(*[{\"'`:$".contains(c);
    let last_word = before
        .trim_end_matches(mark)
        .rsplit(|c: char| c.is_whitespace() || c == '*')
        .next()
        .unwrap_or_default()
        .to_owned();
    Mention {
        at,
        denied: DENIALS
            .iter()
            .any(|word| format!(" {before}").contains(word))
            || REJECTIONS.iter().any(|word| after.contains(word)),
        chosen: CHOOSING.contains(&last_word.as_str()),
        joined: joined_behind(tail) || joined_before(head),
    }
}

const JOINTS: [&str; 3] = ["and", "or", "&"];

fn is_option(c: char) -> bool {
    ('A'..='J').contains(&c)
}

/// Whether " and B" follows.
fn joined_behind(tail: &str) -> bool {
    let tail = tail.trim_start_matches([')', '*', ' ', '}', '$', ',']);
    let other = JOINTS.iter().find_map(|joint| tail.strip_prefix(joint));
    let mut other = other
        .map_or("", |other| other.trim_start_matches([' ', '(', '*']))
        .chars();
    other.next().is_some_and(is_option) && !other.next().is_some_and(char::is_alphanumeric)
}

/// Whether "B and " precedes.
fn joined_before(head: &str) -> bool {
    let head = head.trim_end_matches([' ', '(', '*', '$', '{']);
    let other = JOINTS.iter().find_map(|joint| head.strip_suffix(joint));
    let mut other = other
        .map_or("", |other| other.trim_end_matches([' ', ')', '*']))
        .chars()
        .rev();
    other.next().is_some_and(is_option) && !other.next().is_some_and(char::is_alphanumeric)
}
