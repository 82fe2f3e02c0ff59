//! The trainings: the form of a new one, or one of them as it runs.
//!
//! While a training is watched, a strip of figures has the top, with the names of all panels below
//! it. On a wide screen the loss and the held-out problems have the left, one above the other on the
//! same axis of steps, the answer to the sample question and the panel that was looked at last the
//! right; on a high one three small charts have the bottom. On a smaller one there are a chart and a
//! panel, and on a very small one the panel that has the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Margin, Rect};
use ratatui::text::Line;

use super::keyed;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::train::watch::RAW;
use crate::tui::app::train::{Train, TrainAreas, TrainPane};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::chart;
use crate::tui::widgets::overlay::{below, columns, rows};
use crate::tui::widgets::panel::Panel;
use crate::tui::widgets::prose::middle;
use crate::tui::widgets::tabs;
use s1_plot::terminal::ChartView;

mod form;
mod lists;
mod pieces;
mod sample;
mod strip;

/// The smallest body with four panels, the lowest with three more, and the lowest with two.
const FOUR_FROM: (u16, u16) = (100, 28);
const ALL_FROM: u16 = 38;
const TWO_FROM: u16 = 17;
/// Rows of the strip with and without its border.
const STRIP: u16 = 5;
const STRIP_FROM: u16 = 11;

/// Settles where things are.
pub fn prepare(app: &mut App) {
    let body = app.layout.body;
    app.train.areas = if app.train.shows_form() {
        form::areas(app, body)
    } else if app.train.current().is_none() {
        TrainAreas::default()
    } else {
        places(&app.train, body)
    };
}

/// Draws the body.
pub fn paint(app: &App, buf: &mut Buffer) {
    let (body, train) = (app.layout.body, &app.train);
    if train.shows_form() {
        return form::draw(app, body, buf);
    }
    if train.current().is_none() {
        return blank(app, body, buf);
    }
    if body.height >= STRIP_FROM {
        let top = Rect {
            height: STRIP,
            ..body
        };
        strip::draw(app, top, buf);
    } else if body.height >= 3 {
        strip::line(app, body, buf);
    }
    tabs::draw(
        &train.tabs(),
        train.pane,
        app.theme(),
        train.areas.tabs,
        buf,
    );
    for (pane, area) in &train.areas.panes {
        draw(app, *pane, *area, buf);
    }
}

/// Which panel is where, below the strip.
fn places(train: &Train, body: Rect) -> TrainAreas {
    let area = match body.height {
        STRIP_FROM.. => below(body, STRIP),
        3.. => below(body, 1),
        _ => body,
    };
    let all = |tabs, panes| TrainAreas {
        tabs,
        panes,
        ..TrainAreas::default()
    };
    if body.height < TWO_FROM {
        return all(Rect::default(), vec![(train.pane, area)]);
    }
    let [names, area] = rows([Length(1), Fill(1)], area);
    let names = names.inner(Margin::new(1, 0));
    if body.width < FOUR_FROM.0 || body.height < FOUR_FROM.1 {
        let side = match train.side {
            TrainPane::Loss => TrainPane::Sample,
            pane => pane,
        };
        let [top, bottom] = rows([Length(area.height.div_ceil(2)), Fill(1)], area);
        return all(names, vec![(train.chart, top), (side, bottom)]);
    }
    let small = match body.height < ALL_FROM {
        true => 0,
        false => (area.height / 4).max(8),
    };
    let upper = (area.height - small).div_ceil(2);
    let [first, second, third] = rows([Length(upper), Fill(1), Length(small)], area);
    let halves = |row| columns([Length(area.width * 3 / 5), Fill(1)], row);
    let ([loss, sample], [held_out, other]) = (halves(first), halves(second));
    let side = match train.side {
        pane if pane == TrainPane::Sample || pane.is_chart() => TrainPane::Log,
        pane => pane,
    };
    // Where the small charts have no row of their own, the one looked at last stands in.
    let lower = match train.chart {
        TrainPane::Loss => TrainPane::HeldOut,
        chart if small == 0 => chart,
        _ => TrainPane::HeldOut,
    };
    let mut panes = vec![
        (TrainPane::Loss, loss),
        (lower, held_out),
        (TrainPane::Sample, sample),
        (side, other),
    ];
    if small > 0 {
        let part = third.width / 3;
        let [rate, gradient, speed] = columns([Length(part), Length(part), Fill(1)], third);
        panes.extend([
            (TrainPane::Rate, rate),
            (TrainPane::Gradient, gradient),
            (TrainPane::Speed, speed),
        ]);
    }
    all(names, panes)
}

fn draw(app: &App, pane: TrainPane, area: Rect, buf: &mut Buffer) {
    let focused = app.train.pane == pane;
    match pane {
        TrainPane::Sample => sample::draw(app, focused, area, buf),
        TrainPane::Log => lists::log(app, focused, area, buf),
        TrainPane::Checkpoints => lists::checkpoints(app, focused, area, buf),
        TrainPane::List => lists::trainings(app, focused, area, buf),
        chart => draw_chart(app, chart, focused, area, buf),
    }
}

fn draw_chart(app: &App, pane: TrainPane, focused: bool, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let figure = train.figure(pane);
    if figure.series.iter().all(|s| s.points.is_empty()) {
        let why = match pane {
            TrainPane::HeldOut => "No evaluation yet.",
            _ => "No step is done yet.",
        };
        return Panel::new(&figure.title, focused, theme).empty(why, area, buf);
    }
    let mut styles = chart::styles(theme);
    // Single steps stand behind the line that smooths them.
    if let Some(raw) = styles.series.get_mut(RAW) {
        *raw = theme.dim;
    }
    let view = if focused {
        train.view.clone()
    } else {
        ChartView::default()
    };
    chart::draw(figure, &view, &styles, focused, theme, area, buf);
}

/// The screen before the trainings were read.
fn blank(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let mut lines = match &app.train.trouble {
        Some(sentence) => vec![Line::styled(
            format!("✗ {}", clean_line(sentence)),
            theme.bad,
        )],
        None => vec![Line::styled("Reading the trainings …", theme.dim)],
    };
    lines.push(Line::default());
    lines.push(keyed(app, Action::NewTraining, "plans a training"));
    middle(lines, area.inner(Margin::new(1, 0)), buf);
}

#[cfg(test)]
mod tests;
