//! The tree an answer is read into: one type for numbers, expressions, and the shapes built of
//! them (tuples, intervals, sets, matrices, relations).

use super::lexer::Number;

/// A constant with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant {
    /// π.
    Pi,
    /// The base of the natural logarithm.
    E,
    /// The imaginary unit.
    I,
    /// ∞; it has no value, but it equals itself.
    Infinity,
}

/// The sign between two sides of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `≤`
    LessEqual,
    /// `>`
    Greater,
    /// `≥`
    GreaterEqual,
}

/// The functions that are written by their names. Others have a notation of their own: `floor`,
/// `ceil`, `factorial` and `binomial`.
pub const FUNCTIONS: [&str; 16] = [
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "log", "ln", "exp", "abs",
];

/// An answer, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A literal number.
    Number(Number),
    /// Digits in a base from 2 to 36: `52_8`.
    Based(String, u32),
    /// A named constant.
    Constant(Constant),
    Variable(String),
    Text(String),
    Negative(Box<Node>),
    /// `±` (true) or `∓` (false) something: two values, one choice of sign for the whole answer.
    PlusMinus(bool, Box<Node>),
    Sum(Vec<Node>),
    Product(Vec<Node>),
    /// Numerator over denominator.
    Quotient(Box<Node>, Box<Node>),
    /// Base to an exponent.
    Power(Box<Node>, Box<Node>),
    /// The root of the first with the index of the second.
    Root(Box<Node>, Box<Node>),
    /// A function, by its name, of one argument (a second one is a logarithm's base or a binomial's
    /// lower entry).
    Call(&'static str, Vec<Node>),
    /// Something per hundred.
    Percent(Box<Node>),
    /// Something in a unit.
    Unit(Box<Node>, String),
    /// A tuple, point or interval: two brackets and what they hold.
    Bracket(char, char, Vec<Node>),
    /// A set in braces.
    Set(Vec<Node>),
    /// Several answers separated by commas.
    List(Vec<Node>),
    /// A union of intervals or sets.
    Union(Vec<Node>),
    /// Rows of a matrix or vector.
    Matrix(Vec<Vec<Node>>),
    /// A chain of relations: one side more than signs.
    Relation(Vec<Node>, Vec<Relation>),
    /// The first lies in the second.
    Member(Box<Node>, Box<Node>),
}

impl Node {
    /// Calls `visit` on every direct part.
    pub fn parts<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        match self {
            Self::Number(_)
            | Self::Based(..)
            | Self::Constant(_)
            | Self::Variable(_)
            | Self::Text(_) => {}
            Self::Negative(a) | Self::PlusMinus(_, a) | Self::Percent(a) | Self::Unit(a, _) => {
                visit(a)
            }
            Self::Quotient(a, b) | Self::Power(a, b) | Self::Root(a, b) | Self::Member(a, b) => {
                visit(a);
                visit(b);
            }
            Self::Sum(all)
            | Self::Product(all)
            | Self::Call(_, all)
            | Self::Bracket(_, _, all)
            | Self::Set(all)
            | Self::List(all)
            | Self::Union(all)
            | Self::Relation(all, _) => all.iter().for_each(visit),
            Self::Matrix(rows) => rows.iter().flatten().for_each(visit),
        }
    }

    /// The number of levels of the tree.
    pub fn depth(&self) -> usize {
        let mut deepest = 0;
        self.parts(&mut |part| deepest = deepest.max(part.depth()));
        deepest + 1
    }

    /// Whether the tree contains a `±`.
    pub fn has_sign_choice(&self) -> bool {
        let mut found = matches!(self, Self::PlusMinus(..));
        self.parts(&mut |part| found = found || part.has_sign_choice());
        found
    }

    /// Adds the names of all variables inside to `names`.
    pub fn variables(&self, names: &mut std::collections::BTreeSet<String>) {
        if let Self::Variable(name) = self {
            names.insert(name.clone());
        }
        self.parts(&mut |part| part.variables(names));
    }

    /// Whether this is one value or expression rather than a shape, a relation or words.
    pub fn is_scalar(&self) -> bool {
        let mut scalar = !matches!(
            self,
            Self::Text(_)
                | Self::Bracket(..)
                | Self::Set(_)
                | Self::List(_)
                | Self::Union(_)
                | Self::Matrix(_)
                | Self::Relation(..)
                | Self::Member(..)
        );
        self.parts(&mut |part| scalar = scalar && part.is_scalar());
        scalar
    }
}
