//! The form of a new training, and its cost estimate.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::pieces;
use super::strip::cost;
use crate::tui::app::App;
use crate::tui::app::train::TrainAreas;
use crate::tui::app::train::form::{FormField, FormRow, TrainForm};
use crate::tui::sanitize::fit_end;
use crate::tui::theme::Theme;
use crate::tui::widgets::overlay::{below, cells, columns, put, rows as rows_of, scroll_to, skip};
use crate::tui::widgets::panel::{self, Panel};
use crate::tui::widgets::prose::wrap;
use s1_lab::training::Preview;

/// The smallest body with form and plan side by side, and one below the other.
const SIDE_BY_SIDE_FROM: u16 = 90;
const BELOW_FROM: u16 = 16;
/// Columns of the labels, and of the values.
const LABEL: u16 = 20;
const VALUE: u16 = 22;
/// The lowest body with the command line.
const COMMAND_FROM: u16 = 28;
/// From this height on the note of the selected row has rows of its own, how many those are, and from
/// which height on a rule stands above them.
const NOTE_FROM: u16 = 11;
const NOTE: u16 = 2;
const RULE_FROM: u16 = 18;
/// Rows of the plan below the form, at least: its border, its facts, and so many of an example.
const PLAN: u16 = 6 + EXAMPLE;
const EXAMPLE: u16 = 2;
/// From this width on the plan's facts stand several in a row.
const WIDE_FROM: u16 = 72;

/// Where form, plan and command line are.
struct Parts {
    fields: Rect,
    plan: Rect,
    command: Rect,
}

fn parts(app: &App, body: Rect) -> Parts {
    let mut rest = body;
    let mut parts = Parts {
        fields: body,
        plan: Rect::default(),
        command: Rect::default(),
    };
    if body.height >= COMMAND_FROM {
        let rows = command_rows(app, body.width).len() as u16;
        let high = rows.min(body.height / 8) + 2;
        [rest, parts.command] = rows_of([Fill(1), Length(high)], body);
    }
    parts.fields = rest;
    if rest.height < BELOW_FROM {
        return parts;
    }
    [parts.fields, parts.plan] = if rest.width < SIDE_BY_SIDE_FROM {
        // As many rows as the form and its note have, as long as the plan keeps its own.
        let wanted = app.train.form.rows().len() as u16 + 2 + NOTE;
        let top = wanted.min(rest.height.saturating_sub(PLAN));
        rows_of([Length(top), Fill(1)], rest)
    } else {
        columns([Length(rest.width * 11 / 20), Fill(1)], rest)
    };
    parts
}

/// Where the mouse finds things.
pub fn areas(app: &App, body: Rect) -> TrainAreas {
    let parts = parts(app, body);
    TrainAreas {
        form: inner(parts.fields).0,
        plan: parts.plan,
        ..TrainAreas::default()
    }
}

/// Draws both.
pub fn draw(app: &App, body: Rect, buf: &mut Buffer) {
    let parts = parts(app, body);
    fields(app, parts.fields, buf);
    if !parts.plan.is_empty() {
        plan(app, parts.plan, buf);
    }
    if !parts.command.is_empty() {
        command(app, parts.command, buf);
    }
}

/// The rows of the form inside its border, and those of the note below them.
fn inner(area: Rect) -> (Rect, Rect) {
    let inner = panel::inside(area);
    let note = match area.height {
        RULE_FROM.. => NOTE + 1,
        NOTE_FROM.. => NOTE,
        _ => 0,
    };
    let [rows, note] = rows_of([Fill(1), Length(note)], inner);
    (rows, note)
}

fn command_rows(app: &App, columns: u16) -> Vec<pieces::MarkedRow> {
    pieces::plain_rows(&app.train.form.command(), columns.saturating_sub(6))
}

/// The command line that does the same.
fn command(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let rows = command_rows(app, area.width);
    let inner = Panel::new("the same from a shell", false, theme).draw(area, buf);
    pieces::draw(&rows, 0, (theme.dim, theme.dim, theme.dim), inner, buf);
}

