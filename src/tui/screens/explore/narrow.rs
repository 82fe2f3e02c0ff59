//! The line that stands in for the side panel on a narrow screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::side::{finite, rate};
use crate::tui::app::App;
use crate::tui::widgets::bars::{gauge, grouped};
use crate::tui::widgets::probes;
use s1_core::trace::thinking_tokens;

/// Columns of the gauge.
const GAUGE: usize = 8;

pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(live) = &app.live else { return };
    let theme = app.theme();
    let lane = live.lane();
    let tokens = &live.lane().tokens;
    let thinking = thinking_tokens(tokens);
    let token = live
        .branch()
        .view
        .focus(tokens)
        .and_then(|at| tokens.get(at));

    let mut parts: Vec<Vec<Span>> = Vec::new();
    let budget = lane.budget.or(live.request.policy.max_thinking);
    let (full, rest) = gauge(thinking, budget.unwrap_or(0), GAUGE);
    let total = budget.map_or("∞".to_owned(), |b| grouped(b as u64));
    parts.push(vec![
        Span::styled(format!("{}/{total} ", grouped(thinking as u64)), theme.text),
        Span::styled(
            if budget.is_some() {
                full
            } else {
                String::new()
            },
            theme.gauge,
        ),
        Span::styled(
            if budget.is_some() {
                rest
            } else {
                String::new()
            },
            theme.dim,
        ),
    ]);
    if lane.pending_waits > 0 {
        parts.push(vec![Span::styled(
            format!("⟲ {} pending", lane.pending_waits),
            theme.forced,
        )]);
    }
    let end = token.map_or(0.0, |t| finite(t.p_end));
    parts.push(vec![
        Span::styled("p(end) ", theme.dim),
        Span::styled(format!("{end:.2}"), theme.text),
    ]);
    let runs = probes::runs(&live.lane().probes);
    if let Some(last) = runs.last() {
        parts.push(vec![
            Span::styled("if cut ", theme.dim),
            Span::styled(
                format!("{}{}", last.label(10), last.sign()),
                last.style(theme),
            ),
            Span::styled(format!(" ×{}", last.count), theme.dim),
        ]);
    }
    if lane.speed.decode_tok_s > 0.0 {
        let rate = rate(lane.speed.decode_tok_s);
        parts.push(vec![Span::styled(format!("{rate} tok/s"), theme.dim)]);
    }

    let mut line: Vec<Span> = vec![Span::raw(" ")];
    let mut used = 1;
    for (i, part) in parts.into_iter().enumerate() {
        let gap = if i == 0 { 0 } else { 3 };
        let wide: usize = part.iter().map(Span::width).sum();
        if used + gap + wide > usize::from(area.width) {
            break;
        }
        if i > 0 {
            line.push(Span::styled(" · ", theme.dim));
        }
        used += gap + wide;
        line.extend(part);
    }
    Line::from(line).render(area, buf);
}
