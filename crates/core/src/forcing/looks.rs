//! A thought under an early exit: where it is to be looked at, and what was seen.
//!
//! A place where the rule looks waits until somebody who can measure has looked ([`Machine::look`],
//! [`Machine::see`]); nothing is to be chosen before. In a trace that was taken over or read from a
//! file the places are found again, so that one that goes on knows what it would have known.

use std::collections::VecDeque;

use super::{Edit, Machine};
use crate::exit::{self, Look, LookPlaces, Sight};
use crate::trace::{Origin, Phase, Reason, Token};

#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    places: LookPlaces,
    /// LookPlaces nobody has looked at yet.
    due: VecDeque<usize>,
    /// What was seen, in the order of the text.
    sights: Vec<Sight>,
    /// Where the rule said that the thought is over.
    over: Option<usize>,
}

impl Watch {
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Nothing is looked at any more.
    pub fn close(&mut self) {
        self.due.clear();
    }

    /// Nothing was seen yet. What is to be seen is what comes from now on.
    pub fn forget(&mut self) {
        *self = Watch {
            places: std::mem::take(&mut self.places),
            ..Watch::default()
        };
    }

    /// What is known of the first `len` tokens, which are taken in anew.
    pub fn until(&self, len: usize) -> Watch {
        let sights = self.sights.iter().filter(|sight| sight.at <= len);
        Watch {
            places: LookPlaces::default(),
            due: VecDeque::new(),
            sights: sights.cloned().collect(),
            over: self.over.filter(|&at| at <= len),
        }
    }
}

impl Machine {
    /// Where the thought is to be looked at before anything is chosen, and for what.
    pub fn look(&self) -> Option<Look> {
        let &at = self.watch.due.front().filter(|_| !self.watch.is_over())?;
        let mut measure = self.policy.exit.measure();
        if let exit::Measure::Trial(trial) = &mut measure
            && !self.policy.exit_text.is_empty()
        {
            trial.text.clone_from(&self.policy.exit_text);
        }
        Some(Look { at, measure })
    }

    /// Takes in what was seen at the place that [`Machine::look`] named.
    pub fn see(&mut self, sight: Sight) {
        if self.watch.due.front() != Some(&sight.at) {
            return;
        }
        self.watch.due.pop_front();
        let at = sight.at;
        self.watch.sights.push(sight);
        if self.policy.exit.says(&self.watch.sights) {
            self.watch.over = Some(at);
        }
    }

    /// What was seen so far, in the order of the text.
    pub fn sights(&self) -> &[Sight] {
        &self.watch.sights
    }

    /// Takes note of a place to look at, where the token just taken in makes one.
    pub(super) fn watch_out(&mut self, token: &Token) {
        let looks = self.policy.exit.looks();
        let place = self.watch.places.push(looks, token);
        let Some(at) = place.filter(|_| self.thinking >= self.policy.min_thinking) else {
            return;
        };
        // Every token of a thought is one of thinking, so that a place in it is one of the trace.
        if self.watch.sights.last().is_none_or(|s| s.at < at) {
            self.watch.due.push_back(at);
        }
    }

    /// What was written behind the place where the thought is over is taken back first; not the
    /// message that it ends.
    pub(super) fn way_back(&self) -> Option<Edit> {
        if self.told.is_some() {
            return None;
        }
        let drop = self.len - self.watch.over?.min(self.len);
        (drop > 0).then(|| Edit {
            drop,
            keep: String::new(),
            ids: Vec::new(),
            origin: Origin::Forced,
            phase: Phase::Thinking,
            reason: Reason::Kept,
        })
    }
}
