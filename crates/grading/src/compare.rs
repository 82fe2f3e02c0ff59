//! Equivalence of two parsed answers.

mod scalar;
mod shape;

use super::budget::WorkBudget;
use super::evaluate::{self, EvalContext};
use super::exact::Exact;
use super::node::Node;
use super::words;
use shape::{bare, interval, is_collection, named, same_end, same_name, spans};
use std::collections::BTreeMap;

/// The most members of a list or set that are compared regardless of order.
const MAX_MEMBERS: usize = 64;

/// A node with the sign that its `±` takes.
#[derive(Clone, Copy)]
struct SignedNode<'a> {
    node: &'a Node,
    plus: bool,
}

impl<'a> SignedNode<'a> {
    fn new(node: &'a Node, plus: bool) -> Self {
        Self { node, plus }
    }

    /// Another node under the same choice of sign.
    fn with<'b>(self, node: &'b Node) -> SignedNode<'b> {
        SignedNode {
            node,
            plus: self.plus,
        }
    }
}

/// Compares; `None` when neither equality nor difference can be shown.
pub fn same(reference: &Node, answer: &Node, budget: &WorkBudget) -> Option<bool> {
    let comparer = Comparer { budget };
    comparer.same(
        SignedNode::new(reference, true),
        SignedNode::new(answer, true),
    )
}

/// The exact value of a node without variables.
pub fn value(node: &Node, budget: &WorkBudget) -> Option<Exact> {
    evaluate::exact(
        bare(node),
        EvalContext {
            variables: &BTreeMap::new(),
            plus: true,
            budget,
        },
    )
}

struct Comparer<'b> {
    budget: &'b WorkBudget,
}

/// The members of a list, set, union or `±` pair; anything else is its own only member.
fn members(view: SignedNode<'_>) -> Vec<SignedNode<'_>> {
    match view.node {
        Node::List(items) | Node::Set(items) | Node::Union(items) => items
            .iter()
            .flat_map(|node| members(view.with(node)))
            .collect(),
        node if named(node).is_some_and(Node::has_sign_choice) => {
            named(node).map_or_else(Vec::new, |node| members(view.with(node)))
        }
        node if node.has_sign_choice() => {
            vec![SignedNode::new(node, true), SignedNode::new(node, false)]
        }
        _ => vec![view],
    }
}

impl Comparer<'_> {
    fn same(&self, a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
        self.budget.spend(1)?;
        if let (Node::Unit(_, x), Node::Unit(_, y)) = (a.node, b.node)
            && let (Some(x), Some(y)) = (words::unit(x), words::unit(y))
            && x != y
        {
            return Some(false);
        }
        let (a, b) = (a.with(bare(a.node)), b.with(bare(b.node)));
        if let (Node::Relation(..), Node::Relation(..)) = (a.node, b.node)
            && let Some(verdict) = self.same_equation(a, b)
        {
            return Some(verdict);
        }
        match (named(a.node), named(b.node)) {
            (Some(x), None) => return self.same(a.with(x), b),
            (None, Some(y)) => return self.same(a, b.with(y)),
            (Some(x), Some(y)) if same_name(a.node, b.node) => {
                return self.same(a.with(x), b.with(y));
            }
            _ => {}
        }
        let (x, y) = (interval(a.node), interval(b.node));
        let (a, b) = (a.with(&x), b.with(&y));
        match (a.node, b.node) {
            (Node::List(list), Node::Bracket('(', ')', tuple))
            | (Node::Bracket('(', ')', tuple), Node::List(list)) => {
                self.in_order(list, tuple, a.plus, b.plus)
            }
            (Node::Bracket(open, close, xs), Node::Bracket(other_open, other_close, ys)) => {
                let ends = same_end(*open, *other_open, xs.first(), ys.first())
                    && same_end(*close, *other_close, xs.last(), ys.last());
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

    fn in_order(&self, xs: &[Node], ys: &[Node], plus_x: bool, plus_y: bool) -> Option<bool> {
        if xs.len() != ys.len() {
            return Some(false);
        }
        all(xs
            .iter()
            .zip(ys)
            .map(|(x, y)| self.same(SignedNode::new(x, plus_x), SignedNode::new(y, plus_y))))
    }

    /// The same members in any order, however often each is repeated.
    fn any_order(&self, xs: &[SignedNode<'_>], ys: &[SignedNode<'_>]) -> Option<bool> {
        if xs.len() > MAX_MEMBERS || ys.len() > MAX_MEMBERS {
            return None;
        }
        let covered = |xs: &[SignedNode<'_>], ys: &[SignedNode<'_>]| {
            all(xs
                .iter()
                .map(|x| any(ys.iter().map(|y| self.same_member(*x, *y)))))
        };
        all([covered(xs, ys), covered(ys, xs)].into_iter())
    }

    /// Members are already one choice of `±`, which must not be expanded again.
    fn same_member(&self, x: SignedNode<'_>, y: SignedNode<'_>) -> Option<bool> {
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
                    self.same_member(SignedNode::new(a, x.plus), SignedNode::new(b, y.plus))
                }))
            }
            _ if x.node.has_sign_choice() || y.node.has_sign_choice() => None,
            _ => self.same(x, y),
        }
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
