//! Numbers with their bases, variables with their subscripts, and functions known by name only.

use super::Parser;
use crate::lexer::{Lexeme, Number};
use crate::node::{Constant, Node};

/// Letters that name a function, whatever stands in the bracket behind them.
const FUNCTION_LETTERS: &str = "f g h F G H φ ψ";

/// Letters that name a function when one variable stands in the bracket behind them.
const SOMETIMES_FUNCTIONS: &str = "p q r s u v w x y z φ σ τ ω θ";

impl Parser {
    pub(super) fn number(&mut self, number: Number) -> Option<Node> {
        if number.digits.is_empty() || !self.take('_') {
            return Some(Node::Number(number));
        }
        let base = self.number_base()?;
        let valid = (2..=36).contains(&base) && number.digits.chars().all(|d| d.is_digit(base));
        valid.then_some(Node::Based(number.digits, base))
    }

    /// The base of a number: `_8`, `_{16}`, `_{\text{two}}`.
    fn number_base(&mut self) -> Option<u32> {
        const WORDS: [(&str, u32); 9] = [
            ("two", 2),
            ("three", 3),
            ("four", 4),
            ("five", 5),
            ("six", 6),
            ("seven", 7),
            ("eight", 8),
            ("nine", 9),
            ("sixteen", 16),
        ];
        let braces = matches!(self.peek(), Some(Lexeme::Symbol('{')));
        if let Some(Lexeme::Text(word)) = self.ahead(usize::from(braces)) {
            let word = word.to_lowercase();
            let base = WORDS.iter().find(|(name, _)| *name == word)?.1;
            self.at += 1 + 2 * usize::from(braces);
            return Some(base);
        }
        self.digits()?.parse().ok()
    }

    pub(super) fn variable(&mut self, mut name: String) -> Option<Node> {
        if name == "C"
            && let Some(choices) = self.choices_of()
        {
            return Some(choices);
        }
        if let Some(based) = self.letters_in_base(&name) {
            return Some(based);
        }
        if self.take('_') {
            name = format!("{name}_{}", self.subscript()?);
        }
        if self.is_inverse(&name) {
            name.push('⁻');
            self.at += 4;
        }
        if self.applies(&name) {
            self.at += 1;
            let arguments = self.nested(Self::items)?;
            self.expect(')')?;
            return Some(Node::Apply(name, arguments));
        }
        Some(match name.as_str() {
            "i" => Node::Constant(Constant::I),
            "e" => Node::Constant(Constant::E),
            _ => Node::Variable(name),
        })
    }

    /// What stands below a name: digits, letters, words, commands (`n_{\max}`).
    fn subscript(&mut self) -> Option<String> {
        let braces = self.take('{');
        let mut subscript = String::new();
        loop {
            match self.peek() {
                Some(Lexeme::Number(number)) if !number.digits.is_empty() => {
                    subscript.push_str(&number.digits);
                }
                Some(Lexeme::Name(part) | Lexeme::Text(part)) => subscript.push_str(part),
                Some(Lexeme::Command(part)) if braces => subscript.push_str(part),
                Some(Lexeme::Symbol(sign @ ('+' | '-'))) if braces => subscript.push(*sign),
                _ => break,
            }
            self.at += 1;
            if !braces {
                break;
            }
        }
        if braces {
            self.expect('}')?;
        }
        (!subscript.is_empty()).then_some(subscript)
    }

    /// `^{-1}` and a bracket behind the letter of a function: its inverse, not its reciprocal.
    fn is_inverse(&self, name: &str) -> bool {
        let expected = ['^', '{', '-'];
        let signs = expected
            .iter()
            .enumerate()
            .all(|(ahead, sign)| self.ahead(ahead) == Some(&Lexeme::Symbol(*sign)));
        signs
            && is_one_of(name, FUNCTION_LETTERS)
            && matches!(self.ahead(3), Some(Lexeme::Number(one)) if one.digits == "1")
            && self.ahead(4) == Some(&Lexeme::Symbol('}'))
            && self.ahead(5) == Some(&Lexeme::Symbol('('))
    }

