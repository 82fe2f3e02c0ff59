//! Answers in `\boxed{}` and its like.

use super::{MAX_MARKS, trimmed};
use std::ops::Range;

/// Commands that draw a box.
const NAMES: [&str; 4] = ["\\boxed", "\\Boxed", "\\fbox", "\\framebox"];

/// One box: where its command begins, what it holds, and where it ends.
struct BoxSpan {
    command: usize,
    content: Range<usize>,
    end: usize,
}

/// What the last box holds that is closed and not empty. Boxes of one sentence with nothing but "and"
/// or a comma between them are one answer, which is then the text from the first to the last; so is a
/// box with its sign.
pub fn last(text: &str) -> Option<Range<usize>> {
    let mut marks = 0;
    let found = before(text, text.len(), &mut marks)?;
    let (mut start, mut joined) = (found.command, false);
    while let Some(earlier) = before(text, start, &mut marks) {
        // A box inside of a box comes before it, too.
        let between = text.get(earlier.end..start).unwrap_or("no");
        if earlier.end > start || !joins(between) {
            break;
        }
        (start, joined) = (earlier.command, true);
    }
    if joined {
        return Some(start..found.end);
    }
    match sign_before(text, found.command) {
        Some(start) => Some(start..found.end),
        None => Some(found.content),
    }
}

/// The last box that begins before `end`.
fn before(text: &str, mut end: usize, marks: &mut usize) -> Option<BoxSpan> {
    while *marks < MAX_MARKS {
        *marks += 1;
        let head = text.get(..end)?;
        // All names have these two letters: one search finds the last of any of them.
        end = head.rfind("ox")?;
        let begins = |name: &&str| {
            let start = end.checked_sub(name.find("ox")?)?;
            text.get(start..)?.starts_with(*name).then_some(start)
        };
        let found = NAMES.iter().find_map(|name| Some((begins(name)?, *name)));
        let Some((command, name)) = found else {
            continue;
        };
        let Some((content, end)) = held(text, command + name.len()) else {
            continue;
        };
        let content = trimmed(text, content);
        if !content.is_empty() {
            return Some(BoxSpan {
                command,
                content,
                end,
            });
        }
    }
    None
}

/// The balanced braces at `from`, or the one token there when it has none (`\boxed 5`), and where
/// they end.
fn held(text: &str, from: usize) -> Option<(Range<usize>, usize)> {
    let rest = text.get(from..)?;
    let start = from + (rest.len() - rest.trim_start().len());
    let rest = text.get(start..)?;
    if !rest.starts_with('{') {
        // `\boxedfoo` is another command, and a word behind `\boxed` speaks of boxes.
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        if start == from && letters > 0 || letters > 1 {
            return None;
        }
        let length = rest
            .find(|c: char| c.is_whitespace() || "$,;{}`".contains(c))
            .unwrap_or(rest.len());
        let token = rest.get(..length)?.trim_end_matches('.');
        let end = start + token.len();
        return Some((start..end, end));
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
                    return Some((start + 1..start + at, start + at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the text between two boxes makes one list of them: a comma or "and", with a name before the
/// second value (`y_2 =`), or a few words before the "and" (`2 papers and 3 bins`).
fn joins(between: &str) -> bool {
    if between.len() > 60 {
        return false;
    }
    let mut plain = between.to_lowercase();
    for dress in [
        "\\text", "\\quad", "\\qquad", "\\(", "\\)", "\\[", "\\]", "\\,", "\\ ",
    ] {
        plain = plain.replace(dress, " ");
    }
    let plain = plain.replace(['$', '{', '}', '~', '\n'], " ");
    let named = plain.trim_end().strip_suffix('=').map(|head| {
        let head = head.trim_end();
        let name = head.rfind(|c: char| c.is_whitespace() || c == ',');
        head.get(..name.map_or(0, |at| at + 1)).unwrap_or(head)
    });
    let plain = named.unwrap_or(&plain).trim();
    let words: Vec<&str> = plain
        .split(|c: char| c.is_whitespace() || ",;、".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let is_joint = |word: &&&str| matches!(**word, "and" | "or" | "或" | "和");
    let others = words.iter().filter(|word| !is_joint(word)).count();
    // A full stop, or a word that takes the first one back, parts them.
    let parted = plain.contains(['.', '!', '?', '=', ':'])
        || words
            .iter()
            .any(|word| matches!(*word, "no" | "not" | "wait" | "then" | "so" | "but"));
    let ends_in_joint = words.last().is_some_and(|word| is_joint(&word));
    !parted && (others == 0 || others <= 4 && ends_in_joint)
}

/// Where a minus before the box begins: in `x = -\boxed{5}`, not in `8-\boxed{5}`.
fn sign_before(text: &str, command: usize) -> Option<usize> {
    let head = text.get(..command)?.trim_end_matches([' ', '{']);
    let rest = head.strip_suffix(['-', '−'])?;
    let before = rest.trim_end().chars().next_back();
    let opens = before.is_none_or(|c| "=:$(,[".contains(c)) || rest.ends_with("\n");
    opens.then_some(rest.len())
}
