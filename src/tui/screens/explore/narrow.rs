//! The line that stands in for the side panel on a narrow screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::side::{NOT_AMONG, finite, rate};
use crate::tui::app::App;
use crate::tui::widgets::bars::{gauge, grouped};
use crate::tui::widgets::overlay::fitting;
use crate::tui::widgets::probes;
use crate::tui::widgets::trace::grade_sign;

/// Columns of the gauge.
const GAUGE: usize = 8;

pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(live) = &app.live else { return };
    let theme = app.theme();
    let lane = live.lane();
    let tokens = &live.lane().tokens;
    let thinking = tokens.thinking();

    let mut parts: Vec<Vec<Span>> = Vec::new();
    let budget = lane.budget.or(live.request.policy.max_thinking);
    let columns = budget.map_or(0, |_| GAUGE);
    let (full, rest) = gauge(thinking, budget.unwrap_or(0), columns);
    let total = budget.map_or("∞".to_owned(), grouped);
    parts.push(vec![
        Span::styled(format!("budget {}/{total} ", grouped(thinking)), theme.text),
        Span::styled(full, theme.gauge),
        Span::styled(rest, theme.dim),
    ]);
    let (sampling, _) = &live.branch().drawn;
    parts.push(vec![
        Span::styled("T ", theme.dim),
        Span::styled(sampling.temperature.to_string(), theme.text),
    ]);
    if lane.pending_waits > 0 {
        parts.push(vec![Span::styled(
            format!("⟲ {} pending", lane.pending_waits),
            theme.forced,
        )]);
    }
    let end = live.focus().map_or(0.0, |(_, t)| finite(t.p_end));
    let bounds = app.scores_are_bounds();
    parts.push(match bounds && live.focus().is_some() && end == 0.0 {
        true => vec![Span::styled(NOT_AMONG, theme.dim)],
        false => vec![
            Span::styled("p(end) ", theme.dim),
            Span::styled(
                format!("{}{end:.2}", if bounds { "≥" } else { "" }),
                theme.text,
            ),
        ],
    });
    let runs = probes::runs(&live.lane().probes);
    if let Some(last) = runs.last() {
        parts.push(vec![
            Span::styled("if cut ", theme.dim),
            Span::styled(
                format!("{}{}", last.label(10), grade_sign(last.correct)),
                theme.graded(last.correct, theme.text),
            ),
            Span::styled(format!(" ×{}", last.count), theme.dim),
        ]);
    }
    if lane.speed.decode_tok_s > 0.0 {
        let rate = rate(lane.speed.decode_tok_s);
        parts.push(vec![Span::styled(format!("{rate} tok/s"), theme.dim)]);
    }

    let gap = Span::styled(" · ", theme.dim);
    let line = fitting(parts, &gap, usize::from(area.width));
    Line::from(line).render(area, buf);
}
