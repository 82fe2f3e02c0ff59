//! Where a sentence ends, judged from the text before the cursor alone.
//!
//! A rule of thumb that has to be decided token by token, without looking ahead: used to cut a
//! thought at a clean place, to step by sentences, and to move the cursor.

/// Whether `text` stops at the end of a sentence: at a line break, or at `.`, `!`, `?`, `…` (also
/// full width), closing quotes and brackets allowed after it. A point right after a digit is taken
/// for a decimal point until a space follows.
pub fn ends_sentence(text: &str) -> bool {
    let body = text.trim_end_matches([' ', '\t']);
    let spaced = body.len() < text.len();
    if body.ends_with('\n') {
        return true;
    }
    let body = body.trim_end_matches(['"', '\'', ')', ']', '}', '”', '’', '»', '*', '」']);
    let mut back = body.chars().rev();
    match back.next() {
        Some('!' | '?' | '…' | '。' | '！' | '？' | '؟' | '।') => true,
        Some('.') => spaced || !back.next().is_some_and(|c| c.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_lands_where_a_reader_would_put_it() {
        for (text, ends) in [
            ("So it is 3.", false), // could go on as 3.14
            ("So it is 3. ", true),
            ("So it is three.", true),
            ("Really?", true),
            ("he said \"no.\"", true),
            ("(yes!)", true),
            ("first line\n", true),
            ("first line\n  ", true),
            ("three", false),
            ("e.g", false),
            ("好。", true),
            ("", false),
        ] {
            assert_eq!(ends_sentence(text), ends, "{text:?}");
        }
    }
}
