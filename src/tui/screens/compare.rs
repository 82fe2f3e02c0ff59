//! The comparison: one question, its lanes side by side, and what they cost together.
//!
//! Lanes stand in rows of equal width and wrap as the screen narrows; where not even that gives
//! each a readable place, only the selected one is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{on_border, question};
use crate::tui::action::Action;
use crate::tui::app::compare::LanePlace;
use crate::tui::app::{App, Focus, Model};
use crate::tui::sanitize::{clean_line, fit, width};
use crate::tui::theme::Theme;
use crate::tui::widgets::bars::grouped;
use crate::tui::widgets::overlay::rows;
use crate::tui::widgets::panel;
use crate::tui::widgets::prose::prose;
use crate::tui::widgets::trace::paint::{Paint, paint as paint_trace};
use crate::tui::widgets::trace::{GradedAnswer, Heat};
use s1_core::protocol::LaneState;
use s1_core::trace::Phase;
use s1_engine::catalog;
use s1_lab::lanes::{Comparison, Lane, Source, Strategy};

#[cfg(test)]
mod tests;

/// A lane narrower than this wraps to the next row.
const NARROWEST: u16 = 28;
/// A lane lower than this is not worth its borders.
const LOWEST: u16 = 5;
/// Smaller than this, lanes are shown one at a time.
const READABLE: (u16, u16) = (14, 4);
/// Columns kept for where a lane departs from its neighbour.
const PARTING: usize = 10;

/// Settles where everything is, and how the text of each lane is laid out.
pub fn prepare(app: &mut App) {
    let layout = app.layout;
    let high = question::height(app, 8).min(layout.body.height);
    let summary = u16::from(layout.body.height >= high + 6);
    let [question, grid, summary] = rows([Length(high), Fill(1), Length(summary)], layout.body);
    app.places.bordered = question::is_bordered(layout.whole);
    app.places.question = question;
    app.places.summary = summary;
    app.compare.places = places(app.compare.plan.len(), app.compare.selected, grid);
    app.places.panel = app
        .compare
        .places
        .get(app.compare.selected)
        .map_or(grid, |p| p.panel);
    let theme = app.theme().clone();
    app.question.dress(app.focus == Focus::Question, &theme);
    let compare = &mut app.compare;
    let Some(run) = &compare.run else {
        return;
    };
    let places = compare.places.iter();
    for ((lane, view), place) in run.lanes().zip(&mut compare.views).zip(places) {
        let tail = verdict(lane).map_or(0, |_| GradedAnswer::LINES);
        let size = (
            usize::from(place.text.width),
            usize::from(place.text.height),
        );
        view.show_raw(app.raw_maths);
        view.update(&lane.run().lane.tokens, size, false, tail);
    }
}

/// Where `n` lanes stand in an area.
fn places(n: usize, selected: usize, area: Rect) -> Vec<LanePlace> {
    let count = n.max(1) as u16;
    let per_row = (area.width / NARROWEST).clamp(1, count);
    let rows = count.div_ceil(per_row).min((area.height / LOWEST).max(1));
    let per_row = count.div_ceil(rows);
    let alone = area.width / per_row < READABLE.0 || area.height / rows < READABLE.1;
    let lane = |i: usize| {
        let i = i as u16;
        let panel = match (alone, usize::from(i) == selected) {
            (true, true) => area,
            (true, false) => Rect::default(),
            (false, _) => {
                let (row, column) = (i / per_row, i % per_row);
                // The last row may hold fewer lanes: they share its whole width.
                let here = per_row.min(count - row * per_row);
                let (x0, x1) = (
                    cut(area.width, column, here),
                    cut(area.width, column + 1, here),
                );
                let (y0, y1) = (cut(area.height, row, rows), cut(area.height, row + 1, rows));
                Rect::new(area.x + x0, area.y + y0, x1 - x0, y1 - y0)
            }
        };
        let text = match panel.width >= 6 && panel.height >= 3 {
            true => panel::text(panel),
            false => panel,
        };
        LanePlace { panel, text }
    };
    (0..n).map(lane).collect()
}

