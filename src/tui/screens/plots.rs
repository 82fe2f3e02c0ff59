//! The plots: accuracy against thinking tokens, and what lies behind its points.
//!
//! On a wide screen the curve has the upper half, the details and the runs share the lower one; the
//! names of all panels stand between. On a smaller one the lower part shows the panel that was looked at last, and on a very small one
//! there is only the panel that has the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Margin, Rect};
use ratatui::text::Line;

use super::keyed;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::plots::{Chart, PlotPane, Plots};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::chart;
use crate::tui::widgets::overlay::{columns, rows};
use crate::tui::widgets::panel::{self, Panel};
use crate::tui::widgets::prose::middle;
use crate::tui::widgets::tabs;

mod advice;
mod items;
mod tables;

/// The smallest body with three panels, and with two.
const THREE_FROM: (u16, u16) = (100, 26);
const TWO_FROM: u16 = 15;

/// Where the names of the panels are, and where those are that are shown.
fn places(plots: &Plots, body: Rect) -> (Rect, Vec<(PlotPane, Rect)>) {
    if body.height < TWO_FROM {
        return (Rect::default(), vec![(plots.pane, body)]);
    }
    let top = (body.height * 3 / 5).max(body.height.saturating_sub(24)) - 1;
    let [upper, names, lower] = rows([Length(top), Length(1), Fill(1)], body);
    let names = names.inner(Margin::new(1, 0));
    if body.width < THREE_FROM.0 || body.height < THREE_FROM.1 {
        let beside = match plots.beside {
            PlotPane::Curve => PlotPane::Runs,
            pane => pane,
        };
        return (names, vec![(PlotPane::Curve, upper), (beside, lower)]);
    }
    let [left, right] = columns([Length(lower.width * 3 / 5), Fill(1)], lower);
    let detail = match plots.detail {
        PlotPane::Curve => PlotPane::Items,
        pane => pane,
    };
    let panes = vec![
        (PlotPane::Curve, upper),
        (detail, left),
        (PlotPane::Runs, right),
    ];
    (names, panes)
}

/// Settles where the panels are, and how far their tables reach.
pub fn prepare(app: &mut App) {
    (app.plots.tabs, app.plots.places) = match app.plots.list.as_ref().is_none_or(Vec::is_empty) {
        true => Default::default(),
        false => places(&app.plots, app.layout.body),
    };
    for (pane, area) in app.plots.places.clone() {
        let inner = panel::inside(area);
        let most_aside = tables::most_aside(app, pane, inner.width);
        let table = app.plots.table_mut(pane);
        table.most_aside = most_aside;
        table.aside = table.aside.min(most_aside);
        // The head has a row.
        table.height = usize::from(inner.height.saturating_sub(1));
    }
}

/// Draws the body.
pub fn paint(app: &App, buf: &mut Buffer) {
    let body = app.layout.body;
    let plots = &app.plots;
    if plots.list.as_ref().is_none_or(Vec::is_empty) {
        return blank(app, body, buf);
    }
    tabs::draw(&plots.panes(), plots.pane, app.theme(), plots.tabs, buf);
    for (pane, area) in &plots.places {
        draw(app, *pane, *area, buf);
    }
}

fn draw(app: &App, pane: PlotPane, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let focused = plots.pane == pane;
    match pane {
        PlotPane::Curve | PlotPane::Lengths => {
            let Chart { curves, view } = plots.chart(pane);
            let figure = &curves.figure;
            if figure.series.is_empty() {
                Panel::new(&figure.title, focused, theme).empty(&nothing(plots), area, buf);
            } else {
                chart::draw(
                    figure,
                    view,
                    &chart::styles(theme),
                    focused,
                    theme,
                    area,
                    buf,
                );
            }
        }
        PlotPane::Items => items::draw(app, focused, area, buf),
        PlotPane::Waits => tables::waits(app, focused, area, buf),
        PlotPane::Pairs => tables::pairs(app, focused, area, buf),
        PlotPane::Answers => tables::answers(app, focused, area, buf),
        PlotPane::Exits => advice::exits(app, focused, area, buf),
        PlotPane::Budget => advice::budget(app, focused, area, buf),
        PlotPane::Runs => tables::runs(app, focused, area, buf),
    }
}

/// Why there is no curve, and what to do.
fn nothing(plots: &Plots) -> String {
    match plots.shown.first() {
        None => "Choose a run in the list of runs.".into(),
        Some(shown) if shown.run.rows.is_empty() => "No problem is done yet.".into(),
        Some(_) => {
            "These problems have no reference answers: there are lengths, but no accuracy.".into()
        }
    }
}

/// The screen before the first run: what to do next.
fn blank(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let mut lines = match (&app.plots.trouble, &app.plots.list) {
        (Some(sentence), _) => vec![Line::styled(
            format!("✗ {}", clean_line(sentence)),
            theme.bad,
        )],
        (None, None) => vec![Line::styled("Reading the runs …", theme.dim)],
        (None, Some(_)) => vec![
            Line::styled("There are no runs yet.", theme.title),
            Line::default(),
            Line::styled(
                "A run asks a set of problems at several thinking budgets; here is its curve.",
                theme.text,
            ),
            Line::default(),
            keyed(app, Action::NewSweep, "starts one here"),
            Line::styled(
                "or: s1-tui sweep --model M.gguf --problems FILE --budgets 0,64,128,natural",
                theme.dim,
            ),
        ],
    };
    if let Some(sweep) = &app.plots.sweep {
        let share = f64::from(sweep.loading) * 100.0;
        lines = vec![Line::styled(
            format!("The sweep loads its model: {share:.0}%"),
            theme.text,
        )];
    }
    lines.push(Line::default());
    lines.push(keyed(app, Action::ShowExplore, "goes to the explorer"));
    middle(lines, area.inner(Margin::new(1, 0)), buf);
}

#[cfg(test)]
mod tests;
