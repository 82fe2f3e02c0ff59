//! The plots: which runs are laid over one another, which panel has the keys, and where in it.
//!
//! Everything shown is computed from stored runs; a run that is still going on is read again row by
//! row. Not here: drawing (`screens::plots`) and the database (the event loop reads it).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::overlay::{Ask, Overlay, Pick};
use super::{App, Effect, Tone};
use crate::config::expand_home;
use crate::lab::compare::{Paired, paired};
use crate::lab::report::Report;
use crate::plot::curves::{self, Curves, Source};
use crate::plot::terminal::View;
use crate::plot::{Figure, Scale};
use crate::store::run::{Run, RunSummary};
use crate::store::session::Document;
use crate::tui::action::Action;
use crate::tui::screens::Screen;
use crate::tui::widgets::chart;
use crate::tui::widgets::list::{List, Row};
use crate::tui::widgets::prompt_line::PromptLine;

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

impl App {
    /// Goes to the plots; the runs are listed anew.
    pub(super) fn show_plots(&mut self) {
        self.screen = Screen::Plots;
        self.look_for_runs();
    }

    /// Lists the runs anew, if they are looked at: another program may be at work on one.
    pub fn look_for_runs(&mut self) {
        if self.screen == Screen::Plots && !self.plots.listing {
            self.plots.listing = true;
            self.wish(Effect::FindRuns);
        }
    }

    /// Does what an action says on the plots screen.
    pub(super) fn plots(&mut self, action: Action) {
        use Action as A;
        match action {
            A::PanelNext => self.plots.walk(true),
            A::PanelPrevious => self.plots.walk(false),
            A::PointLeft | A::PointRight | A::Up | A::Down => self.plots.go(action),
            A::PageUp | A::PageDown | A::Home | A::End => self.plots.go(action),
            A::OpenPoint => self.open_point(),
            A::ZoomIn | A::ZoomOut => {
                let (figure, view) = self.plots.chart();
                let figure = figure.clone();
                chart::zoom(&figure, view, action == A::ZoomIn);
            }
            A::ZoomAll => {
                let (_, view) = self.plots.chart();
                view.window = None;
                view.cursor = None;
            }
            A::LogAxis => {
                self.plots.log = !self.plots.log;
                self.plots.view.window = None;
                self.plots.lengths_view.window = None;
                self.plots.refresh();
            }
            A::Ink => {
                let ink = self.plots.view.ink.next();
                self.plots.view.ink = ink;
                self.plots.lengths_view.ink = ink;
                self.say(Tone::Info, format!("Drawn with {}.", chart::ink_name(ink)));
            }
            A::Lines => self.open_lines(0),
            A::Anchor => self.set_anchor(),
            A::OtherRun => {
                let n = self.plots.shown.len().max(1);
                self.plots.current = (self.plots.current + 1) % n;
                self.plots.clamp();
            }
            A::Overlay => self.toggle_run(),
            A::SaveFigure => self.open_save_figure(),
            _ => {}
        }
    }

    /// The actions worth a place in the footer now, most useful first.
    pub(super) fn plots_footer(&self) -> Vec<Action> {
        use Action as A;
        if self.plots.list.as_ref().is_none_or(Vec::is_empty) {
            return vec![A::ShowExplore, A::Models, A::Theme, A::Quit];
        }
        match self.plots.pane {
            Pane::Curve => vec![
                A::PointLeft,
                A::PanelNext,
                A::Lines,
                A::LogAxis,
                A::ZoomIn,
                A::ZoomOut,
                A::Anchor,
                A::SaveFigure,
                A::Ink,
            ],
            Pane::Items => vec![
                A::OpenPoint,
                A::PanelNext,
                A::OtherRun,
                A::Anchor,
                A::Down,
                A::PointRight,
            ],
            Pane::Lengths => vec![
                A::PointLeft,
                A::PanelNext,
                A::Lines,
                A::LogAxis,
                A::ZoomIn,
                A::ZoomOut,
                A::SaveFigure,
            ],
            Pane::Waits => vec![A::PanelNext, A::OtherRun],
            Pane::Pairs => vec![A::OpenPoint, A::PanelNext, A::Anchor, A::Up, A::Down],
            Pane::Runs => vec![A::Overlay, A::PanelNext, A::OpenPoint, A::Up, A::Down],
        }
    }

