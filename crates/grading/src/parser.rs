//! From tokens to a [`Node`]: a recursive descent over the notation of answers.
//!
//! It accepts what people write under "the answer is" and gives up (`None`) on anything else, so
//! that the caller can fall back to comparing text. Depth is bounded; every loop consumes tokens.

mod command;

use super::lexer::{self, Lexeme, Number};
use super::node::{Constant, Node, Relation};

/// How deep brackets, fractions and exponents may nest.
const MAX_DEPTH: usize = 24;
/// The greatest depth of the tree, because walking it is recursive.
const MAX_TREE: usize = 80;
/// How many postfixes, slashes and units one answer may hold: each nests the tree by one.
const MAX_WRAPS: usize = 200;

/// All sensible readings of an answer, the most likely first: two where a comma could separate
/// either thousands or a list, none where the text is not mathematics.
pub fn readings(text: &str) -> Vec<Node> {
    let Some(grouped) = lexer::lex(text, true) else {
        return Vec::new();
    };
    let mut nodes: Vec<Node> = parse(grouped.tokens).into_iter().collect();
    if grouped.ambiguous_comma {
        nodes.extend(lexer::lex(text, false).and_then(|lexed| parse(lexed.tokens)));
    }
    nodes
}

fn parse(tokens: Vec<Lexeme>) -> Option<Node> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        wraps: 0,
        bars: 0,
    };
    // "= 5" means 5.
    parser.take('=');
    let node = parser.list()?;
    (parser.at == parser.tokens.len() && node.depth() <= MAX_TREE).then_some(node)
}

struct Parser {
    tokens: Vec<Lexeme>,
    at: usize,
    /// Open brackets and arguments around the current token.
    depth: usize,
    /// Postfixes, slashes and units read so far.
    wraps: usize,
    /// Open absolute values: inside one, a bar closes rather than opens.
    bars: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Lexeme> {
        self.tokens.get(self.at)
    }

    fn symbol(&self) -> Option<char> {
        match self.peek() {
            Some(Lexeme::Symbol(c)) => Some(*c),
            _ => None,
        }
    }

    /// Steps over `c` if it is next.
    fn take(&mut self, c: char) -> bool {
        let found = self.symbol() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.take(c).then_some(())
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Counts one more layer around what was read so far.
    fn wrap(&mut self) -> Option<()> {
        self.wraps += 1;
        (self.wraps <= MAX_WRAPS).then_some(())
    }

    /// Items separated by commas, semicolons or "and"; a single item is returned as it is.
    fn list(&mut self) -> Option<Node> {
        Some(one_or(Node::List, self.items()?))
    }

    fn items(&mut self) -> Option<Vec<Node>> {
        let mut items = vec![self.relation()?];
        loop {
            let separators = self.at;
            while self.take(',') || self.take(';') {}
            if self.at == separators {
                return Some(items);
            }
            items.push(self.relation()?);
        }
    }

    fn relation(&mut self) -> Option<Node> {
        let mut sides = vec![self.union()?];
        let mut signs = Vec::new();
        loop {
            let sign = match self.symbol() {
                Some('=') => Relation::Equal,
                Some('<') => Relation::Less,
                Some('>') => Relation::Greater,
                Some('≤') => Relation::LessEqual,
                Some('≥') => Relation::GreaterEqual,
                Some('∈') if sides.len() == 1 => {
                    self.at += 1;
                    let member = sides.pop()?;
                    return Some(Node::Member(Box::new(member), Box::new(self.union()?)));
                }
                _ => break,
            };
            self.at += 1;
            let or_equal = matches!(sign, Relation::Less | Relation::Greater) && self.take('=');
            signs.push(match sign {
                Relation::Less if or_equal => Relation::LessEqual,
                Relation::Greater if or_equal => Relation::GreaterEqual,
                other => other,
            });
            sides.push(self.union()?);
        }
        Some(one_or(|sides| Node::Relation(sides, signs), sides))
    }

    fn union(&mut self) -> Option<Node> {
        let mut members = vec![self.sum()?];
        while self.take('∪') {
            members.push(self.sum()?);
        }
        Some(one_or(Node::Union, members))
    }

    fn sum(&mut self) -> Option<Node> {
        let mut terms = Vec::new();
        loop {
            let mut wrap: Vec<char> = Vec::new();
            while let Some(sign @ ('+' | '-' | '±' | '∓')) = self.symbol() {
                self.at += 1;
                // Signs pile up only in nonsense; two cover `a - -b`.
                if wrap.len() == 2 {
                    return None;
                }
                wrap.push(sign);
            }
            if !terms.is_empty() && wrap.is_empty() {
                break;
            }
            let mut term = self.product()?;
            for sign in wrap.into_iter().rev() {
                term = match sign {
                    '-' => Node::Negative(Box::new(term)),
                    '±' => Node::PlusMinus(true, Box::new(term)),
                    '∓' => Node::PlusMinus(false, Box::new(term)),
                    _ => term,
                };
            }
            terms.push(term);
        }
        Some(one_or(Node::Sum, terms))
    }

    fn product(&mut self) -> Option<Node> {
        let mut left = self.factor()?;
        loop {
            if self.take('*') {
                let right = self.signed_factor()?;
                left = times(left, right);
            } else if self.take('/') {
                left = self.divide(left)?;
            } else if let Some(Lexeme::Text(_)) = self.peek() {
                left = self.unit(left)?;
            } else if self.starts_factor() {
                // A value, words, another value: that is a sentence.
                if matches!(&left, Node::Unit(_, unit) if unit != "degree") {
                    return None;
                }
                left = match self.mixed_fraction(&left) {
                    Some(fraction) => Node::Sum(vec![left, fraction]),
                    None => times(left, self.factor()?),
                };
            } else {
                return Some(left);
            }
        }
    }

    /// What follows a slash: a divisor, or the second half of a unit such as miles / hour.
    fn divide(&mut self, left: Node) -> Option<Node> {
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

    fn signed_factor(&mut self) -> Option<Node> {
        if self.take('-') {
            Some(Node::Negative(Box::new(self.factor()?)))
        } else {
            self.factor()
        }
    }

    /// Words behind a value, with their power: `inches^2`.
    fn unit(&mut self, value: Node) -> Option<Node> {
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
                words.push_str(&self.digits()?);
            }
        }
        Some(Node::Unit(Box::new(value), words))
    }

