//! A sweep started from the screen: the form, and how far it is.

use std::path::PathBuf;
use std::time::Duration;

use super::pair::Launch;
use crate::config::expand_home;
use crate::tui::app::overlay::Question;
use crate::tui::app::{App, Effect, Model, Tone};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_lab::sweep::Progress as Told;
use s1_store::run::{Budget, PointSpec};

/// More budgets or waits than a curve can show.
const MOST_POINTS: usize = 200;

/// Something that can be set before a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The problem set.
    Problems,
    /// Thinking budgets.
    Budgets,
    /// Numbers of waits.
    Waits,
    /// How many of the problems.
    Limit,
    /// Samples per problem.
    Samples,
    /// Temperature.
    Temperature,
    /// Problems at once.
    Lanes,
    /// The run's name.
    Name,
}

impl Field {
    /// All of them, in the order of the form.
    pub const ALL: [Field; 8] = [
        Field::Problems,
        Field::Budgets,
        Field::Waits,
        Field::Limit,
        Field::Samples,
        Field::Temperature,
        Field::Lanes,
        Field::Name,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Field::Problems => "Problems",
            Field::Budgets => "Thinking budgets",
            Field::Waits => "Waits",
            Field::Limit => "Only the first",
            Field::Samples => "Samples per problem",
            Field::Temperature => "Temperature",
            Field::Lanes => "Problems at once",
            Field::Name => "Name of the run",
        }
    }

    /// What may be typed.
    pub fn note(self) -> &'static str {
        match self {
            Field::Problems => "A JSONL or Parquet file, or hf:owner/name for a set of the hub.",
            Field::Budgets => {
                "Tokens of thinking, e.g. 0,64,128,natural. A smaller one costs one answer."
            }
            Field::Waits => "How often an end is replaced by Wait, e.g. 0,1,2.",
            Field::Limit => "How many of the problems, from the first; empty: all.",
            Field::Samples => {
                "More than 1 brings the majority line; the temperature must be above 0."
            }
            Field::Temperature => "0 always takes the most likely token; 0.6 to 1 varies.",
            Field::Lanes => "How many problems are thought about at the same time.",
            Field::Name => "Letters of your choice; empty: made from the problems and the time.",
        }
    }
}

/// What a sweep is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The problem set.
    pub problems: Option<PathBuf>,
    /// Thinking budgets.
    pub budgets: Vec<Budget>,
    /// Numbers of waits.
    pub waits: Vec<usize>,
    /// Only the first problems.
    pub limit: Option<usize>,
    /// Samples per problem.
    pub samples: usize,
    /// Temperature.
    pub temperature: f32,
    /// Problems at once.
    pub lanes: usize,
    /// The run's name; `None` for one made by the program.
    pub name: Option<String>,
}

impl Default for Plan {
    /// The budgets of a small model, on a set that ends in minutes.
    fn default() -> Plan {
        Plan {
            problems: None,
            budgets: [0, 32, 64, 128, 256]
                .map(Budget::Tokens)
                .into_iter()
                .chain([Budget::Natural])
                .collect(),
            waits: vec![0, 1],
            limit: Some(40),
            samples: 1,
            temperature: 0.0,
            lanes: 4,
            name: None,
        }
    }
}

impl Plan {
    /// Every budget with every number of waits.
    pub fn points(&self) -> Vec<PointSpec> {
        let of = |&budget| {
            self.waits
                .iter()
                .map(move |&waits| PointSpec { budget, waits })
        };
        self.budgets.iter().flat_map(of).collect()
    }

    /// A field as text; empty where it is open.
    pub fn text(&self, field: Field) -> String {
        let list = |items: Vec<String>| items.join(",");
        match field {
            Field::Problems => {
                let path = self.problems.as_ref();
                path.map_or(String::new(), |p| p.display().to_string())
            }
            Field::Budgets => list(self.budgets.iter().map(ToString::to_string).collect()),
            Field::Waits => list(self.waits.iter().map(ToString::to_string).collect()),
            Field::Limit => self.limit.map_or(String::new(), |n| n.to_string()),
            Field::Samples => self.samples.to_string(),
            Field::Temperature => self.temperature.to_string(),
            Field::Lanes => self.lanes.to_string(),
            Field::Name => self.name.clone().unwrap_or_default(),
        }
    }

