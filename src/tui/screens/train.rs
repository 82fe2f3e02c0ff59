//! The trainings: the form of a new one, or one of them as it runs.
//!
//! While a training is watched, a strip of figures has the top. On a wide screen the loss and the
//! held-out problems have the left, one above the other on the same axis of steps, the answer to
//! the sample question and the panel that was looked at last the right, and three small charts the
//! bottom. On a smaller one there are a chart and a panel, and on a very small one the panel that
//! has the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};

use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::train::watch::RAW;
use crate::tui::app::train::{Train, TrainPane};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::chart;
use crate::tui::widgets::prose::prose;
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

/// Draws the body; returns the panel in which a notice may stand.
pub fn paint(app: &App, buf: &mut Buffer) -> Option<Rect> {
    let body = app.layout.body;
    let train = &app.train;
    if train.shows_form() {
        return form::draw(app, body, buf);
    }
    if train.current().is_none() {
        blank(app, body, buf);
        return None;
    }
    let mut rest = body;
    if body.height >= STRIP_FROM {
        rest.y += STRIP;
        rest.height -= STRIP;
        let area = Rect {
            height: STRIP,
            ..body
        };
        strip::draw(app, area, buf);
    } else if body.height >= 3 {
        rest.y += 1;
        rest.height -= 1;
        strip::line(app, Rect { height: 1, ..body }, buf);
    }
    let places = places(train, rest);
    for (pane, area) in &places {
        draw(app, *pane, *area, buf);
    }
    places.first().map(|(_, area)| *area)
}

/// Which panel is where, below the strip.
fn places(train: &Train, area: Rect) -> Vec<(TrainPane, Rect)> {
    if area.height + STRIP < TWO_FROM {
        return vec![(train.pane, area)];
    }
    let row = |y: u16, height: u16| Rect {
        y: area.y + y,
        height,
        ..area
    };
    if area.width < ALL_FROM.0 || area.height < ALL_FROM.1 {
        let side = match train.side {
            TrainPane::Loss => TrainPane::Sample,
            pane => pane,
        };
        let top = area.height.div_ceil(2);
        return vec![
            (train.chart, row(0, top)),
            (side, row(top, area.height - top)),
        ];
    }
    let small = (area.height / 4).max(8);
    let upper = (area.height - small).div_ceil(2);
    let lower = area.height - small - upper;
    let wide = area.width * 3 / 5;
    let left = |r: Rect| Rect { width: wide, ..r };
    let right = |r: Rect| Rect {
        x: r.x + wide,
        width: r.width - wide,
        ..r
    };
    let (first, second) = (row(0, upper), row(upper, lower));
    let third = row(upper + lower, small);
    let side = match train.side {
        pane if pane == TrainPane::Sample || pane.is_chart() => TrainPane::Log,
        pane => pane,
    };
    let part = |i: u16| {
        let size = third.width / 3;
        let from = third.x + size * i;
        let to = if i == 2 { third.right() } else { from + size };
        Rect {
            x: from,
            width: to - from,
            ..third
        }
    };
    vec![
        (TrainPane::Loss, left(first)),
        (TrainPane::HeldOut, left(second)),
        (TrainPane::Sample, right(first)),
        (side, right(second)),
        (TrainPane::Rate, part(0)),
        (TrainPane::Gradient, part(1)),
        (TrainPane::Speed, part(2)),
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
        let inner = chart::panel(&figure.title, "", focused, theme, area, buf);
        return words(app, why, inner, buf);
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
    chart::draw_styled(figure, &view, &styles, focused, theme, area, buf);
}

/// A sentence in the middle of a panel.
fn words(app: &App, text: &str, area: Rect, buf: &mut Buffer) {
    let area = Rect {
        y: area.y + area.height.saturating_sub(1) / 2,
        height: area.height.min(2),
        ..area
    };
    let line = Line::styled(clean_line(text), app.theme().dim);
    prose(vec![line], Alignment::Center, area, buf);
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
    let key = app.keymap.key_for(app.context(), Action::NewTraining);
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled(key.unwrap_or_default(), theme.key),
        Span::styled(" plans a training", theme.text),
    ]));
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        y: area.y + area.height.saturating_sub(3) / 2,
        height: area.height.min(5),
    };
    prose(lines, Alignment::Center, area, buf);
}

#[cfg(test)]
mod tests;
