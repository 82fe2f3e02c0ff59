//! The explorer's share of the keys: which action is done where, and what the footer shows.

use super::areas::SIDE_FROM;
use super::jobs::files::FindSessions;
use super::{App, Focus, Model};
use crate::tui::action::{Action, Group};
use crate::tui::widgets::trace::view::Towards;
use s1_core::protocol::Ask;

impl App {
    /// Does what an action says in the explorer; actions of other screens do nothing.
    pub(super) fn explore(&mut self, action: Action) {
        use Action as A;
        match action {
            A::Submit => self.ask(),
            A::Pause => self.pause(),
            A::StepToken | A::StepSentence => self.step(action),
            A::Stop => self.stop(),
            A::Reroll => self.reroll(),
            A::Wait => self.wait(),
            A::WaitText => self.open_wait_texts(),
            A::Cut => self.cut(Ask::Cut),
            A::WrapUp => self.cut(Ask::WrapUp),
            A::CutSentence => self.cut_at_sentence(),
            A::Inject => self.open_inject(),
            A::PaceUp => self.change_pace(true),
            A::PaceDown => self.change_pace(false),
            A::BudgetUp => self.change_budget(true),
            A::BudgetDown => self.change_budget(false),
            A::Alternatives => self.open_alternatives(),
            A::Probe => self.probe(),
            A::ProbeEvery => self.toggle_probes(),
            A::WhatIf => self.open_what_if(),
            A::ProbeAll => self.probe_all(),
            A::Search => self.open_search(),
            A::SearchNext => self.search_on(Towards::On),
            A::SearchPrevious => self.search_on(Towards::Back),
            A::MarkLeft | A::MarkRight | A::ProbeLeft | A::ProbeRight => self.jump(action),
            A::Heat => self.heat = self.heat.next(),
            A::ToggleSide => {
                self.side = !self.side;
                if self.layout.whole.width < SIDE_FROM {
                    self.refuse(format!(
                        "The side panel needs {SIDE_FROM} columns; its line is below the thought."
                    ));
                }
            }
            A::ShowPrompt => self.show_prompt(),
            A::RawMaths => {
                self.raw_maths = !self.raw_maths;
                self.tell(match self.raw_maths {
                    true => "Formulas as they were written.",
                    false => "Formulas made readable.",
                });
            }
            A::ShowDelimiters => self.show_delimiters = !self.show_delimiters,
            A::Branch => self.branch(false),
            A::Rewind => self.branch(true),
            A::BranchTree => self.open_branches(),
            A::BranchNext => self.switch_by(1),
            A::BranchPrevious => self.switch_by(-1),
            A::CopyRange => self.copy_range(),
            A::CopyTrace => self.copy(false),
            A::CopyAnswer => self.copy(true),
            A::Save => self.open_save(),
            A::Open => self.start(FindSessions, App::on_sessions),
            _ if matches!(action.group(), Group::Move | Group::Scroll) => self.go(action),
            _ => {}
        }
    }

    /// What keeps a model from being loaded.
    pub fn cancel_action(&self) -> Action {
        match self.focus {
            Focus::Question => Action::Cancel,
            Focus::Trace => Action::Stop,
        }
    }

    /// The actions worth a place in the footer of the explorer now, most useful first.
    pub(super) fn explore_footer(&self) -> Vec<Action> {
        use Action as A;
        let Some(live) = self.live.as_ref() else {
            let mut keys = match self.focus {
                Focus::Question => vec![A::Submit, A::Newline, A::HistoryBack],
                Focus::Trace => {
                    vec![
                        A::EditQuestion,
                        A::EditReference,
                        A::Settings,
                        A::Models,
                        A::Theme,
                    ]
                }
            };
            if matches!(self.model, Model::Loading(_)) || self.queued {
                keys.push(self.cancel_action());
            }
            keys.extend([A::Open, A::Quit]);
            return keys;
        };
        if self.focus == Focus::Question {
            return vec![A::Submit, A::Newline, A::HistoryBack, A::Cancel];
        }
        if live.is_busy() && !live.thought_is_over() {
            return vec![
                A::Wait,
                A::Cut,
                A::CutSentence,
                A::Pause,
                A::Inject,
                A::BudgetUp,
                A::BudgetDown,
                A::Branch,
                A::Probe,
                A::Stop,
            ];
        }
        if live.is_busy() {
            return vec![A::Wait, A::Pause, A::Stop, A::Branch, A::Alternatives];
        }
        let back = self.goes_back().then_some(A::Stop);
        if live.is_paused() && !live.thought_is_over() {
            let keys = vec![
                A::Pause,
                A::StepToken,
                A::StepSentence,
                A::Wait,
                A::Cut,
                A::WrapUp,
                A::Inject,
                A::Alternatives,
                A::Branch,
                A::Rewind,
                A::Probe,
                A::WhatIf,
            ];
            return back.into_iter().chain(keys).collect();
        }
        let keys = vec![
            A::Wait,
            A::Reroll,
            A::Alternatives,
            A::Branch,
            A::Rewind,
            A::Inject,
            A::Probe,
            A::WhatIf,
            A::Heat,
            A::BranchTree,
            A::EditQuestion,
            A::Save,
        ];
        back.into_iter().chain(keys).collect()
    }
}