    /// Sets a field from what was typed; says what is wrong with it.
    pub fn set(&mut self, field: Field, text: &str) -> Result<(), String> {
        let text = text.trim();
        let whole = |most: usize| -> Result<usize, String> {
            let n = text.parse().ok().filter(|n| (1..=most).contains(n));
            n.ok_or_else(|| format!("Write a whole number from 1 to {most}."))
        };
        match field {
            Field::Problems if text.is_empty() => return Err("Write a path.".into()),
            Field::Problems => self.problems = Some(expand_home(text)),
            Field::Budgets => {
                let budgets: Result<Vec<Budget>, String> =
                    text.split(',').map(str::parse).collect();
                self.budgets = distinct(budgets?)?;
            }
            Field::Waits => {
                let waits: Result<Vec<usize>, _> =
                    text.split(',').map(|w| w.trim().parse()).collect();
                self.waits = distinct(waits.map_err(|_| "Write numbers, e.g. 0,1,2.")?)?;
            }
            Field::Limit if text.is_empty() => self.limit = None,
            Field::Limit => self.limit = Some(whole(1_000_000)?),
            Field::Samples => self.samples = whole(1000)?,
            Field::Temperature => {
                let value = text.parse().ok().filter(|t: &f32| (0.0..=10.0).contains(t));
                self.temperature = value.ok_or("Write a number from 0 to 10.")?;
            }
            Field::Lanes => self.lanes = whole(64)?,
            Field::Name => self.name = Some(text.to_owned()).filter(|t| !t.is_empty()),
        }
        Ok(())
    }

    /// Why it cannot be started like this.
    fn fault(&self) -> Option<&'static str> {
        if self.problems.is_none() {
            Some("Choose the problems first.")
        } else if self.samples > 1 && self.temperature <= 0.0 {
            Some("Several samples at temperature 0 are all the same; raise the temperature.")
        } else {
            None
        }
    }
}

/// In order, each once.
fn distinct<T: Ord>(mut items: Vec<T>) -> Result<Vec<T>, String> {
    items.sort();
    items.dedup();
    if items.is_empty() || items.len() > MOST_POINTS {
        return Err(format!("Write 1 to {MOST_POINTS} of them."));
    }
    Ok(items)
}

/// How far a sweep is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Its run; empty until that is in the database.
    pub name: String,
    /// How far the model is loaded, 0 to 1, until the run begins.
    pub loading: f32,
    /// Rows that are done.
    pub done: usize,
    /// Rows in all.
    pub total: usize,
    /// Tokens written per second, all lanes together.
    pub tokens_per_s: f64,
    /// Time left, once a row is done.
    pub left: Option<Duration>,
    /// Paused by the user.
    pub paused: bool,
    /// Told to end.
    pub stopping: bool,
}

/// A row of the form of a new sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweepRow {
    Model,
    Field(Field),
    Start,
}

/// What is done in the form of a new sweep.
#[derive(Debug, PartialEq, Eq)]
struct SweepForm;

impl Question<SweepRow> for SweepForm {
    fn answered(&self, app: &mut App, row: SweepRow) -> Result<(), String> {
        match row {
            // Which two is settled by the training.
            SweepRow::Model if app.plots.before.is_some() => app.show_sweep_form(row),
            SweepRow::Model => app.open_models(),
            SweepRow::Field(field) => {
                let now = app.plots.plan.text(field);
                app.ask_over(field, PromptLine::new(field.name(), field.note(), &now));
            }
            SweepRow::Start => app.start_sweep(),
        }
        Ok(())
    }
}

/// The value of a field.
impl Question<String> for Field {
    fn answered(&self, app: &mut App, text: String) -> Result<(), String> {
        app.plots.plan.set(*self, &text)?;
        app.show_sweep_form(SweepRow::Field(*self));
        Ok(())
    }

    fn cancelled(&self, app: &mut App) {
        app.show_sweep_form(SweepRow::Field(*self));
    }
}

impl App {
    /// Opens the form of a new sweep.
    pub(in crate::tui::app) fn open_sweep(&mut self) {
        if self.plots.sweep.is_some() {
            return self.refuse("A sweep is under way; cancel it first.");
        }
        self.forget_before_after();
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
        let fields = Field::ALL.map(|f| {
            let text = plan.text(f);
            let shown = match f {
                _ if !text.is_empty() => text,
                Field::Problems => "choose a file …".into(),
                Field::Limit => "all".into(),
                _ => "made by itself".into(),
            };
            (SweepRow::Field(f), ListRow::new(f.name(), shown))
        });
        let points = plan.points().len();
        let start = ListRow::new("▸ Start", format!("{points} points per problem"));
        let rows = std::iter::once((SweepRow::Model, ListRow::new("Model", model)))
            .chain(fields)
            .chain([(SweepRow::Start, start)]);
        let list = List::new(title, rows).select(|row| *row == selected);
        self.ask_over(SweepForm, list);
    }

