//! From answer text to tokens: LaTeX, plain text and Unicode signs meet in one alphabet.
//!
//! This is where spelling variants end: `\dfrac` and `\frac`, `\cdot` and `×`, `1{,}000` and
//! `1 000` leave as the same tokens. It knows nothing of grammar.

mod command;
mod number;
mod word;

use super::node::FUNCTIONS;
use num_bigint::BigInt;
use num_rational::BigRational;

/// The longest answer that is read as mathematics, in bytes; longer ones are compared as text.
pub const MAX_BYTES: usize = 2048;

/// The alphabet of the parser.
#[derive(Debug, Clone, PartialEq)]
pub enum Lexeme {
    /// A literal number.
    Number(Number),
    /// A variable: one letter with its primes.
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

    /// A value that is not written as plain digits.
    pub fn of(value: BigRational) -> Self {
        Self {
            value,
            digits: String::new(),
            decimals: 0,
        }
    }
}

/// The tokens of an answer.
#[derive(Debug, Default)]
pub struct Lexed {
    pub tokens: Vec<Lexeme>,
    /// Some comma was read as a thousands separator although it could separate a list.
    pub ambiguous_comma: bool,
    /// The currency that a sign names: it stands before the number, where no other unit does.
    pub currency: Option<&'static str>,
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
        environments: Vec::new(),
        out: Lexed::default(),
    };
    lexer.run()?;
    Some(lexer.out)
}

/// Whether a plain word means what the LaTeX command of the same name means.
fn is_plain_command(word: &str) -> bool {
    matches!(word, "sqrt" | "gcd" | "lcm" | "max" | "min") || FUNCTIONS.contains(&word)
}

/// Whether a plain word has a meaning in mathematics: a function, or a LaTeX environment.
pub fn is_known_word(word: &str) -> bool {
    is_plain_command(word)
        || matches!(
            word,
            "infinity" | "inf" | "infty" | "array" | "aligned" | "align"
        )
        || word.ends_with("matrix")
}

/// Signs of currencies, and the unit each stands for.
const CURRENCIES: [(char, &str); 4] = [
    ('€', "euro"),
    ('£', "pound sterling"),
    ('¥', "yen"),
    ('₹', "rupee"),
];

