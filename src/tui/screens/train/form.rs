//! The form of a new training, and what it will take.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::pieces;
use super::strip::cost;
use crate::tui::app::App;
use crate::tui::app::train::form::{Form, FormField, FormRow};
use crate::tui::sanitize::fit_end;
use crate::tui::widgets::bars::grouped;
use crate::tui::widgets::overlay::{columns, put, rows, scroll_to};
use crate::tui::widgets::panel::Panel;
use s1_core::format;
use s1_lab::training::Preview;
use s1_train::ExamplePiece;

/// The smallest body with form and plan side by side, and one below the other.
const SIDE_BY_SIDE_FROM: u16 = 90;
const BELOW_FROM: u16 = 16;
/// Columns of the labels, and of the values.
const LABEL: u16 = 20;
const VALUE: u16 = 22;
/// The smallest body with the command line.
const COMMAND_FROM: u16 = 20;
/// From this height on the note of the selected row has rows of its own.
const NOTE_FROM: u16 = 15;
/// From this width on the plan's facts stand several in a row.
const WIDE_FROM: u16 = 72;

/// Draws both; returns the panel in which a notice may stand.
pub fn draw(app: &App, body: Rect, buf: &mut Buffer) -> Option<Rect> {
    let mut rest = body;
    if body.height >= COMMAND_FROM {
        let high = command(app, body, buf);
        rest.height -= high;
    }
    if rest.height < BELOW_FROM {
        fields(app, rest, buf);
        return Some(rest);
    }
    if rest.width < SIDE_BY_SIDE_FROM {
        // As many rows as the form has, as long as the plan keeps its own.
        let wanted = app.train.form.rows().len() as u16 + 2;
        let top = wanted.min(rest.height * 3 / 5);
        let [upper, lower] = rows([Length(top), Fill(1)], rest);
        fields(app, upper, buf);
        plan(app, lower, buf);
        return Some(lower);
    }
    let [left, right] = columns([Length(rest.width * 11 / 20), Fill(1)], rest);
    fields(app, left, buf);
    plan(app, right, buf);
    Some(right)
}

/// The command line that does the same, at the bottom of an area; the rows it takes.
fn command(app: &App, area: Rect, buf: &mut Buffer) -> u16 {
    let theme = app.theme();
    let text = [ExamplePiece {
        text: app.train.form.command(),
        loss: false,
    }];
    let columns = usize::from(area.width.saturating_sub(6));
    let rows = pieces::rows(&text, columns);
    let high = (rows.len() as u16).min(area.height / 8) + 2;
    let place = Rect {
        y: area.bottom() - high,
        height: high,
        ..area
    };
    let inner = Panel::new("the same from a shell", false, theme).draw(place, buf);
    pieces::draw(&rows, 0, (theme.dim, theme.dim, theme.dim), inner, buf);
    high
}

fn fields(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let form = &train.form;
    let selected = form.row();
    let below = match selected {
        FormRow::Field(field) => field.note(),
        FormRow::Start => {
            "It is a process of its own, and keeps running after this program has ended."
        }
        FormRow::Advanced => "What rarely needs a change.",
    };
    let rows_of_note = area.height >= NOTE_FROM;
    let border = if rows_of_note { "" } else { below };
    let panel = Panel::new("a new training", true, theme).below(border);
    let mut inner = panel.draw(area, buf);
    if rows_of_note {
        inner.height -= 3;
        let text = [ExamplePiece {
            text: below.into(),
            loss: false,
        }];
        let rule = "─".repeat(usize::from(inner.width));
        let y = inner.bottom();
        put(buf, area, inner.x, y, inner.width, &rule, theme.border);
        let note = pieces::rows(&text, usize::from(inner.width.saturating_sub(2)));
        let place = Rect {
            y: y + 1,
            height: 2,
            ..inner
        };
        pieces::draw(&note, 0, (theme.text, theme.text, theme.dim), place, buf);
    }
    let rows = form.rows();
    let first = scroll_to(form.selected, rows.len(), usize::from(inner.height));
    let shown = rows.iter().enumerate().skip(first);
    for ((index, row), place) in shown.zip(inner.rows()) {
        let here = index == form.selected.min(rows.len() - 1);
        let style = |style: Style| if here { theme.selected } else { style };
        if here {
            buf.set_style(place.intersection(buf.area), theme.selected);
        }
        let mark = if here { "▸ " } else { "  " };
        let x = put(
            buf,
            place,
            place.x,
            place.y,
            place.width,
            mark,
            style(theme.text),
        );
        match row {
            FormRow::Start => {
                let text = match &train.starting {
                    Some(name) => format!("{name} starts …"),
                    None => format!("Start {}", form.text(FormField::Name)),
                };
                put(
                    buf,
                    place,
                    x,
                    place.y,
                    place.width,
                    &text,
                    style(theme.title),
                );
            }
            FormRow::Advanced => {
                let sign = if form.advanced { "▾" } else { "▹" };
                let n = FormField::ADVANCED.len();
                let text = format!("{sign} advanced, {n} more");
                put(buf, place, x, place.y, place.width, &text, style(theme.dim));
            }
            FormRow::Field(field) => value(form, *field, x, place, style, app, buf),
        }
    }
}

