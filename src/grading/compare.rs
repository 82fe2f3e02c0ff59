//! Whether two parsed answers say the same.

use super::evaluate::{self, Budget, Point};
use super::exact::Exact;
use super::node::{Constant, Node, Relation};
use super::words;
use num_complex::Complex64;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How many fixed points an expression with variables is evaluated at.
const POINTS: usize = 4;
/// The relative distance at which two floating-point values count as one.
const TOLERANCE: f64 = 1e-9;
/// The most members of a list or set that are compared regardless of order.
const MAX_MEMBERS: usize = 64;
/// A decimal with at least so many decimals and significant digits may stand for the exact value
/// it rounds.
const ROUNDED_DIGITS: usize = 6;

/// A node, and which of its two values is meant where it holds a `±`.
#[derive(Clone, Copy)]
struct View<'a> {
    node: &'a Node,
    plus: bool,
}

/// Compares; `None` when neither equality nor difference can be shown.
pub fn same(reference: &Node, answer: &Node, budget: &Budget) -> Option<bool> {
    let comparer = Comparer { budget };
    comparer.same(
        View {
            node: reference,
            plus: true,
        },
        View {
            node: answer,
            plus: true,
        },
    )
}

/// The exact value of a node without variables.
pub fn value(node: &Node, budget: &Budget) -> Option<Exact> {
    evaluate::exact(
        bare(node),
        Point {
            variables: &BTreeMap::new(),
            plus: true,
            budget,
        },
    )
}

struct Comparer<'b> {
    budget: &'b Budget,
}

/// The node without its unit.
fn bare(node: &Node) -> &Node {
    match node {
        Node::Unit(inner, _) => bare(inner),
        other => other,
    }
}

/// What a named equation or membership says about its left side: `x = 5` says 5.
fn named(node: &Node) -> Option<&Node> {
    match node {
        Node::Member(_, set) => Some(set),
        Node::Relation(sides, signs) if signs.iter().all(|s| *s == Relation::Equal) => {
            sides.first().filter(|name| is_name(name))?;
            sides.last()
        }
        _ => None,
    }
}

/// A left side that only names: `x`, `f(x)`, `\text{Area}`, `(x, y)`.
fn is_name(node: &Node) -> bool {
    match node {
        Node::Variable(_) | Node::Text(_) => true,
        Node::Product(parts) | Node::Bracket(_, _, parts) => parts.iter().all(is_name),
        Node::Unit(inner, _) => is_name(inner),
        _ => false,
    }
}

/// +1 or −1 for ∞ and −∞.
fn infinity(node: &Node) -> Option<i8> {
    match node {
        Node::Constant(Constant::Infinity) => Some(1),
        Node::Negative(inner) => infinity(inner).map(|sign| -sign),
        Node::Sum(parts) if parts.len() == 1 => parts.first().and_then(infinity),
        _ => None,
    }
}

/// An inequality in one variable as the interval it describes.
fn interval(node: &Node) -> Cow<'_, Node> {
    let Node::Relation(sides, signs) = node else {
        return Cow::Borrowed(node);
    };
    let infinite = || Node::Constant(Constant::Infinity);
    let bracket = |low: Node, open: bool, high: Node, close: bool| {
        Cow::Owned(Node::Bracket(
            if open { '(' } else { '[' },
            if close { ')' } else { ']' },
            vec![low, high],
        ))
    };
    let strict = |sign: &Relation| matches!(sign, Relation::Less | Relation::Greater);
    let rising = |sign: &Relation| matches!(sign, Relation::Less | Relation::LessEqual);
    let falling = |sign: &Relation| matches!(sign, Relation::Greater | Relation::GreaterEqual);
    match (sides.as_slice(), signs.as_slice()) {
        ([left, right], [sign]) if *sign != Relation::Equal => {
            let (bound, below) = match (left, right) {
                (Node::Variable(_), bound) => (bound, rising(sign)),
                (bound, Node::Variable(_)) => (bound, falling(sign)),
                _ => return Cow::Borrowed(node),
            };
            if below {
                bracket(
                    Node::Negative(Box::new(infinite())),
                    true,
                    bound.clone(),
                    strict(sign),
                )
            } else {
                bracket(bound.clone(), strict(sign), infinite(), true)
            }
        }
        ([low, Node::Variable(_), high], [first, second]) if rising(first) && rising(second) => {
            bracket(low.clone(), strict(first), high.clone(), strict(second))
        }
        ([high, Node::Variable(_), low], [first, second]) if falling(first) && falling(second) => {
            bracket(low.clone(), strict(second), high.clone(), strict(first))
        }
        _ => Cow::Borrowed(node),
    }
}

