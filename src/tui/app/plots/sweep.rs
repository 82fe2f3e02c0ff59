//! A sweep started from the screen: the form, and how far it is.

use std::path::PathBuf;
use std::time::Duration;

use crate::tui::action::Action;
use crate::tui::app::jobs::files::FindProblems;
use crate::tui::app::jobs::sweep::{ResumeSweep, StartSweep};
use crate::tui::app::{App, Model, params};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::problem_picker::{ProblemPicker, ProblemSetEntry};
use s1_core::forcing::POLICY;
use s1_core::param::{Setting, settings};
use s1_core::sampling::SAMPLING;
use s1_data::{assets, records};
use s1_lab::sweep::{Control, Progress, SWEEP, SweepConfig};
use s1_store::run::Budget;

/// What the form asks for, by keys.
const FORM: [&str; 9] = [
    "problems",
    "budgets",
    "waits",
    "limit",
    "samples",
    "temperature",
    "final_answer",
    "lanes",
    "name",
];

fn find(key: &str) -> Option<&'static dyn Setting<SweepConfig>> {
    // A sweep's own waits are a list, and stand before those of a policy.
    let mut all = settings(SWEEP)
        .chain(settings(SAMPLING))
        .chain(settings(POLICY));
    all.find(|setting: &&dyn Setting<SweepConfig>| setting.info().key == key)
}

/// The budgets of a small model, on a set that ends in minutes.
pub fn small() -> SweepConfig {
    let budgets = [0, 32, 64, 128, 256].map(Budget::Tokens).into_iter();
    SweepConfig {
        problems: Some(assets::HELD_OUT.into()),
        budgets: budgets.chain([Budget::Natural]).collect(),
        waits: vec![0, 1],
        limit: Some(40),
        lanes: 4,
        ..SweepConfig::default()
    }
}

/// Why a sweep cannot be started like this, and the row that is to be changed.
fn fault(plan: &SweepConfig) -> Option<(&'static str, String)> {
    let same = "Several samples at temperature 0 are all the same; raise the temperature.";
    let missing = |path: &&PathBuf| !records::is_elsewhere(path) && !path.exists();
    match &plan.problems {
        None => Some(("problems", "Choose the problems first.".to_owned())),
        Some(path) if missing(&path) => {
            let path = path.display();
            Some((
                "problems",
                format!("There is no file {path}; bundled:held-out is in the program."),
            ))
        }
        Some(_) if plan.samples > 1 && plan.sampling.is_greedy() => {
            Some(("temperature", same.to_owned()))
        }
        Some(_) => None,
    }
}

/// How far a sweep is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepState {
    /// Pauses and cancels it.
    pub control: Control,
    /// Its run; empty until that is in the database.
    pub name: String,
    /// How far the model is loaded, 0 to 1, until the run begins.
    pub loading: f32,
    /// Rows that are done.
    pub done: usize,
    pub total: usize,
    /// Tokens written per second, all lanes together.
    pub tokens_per_s: f64,
    /// Time left, once a row is done.
    pub left: Option<Duration>,
}

/// A row of the form of a new sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweepRow {
    Model,
    /// The parameter with this key.
    Param(&'static str),
    Start,
}

impl App {
    /// Opens the form of a new sweep.
    pub(in crate::tui::app) fn open_sweep(&mut self) {
        if self.plots.sweep.is_some() {
            return self.refuse("A sweep is under way; cancel it first.");
        }
        self.forget_before_after();
        self.plots.plan.policy.final_answer = self.request.policy.final_answer;
        self.show_sweep_form(SweepRow::Model);
    }

    pub(super) fn show_sweep_form(&mut self, selected: SweepRow) {
        let (title, model) = match (&self.plots.before, &self.model) {
            (Some(before), _) => ("Before and after", format!("{} and its base", before.name)),
            (None, Model::Ready(info)) => ("A new sweep", info.name.clone()),
            (None, Model::Loading(_)) => ("A new sweep", "loading …".into()),
            (None, _) => ("A new sweep", "none yet".into()),
        };
        let plan = &self.plots.plan;
        let fields = FORM.into_iter().filter_map(find).map(|setting| {
            let mut row = params::row(setting, plan);
            if row.right.is_empty() {
                row.right = "choose a file …".into();
            }
            (SweepRow::Param(setting.info().key), row)
        });
        let points = plan.points().len();
        let start = ListRow::new("Start", format!("{points} settings per problem"));
        let rows = std::iter::once((SweepRow::Model, ListRow::new("Model", model)))
            .chain(fields)
            .chain([(SweepRow::Start, start)]);
        let list = List::new(title, rows).select(|row| *row == selected);
        self.ask_over(list, App::enter_sweep_row);
    }

    fn enter_sweep_row(&mut self, row: SweepRow) {
        match row {
            // Which two is settled by the training.
            SweepRow::Model if self.plots.before.is_some() => self.show_sweep_form(row),
            SweepRow::Model => self.ask_for_model(|app, path| {
                app.load(path);
                app.show_sweep_form(SweepRow::Model);
            }),
            SweepRow::Param("problems") => self.open_problems(),
            SweepRow::Param(key) => self.ask_sweep_row(key),
            SweepRow::Start => self.start_sweep(),
        }
    }

    /// Looks for the problem sets to choose from.
    fn open_problems(&mut self) {
        self.start(FindProblems, App::on_problems);
    }

