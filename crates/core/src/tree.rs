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
    /// Number of tokens of the trace when the probe was made.
    pub at: usize,
    /// The extracted answer, or `None` where none could be read.
    pub answer: Option<String>,
    /// The answer's whole text.
    pub text: String,
    /// Whether it equals the reference, where one was given.
    pub correct: Option<bool>,
    /// Mean probability of its tokens, 0 to 1; the first is left out.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// Entropy of its first token, in nats.
    #[serde(default)]
    pub entropy: Option<f32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
                ..Branch::default()
            }],
        }
    }

    /// A tree of these branches, in order of creation.
    pub fn of(branches: Vec<Branch>) -> Tree {
        Tree { branches }
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

/// Branches depth first, children in order of creation, each with its depth: the order in which a
/// tree is drawn. Where each left its parent is given in order of creation.
pub fn walk(forks: &[Option<Fork>]) -> Vec<(usize, BranchId)> {
    let children = |parent: Option<BranchId>| {
        let of = move |&id: &BranchId| forks[id].map(|f| f.parent) == parent;
        (0..forks.len()).rev().filter(of)
    };
    let mut order = Vec::with_capacity(forks.len());
    let mut stack: Vec<(usize, BranchId)> = children(None).map(|id| (0, id)).collect();
    while let Some((depth, id)) = stack.pop() {
        order.push((depth, id));
        stack.extend(children(Some(id)).map(|id| (depth + 1, id)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_walked_depth_first() {
        let fork = |parent| Some(Fork { parent, at: 0 });
        let forks = [None, fork(0), fork(1), fork(0)];
        assert_eq!(walk(&forks), [(0, 0), (1, 1), (2, 2), (1, 3)]);
    }
}
