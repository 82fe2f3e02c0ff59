//! Classification of nodes: with a unit, infinite, an interval, a collection.

use crate::node::{Constant, Node, Relation};
use std::borrow::Cow;

/// The node without its unit.
pub fn bare(node: &Node) -> &Node {
    match node {
        Node::Unit(inner, _) => bare(inner),
        other => other,
    }
}

/// The unit of a value, all of it: that of `5^\circ\text{C}` is `degree C`.
pub fn unit_of(node: &Node) -> Option<String> {
    match node {
        Node::Unit(inner, unit) => Some(match unit_of(inner) {
            Some(inner) => format!("{inner} {unit}"),
            None => unit.clone(),
        }),
        Node::Percent(_) => Some("percent".into()),
        Node::Negative(inner) => unit_of(inner),
        _ => None,
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
