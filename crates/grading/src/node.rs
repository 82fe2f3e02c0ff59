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
    /// `≠`
    NotEqual,
    /// `≈`: what follows is a rounding of what precedes.
    Approximately,
    /// `≡`, of remainders.
    Congruent,
}

/// The functions that are written by their names, with one argument. Others have a notation of their
/// own: `floor`, `ceil`, `factorial`, `binomial`, `gcd`, `mod`.
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
    /// A function that is known by its name only: `f(x+1)`.
    Apply(String, Vec<Node>),
    /// Two or more values in proportion: `3:2`. With whether it could be a time of day.
    Ratio(Vec<Node>, bool),
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
    /// What all of several intervals or sets share.
    Intersection(Vec<Node>),
    /// The first set without the members of the second.
    Without(Box<Node>, Box<Node>),
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
            Self::Quotient(a, b)
            | Self::Power(a, b)
            | Self::Root(a, b)
            | Self::Member(a, b)
            | Self::Without(a, b) => {
                visit(a);
                visit(b);
            }
            Self::Sum(all)
            | Self::Product(all)
            | Self::Call(_, all)
            | Self::Apply(_, all)
            | Self::Ratio(all, _)
            | Self::Bracket(_, _, all)
            | Self::Set(all)
            | Self::List(all)
            | Self::Union(all)
            | Self::Intersection(all)
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
        self.any(&|node| matches!(node, Self::PlusMinus(..)))
    }

    /// Adds the names of all variables inside to `names`, and those of functions with a bracket.
    pub fn variables(&self, names: &mut std::collections::BTreeSet<String>) {
        match self {
            Self::Variable(name) => drop(names.insert(name.clone())),
            Self::Apply(name, _) => drop(names.insert(format!("{name}("))),
            _ => {}
        }
        self.parts(&mut |part| part.variables(names));
    }

    /// Whether `wanted` holds for this or any part of it.
    pub fn any(&self, wanted: &dyn Fn(&Self) -> bool) -> bool {
        let mut found = wanted(self);
        self.parts(&mut |part| found = found || part.any(wanted));
        found
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
                | Self::Intersection(_)
                | Self::Without(..)
                | Self::Ratio(..)
                | Self::Matrix(_)
                | Self::Relation(..)
                | Self::Member(..)
        );
        // A determinant is a number.
        if let Self::Call("abs", arguments) = self
            && let [Self::Matrix(_)] = arguments.as_slice()
        {
            return true;
        }
        self.parts(&mut |part| scalar = scalar && part.is_scalar());
        scalar
    }
}
