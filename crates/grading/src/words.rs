//! Answers in words: option letters, names, units.

/// The letter of a multiple-choice answer written in any usual way: `C`, `(C)`, `C.`,
/// `\text{(C)}`, `**C**`, `(C) 12`, `C: because`. Letters run from A to J.
pub fn option_letter(text: &str) -> Option<char> {
    let plain = plain(text);
    let mut rest = plain.trim();
    for prefix in ["option ", "choice ", "answer "] {
        if rest
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        {
            rest = rest.get(prefix.len()..)?.trim_start();
        }
    }
    let opened = rest.strip_prefix(['(', '[']);
    let mut chars = opened.unwrap_or(rest).chars();
    let letter = chars.next()?;
    if !('A'..='J').contains(&letter.to_ascii_uppercase()) {
        return None;
    }
    let after = chars.as_str();
    let closed = after.strip_prefix([')', ']']);
    let bare = after.is_empty() || after == "." || after == ":";
    let whole = match (opened, closed) {
        // (C), and (C) followed by the option's text; a function such as f(x) has no such start.
        (Some(_), Some(tail)) => tail.is_empty() || tail.starts_with([' ', '.', ':', ',']),
        (None, Some(tail)) => tail.is_empty() || tail.starts_with([' ', '.', ':']),
        (None, None) => bare || after.starts_with(". ") || after.starts_with(": "),
        (Some(_), None) => false,
    };
    // A lone small letter is more likely a variable; the caller's reference decides.
    whole.then(|| letter.to_ascii_uppercase())
}

/// The text without LaTeX and Markdown formatting.
fn plain(text: &str) -> String {
    let mut out = text.to_owned();
    for markup in [
        "\\textbf", "\\textit", "\\textrm", "\\text", "\\mathrm", "\\mathbf", "\\mbox", "\\left",
        "\\right", "$", "\\(", "\\)",
    ] {
        // `\left` must not eat the start of `\leftarrow`, but no option letter holds an arrow.
        out = out.replace(markup, "");
    }
    out.replace(['{', '}', '\\', '*', '`', '"'], "")
}

/// Words normalised for comparison: without formatting, case, punctuation, leading article.
pub fn normal(text: &str) -> String {
    let lower = plain(text).to_lowercase();
    let apart = |c: char| c.is_whitespace() || "~,;:!?'’.".contains(c);
    let mut words: Vec<&str> = lower.split(apart).filter(|word| !word.is_empty()).collect();
    if words.len() > 1 && matches!(words.first(), Some(&"the" | &"a" | &"an")) {
        words.remove(0);
    }
    words.join(" ")
}

/// Mathematics that was not understood, for comparison: no white space, no formatting.
pub fn squeezed(text: &str) -> String {
    let mut out = text.to_owned();
    const SPACING: &str = "\\left|\\right|\\displaystyle|\\!|\\,|\\;|\\:|\\ |$|\\(|\\)|\\[|\\]";
    for markup in SPACING.split('|') {
        out = out.replace(markup, "");
    }
    let out = out
        .replace("\\dfrac", "\\frac")
        .replace("\\tfrac", "\\frac");
    let dense: String = out.chars().filter(|c| !c.is_whitespace()).collect();
    dense.trim_end_matches('.').to_owned()
}

/// Whether the text is made of words only, so that it must not be read as a product of letters.
pub fn is_words(text: &str) -> bool {
    let plain = plain(text).to_lowercase();
    let is_text = text.contains("\\text") || text.contains("\\mbox");
    let is_word =
        |run: &str| run.len() >= 4 || run.len() == 3 && run.contains(['a', 'e', 'i', 'o', 'u']);
    let means_number = |run: &str| matches!(run, "pi" | "infinity" | "infty" | "inf");
    let mut runs = plain
        .split(|c: char| !c.is_alphabetic())
        .filter(|run| !run.is_empty());
    let other_command = text
        .split('\\')
        .skip(1)
        .any(|rest| !["text", "mbox"].iter().any(|c| rest.starts_with(c)));
    plain
        .chars()
        .all(|c| c.is_alphabetic() || c.is_whitespace() || "-'’.,!?".contains(c))
        && !runs.clone().any(means_number)
        && !other_command
        && runs.any(|run| is_text || is_word(run))
}

/// Whether the text contains plain words, as a sentence does: `it is 5`, but not `2xy` or `sqrt(2)`.
pub fn is_sentence(text: &str) -> bool {
    const SHORT: [&str; 18] = [
        "is", "it", "so", "of", "to", "we", "in", "at", "or", "by", "he", "an", "as", "if", "be",
        "on", "no", "my",
    ];
    let mut previous = None;
    let mut run = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_alphabetic() {
            run.push(c.to_ascii_lowercase());
            continue;
        }
        let command = previous == Some('\\');
        let word =
            run.len() >= 3 && !super::lexer::is_known_word(&run) || SHORT.contains(&run.as_str());
        if word && !command {
            return true;
        }
        run.clear();
        previous = Some(c);
    }
    false
}

/// Canonical names of units, each with its spellings. Two answers in units that are both listed and
/// differ are different answers.
const UNITS: [(&str, &str); 17] = [
    ("in", "inch inche in"),
    ("ft", "foot feet ft"),
    ("yd", "yard"),
    ("mi", "mile"),
    ("cm", "centimeter centimetre cm"),
    ("mm", "millimeter mm"),
    ("m", "meter metre m"),
    ("km", "kilometer km"),
    ("s", "second sec"),
    ("min", "minute min"),
    ("h", "hour hr"),
    ("day", "day"),
    ("week", "week"),
    ("year", "year"),
    ("cent", "cent"),
    ("dollar", "dollar"),
    ("degree", "degree"),
];

/// The canonical name of a known unit, powers included (`square inches` is `in^2`).
pub fn unit(text: &str) -> Option<String> {
    let lower = normal(text);
    let (mut name, mut power) = match lower.split_once('^') {
        Some((name, power)) => (name.trim(), power.trim()),
        None => (lower.as_str(), "1"),
    };
    for (word, meaning) in [("square ", "2"), ("sq ", "2"), ("cubic ", "3")] {
        if let Some(rest) = name.strip_prefix(word) {
            (name, power) = (rest, meaning);
        }
    }
    let singular = name.strip_suffix('s').unwrap_or(name);
    let known = UNITS.iter().find(|(_, spellings)| {
        let mut spellings = spellings.split(' ');
        spellings.any(|unit| unit == name || unit == singular)
    })?;
    Some(format!("{}^{power}", known.0))
}