    /// Hears which runs there are.
    pub fn on_runs(&mut self, listed: Result<Vec<RunSummary>, String>) {
        self.plots.listing = false;
        match listed {
            Ok(list) => {
                self.plots.trouble = None;
                // What the database has no longer is on the screen no longer.
                while let Some(at) = self
                    .plots
                    .shown
                    .iter()
                    .position(|s| !list.iter().any(|r| r.name == s.run.name))
                {
                    self.plots.remove(at);
                }
                let grown: Vec<String> = list
                    .iter()
                    .filter(|r| {
                        let shown = self.plots.shown.iter().find(|s| s.run.name == r.name);
                        shown.is_some_and(|s| s.run.rows.len() != r.rows)
                    })
                    .map(|r| r.name.clone())
                    .collect();
                let newest = list.iter().max_by_key(|r| (r.rows > 0, r.created_at));
                let first = newest
                    .filter(|_| self.plots.shown.is_empty())
                    .map(|r| r.name.clone());
                self.plots.list = Some(list);
                self.plots.clamp();
                for name in grown.into_iter().chain(first) {
                    self.read_run(name);
                }
            }
            Err(sentence) => self.plots.trouble = Some(sentence),
        }
    }

    fn read_run(&mut self, name: String) {
        if !self.plots.awaited.contains(&name) {
            self.plots.awaited.push(name.clone());
            self.wish(Effect::ReadRun(name));
        }
    }

    /// Takes a run in.
    pub fn on_run(&mut self, name: &str, read: Result<Run, String>) {
        self.plots.awaited.retain(|n| n != name);
        match read {
            Ok(run) => self.plots.put(run),
            Err(sentence) => self.refuse(sentence),
        }
    }

    /// Takes the trace of a cell in: it opens in the explorer.
    pub fn on_trace(&mut self, read: Result<Document, String>) {
        match read {
            Ok(document) => {
                self.screen = Screen::Explore;
                self.show_document(document, None);
            }
            Err(sentence) => self.refuse(sentence),
        }
    }

    fn open_point(&mut self) {
        match self.plots.pane {
            Pane::Items => self.open_cell(),
            Pane::Runs => self.only_run(),
            Pane::Curve => {
                let at = self.plots.view.cursor;
                if let Some(source) = at.and_then(|(s, p)| self.plots.curves.source(s, p)) {
                    self.plots.current = source.run;
                    self.plots.cell.1 = source.point;
                    self.plots.focus(Pane::Items);
                    self.plots.clamp();
                }
            }
            Pane::Pairs => self.open_pair(),
            Pane::Lengths | Pane::Waits => {}
        }
    }

    /// Opens the trace of the selected cell.
    fn open_cell(&mut self) {
        let plots = &self.plots;
        let Some(shown) = plots.current() else { return };
        let (row, column) = plots.cell;
        let Some(item) = shown.report.items.get(row) else {
            return;
        };
        match item.cells.get(column).and_then(|c| c.first) {
            Some(sample) => {
                let run = shown.run.clone();
                let row = item.row;
                self.wish(Effect::ReadTrace { run, row, sample });
            }
            None => self.refuse("This problem has no answer at this point yet."),
        }
    }

    /// Goes to the first problem on which a pair disagrees.
    fn open_pair(&mut self) {
        let Some(pair) = self.plots.pairs.get(self.plots.pair) else {
            return;
        };
        let lost = pair.paired.only_first.first();
        let Some(id) = lost.or(pair.paired.only_second.first()) else {
            return self.refuse("They agree on every problem.");
        };
        let point = pair.point;
        let items = self.plots.shown.get(point.run).map(|s| &s.report.items);
        let row = items.and_then(|items| items.iter().position(|i| i.id == *id));
        self.plots.current = point.run;
        self.plots.cell = (row.unwrap_or(0), point.point);
        self.plots.focus(Pane::Items);
    }

