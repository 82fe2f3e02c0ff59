//! The panels of the plots: which has the keys, and where in it the reader is.
//!
//! Not here: what they show ([`super::Plots`]), and drawing.

use ratatui::layout::Position;
use strum::VariantArray;

use super::{Chart, Plots};
use crate::tui::action::Action;
use crate::tui::widgets::chart;
use crate::tui::widgets::list::{neighbour, step_row};
use crate::tui::widgets::overlay::scroll_to;
use crate::tui::widgets::table::TablePlace;
use crate::tui::widgets::tabs::{self, Tab};

/// A part of the screen that can have the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray)]
pub enum PlotPane {
    /// Accuracy against thinking tokens.
    #[default]
    Curve,
    /// Problems × points.
    Items,
    /// How long the thoughts are.
    Lengths,
    Waits,
    /// Every point against one, problem by problem.
    Pairs,
    /// What became of the answers.
    Answers,
    /// Early exits on the natural thoughts.
    Exits,
    /// Which budget to use.
    Budget,
    /// The runs in the database.
    Runs,
}

impl PlotPane {
    /// All of them, in the order in which the key walks through them.
    pub const ALL: &'static [PlotPane] = PlotPane::VARIANTS;

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            PlotPane::Curve => "curve",
            PlotPane::Items => "items",
            PlotPane::Lengths => "lengths",
            PlotPane::Waits => "waits",
            PlotPane::Pairs => "pairs",
            PlotPane::Answers => "answers",
            PlotPane::Exits => "exits",
            PlotPane::Budget => "budget",
            PlotPane::Runs => "runs",
        }
    }

    /// Those that share one place.
    pub const DETAILS: [PlotPane; 7] = [
        PlotPane::Items,
        PlotPane::Lengths,
        PlotPane::Waits,
        PlotPane::Pairs,
        PlotPane::Answers,
        PlotPane::Exits,
        PlotPane::Budget,
    ];
}

impl Plots {
    pub(super) fn clamp(&mut self) {
        let (rows, columns) = self
            .current()
            .map_or((0, 0), |s| (s.report.items.len(), s.report.points.len()));
        self.cell.0 = self.cell.0.min(rows.saturating_sub(1));
        self.cell.1 = self.cell.1.min(columns.saturating_sub(1));
        // The budgets are worked out where they are looked at, not with every row of a sweep.
        let counted = PlotPane::ALL
            .iter()
            .filter(|pane| **pane != PlotPane::Budget);
        for &pane in counted {
            let last = self.rows_of(pane).saturating_sub(1);
            let table = self.table_mut(pane);
            table.row = table.row.min(last);
        }
    }

    /// Where the reader is in a panel that is a table.
    pub fn table(&self, pane: PlotPane) -> TablePlace {
        self.tables[pane as usize]
    }

    pub fn table_mut(&mut self, pane: PlotPane) -> &mut TablePlace {
        &mut self.tables[pane as usize]
    }

    /// How many rows a panel has that is a table; none has another.
    pub(super) fn rows_of(&self, pane: PlotPane) -> usize {
        match pane {
            PlotPane::Waits => self.current().map_or(0, |shown| shown.report.flips.len()),
            PlotPane::Answers => self.current().map_or(0, |shown| shown.report.points.len()),
            PlotPane::Budget => self.current().map_or(0, |shown| shown.ways().len()),
            PlotPane::Pairs => self.pairs.len(),
            PlotPane::Runs => self.list.as_ref().map_or(0, Vec::len),
            PlotPane::Curve | PlotPane::Items | PlotPane::Lengths | PlotPane::Exits => 0,
        }
    }

    /// The names of all panels.
    pub fn panes(&self) -> Vec<Tab<PlotPane>> {
        let tab = |&pane: &PlotPane| Tab {
            pane,
            name: pane.name(),
            shown: self.places.iter().any(|(shown, _)| *shown == pane),
        };
        PlotPane::ALL.iter().map(tab).collect()
    }

    /// Gives the keys to a panel.
    pub fn focus(&mut self, pane: PlotPane) {
        self.pane = pane;
        if pane != PlotPane::Curve {
            self.beside = pane;
        }
        if PlotPane::DETAILS.contains(&pane) {
            self.detail = pane;
        }
    }

