//! Right or wrong: answers and probes against the reference.

use super::Live;
use crate::tui::widgets::trace::GradedAnswer;
use s1_core::trace::{Phase, Token, phase_text};
use s1_core::tree::BranchId;
use s1_grading::equal;
use s1_lab::answer::FinalAnswer;

impl Live {
    /// Reads the final answer of a branch that has ended, and grades it.
    pub fn judge(&mut self, id: BranchId) {
        let Some(branch) = self.branches.get_mut(id) else {
            return;
        };
        let lane = &branch.lane;
        let reference = self.request.reference.as_deref();
        let answer = FinalAnswer::of_ended(&lane.tokens, lane.stop, reference);
        branch.verdict = answer.and_then(|answer| verdict(answer, &lane.tokens));
    }

    /// Grades every probe and every answer again, after the reference has changed.
    pub fn grade_again(&mut self) {
        self.regrade = true;
        for id in 0..self.branches.len() {
            self.judge(id);
            self.grade_probes(id);
        }
    }

    /// Grades the probes of a branch by the reference of today.
    pub(super) fn grade_probes(&mut self, id: BranchId) {
        let reference = self.request.reference.as_deref();
        let probes = self.branches.get_mut(id).map(|b| &mut b.lane.probes);
        for probe in probes.into_iter().flatten() {
            let answer = probe.answer.as_deref();
            probe.correct = reference.map(|r| answer.is_some_and(|a| equal(r, a).equal));
        }
    }
}

/// What is shown of an answer: one that was looked for and not found, too.
fn verdict(answer: FinalAnswer, tokens: &[Token]) -> Option<GradedAnswer> {
    let blank = || phase_text(tokens, Phase::Answer).trim().is_empty();
    let correct = answer.correct;
    let answer = match answer.text {
        Some(text) => text,
        None if blank() => "none".into(),
        None if correct.is_some() => "none found".into(),
        None => return None,
    };
    Some(GradedAnswer { answer, correct })
}
