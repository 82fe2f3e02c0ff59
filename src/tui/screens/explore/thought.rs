//! The panel of the trace: its title, its text, its place in the tree.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{blank, on_border};
use crate::tui::action::Action;
use crate::tui::app::areas::ExploreAreas;
use crate::tui::app::live::Live;
use crate::tui::app::{App, Focus};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::bars::grouped;
use crate::tui::widgets::panel;
use crate::tui::widgets::trace::paint::{Paint, paint};
use crate::tui::widgets::trace::{ENTROPY_FULL, Heat};
use s1_core::protocol::LaneState;
use s1_core::trace::StopReason;

pub fn draw(app: &App, places: &ExploreAreas, buf: &mut Buffer) {
    if places.panel.is_empty() {
        return;
    }
    let theme = app.theme();
    if places.bordered {
        let focused = app.focus == Focus::Trace;
        let border = if focused { theme.focus } else { theme.border };
        let mut block = panel::border(border).title(title(app));
        if let Some(live) = &app.live {
            block = block
                .title_bottom(below(app, live))
                .title_bottom(branches(app, live));
        }
        block.render(places.panel, buf);
    }
    match &app.live {
        Some(live) if !live.lane().tokens.is_empty() => trace(app, live, places.trace, buf),
        Some(live) => blank::waiting(app, live, places.trace, buf),
        None => blank::empty(app, places.trace, buf),
    }
}

fn trace(app: &App, live: &Live, area: Rect, buf: &mut Buffer) {
    let branch = live.branch();
    let how = Paint {
        theme: app.theme(),
        heat: app.heat,
        running: branch.state() == Some(LaneState::Running),
        verdict: branch.verdict.as_ref(),
    };
    paint(&branch.view, &branch.lane.tokens, &how, area, buf);
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
    let tokens = &live.lane().tokens;
    let thinking = tokens.thinking();
    let answer = tokens.len() - thinking;
    let budget = match lane.budget.or(live.request.policy.max_thinking) {
        Some(budget) => format!("{} / {} tokens", grouped(thinking), grouped(budget)),
        None => format!("{} tokens", grouped(thinking)),
    };
    let both = format!(
        "{} thinking + {} answer",
        grouped(thinking),
        grouped(answer)
    );
    let over = live.thought_is_over();
    match live.branch().state() {
        Some(LaneState::Prefill) => {
            let figures = lane.prefill.map_or(String::new(), |(done, total)| {
                format!("{} / {} tokens", grouped(done), grouped(total))
            });
            ("reading the question".into(), theme.text, figures)
        }
        Some(LaneState::Running) if over => ("answering".into(), theme.answer, both),
        Some(LaneState::Running) => ("thinking".into(), theme.text, budget),
        Some(LaneState::Paused) if live.lane().stop.is_none() => (
            "❚❚ paused".into(),
            theme.key,
            if over { both } else { budget },
        ),
        _ => match live.lane().stop {
            Some(StopReason::EndOfTurn | StopReason::BoxClosed) => {
                ("■ done".into(), theme.text, both)
            }
            Some(StopReason::AnswerMax) => ("■ answer at its limit".into(), theme.warn, both),
            Some(StopReason::ContextFull) => ("■ context full".into(), theme.warn, both),
            Some(StopReason::User) => ("■ stopped".into(), theme.warn, both),
            None if live.branch().sent => ("…".into(), theme.dim, String::new()),
            None if tokens.is_empty() => ("not started".into(), theme.dim, String::new()),
            None => ("unfinished".into(), theme.warn, both),
        },
    }
}

/// What lies below the screen, and what colours mean.
fn below(app: &App, live: &Live) -> Line<'static> {
    let theme = app.theme();
    let view = &live.branch().view;
    let mut parts: Vec<Span> = Vec::new();
    let tokens = live.lane().tokens.len();
    if let Some(cursor) = view.cursor() {
        let share = (cursor + 1) * 100 / tokens.max(1);
        let (at, of) = (grouped(cursor), grouped(tokens));
        parts.push(Span::styled(
            format!(" token {at} of {of} · {share}% "),
            on_border(theme, theme.text),
        ));
    }
    if app.heat != Heat::Off {
        let (low, high) = match app.heat {
            Heat::Entropy => ("0", format!("{ENTROPY_FULL:.0} nats")),
            _ => ("0", "1".to_owned()),
        };
        let word = on_border(theme, theme.text);
        parts.push(Span::styled(
            format!(" heat: {} {low} ", app.heat.name()),
            word,
        ));
        let steps = theme.heat.len().clamp(1, 8);
        parts.extend((0..steps).map(|step| {
            let heat = theme.heat_at(step as f32 / steps as f32);
            Span::styled("ab", on_border(theme, heat))
        }));
        parts.push(Span::styled(format!(" {high} "), word));
    }
    let seen = view.first_line() + usize::from(app.places.trace.height);
    let more = view.total().saturating_sub(seen);
    if !view.follows() && more > 0 {
        let key = app.key(Action::End);
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
    let n = live.branches.len();
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
