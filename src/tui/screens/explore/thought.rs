//! The panel of the trace: title, text, and what to do while there is none.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph, Widget, Wrap};

use super::{Places, on_border};
use crate::engine::protocol::LaneState;
use crate::thinking::trace::{StopReason, thinking_tokens};
use crate::tui::action::Action;
use crate::tui::app::live::Live;
use crate::tui::app::{App, Focus, Model};
use crate::tui::keymap::Context;
use crate::tui::sanitize::{clean_line, width};
use crate::tui::widgets::bars::{gauge, grouped};
use crate::tui::widgets::trace::paint::{Heat, Paint, paint};

pub fn draw(app: &App, places: &Places, buf: &mut Buffer) {
    if places.panel.is_empty() {
        return;
    }
    let theme = app.theme();
    if places.bordered {
        let focused = app.focus == Focus::Trace;
        let border = if focused { theme.focus } else { theme.border };
        let mut block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(border)
            .title(title(app));
        if let Some(live) = &app.live {
            block = block
                .title_bottom(below(app, live))
                .title_bottom(branches(app, live));
        }
        block.render(places.panel, buf);
    }
    match &app.live {
        Some(live) if !live.branch().tokens.is_empty() => trace(app, live, places.trace, buf),
        Some(live) => waiting(app, live, places.trace, buf),
        None => empty(app, places.trace, buf),
    }
}

fn trace(app: &App, live: &Live, area: Rect, buf: &mut Buffer) {
    let lane = live.lane();
    let how = Paint {
        theme: app.theme(),
        heat: app.heat,
        running: lane.state == Some(LaneState::Running),
        verdict: lane.verdict.as_ref(),
    };
    paint(&lane.view, &live.branch().tokens, &how, area, buf);
}

/// `Thought ─ thinking ▸ 61 / 256 tokens`.
fn title(app: &App) -> Line<'static> {
    let theme = app.theme();
    let name = if app.focus == Focus::Trace {
        theme.focus
    } else {
        theme.title
    };
    let mut spans = vec![Span::styled(" Thought ", on_border(theme, name))];
    if let Some(live) = &app.live {
        spans.push(Span::styled("─ ", theme.border));
        let (word, style, figures) = status(app, live);
        spans.push(Span::styled(word, on_border(theme, style)));
        if !figures.is_empty() {
            spans.push(Span::styled(" ▸ ", theme.dim));
            spans.push(Span::styled(figures, on_border(theme, theme.text)));
        }
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// What the branch on screen is doing, in a word and figures.
pub fn status(app: &App, live: &Live) -> (String, Style, String) {
    let theme = app.theme();
    let lane = live.lane();
    let tokens = &live.branch().tokens;
    let thinking = thinking_tokens(tokens);
    let answer = tokens.len() - thinking;
    let budget = match lane.budget.or(live.request.policy.max_thinking) {
        Some(budget) => format!(
            "{} / {} tokens",
            grouped(thinking as u64),
            grouped(budget as u64)
        ),
        None => format!("{} tokens", grouped(thinking as u64)),
    };
    let both = format!(
        "{} thinking + {} answer",
        grouped(thinking as u64),
        grouped(answer as u64)
    );
    let over = live.thought_is_over();
    match lane.state {
        Some(LaneState::Prefill) => {
            let figures = lane.prefill.map_or(String::new(), |(done, total)| {
                format!(
                    "{} / {} tokens",
                    grouped(done as u64),
                    grouped(total as u64)
                )
            });
            ("reading the question".into(), theme.text, figures)
        }
        Some(LaneState::Running) if over => ("answering".into(), theme.answer, both),
        Some(LaneState::Running) => ("thinking".into(), theme.text, budget),
        Some(LaneState::Paused) if live.branch().stop.is_none() => (
            "❚❚ paused".into(),
            theme.key,
            if over { both } else { budget },
        ),
        _ => match live.branch().stop {
            Some(StopReason::EndOfTurn) => ("■ done".into(), theme.text, both),
            Some(StopReason::AnswerMax) => ("■ answer at its limit".into(), theme.warn, both),
            Some(StopReason::ContextFull) => ("■ context full".into(), theme.warn, both),
            Some(StopReason::User) => ("■ stopped".into(), theme.warn, both),
            None if tokens.is_empty() => ("not started".into(), theme.dim, String::new()),
            None => ("unfinished".into(), theme.warn, both),
        },
    }
}

/// What lies below the screen, and what colours mean.
fn below(app: &App, live: &Live) -> Line<'static> {
    let theme = app.theme();
    let view = &live.lane().view;
    let mut parts: Vec<Span> = Vec::new();
    if app.heat != Heat::Off {
        parts.push(Span::styled(
            format!(" heat: {} ", app.heat.name()),
            on_border(theme, theme.text),
        ));
    }
    let seen = view.first_line() + usize::from(app.places.trace.height);
    let more = view.total().saturating_sub(seen);
    if !view.follows() && more > 0 {
        let key = app
            .keymap
            .key_for(Context::Explore, Action::End)
            .unwrap_or_default();
        parts.push(Span::styled(
            format!(" ▾ {more} more · {key} follows "),
            theme.dim,
        ));
    }
    Line::from(parts)
}

/// `main ▸ 2 branches`.
fn branches(app: &App, live: &Live) -> Line<'static> {
    let theme = app.theme();
    let n = live.tree.branches().len();
    let count = if n == 1 {
        "1 branch".into()
    } else {
        format!("{n} branches")
    };
    Line::from(vec![
        Span::styled(
            format!(" {}", clean_line(&live.branch().name)),
            on_border(theme, theme.title),
        ),
        Span::styled(format!(" ▸ {count} "), theme.dim),
    ])
    .right_aligned()
}

