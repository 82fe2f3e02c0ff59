//! Before and after a training: the same sweep on two models, one after the other, and both curves
//! in one plot in the end.

use std::path::PathBuf;

use super::PlotPane;
use super::sweep::{SweepRow, SweepState};
use crate::tui::app::App;
use crate::tui::app::jobs::sweep::StartSweep;
use s1_lab::sweep::{Control, SweepConfig};
use s1_plot::curves::CurveSource;
use s1_store::run::Budget;

/// A sweep of two models that waits for its form.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    pub name: String,
    /// The model it began with.
    pub base: PathBuf,
    /// The model it made.
    pub tuned: PathBuf,
    /// What both are asked. While the form is open, the plan of single sweeps, which the form's
    /// stands in for.
    pub plan: SweepConfig,
}

/// Two sweeps under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Both {
    /// The second, while the first is under way.
    next: Option<StartSweep>,
    /// Names of the runs that are done.
    runs: Vec<String>,
}

impl App {
    /// Opens the form of the sweep before and after, its start selected.
    pub(in crate::tui::app) fn open_before_after(&mut self, mut before: Before) {
        self.forget_before_after();
        std::mem::swap(&mut self.plots.plan, &mut before.plan);
        self.plots.plan.policy.final_answer = self.request.policy.final_answer;
        let ready = self.plots.plan.problems.is_some();
        self.plots.before = Some(before);
        self.show_sweep_form(match ready {
            true => SweepRow::Start,
            false => SweepRow::Param("problems"),
        });
    }

    /// The next sweep is one of a single model again.
    pub(super) fn forget_before_after(&mut self) {
        if let Some(before) = self.plots.before.take() {
            self.plots.plan = before.plan;
        }
    }

    /// Starts both, the model before the training first.
    pub(super) fn start_before_after(&mut self, before: Before) {
        let plan = std::mem::replace(&mut self.plots.plan, before.plan);
        let launch = |model: PathBuf, word: &str| {
            let name = plan.name.as_ref().map(|n| format!("{n}-{word}"));
            StartSweep {
                model,
                plan: SweepConfig {
                    name,
                    ..plan.clone()
                },
                prefix: Some(format!("{}-{word}", before.name)),
                request: self.request.clone(),
                control: Control::default(),
            }
        };
        let first = launch(before.base, "before");
        self.plots.both = Some(Both {
            next: Some(launch(before.tuned, "after")),
            runs: Vec::new(),
        });
        self.plots.shown.clear();
        self.plots.refresh();
        self.show_plots();
        self.tell(
            "First the model before the training, then the one after it; both curves grow here.",
        );
        self.launch(first);
    }

    pub(super) fn launch(&mut self, sweep: StartSweep) {
        self.plots.sweep = Some(SweepState {
            control: sweep.control.clone(),
            ..SweepState::default()
        });
        self.start(sweep, App::on_sweep_ended);
    }

    /// A sweep has ended: starts the second, or brings both together. `true` if it was one of two.
    pub(super) fn one_of_both(&mut self, name: &str, complete: bool) -> bool {
        let Some(mut both) = self.plots.both.take() else {
            return false;
        };
        if !complete {
            return false;
        }
        both.runs.push(name.to_owned());
        match both.next.take() {
            Some(next) => {
                self.plots.both = Some(both);
                self.launch(next);
            }
            None => {
                self.plots.meet.clone_from(&both.runs);
                for run in both.runs {
                    // It is not there if the user has taken it away.
                    if self.plots.shown_as(&run).is_none() {
                        self.read_run(run);
                    }
                }
                self.bring_together();
                self.tell("Before and after, in one plot; below, what was won and what was lost.");
            }
        }
        true
    }

    /// Once both runs are here: they alone are shown, every point is compared with the natural
    /// length of the first, and the pairs have the keys.
    pub(super) fn bring_together(&mut self) {
        let plots = &mut self.plots;
        let here = |name: &String| plots.shown_as(name).is_some();
        if plots.meet.is_empty() || !plots.meet.iter().all(here) {
            return;
        }
        let meet = std::mem::take(&mut plots.meet);
        plots.shown.retain(|s| meet.contains(&s.run.name));
        plots
            .shown
            .sort_by_key(|s| meet.iter().position(|name| *name == s.run.name));
        let points = plots.shown.first().map(|s| &s.report.points);
        let natural = points.and_then(|points| {
            points
                .iter()
                .position(|p| p.spec.budget == Budget::Natural && p.spec.waits == 0)
        });
        plots.anchor = natural.map(|point| CurveSource { run: 0, point });
        plots.current = plots.shown.len().saturating_sub(1);
        plots.refresh();
        // The last is natural length against natural length.
        plots.table_mut(PlotPane::Pairs).row = plots.pairs.len().saturating_sub(1);
        plots.focus(PlotPane::Pairs);
    }
}
