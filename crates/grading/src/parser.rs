//! From tokens to a [`Node`]: a recursive descent over the notation of answers.
//!
//! It accepts what people write under "the answer is" and gives up (`None`) on anything else, so
//! that the caller can fall back to comparing text. Depth is bounded; every loop consumes tokens.

mod command;
mod factor;
mod name;
mod unit;

use super::lexer::{self, Lexed, Lexeme, Number};
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
    let ambiguous = grouped.ambiguous_comma;
    let mut nodes: Vec<Node> = parse(grouped).into_iter().collect();
    if ambiguous {
        nodes.extend(lexer::lex(text, false).and_then(parse));
    }
    nodes
}

fn parse(lexed: Lexed) -> Option<Node> {
    let mut parser = Parser {
        tokens: lexed.tokens,
        at: 0,
        depth: 0,
        wraps: 0,
        bars: 0,
    };
    // "= 5" means 5, and so does "≈ 5".
    let _ = parser.take('=') || parser.take('≈');
    let node = parser.list()?;
    if parser.at != parser.tokens.len() || node.depth() >= MAX_TREE {
        return None;
    }
    // Square brackets around a whole value are a list of one; within an expression they group.
    if parser.is_bracketed() && node.is_scalar() {
        return Some(Node::Bracket('[', ']', vec![node]));
    }
    Some(match lexed.currency {
        Some(currency) if node.is_scalar() => Node::Unit(Box::new(node), currency.to_owned()),
        _ => node,
    })
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

    fn ahead(&self, tokens: usize) -> Option<&Lexeme> {
        self.tokens.get(self.at + tokens)
    }

    fn symbol(&self) -> Option<char> {
        match self.peek() {
            Some(Lexeme::Symbol(c)) => Some(*c),
            _ => None,
        }
    }

    /// Whether the first token is a square bracket that the last one closes.
    fn is_bracketed(&self) -> bool {
        let mut depth = 0_usize;
        let closes = self.tokens.iter().position(|token| {
            match token {
                Lexeme::Symbol('[') => depth += 1,
                Lexeme::Symbol(']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        self.tokens.len() > 1 && closes == Some(self.tokens.len() - 1)
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

    /// Steps over the command `name` if it is next.
    fn take_command(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Some(Lexeme::Command(next)) if next == name);
        self.at += usize::from(found);
        found
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
        let mut sides = vec![self.ratio()?];
        let mut signs = Vec::new();
        loop {
            let sign = match self.symbol() {
                Some('=') => Relation::Equal,
                Some('<') => Relation::Less,
                Some('>') => Relation::Greater,
                Some('≤') => Relation::LessEqual,
                Some('≥') => Relation::GreaterEqual,
                Some('≠') => Relation::NotEqual,
                Some('≈') => Relation::Approximately,
                Some('≡') => Relation::Congruent,
                Some('∈') if sides.len() == 1 => {
                    self.at += 1;
                    let member = sides.pop()?;
                    return Some(Node::Member(Box::new(member), Box::new(self.sets()?)));
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
            sides.push(self.ratio()?);
        }
        Some(one_or(|sides| Node::Relation(sides, signs), sides))
    }

    /// `3:2`, `1:2:3`, `12:30`.
    fn ratio(&mut self) -> Option<Node> {
        let mut parts = vec![self.sets()?];
        let two_digits = |token: Option<&Lexeme>| matches!(token, Some(Lexeme::Number(n)) if n.digits.len() == 2);
        let mut clock = matches!(&parts[0], Node::Number(n) if (1..=2).contains(&n.digits.len()));
        while self.take(':') {
            clock = clock && two_digits(self.peek());
            parts.push(self.sets()?);
        }
        Some(one_or(|parts| Node::Ratio(parts, clock), parts))
    }

    /// Unions, intersections and differences of sets; anything else is its own only member.
    fn sets(&mut self) -> Option<Node> {
        let mut members = vec![self.difference()?];
        while self.take('∪') {
            members.push(self.difference()?);
        }
        Some(one_or(Node::Union, members))
    }

    fn difference(&mut self) -> Option<Node> {
        let mut shared = vec![self.sum()?];
        while self.take('∩') {
            shared.push(self.sum()?);
        }
        let mut left = one_or(Node::Intersection, shared);
        while self.take('∖') {
            self.wrap()?;
            left = Node::Without(Box::new(left), Box::new(self.sum()?));
        }
        Some(left)
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
                    '-' => negative(term),
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
            } else if self.take_command("bmod") {
                self.wrap()?;
                left = Node::Call("mod", vec![left, self.factor()?]);
            } else if self.take_command("pmod") {
                left = self.modulus(left)?;
            } else if let Some(Lexeme::Text(_)) = self.peek() {
                left = self.unit(left)?;
            } else if self.starts_factor() {
                // A value, words, another value: that is a sentence.
                if matches!(&left, Node::Unit(_, unit) if unit != "degree") {
                    return None;
                }
                left = match self.mixed_fraction(&left) {
                    Some(fraction) => self.postfix(Node::Sum(vec![left, fraction]))?,
                    None => self.times_factor(left)?,
                };
            } else {
                return Some(left);
            }
        }
    }

    fn signed_factor(&mut self) -> Option<Node> {
        if self.take('-') {
            Some(Node::Negative(Box::new(self.factor()?)))
        } else {
            self.factor()
        }
    }

    /// The next factor, multiplied without a sign. `\frac{\text{m}}{\text{s}}` is a unit.
    fn times_factor(&mut self, left: Node) -> Option<Node> {
        Some(match self.factor()? {
            Node::Quotient(top, bottom) => match (*top, *bottom) {
                (Node::Text(unit), Node::Text(per)) => {
                    Node::Unit(Box::new(left), format!("{unit}/{per}"))
                }
                (top, bottom) => times(left, Node::Quotient(Box::new(top), Box::new(bottom))),
            },
            right => times(left, right),
        })
    }

    /// Whether the next token can begin a factor that is multiplied without a sign.
    fn starts_factor(&self) -> bool {
        match self.peek() {
            // Two adjacent numbers are a mixed number or a mistake, never a product.
            Some(Lexeme::Number(_)) => {
                self.at > 0 && !matches!(self.tokens.get(self.at - 1), Some(Lexeme::Number(_)))
                    || matches!(self.ahead(1), Some(Lexeme::Symbol('/')))
            }
            Some(Lexeme::Command(name)) => !matches!(name.as_str(), "rfloor" | "rceil" | "choose"),
            Some(Lexeme::Name(_) | Lexeme::Begin) => true,
            // A bracket that is turned away closes an interval: `[0,1[`.
            Some(Lexeme::Symbol('[')) => !matches!(
                self.ahead(1),
                None | Some(Lexeme::Symbol('∪' | '∩' | '∖' | ',' | ';'))
            ),
            Some(Lexeme::Symbol(c)) => {
                matches!(c, '(' | '{' | 'π' | '∞') || (*c == '|' && self.bars == 0)
            }
            _ => false,
        }
    }
}

/// The only node, or what several make together.
fn one_or(several: impl FnOnce(Vec<Node>) -> Node, mut nodes: Vec<Node>) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => several(nodes.into_iter().chain(last).collect()),
    }
}

/// The unit of a negative value is that of the value.
fn negative(term: Node) -> Node {
    match term {
        Node::Unit(inner, unit) => Node::Unit(Box::new(negative(*inner)), unit),
        term => Node::Negative(Box::new(term)),
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

fn times(left: Node, right: Node) -> Node {
    match left {
        Node::Product(mut factors) => {
            factors.push(right);
            Node::Product(factors)
        }
        left => Node::Product(vec![left, right]),
    }
}
