//! Greedy pair merging, the algorithm that byte-level BPE and SentencePiece have in common.
//!
//! A fragment starts as a chain of symbols (bytes or characters). As long as some neighbouring
//! pair may merge, the pair with the smallest key merges, the leftmost one among equals. What
//! may merge and at which key is the caller's business; nothing here knows a vocabulary.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One link of the chain: a token (or a character that is not one yet) and its place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Byte offset of the symbol in the fragment.
    pub start: usize,
    /// Length in bytes; 0 once the symbol has been swallowed by its left neighbour.
    pub len: usize,
    /// The token it stands for, if the vocabulary has one.
    pub id: Option<u32>,
}

/// Merges neighbouring symbols until none may merge; what remains is in text order.
///
/// `rule(left, right)` answers the key of the merge (smaller goes first) and the merged token.
/// Takes O(n log n) calls of `rule`: every merge opens at most two new candidates.
pub(super) fn merge(
    mut symbols: Vec<Symbol>,
    rule: impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>,
) -> Vec<Symbol> {
    let count = symbols.len();
    // `count` stands for "no neighbour" at either end of the chain.
    let mut previous: Vec<usize> = (0..count)
        .map(|i| i.checked_sub(1).unwrap_or(count))
        .collect();
    let mut next: Vec<usize> = (1..=count).collect();
    let mut queue = BinaryHeap::new();
    let propose = |queue: &mut BinaryHeap<_>, symbols: &[Symbol], left: usize, right: usize| {
        if let (Some(a), Some(b)) = (symbols.get(left), symbols.get(right))
            && let Some((key, id)) = rule(a, b)
        {
            queue.push(Reverse((key, left, right, a.len + b.len, id)));
        }
    };
    for right in 1..count {
        propose(&mut queue, &symbols, right - 1, right);
    }
    while let Some(Reverse((_, left, right, len, id))) = queue.pop() {
        // A candidate is stale when either side has since merged: symbols only grow or vanish,
        // so an unchanged sum of two living lengths means two unchanged symbols.
        if symbols[left].len == 0 || symbols[right].len == 0 {
            continue;
        }
        if symbols[left].len + symbols[right].len != len {
            continue;
        }
        symbols[left].len = len;
        symbols[left].id = Some(id);
        symbols[right].len = 0;
        next[left] = next[right];
        if next[right] < count {
            previous[next[right]] = left;
        }
        propose(&mut queue, &symbols, previous[left], left);
        propose(&mut queue, &symbols, left, next[left]);
    }
    symbols.retain(|symbol| symbol.len > 0);
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: usize) -> Vec<Symbol> {
        (0..n)
            .map(|start| Symbol {
                start,
                len: 1,
                id: Some(1),
            })
            .collect()
    }

    /// Pairs of equal length merge; the token id is the length.
    fn doubling(a: &Symbol, b: &Symbol) -> Option<(u32, u32)> {
        (a.len == b.len).then_some((0, (a.len + b.len) as u32))
    }

    #[test]
    fn equal_keys_merge_from_the_left() {
        let lens: Vec<_> = merge(chain(7), doubling).iter().map(|s| s.len).collect();
        assert_eq!(lens, [4, 2, 1]);
    }

    #[test]
    fn the_smallest_key_merges_first() {
        // Only the pairs at 1..3 (key 0) and 0..2 (key 1) may merge: the later one wins.
        let rule = |a: &Symbol, b: &Symbol| match (a.start, a.len, b.len) {
            (0, 1, 1) => Some((1, 8)),
            (1, 1, 1) => Some((0, 9)),
            _ => None,
        };
        let ids: Vec<_> = merge(chain(3), rule)
            .iter()
            .map(|s| (s.start, s.len, s.id))
            .collect();
        assert_eq!(ids, [(0, 1, Some(1)), (1, 2, Some(9))]);
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(merge(Vec::new(), doubling).is_empty());
    }
}