    fn start_sweep(&mut self) {
        if let Some(fault) = self.plots.plan.fault() {
            self.show_sweep_form(SweepRow::Field(Field::Problems));
            return self.refuse(fault);
        }
        if let Some(before) = self.plots.before.take() {
            return self.start_before_after(before);
        }
        let Some(model) = self.model_path.clone() else {
            self.show_sweep_form(SweepRow::Model);
            return self.refuse("Choose a model first.");
        };
        self.say(Tone::Info, "The sweep starts; its curve grows row by row.");
        self.launch(Launch {
            model,
            plan: self.plots.plan.clone(),
            prefix: None,
        });
    }

    /// Pauses the sweep, or lets it go on.
    pub(in crate::tui::app) fn pause_sweep(&mut self) {
        let Some(sweep) = self.plots.sweep.as_mut() else {
            return self.refuse("No sweep is under way.");
        };
        let paused = !sweep.paused;
        sweep.paused = paused;
        self.wish(Effect::PauseSweep(paused));
    }

    /// Ends the sweep; the rows that are done stay.
    pub(in crate::tui::app) fn cancel_sweep(&mut self) {
        let Some(sweep) = self.plots.sweep.as_mut() else {
            return self.refuse("No sweep is under way.");
        };
        sweep.stopping = true;
        self.wish(Effect::CancelSweep);
    }

    /// Hears how far the sweep is; a new row changes the curve by what it adds.
    pub fn on_sweep(&mut self, told: Told) {
        let Some(sweep) = self.plots.sweep.as_mut() else {
            return;
        };
        match told {
            Told::Loading(share) => sweep.loading = share,
            Told::Started {
                run, done, total, ..
            } => {
                sweep.name.clone_from(&run.name);
                (sweep.done, sweep.total) = (done, total);
                self.plots.put(*run);
                self.look_for_runs();
            }
            Told::Row { row, done, total } => {
                (sweep.done, sweep.total) = (done, total);
                let name = sweep.name.clone();
                self.plots.on_row(&name, *row);
            }
            Told::Speed { tokens_per_s, left } => {
                sweep.tokens_per_s = tokens_per_s;
                sweep.left = left;
            }
            Told::Paused(paused) => sweep.paused = paused,
            Told::Notice(sentence) => self.refuse(clean_line(&sentence).into_owned()),
        }
    }

    /// Hears that the sweep has ended: by itself, cancelled (`Ok`), or by a fault.
    pub fn on_sweep_ended(&mut self, outcome: Result<(), String>) {
        let Some(sweep) = self.plots.sweep.take() else {
            return;
        };
        let complete = outcome.is_ok() && !sweep.stopping;
        let both = self.one_of_both(&sweep.name, complete);
        match outcome {
            Ok(()) if both => {}
            Ok(()) if sweep.stopping => self.say(
                Tone::Info,
                format!(
                    "Stopped; s1-tui sweep --resume {} continues it.",
                    sweep.name
                ),
            ),
            Ok(()) => self.say(Tone::Info, format!("The sweep {} is done.", sweep.name)),
            Err(sentence) => self.refuse(sentence),
        }
        self.look_for_runs();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_people_write_them_and_faults_are_named() {
        let mut plan = Plan::default();
        plan.set(Field::Budgets, "128, 0,64,natural,64").unwrap();
        assert_eq!(plan.text(Field::Budgets), "0,64,128,natural");
        plan.set(Field::Waits, "2,0, 1").unwrap();
        assert_eq!(plan.points().len(), 12);
        plan.set(Field::Limit, "").unwrap();
        assert_eq!(plan.limit, None);
        for (field, text) in [
            (Field::Budgets, "much"),
            (Field::Budgets, ""),
            (Field::Waits, "-1"),
            (Field::Limit, "0"),
            (Field::Samples, "many"),
            (Field::Temperature, "NaN"),
            (Field::Lanes, "0"),
            (Field::Problems, " "),
        ] {
            let before = plan.clone();
            assert!(plan.set(field, text).is_err(), "{field:?} {text:?}");
            assert_eq!(plan, before);
        }
        assert_eq!(plan.fault(), Some("Choose the problems first."));
        plan.set(Field::Problems, "~/p.jsonl").unwrap();
        assert_eq!(plan.fault(), None);
        plan.set(Field::Samples, "3").unwrap();
        assert!(plan.fault().unwrap().contains("temperature"));
    }
}