fn fields(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let form = &train.form;
    let selected = form.row();
    let about = match selected {
        FormRow::Field(field) => field.note(),
        FormRow::Start => "Runs in the background, and keeps running after you quit.",
        FormRow::Advanced => "What rarely needs a change.",
    };
    let rows = form.rows();
    let (inner, note) = inner(area);
    let first = scroll_to(form.selected, rows.len(), usize::from(inner.height));
    // What is above and below what is seen.
    let under = rows.len().saturating_sub(first + usize::from(inner.height));
    let more = match (first, under) {
        (0, 0) => String::new(),
        (0, under) => format!("▾ {under} more"),
        (above, 0) => format!("▴ {above} more"),
        (above, under) => format!("▴ {above} ▾ {under} more"),
    };
    let border = match (note.is_empty(), more.as_str()) {
        (false, more) => more,
        (true, "") => about,
        (true, more) => &format!("{more} · {about}"),
    };
    Panel::new("a new training", true, theme)
        .below(border)
        .draw(area, buf);
    if !note.is_empty() {
        let mut note = note;
        if note.height > NOTE {
            let rule = "─".repeat(usize::from(note.width));
            put(buf, note, &rule, theme.border);
            note = below(note, 1);
        }
        for (row, place) in wrap(about, usize::from(note.width)).iter().zip(note.rows()) {
            put(buf, place, row, theme.dim);
        }
    }
    let shown = rows.iter().enumerate().skip(first);
    for ((index, row), place) in shown.zip(inner.rows()) {
        let here = index == form.selected.min(rows.len() - 1);
        let style = |style: Style| if here { theme.selected } else { style };
        if here {
            buf.set_style(place.intersection(buf.area), theme.selected);
        }
        let mark = if here { "▸ " } else { "  " };
        let rest = put(buf, place, mark, style(theme.text));
        match row {
            FormRow::Start => {
                let text = match &train.starting {
                    Some(name) => format!("{name} starts …"),
                    None => format!("Start {}", form.text(FormField::NAME)),
                };
                put(buf, rest, &text, style(theme.title));
            }
            FormRow::Advanced => {
                let sign = if form.advanced { "▾" } else { "▹" };
                let n = FormField::advanced().count();
                let text = format!("{sign} advanced, {n} more");
                put(buf, rest, &text, style(theme.dim));
            }
            FormRow::Field(field) => value(form, *field, style, theme, rest, buf),
        }
    }
}

/// A field: its name, its value, and where there is room what it does.
fn value(
    form: &TrainForm,
    field: FormField,
    style: impl Fn(Style) -> Style,
    theme: &Theme,
    place: Rect,
    buf: &mut Buffer,
) {
    let [label, rest] = columns([Length(LABEL), Fill(1)], place);
    put(buf, label, field.name(), style(theme.dim));
    // Where it cannot be read whole it stands below the form alone.
    let note = rest.width >= VALUE + cells(field.note());
    let wide = if note { VALUE } else { rest.width };
    let text = field.shown(&form.text(field));
    let shown = fit_end(&text, usize::from(wide.saturating_sub(1)));
    // What was changed stands out, by its weight where there is no colour.
    let look = match form.is_own(field) {
        true => theme.title,
        false => theme.text,
    };
    put(buf, rest, &shown, style(look));
    if note {
        put(buf, skip(rest, VALUE), field.note(), style(theme.dim));
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
            let panel = Panel::new("cost estimate", false, theme);
            panel.empty("Reading the model and the data …", area, buf);
        }
        Some(Err(sentence)) => {
            let inner = Panel::new("cost estimate", false, theme).draw(area, buf);
            let text = format!("✗ {sentence}");
            let rows = pieces::plain_rows(&text, inner.width.saturating_sub(2));
            let style = dimmed(theme.bad);
            pieces::draw(&rows, 0, (style, style, style), inner, buf);
        }
        Some(Ok(preview)) => {
            let n = preview.examples.len();
            let which = match n {
                0 => String::new(),
                n => format!(
                    "▌ carries loss · example {} of {n} ◂ ▸",
                    planned.example + 1
                ),
            };
            let title = if current {
                "cost estimate"
            } else {
                "cost estimate before the change; working out the new …"
            };
            let panel = Panel::new(title, false, theme).below(&which);
            let inner = panel.draw(area, buf);
            let mut rest = inner;
            let wide = inner.width >= WIDE_FROM;
            for (text, style) in facts(preview, wide, train.form.values().price, app) {
                put(buf, rest, &text, dimmed(style));
                rest = below(rest, 1);
            }
            // Where there is hardly room, the example has the row of the rule.
            if rest.height > EXAMPLE {
                let rule = "─".repeat(usize::from(inner.width));
                put(buf, rest, &rule, theme.border);
                rest = below(rest, 1);
            }
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
    let mut out: Vec<(String, Style)> = Vec::new();
    let mut row = |facts: &[String], style: Style| {
        if wide && !facts.is_empty() {
            out.push((facts.join(" · "), style));
        } else {
            out.extend(facts.iter().map(|fact| (fact.clone(), style)));
        }
    };
    let alarm = if plan.cut > 0 { theme.warn } else { theme.text };
    let styles = [theme.text, theme.text, alarm, theme.title, theme.warn];
    for (facts, style) in plan.facts().iter().zip(styles) {
        row(facts, style);
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
