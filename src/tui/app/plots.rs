//! The plots: which runs are laid over one another, and what follows from them.
//!
//! Everything shown is counted row by row: a run is read once when it is opened, and a row that is
//! finished later changes the figures by what it adds. Not here: the panels ([`panes`]), drawing
//! (`screens::plots`) and the database (the event loop reads it).

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ratatui::layout::Rect;

mod act;
pub mod exits;
pub mod pair;
pub mod panes;
mod runs;
pub mod sweep;

pub use panes::PlotPane;

use crate::tui::sanitize::width;
use crate::tui::widgets::table::TablePlace;
use s1_lab::advice::{self, Way};
use s1_lab::compare::Paired;
use s1_lab::report::Report;
use s1_lab::sweep::SweepConfig;
use s1_plot::Scale;
use s1_plot::curves::{self, Counted, CurveSource, Curves};
use s1_plot::terminal::ChartView;
use s1_store::run::{Row, Run, RunSummary};

/// More runs over one another cannot be told apart.
const MOST_SHOWN: usize = 6;

/// A run on the screen.
#[derive(Clone, Debug)]
pub struct Shown {
    pub run: Arc<Run>,
    pub report: Report,
    /// Columns of the widest id of a problem.
    pub id_width: usize,
    /// The problems by their id.
    problems: HashMap<String, usize>,
    /// Its budgets as ways to choose among, once somebody has asked for them.
    ways: OnceCell<Vec<Way>>,
}

impl Shown {
    fn new(run: Run) -> Shown {
        let report = Report::of(&run);
        let id = |row: &Row| (row.id.clone(), row.problem);
        Shown {
            id_width: run.rows.iter().map(|r| width(&r.id)).max().unwrap_or(0),
            problems: run.rows.iter().map(id).collect(),
            run: Arc::new(run),
            report,
            ways: OnceCell::new(),
        }
    }

    /// Counts a row in; `false` if it is there already.
    fn push(&mut self, row: &Row) -> bool {
        // Nobody else holds the run but a trace that is just being read out of it.
        let new = Arc::make_mut(&mut self.run).insert(row.clone());
        if new {
            self.ways.take();
            self.report.push(row);
            self.id_width = self.id_width.max(width(&row.id));
            self.problems.insert(row.id.clone(), row.problem);
        }
        new
    }

    /// Its budgets, cheapest first.
    pub fn ways(&self) -> &[Way] {
        self.ways.get_or_init(|| {
            let mut ways = advice::budgets(&self.run);
            ways.retain(|way| !way.right.is_empty());
            ways
        })
    }

    /// Where the problem with this id is among the rows.
    fn place_of(&self, id: &str) -> Option<usize> {
        let problem = self.problems.get(id)?;
        let rows = &self.run.rows;
        rows.binary_search_by_key(problem, |row| row.problem).ok()
    }

    fn row(&self, id: &str) -> Option<&Row> {
        self.run.rows.get(self.place_of(id)?)
    }
}

/// One point against the anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct PointPair {
    pub point: CurveSource,
    /// The anchor first, the point second.
    pub paired: Paired,
}

/// A figure, where its points come from, and how it is looked at.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    pub curves: Curves,
    pub view: ChartView,
}

impl Chart {
    /// Where the point under the crosshair comes from.
    pub fn source(&self) -> Option<CurveSource> {
        let (series, point) = self.view.cursor?;
        self.curves.source(series, point)
    }
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
    /// Where the panels are; set before each drawing.
    pub places: Vec<(PlotPane, Rect)>,
    /// Where their names are; empty where they have no room.
    pub tabs: Rect,
    /// The panel that has the keys.
    pub pane: PlotPane,
    /// The one of [`PlotPane::DETAILS`] that was looked at last.
    pub detail: PlotPane,
    /// Whatever was looked at last beside the curve.
    pub beside: PlotPane,
    /// Accuracy against thinking tokens.
    pub accuracy: Chart,
    /// Lengths of thoughts.
    pub lengths: Chart,
    /// A logarithmic axis of tokens.
    pub log: bool,
    /// What the axis of tokens counts.
    pub counted: Counted,
    /// Where the reader is in each panel that is a table.
    tables: [TablePlace; PlotPane::ALL.len()],
    /// Selected problem and point of the item matrix.
    pub cell: (usize, usize),
    /// The point that all others are compared with.
    pub anchor: Option<CurveSource>,
    pub pairs: Vec<PointPair>,
    /// Early exits, of the run they were asked for last.
    pub exits: Option<exits::Exits>,
    /// What tokens cost, as an index into [`exits::PRICES`].
    pub price: usize,
    /// The sweep that is under way.
    pub sweep: Option<sweep::SweepState>,
    /// What the next one is started with.
    pub plan: SweepConfig,
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

    /// The run that can be gone on with: the one selected in the list, or the one on the screen, if it
    /// is not finished.
    fn unfinished(&self) -> Option<String> {
        let list = self.list.as_ref()?;
        let name = match self.pane {
            PlotPane::Runs => &list.get(self.table(PlotPane::Runs).row)?.name,
            _ => &self.current()?.run.name,
        };
        let listed = list.iter().find(|run| run.name == *name)?;
        (!listed.is_complete()).then(|| name.clone())
    }

