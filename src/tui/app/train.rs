//! The trainings: the form of a new one, which one is watched, and which panel has the keys.
//!
//! A training is a process of its own that writes into the database; what is shown here was read
//! from there, and orders go there too. So it keeps running while another screen is shown, and after
//! the program has ended. Not here: drawing (`screens::train`), files and processes (the event loop).

mod act;
mod after;
pub mod curve;
pub mod form;
mod plan;
pub mod watch;

use ratatui::layout::{Position, Rect};
use strum::VariantArray;

use crate::tui::action::Action;
use crate::tui::widgets::chart;
use crate::tui::widgets::list::{neighbour, step_row};
use crate::tui::widgets::overlay::scroll_to;
use crate::tui::widgets::panel;
use crate::tui::widgets::tabs::{self, Tab};
use s1_core::training::{TrainConfig, TrainStep};
use s1_lab::training::Preview;
use s1_plot::Figure;
use s1_plot::terminal::ChartView;
use s1_store::training::{RecordedEvent, Training};
use s1_train::CheckpointFile;

pub use after::Purpose;
use form::TrainForm;
use watch::Watched;

/// Key presses from one end of a chart to the other, about.
const STRIDES: usize = 100;

/// A part of the screen that can have the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray)]
pub enum TrainPane {
    /// Loss, raw and smoothed.
    #[default]
    Loss,
    /// Accuracy on held-out problems.
    HeldOut,
    Rate,
    /// Norm of the gradient.
    Gradient,
    /// Tokens a second.
    Speed,
    /// What it answers to the sample question.
    Sample,
    Log,
    Checkpoints,
    List,
}

impl TrainPane {
    /// All of them, in the order in which the key walks through them.
    pub const ALL: &'static [TrainPane] = TrainPane::VARIANTS;

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            TrainPane::Loss => "loss",
            TrainPane::HeldOut => "held-out",
            TrainPane::Rate => "rate",
            TrainPane::Gradient => "gradient",
            TrainPane::Speed => "speed",
            TrainPane::Sample => "sample",
            TrainPane::Log => "log",
            TrainPane::Checkpoints => "checkpoints",
            TrainPane::List => "trainings",
        }
    }

    /// Whether it is a chart.
    pub fn is_chart(self) -> bool {
        use TrainPane as P;
        matches!(
            self,
            P::Loss | P::HeldOut | P::Rate | P::Gradient | P::Speed
        )
    }
}

/// What is read while trainings are watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingsSnapshot {
    /// All trainings, the newest first.
    pub list: Vec<Training>,
    /// What is new of the one that is watched.
    pub news: Option<TrainingUpdate>,
}

/// What is new of a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingUpdate {
    pub name: String,
    /// What it is newer than: a step and an event.
    pub after: (usize, i64),
    /// Its later steps.
    pub steps: Vec<TrainStep>,
    pub events: Vec<RecordedEvent>,
    /// All its checkpoints, the newest first.
    pub checkpoints: Vec<CheckpointFile>,
}

/// What the form will take.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// The settings that are being worked out.
    asked: Option<TrainConfig>,
    /// The settings of what is shown.
    of: Option<TrainConfig>,
    /// What they come to, or why they cannot be run.
    pub shown: Option<Result<Preview, String>>,
    /// Which of the examples is shown.
    pub example: usize,
    /// First row of it.
    pub scroll: usize,
}

/// Where things are on the train screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainAreas {
    /// The names of all panels; empty where they have no room.
    pub tabs: Rect,
    /// The panels on the screen, their borders included.
    pub panes: Vec<(TrainPane, Rect)>,
    /// The rows of the form, if that is what is shown.
    pub form: Rect,
    /// What the form will take, its border included; empty where it has no room.
    pub plan: Rect,
}