/// A field: its name, its value, and where there is room what it does.
fn value(
    form: &Form,
    field: FormField,
    x: u16,
    place: Rect,
    style: impl Fn(Style) -> Style,
    app: &App,
    buf: &mut Buffer,
) {
    let theme = app.theme();
    let y = place.y;
    put(buf, place, x, y, LABEL, field.name(), style(theme.dim));
    let x = x + LABEL;
    let (text, own) = (field.shown(&form.text(field)), form.is_own(field));
    let left = place.right().saturating_sub(x);
    let wide = if left > VALUE + 24 { VALUE } else { left };
    let shown = fit_end(&text, usize::from(wide.saturating_sub(1))).into_owned();
    // What was changed stands out, by its weight where there is no colour.
    let look = if own { theme.title } else { theme.text };
    put(buf, place, x, y, wide, &shown, style(look));
    if wide == VALUE {
        put(
            buf,
            place,
            x + VALUE,
            y,
            left - VALUE,
            field.note(),
            style(theme.dim),
        );
    }
}

/// What it will take, and the examples as the model sees them.
fn plan(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let planned = &train.planned;
    let current = app.plan_is_current();
    let dimmed = |style: Style| if current { style } else { theme.dim };
    match &planned.shown {
        None => {
            let panel = Panel::new("what it will take", false, theme);
            panel.empty("Reading the model and the data …", area, buf);
        }
        Some(Err(sentence)) => {
            let inner = Panel::new("what it will take", false, theme).draw(area, buf);
            let text = [ExamplePiece {
                text: format!("✗ {sentence}"),
                loss: false,
            }];
            let columns = usize::from(inner.width.saturating_sub(2));
            let rows = pieces::rows(&text, columns);
            let style = dimmed(theme.bad);
            pieces::draw(&rows, 0, (style, style, style), inner, buf);
        }
        Some(Ok(preview)) => {
            let n = preview.examples.len();
            let below = match n {
                0 => String::new(),
                n => format!(
                    "▌ carries loss · example {} of {n} ◂ ▸",
                    planned.example + 1
                ),
            };
            let title = if current {
                "what it will take"
            } else {
                "what it would have taken; working out the new …"
            };
            let panel = Panel::new(title, false, theme).below(&below);
            let inner = panel.draw(area, buf);
            let mut y = inner.y;
            let wide = inner.width >= WIDE_FROM;
            for (text, style) in facts(preview, wide, train.form.price(), app) {
                if y < inner.bottom() {
                    put(buf, inner, inner.x, y, inner.width, &text, dimmed(style));
                    y += 1;
                }
            }
            let rule = "─".repeat(usize::from(inner.width));
            put(buf, inner, inner.x, y, inner.width, &rule, theme.border);
            y += 1;
            let rest = Rect {
                y,
                height: inner.bottom().saturating_sub(y),
                ..inner
            };
            let pieces = preview.examples.get(planned.example);
            let columns = usize::from(rest.width.saturating_sub(2));
            let rows = pieces::rows(pieces.map_or(&[][..], Vec::as_slice), columns);
            let first = planned.scroll.min(rows.len().saturating_sub(1));
            let styles = (dimmed(theme.text), theme.dim, dimmed(theme.gauge));
            pieces::draw(&rows, first, styles, rest, buf);
        }
    }
}

/// The plan in words: several facts in a row where there is room.
fn facts(preview: &Preview, wide: bool, price: f64, app: &App) -> Vec<(String, Style)> {
    let (plan, theme) = (&preview.plan, app.theme());
    let n = |n: usize| grouped(n as u64);
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    let mut out: Vec<(String, Style)> = Vec::new();
    let mut row = |facts: &[String], style: Style| {
        if wide {
            out.push((facts.join(" · "), style));
        } else {
            out.extend(facts.iter().map(|fact| (fact.clone(), style)));
        }
    };
    let examples = format!(
        "{} examples, the longest {} tokens",
        n(plan.examples),
        n(plan.longest)
    );
    let turns = format!(
        "{} turns carry loss, {} with a thought",
        n(plan.turns),
        n(plan.thoughts)
    );
    let tokens = format!(
        "{} tokens, {:.0} % carry loss",
        n(plan.tokens),
        share(plan.targets, plan.tokens)
    );
    row(&[examples, tokens], theme.text);
    row(&[turns], theme.text);
    let cut = format!(
        "✂ cut by the block size: {} = {:.1} %",
        n(plan.cut),
        share(plan.cut, plan.examples)
    );
    let alarm = if plan.cut > 0 { theme.warn } else { theme.text };
    row(&[cut], alarm);
    let steps = format!(
        "{} steps, about {}",
        n(plan.steps),
        format::duration(plan.seconds)
    );
    let memory = format!(
        "{}, {} parameters",
        format::size(plan.memory),
        n(plan.parameters)
    );
    row(&[steps, memory], theme.title);
    if plan.broken > 0 {
        let broken = format!("! {} lines are left out as unusable", n(plan.broken));
        row(&[broken], theme.warn);
    }
    if price > 0.0 {
        let hours = plan.seconds / 3600.0;
        let cost = format!(
            "cost {} = {hours:.2} h at {price} $",
            cost(plan.seconds, price)
        );
        // 26 minutes on 16 of them (s1, section 3.2).
        row(&[cost, "s1 itself: 7 H100 hours".into()], theme.text);
    }
    out
}
