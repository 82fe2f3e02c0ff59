//! What stands behind a value: its unit, the rest of a mixed number, a modulus.

use super::{Parser, small_integer};
use crate::lexer::Lexeme;
use crate::node::Node;
use crate::units;

impl Parser {
    /// What follows a slash: a divisor, or the second half of a unit such as miles / hour.
    pub(super) fn divide(&mut self, left: Node) -> Option<Node> {
        self.wrap()?;
        if let (Node::Unit(..), Some(Lexeme::Text(_))) = (&left, self.peek()) {
            let Node::Unit(value, unit) = left else {
                return None;
            };
            let Node::Unit(_, per) = self.unit(small_integer(1))? else {
                return None;
            };
            return Some(Node::Unit(value, format!("{unit}/{per}")));
        }
        let right = self.signed_factor()?;
        Some(Node::Quotient(Box::new(left), Box::new(right)))
    }

    /// Words behind a value, with their power: `inches^2`. Words that say something else of the value
    /// ("or more", "to", "not") are no unit, and no answer that is understood.
    pub(super) fn unit(&mut self, value: Node) -> Option<Node> {
        self.wrap()?;
        let mut words = String::new();
        while let Some(Lexeme::Text(word)) = self.peek() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word.trim());
            self.at += 1;
            if self.take('^') {
                words.push('^');
                words.push_str(&self.unit_power()?);
            }
        }
        (!units::qualifies(&words)).then(|| Node::Unit(Box::new(value), words))
    }

    fn unit_power(&mut self) -> Option<String> {
        let braces = self.take('{');
        let sign = if self.take('-') { "-" } else { "" };
        let digits = self.digits()?;
        if braces {
            self.expect('}')?;
        }
        Some(format!("{sign}{digits}"))
    }

    /// A number as written, in braces or not: a unit's power, a number's base.
    pub(super) fn digits(&mut self) -> Option<String> {
        let braces = self.take('{');
        let Some(Lexeme::Number(number)) = self.peek() else {
            return None;
        };
        let digits = number.digits.clone();
        self.at += 1;
        if braces {
            self.expect('}')?;
        }
        Some(digits)
    }

    /// `\pmod 5`: the value is a remainder, and its modulus is kept as a unit is.
    pub(super) fn modulus(&mut self, value: Node) -> Option<Node> {
        self.wrap()?;
        let modulus = self.nested(Self::base)?;
        let Node::Number(number) = modulus else {
            return None;
        };
        Some(Node::Unit(Box::new(value), format!("mod {}", number.value)))
    }

    /// The fraction of a mixed number, if `whole` is an integer directly followed by one.
    pub(super) fn mixed_fraction(&mut self, whole: &Node) -> Option<Node> {
        if !matches!(whole, Node::Number(n) if !n.digits.is_empty()) {
            return None;
        }
        let start = self.at;
        let fraction = match self.peek() {
            Some(Lexeme::Command(name)) if name == "frac" => self.base(),
            Some(Lexeme::Number(_)) => {
                let top = self.base();
                let slash = self.take('/');
                let bottom = if slash { self.base() } else { None };
                top.zip(bottom)
                    .map(|(t, b)| Node::Quotient(Box::new(t), Box::new(b)))
            }
            _ => None,
        };
        match fraction {
            Some(Node::Quotient(top, bottom)) if is_proper(&top, &bottom) => {
                Some(Node::Quotient(top, bottom))
            }
            _ => {
                self.at = start;
                None
            }
        }
    }
}

/// Whether two integers make a fraction below one: `4 10/3` is a slip, not a mixed number.
fn is_proper(top: &Node, bottom: &Node) -> bool {
    match (top, bottom) {
        (Node::Number(top), Node::Number(bottom)) => {
            !top.digits.is_empty() && !bottom.digits.is_empty() && top.value < bottom.value
        }
        _ => false,
    }
}