/// The state of the train screen.
#[derive(Clone, Debug, Default)]
pub struct Train {
    /// The trainings in the database, the newest first; `None` until they were read.
    pub list: Option<Vec<Training>>,
    /// Why they could not be.
    pub trouble: Option<String>,
    /// The one that is watched.
    pub current: Option<String>,
    /// What was read of it.
    pub watched: Watched,
    pub form: TrainForm,
    /// The form is on the screen although there are trainings.
    pub planning: bool,
    /// What the form will take.
    pub planned: Planned,
    /// The training that is being started.
    pub starting: Option<String>,
    /// The panel that has the keys.
    pub pane: TrainPane,
    /// The chart that was looked at last.
    pub chart: TrainPane,
    /// The panel that was looked at last, of those that are not charts.
    pub side: TrainPane,
    /// How the charts are looked at: the crosshair of the one that has the keys.
    pub view: ChartView,
    /// Selected row of the list of trainings.
    pub row: usize,
    pub checkpoint: usize,
    /// The answer that is shown, from the oldest; `None` follows the newest.
    pub sample: Option<usize>,
    /// Rows of the log below the last one in sight.
    pub log: usize,
    /// Where things are; set before each drawing.
    pub areas: TrainAreas,
    looking: bool,
    /// Calls since they were read last, while another screen is shown.
    idle: usize,
}

impl Train {
    /// The trainings' part of the program as it starts.
    pub fn new(defaults: form::FormDefaults) -> Train {
        Train {
            form: TrainForm::new(defaults),
            side: TrainPane::Sample,
            ..Train::default()
        }
    }

    /// Whether the form is what the screen shows.
    pub fn shows_form(&self) -> bool {
        self.planning || self.list.as_ref().is_some_and(Vec::is_empty)
    }

    /// The training that is watched.
    pub fn current(&self) -> Option<&Training> {
        let name = self.current.as_ref()?;
        let mut list = self.list.as_ref()?.iter();
        list.find(|l| l.name == *name)
    }

    /// The answer that is shown, and how many there are.
    pub fn sample(&self) -> (Option<usize>, usize) {
        let n = self.watched.samples().len();
        let shown = self.sample.unwrap_or(usize::MAX);
        (n.checked_sub(1).map(|last| shown.min(last)), n)
    }

    /// Watches another training; what was read of the last one goes.
    fn watch(&mut self, name: Option<String>) {
        self.current = name;
        self.forget();
    }

    /// Reads the training anew from its beginning.
    fn forget(&mut self) {
        self.watched = Watched::default();
        self.view.cursor = None;
        self.sample = None;
        self.checkpoint = 0;
        self.log = 0;
    }

    /// Gives the keys to a panel.
    pub fn focus(&mut self, pane: TrainPane) {
        self.pane = pane;
        self.view.cursor = None;
        if pane.is_chart() {
            self.chart = pane;
        } else {
            self.side = pane;
        }
    }

    /// The names of all panels.
    pub fn tabs(&self) -> Vec<Tab<TrainPane>> {
        let tab = |&pane: &TrainPane| Tab {
            pane,
            name: pane.name(),
            shown: self.areas.panes.iter().any(|(shown, _)| *shown == pane),
        };
        TrainPane::ALL.iter().map(tab).collect()
    }

    /// Rows in sight of a panel.
    fn height_of(&self, pane: TrainPane) -> usize {
        let mut panes = self.areas.panes.iter();
        let area = panes.find(|(shown, _)| *shown == pane);
        area.map_or(1, |(_, area)| usize::from(panel::inside(*area).height))
    }

