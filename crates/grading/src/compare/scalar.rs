//! Whether two single values, expressions or equations are the same.

use super::name::Side;
use super::shape::{bare, infinity};
use super::{SignedNode, all, any};
use crate::evaluate;
use crate::exact::Exact;
use crate::node::{Node, Relation};
use num_complex::Complex64;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use std::collections::{BTreeMap, BTreeSet};

/// How many fixed points an expression with variables is evaluated at.
const POINTS: usize = 4;
/// The relative distance at which two floating-point values count as one.
const TOLERANCE: f64 = 1e-9;
/// A decimal with at least this many decimal places and significant digits equals the exact value
/// that it rounds.
const ROUNDED_DIGITS: usize = 6;

/// Percentages equal their number per hundred and, since questions ask "what percent", also the
/// plain number.
pub(super) fn same_scalar(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    match (a.node, b.node) {
        (Node::Percent(x), Node::Percent(y)) => return same_scalar(a.with(x), b.with(y)),
        (Node::Percent(x), _) => {
            let plain = same_value(a.with(x), b);
            return any([plain, same_value(a, b)].into_iter());
        }
        (_, Node::Percent(y)) => {
            let plain = same_value(a, b.with(y));
            return any([plain, same_value(a, b)].into_iter());
        }
        // An answer without a base means the base that the question named. A reference without one is
        // decimal, and so is an answer in another base never those digits.
        (Node::Based(digits, _), Node::Number(number)) if a.side == Side::Reference => {
            return Some(digits == &number.digits);
        }
        (Node::Number(number), Node::Based(digits, _)) if a.side == Side::Answer => {
            return Some(digits == &number.digits);
        }
        (Node::Based(digits, _), Node::Variable(_) | Node::Product(_))
            if a.side == Side::Reference =>
        {
            return Some(letters(b.node).as_deref() == Some(digits));
        }
        _ => {}
    }
    if let (Some(x), Some(y)) = (infinity(a.node), infinity(b.node)) {
        return Some(x == y);
    }
    same_value(a, b)
}

fn same_value(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    let renamed = constant_of_integration(a.node, b.node);
    let b = renamed.as_ref().map_or(b, |node| b.with(node));
    let points = points(&[a.node, b.node]);
    let mut agreed = 0;
    for variables in &points {
        let (at_a, at_b) = (a.at(variables), b.at(variables));
        let exact = evaluate::exact(a.node, at_a).zip(evaluate::exact(b.node, at_b));
        let same = match exact {
            Some((x, y)) => x == y,
            None => match evaluate::float(a.node, at_a).zip(evaluate::float(b.node, at_b)) {
                Some((x, y)) => close(x, y),
                None => continue,
            },
        };
        if !same {
            return Some(rounds(a, b) || rounds(b, a));
        }
        agreed += 1;
    }
    (agreed > points.len() / 2).then_some(true)
}

/// The second sum with its `c` written as the first one's `C`, or the other way round: the constant of
/// an integral has no fixed name.
fn constant_of_integration(a: &Node, b: &Node) -> Option<Node> {
    let (Node::Sum(xs), Node::Sum(ys)) = (a, b) else {
        return None;
    };
    let has = |terms: &[Node], name: &str| {
        terms
            .iter()
            .any(|term| matches!(term, Node::Variable(v) if v == name))
    };
    let rename = |from: &str, to: &str| {
        let term = |term: &Node| match term {
            Node::Variable(name) if name == from => Node::Variable(to.to_owned()),
            term => term.clone(),
        };
        let ours = has(xs, to) && !has(xs, from) && has(ys, from) && !has(ys, to);
        ours.then(|| Node::Sum(ys.iter().map(term).collect()))
    };
    rename("c", "C").or_else(|| rename("C", "c"))
}

/// The digits that a product of letters and numbers spells: `ABC` in base sixteen.
fn letters(node: &Node) -> Option<String> {
    match node {
        Node::Variable(name) => Some(name.clone()),
        Node::Number(number) => Some(number.digits.clone()),
        Node::Product(factors) => factors.iter().map(letters).collect(),
        _ => None,
    }
}

