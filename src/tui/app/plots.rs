//! The plots: which runs are laid over one another, which panel has the keys, and where in it.
//!
//! Everything shown is computed from stored runs; a run that is still going on is read again row by
//! row. Not here: drawing (`screens::plots`) and the database (the event loop reads it).

use std::collections::BTreeMap;
use std::sync::Arc;

mod act;
pub mod pair;
pub mod sweep;

use crate::tui::action::Action;
use crate::tui::widgets::chart;
use s1_lab::compare::{Paired, paired};
use s1_lab::report::Report;
use s1_plot::curves::{self, Curves, Source};
use s1_plot::terminal::View;
use s1_plot::{Figure, Scale};
use s1_store::run::{Run, RunSummary};

/// More runs over one another cannot be told apart.
const MOST_SHOWN: usize = 6;
/// Rows and cells that page up and page down move by.
const PAGE: usize = 10;

/// A part of the screen that can have the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// Accuracy against thinking tokens.
    #[default]
    Curve,
    /// Problems × points.
    Items,
    /// How long the thoughts are.
    Lengths,
    /// What each Wait changed.
    Waits,
    /// Every point against one, problem by problem.
    Pairs,
    /// The runs in the database.
    Runs,
}

impl Pane {
    /// All of them, in the order in which the key walks through them.
    pub const ALL: [Pane; 6] = [
        Pane::Curve,
        Pane::Items,
        Pane::Lengths,
        Pane::Waits,
        Pane::Pairs,
        Pane::Runs,
    ];

    /// Those that share one place.
    pub const DETAILS: [Pane; 4] = [Pane::Items, Pane::Lengths, Pane::Waits, Pane::Pairs];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Pane::Curve => "accuracy",
            Pane::Items => "items",
            Pane::Lengths => "lengths",
            Pane::Waits => "waits",
            Pane::Pairs => "pairs",
            Pane::Runs => "runs",
        }
    }
}

/// A run on the screen.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The run.
    pub run: Arc<Run>,
    /// Its figures.
    pub report: Report,
}

/// One point against the anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The point.
    pub point: Source,
    /// The anchor first, the point second.
    pub paired: Paired,
}

/// The state of the plots screen.
#[derive(Clone, Debug, Default)]
pub struct Plots {
    /// The runs in the database; `None` until they were listed.
    pub list: Option<Vec<RunSummary>>,
    /// Why they could not be.
    pub trouble: Option<String>,
    /// The runs laid over one another.
    pub shown: Vec<Shown>,
    /// Which of them the item matrix and the waits are about.
    pub current: usize,
    /// The panel that has the keys.
    pub pane: Pane,
    /// The one of [`Pane::DETAILS`] that was looked at last.
    pub detail: Pane,
    /// Whatever was looked at last beside the curve.
    pub beside: Pane,
    /// Accuracy against thinking tokens.
    pub curves: Curves,
    /// Lengths of thoughts.
    pub lengths: Curves,
    /// How the curve is looked at.
    pub view: View,
    /// How the lengths are.
    pub lengths_view: View,
    /// A logarithmic axis of tokens.
    pub log: bool,
    /// Selected row of the list of runs.
    pub row: usize,
    /// Selected problem and point of the item matrix.
    pub cell: (usize, usize),
    /// The point that all others are compared with.
    pub anchor: Option<Source>,
    /// The comparisons.
    pub pairs: Vec<Pair>,
    /// The selected one.
    pub pair: usize,
    /// The sweep that is under way.
    pub sweep: Option<sweep::Progress>,
    /// What the next one is started with.
    pub plan: sweep::Plan,
    /// The next one is of two models, before and after a training.
    pub before: Option<pair::Before>,
    /// The sweep under way is one of two.
    pub both: Option<pair::Both>,
    /// Runs that are shown together once all of them are here.
    meet: Vec<String>,
    /// Series that were shown or hidden by hand, by name.
    toggled: BTreeMap<String, bool>,
    /// Runs that are being read.
    awaited: Vec<String>,
    /// The runs are being listed.
    listing: bool,
}

impl Plots {
    /// The run that the item matrix and the waits are about.
    pub fn current(&self) -> Option<&Shown> {
        self.shown.get(self.current)
    }

    /// Whether a run is on the screen, and as which.
    pub fn shown_as(&self, name: &str) -> Option<usize> {
        self.shown.iter().position(|s| s.run.name == name)
    }

    /// What a point is called where several runs may be meant.
    pub fn name_of(&self, source: Source) -> String {
        let Some(shown) = self.shown.get(source.run) else {
            return String::new();
        };
        let point = shown.report.points.get(source.point);
        let point = point.map(curves::name).unwrap_or_default();
        if self.shown.len() > 1 {
            format!("{} · {point}", shown.run.name)
        } else {
            point
        }
    }

    /// Takes a run in: in place of its older self, or over those that are there.
    fn put(&mut self, run: Run) {
        let report = Report::of(&run);
        let shown = Shown {
            run: Arc::new(run),
            report,
        };
        match self.shown_as(&shown.run.name) {
            Some(at) => self.shown[at] = shown,
            None => {
                self.shown.push(shown);
                self.current = self.shown.len() - 1;
            }
        }
        self.refresh();
    }