/// What the cells and rows of an open environment make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Environment {
    Matrix,
    /// A matrix between bars.
    Determinant,
    /// Lines of one formula (`aligned`): neither `&` nor `\\` means anything.
    Layout,
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    group: bool,
    brackets: usize,
    /// The open environments, the innermost last.
    environments: Vec<Environment>,
    out: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Whether the text goes on with `wanted`.
    fn looking_at(&self, wanted: &str) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        wanted
            .chars()
            .enumerate()
            .all(|(index, c)| rest.get(index) == Some(&c))
    }

    /// Steps over `wanted` if the text goes on with it.
    fn step_over(&mut self, wanted: &str) -> bool {
        let found = self.looking_at(wanted);
        if found {
            self.at += wanted.chars().count();
        }
        found
    }

    fn push(&mut self, token: Lexeme) {
        self.out.tokens.push(token);
    }

    fn last(&self) -> Option<&Lexeme> {
        self.out.tokens.last()
    }

    /// Whether the last token ends a value, so that words behind it may be its unit.
    fn after_value(&self) -> bool {
        matches!(
            self.last(),
            Some(Lexeme::Number(_) | Lexeme::Text(_) | Lexeme::Symbol('°' | '%'))
        )
    }

    fn run(&mut self) -> Option<()> {
        let mut spaced = false;
        while let Some(c) = self.peek(0) {
            if c.is_whitespace() || c == '~' || c == '$' {
                self.at += 1;
                spaced |= c != '$';
                continue;
            }
            if self.step_over("...") {
                continue;
            }
            let before = self.out.tokens.len();
            match c {
                '\\' => self.command()?,
                '0'..='9' => self.number()?,
                '.' if self.begins_decimals() => self.number()?,
                'a'..='z' | 'A'..='Z' => self.word(spaced)?,
                '(' if spaced && self.repeats_value() => self.symbol(';'),
                _ => {
                    self.at += 1;
                    self.sign(c)?;
                }
            }
            // Spacing commands add no token: they count as white space before the next one.
            spaced = self.out.tokens.len() == before;
        }
        // Punctuation after the answer says nothing, and neither does a last line's end.
        let silent = |token: &mut Lexeme| {
            matches!(
                token,
                Lexeme::Symbol('.' | ',' | ';' | '*') | Lexeme::RowBreak
            )
        };
        while self.out.tokens.pop_if(silent).is_some() {}
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
        if superscript(c).is_some() || subscript(c).is_some() {
            self.at -= 1;
            return self.raised_or_lowered();
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
        if let Some((_, unit)) = CURRENCIES.iter().find(|(sign, _)| *sign == c) {
            self.out.currency = Some(unit);
            return Some(());
        }
        match c {
            '!' if self.peek(0) == Some('=') => {
                self.at += 1;
                self.symbol('≠');
            }
            '(' if self.after_value() && self.note() => {}
            '&' if self.environments.last() == Some(&Environment::Layout) => {}
            '+' | '/' | '^' | '_' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | ':' | '='
            | '<' | '>' | '|' | '!' | '&' | '%' | '°' | '±' | '∓' | '∪' | '∩' | '∈' | '≤' | '≥'
            | '≠' | '≈' | '≡' | '∞' | '⟨' | '⟩' | '.' | 'π' => self.symbol(c),
            '-' | '−' | '–' | '‒' | '—' => self.symbol('-'),
            '*' if self.peek(0) == Some('*') => {
                self.at += 1;
                self.symbol('^');
            }
            '*' | '×' | '·' | '⋅' | '∗' => self.symbol('*'),
            '÷' | '∕' => self.symbol('/'),
            '∖' => self.symbol('∖'),
            '∅' => self.push(Lexeme::Command("emptyset".into())),
            '√' => self.push(Lexeme::Command("sqrt".into())),
            '∠' => self.push(Lexeme::Command("angle".into())),
            'α'..='ω' | 'Α'..='Ω' | 'ℝ' | 'ℤ' | 'ℕ' | 'ℚ' | 'ℂ' => {
                self.push(Lexeme::Name(c.to_string()));
            }
            '或' | '和' | '与' => self.symbol(';'),
            '\'' | '′' | '’' => match self.out.tokens.last_mut() {
                Some(Lexeme::Name(name)) => name.push('′'),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    /// Whether the bracket here, set apart behind a value, ends the answer and holds a number: the same
    /// value again, as in `0.5 (\frac12)` and `twelve (12)`, and no factor.
    fn repeats_value(&self) -> bool {
        let rest: String = self
            .chars
            .get(self.at..)
            .unwrap_or_default()
            .iter()
            .collect();
        let inner = rest
            .trim_end()
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'));
        let inner = inner.map(|inner| inner.replace("\\frac", "").replace("\\dfrac", ""));
        let number = |c: char| c.is_ascii_digit() || "{}./,%-$ ".contains(c);
        matches!(self.last(), Some(Lexeme::Number(_)))
            && inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(number))
    }

    /// Words in brackets behind a value (`9 (apples)`): its unit. Steps over them.
    fn note(&mut self) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|c| !(c.is_alphabetic() || *c == ' ')) else {
            return false;
        };
        let words: String = rest.iter().take(length).collect();
        let words = words.trim();
        if rest.get(length) != Some(&')') || words.len() < 3 || is_known_word(words) {
            return false;
        }
        self.push(Lexeme::Text(words.to_owned()));
        self.at += length + 1;
        true
    }

    /// A run of raised or lowered characters: `⁻³`, `₁₀`.
    fn raised_or_lowered(&mut self) -> Option<()> {
        let read = match self.peek(0).and_then(superscript) {
            Some(_) => superscript,
            None => subscript,
        };
        self.symbol(if read('⁰').is_some() { '^' } else { '_' });
        self.symbol('{');
        let mut digits = String::new();
        while let Some(c) = self.peek(0).and_then(read) {
            self.at += 1;
            match c {
                '0'..='9' => digits.push(c),
                '-' if digits.is_empty() => self.symbol('-'),
                _ => return None,
            }
        }
        self.push(Lexeme::Number(Number::integer(&digits)?));
        self.symbol('}');
        Some(())
    }

    /// Steps over the characters from here on that are `wanted`.
    fn run_of(&mut self, wanted: fn(&char) -> bool) -> String {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let run: String = rest.iter().copied().take_while(wanted).collect();
        self.at += run.chars().count();
        run
    }

    fn digits(&mut self) -> String {
        self.run_of(char::is_ascii_digit)
    }
}

fn superscript(c: char) -> Option<char> {
    let at = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻".chars().position(|raised| raised == c)?;
    "0123456789-".chars().nth(at)
}

fn subscript(c: char) -> Option<char> {
    let at = "₀₁₂₃₄₅₆₇₈₉".chars().position(|lowered| lowered == c)?;
    "0123456789".chars().nth(at)
}
