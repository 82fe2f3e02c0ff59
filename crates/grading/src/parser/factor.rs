//! One factor: a base with everything written behind it, and the brackets around it.

use super::{Constant, Lexeme, Node, Parser, one_or};

impl Parser {
    /// A base with everything written behind it: exponent, factorial, percent, degrees.
    pub(super) fn factor(&mut self) -> Option<Node> {
        let base = self.base()?;
        self.postfix(base)
    }

    pub(super) fn postfix(&mut self, mut base: Node) -> Option<Node> {
        loop {
            base = match self.symbol() {
                Some('^') => {
                    self.at += 1;
                    if self.degree_sign() {
                        degrees(base)
                    } else {
                        let exponent = self.nested(Self::exponent)?;
                        Node::Power(Box::new(base), Box::new(exponent))
                    }
                }
                Some('°') => {
                    self.at += 1;
                    degrees(base)
                }
                Some('!') => {
                    self.at += 1;
                    let double = self.take('!');
                    Node::Call(
                        if double {
                            "double factorial"
                        } else {
                            "factorial"
                        },
                        vec![base],
                    )
                }
                Some('%') => {
                    self.at += 1;
                    Node::Percent(Box::new(base))
                }
                _ => return Some(base),
            };
            self.wrap()?;
        }
    }

    /// `°` or `{°}` after a caret.
    fn degree_sign(&mut self) -> bool {
        let start = self.at;
        let braces = self.take('{');
        if self.take('°') && (!braces || self.take('}')) {
            return true;
        }
        self.at = start;
        false
    }

    /// An exponent: right-associative, may carry a sign, and digits belong together (`x^10`).
    pub(super) fn exponent(&mut self) -> Option<Node> {
        if self.take('-') {
            return Some(Node::Negative(Box::new(self.nested(Self::exponent)?)));
        }
        let base = self.base()?;
        if self.take('^') {
            let exponent = self.nested(Self::exponent)?;
            return Some(Node::Power(Box::new(base), Box::new(exponent)));
        }
        Some(base)
    }

    pub(super) fn base(&mut self) -> Option<Node> {
        let token = self.peek()?.clone();
        self.at += 1;
        match token {
            Lexeme::Number(number) => self.number(number),
            Lexeme::Name(name) => self.variable(name),
            Lexeme::Text(words) => Some(Node::Text(words)),
            Lexeme::Command(name) => self.command(&name),
            Lexeme::Begin => self.nested(Self::matrix),
            Lexeme::Symbol('π') => Some(Node::Constant(Constant::Pi)),
            Lexeme::Symbol('∞') => Some(Node::Constant(Constant::Infinity)),
            Lexeme::Symbol('{') if self.take('}') => self.base(),
            Lexeme::Symbol('{') => self.nested(Self::group),
            Lexeme::Symbol('_') => self.choices_before(),
            Lexeme::Symbol('⦃') => self.set(),
            Lexeme::Symbol(open @ ('(' | '[' | ']' | '⟨')) => self.bracket(open),
            Lexeme::Symbol('|') => {
                self.bars += 1;
                let inner = self.nested(Self::sum);
                self.bars -= 1;
                self.expect('|')?;
                Some(Node::Call("abs", vec![inner?]))
            }
            Lexeme::Symbol(_) | Lexeme::End | Lexeme::RowBreak => None,
        }
    }

    /// `{…}`: a group in LaTeX, or a set written without backslashes when it contains commas;
    /// `{n \choose k}`.
    fn group(&mut self) -> Option<Node> {
        let inner = self.list()?;
        if self.take_command("choose") {
            let lower = self.sum()?;
            self.expect('}')?;
            return Some(Node::Call("binomial", vec![inner, lower]));
        }
        self.expect('}')?;
        Some(match inner {
            Node::List(items) => Node::Set(items),
            other => other,
        })
    }

    /// A set: its members, or a variable and its condition (`\{x \mid x > 1\}`), which is read as
    /// the condition.
    fn set(&mut self) -> Option<Node> {
        if self.take('⦄') {
            return Some(Node::Set(Vec::new()));
        }
        let builder = |parser: &Self| {
            let bar = |ahead| matches!(parser.ahead(ahead), Some(Lexeme::Symbol('|' | ':')));
            let member = matches!(parser.ahead(1), Some(Lexeme::Symbol('∈')))
                && matches!(parser.ahead(2), Some(Lexeme::Name(set)) if set == "ℝ");
            match parser.peek() {
                Some(Lexeme::Name(_)) if bar(1) => Some(2),
                Some(Lexeme::Name(_)) if member && bar(3) => Some(4),
                _ => None,
            }
        };
        if let Some(length) = builder(self) {
            self.at += length;
            let condition = self.nested(Self::relation)?;
            self.expect('⦄')?;
            return matches!(condition, Node::Relation(..) | Node::Member(..)).then_some(condition);
        }
        let items = self.nested(Self::items)?;
        self.expect('⦄')?;
        Some(Node::Set(items))
    }

    fn bracket(&mut self, open: char) -> Option<Node> {
        let bars = std::mem::take(&mut self.bars);
        let items = self.nested(Self::items);
        self.bars = bars;
        let items = items?;
        let close = self.symbol()?;
        let matching = matches!((open, close), ('(', ')') | ('[', ']') | ('⟨', '⟩'));
        // Only an interval may close with another kind than it opened with; some write an open end
        // as a bracket that is turned away: `]0,1[`.
        let interval = items.len() == 2 && matches!(close, ')' | ']' | '[');
        if !matching && !interval || open == '⟨' && close != '⟩' {
            return None;
        }
        self.at += 1;
        let open = if open == ']' { '(' } else { open };
        let close = if close == '[' { ')' } else { close };
        if open == '['
            && let Some(rows) = rows_of(&items)
        {
            return Some(Node::Matrix(rows));
        }
        Some(one_or(|items| Node::Bracket(open, close, items), items))
    }
}

/// The rows of a matrix that is written as a list of lists: `[[1,2],[3,4]]`.
fn rows_of(items: &[Node]) -> Option<Vec<Vec<Node>>> {
    let row = |item: &Node| match item {
        Node::Bracket('[', ']', row) => Some(row.clone()),
        _ => None,
    };
    let rows: Vec<Vec<Node>> = items.iter().map(row).collect::<Option<_>>()?;
    (rows.len() > 1).then_some(rows)
}

fn degrees(value: Node) -> Node {
    Node::Unit(Box::new(value), "degree".into())
}
