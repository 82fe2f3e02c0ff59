//! Words between the mathematics: units, separators, numbers in words, notes.

use super::{Lexeme, Lexer, Number, is_plain_command};
use crate::words;

/// Words that multiply: "2.5 million" is a number, and so is "2 thirds".
const SCALES: [(&str, &str); 14] = [
    ("dozen", "12"),
    ("hundred", "100"),
    ("thousand", "1000"),
    ("million", "1000000"),
    ("billion", "1000000000"),
    ("trillion", "1000000000000"),
    ("halves", "1/2"),
    ("thirds", "1/3"),
    ("fourths", "1/4"),
    ("fifths", "1/5"),
    ("sixths", "1/6"),
    ("eighths", "1/8"),
    ("tenths", "1/10"),
    ("hundredths", "1/100"),
];

/// Short words that are units when they follow a number; longer words need no list.
const SHORT_UNITS: [&str; 18] = [
    "cm", "mm", "km", "in", "ft", "yd", "mi", "kg", "mg", "lb", "oz", "ml", "mL", "hr", "min",
    "sec", "mph", "am",
];

/// Letters that are units only where a space parts them from the number and nothing follows.
const LETTER_UNITS: &str = "m s g h L N J W V A K C F";

impl Lexer {
    /// The content of `\text{…}` and its like: `\text{or}` separates, `\operatorname{sin}` is a
    /// function, `\textbf{5}` is read as `5`; anything else is words.
    pub(super) fn words_in_text(&mut self, content: &str) -> Option<()> {
        let lower = content.to_lowercase();
        let first = self.out.tokens.is_empty();
        if content.is_empty() || first && words::is_label(&lower) {
            return Some(());
        }
        if !first && content.starts_with('(') {
            return self.text_note(content);
        }
        if first && content.len() == 1 && content.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.push(Lexeme::Name(content.to_owned()));
            return Some(());
        }
        if content.starts_with(|c: char| c.is_ascii_digit() || "-([.\\$".contains(c)) {
            self.splice(content);
            return Some(());
        }
        for separator in ["or", "and"] {
            if let Some(rest) = lower.strip_prefix(separator)
                && rest.starts_with(' ')
            {
                self.symbol(';');
                let rest = content.get(separator.len()..)?.trim();
                self.splice(&format!("\\text{{{rest}}}"));
                return Some(());
            }
            if let Some(rest) = lower.strip_suffix(separator)
                && rest.ends_with(' ')
            {
                let rest = content.get(..rest.len())?.trim();
                // "for part (a) and": of which question it is the answer.
                let rest = if lower.starts_with("for ") { "" } else { rest };
                self.splice(&format!("\\text{{{rest}}};"));
                return Some(());
            }
        }
        if !first
            && matches!(
                lower.split(' ').next(),
                Some("for" | "where" | "when" | "with")
            )
        {
            return self.condition(content);
        }
        // Upright e and i are the constants: `1-\frac{1}{\mathrm{e}}`.
        if matches!(content, "e" | "i") {
            self.push(Lexeme::Name(content.to_owned()));
        } else if !self.known_word(content)? {
            self.push(Lexeme::Text(content.to_owned()));
        }
        Some(())
    }

    /// A note in brackets behind the answer: `\text{ (double root)}`, `\text{ (base }10)`. A modulus
    /// is more than a note.
    fn text_note(&mut self, content: &str) -> Option<()> {
        if content.starts_with("(mod") {
            return None;
        }
        let mut depth = content.matches('(').count() - content.matches(')').count().min(1);
        while depth > 0 {
            match self.peek(0)? {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        // What it counts, in one bracket, is a unit like any other.
        let inner = content.trim_matches(['(', ')', ' ']);
        if content.ends_with(')') && self.after_value() && words::is_words(inner) {
            self.push(Lexeme::Text(inner.to_owned()));
        }
        Some(())
    }

    /// The condition under which the answer holds ends it, unless a second case follows.
    fn condition(&mut self, content: &str) -> Option<()> {
        let rest: String = self.chars.get(self.at..)?.iter().collect();
        let cases = |text: &str| {
            [",", ";", " and ", " or ", "{and", "{or", "\\\\"]
                .iter()
                .any(|sign| text.contains(sign))
        };
        if cases(content) || cases(&rest) || self.brackets > 0 || !self.environments.is_empty() {
            return None;
        }
        let open = rest.chars().filter(|c| *c == '{').count();
        let closed = rest.chars().filter(|c| *c == '}').count();
        self.at = self.chars.len();
        (open == closed).then_some(())
    }

    /// Pushes what a word means in mathematics; false when it means nothing there.
    fn known_word(&mut self, word: &str) -> Option<bool> {
        let after_number = matches!(self.last(), Some(Lexeme::Number(_)));
        let opens_value = matches!(
            self.last(),
            None | Some(Lexeme::Symbol(';' | ',' | '=' | '(' | '{' | '⦃'))
        );
        match word {
            "and" if after_number && self.step_over(" a half") => {
                self.symbol('+');
                self.push(Lexeme::Number(Number::of("1/2".parse().ok()?)));
            }
            "or" | "and" | "或" | "和" | "与" => self.symbol(';'),
            "half" if opens_value => {
                self.push(Lexeme::Number(Number::of("1/2".parse().ok()?)));
            }
            "minus" | "negative" if opens_value => self.symbol('-'),
            "infinity" | "inf" | "infty" => self.symbol('∞'),
            "pi" => self.symbol('π'),
            "mod" => self.push(Lexeme::Command("bmod".into())),
            "degrees" | "degree" | "deg" if after_number => self.symbol('°'),
            "percent" | "pct" | "percentage" | "percents" if after_number => self.symbol('%'),
            _ if is_plain_command(word) && !(after_number && word == "min") => {
                self.push(Lexeme::Command(word.to_owned()))
            }
            _ => {
                let scale = SCALES
                    .iter()
                    .find(|(scale, _)| word == *scale || word.strip_suffix('s') == Some(scale));
                if let Some((_, size)) = scale.filter(|_| after_number) {
                    self.symbol('*');
                    self.push(Lexeme::Number(Number::of(size.parse().ok()?)));
                } else if let Some(value) = words::number(word).filter(|_| opens_value) {
                    self.push(Lexeme::Number(Number::integer(&value.to_string())?));
                } else {
                    return Some(false);
                }
            }
        }
        Some(true)
    }

    /// A run of plain letters: a known name, a separate word, or a product of variables.
    pub(super) fn word(&mut self, spaced: bool) -> Option<()> {
        let word = self.run_of(char::is_ascii_alphabetic);
        let after_number = matches!(self.last(), Some(Lexeme::Number(_)));
        // The x of `1.5x10^3` and of `4 x 3`.
        let factor = |lexer: &Self| {
            let digit = lexer.peek(1).is_some_and(|c| c.is_ascii_digit());
            lexer.looking_at("10^") || spaced && lexer.peek(0) == Some(' ') && digit
        };
        if matches!(word.as_str(), "x" | "X") && after_number && factor(self) {
            self.symbol('*');
            return Some(());
        }
        if self.known_word(&word)? {
            return Some(());
        }
        let last = self.last();
        // After a closing bracket a capital `U` can only mean a union.
        let closed = matches!(last, Some(Lexeme::Symbol(')' | ']' | '⦄')));
        let behind =
            self.after_value() || spaced && matches!(last, Some(Lexeme::Symbol(')' | '}' | 'π')));
        // A product of variables such as `xyz` has no vowel more often than a unit has none.
        let pronounceable = word.len() >= 3 && word.contains(['a', 'e', 'i', 'o', 'u']);
        let temperature =
            last == Some(&Lexeme::Symbol('°')) && matches!(word.as_str(), "C" | "F" | "K");
        let per = matches!(
            self.out.tokens.as_slice(),
            [.., Lexeme::Text(_), Lexeme::Symbol('/')]
        );
        if word == "U" && spaced && self.brackets == 0 && closed {
            self.symbol('∪');
        } else if per && (is_letter_unit(&word) || SHORT_UNITS.contains(&word.as_str()))
            || behind && self.is_unit(&word, spaced)
            || self.after_value() && spaced && pronounceable
            || temperature
            || word.len() >= 4 && pronounceable && (spaced || last.is_none())
        {
            self.push(Lexeme::Text(word));
        } else {
            // `x2` is neither x² nor 2x for certain.
            if self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
                return None;
            }
            for letter in word.chars() {
                self.push(Lexeme::Name(letter.to_string()));
            }
        }
        Some(())
    }

    /// Whether a short word behind a value is its unit. A letter is one only at the end of the answer
    /// (`10 m²`, `5 m/s`), and where it cannot be a variable.
    fn is_unit(&self, word: &str, spaced: bool) -> bool {
        if SHORT_UNITS.contains(&word.trim_end_matches('s')) {
            return true;
        }
        let rest: String = self
            .chars
            .get(self.at..)
            .unwrap_or_default()
            .iter()
            .collect();
        let rest = rest.trim_end_matches(|c: char| c.is_whitespace() || ".}$)".contains(c));
        // In LaTeX a letter with a power is a variable, however it is spaced.
        let latex = self.chars.contains(&'\\');
        let power = ["²", "³"].contains(&rest) || !latex && ["^2", "^3"].contains(&rest);
        // A thin space before the last letter sets a unit apart: `11\sqrt{2}\,m`.
        let head = self.chars.get(..self.at - word.len()).unwrap_or_default();
        let apart = latex && rest.is_empty() && head.ends_with(&['\\', ',']);
        let quotient = rest.strip_prefix('/').is_some_and(|per| {
            let per = per.trim_end_matches(['²', '³', '2', '3', '^']);
            is_letter_unit(per) || SHORT_UNITS.contains(&per)
        });
        spaced && is_letter_unit(word) && (power || quotient || apart)
    }
}

fn is_letter_unit(word: &str) -> bool {
    LETTER_UNITS.split(' ').any(|unit| unit == word)
}
