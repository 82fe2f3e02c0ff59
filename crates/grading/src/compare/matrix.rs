//! Matrices, and the arithmetic that may stand between them: factors, sums, products.

use super::{SignedNode, all, in_order, same_signed};
use crate::node::Node;

/// The most products of entries that a product of two matrices may take.
const MAX_PRODUCTS: usize = 64;
/// The deepest entry that is multiplied further: every product doubles what an entry holds.
const MAX_DEPTH: usize = 8;

/// Compares when either side is a matrix or arithmetic of matrices; `None` when neither is.
pub fn same(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<Option<bool>> {
    let has_matrix = |node: &Node| node.any(&|part| matches!(part, Node::Matrix(_)));
    if !has_matrix(a.node) && !has_matrix(b.node) {
        return None;
    }
    let (xs, ys) = match (rows(a.node), rows(b.node)) {
        (Some(xs), Some(ys)) => (xs, ys),
        // A vector, written as a column and in angle brackets.
        (Some(column), None) => match vector(b.node) {
            Some(entries) => (column, entries),
            None => return by_value(a, b),
        },
        (None, Some(column)) => match vector(a.node) {
            Some(entries) => (entries, column),
            None => return by_value(a, b),
        },
        // A determinant is a number.
        (None, None) => return None,
    };
    if xs.len() != ys.len() {
        return Some(Some(false));
    }
    let rows = xs.iter().zip(&ys);
    Some(all(rows.map(|(x, y)| in_order(a, x, b, y, same_signed))))
}

/// A matrix is no number, and no list.
fn by_value(a: SignedNode<'_>, b: SignedNode<'_>) -> Option<Option<bool>> {
    let shape = |node: &Node| rows(node).is_some() || node.is_scalar();
    (shape(a.node) && shape(b.node)).then_some(Some(false))
}

fn vector(node: &Node) -> Option<Vec<Vec<Node>>> {
    match node {
        Node::Bracket('⟨', '⟩', entries) => {
            Some(entries.iter().map(|entry| vec![entry.clone()]).collect())
        }
        _ => None,
    }
}

/// The rows that a matrix, a multiple of one, a sum or a product of some has.
fn rows(node: &Node) -> Option<Vec<Vec<Node>>> {
    match node {
        Node::Matrix(rows) => Some(rows.clone()),
        Node::Negative(inner) => {
            let negative = |entry: Node| Node::Negative(Box::new(entry));
            Some(map(rows(inner)?, &negative))
        }
        Node::Quotient(top, bottom) if bottom.is_scalar() => {
            let quotient = |entry: Node| Node::Quotient(Box::new(entry), bottom.clone());
            Some(map(rows(top)?, &quotient))
        }
        Node::Product(factors) => {
            let mut product: Option<Vec<Vec<Node>>> = None;
            let mut scale = Vec::new();
            for factor in factors {
                match (rows(factor), product.take()) {
                    (Some(right), Some(left)) => product = Some(times(&left, &right)?),
                    (Some(right), None) => product = Some(right),
                    (None, left) if factor.is_scalar() => {
                        scale.push(factor.clone());
                        product = left;
                    }
                    _ => return None,
                }
            }
            let scaled =
                |entry: Node| Node::Product(scale.iter().cloned().chain([entry]).collect());
            match scale.is_empty() {
                true => product,
                false => Some(map(product?, &scaled)),
            }
        }
        Node::Sum(terms) => {
            let mut terms = terms.iter();
            let mut sum = rows(terms.next()?)?;
            for term in terms {
                let term = rows(term)?;
                let fits = term.len() == sum.len()
                    && term.iter().zip(&sum).all(|(x, y)| x.len() == y.len());
                if !fits {
                    return None;
                }
                let pairs = sum.into_iter().zip(term);
                sum = pairs
                    .map(|(x, y)| {
                        let entries = x.into_iter().zip(y);
                        entries.map(|(x, y)| Node::Sum(vec![x, y])).collect()
                    })
                    .collect();
            }
            Some(sum)
        }
        _ => None,
    }
}

fn map(rows: Vec<Vec<Node>>, change: &dyn Fn(Node) -> Node) -> Vec<Vec<Node>> {
    let row = |row: Vec<Node>| row.into_iter().map(change).collect();
    rows.into_iter().map(row).collect()
}

fn times(left: &[Vec<Node>], right: &[Vec<Node>]) -> Option<Vec<Vec<Node>>> {
    let width = right.first()?.len();
    let fits = left.iter().all(|row| row.len() == right.len())
        && right.iter().all(|row| row.len() == width)
        && left.len() * width * right.len() <= MAX_PRODUCTS
        && left
            .iter()
            .chain(right)
            .flatten()
            .all(|entry| entry.depth() <= MAX_DEPTH);
    let entry = |row: &[Node], column: usize| {
        let products = row
            .iter()
            .zip(right)
            .map(|(x, y)| Node::Product(vec![x.clone(), y[column].clone()]));
        Node::Sum(products.collect())
    };
    fits.then(|| {
        let rows = left.iter();
        rows.map(|row| (0..width).map(|column| entry(row, column)).collect())
            .collect()
    })
}