    fn remove(&mut self, at: usize) {
        self.shown.remove(at);
        self.anchor = None;
        self.view.cursor = None;
        self.refresh();
    }

    /// Draws the figures anew from the runs.
    fn refresh(&mut self) {
        self.current = self.current.min(self.shown.len().saturating_sub(1));
        let runs: Vec<(&Run, &Report)> = self.shown.iter().map(|s| (&*s.run, &s.report)).collect();
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        let before = self.view.cursor.and_then(|(s, p)| self.curves.source(s, p));
        let series = self.view.cursor.map(|(s, _)| s);
        self.curves = curves::accuracy(&runs, scale);
        self.lengths = curves::lengths(&runs, scale);
        let all = [&mut self.curves, &mut self.lengths];
        for series in all.into_iter().flat_map(|c| &mut c.figure.series) {
            if let Some(hidden) = self.toggled.get(&series.name) {
                series.hidden = *hidden;
            }
        }
        // The crosshair stays on its point, wherever that has moved to.
        self.view.cursor = series.zip(before).and_then(|(series, source)| {
            let sources = self.curves.sources.get(series)?;
            let point = sources.iter().position(|s| *s == source)?;
            Some((series, point))
        });
        self.lengths_view.cursor = None;
        self.compare();
        self.clamp();
    }

    fn clamp(&mut self) {
        let (rows, columns) = self
            .current()
            .map_or((0, 0), |s| (s.report.items.len(), s.report.points.len()));
        self.cell.0 = self.cell.0.min(rows.saturating_sub(1));
        self.cell.1 = self.cell.1.min(columns.saturating_sub(1));
        self.pair = self.pair.min(self.pairs.len().saturating_sub(1));
        let runs = self.list.as_ref().map_or(0, Vec::len);
        self.row = self.row.min(runs.saturating_sub(1));
    }

    /// The point that others are compared with: the one chosen, or the first run's first.
    pub fn anchor(&self) -> Option<Source> {
        let exists = |s: &Source| {
            let shown = self.shown.get(s.run);
            shown.is_some_and(|shown| s.point < shown.report.points.len())
        };
        let first = Source { run: 0, point: 0 };
        self.anchor.filter(exists).or(Some(first).filter(exists))
    }

    fn compare(&mut self) {
        self.pairs.clear();
        let Some(anchor) = self.anchor() else { return };
        let Some(from) = self.shown.get(anchor.run) else {
            return;
        };
        for (run, shown) in self.shown.iter().enumerate() {
            for point in 0..shown.report.points.len() {
                let source = Source { run, point };
                if source == anchor {
                    continue;
                }
                let paired = paired(&from.run, anchor.point, &shown.run, point);
                if paired.n() > 0 {
                    self.pairs.push(Pair {
                        point: source,
                        paired,
                    });
                }
            }
        }
    }

    /// Gives the keys to a panel.
    pub fn focus(&mut self, pane: Pane) {
        self.pane = pane;
        if pane != Pane::Curve {
            self.beside = pane;
        }
        if Pane::DETAILS.contains(&pane) {
            self.detail = pane;
        }
    }

    fn walk(&mut self, on: bool) {
        let at = Pane::ALL.iter().position(|p| *p == self.pane).unwrap_or(0);
        let n = Pane::ALL.len();
        let next = if on { (at + 1) % n } else { (at + n - 1) % n };
        if let Some(&pane) = Pane::ALL.get(next) {
            self.focus(pane);
        }
    }

    /// The figure that the keys are about, with its view.
    fn chart(&mut self) -> (&Figure, &mut View) {
        match self.pane {
            Pane::Lengths => (&self.lengths.figure, &mut self.lengths_view),
            _ => (&self.curves.figure, &mut self.view),
        }
    }

    /// Moves in the panel that has the keys.
    fn go(&mut self, action: Action) {
        use Action as A;
        if matches!(self.pane, Pane::Curve | Pane::Lengths) {
            let (figure, view) = self.chart();
            match action {
                A::PointLeft => chart::step_point(figure, view, false),
                A::PointRight => chart::step_point(figure, view, true),
                A::Up => chart::step_series(figure, view, false),
                A::Down => chart::step_series(figure, view, true),
                _ => {}
            }
            return;
        }
        if let (Pane::Items, A::PointLeft | A::PointRight) = (self.pane, action) {
            self.cell.1 = match action {
                A::PointLeft => self.cell.1.saturating_sub(1),
                _ => self.cell.1.saturating_add(1),
            };
            return self.clamp();
        }
        let row = match self.pane {
            Pane::Items => &mut self.cell.0,
            Pane::Pairs => &mut self.pair,
            Pane::Runs => &mut self.row,
            Pane::Curve | Pane::Lengths | Pane::Waits => return,
        };
        *row = match action {
            A::Up => row.saturating_sub(1),
            A::Down => row.saturating_add(1),
            A::PageUp => row.saturating_sub(PAGE),
            A::PageDown => row.saturating_add(PAGE),
            A::Home => 0,
            A::End => usize::MAX,
            _ => *row,
        };
        self.clamp();
    }
}

#[cfg(test)]
pub(crate) mod tests;
