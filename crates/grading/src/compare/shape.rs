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
    let mut sides: Vec<&Node> = sides.iter().collect();
    let mut signs: Vec<&Relation> = signs.iter().collect();
    let falling = |sign: &&Relation| matches!(sign, Relation::Greater | Relation::GreaterEqual);
    if signs.iter().all(falling) {
        // From the low end to the high one.
        sides.reverse();
        signs.reverse();
    } else if signs
        .iter()
        .any(|sign| falling(sign) || **sign == Relation::Equal)
    {
        return Cow::Borrowed(node);
    }
    let strict = |sign: &Relation| matches!(sign, Relation::Less | Relation::Greater);
    let infinite = Node::Constant(Constant::Infinity);
    let (low, open, high, close) = match (sides.as_slice(), signs.as_slice()) {
        ([Node::Variable(_), high], [sign]) => {
            let low = Node::Negative(Box::new(infinite));
            (low, true, (*high).clone(), strict(sign))
        }
        ([low, Node::Variable(_)], [sign]) => ((*low).clone(), strict(sign), infinite, true),
        ([low, Node::Variable(_), high], [first, second]) => (
            (*low).clone(),
            strict(first),
            (*high).clone(),
            strict(second),
        ),
        _ => return Cow::Borrowed(node),
    };
    let brackets = (if open { '(' } else { '[' }, if close { ')' } else { ']' });
    Cow::Owned(Node::Bracket(brackets.0, brackets.1, vec![low, high]))
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