    /// Shows the problem sets that were found; the form comes back with the one that is chosen.
    pub fn on_problems(&mut self, found: Result<Vec<ProblemSetEntry>, String>) {
        // The bundled one is there whatever became of the others.
        let sets = self.taken(found);
        let mut sets = sets.unwrap_or_else(|| vec![ProblemSetEntry::bundled()]);
        let now = self.plots.plan.problems.as_deref();
        if let Some(now) = now.filter(|now| !sets.iter().any(|set| set.path == *now)) {
            sets.insert(0, ProblemSetEntry::in_use(now));
        }
        let picker = ProblemPicker::of(sets, now);
        self.ask_or(
            picker,
            |app, path| {
                app.plots.plan.problems = Some(path);
                app.show_sweep_form(SweepRow::Param("problems"));
            },
            |app| app.show_sweep_form(SweepRow::Param("problems")),
        );
    }

    /// Asks for the value of a row.
    fn ask_sweep_row(&mut self, key: &'static str) {
        let row = SweepRow::Param(key);
        let Some(setting) = find(key) else { return };
        let line = params::line(setting, &self.plots.plan);
        let set = move |app: &mut App, text: String| {
            params::set(setting, &mut app.plots.plan, &text)?;
            app.show_sweep_form(row);
            Ok(())
        };
        self.ask_or(line, set, move |app| app.show_sweep_form(row));
    }

    fn start_sweep(&mut self) {
        if let Some((row, fault)) = fault(&self.plots.plan) {
            self.show_sweep_form(SweepRow::Param(row));
            return self.refuse(fault);
        }
        if let Some(before) = self.plots.before.take() {
            return self.start_before_after(before);
        }
        let Some(model) = self.model_path.clone() else {
            self.show_sweep_form(SweepRow::Model);
            return self.refuse("Choose a model first.");
        };
        self.tell("The sweep starts; its curve grows row by row.");
        self.launch(StartSweep {
            model,
            plan: self.plots.plan.clone(),
            prefix: None,
            request: self.request.clone(),
            control: Control::default(),
        });
    }

    /// Pauses the sweep, or lets it go on; where none is under way, goes on with the selected run, or
    /// the one shown, if that is unfinished.
    pub(in crate::tui::app) fn pause_sweep(&mut self) {
        match self.plots.sweep.as_mut() {
            Some(sweep) => sweep.control.pause(!sweep.control.is_paused()),
            None => match self.plots.unfinished() {
                Some(name) => self.go_on_with(name),
                None => self.refuse("No sweep is under way, and this run is finished."),
            },
        }
    }

    /// Goes on with a run that was interrupted, as it was started.
    fn go_on_with(&mut self, name: String) {
        self.tell(format!("{name} goes on."));
        let control = Control::default();
        self.plots.sweep = Some(SweepState {
            control: control.clone(),
            ..SweepState::default()
        });
        self.start(ResumeSweep { name, control }, App::on_sweep_ended);
    }

    /// Ends the sweep; the rows that are done stay.
    pub(in crate::tui::app) fn cancel_sweep(&mut self) {
        let Some(sweep) = self.plots.sweep.as_mut() else {
            return self.refuse("No sweep is under way.");
        };
        sweep.control.cancel();
    }

    /// Hears how far the sweep is; a new row changes the curve by what it adds.
    pub fn on_sweep(&mut self, progress: Progress) {
        let Some(sweep) = self.plots.sweep.as_mut() else {
            return;
        };
        match progress {
            Progress::Loading(share) => sweep.loading = share,
            Progress::Started {
                run, done, total, ..
            } => {
                sweep.name.clone_from(&run.name);
                (sweep.done, sweep.total) = (done, total);
                self.plots.keep_like(&run);
                self.plots.put(*run);
                self.look_for_runs();
            }
            Progress::Row { row, done, total } => {
                (sweep.done, sweep.total) = (done, total);
                let name = sweep.name.clone();
                self.plots.on_row(&name, *row);
            }
            Progress::Speed { tokens_per_s, left } => {
                sweep.tokens_per_s = tokens_per_s;
                sweep.left = left;
            }
            // It is as the control says.
            Progress::Paused(_) => {}
            Progress::Notice(sentence) => self.refuse(clean_line(&sentence).into_owned()),
        }
    }

    /// Hears that the sweep has ended: by itself, cancelled (`Ok`), or by a fault.
    pub fn on_sweep_ended(&mut self, outcome: Result<(), String>) {
        let Some(sweep) = self.plots.sweep.take() else {
            return;
        };
        let complete = outcome.is_ok() && !sweep.control.is_cancelled();
        let both = self.one_of_both(&sweep.name, complete);
        match outcome {
            Ok(()) if both => {}
            Ok(()) if sweep.control.is_cancelled() => {
                let key = self.key(Action::PauseSweep);
                self.tell(format!("Stopped; {key} goes on with {}.", sweep.name));
            }
            Ok(()) => self.tell(format!("The sweep {} is done.", sweep.name)),
            Err(sentence) => self.refuse(sentence),
        }
        self.look_for_runs();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_sweep_from_starting_is_named() {
        let mut plan = small();
        assert_eq!(fault(&plan), None, "bundled problems need no choice");
        plan.problems = None;
        assert_eq!(fault(&plan).unwrap().1, "Choose the problems first.");
        let set = |plan: &mut SweepConfig, key, text| params::set(find(key).unwrap(), plan, text);
        set(&mut plan, "problems", " ~/p.jsonl").unwrap();
        let home = etcetera::home_dir().unwrap();
        assert_eq!(plan.problems, Some(home.join("p.jsonl")));
        let (row, sentence) = fault(&plan).unwrap();
        assert!(
            row == "problems" && sentence.starts_with("There is no file "),
            "{sentence}"
        );
        set(&mut plan, "problems", "bundled:held-out").unwrap();
        set(&mut plan, "samples", "3").unwrap();
        assert_eq!(fault(&plan).unwrap().0, "temperature");
        set(&mut plan, "limit", "").unwrap();
        assert_eq!(plan.limit, None, "nothing typed is all of them");
    }
}