/// Ratios are in proportion; one of two values is also their quotient. A time of day is only itself.
pub(super) fn same_ratio(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    let quotient = |x: &Node, y: &Node| Node::Quotient(Box::new(x.clone()), Box::new(y.clone()));
    match (a.node, b.node) {
        (Node::Ratio(xs, clock), Node::Ratio(ys, other_clock)) => {
            if xs.len() != ys.len() {
                return Some(false);
            }
            let pairs = || xs.iter().zip(ys);
            if *clock || *other_clock {
                return all(pairs().map(|(x, y)| same_scalar(a.with(x), b.with(y))));
            }
            let steps = xs.windows(2).zip(ys.windows(2));
            all(steps.map(|(x, y)| {
                let (x, y) = (quotient(&x[0], &x[1]), quotient(&y[0], &y[1]));
                same_scalar(a.with(&x), b.with(&y))
            }))
        }
        (Node::Ratio(parts, false), value) | (value, Node::Ratio(parts, false)) => {
            let [x, y] = parts.as_slice() else {
                return Some(false);
            };
            if !value.is_scalar() {
                return Some(false);
            }
            same_value(a.with(&quotient(x, y)), b.with(value))
        }
        _ => Some(false),
    }
}

/// Whether `decimal` is a literal with enough digits that rounds the exact value of `other`.
fn rounds(decimal: SignedNode<'_>, other: SignedNode<'_>) -> bool {
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
    let value = evaluate::float(other.node, other.at(&BTreeMap::new()));
    let (Some(x), Some(y)) = (number.value.to_f64(), value) else {
        return false;
    };
    let decimals = i32::try_from(number.decimals).unwrap_or(i32::MAX);
    y.im == 0.0 && (sign * x - y.re).abs() <= 0.501 * 10_f64.powi(-decimals)
}

/// Two equations are the same when left minus right of one is a constant multiple of left minus
/// right of the other.
pub(super) fn same_equation(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    let (Node::Relation(xs, s), Node::Relation(ys, t)) = (a.node, b.node) else {
        return None;
    };
    let ([x1, x2], [y1, y2], [Relation::Equal], [Relation::Equal]) =
        (xs.as_slice(), ys.as_slice(), s.as_slice(), t.as_slice())
    else {
        return None;
    };
    let difference =
        |l: &Node, r: &Node| Node::Sum(vec![l.clone(), Node::Negative(Box::new(r.clone()))]);
    let (left, right) = (difference(x1, x2), difference(y1, y2));
    // Without a variable any two differences are in some ratio.
    let varies = |node: &Node| node.any(&|part| matches!(part, Node::Variable(_)));
    if !varies(&left) || !varies(&right) {
        return None;
    }
    let mut ratio: Option<Exact> = None;
    let mut seen = 0;
    for variables in &points(&[&left, &right]) {
        let x = evaluate::exact(&left, a.at(variables));
        let Some((x, y)) = x.zip(evaluate::exact(&right, b.at(variables))) else {
            continue;
        };
        match (x.is_zero(), y.is_zero()) {
            (true, true) => continue,
            (false, false) => {}
            _ => return Some(false),
        }
        let here = x.times(&y.inverse(a.budget)?, a.budget)?;
        if ratio.as_ref().is_some_and(|ratio| *ratio != here) {
            return Some(false);
        }
        ratio = Some(here);
        seen += 1;
    }
    (seen > 1).then_some(true)
}

/// Fixed values for all variables of the nodes: rationals, and for any two variables all four pairs
/// of signs.
fn points(nodes: &[&Node]) -> Vec<BTreeMap<String, BigRational>> {
    let mut names = BTreeSet::new();
    for node in nodes {
        node.variables(&mut names);
    }
    if names.is_empty() {
        return vec![BTreeMap::new()];
    }
    // Factorials and binomials are of whole numbers, each name's larger than the one before: n over k.
    let whole = |node: &Node| {
        matches!(
            node,
            Node::Call("factorial" | "double factorial" | "binomial", _)
        )
    };
    if nodes.iter().any(|node| node.any(&whole)) {
        let value = |round: usize, index: usize| 3 + 2 * index + round * (index + 1);
        let point = |round: usize| {
            let numbered = names.iter().enumerate();
            numbered
                .map(|(index, name)| {
                    let value = num_bigint::BigInt::from(value(round, index));
                    (name.clone(), BigRational::from_integer(value))
                })
                .collect()
        };
        return (0..POINTS).map(point).collect();
    }
    let mut state: u32 = 20_250_131;
    let mut next = |modulus: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i64::from((state >> 16) % modulus)
    };
    let mut point = |round: usize| {
        let value = |(index, name): (usize, &String)| {
            let size = next(89) + 7;
            let signed = if (round >> (index % 2)) & 1 == 0 {
                size
            } else {
                -size
            };
            let bottom = next(7) + 2;
            (name.clone(), BigRational::new(signed.into(), bottom.into()))
        };
        names.iter().enumerate().map(value).collect()
    };
    (0..POINTS).map(&mut point).collect()
}

fn close(x: Complex64, y: Complex64) -> bool {
    let scale = x.norm().max(y.norm());
    (x - y).norm() <= (TOLERANCE * scale).max(1e-14)
}