/// The `i`-th of `n` cuts through a length.
fn cut(length: u16, i: u16, n: u16) -> u16 {
    (u32::from(length) * u32::from(i) / u32::from(n.max(1))) as u16
}

/// Draws the body.
pub fn paint(app: &App, buf: &mut Buffer) {
    question::draw(app, app.places.question, app.places.bordered, buf);
    let compare = &app.compare;
    for (i, strategy) in compare.plan.iter().enumerate() {
        let Some(place) = compare.places.get(i).filter(|p| !p.panel.is_empty()) else {
            continue;
        };
        let lane = compare
            .run
            .as_ref()
            .and_then(|r| Some((r, r.lanes().nth(i)?)));
        match lane {
            Some((run, lane)) => draw_lane(app, run, lane, i, place, buf),
            None => draw_plan(app, strategy, i, place, buf),
        }
    }
    if compare.plan.is_empty() {
        let text = format!(
            "No lanes. {} chooses a set of them, {} adds one.",
            app.key(Action::Preset),
            app.key(Action::AddLane)
        );
        let line = Line::styled(text, app.theme().dim);
        prose(vec![line], Alignment::Left, app.places.panel, buf);
    }
    summary(app, app.places.summary, buf);
}

/// A lane's border, with words at the left and the right of its upper and its lower edge; what
/// finds no room is left out, first at the right.
fn frame(
    app: &App,
    at: usize,
    place: &LanePlace,
    above: [Line<'static>; 2],
    below: [Line<'static>; 2],
    buf: &mut Buffer,
) {
    if place.panel == place.text {
        return;
    }
    let theme = app.theme();
    let focused = at == app.compare.selected && app.focus == Focus::Trace;
    let mut block = panel::border(if focused { theme.focus } else { theme.border });
    for (is_top, [left, right]) in [(true, above), (false, below)] {
        let mut room = usize::from(place.panel.width.saturating_sub(3));
        for line in [left, right.right_aligned()] {
            if line.width() <= room {
                room -= line.width();
                block = match is_top {
                    true => block.title_top(line),
                    false => block.title_bottom(line),
                };
            }
        }
    }
    block.render(place.panel, buf);
}

/// A title that fits above a lane; the selected lane's is marked.
fn title(app: &App, at: usize, text: &str, place: &LanePlace) -> Line<'static> {
    let theme = app.theme();
    let focused = at == app.compare.selected && app.focus == Focus::Trace;
    let style = if focused { theme.focus } else { theme.title };
    let room = usize::from(place.panel.width).saturating_sub(5);
    let text = fit(&clean_line(text), room).into_owned();
    Line::styled(format!(" {text} "), on_border(theme, style))
}

/// A lane before anything was asked: what it will do.
fn draw_plan(app: &App, strategy: &Strategy, at: usize, place: &LanePlace, buf: &mut Buffer) {
    let theme = app.theme();
    let name = title(app, at, &named(strategy, None, ""), place);
    let above = [name, Line::default()];
    frame(app, at, place, above, Default::default(), buf);
    let about = Line::styled(about(strategy), theme.dim);
    prose(vec![about], Alignment::Left, place.text, buf);
}

/// What a strategy does, in a sentence.
fn about(strategy: &Strategy) -> String {
    use s1_lab::lanes::Limit;
    if !strategy.think {
        return "Answers without thinking.".into();
    }
    let each = match strategy.limit {
        Limit::Free => "thinks as long as it wants".to_owned(),
        Limit::Tokens(n) => format!("is cut off after {n} tokens of thinking"),
        Limit::Natural(n, d) if n > d => {
            "thinks on when it would end, until that length".to_owned()
        }
        Limit::Natural(..) => "takes this share of the natural thought, then answers".to_owned(),
    };
    if strategy.samples > 1 {
        return format!(
            "{} samples; each {each}. The majority answers.",
            strategy.samples
        );
    }
    match strategy.waits {
        0 => capital(&format!("{each}.")),
        1 => "Its first attempt to end is replaced.".into(),
        n => format!("Its first {n} attempts to end are replaced."),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// The label, with the model's name where it is not the one in use.
fn named(strategy: &Strategy, natural: Option<usize>, model: &str) -> String {
    let label = strategy.label(natural);
    match &strategy.source {
        Source::Own => label,
        Source::Model(_) if !model.is_empty() => format!("{model} · {label}"),
        Source::Model(path) => format!("{} · {label}", catalog::called(path)),
    }
}

fn draw_lane(
    app: &App,
    comparison: &Comparison,
    lane: &Lane,
    at: usize,
    place: &LanePlace,
    buf: &mut Buffer,
) {
    let theme = app.theme();
    let run = &lane.run().lane;
    let model = comparison
        .origins()
        .get(lane.origin)
        .and_then(|o| o.model.as_ref());
    let model = model.map_or("", |m| &m.name);
    let label = named(&lane.strategy, comparison.natural(lane.origin), model);
    let departs = comparison.departs(at);
    let head = [title(app, at, &label, place), phase(lane, theme)];
    let part = parting(departs, theme);
    // The same form in all lanes, whether or not they depart.
    // A vote's tally is worth more than where its sample departs.
    let kept = if lane.runs.len() > 1 { 3 } else { PARTING + 2 };
    let room = usize::from(place.panel.width).saturating_sub(kept);
    let count = match run.tokens.is_empty() {
        true => Line::default(),
        false => counts(lane, room, theme),
    };
    let foot = [count, part];
    frame(app, at, place, head, foot, buf);
    let Some(view) = app.compare.views.get(at) else {
        return;
    };
    if run.tokens.is_empty() {
        let (text, style) = match &run.refused {
            Some(why) => (format!("✗ {}", clean_line(why)), theme.bad),
            None if lane.waits_for_natural() => ("waits for the natural end".into(), theme.dim),
            None if model.is_empty() => ("its model is loading …".into(), theme.dim),
            None => ("reading the prompt …".into(), theme.dim),
        };
        let line = Line::styled(text, style);
        prose(vec![line], Alignment::Left, place.text, buf);
        return;
    }
    let verdict = verdict(lane);
    let how = Paint {
        theme,
        heat: Heat::Off,
        running: run.state == Some(LaneState::Running),
        verdict: verdict.as_ref(),
    };
    paint_trace(view, &run.tokens, &how, place.text, buf);
    if let Some((line, x, wide)) = departs.and_then(|token| view.layout().find(token)) {
        let row = line.checked_sub(view.first_line());
        if let Some(row) = row.filter(|&row| row < usize::from(place.text.height)) {
            let y = place.text.y + row as u16;
            let x = place.text.x + (view.layout().indent(line) + x) as u16;
            buf.set_stringn(place.text.x, y, "≠", 1, theme.warn);
            let token = Rect::new(x, y, wide as u16, 1).intersection(place.text);
            buf.set_style(token, theme.warn);
        }
    }
}

/// The answer of the sample that is shown.
fn verdict(lane: &Lane) -> Option<GradedAnswer> {
    let answer = lane.run().answer.clone()?;
    Some(GradedAnswer {
        answer: answer.text.unwrap_or_else(|| "none found".into()),
        correct: answer.correct,
    })
}

/// What the samples of a vote have answered so far: `336 ×3 · 40 ×1`, and that it is a tie.
fn tally(lane: &Lane) -> String {
    let tally = lane.tally();
    let tie = matches!(tally[..], [(_, first), (_, second), ..] if first == second);
    let counts: Vec<String> = (tally.iter().take(4))
        .map(|(answer, votes)| format!("{} ×{votes}", fit(&clean_line(answer), 12)))
        .collect();
    match (counts.as_slice(), tie) {
        ([], _) => "no votes yet".into(),
        (counts, true) => format!("tie: {}", counts.join(" · ")),
        (counts, false) => counts.join(" · "),
    }
}

/// What a lane is doing, or how it answered.
fn phase(lane: &Lane, theme: &Theme) -> Line<'static> {
    let run = &lane.run().lane;
    let (text, style) = match (run.state, &run.refused) {
        (_, Some(_)) => ("✗ stopped", theme.bad),
        (None | Some(LaneState::Prefill), _) => ("…", theme.dim),
        (Some(LaneState::Running), _) => match run.tokens.last().map(|t| t.phase) {
            Some(Phase::Answer) => ("▸ answering", theme.answer),
            _ if run.repeats.is_some() => ("▸ repeats", theme.warn),
            _ => ("▸ thinking", theme.thinking),
        },
        (Some(LaneState::Paused), _) => ("paused", theme.warn),
        (Some(LaneState::Stopped(_)), _) => match lane.ballot().and_then(|b| b.answer.correct) {
            Some(true) => ("✓", theme.good),
            Some(false) => ("✗", theme.bad),
            None => ("■", theme.text),
        },
    };
    Line::styled(format!(" {text} "), on_border(theme, style))
}

/// `32 think · 3 answer · 210 tok/s`: tokens of thinking and of the answer, and how fast; `32 + 3`
/// where that is too long for `room` columns.
fn counts(lane: &Lane, room: usize, theme: &Theme) -> Line<'static> {
    let run = &lane.run().lane;
    let thinking = run.tokens.thinking();
    let answer = run.tokens.len() - thinking;
    let short = format!("{thinking} + {answer}");
    let long = format!("{thinking} think · {answer} answer");
    let forms = if lane.runs.len() > 1 {
        let (at, of) = (lane.sample + 1, lane.runs.len());
        let tally = tally(lane);
        vec![
            format!("sample {at}/{of} · {long} · {tally}"),
            format!("{at}/{of} · {short} · {tally}"),
            format!("{at}/{of} · {tally}"),
            format!("{at}/{of} · {short}"),
        ]
    } else if run.is_busy() && run.speed.decode_tok_s > 0.0 {
        let speed = run.speed.decode_tok_s.min(1e6);
        vec![
            format!("{long} · {speed:.0} tok/s"),
            format!("{short} · {speed:.0} tok/s"),
            short,
        ]
    } else {
        vec![long, short]
    };
    let fits = forms.iter().find(|f| width(f) + 2 <= room);
    let text = fits.or(forms.last()).cloned().unwrap_or_default();
    Line::styled(format!(" {text} "), on_border(theme, theme.dim))
}

/// Where it departs from its left neighbour.
fn parting(at: Option<usize>, theme: &Theme) -> Line<'static> {
    match at {
        Some(at) => Line::styled(format!(" ≠ ◂ {at} "), on_border(theme, theme.warn)),
        None => Line::default(),
    }
}

