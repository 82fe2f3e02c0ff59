//! Names: what `x = 5` says of `x`, and which left sides only name the value on the right.

use crate::node::{FUNCTIONS, Node, Relation};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Whose answer a node is. An answer may name its value at length (`m + n = 293`, `f(2) = 5`) where
/// the reference is the bare value; the same equation as a reference is an equation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Reference,
    Answer,
}

/// Whether a sign says that its two sides are one value.
pub fn equates(sign: &Relation) -> bool {
    matches!(
        sign,
        Relation::Equal | Relation::Approximately | Relation::Congruent
    )
}

/// What a named equation or membership says about its name: `x = 5` and `5 = x` say 5. A
/// calculation says its result: `2 + 3 = 5`.
pub fn named(node: &Node, side: Side) -> Option<&Node> {
    match node {
        Node::Member(_, set) => Some(set),
        // Of remainders there is one statement at a time.
        Node::Relation(_, signs) if signs.len() > 1 && signs.contains(&Relation::Congruent) => None,
        Node::Relation(sides, signs) if signs.iter().all(equates) => {
            match (sides.first()?, sides.last()?) {
                (first, last) if is_name(first, side) => Some(last),
                (first, last) if is_name(last, side) => Some(first),
                (first, last) if is_constant(last) && is_quantity(first, side) => Some(last),
                (first, last) if is_constant(first) && is_constant(last) => Some(last),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether two named nodes carry the same name; `y` is as good a name for a
/// function's value as `f(x)`.
pub fn same_name(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::Relation(x, _), Node::Relation(y, _)) => match (x.first(), y.first()) {
            (Some(Node::Variable(name)), Some(Node::Apply(..)))
            | (Some(Node::Apply(..)), Some(Node::Variable(name))) => name == "y",
            (
                Some(Node::Ratio(..) | Node::Quotient(..)),
                Some(Node::Ratio(..) | Node::Quotient(..)),
            ) => letters(&x[0]) == letters(&y[0]),
            (x, y) => x == y,
        },
        (Node::Member(x, _), Node::Member(y, _)) => x == y,
        _ => false,
    }
}

fn letters(node: &Node) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    node.variables(&mut names);
    names
}

fn is_constant(node: &Node) -> bool {
    letters(node).is_empty() && node.is_scalar()
        || matches!(node, Node::Ratio(parts, _) if parts.iter().all(is_constant))
}

/// A left side that only names: `x`, `f(x)`, `\text{Area}`, `(x, y)`, `\angle A`, `AB : CD`, `\sin A`,
/// `|AB|`; in an answer also `f(2)`.
pub fn is_name(node: &Node, side: Side) -> bool {
    let names = |parts: &[Node]| parts.iter().all(|part| is_name(part, side));
    match node {
        Node::Variable(_) | Node::Text(_) => true,
        Node::Product(parts) | Node::Bracket(_, _, parts) | Node::Ratio(parts, _) => names(parts),
        Node::Unit(inner, _) => is_name(inner, side),
        Node::Quotient(top, bottom) => is_name(top, side) && is_name(bottom, side),
        Node::Apply(_, arguments) => {
            side == Side::Answer
                || arguments
                    .iter()
                    .all(|argument| matches!(argument, Node::Variable(_) | Node::List(_)))
        }
        // The length of a segment; |x| alone is an equation to solve.
        Node::Call("abs", arguments) => {
            matches!(arguments.as_slice(), [Node::Product(parts)] if names(parts))
        }
        Node::Call(function, arguments) => {
            FUNCTIONS.contains(function)
                && arguments
                    .iter()
                    .all(|argument| matches!(argument, Node::Variable(_)))
        }
        _ => false,
    }
}

/// A left side that an answer may have before the number that was asked for: a sum or difference of
/// names, `m + n`. As a reference it is the equation of a line.
fn is_quantity(node: &Node, side: Side) -> bool {
    let term = |node: &Node| match node {
        Node::Negative(inner) => is_name(inner, side),
        node => is_name(node, side),
    };
    side == Side::Answer && matches!(node, Node::Sum(terms) if terms.iter().all(term))
}

/// A list of equations, each with its own name, in the order of the names; anything else as it is.
/// `y=1, x=2` is the point (2, 1).
pub fn in_order(items: &[Node]) -> Cow<'_, [Node]> {
    let Some(mut named) = names_of(items) else {
        return Cow::Borrowed(items);
    };
    named.sort_by_key(|(name, _)| *name);
    let distinct = named.windows(2).all(|pair| pair[0].0 != pair[1].0);
    if !distinct {
        return Cow::Borrowed(items);
    }
    named.into_iter().map(|(_, value)| value.clone()).collect()
}

/// The variable and the value of an equation such as `x = 5`.
fn name_of(item: &Node) -> Option<(&str, &Node)> {
    let Node::Relation(sides, _) = item else {
        return None;
    };
    match sides.first() {
        Some(Node::Variable(name)) => named(item, Side::Reference).map(|v| (name.as_str(), v)),
        _ => None,
    }
}

/// The variable and the value of each of several equations.
fn names_of(items: &[Node]) -> Option<Vec<(&str, &Node)>> {
    items.iter().map(name_of).collect()
}

/// Two lists of which one names its values and the other does not, both as tuples: `a=1, b=2` is
/// `1, 2` but not `2, 1`, and `p=5, q=2; p=7, q=2` is `(5,2), (7,2)`.
pub fn tuples(xs: &[Node], ys: &[Node]) -> Option<(Vec<Node>, Vec<Node>)> {
    let (x, y) = (grouped(xs), grouped(ys));
    match (x, y) {
        (Some(x), None) => against(x, xs, ys),
        (None, Some(y)) => against(y, ys, xs).map(|(ys, xs)| (xs, ys)),
        (Some(x), Some(y)) if x.len() > 1 && y.len() > 1 => Some((x, y)),
        _ => None,
    }
}

/// The tuples that equations give, a new one wherever a name returns. A single name with several
/// values makes none.
fn grouped(items: &[Node]) -> Option<Vec<Node>> {
    let named = names_of(items)?;
    let mut groups: Vec<Vec<(&str, &Node)>> = vec![Vec::new()];
    for (name, value) in named {
        let group = groups.last_mut()?;
        if group.iter().any(|(known, _)| *known == name) {
            groups.push(vec![(name, value)]);
        } else {
            group.push((name, value));
        }
    }
    let width = groups.first()?.len();
    if width < 2 || groups.iter().any(|group| group.len() != width) {
        return None;
    }
    let tuple = |mut group: Vec<(&str, &Node)>| {
        group.sort_by_key(|(name, _)| *name);
        Node::Bracket(
            '(',
            ')',
            group.into_iter().map(|(_, v)| v.clone()).collect(),
        )
    };
    Some(groups.into_iter().map(tuple).collect())
}

/// The tuples of a list with names and of one without: of tuples, or of single values, which follow
/// the names as they are written.
fn against(tuples: Vec<Node>, named: &[Node], plain: &[Node]) -> Option<(Vec<Node>, Vec<Node>)> {
    if plain
        .iter()
        .all(|item| matches!(item, Node::Bracket('(', ..)))
    {
        return Some((tuples, plain.to_vec()));
    }
    let values = names_of(named)?.into_iter().map(|(_, v)| v.clone());
    let as_written = Node::Bracket('(', ')', values.collect());
    let values = Node::Bracket('(', ')', plain.to_vec());
    plain
        .iter()
        .all(Node::is_scalar)
        .then(|| (vec![as_written], vec![values]))
}
