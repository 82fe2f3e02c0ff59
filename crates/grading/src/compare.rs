//! Equivalence of two parsed answers.

mod scalar;
mod shape;

use super::budget::WorkBudget;
use super::evaluate::{self, EvalContext};
use super::exact::Exact;
use super::node::Node;
use super::words;
use num_rational::BigRational;
use shape::{bare, interval, is_collection, named, same_end, same_name, spans};
use std::collections::BTreeMap;

/// The most members of a list or set that are compared regardless of order.
const MAX_MEMBERS: usize = 64;

/// A node as it is compared: with the sign that its `±` takes, and the work that is left.
#[derive(Clone, Copy)]
struct SignedNode<'a> {
    node: &'a Node,
    plus: bool,
    budget: &'a WorkBudget,
}

impl<'a> SignedNode<'a> {
    fn new(node: &'a Node, budget: &'a WorkBudget) -> Self {
        Self {
            node,
            plus: true,
            budget,
        }
    }

    /// Another node under the same choice of sign.
    fn with<'b>(self, node: &'b Node) -> SignedNode<'b>
    where
        'a: 'b,
    {
        SignedNode { node, ..self }
    }

    /// Where to evaluate it, with these values of variables.
    fn at(self, variables: &'a BTreeMap<String, BigRational>) -> EvalContext<'a> {
        EvalContext {
            variables,
            plus: self.plus,
            budget: self.budget,
        }
    }

    /// The members of a list, set, union or `±` pair; anything else is its own only member.
    fn members(self) -> Vec<Self> {
        match self.node {
            Node::List(items) | Node::Set(items) | Node::Union(items) => items
                .iter()
                .flat_map(|node| self.with(node).members())
                .collect(),
            node if !node.has_sign_choice() => vec![self],
            node => match named(node).filter(|node| node.has_sign_choice()) {
                Some(node) => self.with(node).members(),
                None => [true, false].map(|plus| Self { plus, ..self }).into(),
            },
        }
    }
}

/// Compares; `None` when neither equality nor difference can be shown.
pub fn same(reference: &Node, answer: &Node, budget: &WorkBudget) -> Option<bool> {
    same_signed(
        SignedNode::new(reference, budget),
        SignedNode::new(answer, budget),
    )
}

/// The exact value of a node without variables.
pub fn value(node: &Node, budget: &WorkBudget) -> Option<Exact> {
    let node = SignedNode::new(bare(node), budget);
    evaluate::exact(node.node, node.at(&BTreeMap::new()))
}

fn same_signed(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    a.budget.spend(1)?;
    if let (Node::Unit(_, x), Node::Unit(_, y)) = (a.node, b.node)
        && let (Some(x), Some(y)) = (words::unit(x), words::unit(y))
        && x != y
    {
        return Some(false);
    }
    let (a, b) = (a.with(bare(a.node)), b.with(bare(b.node)));
    if let (Node::Relation(..), Node::Relation(..)) = (a.node, b.node)
        && let Some(verdict) = scalar::same_equation(a, b)
    {
        return Some(verdict);
    }
    match (named(a.node), named(b.node)) {
        (Some(x), None) => return same_signed(a.with(x), b),
        (None, Some(y)) => return same_signed(a, b.with(y)),
        (Some(x), Some(y)) if same_name(a.node, b.node) => {
            return same_signed(a.with(x), b.with(y));
        }
        _ => {}
    }
    let (x, y) = (interval(a.node), interval(b.node));
    let (a, b) = (a.with(&x), b.with(&y));
    match (a.node, b.node) {
        (Node::List(xs), Node::Bracket('(', ')', ys))
        | (Node::Bracket('(', ')', xs), Node::List(ys)) => in_order(a, xs, b, ys, same_signed),
        (Node::Bracket(open, close, xs), Node::Bracket(other_open, other_close, ys)) => {
            let ends = same_end(*open, *other_open, xs.first(), ys.first())
                && same_end(*close, *other_close, xs.last(), ys.last());
            if ends {
                in_order(a, xs, b, ys, same_signed)
            } else {
                Some(false)
            }
        }
        (Node::Matrix(xs), Node::Matrix(ys)) if xs.len() == ys.len() => {
            let rows = xs.iter().zip(ys);
            all(rows.map(|(x, y)| in_order(a, x, b, y, same_signed)))
        }
        (Node::Text(x), Node::Text(y)) => Some(words::normal(x) == words::normal(y)),
        (x, y) if is_collection(x) || is_collection(y) => {
            let union = matches!(x, Node::Union(_)) || matches!(y, Node::Union(_));
            if union && !(spans(x) && spans(y)) {
                return Some(false);
            }
            any_order(&a.members(), &b.members())
        }
        (x, y) if x.is_scalar() && y.is_scalar() => scalar::same_scalar(a, b),
        (Node::Text(_), _) | (_, Node::Text(_)) => None,
        _ => Some(false),
    }
}

/// As many on both sides, each `same` as its counterpart.
fn in_order(
    a: SignedNode<'_>,
    xs: &[Node],
    b: SignedNode<'_>,
    ys: &[Node],
    same: fn(SignedNode<'_>, SignedNode<'_>) -> Option<bool>,
) -> Option<bool> {
    if xs.len() != ys.len() {
        return Some(false);
    }
    all(xs.iter().zip(ys).map(|(x, y)| same(a.with(x), b.with(y))))
}

/// The same members in any order, however often each is repeated.
fn any_order(xs: &[SignedNode<'_>], ys: &[SignedNode<'_>]) -> Option<bool> {
    if xs.len() > MAX_MEMBERS || ys.len() > MAX_MEMBERS {
        return None;
    }
    let covered = |xs: &[SignedNode<'_>], ys: &[SignedNode<'_>]| {
        all(xs
            .iter()
            .map(|x| any(ys.iter().map(|y| same_member(*x, *y)))))
    };
    all([covered(xs, ys), covered(ys, xs)].into_iter())
}

/// Members are already one choice of `±`, which must not be expanded again.
fn same_member(x: SignedNode<'_>, y: SignedNode<'_>) -> Option<bool> {
    if !x.node.has_sign_choice() && !y.node.has_sign_choice() {
        return same_signed(x, y);
    }
    match (x.node, y.node) {
        (a, b) if a.is_scalar() && b.is_scalar() => scalar::same_scalar(x, y),
        (Node::Bracket(_, _, xs), Node::Bracket(_, _, ys)) => in_order(x, xs, y, ys, same_member),
        _ => None,
    }
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
