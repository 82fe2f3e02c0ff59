//! What the panel of the trace says while there is no text: what is under way, what went wrong,
//! what to do next.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Widget;

use crate::tui::action::Action;
use crate::tui::app::live::Live;
use crate::tui::app::{App, Model};
use crate::tui::keymap::Context;
use crate::tui::sanitize::{clean_line, width};
use crate::tui::screens::keyed;
use crate::tui::widgets::bars::gauge;
use crate::tui::widgets::overlay::centered;
use crate::tui::widgets::prose::prose;
use s1_core::protocol::LaneState;

/// Nothing is written yet, but something is under way.
pub fn waiting(app: &App, live: &Live, area: Rect, buf: &mut Buffer) {
    if live.lane().state != Some(LaneState::Prefill) {
        return;
    }
    let (done, total) = live.lane().prefill.unwrap_or_default();
    let esc = app.key(Action::Stop);
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
                format!(" {:>3.0}%", share.clamp(0.0, 1.0) * 100.0),
                theme.text,
            ),
        ]),
        Line::default(),
        Line::styled(hint.to_owned(), theme.dim),
    ];
    centre(lines, area, buf);
}

/// The screen before the first question: what to do next.
pub fn empty(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    match &app.model {
        Model::Loading(share) => {
            let esc = app
                .keymap
                .key_for(app.context(), app.cancel_action())
                .unwrap_or_default();
            let (what, share) = match &app.fetching {
                Some(download) => {
                    let what = format!("Fetching {}", clean_line(&download.what));
                    (what, download.share())
                }
                None => ("Loading the model".to_owned(), *share),
            };
            progress(
                app,
                &format!("{what}. You can write your question already."),
                f64::from(share),
                &format!("{esc} cancels"),
                area,
                buf,
            );
        }
        Model::None => centre(
            vec![
                Line::styled("There is no model yet.", theme.title),
                Line::default(),
                keyed(
                    app,
                    Action::Models,
                    "chooses one of the models on this machine",
                ),
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
                keyed(app, Action::Models, "chooses another model"),
            ];
            prose(lines, Alignment::Left, room, buf);
        }
        Model::Ready(_) => welcome(app, area, buf),
    }
}

/// What the keys of steering do, before there is anything to steer.
fn welcome(app: &App, area: Rect, buf: &mut Buffer) {
    use Action as A;
    let theme = app.theme();
    let rows = [
        (A::Wait, "where it would have ended, it thinks on"),
        (A::Cut, "it must answer with what it has"),
        (A::Inject, "your words become part of its thought"),
        (A::Probe, "what would it answer, if it were cut here?"),
        (A::Branch, "try another continuation; the old one is kept"),
    ];
    let signs = [
        ("⟲", theme.forced),
        ("✂", theme.forced),
        ("✎", theme.user),
        ("✓", theme.good),
        ("├", theme.key),
    ];
    let ask = app
        .keymap
        .key_for(Context::Editor, A::Submit)
        .unwrap_or_else(|| "–".into());
    let edit = app.key(A::EditQuestion);
    let column = rows.iter().map(|r| width(&app.key(r.0))).max().unwrap_or(1);
    let mut lines = vec![
        Line::styled("Ask something, watch it think, and step in.", theme.title),
        Line::styled(
            format!("{ask} asks; from then on these keys steer, and {edit} writes another:"),
            theme.dim,
        ),
        Line::default(),
    ];
    for ((action, what), (sign, style)) in rows.into_iter().zip(signs) {
        lines.push(Line::from(vec![
            Span::styled(format!("{:<column$}", app.key(action)), theme.key),
            Span::raw("   "),
            Span::styled(sign, style),
            Span::styled(format!(" {:<8}", action.short()), theme.text),
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
    let text = Text::from(lines);
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let mut place = centered(area, size(text.width()), size(text.height()));
    place.y = area.y + (area.height - place.height) * 2 / 5;
    text.render(place, buf);
}
