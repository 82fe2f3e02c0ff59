//! Sets of real numbers, however they are written: intervals and their unions, inequalities,
//! `\mathbb{R} \setminus \{0\}`, `x \neq 0`, `|x| < 1`.

use super::name::equates;
use super::{SignedNode, evaluate};
use crate::exact::Exact;
use crate::node::{Node, Relation};
use num_rational::BigRational;
use num_traits::Signed;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The most intervals a set may have.
const MAX_PARTS: usize = 64;

/// A place where a set begins or ends: just before a number, so that the number lies behind it, or
/// just after.
#[derive(Debug, Clone)]
struct Endpoint {
    at: f64,
    exact: Option<Exact>,
    after: bool,
}

impl Endpoint {
    fn infinite(at: f64) -> Self {
        Self {
            at,
            exact: None,
            after: false,
        }
    }

    fn same_number(&self, other: &Self) -> bool {
        match (&self.exact, &other.exact) {
            (Some(x), Some(y)) => x == y,
            _ if self.at.is_infinite() || other.at.is_infinite() => self.at == other.at,
            _ => (self.at - other.at).abs() <= 1e-9 * self.at.abs().max(other.at.abs()),
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        if self.same_number(other) {
            self.after.cmp(&other.after)
        } else {
            self.at.total_cmp(&other.at)
        }
    }
}

/// A set of real numbers: disjoint parts in order, each from one cut to another.
type RealSet = Vec<(Endpoint, Endpoint)>;

/// Compares two sets of which at least one is more than an interval in brackets; `None` where one of
/// them is no set of numbers, or its ends are not.
pub fn same(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<bool> {
    if !is_condition(a.node) && !is_condition(b.node) {
        return None;
    }
    let (x, y) = (set(a, a.node)?, set(b, b.node)?);
    let (names, others) = (names(a.node), names(b.node));
    if !names.is_empty() && !others.is_empty() && names != others {
        return Some(false);
    }
    let parts = x.len() == y.len();
    let same_cut = |x: &Endpoint, y: &Endpoint| x.cmp(y) == Ordering::Equal;
    Some(
        parts
            && x.iter()
                .zip(&y)
                .all(|(x, y)| same_cut(&x.0, &y.0) && same_cut(&x.1, &y.1)),
    )
}

/// Whether a node describes a set by more than one pair of brackets.
fn is_condition(node: &Node) -> bool {
    match node {
        Node::Relation(_, signs) => !signs.iter().any(equates),
        Node::Union(_) | Node::Intersection(_) | Node::Without(..) => true,
        Node::Variable(name) => name == "ℝ",
        Node::List(items) => items.iter().all(is_condition),
        _ => false,
    }
}

/// The variables of inequalities; a set in brackets has none.
fn names(node: &Node) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    node.variables(&mut names);
    names.remove("ℝ");
    names
}

fn set(context: SignedNode<'_>, node: &Node) -> Option<RealSet> {
    context.budget.spend(1)?;
    let parts = match node {
        Node::Variable(name) if name == "ℝ" => all(),
        Node::Member(_, inner) => set(context, inner)?,
        Node::Bracket(open @ ('(' | '['), close @ (')' | ']'), ends) => {
            let [low, high] = ends.as_slice() else {
                return None;
            };
            vec![(
                cut(context, low, *open == '(')?,
                cut(context, high, *close == ']')?,
            )]
        }
        Node::Set(members) => members
            .iter()
            .map(|member| Some((cut(context, member, false)?, cut(context, member, true)?)))
            .collect::<Option<_>>()?,
        Node::Union(parts) => union(context, parts)?,
        Node::Intersection(parts) => intersection(context, parts)?,
        Node::Without(set_node, removed) => {
            let removed = complement(&set(context, removed)?);
            meet(set(context, set_node)?, removed)?
        }
        Node::Relation(sides, signs) => {
            let mut shared = all();
            for (pair, sign) in sides.windows(2).zip(signs) {
                shared = meet(shared, related(context, &pair[0], *sign, &pair[1])?)?;
            }
            shared
        }
        Node::List(items) if items.iter().any(is_condition) => {
            let not_equal = |item: &Node| matches!(item, Node::Relation(_, signs) if signs.contains(&Relation::NotEqual));
            // `x > 1, x < 3` hold together: apart they would say nothing.
            match union(context, items)? {
                either if items.iter().any(not_equal) || is_all(&either) => {
                    intersection(context, items)?
                }
                either => either,
            }
        }
        Node::List(items) if items.iter().all(|item| matches!(item, Node::Bracket(..))) => {
            union(context, items)?
        }
        _ => return None,
    };
    let ordered = |(low, high): &(Endpoint, Endpoint)| low.cmp(high) == Ordering::Less;
    (parts.len() <= MAX_PARTS && parts.iter().all(ordered)).then(|| merged(parts))
}

fn all() -> RealSet {
    vec![(
        Endpoint::infinite(f64::NEG_INFINITY),
        Endpoint::infinite(f64::INFINITY),
    )]
}

fn is_all(set: &RealSet) -> bool {
    matches!(set.as_slice(), [(low, high)] if low.at.is_infinite() && high.at.is_infinite())
}

fn union(context: SignedNode<'_>, parts: &[Node]) -> Option<RealSet> {
    let sets: Vec<RealSet> = parts
        .iter()
        .map(|part| set(context, part))
        .collect::<Option<_>>()?;
    Some(merged(sets.into_iter().flatten().collect()))
}

fn intersection(context: SignedNode<'_>, parts: &[Node]) -> Option<RealSet> {
    parts
        .iter()
        .try_fold(all(), |shared, part| meet(shared, set(context, part)?))
}

/// What two sets share: what is in neither one's complement.
fn meet(a: RealSet, b: RealSet) -> Option<RealSet> {
    let outside = complement(&a).into_iter().chain(complement(&b)).collect();
    let shared = complement(&merged(outside));
    (shared.len() <= MAX_PARTS).then_some(shared)
}

/// The same set with its parts in order, those that touch joined.
fn merged(mut parts: RealSet) -> RealSet {
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let mut merged: RealSet = Vec::new();
    for (low, high) in parts {
        match merged.last_mut() {
            Some((_, end)) if low.cmp(end) != Ordering::Greater => {
                if high.cmp(end) == Ordering::Greater {
                    *end = high;
                }
            }
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn complement(set: &RealSet) -> RealSet {
    let mut gaps = Vec::new();
    let mut from = Endpoint::infinite(f64::NEG_INFINITY);
    for (low, high) in set {
        if from.cmp(low) == Ordering::Less {
            gaps.push((from, low.clone()));
        }
        from = high.clone();
    }
    let end = Endpoint::infinite(f64::INFINITY);
    if from.cmp(&end) == Ordering::Less {
        gaps.push((from, end));
    }
    gaps
}

/// The cut before or after a number.
fn cut(context: SignedNode<'_>, node: &Node, after: bool) -> Option<Endpoint> {
    if let Some(sign) = super::shape::infinity(node) {
        return Some(Endpoint::infinite(f64::from(sign) * f64::INFINITY));
    }
    let none = BTreeMap::new();
    let exact = evaluate::exact(node, context.at(&none));
    let value = evaluate::float(node, context.at(&none))?;
    (value.im == 0.0).then_some(Endpoint {
        at: value.re,
        exact,
        after,
    })
}

/// Where one relation holds: linear in one variable, or between an absolute value and a number.
fn related(context: SignedNode<'_>, left: &Node, sign: Relation, right: &Node) -> Option<RealSet> {
    let (inside, sign, bound) = match (left, right) {
        (Node::Call("abs", inside), bound) if names(bound).is_empty() => (inside, sign, bound),
        (bound, Node::Call("abs", inside)) if names(bound).is_empty() => {
            (inside, turned(sign)?, bound)
        }
        _ => {
            let right = Node::Negative(Box::new(right.clone()));
            let difference = Node::Sum(vec![left.clone(), right]);
            return half_line(context, &difference, sign);
        }
    };
    // |x| < c: x < c and -x < c; |x| > c: either.
    let shifted = |negative: bool| {
        let inner = inside.first()?.clone();
        let inner = match negative {
            true => Node::Negative(Box::new(inner)),
            false => inner,
        };
        let bound = Node::Negative(Box::new(bound.clone()));
        half_line(context, &Node::Sum(vec![inner, bound]), sign)
    };
    let (above, below) = (shifted(false)?, shifted(true)?);
    match sign {
        Relation::Less | Relation::LessEqual | Relation::NotEqual => meet(above, below),
        _ => Some(merged(above.into_iter().chain(below).collect())),
    }
}

fn turned(sign: Relation) -> Option<Relation> {
    Some(match sign {
        Relation::Less => Relation::Greater,
        Relation::LessEqual => Relation::GreaterEqual,
        Relation::Greater => Relation::Less,
        Relation::GreaterEqual => Relation::LessEqual,
        Relation::NotEqual => Relation::NotEqual,
        _ => return None,
    })
}

/// Where a·x + b compares with zero as `sign` says.
fn half_line(context: SignedNode<'_>, node: &Node, sign: Relation) -> Option<RealSet> {
    let plain = |node: &Node| match node {
        // An unknown function's value is as good a variable as any.
        Node::Apply(..) => Node::Variable("f(x)".into()),
        Node::Negative(inner) if matches!(**inner, Node::Apply(..)) => {
            Node::Negative(Box::new(Node::Variable("f(x)".into())))
        }
        node => node.clone(),
    };
    let node = match node {
        Node::Sum(terms) => Node::Sum(terms.iter().map(plain).collect()),
        node => plain(node),
    };
    let mut names = names(&node);
    let name = names.pop_first().filter(|_| names.is_empty())?;
    let at = |x: i64| {
        let variables = BTreeMap::from([(name.clone(), BigRational::from_integer(x.into()))]);
        evaluate::exact(&node, context.at(&variables))
    };
    let (zero, one, two) = (at(0)?, at(1)?, at(2)?);
    let slope = one.plus(&zero.negative(), context.budget)?;
    let straight = two.plus(&one.negative(), context.budget)? == slope;
    let steep = slope.as_rational().filter(|_| straight)?;
    let root = zero
        .negative()
        .times(&slope.inverse(context.budget)?, context.budget)?;
    let at = root.to_f64()?;
    let cut = |after: bool| Endpoint {
        at,
        exact: Some(root.clone()),
        after,
    };
    let sign = if steep.is_negative() {
        turned(sign)?
    } else {
        sign
    };
    let (low, high) = (
        Endpoint::infinite(f64::NEG_INFINITY),
        Endpoint::infinite(f64::INFINITY),
    );
    Some(match sign {
        Relation::Less => vec![(low, cut(false))],
        Relation::LessEqual => vec![(low, cut(true))],
        Relation::Greater => vec![(cut(true), high)],
        Relation::GreaterEqual => vec![(cut(false), high)],
        Relation::NotEqual => vec![(low, cut(false)), (cut(true), high)],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::equal;

    #[test]
    fn touching_parts_join_and_open_ends_do_not() {
        assert!(equal("[1,2]", "[1,1.5]\\cup[1.5,2]").equal);
        assert!(!equal("(1,2)", "(1,1.5)\\cup(1.5,2)").equal);
        assert!(equal("(1,2)\\cup\\{2\\}", "1<x\\le 2").equal);
    }
}