/// The members of a list, set, union or `±` pair; anything else is its own only member.
fn members(view: View<'_>) -> Vec<View<'_>> {
    match view.node {
        Node::List(items) | Node::Set(items) | Node::Union(items) => items
            .iter()
            .flat_map(|node| members(View { node, ..view }))
            .collect(),
        node if named(node).is_some_and(Node::has_sign_choice) => {
            named(node).map_or_else(Vec::new, |node| members(View { node, ..view }))
        }
        node if node.has_sign_choice() => {
            vec![View { node, plus: true }, View { node, plus: false }]
        }
        _ => vec![view],
    }
}

fn is_collection(node: &Node) -> bool {
    matches!(node, Node::List(_) | Node::Set(_) | Node::Union(_)) || node.has_sign_choice()
}

impl Comparer<'_> {
    fn same(&self, a: View<'_>, b: View<'_>) -> Option<bool> {
        self.budget.step()?;
        if let (Node::Unit(_, x), Node::Unit(_, y)) = (a.node, b.node) {
            if let (Some(x), Some(y)) = (words::unit(x), words::unit(y)) {
                if x != y {
                    return Some(false);
                }
            }
        }
        let (a, b) = (
            View {
                node: bare(a.node),
                ..a
            },
            View {
                node: bare(b.node),
                ..b
            },
        );
        match (named(a.node), named(b.node)) {
            (Some(x), None) => return self.same(View { node: x, ..a }, b),
            (None, Some(y)) => return self.same(a, View { node: y, ..b }),
            (Some(x), Some(y)) if self.same_left_side(a.node, b.node) => {
                return self.same(View { node: x, ..a }, View { node: y, ..b });
            }
            _ => {}
        }
        if let (Node::Relation(..), Node::Relation(..)) = (a.node, b.node) {
            if let Some(verdict) = self.same_equation(a, b) {
                return Some(verdict);
            }
        }
        let (x, y) = (interval(a.node), interval(b.node));
        let (a, b) = (View { node: &x, ..a }, View { node: &y, ..b });
        match (a.node, b.node) {
            (Node::List(list), Node::Bracket('(', ')', tuple))
            | (Node::Bracket('(', ')', tuple), Node::List(list)) => {
                self.in_order(list, tuple, a.plus, b.plus)
            }
            (Node::Bracket(open, close, xs), Node::Bracket(other_open, other_close, ys)) => {
                let ends = self.same_end(*open, *other_open, xs.first(), ys.first())
                    && self.same_end(*close, *other_close, xs.last(), ys.last());
                if ends {
                    self.in_order(xs, ys, a.plus, b.plus)
                } else {
                    Some(false)
                }
            }
            (Node::Matrix(xs), Node::Matrix(ys)) => {
                if xs.len() != ys.len() {
                    return Some(false);
                }
                all(xs
                    .iter()
                    .zip(ys)
                    .map(|(x, y)| self.in_order(x, y, a.plus, b.plus)))
            }
            (Node::Text(x), Node::Text(y)) => Some(words::normal(x) == words::normal(y)),
            (x, y) if is_collection(x) || is_collection(y) => {
                let union = matches!(x, Node::Union(_)) || matches!(y, Node::Union(_));
                if union && !(spans(x) && spans(y)) {
                    return Some(false);
                }
                self.any_order(&members(a), &members(b))
            }
            (x, y) if x.is_scalar() && y.is_scalar() => self.same_scalar(a, b),
            (Node::Text(_), _) | (_, Node::Text(_)) => None,
            _ => Some(false),
        }
    }

    fn same_left_side(&self, a: &Node, b: &Node) -> bool {
        match (a, b) {
            (Node::Relation(x, _), Node::Relation(y, _)) => x.first() == y.first(),
            (Node::Member(..), Node::Member(..)) => true,
            _ => false,
        }
    }

    /// Two brackets are the same at one end, or the end is infinite, where only one kind makes sense.
    fn same_end(&self, a: char, b: char, x: Option<&Node>, y: Option<&Node>) -> bool {
        let round = |c: char| {
            if c == '⟨' {
                '('
            } else if c == '⟩' {
                ')'
            } else {
                c
            }
        };
        let infinite = |node: Option<&Node>| node.and_then(infinity).is_some();
        round(a) == round(b) || (infinite(x) && infinite(y))
    }

    fn in_order(&self, xs: &[Node], ys: &[Node], plus_x: bool, plus_y: bool) -> Option<bool> {
        if xs.len() != ys.len() {
            return Some(false);
        }
        all(xs.iter().zip(ys).map(|(x, y)| {
            self.same(
                View {
                    node: x,
                    plus: plus_x,
                },
                View {
                    node: y,
                    plus: plus_y,
                },
            )
        }))
    }

    /// The same members in any order, each as often as it is worth saying: once.
    fn any_order(&self, xs: &[View<'_>], ys: &[View<'_>]) -> Option<bool> {
        if xs.len() > MAX_MEMBERS || ys.len() > MAX_MEMBERS {
            return None;
        }
        let covered = |xs: &[View<'_>], ys: &[View<'_>]| {
            all(xs
                .iter()
                .map(|x| any(ys.iter().map(|y| self.same_member(*x, *y)))))
        };
        all([covered(xs, ys), covered(ys, xs)].into_iter())
    }

    /// Members are already one choice of `±`, which must not be expanded again.
    fn same_member(&self, x: View<'_>, y: View<'_>) -> Option<bool> {
        if (x.node.has_sign_choice() || y.node.has_sign_choice())
            && x.node.is_scalar()
            && y.node.is_scalar()
        {
            return self.same_scalar(x, y);
        }
        match (x.node, y.node) {
            (Node::Bracket(_, _, xs), Node::Bracket(_, _, ys))
                if x.node.has_sign_choice() || y.node.has_sign_choice() =>
            {
                if xs.len() != ys.len() {
                    return Some(false);
                }
                all(xs.iter().zip(ys).map(|(a, b)| {
                    self.same_member(
                        View {
                            node: a,
                            plus: x.plus,
                        },
                        View {
                            node: b,
                            plus: y.plus,
                        },
                    )
                }))
            }
            _ if x.node.has_sign_choice() || y.node.has_sign_choice() => None,
            _ => self.same(x, y),
        }
    }

    /// Percentages equal their number per hundred and, since questions ask "what percent", also
    /// the plain number.
    fn same_scalar(&self, a: View<'_>, b: View<'_>) -> Option<bool> {
        match (a.node, b.node) {
            (Node::Percent(x), Node::Percent(y)) => {
                return self.same_scalar(View { node: x, ..a }, View { node: y, ..b });
            }
            (Node::Percent(x), y) | (y, Node::Percent(x)) => {
                let plain = self.same_value(View { node: x, ..a }, View { node: y, ..b });
                return any([plain, self.same_value(a, b)].into_iter());
            }
            // A base left unsaid: the question named it.
            (Node::Based(digits, _), Node::Number(number))
            | (Node::Number(number), Node::Based(digits, _)) => {
                return Some(digits == &number.digits);
            }
            _ => {}
        }
        if let (Some(x), Some(y)) = (infinity(a.node), infinity(b.node)) {
            return Some(x == y);
        }
        self.same_value(a, b)
    }

    fn same_value(&self, a: View<'_>, b: View<'_>) -> Option<bool> {
        let points = self.points(&[a.node, b.node]);
        let mut agreed = 0;
        for variables in &points {
            let at = |plus| Point {
                variables,
                plus,
                budget: self.budget,
            };
            if let (Some(x), Some(y)) = (
                evaluate::exact(a.node, at(a.plus)),
                evaluate::exact(b.node, at(b.plus)),
            ) {
                if x != y {
                    return Some(self.rounds(a, b) || self.rounds(b, a));
                }
                agreed += 1;
                continue;
            }
            match (
                evaluate::float(a.node, at(a.plus)),
                evaluate::float(b.node, at(b.plus)),
            ) {
                (Some(x), Some(y)) if close(x, y) => agreed += 1,
                (Some(_), Some(_)) => return Some(self.rounds(a, b) || self.rounds(b, a)),
                _ => {}
            }
        }
        (agreed > points.len() / 2).then_some(true)
    }

    /// Whether `decimal` is a literal with enough digits that rounds the exact value of `other`.
    fn rounds(&self, decimal: View<'_>, other: View<'_>) -> bool {
        let (literal, sign) = match decimal.node {
            Node::Negative(inner) => (&**inner, -1.0),
            node => (node, 1.0),
        };
        let Node::Number(number) = literal else {
            return false;
        };
        let other_is_decimal = matches!(bare(other.node), Node::Number(_))
            || matches!(other.node, Node::Negative(inner) if matches!(&**inner, Node::Number(_)));
        let significant = number.value.numer().to_string().len();
        if other_is_decimal || number.decimals < ROUNDED_DIGITS || significant < ROUNDED_DIGITS {
            return false;
        }
        let variables = BTreeMap::new();
        let at = Point {
            variables: &variables,
            plus: other.plus,
            budget: self.budget,
        };
        let (Some(x), Some(y)) = (number.value.to_f64(), evaluate::float(other.node, at)) else {
            return false;
        };
        let decimals = i32::try_from(number.decimals).unwrap_or(i32::MAX);
        y.im == 0.0 && (sign * x - y.re).abs() <= 0.501 * 10_f64.powi(-decimals)
    }

    /// Two equations, or two inequalities that are no intervals: the difference of the sides of
    /// one must be a constant multiple of the other's.
    fn same_equation(&self, a: View<'_>, b: View<'_>) -> Option<bool> {
        let (Node::Relation(xs, s), Node::Relation(ys, t)) = (a.node, b.node) else {
            return None;
        };
        let ([x1, x2], [y1, y2]) = (xs.as_slice(), ys.as_slice()) else {
            return None;
        };
        if s.as_slice() != [Relation::Equal] || t.as_slice() != [Relation::Equal] {
            return None;
        }
        let difference =
            |l: &Node, r: &Node| Node::Sum(vec![l.clone(), Node::Negative(Box::new(r.clone()))]);
        let (left, right) = (difference(x1, x2), difference(y1, y2));
        let mut ratio: Option<Exact> = None;
        let mut seen = 0;
        for variables in &self.points(&[&left, &right]) {
            let at = |plus| Point {
                variables,
                plus,
                budget: self.budget,
            };
            let (Some(x), Some(y)) = (
                evaluate::exact(&left, at(a.plus)),
                evaluate::exact(&right, at(b.plus)),
            ) else {
                continue;
            };
            if x.is_zero() && y.is_zero() {
                continue;
            }
            if x.is_zero() || y.is_zero() {
                return Some(false);
            }
            let here = x.times(&y.inverse()?)?;
            if ratio.as_ref().is_some_and(|ratio| *ratio != here) {
                return Some(false);
            }
            ratio = Some(here);
            seen += 1;
        }
        (seen > 1).then_some(true)
    }

    /// Fixed values for all variables of the nodes: rationals of both signs, distinct by name.
    fn points(&self, nodes: &[&Node]) -> Vec<BTreeMap<String, BigRational>> {
        let mut names = BTreeSet::new();
        for node in nodes {
            node.variables(&mut names);
        }
        if names.is_empty() {
            return vec![BTreeMap::new()];
        }
        let mut state: u32 = 20_250_131;
        let mut next = |modulus: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % modulus
        };
        (0..POINTS)
            .map(|round| {
                names
                    .iter()
                    .map(|name| {
                        let size = i64::from(next(89) + 7);
                        let signed = if round % 2 == 0 { size } else { -size };
                        let bottom = i64::from(next(7) + 2);
                        (name.clone(), BigRational::new(signed.into(), bottom.into()))
                    })
                    .collect()
            })
            .collect()
    }
}

/// Whether a node can be a member of a union: intervals, sets, unions of them.
fn spans(node: &Node) -> bool {
    match node {
        Node::Union(members) => members.iter().all(spans),
        Node::List(members) => members
            .iter()
            .all(|m| !matches!(interval(m), Cow::Borrowed(_)) || spans(m)),
        Node::Bracket(..) | Node::Set(_) => true,
        other => matches!(interval(other), Cow::Owned(_)),
    }
}

fn close(x: Complex64, y: Complex64) -> bool {
    let scale = x.norm().max(y.norm());
    (x - y).norm() <= (TOLERANCE * scale).max(1e-14)
}

/// Three-valued "and": false beats unknown beats true.
fn all(verdicts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for verdict in verdicts {
        match verdict {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

/// Three-valued "or": true beats unknown beats false.
fn any(verdicts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for verdict in verdicts {
        match verdict {
            Some(true) => return Some(true),
            None => result = None,
            Some(false) => {}
        }
    }
    result
}