    /// A number as written, in braces or not: a unit's power, a number's base.
    fn digits(&mut self) -> Option<String> {
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

    /// The fraction of a mixed number, if `whole` is an integer directly followed by one.
    fn mixed_fraction(&mut self, whole: &Node) -> Option<Node> {
        if !matches!(whole, Node::Number(n) if !n.digits.is_empty()) {
            return None;
        }
        let start = self.at;
        let fraction = match self.peek() {
            Some(Lexeme::Command(name)) if name == "frac" => self.factor(),
            Some(Lexeme::Number(_)) => {
                let top = self.factor();
                let slash = self.take('/');
                let bottom = if slash { self.factor() } else { None };
                top.zip(bottom)
                    .map(|(t, b)| Node::Quotient(Box::new(t), Box::new(b)))
            }
            _ => None,
        };
        let integer = |n: &Node| matches!(n, Node::Number(n) if !n.digits.is_empty());
        match fraction {
            Some(Node::Quotient(top, bottom)) if integer(&top) && integer(&bottom) => {
                Some(Node::Quotient(top, bottom))
            }
            _ => {
                self.at = start;
                None
            }
        }
    }

    /// Whether the next token can begin a factor that is multiplied without a sign.
    fn starts_factor(&self) -> bool {
        match self.peek() {
            // Two adjacent numbers are a mixed number or a mistake, never a product.
            Some(Lexeme::Number(_)) => {
                self.at > 0 && !matches!(self.tokens.get(self.at - 1), Some(Lexeme::Number(_)))
                    || matches!(self.tokens.get(self.at + 1), Some(Lexeme::Symbol('/')))
            }
            Some(Lexeme::Command(name)) => !matches!(name.as_str(), "rfloor" | "rceil"),
            Some(Lexeme::Name(_) | Lexeme::Begin) => true,
            Some(Lexeme::Symbol(c)) => {
                matches!(c, '(' | '[' | '{' | 'π' | '∞') || (*c == '|' && self.bars == 0)
            }
            _ => false,
        }
    }

    /// A base with everything written behind it: exponent, factorial, percent, degrees.
    fn factor(&mut self) -> Option<Node> {
        let base = self.base()?;
        self.postfix(base)
    }

    fn postfix(&mut self, mut base: Node) -> Option<Node> {
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
                    Node::Call("factorial", vec![base])
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
    fn exponent(&mut self) -> Option<Node> {
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

    fn base(&mut self) -> Option<Node> {
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
            Lexeme::Symbol('{') => self.nested(Self::group),
            Lexeme::Symbol('⦃') => {
                if self.take('⦄') {
                    return Some(Node::Set(Vec::new()));
                }
                let items = self.nested(Self::items)?;
                self.expect('⦄')?;
                Some(Node::Set(items))
            }
            Lexeme::Symbol(open @ ('(' | '[' | '⟨')) => self.bracket(open),
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

    /// `{…}`: a group in LaTeX, or a set written without backslashes when it contains commas.
    fn group(&mut self) -> Option<Node> {
        let inner = self.list()?;
        self.expect('}')?;
        Some(match inner {
            Node::List(items) => Node::Set(items),
            other => other,
        })
    }

    fn bracket(&mut self, open: char) -> Option<Node> {
        let bars = std::mem::take(&mut self.bars);
        let items = self.nested(Self::items);
        self.bars = bars;
        let items = items?;
        let close = self.symbol()?;
        let matching = matches!((open, close), ('(', ')') | ('[', ']') | ('⟨', '⟩'));
        // Only an interval may close with another kind than it opened with.
        let interval = items.len() == 2 && matches!(close, ')' | ']');
        if !matching && !interval {
            return None;
        }
        self.at += 1;
        Some(one_or(|items| Node::Bracket(open, close, items), items))
    }
}

/// The only node, or what several make together.
fn one_or(several: impl FnOnce(Vec<Node>) -> Node, mut nodes: Vec<Node>) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => several(nodes.into_iter().chain(last).collect()),
    }
}

fn small_integer(value: u8) -> Node {
    let number = num_rational::BigRational::from_integer(value.into());
    Node::Number(Number {
        value: number,
        digits: value.to_string(),
        decimals: 0,
    })
}

fn degrees(value: Node) -> Node {
    Node::Unit(Box::new(value), "degree".into())
}

fn times(left: Node, right: Node) -> Node {
    match left {
        Node::Product(mut factors) => {
            factors.push(right);
            Node::Product(factors)
        }
        left => Node::Product(vec![left, right]),
    }
}
