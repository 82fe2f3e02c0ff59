//! The tree of branches: every continuation of one question that was ever tried.
//!
//! A branch is a whole trace that shares a prefix with its parent. Rewinding and choosing an
//! alternative make a new branch, so nothing written is ever lost.

use serde::{Deserialize, Serialize};

use super::trace::{StopReason, Token};

/// Index of a branch in its tree; also the engine's lane for it.
pub type BranchId = usize;

/// Where a branch left its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The branch it came from.
    pub parent: BranchId,
    /// Number of tokens it took over from the parent.
    pub at: usize,
}

/// What a probe found: the answer the model would give if its thinking were cut at a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Number of tokens of the trace that stood when the probe was made.
    pub at: usize,
    /// The extracted answer, or `None` where none could be read.
    pub answer: Option<String>,
    /// The answer's whole text.
    pub text: String,
    /// Whether it equals the reference, where one was given.
    pub correct: Option<bool>,
}

/// One branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Short name for the tree: `main`, `b1`, `b2`, …
    pub name: String,
    /// Where it left its parent; `None` for the first branch.
    pub fork: Option<Fork>,
    /// The whole trace, the shared prefix included.
    pub tokens: Vec<Token>,
    /// Probes along this branch, in the order they were made.
    pub probes: Vec<Probe>,
    /// Why it ended, once it has.
    pub stop: Option<StopReason>,
}

/// All branches of one question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    branches: Vec<Branch>,
}

impl Tree {
    /// A tree with one empty branch, `main`.
    pub fn new() -> Tree {
        Tree {
            branches: vec![Branch {
                name: "main".into(),
                fork: None,
                tokens: Vec::new(),
                probes: Vec::new(),
                stop: None,
            }],
        }
    }

    /// The branches, in order of creation; a [`BranchId`] indexes this slice.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// A branch, if it exists.
    pub fn get(&self, id: BranchId) -> Option<&Branch> {
        self.branches.get(id)
    }

    /// A branch to write to, if it exists.
    pub fn get_mut(&mut self, id: BranchId) -> Option<&mut Branch> {
        self.branches.get_mut(id)
    }

    /// Makes a branch that takes over the first `at` tokens of `parent` (all of them if it has
    /// fewer) and the probes made on them. Returns `None` if there is no such parent.
    pub fn fork(&mut self, parent: BranchId, at: usize) -> Option<BranchId> {
        let from = self.branches.get(parent)?;
        let at = at.min(from.tokens.len());
        let branch = Branch {
            name: format!("b{}", self.branches.len()),
            fork: Some(Fork { parent, at }),
            tokens: from.tokens[..at].to_vec(),
            probes: from.probes.iter().filter(|p| p.at <= at).cloned().collect(),
            stop: None,
        };
        self.branches.push(branch);
        Some(self.branches.len() - 1)
    }

    /// The branches depth first, children in order of creation, each with its depth: the order in
    /// which a tree is drawn.
    pub fn walk(&self) -> Vec<(usize, BranchId)> {
        let mut order = Vec::with_capacity(self.branches.len());
        let mut stack: Vec<(usize, BranchId)> =
            self.children(None).rev().map(|id| (0, id)).collect();
        while let Some((depth, id)) = stack.pop() {
            order.push((depth, id));
            stack.extend(self.children(Some(id)).rev().map(|id| (depth + 1, id)));
        }
        order
    }

    fn children(&self, parent: Option<BranchId>) -> impl DoubleEndedIterator<Item = BranchId> + '_ {
        (0..self.branches.len())
            .filter(move |&id| self.branches[id].fork.map(|f| f.parent) == parent)
    }

    /// Whether every fork points to an earlier branch and takes no more than that branch had: what
    /// must hold of a tree read from a file before it is used.
    pub fn is_sound(&self) -> bool {
        !self.branches.is_empty()
            && self
                .branches
                .iter()
                .enumerate()
                .all(|(id, b)| match b.fork {
                    None => true,
                    Some(f) => f.parent < id && f.at <= b.tokens.len(),
                })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_keeps_the_parent_whole() {
        let mut tree = Tree::new();
        let token = |id| Token {
            id,
            text: "x".into(),
            origin: crate::trace::Origin::Sampled,
            phase: crate::trace::Phase::Thinking,
            reason: None,
            logprob: 0.0,
            entropy: 0.0,
            p_end: 0.0,
            top: vec![],
        };
        tree.get_mut(0).unwrap().tokens = (0..5).map(token).collect();
        let child = tree.fork(0, 3).unwrap();
        let grandchild = tree.fork(child, 99).unwrap();
        assert_eq!(tree.get(0).unwrap().tokens.len(), 5, "nothing is lost");
        assert_eq!(tree.get(child).unwrap().tokens.len(), 3);
        assert_eq!(
            tree.get(grandchild).unwrap().fork,
            Some(Fork {
                parent: child,
                at: 3
            })
        );
        let sibling = tree.fork(0, 1).unwrap();
        assert_eq!(
            tree.walk(),
            vec![(0, 0), (1, child), (2, grandchild), (1, sibling)]
        );
        assert!(tree.is_sound());
    }
}