    /// Gives the keys to the panel at a place of the screen, and selects the row there.
    pub(super) fn click(&mut self, at: Position) {
        if let Some(pane) = tabs::at(&self.panes(), self.pane, self.tabs, at) {
            return self.focus(pane);
        }
        let mut places = self.places.iter();
        let Some(&(pane, area)) = places.find(|(_, area)| area.contains(at)) else {
            return;
        };
        self.focus(pane);
        if matches!(pane, PlotPane::Curve | PlotPane::Lengths | PlotPane::Exits) {
            let Chart { curves, view } = self.chart_mut();
            return chart::click(&curves.figure, view, area, at);
        }
        // The border, the head of the table, and what is said of a sweep above the runs.
        let head = match (pane, &self.sweep) {
            (PlotPane::Runs, Some(_)) => 4,
            _ => 2,
        };
        let height = usize::from(area.height.saturating_sub(head + 1));
        let line = at.y.checked_sub(area.y + head).map(usize::from);
        let Some(line) = line.filter(|line| *line < height) else {
            return;
        };
        let rows = match pane {
            PlotPane::Items => self.current().map_or(0, |shown| shown.report.items.len()),
            // Below sentences of any length: its rows are for the keys.
            PlotPane::Budget => return,
            pane => self.rows_of(pane),
        };
        let selected = match pane {
            PlotPane::Items => &mut self.cell.0,
            pane => &mut self.table_mut(pane).row,
        };
        let row = scroll_to(*selected, rows, height) + line;
        if row < rows {
            *selected = row;
        }
        self.clamp();
    }

    pub(super) fn walk(&mut self, next: bool) {
        self.focus(neighbour(PlotPane::ALL, self.pane, next));
    }

    /// The chart of a panel.
    pub fn chart(&self, pane: PlotPane) -> &Chart {
        match pane {
            PlotPane::Lengths => &self.lengths,
            PlotPane::Exits => self
                .exits
                .as_ref()
                .and_then(|e| e.chart.as_ref())
                .unwrap_or(&self.accuracy),
            _ => &self.accuracy,
        }
    }

    /// The chart that the keys are about.
    pub(super) fn chart_mut(&mut self) -> &mut Chart {
        match self.pane {
            PlotPane::Lengths => &mut self.lengths,
            PlotPane::Exits => self
                .exits
                .as_mut()
                .and_then(|e| e.chart.as_mut())
                .unwrap_or(&mut self.accuracy),
            _ => &mut self.accuracy,
        }
    }

    /// Moves in the panel that has the keys; `false` if that action moves nothing there.
    pub(super) fn go(&mut self, action: Action) -> bool {
        use Action as A;
        if matches!(
            self.pane,
            PlotPane::Curve | PlotPane::Lengths | PlotPane::Exits
        ) {
            let Chart { curves, view } = self.chart_mut();
            let figure = &curves.figure;
            match action {
                A::PointLeft => chart::step_point(figure, view, false),
                A::PointRight => chart::step_point(figure, view, true),
                A::Up => chart::step_series(figure, view, false),
                A::Down => chart::step_series(figure, view, true),
                _ => return false,
            }
            return true;
        }
        if let (PlotPane::Items, A::PointLeft | A::PointRight) = (self.pane, action) {
            self.cell.1 = match action {
                A::PointLeft => self.cell.1.saturating_sub(1),
                _ => self.cell.1.saturating_add(1),
            };
            self.clamp();
            return true;
        }
        let table = self.table(self.pane);
        if let (A::PointLeft | A::PointRight, true) = (action, table.most_aside > 0) {
            let aside = match action {
                A::PointLeft => table.aside.saturating_sub(1),
                _ => table.aside + 1,
            };
            self.table_mut(self.pane).aside = aside.min(table.most_aside);
            return true;
        }
        let rows = match self.pane {
            PlotPane::Items => usize::MAX,
            pane => self.rows_of(pane),
        };
        let row = match self.pane {
            PlotPane::Items => &mut self.cell.0,
            _ if rows == 0 => return false,
            pane => &mut self.table_mut(pane).row,
        };
        let Some(next) = step_row(action, *row, rows, table.height) else {
            return false;
        };
        *row = next;
        self.clamp();
        true
    }
}
