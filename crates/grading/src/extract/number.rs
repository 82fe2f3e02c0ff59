//! Numbers in sentences: with their sign, separators, fraction and power, but without what stands
//! around them. Of `10 cm^2` the number is 10.

use crate::words;
use std::ops::Range;

/// The last number of a text: in digits, or, where there are none, in words.
pub fn last(text: &str) -> Option<Range<usize>> {
    all(text).pop().or_else(|| last_in_words(text))
}

/// All numbers that are written in digits.
pub fn all(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text
        .get(at..)
        .and_then(|rest| rest.find(|c: char| c.is_ascii_digit() || c == '\\' || c == '½'))
    {
        let start = at + offset;
        let end = match text.as_bytes()[start] {
            b'\\' => match fraction(text, start) {
                Some(end) => end,
                None => {
                    at = start + 1;
                    continue;
                }
            },
            _ => body(text, start),
        };
        at = end;
        let before = text.get(..start).unwrap_or_default();
        // The 2 of `H2O`, `x_2` and `cm^2` belongs to what stands before it.
        let glued = before.ends_with(|c: char| c.is_ascii_alphabetic() || "^_".contains(c))
            || before.ends_with("^{")
            || before.ends_with("_{");
        if !glued {
            found.push(with_sign(text, start)..end);
        }
    }
    found
}

/// Steps over a run of digits.
fn digits(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len())
}

/// Where a number ends that begins with the digit at `start`.
fn body(text: &str, start: usize) -> usize {
    let mut end = digits(text, start);
    let first = end - start;
    let group = |at: usize, size: usize| digits(text, at) - at == size;
    let at = |end: usize, sign: &str| text.get(end..).is_some_and(|rest| rest.starts_with(sign));
    // Groups of thousands; of two digits in India.
    if (1..=3).contains(&first) {
        let signs = [
            ",", "{,}", ",\\!", ",\\! ", "\\,", "'", "\u{a0}", "\u{202f}", " ",
        ];
        loop {
            let sign = signs
                .iter()
                .find(|sign| at(end, sign) && group(end + sign.len(), 3));
            match sign {
                Some(sign) => end += sign.len() + 3,
                None if at(end, ",")
                    && group(end + 1, 2)
                    && at(end + 3, ",")
                    && !group(end + 4, 1) =>
                {
                    end += 3;
                }
                None => break,
            }
        }
    }
    let run = |end: usize, sign: char| {
        let behind = digits(text, end + sign.len_utf8());
        (at(end, sign.encode_utf8(&mut [0; 4])) && behind > end + sign.len_utf8()).then_some(behind)
    };
    for sign in ['.', ',', ':', ':', '/'] {
        // A comma here is a decimal one, as in `3,5`; those of a list have several, or white space.
        if sign == ',' {
            let decimals = run(end, ',').filter(|stop| stop - end <= 3 && !at(*stop, ","));
            let listed = text.get(..start).is_some_and(|head| head.ends_with(','));
            end = decimals.filter(|_| !listed).unwrap_or(end);
            continue;
        }
        end = run(end, sign).unwrap_or(end);
    }
    // Another group behind a point: `1.234.567`.
    while at(end, ".") && group(end + 1, 3) {
        end += 4;
    }
    end = mixed(text, end);
    end = power(text, end);
    end = scale(text, end);
    let rest = text.get(end..).unwrap_or_default();
    if ["\\sqrt", "\\pi", "π", "√"]
        .iter()
        .any(|sign| rest.starts_with(sign))
    {
        end += rest.find(char::is_whitespace).unwrap_or(rest.len());
    }
    let rest = text.get(end..).unwrap_or_default();
    let percent = ["%", "\\%", " %", " \\%"];
    end + percent
        .iter()
        .find(|sign| rest.starts_with(**sign))
        .map_or(0, |sign| sign.len())
}

/// Over the rest of a mixed number: `3 1/2`, `3½`, `3 and a half`.
fn mixed(text: &str, end: usize) -> usize {
    let rest = text.get(end..).unwrap_or_default();
    if let Some(half) = ["½", "¼", "¾", "⅓", "⅔"]
        .iter()
        .find(|f| rest.starts_with(**f))
    {
        return end + half.len();
    }
    if rest.starts_with(" and a half") {
        return end + " and a half".len();
    }
    if rest.starts_with(' ') {
        let top = digits(text, end + 1);
        let bottom = digits(text, top + 1);
        let slash = text.get(top..).is_some_and(|rest| rest.starts_with('/'));
        if top > end + 1 && slash && bottom > top + 1 {
            return bottom;
        }
    }
    end
}