    /// Whether the bracket here holds the argument of the function `name`, rather than a factor:
    /// `f(x+1)`, `P(A)`, `y(0)`, but not `n(n+1)`.
    fn applies(&self, name: &str) -> bool {
        let Some(Lexeme::Symbol('(')) = self.peek() else {
            return false;
        };
        let stem = name.trim_end_matches(['′', '⁻']);
        let letter = stem.split('_').next().unwrap_or(stem);
        if matches!(stem, "i" | "e") {
            return false;
        }
        if is_one_of(letter, FUNCTION_LETTERS) || name.contains(['′', '⁻']) {
            return true;
        }
        let signed = usize::from(self.ahead(1) == Some(&Lexeme::Symbol('-')));
        let alone = self.ahead(2 + signed) == Some(&Lexeme::Symbol(')'));
        match self.ahead(1 + signed) {
            Some(Lexeme::Number(_)) => alone,
            Some(Lexeme::Name(_)) => {
                let capital = letter.chars().all(char::is_uppercase);
                alone && (capital || is_one_of(letter, SOMETIMES_FUNCTIONS))
            }
            _ => false,
        }
    }

    /// Combinations written with a C: `C(10,3)`, `C_{10}^{3}`.
    fn choices_of(&mut self) -> Option<Node> {
        let start = self.at;
        let found = if self.take('(') {
            let (top, bottom) = (self.plain_integer(), self.take(','));
            let lower = self.plain_integer().filter(|_| bottom);
            top.zip(lower).filter(|_| self.take(')'))
        } else if self.take('_') {
            let top = self.braced_integer();
            let lower = if self.take('^') {
                self.braced_integer()
            } else {
                None
            };
            top.zip(lower)
        } else {
            None
        };
        if found.is_none() {
            self.at = start;
        }
        found.map(|(top, lower)| Node::Call("binomial", vec![top, lower]))
    }

    /// `_{10}C_3`, behind its first underscore.
    pub(super) fn choices_before(&mut self) -> Option<Node> {
        let top = self.braced_integer()?;
        if self.peek() != Some(&Lexeme::Name("C".into())) {
            return None;
        }
        self.at += 1;
        self.expect('_')?;
        let lower = self.braced_integer()?;
        Some(Node::Call("binomial", vec![top, lower]))
    }

    fn plain_integer(&mut self) -> Option<Node> {
        match self.peek()? {
            Lexeme::Number(number) if !number.digits.is_empty() => {
                let number = number.clone();
                self.at += 1;
                Some(Node::Number(number))
            }
            _ => None,
        }
    }

    fn braced_integer(&mut self) -> Option<Node> {
        let braces = self.take('{');
        let number = self.plain_integer()?;
        (!braces || self.take('}')).then_some(number)
    }

    /// `A2_{16}`, `ABC_{16}`: digits above nine in a base, from the start of the answer.
    fn letters_in_base(&mut self, first: &str) -> Option<Node> {
        if self.at != 1 {
            return None;
        }
        let mut digits = first.to_owned();
        let mut ahead = 0;
        loop {
            match self.ahead(ahead)? {
                Lexeme::Name(letter) => digits.push_str(letter),
                Lexeme::Number(number) => digits.push_str(&number.digits),
                Lexeme::Symbol('_') => break,
                _ => return None,
            }
            ahead += 1;
        }
        let braces = usize::from(self.ahead(ahead + 1) == Some(&Lexeme::Symbol('{')));
        let Some(Lexeme::Number(base)) = self.ahead(ahead + 1 + braces) else {
            return None;
        };
        let base: u32 = base.digits.parse().ok()?;
        let ends = ahead + 2 + 2 * braces;
        let fits = (11..=36).contains(&base)
            && digits.chars().all(|d| d.is_digit(base))
            && self.at + ends == self.tokens.len();
        if !fits || digits.len() < 2 {
            return None;
        }
        self.at += ends;
        Some(Node::Based(digits, base))
    }
}

fn is_one_of(name: &str, letters: &str) -> bool {
    letters.split(' ').any(|letter| letter == name)
}
