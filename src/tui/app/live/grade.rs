//! Right or wrong: answers and probes against the reference.

use super::Live;
use crate::tui::widgets::trace::Verdict;
use s1_core::trace::{Phase, StopReason, phase_text};
use s1_core::tree::{BranchId, Probe};
use s1_grading::{equal, extract, grade};

impl Live {
    /// Reads the final answer of a branch that has ended, and grades it.
    pub fn judge(&mut self, id: BranchId) {
        let (Some(branch), Some(lane)) = (self.tree.get(id), self.lanes.get_mut(id)) else {
            return;
        };
        let reference = self.request.reference.as_deref();
        let text = phase_text(&branch.tokens, Phase::Answer);
        lane.verdict = match branch.stop {
            None => None,
            // Stopped by the user before there was anything to judge.
            Some(StopReason::User) if text.trim().is_empty() => None,
            Some(_) => verdict(reference, &text),
        };
    }

    /// Grades every probe and every answer again, after the reference has changed.
    pub fn grade_again(&mut self) {
        self.regrade = true;
        for id in 0..self.lanes.len() {
            self.judge(id);
            for probe in self
                .tree
                .get_mut(id)
                .into_iter()
                .flat_map(|b| &mut b.probes)
            {
                grade_probe(self.request.reference.as_deref(), probe);
            }
        }
    }
}

pub(super) fn grade_probe(reference: Option<&str>, probe: &mut Probe) {
    let answer = probe.answer.as_deref();
    probe.correct = reference.map(|r| answer.is_some_and(|a| equal(r, a).equal));
}

/// The answer in a text, graded if there is a reference.
fn verdict(reference: Option<&str>, text: &str) -> Option<Verdict> {
    let reference = reference.filter(|r| !r.trim().is_empty());
    let (answer, correct) = match reference {
        Some(reference) => {
            let graded = grade(reference, text);
            (graded.extracted, Some(graded.verdict.equal))
        }
        None => (extract(text, None), None),
    };
    match answer {
        Some(answer) => Some(Verdict {
            answer: answer.text,
            correct,
        }),
        None if text.trim().is_empty() => Some(Verdict {
            answer: "none".into(),
            correct,
        }),
        None => correct.map(|_| Verdict {
            answer: "none found".into(),
            correct,
        }),
    }
}