/// Over an exponent, and over a power of ten that is multiplied: `2^3`, `2³`, `6 \times 10^{23}`.
fn power(text: &str, end: usize) -> usize {
    let rest = text.get(end..).unwrap_or_default();
    if let Some(raised) = rest.strip_prefix('^') {
        let length = match raised.strip_prefix('{') {
            Some(inner) => inner.find('}').map_or(0, |at| at + 2),
            None => {
                let sign = usize::from(raised.starts_with('-'));
                digits(raised, sign)
            }
        };
        return if length > 0 { end + 1 + length } else { end };
    }
    let raised = |c: char| "⁰¹²³⁴⁵⁶⁷⁸⁹⁻".contains(c);
    if rest.starts_with(raised) {
        return end + rest.find(|c| !raised(c)).unwrap_or(rest.len());
    }
    for times in [
        " \\times ",
        "\\times",
        "\\cdot",
        " × ",
        "×",
        " x ",
        "x",
        " * ",
    ] {
        if rest
            .strip_prefix(times)
            .is_some_and(|rest| rest.trim_start().starts_with("10^"))
        {
            let ten = end + rest.find("10^").unwrap_or(0) + 2;
            return power(text, ten);
        }
    }
    end
}

/// Over a word that multiplies: `1.5 million`.
fn scale(text: &str, end: usize) -> usize {
    const SCALES: [&str; 6] = [
        "hundred", "thousand", "million", "billion", "trillion", "dozen",
    ];
    let rest = text.get(end..).unwrap_or_default();
    let word = rest.trim_start_matches(' ');
    let scale = SCALES.iter().find(|scale| word.starts_with(**scale));
    scale.map_or(end, |scale| end + (rest.len() - word.len()) + scale.len())
}

/// The end of the `\frac{…}{…}` at `start`, with no more than numbers in it.
fn fraction(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let name = ["\\frac", "\\dfrac", "\\tfrac"]
        .into_iter()
        .find(|name| rest.starts_with(name))?;
    let mut end = start + name.len();
    for _ in 0..2 {
        let rest = text.get(end..)?;
        let inner = rest.strip_prefix('{')?;
        // Longer ones are no plain fraction; the bound keeps hostile text linear.
        let length = inner.bytes().take(40).position(|byte| byte == b'}')?;
        let plain = |c: char| c.is_ascii_digit() || "-., ".contains(c);
        if length == 0 || !inner.get(..length)?.chars().all(plain) {
            return None;
        }
        end += length + 2;
    }
    Some(end)
}

/// Where a number with its sign begins: a minus counts unless it separates two values ("7-3", "page
/// 3-4"), and a currency may stand between.
fn with_sign(text: &str, start: usize) -> usize {
    let head = text.get(..start).unwrap_or_default();
    let point = head
        .strip_suffix('.')
        .filter(|before| !before.ends_with(|c: char| c.is_alphanumeric() || ".)".contains(c)));
    let head = point.unwrap_or(head);
    let mut signless = head;
    for currency in ["US$", "\\$", "$", "€", "£", "¥", "₹"] {
        signless = signless.strip_suffix(currency).unwrap_or(signless);
    }
    if let Some(before) = signless.strip_suffix(['-', '−', '–']) {
        let binary = before
            .trim_end_matches(' ')
            .ends_with(|c: char| c.is_alphanumeric() || ")}%".contains(c));
        let spaced = before.ends_with(' ') && !signless.ends_with(' ');
        let separates = binary && !(spaced && before.trim_end().ends_with(char::is_alphabetic));
        if !separates {
            return before.len();
        }
    }
    for word in ["minus ", "negative "] {
        let from = signless.len().saturating_sub(word.len());
        let before = signless.get(..from).unwrap_or_default();
        let found = signless
            .get(from..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(word));
        if found && !before.trim_end().ends_with(|c: char| c.is_ascii_digit()) {
            return from;
        }
    }
    head.len()
}

/// The last number in words: `three`, `twenty-one`, `half`.
fn last_in_words(text: &str) -> Option<Range<usize>> {
    let mut end = text.len();
    while let Some(head) = text.get(..end) {
        let head = head.trim_end_matches(|c: char| !c.is_alphabetic());
        let start = head
            .rfind(|c: char| !(c.is_alphabetic() || c == '-'))
            .map_or(0, |at| {
                at + head[at..].chars().next().map_or(1, char::len_utf8)
            });
        let word = head.get(start..)?;
        if word.is_empty() {
            return None;
        }
        if words::number(word).is_some_and(|value| value != 1) || word.eq_ignore_ascii_case("half")
        {
            return Some(start..head.len());
        }
        end = start;
    }
    None
}
