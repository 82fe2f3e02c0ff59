//! The picker of runs on the plots screen: what is done with the one that is chosen.
//!
//! Not here: the list of runs in its panel, and the database.

use super::{MOST_SHOWN, PlotPane};
use crate::tui::app::App;
use crate::tui::app::jobs::runs::{DeleteRun, RenameRun};
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::prompt_line::PromptLine;
use crate::tui::widgets::run_picker::{RunChoice, run_picker};
use s1_store::run::RunSummary;
use s1_store::shipped;

impl App {
    /// Opens the picker of runs, at the selected one or at this one.
    pub(super) fn open_runs(&mut self, at: Option<&str>) {
        let selected = at.map(str::to_owned).or_else(|| self.selected_run());
        let plots = &self.plots;
        let list = plots.list.as_deref().unwrap_or_default();
        if list.is_empty() {
            return self.refuse("There are no runs yet.");
        }
        let shown = |name: &str| plots.shown_as(name).is_some();
        let picker = run_picker(list, shown, selected.as_deref());
        self.ask_over(picker, App::with_run);
    }

    /// Does with a run what was chosen.
    fn with_run(&mut self, choice: RunChoice) -> Result<(), String> {
        match choice {
            RunChoice::Show(name) => {
                self.select_run(&name);
                self.only_run(name);
            }
            RunChoice::Lay(name) => {
                self.select_run(&name);
                self.lay_run(name)?;
            }
            RunChoice::Rename(name) => {
                self.may_change(&name, "renamed")?;
                let note = "Its new name.";
                let line = PromptLine::new("Rename the run", note, &name);
                let from = name.clone();
                let rename = move |app: &mut App, to: String| app.rename_run(&from, to.trim());
                self.ask_or(line, rename, move |app| app.open_runs(Some(&name)));
            }
            RunChoice::Delete(name) => {
                self.may_change(&name, "deleted")?;
                let detail = format!("{name} is removed with all its answers and traces.");
                let confirm = Confirm::new("Delete this run?", &detail);
                let of = name.clone();
                let delete = move |app: &mut App, ()| {
                    app.start(DeleteRun(of.clone()), |app, left| {
                        app.on_changed_runs(left, None)
                    });
                };
                self.ask_or(confirm, delete, move |app| app.open_runs(Some(&name)));
            }
        }
        Ok(())
    }

    /// Says why a run cannot be changed, where that is so.
    fn may_change(&self, name: &str, what: &str) -> Result<(), String> {
        let mut list = self.plots.list.iter().flatten();
        let listed = list.find(|run| run.name == name);
        if listed.is_some_and(shipped::is) {
            return Err(format!(
                "{name} came with the program and cannot be {what}."
            ));
        }
        let under_way = self
            .plots
            .sweep
            .as_ref()
            .is_some_and(|sweep| sweep.name == name);
        match under_way {
            true => Err(format!("{name} is under way and cannot be {what} now.")),
            false => Ok(()),
        }
    }

    fn rename_run(&mut self, from: &str, to: &str) -> Result<(), String> {
        let mut list = self.plots.list.iter().flatten();
        if to.is_empty() {
            return Err("Write a name.".into());
        }
        if to != from && list.any(|run| run.name == to) {
            return Err(format!("There is a run {to} already."));
        }
        // It is read again under its new name.
        let shown = self.plots.shown_as(from).is_some();
        let (from, to) = (from.to_owned(), to.to_owned());
        let job = RenameRun {
            from,
            to: to.clone(),
        };
        self.start(job, move |app, left| {
            let renamed = left.is_ok();
            app.on_changed_runs(left, Some(&to));
            if renamed && shown {
                app.read_run(to);
            }
        });
        Ok(())
    }

    /// Takes the list in after a change, and goes on choosing at this run.
    fn on_changed_runs(&mut self, left: Result<Vec<RunSummary>, String>, at: Option<&str>) {
        if let Some(list) = self.taken(left) {
            self.on_runs(Ok(list));
            self.open_runs(at);
        }
    }

    /// Selects a run in the panel of runs.
    fn select_run(&mut self, name: &str) {
        let mut list = self.plots.list.iter().flatten();
        if let Some(row) = list.position(|run| run.name == name) {
            self.plots.table_mut(PlotPane::Runs).row = row;
        }
    }

    pub(super) fn selected_run(&self) -> Option<String> {
        let list = self.plots.list.as_ref()?;
        let row = self.plots.table(PlotPane::Runs).row;
        Some(list.get(row)?.name.clone())
    }

    /// Lays a run over the others, or takes it away.
    pub(super) fn lay_run(&mut self, name: String) -> Result<(), String> {
        match self.plots.shown_as(&name) {
            Some(at) => self.plots.remove(at),
            None if self.plots.shown.len() >= MOST_SHOWN => {
                return Err(format!(
                    "More than {MOST_SHOWN} runs cannot be told apart; take one away first."
                ));
            }
            None => self.read_run(name),
        }
        Ok(())
    }

    /// Shows a run alone.
    pub(super) fn only_run(&mut self, name: String) {
        self.plots.shown.retain(|s| s.run.name == name);
        self.plots.anchor = None;
        self.plots.accuracy.view.cursor = None;
        self.plots.refresh();
        self.read_run(name);
    }
}