/// Nothing is written yet, but something is under way.
fn waiting(app: &App, live: &Live, area: Rect, buf: &mut Buffer) {
    if live.lane().state != Some(LaneState::Prefill) {
        return;
    }
    let (done, total) = live.lane().prefill.unwrap_or_default();
    let esc = key(app, Action::Stop);
    progress(
        app,
        "Reading the question",
        done as f64 / total.max(1) as f64,
        &format!("{esc} stops"),
        area,
        buf,
    );
}

fn progress(app: &App, what: &str, share: f64, hint: &str, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let width = usize::from(area.width).saturating_sub(8).min(40);
    let (full, rest) = gauge((share.clamp(0.0, 1.0) * 1000.0) as usize, 1000, width);
    let lines = vec![
        Line::styled(what.to_owned(), theme.text),
        Line::default(),
        Line::from(vec![
            Span::styled(full, theme.gauge),
            Span::styled(rest, theme.dim),
            Span::styled(
                format!(" {:>3.0} %", share.clamp(0.0, 1.0) * 100.0),
                theme.text,
            ),
        ]),
        Line::default(),
        Line::styled(hint.to_owned(), theme.dim),
    ];
    centre(lines, area, buf);
}

/// The screen before the first question: what to do next.
fn empty(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    match &app.model {
        Model::Loading(share) => {
            let esc = app
                .keymap
                .key_for(app.context(), cancel(app))
                .unwrap_or_default();
            progress(
                app,
                "Loading the model. You can write your question already.",
                f64::from(*share),
                &format!("{esc} cancels"),
                area,
                buf,
            );
        }
        Model::None => centre(
            vec![
                Line::styled("There is no model yet.", theme.title),
                Line::default(),
                Line::from(vec![
                    Span::styled(key(app, Action::Models), theme.key),
                    Span::styled(" chooses one of the models on this machine", theme.text),
                ]),
                Line::styled("or start with  s1-tui --model PATH.gguf", theme.dim),
            ],
            area,
            buf,
        ),
        Model::Failed(sentence) => {
            let room = Rect {
                x: area.x + area.width / 8,
                width: area.width - area.width / 4,
                y: area.y + area.height / 4,
                height: area.height - area.height / 4,
            };
            let lines = vec![
                Line::styled(format!("✗ {}", clean_line(sentence)), theme.bad),
                Line::default(),
                Line::from(vec![
                    Span::styled(key(app, Action::Models), theme.key),
                    Span::styled(" chooses another model", theme.text),
                ]),
            ];
            Paragraph::new(lines)
                .wrap(Wrap { trim: true })
                .render(room, buf);
        }
        Model::Ready(_) => welcome(app, area, buf),
    }
}

fn cancel(app: &App) -> Action {
    if app.focus == Focus::Question {
        Action::Cancel
    } else {
        Action::Stop
    }
}

/// What the keys of steering do, before there is anything to steer.
fn welcome(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let rows = [
        (
            Action::Wait,
            "⟲",
            theme.forced,
            "Wait",
            "where it would have ended, it thinks on",
        ),
        (
            Action::Cut,
            "✂",
            theme.forced,
            "cut",
            "it must answer with what it has",
        ),
        (
            Action::Inject,
            "✎",
            theme.user,
            "inject",
            "your words become part of its thought",
        ),
        (
            Action::Probe,
            "✓",
            theme.good,
            "probe",
            "what would it answer, if it were cut here?",
        ),
        (
            Action::Branch,
            "├",
            theme.key,
            "branch",
            "another way from here; nothing is ever lost",
        ),
    ];
    let column = rows
        .iter()
        .map(|r| width(&key(app, r.0)))
        .max()
        .unwrap_or(1);
    let mut lines = vec![
        Line::styled("Ask something, watch it think, and step in.", theme.title),
        Line::default(),
    ];
    for (action, sign, style, name, what) in rows {
        lines.push(Line::from(vec![
            Span::styled(format!("{:<column$}", key(app, action)), theme.key),
            Span::raw("   "),
            Span::styled(sign, style),
            Span::styled(format!(" {name:<8}"), theme.text),
            Span::styled(what, theme.dim),
        ]));
    }
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled("▏", theme.dim),
        Span::styled("its thought", theme.thinking),
        Span::raw("   "),
        Span::styled("⟲ forced", theme.forced),
        Span::raw("   "),
        Span::styled("✎", theme.user),
        Span::raw(" "),
        Span::styled("yours", theme.user),
        Span::raw("   "),
        Span::styled("■ its own end", theme.text),
        Span::raw("   "),
        Span::styled("its answer", theme.answer),
    ]));
    if usize::from(area.height) < lines.len() {
        lines.truncate(1);
    }
    centre(lines, area, buf);
}

/// Puts lines in the middle of an area, as one block.
fn centre(lines: Vec<Line>, area: Rect, buf: &mut Buffer) {
    let wide = lines
        .iter()
        .map(Line::width)
        .max()
        .unwrap_or(0)
        .min(usize::from(area.width)) as u16;
    let high = (lines.len() as u16).min(area.height);
    let mut place = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) * 2 / 5,
        width: wide,
        height: 1,
    };
    for line in lines.iter().take(usize::from(high)) {
        line.render(place, buf);
        place.y += 1;
    }
}

fn key(app: &App, action: Action) -> String {
    app.keymap
        .key_for(Context::Explore, action)
        .unwrap_or_else(|| "–".into())
}
