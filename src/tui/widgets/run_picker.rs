//! The picker of runs: found by name, model and problems; shown alone or beside others, gone on with,
//! renamed, deleted.
//!
//! Not here: the database, and the list of runs on the plots screen.

use ratatui::text::Line;

use super::finder::{ColumnHead, Entry, Finder, FinderSpec, place_of_columns};
use super::list::ListRow;
use crate::tui::theme::Theme;
use s1_core::format;
use s1_store::run::RunSummary;
use s1_store::shipped;

/// What is to be done with the run of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunChoice {
    /// Show it alone.
    Show(String),
    /// Lay it over the others, or take it away.
    Lay(String),
    Rename(String),
    Delete(String),
}

impl RunChoice {
    /// The same run, for something else.
    fn but(&self, what: fn(String) -> RunChoice) -> RunChoice {
        let (RunChoice::Show(name)
        | RunChoice::Lay(name)
        | RunChoice::Rename(name)
        | RunChoice::Delete(name)) = self;
        what(name.clone())
    }
}

static PICKER: FinderSpec<RunChoice> = FinderSpec {
    title: "Runs",
    sign: "›",
    placeholder: "type to find by name, model or problems",
    accept: "show alone",
    others: &[
        ('o', "overlay", |choice| choice.but(RunChoice::Lay)),
        ('r', "rename", |choice| choice.but(RunChoice::Rename)),
        ('d', "delete", |choice| choice.but(RunChoice::Delete)),
    ],
    columns: &[
        ColumnHead::left("run"),
        ColumnHead::right("done"),
        ColumnHead::right("right"),
        ColumnHead::left("model"),
        ColumnHead::left("problems"),
        ColumnHead::left("begun"),
    ],
    gap: 1,
    place: |area, entries| place_of_columns(area, entries, 124),
    typed: |_| None,
    check: |_| Ok(()),
    takes_typed: "",
    nothing: |_, theme| vec![nothing(theme)],
};

fn nothing(theme: &Theme) -> Line<'static> {
    Line::styled("no run matches", theme.dim)
}

/// How many of a run's problems are done.
pub fn done(run: &RunSummary) -> String {
    match run.is_complete() {
        true if shipped::is(run) => "shipped ✓".into(),
        true => format!("{} ✓", run.rows),
        false => format!("{}/{}  ", run.rows, run.settings.problems.count),
    }
}

/// The share of right answers of a run, all its points together.
pub fn right(run: &RunSummary) -> String {
    match run.graded {
        0 => "–".into(),
        graded => format!("{:.1}%", 100.0 * run.correct as f64 / graded as f64),
    }
}

/// When a run was begun; of those in the program that says nothing.
pub fn begun(run: &RunSummary) -> String {
    match shipped::is(run) {
        true => "–".into(),
        false => format::date(run.created_at),
    }
}

/// A picker of these, at the one with this name; those that are on the screen are marked.
pub fn run_picker(
    runs: &[RunSummary],
    shown: impl Fn(&str) -> bool,
    selected: Option<&str>,
) -> Finder<RunChoice> {
    let entry = |run: &RunSummary| {
        let (name, settings) = (&run.name, &run.settings);
        let mark = if shown(name) { "✓ " } else { "" };
        Entry {
            text: format!(
                "{name} {} {}",
                settings.model.card.name, settings.problems.name
            ),
            row: ListRow::default(),
            cells: vec![
                format!("{mark}{name}"),
                done(run),
                right(run),
                settings.model.card.name.clone(),
                settings.problems.name.clone(),
                begun(run),
            ],
            about: format!(
                "{} settings × {} problems · {} · {}",
                settings.points.len(),
                settings.problems.count,
                settings.model.card.name,
                begun(run)
            ),
            fault: None,
            value: RunChoice::Show(name.clone()),
            name: "",
        }
    };
    let mut picker = Finder::searching(&PICKER);
    picker.set_entries(runs.iter().map(entry).collect());
    picker.select(|choice| {
        let RunChoice::Show(name) = choice else {
            return false;
        };
        Some(name.as_str()) == selected
    });
    picker
}
