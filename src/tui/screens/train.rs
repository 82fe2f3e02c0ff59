//! The trainings: the form of a new one, or one of them as it runs.
//!
//! While a training is watched, a strip of figures has the top. On a wide screen the loss and the
//! held-out problems have the left, one above the other on the same axis of steps, the answer to
//! the sample question and the panel that was looked at last the right, and three small charts the
//! bottom. On a smaller one there are a chart and a panel, and on a very small one the panel that
//! has the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Margin, Rect};
use ratatui::text::Line;

use super::keyed;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::train::watch::RAW;
use crate::tui::app::train::{Train, TrainPane};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::chart;
use crate::tui::widgets::overlay::{below, columns, rows};
use crate::tui::widgets::panel::Panel;
use crate::tui::widgets::prose::middle;
use s1_plot::terminal::ChartView;

mod form;
mod lists;
mod pieces;
mod sample;
mod strip;

/// The smallest body with all panels, and with two.
const ALL_FROM: (u16, u16) = (100, 30);
const TWO_FROM: u16 = 17;
/// Rows of the strip with and without its border.
const STRIP: u16 = 5;
const STRIP_FROM: u16 = 11;

/// Draws the body.
pub fn paint(app: &App, buf: &mut Buffer) {
    let body = app.layout.body;
    let train = &app.train;
    if train.shows_form() {
        return form::draw(app, body, buf);
    }
    if train.current().is_none() {
        return blank(app, body, buf);
    }
    let mut rest = body;
    if body.height >= STRIP_FROM {
        let [top, lower] = rows([Length(STRIP), Fill(1)], body);
        strip::draw(app, top, buf);
        rest = lower;
    } else if body.height >= 3 {
        strip::line(app, body, buf);
        rest = below(body, 1);
    }
    let places = places(train, rest);
    for (pane, area) in &places {
        draw(app, *pane, *area, buf);
    }
}

/// Which panel is where, below the strip.
fn places(train: &Train, area: Rect) -> Vec<(TrainPane, Rect)> {
    if area.height + STRIP < TWO_FROM {
        return vec![(train.pane, area)];
    }
    if area.width < ALL_FROM.0 || area.height < ALL_FROM.1 {
        let side = match train.side {
            TrainPane::Loss => TrainPane::Sample,
            pane => pane,
        };
        let [top, bottom] = rows([Length(area.height.div_ceil(2)), Fill(1)], area);
        return vec![(train.chart, top), (side, bottom)];
    }
    let small = (area.height / 4).max(8);
    let upper = (area.height - small).div_ceil(2);
    let [first, second, third] = rows([Length(upper), Fill(1), Length(small)], area);
    let halves = |row| columns([Length(area.width * 3 / 5), Fill(1)], row);
    let ([loss, sample], [held_out, other]) = (halves(first), halves(second));
    let part = third.width / 3;
    let [rate, gradient, speed] = columns([Length(part), Length(part), Fill(1)], third);
    let side = match train.side {
        pane if pane == TrainPane::Sample || pane.is_chart() => TrainPane::Log,
        pane => pane,
    };
    vec![
        (TrainPane::Loss, loss),
        (TrainPane::HeldOut, held_out),
        (TrainPane::Sample, sample),
        (side, other),
        (TrainPane::Rate, rate),
        (TrainPane::Gradient, gradient),
        (TrainPane::Speed, speed),
    ]
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
