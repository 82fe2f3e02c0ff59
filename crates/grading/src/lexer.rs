//! From answer text to tokens: LaTeX, plain text and Unicode signs meet in one alphabet.
//!
//! This is where spelling variants end: `\dfrac` and `\frac`, `\cdot` and `×`, `1{,}000` and
//! `1 000` leave as the same tokens. It knows nothing of grammar.

use super::node::FUNCTIONS;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::pow;

/// The longest answer that is read as mathematics, in bytes; longer ones are compared as text.
pub const MAX_BYTES: usize = 2048;

/// The largest power of ten a literal such as `1e300` may carry.
const MAX_EXPONENT: u32 = 1000;

/// The alphabet of the parser.
#[derive(Debug, Clone, PartialEq)]
pub enum Lexeme {
    /// A literal number.
    Number(Number),
    /// A variable: one letter.
    Name(String),
    /// A function or construction by its LaTeX name, without the backslash (`frac`, `sqrt`).
    Command(String),
    /// Words: the content of `\text{…}`, or a plain word set apart from the mathematics.
    Text(String),
    /// An operator, bracket or separator. `⦃ ⦄` are set braces, `{ }` only group.
    Symbol(char),
    /// `\begin{…}` of a matrix.
    Begin,
    /// `\end{…}` of a matrix.
    End,
    /// `\\` between rows.
    RowBreak,
}

/// A literal number: its exact value and how it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The exact value.
    pub value: BigRational,
    /// The digits of a plain unsigned integer as written (a base may follow); empty otherwise.
    pub digits: String,
    /// The number of digits after the decimal point.
    pub decimals: usize,
}

impl Number {
    /// A plain integer; `None` when `digits` is not made of decimal digits.
    pub fn integer(digits: &str) -> Option<Self> {
        let value = BigInt::parse_bytes(digits.as_bytes(), 10)?;
        Some(Self {
            value: BigRational::from_integer(value),
            digits: digits.to_owned(),
            decimals: 0,
        })
    }
}

/// The tokens of an answer.
#[derive(Debug)]
pub struct Lexed {
    pub tokens: Vec<Lexeme>,
    /// Some comma was read as a thousands separator although it could separate a list.
    pub ambiguous_comma: bool,
}

/// Reads `text`; `None` when it holds something that is not known notation.
/// With `group`, a bare comma before three digits is a thousands separator outside brackets.
pub fn lex(text: &str, group: bool) -> Option<Lexed> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut lexer = Lexer {
        chars: text.chars().collect(),
        at: 0,
        group,
        brackets: 0,
        out: Lexed {
            tokens: Vec::new(),
            ambiguous_comma: false,
        },
    };
    lexer.run()?;
    Some(lexer.out)
}

/// Whether a plain word means what the LaTeX command of the same name means.
fn is_plain_command(word: &str) -> bool {
    word == "sqrt" || FUNCTIONS.contains(&word)
}

/// Greek letters by their LaTeX names, and in the same order; π is a constant, not a letter.
const GREEK: (&str, &str) = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu \
     nu xi rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi \
     Psi Omega ell",
    "αβγδεεζηθθικλμνξρστφφχψωΓΔΘΛΞΠΣΦΨΩl",
);

/// Words that multiply: "2.5 million" is a number.
const SCALES: [(&str, &str); 5] = [
    ("hundred", "100"),
    ("thousand", "1000"),
    ("million", "1000000"),
    ("billion", "1000000000"),
    ("trillion", "1000000000000"),
];

/// Short words that are units when they follow a number; longer words need no list.
const SHORT_UNITS: [&str; 17] = [
    "cm", "mm", "km", "in", "ft", "yd", "mi", "kg", "mg", "lb", "oz", "ml", "mL", "hr", "min",
    "sec", "mph",
];