    fn selected_run(&self) -> Option<String> {
        let list = self.plots.list.as_ref()?;
        Some(list.get(self.plots.row)?.name.clone())
    }

    /// Lays the selected run over the others, or takes it away.
    fn toggle_run(&mut self) {
        let Some(name) = self.selected_run() else {
            return;
        };
        match self.plots.shown_as(&name) {
            Some(at) => self.plots.remove(at),
            None if self.plots.shown.len() >= MOST_SHOWN => self.refuse(format!(
                "More than {MOST_SHOWN} runs cannot be told apart; take one away first."
            )),
            None => self.read_run(name),
        }
    }

    /// Shows the selected run alone.
    fn only_run(&mut self) {
        let Some(name) = self.selected_run() else {
            return;
        };
        self.plots.shown.retain(|s| s.run.name == name);
        self.plots.anchor = None;
        self.plots.view.cursor = None;
        self.plots.refresh();
        self.read_run(name);
    }

    fn set_anchor(&mut self) {
        let plots = &mut self.plots;
        let chosen = match plots.pane {
            Pane::Curve => plots
                .view
                .cursor
                .and_then(|(s, p)| plots.curves.source(s, p)),
            Pane::Pairs => plots.pairs.get(plots.pair).map(|p| p.point),
            Pane::Items => Some(Source {
                run: plots.current,
                point: plots.cell.1,
            }),
            _ => None,
        };
        let Some(chosen) = chosen else {
            return self.refuse("Put the crosshair on the point to compare all others with.");
        };
        plots.anchor = Some(chosen);
        plots.compare();
        plots.clamp();
        plots.focus(Pane::Pairs);
    }

    /// The lines of the curve, to show and to hide.
    fn open_lines(&mut self, selected: usize) {
        let (figure, _) = self.plots.chart();
        let rows = figure.series.iter().map(|s| {
            let sign = if s.hidden { "  " } else { "✓ " };
            let glyph = s.marker.glyph(false);
            Row::new(format!("{sign}{glyph} {}", s.name), "")
        });
        let rows = rows.collect();
        let empty = "There is nothing to show yet.";
        let list = List::new("Lines shown", empty, rows, selected);
        self.overlay = Some(Overlay::Pick(Pick::Line, list));
    }

    /// Shows or hides a line; the list stays.
    pub(super) fn toggle_line(&mut self, row: usize) {
        let plots = &mut self.plots;
        let (curves, view) = match plots.pane {
            Pane::Lengths => (&mut plots.lengths, &mut plots.lengths_view),
            _ => (&mut plots.curves, &mut plots.view),
        };
        if let Some(series) = curves.figure.series.get_mut(row) {
            series.hidden = !series.hidden;
            let hidden = series.hidden;
            plots.toggled.insert(series.name.clone(), hidden);
            view.cursor = view.cursor.filter(|(s, _)| !(hidden && *s == row));
        }
        self.open_lines(row);
    }

    fn open_save_figure(&mut self) {
        if self.plots.shown.is_empty() {
            return self.refuse("There is nothing to draw yet.");
        }
        let note = "A file whose name ends in .svg, .png or .csv.";
        let line = PromptLine::new("Write the figure to", note, "curve.svg");
        self.overlay = Some(Overlay::Line(Ask::Figure, line));
    }

    /// Writes the figure that the keys are about to a file.
    pub(super) fn save_figure(&mut self, path: &str) -> Result<(), String> {
        let path = expand_home(path.trim());
        let known = ["svg", "png", "csv"];
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if !known.contains(&extension.to_ascii_lowercase().as_str()) {
            return Err("Let its name end in .svg, .png or .csv.".into());
        }
        let figure = match self.plots.pane {
            Pane::Lengths => &self.plots.lengths.figure,
            _ => &self.plots.curves.figure,
        };
        let figure = Box::new(figure.clone());
        self.wish(Effect::SaveFigure { figure, path });
        Ok(())
    }

    /// Hears what became of a figure that was to be written.
    pub fn on_figure(&mut self, written: Result<std::path::PathBuf, String>) {
        match written {
            Ok(path) => self.say(Tone::Info, format!("Written to {}", path.display())),
            Err(sentence) => self.refuse(sentence),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
