//! Commands and matrices: the parts of an expression that begin with a command's name.

use super::{Parser, small_integer, times};
use crate::lexer::{Lexeme, Number};
use crate::node::{FUNCTIONS, Node};

impl Parser {
    /// The argument of a command: a group, or one token. Of a bare run of digits LaTeX takes the
    /// first, which is what `\frac12` means.
    fn argument(&mut self) -> Option<Node> {
        if let Some(Lexeme::Number(number)) = self.peek().cloned()
            && number.digits.len() > 1
        {
            let (first, rest) = number.digits.split_at(1);
            let token = self.tokens.get_mut(self.at)?;
            *token = Lexeme::Number(Number::integer(rest)?);
            return Some(Node::Number(Number::integer(first)?));
        }
        self.nested(Self::base)
    }

    pub(super) fn command(&mut self, name: &str) -> Option<Node> {
        match name {
            "frac" => {
                let top = self.argument()?;
                let bottom = self.argument()?;
                Some(Node::Quotient(Box::new(top), Box::new(bottom)))
            }
            "binom" => {
                let top = self.argument()?;
                let bottom = self.argument()?;
                Some(Node::Call("binomial", vec![top, bottom]))
            }
            "sqrt" => {
                let mut index = small_integer(2);
                if self.take('[') {
                    index = self.nested(Self::sum)?;
                    self.expect(']')?;
                }
                let radicand = self.nested(Self::base)?;
                Some(Node::Root(Box::new(radicand), Box::new(index)))
            }
            "lfloor" | "lceil" => {
                let inner = self.nested(Self::sum)?;
                let (closer, function) = if name == "lfloor" {
                    ("rfloor", "floor")
                } else {
                    ("rceil", "ceil")
                };
                if self.peek() != Some(&Lexeme::Command(closer.into())) {
                    return None;
                }
                self.at += 1;
                Some(Node::Call(function, vec![inner]))
            }
            "emptyset" => Some(Node::Set(Vec::new())),
            "angle" | "triangle" => self.figure(name),
            "gcd" | "lcm" | "max" | "min" => {
                let function = ["gcd", "lcm", "max", "min"]
                    .into_iter()
                    .find(|known| *known == name)?;
                let set = self.take('⦃');
                if !set {
                    self.expect('(')?;
                }
                let arguments = self.nested(Self::items)?;
                self.expect(if set { '⦄' } else { ')' })?;
                Some(Node::Call(function, arguments))
            }
            _ => {
                let function = FUNCTIONS.into_iter().find(|known| *known == name)?;
                self.nested(|parser| parser.call(function))
            }
        }
    }

    /// `\angle ABC`: one name.
    fn figure(&mut self, name: &str) -> Option<Node> {
        let mut figure = format!("{name} ");
        while let Some(Lexeme::Name(letter)) = self.peek() {
            figure.push_str(letter);
            self.at += 1;
        }
        (figure.len() > name.len() + 1).then_some(Node::Variable(figure))
    }

    /// A function with its power (`\sin^2 x`), base (`\log_2 8`) and argument (`\sin 2x`).
    fn call(&mut self, mut function: &'static str) -> Option<Node> {
        let mut power = None;
        let mut arguments = Vec::new();
        if self.take('_') {
            arguments.push(self.argument()?);
        }
        if self.take('^') {
            power = Some(self.exponent()?);
        }
        if matches!(&power, Some(Node::Negative(one)) if matches!(&**one, Node::Number(n) if n.digits == "1"))
        {
            function = match function {
                "sin" => "arcsin",
                "cos" => "arccos",
                "tan" => "arctan",
                _ => return None,
            };
            power = None;
        }
        let bracketed = matches!(self.symbol(), Some('(' | '{' | '[' | '|'));
        let mut argument = if bracketed {
            self.base()?
        } else {
            self.factor()?
        };
        let function_next = |parser: &Self| matches!(parser.peek(), Some(Lexeme::Command(name)) if FUNCTIONS.contains(&name.as_str()));
        while !bracketed && self.starts_factor() && !function_next(self) {
            argument = times(argument, self.factor()?);
        }
        arguments.insert(0, argument);
        let call = Node::Call(function, arguments);
        Some(match power {
            Some(power) => Node::Power(Box::new(call), Box::new(power)),
            None => call,
        })
    }

    /// The rows between `\begin{…}` and `\end{…}`.
    pub(super) fn matrix(&mut self) -> Option<Node> {
        let mut rows = Vec::new();
        let mut row = Vec::new();
        loop {
            match self.peek()? {
                Lexeme::End => break,
                Lexeme::RowBreak => {
                    self.at += 1;
                    rows.push(std::mem::take(&mut row));
                }
                Lexeme::Symbol('&') => self.at += 1,
                _ => row.push(self.sum()?),
            }
        }
        self.at += 1;
        if !row.is_empty() {
            rows.push(row);
        }
        Some(Node::Matrix(rows))
    }
}