/// Whether a plain word has a meaning in mathematics: a function, or a LaTeX environment.
pub fn is_known_word(word: &str) -> bool {
    is_plain_command(word)
        || matches!(word, "infinity" | "inf" | "infty" | "array")
        || word.ends_with("matrix")
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    group: bool,
    brackets: usize,
    out: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn push(&mut self, token: Lexeme) {
        self.out.tokens.push(token);
    }

    fn run(&mut self) -> Option<()> {
        let mut spaced = false;
        while let Some(c) = self.peek(0) {
            if c.is_whitespace() || c == '~' || c == '$' || "€£¥\u{200b}\u{feff}".contains(c) {
                self.at += 1;
                spaced |= c.is_whitespace() || c == '~';
                continue;
            }
            let before = self.out.tokens.len();
            match c {
                '\\' => self.command()?,
                '0'..='9' => self.number()?,
                '.' if self.peek(1).is_some_and(|d| d.is_ascii_digit()) => self.number()?,
                'a'..='z' | 'A'..='Z' => self.word(spaced)?,
                _ => {
                    self.at += 1;
                    self.sign(c)?;
                }
            }
            // Spacing commands add no token: they count as white space before the next one.
            spaced = self.out.tokens.len() == before;
        }
        // Punctuation after the answer says nothing.
        while self
            .out
            .tokens
            .pop_if(|t| *t == Lexeme::Symbol('.'))
            .is_some()
        {}
        Some(())
    }

    fn symbol(&mut self, c: char) {
        match c {
            '(' | '[' | '⦃' | '⟨' => self.brackets += 1,
            ')' | ']' | '⦄' | '⟩' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        self.push(Lexeme::Symbol(c));
    }

    /// A single character that is neither letter, digit nor backslash.
    fn sign(&mut self, c: char) -> Option<()> {
        let superscript = "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|s| s == c);
        if let Some(power) = superscript {
            self.symbol('^');
            let number = Number::integer(&power.to_string())?;
            self.push(Lexeme::Number(number));
            return Some(());
        }
        let fraction = [
            ('½', "1", "2"),
            ('⅓', "1", "3"),
            ('⅔', "2", "3"),
            ('¼', "1", "4"),
            ('¾', "3", "4"),
        ];
        if let Some((_, top, bottom)) = fraction.iter().find(|f| f.0 == c) {
            self.push(Lexeme::Command("frac".into()));
            self.push(Lexeme::Number(Number::integer(top)?));
            self.push(Lexeme::Number(Number::integer(bottom)?));
            return Some(());
        }
        match c {
            '+' | '/' | '^' | '_' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | '=' | '<'
            | '>' | '|' | '!' | '&' | '%' | '°' | '±' | '∓' | '∪' | '∈' | '≤' | '≥' | '∞' | '⟨'
            | '⟩' | '.' | 'π' => {
                self.symbol(c);
            }
            '-' | '−' | '–' | '‒' | '—' => self.symbol('-'),
            '*' if self.peek(0) == Some('*') => {
                self.at += 1;
                self.symbol('^');
            }
            '*' | '×' | '·' | '⋅' | '∗' => self.symbol('*'),
            '÷' | '∕' => self.symbol('/'),
            '≈' => self.symbol('='),
            '√' => self.push(Lexeme::Command("sqrt".into())),
            'α'..='ω' | 'Α'..='Ω' => self.push(Lexeme::Name(c.to_string())),
            _ => return None,
        }
        Some(())
    }

    /// A command, without the backslash it starts with.
    fn command(&mut self) -> Option<()> {
        self.at += 1;
        let c = self.peek(0)?;
        if !c.is_ascii_alphabetic() {
            self.at += 1;
            match c {
                '{' => self.symbol('⦃'),
                '}' => self.symbol('⦄'),
                '|' => self.symbol('|'),
                '%' => self.symbol('%'),
                '\\' => self.push(Lexeme::RowBreak),
                ',' | ';' | ':' | '!' | ' ' | '$' | '(' | ')' | '[' | ']' | '\n' => {}
                _ => return None,
            }
            return Some(());
        }
        let name = self.run_of(|c| c.is_ascii_alphabetic());
        match name.as_str() {
            "left" | "right" | "big" | "Big" | "bigg" | "Bigg" | "bigl" | "bigr" | "Bigl"
            | "Bigr" | "biggl" | "biggr" | "displaystyle" | "textstyle" | "limits" | "quad"
            | "qquad" | "thinspace" | "phantom" | "mathopen" | "mathclose" => {
                if matches!(name.as_str(), "left" | "right") && self.peek(0) == Some('.') {
                    self.at += 1;
                }
            }
            "text" | "mbox" | "textbf" | "textit" | "textrm" | "textnormal" | "texttt"
            | "mathrm" | "mathbf" | "mathit" | "operatorname" | "rm" | "hbox" => {
                let content = self.braced();
                self.words_in_text(content.trim())?;
            }
            "begin" | "end" => {
                let environment = self.braced();
                match environment.trim_end_matches('*') {
                    "pmatrix" | "bmatrix" | "matrix" | "vmatrix" | "Bmatrix" | "smallmatrix" => {}
                    "array" if name == "begin" => drop(self.braced()),
                    "array" => {}
                    _ => return None,
                }
                self.push(match name.as_str() {
                    "begin" => Lexeme::Begin,
                    _ => Lexeme::End,
                });
            }
            "cdot" | "times" | "ast" => self.symbol('*'),
            "div" => self.symbol('/'),
            "pm" => self.symbol('±'),
            "mp" => self.symbol('∓'),
            "cup" => self.symbol('∪'),
            "approx" => self.symbol('='),
            "in" => self.symbol('∈'),
            "le" | "leq" | "leqslant" => self.symbol('≤'),
            "ge" | "geq" | "geqslant" => self.symbol('≥'),
            "lt" => self.symbol('<'),
            "gt" => self.symbol('>'),
            "infty" => self.symbol('∞'),
            "pi" => self.symbol('π'),
            "circ" | "degree" | "degrees" => self.symbol('°'),
            "lvert" | "rvert" | "vert" | "mid" => self.symbol('|'),
            "langle" => self.symbol('⟨'),
            "rangle" => self.symbol('⟩'),
            "lbrace" => self.symbol('⦃'),
            "rbrace" => self.symbol('⦄'),
            "lparen" => self.symbol('('),
            "rparen" => self.symbol(')'),
            "lbrack" => self.symbol('['),
            "rbrack" => self.symbol(']'),
            "percent" => self.symbol('%'),
            "dfrac" | "tfrac" | "cfrac" => self.push(Lexeme::Command("frac".into())),
            "dbinom" | "tbinom" => self.push(Lexeme::Command("binom".into())),
            _ => {
                let greek = GREEK.0.split(' ').position(|spelled| spelled == name);
                self.push(match greek.and_then(|at| GREEK.1.chars().nth(at)) {
                    Some(letter) => Lexeme::Name(letter.to_string()),
                    None => Lexeme::Command(name),
                });
            }
        }
        Some(())
    }

    /// The content of the next pair of balanced braces; empty when no brace follows.
    fn braced(&mut self) -> String {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let mut content = String::new();
        if self.peek(0) != Some('{') {
            return content;
        }
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if !(c == '{' && depth == 1) {
                content.push(c);
            }
        }
        content
    }

    /// The content of `\text{…}` and its like: `\text{or}` separates, `\operatorname{sin}` is a
    /// function, `\textbf{5}` is read as `5`; anything else is words.
    fn words_in_text(&mut self, content: &str) -> Option<()> {
        if content.starts_with(|c: char| c.is_ascii_digit() || "-([.\\".contains(c)) {
            self.chars.splice(self.at..self.at, content.chars());
        } else if !content.is_empty() && !self.known_word(content)? {
            self.push(Lexeme::Text(content.to_owned()));
        }
        Some(())
    }

    /// Pushes what a word means in mathematics; false when it means nothing there.
    fn known_word(&mut self, word: &str) -> Option<bool> {
        let after_number = matches!(self.out.tokens.last(), Some(Lexeme::Number(_)));
        match word {
            "or" | "and" => self.symbol(';'),
            "infinity" | "inf" | "infty" => self.symbol('∞'),
            "pi" => self.symbol('π'),
            "degrees" | "degree" | "deg" if after_number => self.symbol('°'),
            "percent" if after_number => self.symbol('%'),
            _ if is_plain_command(word) => self.push(Lexeme::Command(word.to_owned())),
            _ => {
                let Some((_, size)) = SCALES
                    .iter()
                    .find(|(scale, _)| *scale == word && after_number)
                else {
                    return Some(false);
                };
                self.symbol('*');
                self.push(Lexeme::Number(Number::integer(size)?));
            }
        }
        Some(true)
    }

    /// A run of plain letters: a known name, a separate word, or a product of variables.
    fn word(&mut self, spaced: bool) -> Option<()> {
        let word = self.run_of(|c| c.is_ascii_alphabetic());
        if self.known_word(&word)? {
            return Some(());
        }
        let last = self.out.tokens.last();
        let after_value = matches!(
            last,
            Some(Lexeme::Number(_) | Lexeme::Text(_) | Lexeme::Symbol('°' | '%'))
        );
        // After a closing bracket a capital `U` can only mean a union.
        let closed = matches!(last, Some(Lexeme::Symbol(')' | ']' | '⦄')));
        // A product of variables such as `xyz` has no vowel more often than a unit has none.
        let pronounceable = word.len() >= 3 && word.contains(['a', 'e', 'i', 'o', 'u']);
        if word == "U" && spaced && self.brackets == 0 && closed {
            self.symbol('∪');
        } else if after_value
            && (SHORT_UNITS.contains(&word.trim_end_matches('s')) || spaced && pronounceable)
            || word.len() >= 4 && pronounceable && (spaced || last.is_none())
        {
            self.push(Lexeme::Text(word));
        } else {
            for letter in word.chars() {
                self.push(Lexeme::Name(letter.to_string()));
            }
        }
        Some(())
    }

    fn digits(&mut self) -> String {
        self.run_of(|c| c.is_ascii_digit())
    }

    /// Steps over the characters from here on that are `wanted`.
    fn run_of(&mut self, wanted: fn(&char) -> bool) -> String {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let run: String = rest.iter().copied().take_while(wanted).collect();
        self.at += run.chars().count();
        run
    }

    fn number(&mut self) -> Option<()> {
        let mut whole = self.digits();
        if (1..=3).contains(&whole.len()) && !whole.starts_with('0') {
            while let Some(length) = self.thousands_separator() {
                self.at += length;
                whole.push_str(&self.digits());
            }
        }
        let mut fraction = String::new();
        let point = self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit());
        if point {
            self.at += 1;
            fraction = self.digits();
        }
        let exponent = self.exponent()?;
        let digits = format!("{whole}{fraction}");
        let mut value = BigRational::from_integer(BigInt::parse_bytes(digits.as_bytes(), 10)?);
        value /= pow(BigInt::from(10), fraction.len());
        if let Some((negative, size)) = exponent {
            let scale = pow(BigInt::from(10), size);
            if negative {
                value /= scale;
            } else {
                value *= scale;
            }
        }
        let plain = !point && exponent.is_none();
        self.push(Lexeme::Number(Number {
            value,
            digits: if plain { whole } else { String::new() },
            decimals: exponent.map_or(fraction.len(), |_| 0),
        }));
        Some(())
    }

    /// The length of a thousands separator here, if three digits and no fourth follow it.
    fn thousands_separator(&mut self) -> Option<usize> {
        let rest = self.chars.get(self.at..)?;
        let written = [
            &['{', ',', '}'][..],
            &[',', '\\', '!'],
            &['\\', ','],
            &['\\', ';'],
            &['\\', ' '],
        ]
        .into_iter()
        .find(|s| rest.starts_with(s));
        let mut length = written.map_or(1, <[char]>::len);
        let bare_comma = written.is_none() && rest.first() == Some(&',');
        if let Some(written) = written {
            if written.contains(&'!') && rest.get(length) == Some(&' ') {
                length += 1;
            }
        } else if bare_comma {
            if self.brackets > 0 {
                return None;
            }
        } else if !matches!(rest.first(), Some(' ' | '\u{a0}' | '\u{2009}' | '\u{202f}')) {
            return None;
        }
        let digits = rest
            .get(length..)?
            .iter()
            .take_while(|c| c.is_ascii_digit())
            .count();
        if digits != 3 {
            return None;
        }
        if bare_comma {
            self.out.ambiguous_comma = true;
            return self.group.then_some(length);
        }
        Some(length)
    }

    /// `e-5` directly after a number: (negative, size). `None` when the size is beyond reason.
    fn exponent(&mut self) -> Option<Option<(bool, usize)>> {
        if !matches!(self.peek(0), Some('e' | 'E')) {
            return Some(None);
        }
        let signed = matches!(self.peek(1), Some('+' | '-'));
        let first = self.peek(1 + usize::from(signed));
        if !first.is_some_and(|c| c.is_ascii_digit()) {
            return Some(None);
        }
        let negative = self.peek(1) == Some('-');
        self.at += 1 + usize::from(signed);
        let size: u32 = self.digits().parse().ok()?;
        (size <= MAX_EXPONENT).then_some(Some((negative, size as usize)))
    }
}