    /// Gives the keys to the panel at a place, and selects the row there; `true` where that was
    /// selected already.
    fn click(&mut self, at: Position) -> bool {
        if let Some(pane) = tabs::at(&self.tabs(), self.pane, self.areas.tabs, at) {
            self.focus(pane);
            return false;
        }
        let mut panes = self.areas.panes.iter();
        let Some(&(pane, area)) = panes.find(|(_, area)| area.contains(at)) else {
            return false;
        };
        let had_keys = self.pane == pane;
        if !had_keys {
            self.focus(pane);
        }
        if pane.is_chart() {
            let figure = self.figure(pane).clone();
            chart::click(&figure, &mut self.view, area, at);
            return false;
        }
        let inner = panel::inside(area);
        let rows = match pane {
            TrainPane::Checkpoints => self.watched.checkpoints.len(),
            TrainPane::List => self.list.as_ref().map_or(0, Vec::len),
            _ => return false,
        };
        let row = match pane {
            TrainPane::Checkpoints => &mut self.checkpoint,
            _ => &mut self.row,
        };
        let Some(line) = at.y.checked_sub(inner.y).filter(|_| inner.contains(at)) else {
            return false;
        };
        let there = scroll_to(*row, rows, usize::from(inner.height)) + usize::from(line);
        let again = had_keys && there == *row;
        if there < rows {
            *row = there;
        }
        again
    }

    fn walk(&mut self, next: bool) {
        self.focus(neighbour(TrainPane::ALL, self.pane, next));
    }

    /// The figure of a chart.
    pub fn figure(&self, pane: TrainPane) -> &Figure {
        match pane {
            TrainPane::HeldOut => &self.watched.held_out,
            TrainPane::Rate => &self.watched.rate,
            TrainPane::Gradient => &self.watched.gradient,
            TrainPane::Speed => &self.watched.speed,
            _ => &self.watched.loss,
        }
    }

    /// Moves in the panel that has the keys.
    fn go(&mut self, action: Action) {
        use Action as A;
        if self.pane.is_chart() {
            return self.move_crosshair(action);
        }
        let rows = match self.pane {
            TrainPane::Sample => {
                let (shown, n) = self.sample();
                let Some(shown) = shown else { return };
                let next = match action {
                    A::PointLeft | A::Up => shown.saturating_sub(1),
                    A::PointRight | A::Down => shown + 1,
                    A::Home => 0,
                    A::End => n,
                    _ => shown,
                };
                // The newest is followed.
                self.sample = Some(next).filter(|next| *next + 1 < n);
                return;
            }
            TrainPane::Log => {
                // Counted from the newest, which is followed.
                let last = self.watched.events.len().saturating_sub(1);
                let at = last.saturating_sub(self.log);
                let height = self.height_of(TrainPane::Log);
                self.log = last - step_row(action, at, last + 1, height).unwrap_or(at);
                return;
            }
            TrainPane::Checkpoints => self.watched.checkpoints.len(),
            _ => self.list.as_ref().map_or(0, Vec::len),
        };
        let height = self.height_of(self.pane);
        let row = match self.pane {
            TrainPane::Checkpoints => &mut self.checkpoint,
            _ => &mut self.row,
        };
        *row = step_row(action, *row, rows, height).unwrap_or(*row);
    }

    fn move_crosshair(&mut self, action: Action) {
        use Action as A;
        let figure = self.figure(self.pane).clone();
        let view = &mut self.view;
        let first = view.cursor.is_none();
        match action {
            A::PointLeft | A::PointRight => {
                let on = action == A::PointRight;
                chart::step_point(&figure, view, on);
                if first {
                    // It starts at the end of the line that says most.
                    let line = figure.series.len().saturating_sub(1).min(1);
                    let points = figure.series.get(line).map_or(0, |s| s.points.len());
                    view.cursor = points.checked_sub(1).map(|point| (line, point));
                    return;
                }
                let series = view.cursor.and_then(|(s, _)| figure.series.get(s));
                let stride = series.map_or(0, |s| s.points.len() / STRIDES);
                for _ in 1..stride {
                    chart::step_point(&figure, view, on);
                }
            }
            A::Up | A::Down => chart::step_series(&figure, view, action == A::Down),
            _ => {}
        }
    }

    fn clamp(&mut self) {
        let last = |n: usize| n.saturating_sub(1);
        self.row = self.row.min(last(self.list.as_ref().map_or(0, Vec::len)));
        self.checkpoint = self.checkpoint.min(last(self.watched.checkpoints.len()));
    }
}

#[cfg(test)]
pub(crate) mod tests;
