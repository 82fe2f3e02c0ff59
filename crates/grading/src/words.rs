//! Answers in words: option letters, names, numbers.

/// The letter of a multiple-choice answer written in any usual way: `C`, `(C)`, `C.`,
/// `\text{(C)}`, `**C**`, `(C) 12`, `C: because`. Letters run from A to J.
pub fn option_letter(text: &str) -> Option<char> {
    let plain = plain(text);
    let mut rest = plain.trim();
    for prefix in ["option ", "choice ", "answer: ", "answer is ", "answer "] {
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

/// Whether a text is one small letter written as mathematics: `$e$`, `\(c\)`, `\mathrm{e}`. It is the
/// name of a constant or a variable, where `(c)` or a plain `c` may be an option.
pub fn is_name(text: &str) -> bool {
    /// More bytes than a letter takes in any of these.
    const MAX_NAME: usize = 64;
    const MATHEMATICS: [&str; 5] = ["$", "\\(", "\\[", "\\math", "\\boldsymbol"];
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    if text.len() > MAX_NAME || !has(&MATHEMATICS) || has(&["\\text", "\\mbox"]) {
        return false;
    }
    let bare = ["\\mathit", "\\[", "\\]"]
        .iter()
        .fold(text.to_owned(), |text, mark| text.replace(mark, ""));
    let bare = plain(&bare);
    let mut chars = bare.trim().trim_end_matches('.').chars();
    let small = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    small && chars.next().is_none()
}

/// Whether two texts are one and the same letter, once capital and once small.
pub fn differ_in_case(a: &str, b: &str) -> bool {
    let letter = |text: &str| {
        let plain = plain(text);
        let mut letters = plain.chars().filter(|c| c.is_alphanumeric());
        letters.next().filter(|_| letters.next().is_none())
    };
    match (letter(a), letter(b)) {
        (Some(a), Some(b)) => a != b && a.eq_ignore_ascii_case(&b),
        _ => false,
    }
}

/// The text without LaTeX and Markdown formatting.
fn plain(text: &str) -> String {
    unformatted(text).replace(['{', '}', '\\', '*', '`', '"'], "")
}

/// The text without the commands that format it.
fn unformatted(text: &str) -> String {
    let mut out = text.to_owned();
    for markup in [
        "\\textbf",
        "\\textit",
        "\\textrm",
        "\\text",
        "\\mathrm",
        "\\mathbf",
        "\\boldsymbol",
        "\\mbox",
        "\\left",
        "\\right",
        "$",
        "\\(",
        "\\)",
    ] {
        // `\left` must not eat the start of `\leftarrow`, but no option letter holds an arrow.
        out = out.replace(markup, "");
    }
    out
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

/// Mathematics as written, for comparison: no white space, no formatting, no braces around a single
/// character.
pub fn squeezed(text: &str) -> String {
    let mut out = text.to_owned();
    const SPACING: &str = "\\left|\\right|\\displaystyle|\\!|\\,|\\;|\\:|\\ |$|\\(|\\)|\\[|\\]";
    for markup in SPACING.split('|') {
        out = out.replace(markup, "");
    }
    for (spelling, canonical) in [
        ("\\dfrac", "\\frac"),
        ("\\tfrac", "\\frac"),
        ("\\leq", "\\le"),
        ("\\geq", "\\ge"),
        ("\\neq", "\\ne"),
    ] {
        out = out.replace(spelling, canonical);
    }
    // White space says nothing but between two numbers.
    let mut dense: Vec<char> = Vec::new();
    let mut spaced = false;
    for c in out.chars() {
        if c.is_whitespace() {
            spaced = true;
            continue;
        }
        let apart = |before: &char| before.is_ascii_digit() && c.is_ascii_digit();
        if std::mem::take(&mut spaced) && dense.last().is_some_and(apart) {
            dense.push(' ');
        }
        dense.push(c);
    }
    let mut out = String::new();
    let mut at = 0;
    while let Some(c) = dense.get(at) {
        match (c, dense.get(at + 1), dense.get(at + 2)) {
            ('{', Some(only), Some('}')) if *only != '\\' => {
                out.push(*only);
                at += 3;
            }
            _ => {
                out.push(*c);
                at += 1;
            }
        }
    }
    out.trim_end_matches(['.', '`', '*']).to_owned()
}

/// Whether two texts that are no mathematics say the same: letter by letter, or word by word where
/// they are sentences. Signs between digits count: 3:2 is not 3.2.
pub fn same_text(a: &str, b: &str) -> bool {
    let words = |text: &str| {
        let lower = unformatted(text).to_lowercase();
        let words: Vec<&str> = lower
            .split_whitespace()
            .map(|word| word.trim_matches([',', ';', '.', '!']))
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ")
    };
    squeezed(a) == squeezed(b) || is_sentence(a) && is_sentence(b) && words(a) == words(b)
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
    let other_command = text.split('\\').skip(1).any(|rest| {
        !["text", "mbox", "mathrm"]
            .iter()
            .any(|c| rest.starts_with(c))
    });
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

/// What a few phrases mean in mathematics.
pub fn meaning(text: &str) -> Option<String> {
    let phrase = normal(text);
    match phrase.as_str() {
        "no solution" | "no solutions" | "no real solution" | "no real solutions" => {
            Some("\\emptyset".into())
        }
        "all real numbers" | "all reals" | "all real" | "any real number" | "real numbers" => {
            Some("\\mathbb{R}".into())
        }
        phrase => number(phrase).map(|value| value.to_string()),
    }
}

/// A whole number below a thousand in words: `twelve`, `twenty-one`, `three hundred`.
pub fn number(words: &str) -> Option<u32> {
    const SMALL: &str = "zero one two three four five six seven eight nine ten eleven twelve thirteen \
         fourteen fifteen sixteen seventeen eighteen nineteen";
    const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
    let place = |list: &str, word: &str| list.split_whitespace().position(|known| known == word);
    let (mut total, mut seen) = (0, 0);
    for word in words.to_lowercase().split([' ', '-']) {
        let value = match (place(SMALL, word), place(TENS, word)) {
            (Some(small), _) => u32::try_from(small).ok()?,
            (_, Some(tens)) => u32::try_from(tens).ok()? * 10 + 20,
            _ if word == "hundred" && seen == 1 && total < 10 => {
                total *= 100;
                continue;
            }
            _ => return None,
        };
        let fits = match total {
            0 => seen == 0,
            // A ten takes a one, a hundred anything.
            tens if (20..100).contains(&tens) => tens % 10 == 0 && (1..10).contains(&value),
            hundreds => hundreds % 100 == 0 && hundreds >= 100,
        };
        if !fits {
            return None;
        }
        total += value;
        seen += 1;
    }
    Some(total)
}

/// Whether text before the answer only announces it: "The answer is", "Total:". Lower case.
pub fn is_label(text: &str) -> bool {
    let text = text.trim();
    text.ends_with(':') && text.len() > 1 || text.ends_with("answer is")
}

/// Whether an answer begins with the yes or no that the reference is: "Yes, it is".
pub fn affirms(reference: &str, answer: &str) -> bool {
    let (reference, answer) = (normal(reference), unformatted(answer).to_lowercase());
    let answer = answer.trim_start_matches(['{', ' ']);
    matches!(reference.as_str(), "yes" | "no" | "true" | "false")
        && answer
            .strip_prefix(&reference)
            .is_some_and(|rest| rest.starts_with([',', '.', ';', ':']))
}

/// The text of an option behind its letter: `C. 12`, `(C) 12`.
pub fn option_text(text: &str) -> Option<&str> {
    option_letter(text)?;
    let opened = text.starts_with('(');
    let rest = text.get(usize::from(opened) + 1..)?;
    let rest = rest.strip_prefix([')', '.', ':'])?;
    rest.starts_with(' ')
        .then(|| rest.trim())
        .filter(|rest| !rest.is_empty())
}

/// An answer with its comma as a decimal point, where the reference is a decimal: `3,14`. One digit
/// behind the comma may be the second of two numbers, three are thousands.
pub fn decimal_comma(reference: &str, answer: &str) -> Option<String> {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let unsigned = |text: &'_ str| text.trim_start_matches(['-', '+', '$']).to_owned();
    let (whole, decimals) = unsigned(answer)
        .split_once(',')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let (expected, behind) = unsigned(reference)
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let fits = digits(&whole) && digits(&decimals) && digits(&expected) && digits(&behind);
    (fits && decimals.len() != 3 && decimals.len() > 1).then(|| answer.replace(',', "."))
}
