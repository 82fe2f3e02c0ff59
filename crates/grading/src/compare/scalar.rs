//! Whether two single values, expressions or equations are the same.

use super::shape::{bare, infinity};
use super::{Comparer, SignedNode, any};
use crate::evaluate::{self, EvalContext};
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

impl Comparer<'_> {
    /// Percentages equal their number per hundred and, since questions ask "what percent", also
    /// the plain number.
    pub(super) fn same_scalar(&self, a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
        match (a.node, b.node) {
            (Node::Percent(x), Node::Percent(y)) => {
                return self.same_scalar(a.with(x), b.with(y));
            }
            (Node::Percent(x), y) | (y, Node::Percent(x)) => {
                let plain = self.same_value(a.with(x), b.with(y));
                return any([plain, self.same_value(a, b)].into_iter());
            }
            // No base given: the question named it.
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

    pub(super) fn same_value(&self, a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
        let points = self.points(&[a.node, b.node]);
        let mut agreed = 0;
        for variables in &points {
            let at = |plus| EvalContext {
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
    fn rounds(&self, decimal: SignedNode<'_>, other: SignedNode<'_>) -> bool {
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
        let at = EvalContext {
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

    /// Two equations are the same when left minus right of one is a constant multiple of left minus
    /// right of the other.
    pub(super) fn same_equation(&self, a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
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
            let at = |plus| EvalContext {
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
            let here = x.times(&y.inverse(self.budget)?, self.budget)?;
            if ratio.as_ref().is_some_and(|ratio| *ratio != here) {
                return Some(false);
            }
            ratio = Some(here);
            seen += 1;
        }
        (seen > 1).then_some(true)
    }

    /// Fixed values for all variables of the nodes: rationals, and for any two variables
    /// all four pairs of signs.
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
                    .enumerate()
                    .map(|(index, name)| {
                        let size = i64::from(next(89) + 7);
                        let signed = if (round >> (index % 2)) & 1 == 0 {
                            size
                        } else {
                            -size
                        };
                        let bottom = i64::from(next(7) + 2);
                        (name.clone(), BigRational::new(signed.into(), bottom.into()))
                    })
                    .collect()
            })
            .collect()
    }
}

fn close(x: Complex64, y: Complex64) -> bool {
    let scale = x.norm().max(y.norm());
    (x - y).norm() <= (TOLERANCE * scale).max(1e-14)
}