    /// What a point is called where several runs may be meant.
    pub fn name_of(&self, source: CurveSource) -> String {
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

    /// Takes away what was asked other problems than a run, whose points cannot be compared with its
    /// own, and the shipped runs, which stand in where there is none.
    fn keep_like(&mut self, run: &Run) {
        let set = |run: &Run| {
            let problems = &run.settings.problems;
            (problems.name.clone(), problems.sha256.clone())
        };
        let before = self.shown.len();
        let stays = |shown: &Shown| set(&shown.run) == set(run) && !act::is_shipped(&shown.run);
        self.shown.retain(stays);
        if self.shown.len() < before {
            self.anchor = None;
            self.accuracy.view.cursor = None;
            self.refresh();
        }
    }

    /// Takes a run in: in place of its older self, or over those that are there.
    fn put(&mut self, run: Run) {
        let shown = Shown::new(run);
        match self.shown_as(&shown.run.name) {
            Some(at) => self.shown[at] = shown,
            None => {
                // The shipped ones in their own order, whichever was read first.
                let after = |other: &Shown| {
                    let both = act::is_shipped(&shown.run) && act::is_shipped(&other.run);
                    both && other.run.name > shown.run.name
                };
                let at = self.shown.iter().position(after);
                self.shown.insert(at.unwrap_or(self.shown.len()), shown);
                self.current = self.shown.len() - 1;
            }
        }
        self.refresh();
    }

    /// Counts rows in that one of the runs has got since; each costs what it adds.
    fn grow(&mut self, at: usize, rows: &[Row]) {
        for row in rows {
            if self.shown.get_mut(at).is_some_and(|shown| shown.push(row)) {
                self.compare_row(at, row);
            }
        }
        self.draw();
        self.clamp();
    }

    /// Takes a row in that the sweep has finished.
    fn on_row(&mut self, name: &str, row: Row) {
        let list = self.list.iter_mut().flatten();
        for listed in list.filter(|run| run.name == name) {
            listed.rows += 1;
        }
        if let Some(at) = self.shown_as(name) {
            self.grow(at, &[row]);
        }
    }

    fn remove(&mut self, at: usize) {
        self.shown.remove(at);
        self.anchor = None;
        self.accuracy.view.cursor = None;
        self.refresh();
    }

    /// Draws the figures anew, and compares anew.
    fn refresh(&mut self) {
        self.draw();
        self.compare();
        self.clamp();
    }

    /// Draws the figures anew from what was counted.
    fn draw(&mut self) {
        self.current = self.current.min(self.shown.len().saturating_sub(1));
        let runs: Vec<(&Run, &Report)> = self.shown.iter().map(|s| (&*s.run, &s.report)).collect();
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        let before = self.accuracy.source();
        let series = self.accuracy.view.cursor.map(|(s, _)| s);
        self.accuracy.curves = curves::accuracy(&runs, scale, self.counted);
        self.lengths.curves = curves::lengths(&runs, scale);
        let all = [&mut self.accuracy, &mut self.lengths];
        for series in all.into_iter().flat_map(|c| &mut c.curves.figure.series) {
            if let Some(hidden) = self.toggled.get(&series.name) {
                series.hidden = *hidden;
            }
        }
        // The crosshair stays on its point, wherever that has moved to.
        self.accuracy.view.cursor = series.zip(before).and_then(|(series, source)| {
            let sources = self.accuracy.curves.sources.get(series)?;
            let point = sources.iter().position(|s| *s == source)?;
            Some((series, point))
        });
        self.lengths.view.cursor = None;
    }

    /// The point that others are compared with: the one chosen, or the first run's first.
    pub fn anchor(&self) -> Option<CurveSource> {
        let exists = |s: &CurveSource| {
            let shown = self.shown.get(s.run);
            shown.is_some_and(|shown| s.point < shown.report.points.len())
        };
        let first = CurveSource { run: 0, point: 0 };
        self.anchor.filter(exists).or(Some(first).filter(exists))
    }

    /// Compares every point with the anchor, over all problems.
    fn compare(&mut self) {
        self.pairs.clear();
        let Some(anchor) = self.anchor() else { return };
        let Plots { shown, pairs, .. } = self;
        let from = &shown[anchor.run];
        for (run, other) in shown.iter().enumerate() {
            for row in &other.run.rows {
                if let Some(at_anchor) = from.row(&row.id) {
                    pair(pairs, anchor, at_anchor, run, row);
                }
            }
        }
    }

    /// Adds to the comparisons what a new row of one of the runs gives.
    fn compare_row(&mut self, run: usize, row: &Row) {
        let Some(anchor) = self.anchor() else { return };
        let Plots { shown, pairs, .. } = self;
        if let Some(at_anchor) = shown[anchor.run].row(&row.id) {
            pair(pairs, anchor, at_anchor, run, row);
        }
        if run == anchor.run {
            let others = shown.iter().enumerate().filter(|(other, _)| *other != run);
            for (other, shown) in others {
                if let Some(theirs) = shown.row(&row.id) {
                    pair(pairs, anchor, row, other, theirs);
                }
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Rows that were compared with the anchor, by one test.
    static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts one problem in the comparisons of a run's points with the anchor.
fn pair(pairs: &mut Vec<PointPair>, anchor: CurveSource, at_anchor: &Row, run: usize, row: &Row) {
    #[cfg(test)]
    COMPARED.set(COMPARED.get() + 1);
    let first = at_anchor.at(anchor.point);
    for samples in row.samples.chunk_by(|a, b| a.point == b.point) {
        let point = CurveSource {
            run,
            point: samples[0].point,
        };
        if point == anchor {
            continue;
        }
        let order = |pair: &PointPair| (pair.point.run, pair.point.point);
        match pairs.binary_search_by_key(&(run, point.point), order) {
            Ok(at) => pairs[at].paired.push(&row.id, first, samples),
            Err(at) => {
                let mut paired = Paired::default();
                paired.push(&row.id, first, samples);
                if paired.n() > 0 {
                    pairs.insert(at, PointPair { point, paired });
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
