//! Equivalence of two parsed answers.

mod matrix;
mod name;
mod scalar;
mod set;
mod shape;

use super::budget::WorkBudget;
use super::evaluate::{self, EvalContext};
use super::exact::Exact;
use super::node::{Node, Relation};
use super::{units, words};
use name::{Side, named, same_name};
use num_rational::BigRational;
use shape::{bare, interval, is_collection, same_end, spans, unit_of};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most members of a list or set that are compared regardless of order.
const MAX_MEMBERS: usize = 64;

/// A node as it is compared: whose it is, the sign that its `±` takes, and the work that is left.
#[derive(Clone, Copy)]
struct SignedNode<'a> {
    node: &'a Node,
    side: Side,
    plus: bool,
    budget: &'a WorkBudget,
}

impl<'a> SignedNode<'a> {
    fn new(node: &'a Node, side: Side, budget: &'a WorkBudget) -> Self {
        Self {
            node,
            side,
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
            node => match named(node, self.side).filter(|node| node.has_sign_choice()) {
                Some(node) => self.with(node).members(),
                None => [true, false].map(|plus| Self { plus, ..self }).into(),
            },
        }
    }
}

/// Compares; `None` when neither equality nor difference can be shown. A side that gives a value and
/// its rounding (`7/3 ≈ 2.33`) is right by either.
pub fn same(reference: &Node, answer: &Node, budget: &WorkBudget) -> Option<bool> {
    let (expected, given) = (versions(reference), versions(answer));
    let pairs = expected
        .iter()
        .flat_map(|a| given.iter().map(move |b| (a, b)));
    any(pairs.map(|(a, b)| {
        same_signed(
            SignedNode::new(a, Side::Reference, budget),
            SignedNode::new(b, Side::Answer, budget),
        )
    }))
}

/// What an answer says: itself, or what stands before and behind its `≈`.
fn versions(node: &Node) -> Vec<Cow<'_, Node>> {
    let Node::Relation(sides, signs) = node else {
        return vec![Cow::Borrowed(node)];
    };
    let rounded = signs.iter().position(|s| *s == Relation::Approximately);
    let Some(at) = rounded.filter(|_| signs.iter().all(name::equates)) else {
        return vec![Cow::Borrowed(node)];
    };
    let chain = |sides: Vec<Node>| match <[Node; 1]>::try_from(sides) {
        Ok([only]) => only,
        Err(sides) => {
            let signs = vec![Relation::Equal; sides.len() - 1];
            Node::Relation(sides, signs)
        }
    };
    let (exact, behind) = sides.split_at(at + 1);
    let lead = exact
        .first()
        .filter(|side| exact.len() > 1 || name::is_name(side, Side::Answer));
    let rounding = lead.into_iter().chain(behind.last()).cloned().collect();
    let mut versions = vec![Cow::Owned(chain(rounding))];
    // `x ≈ 5` has no exact side.
    if exact.len() > 1 || !name::is_name(&exact[0], Side::Answer) {
        versions.push(Cow::Owned(chain(exact.to_vec())));
    }
    versions
}

/// The exact value of a node without variables.
pub fn value(node: &Node, budget: &WorkBudget) -> Option<Exact> {
    let node = SignedNode::new(bare(node), Side::Answer, budget);
    evaluate::exact(node.node, node.at(&BTreeMap::new()))
}

fn same_signed(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    a.budget.spend(1)?;
    match (unit_of(a.node), unit_of(b.node)) {
        (Some(x), Some(y)) if !units::same(&x, &y) => return Some(false),
        (Some(unit), None) | (None, Some(unit)) if units::is_group(&unit) => return Some(false),
        _ => {}
    }
    let (a, b) = (a.with(bare(a.node)), b.with(bare(b.node)));
    let (name, other_name) = (named(a.node, a.side), named(b.node, b.side));
    if let (Some(x), Some(y)) = (name, other_name)
        && same_name(a.node, b.node)
        && same_signed(a.with(x), b.with(y)) == Some(true)
    {
        return Some(true);
    }
    if let (Node::Relation(..), Node::Relation(..)) = (a.node, b.node)
        && !a.node.has_sign_choice()
        && !b.node.has_sign_choice()
        && let Some(verdict) = scalar::same_equation(a, b)
    {
        return Some(verdict);
    }
    match (name, other_name) {
        (Some(x), None) => return same_signed(a.with(x), b),
        (None, Some(y)) => return same_signed(a, b.with(y)),
        (Some(x), Some(y)) if same_name(a.node, b.node) => {
            return same_signed(a.with(x), b.with(y));
        }
        _ => {}
    }
    if let Some(verdict) = matrix::same(a, b) {
        return verdict;
    }
    if let Some(verdict) = set::same(a, b) {
        return Some(verdict);
    }
    same_shape(a, b)
}

/// Compares what is neither named nor a set of real numbers: tuples, lists, words, single values.
fn same_shape(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    let inequality = matches!(a.node, Node::Relation(..)) || matches!(b.node, Node::Relation(..));
    let (x, y) = (interval(a.node), interval(b.node));
    let (a, b) = (a.with(&x), b.with(&y));
    match (a.node, b.node) {
        (Node::List(xs), Node::Bracket('(' | '⟨', _, ys))
        | (Node::Bracket('(' | '⟨', _, xs), Node::List(ys))
            if !inequality =>
        {
            in_order(a, &name::in_order(xs), b, &name::in_order(ys), same_signed)
        }
        (Node::Bracket(open, close, xs), Node::Bracket(other_open, other_close, ys)) => {
            let ends = same_end(*open, *other_open, xs.first(), ys.first())
                && same_end(*close, *other_close, xs.last(), ys.last());
            if ends {
                in_order(a, xs, b, ys, same_signed)
            } else {
                Some(false)
            }
        }
        (Node::Text(x), Node::Text(y)) => Some(words::normal(x) == words::normal(y)),
        (Node::Ratio(..), _) | (_, Node::Ratio(..)) => scalar::same_ratio(a, b),
        (Node::List(xs), Node::List(ys)) if name::tuples(xs, ys).is_some() => {
            let (xs, ys) = name::tuples(xs, ys)?;
            let (xs, ys) = (Node::List(xs), Node::List(ys));
            any_order(&a.with(&xs).members(), &b.with(&ys).members())
        }
        (x, y) if is_collection(x) || is_collection(y) => {
            let union = matches!(x, Node::Union(_)) || matches!(y, Node::Union(_));
            if union && !(spans(x) && spans(y)) {
                return Some(false);
            }
            let (xs, ys) = (a.members(), b.members());
            // A list says how often each value occurs; a set does not.
            let numbers = |node: &Node| match node {
                Node::List(items) => items.iter().all(Node::is_scalar),
                _ => false,
            };
            if numbers(x) && numbers(y) && xs.len() != ys.len() {
                return Some(false);
            }
            any_order(&xs, &ys)
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
