//! Classification of nodes: named, infinite, an interval, a collection.

use crate::node::{Constant, Node, Relation};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The node without its unit.
pub fn bare(node: &Node) -> &Node {
    match node {
        Node::Unit(inner, _) => bare(inner),
        other => other,
    }
}

/// What a named equation or membership says about its name: `x = 5` and `5 = x` say 5. A
/// calculation says its result: `2 + 3 = 5`.
pub fn named(node: &Node) -> Option<&Node> {
    match node {
        Node::Member(_, set) => Some(set),
        Node::Relation(sides, signs) if signs.iter().all(|s| *s == Relation::Equal) => {
            match (sides.first()?, sides.last()?) {
                (first, last) if is_name(first) => Some(last),
                (first, last) if is_name(last) => Some(first),
                (first, last) if is_constant(first) && is_constant(last) => Some(last),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether two named nodes carry the same name; a membership's name does not matter.
pub fn same_name(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::Relation(x, _), Node::Relation(y, _)) => x.first() == y.first(),
        (Node::Member(..), Node::Member(..)) => true,
        _ => false,
    }
}

/// Whether two brackets are the same at one end, or the end is infinite, where only one kind
/// makes sense.
pub fn same_end(a: char, b: char, x: Option<&Node>, y: Option<&Node>) -> bool {
    let round = |c: char| match c {
        '⟨' => '(',
        '⟩' => ')',
        other => other,
    };
    let infinite = |node: Option<&Node>| node.and_then(infinity).is_some();
    round(a) == round(b) || (infinite(x) && infinite(y))
}

fn is_constant(node: &Node) -> bool {
    let mut names = BTreeSet::new();
    node.variables(&mut names);
    names.is_empty() && node.is_scalar()
}

/// A left side that only names: `x`, `f(x)`, `\text{Area}`, `(x, y)`.
pub fn is_name(node: &Node) -> bool {
    match node {
        Node::Variable(_) | Node::Text(_) => true,
        Node::Product(parts) | Node::Bracket(_, _, parts) => parts.iter().all(is_name),
        Node::Unit(inner, _) => is_name(inner),
        _ => false,
    }
}

/// +1 or −1 for ∞ and −∞.
pub fn infinity(node: &Node) -> Option<i8> {
    match node {
        Node::Constant(Constant::Infinity) => Some(1),
        Node::Negative(inner) => infinity(inner).map(|sign| -sign),
        Node::Sum(parts) if parts.len() == 1 => parts.first().and_then(infinity),
        _ => None,
    }
}

/// An inequality in one variable as the interval it describes.
pub fn interval(node: &Node) -> Cow<'_, Node> {
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

/// Whether a node denotes several values in any order.
pub fn is_collection(node: &Node) -> bool {
    matches!(node, Node::List(_) | Node::Set(_) | Node::Union(_)) || node.has_sign_choice()
}

/// Whether a node can be a member of a union: intervals, sets, unions of them.
pub fn spans(node: &Node) -> bool {
    match node {
        Node::Union(members) => members.iter().all(spans),
        Node::List(members) => members
            .iter()
            .all(|m| !matches!(interval(m), Cow::Borrowed(_)) || spans(m)),
        Node::Bracket(..) | Node::Set(_) => true,
        other => matches!(interval(other), Cow::Owned(_)),
    }
}