/// The line below the lanes: what they cost, and what they are.
fn summary(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme();
    let compare = &app.compare;
    let left = match &compare.run {
        Some(run) => cost(run, theme),
        None => Line::from(vec![Span::raw(" "), Span::styled(hint(app), theme.dim)]),
    };
    let preset = compare.preset.map_or("own lanes", |p| p.name());
    let linked = if compare.linked { "linked" } else { "unlinked" };
    let right = format!("{preset} ▾   {linked} ");
    let room = usize::from(area.width).saturating_sub(left.width() + 2);
    left.render(area, buf);
    if width(&right) <= room {
        Line::styled(right, theme.dim)
            .right_aligned()
            .render(area, buf);
    }
}

fn hint(app: &App) -> String {
    let waits = matches!(app.model, Model::Loading(_)) && app.compare.queued;
    if waits {
        "It will be asked as soon as the model is ready.".into()
    } else if app.focus == Focus::Question {
        "Write a question; Enter asks it of every lane.".into()
    } else {
        let (ask, edit) = (app.key(Action::Submit), app.key(Action::EditQuestion));
        match app.question.text().trim() {
            "" => format!("{edit} writes a question."),
            _ => format!("{ask} asks it · {edit} edits it"),
        }
    }
}

fn cost(run: &Comparison, theme: &Theme) -> Line<'static> {
    let (computed, shown) = (run.computed(), run.shown());
    let mut line = vec![
        Span::styled(" computed ", theme.dim),
        Span::styled(grouped(computed), theme.text),
        Span::styled(" tokens for ", theme.dim),
        Span::styled(grouped(shown), theme.text),
        Span::styled(" shown", theme.dim),
    ];
    if shown > computed {
        let saved = (shown - computed) * 100 / shown;
        line.push(Span::styled(format!(" · {saved}% shared"), theme.good));
    }
    Line::from(line)
}
