//! Panels of rows: the log, the checkpoints, the trainings.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::strip::sign;
use crate::tui::app::App;
use crate::tui::theme::Theme;
use crate::tui::widgets::list::{ListRow, Selection};
use crate::tui::widgets::overlay::put;
use crate::tui::widgets::panel::Panel;
use s1_core::format;
use s1_core::training::TrainEvent;

/// What happened, the newest last.
pub fn log(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let panel = Panel::new("log", focused, theme);
    let events = &train.watched.events;
    if events.is_empty() {
        return panel.empty("Nothing yet.", area, buf);
    }
    let inner = panel.draw(area, buf);
    let last = events.len() - train.log.min(events.len() - 1);
    let first = last.saturating_sub(usize::from(inner.height));
    for (recorded, place) in events.iter().take(last).skip(first).zip(inner.rows()) {
        let at = format!("{:>6}  ", recorded.event.step());
        let rest = put(buf, place, &at, theme.dim);
        let (text, style) = entry(&recorded.event, theme);
        put(buf, rest, &text, style);
    }
}

fn entry(event: &TrainEvent, theme: &Theme) -> (String, Style) {
    let file = |path: &std::path::Path| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        name.unwrap_or_default()
    };
    match event {
        TrainEvent::Eval { loss, .. } => (format!("◆ held-out loss {loss:.4}"), theme.text),
        TrainEvent::Accuracy {
            n,
            correct,
            thinking,
            ..
        } => (
            format!(
                "◆ held-out {correct}/{n} = {:.1}%, {thinking:.0} thinking tokens",
                100.0 * *correct as f64 / (*n).max(1) as f64
            ),
            theme.text,
        ),
        TrainEvent::Sample { answer, .. } => {
            let last = answer.trim().lines().last().unwrap_or_default();
            (format!("▸ {last}"), theme.answer)
        }
        TrainEvent::Saved { path, .. } => (format!("saved {}", file(path)), theme.dim),
        TrainEvent::Written { path, .. } => (format!("wrote {}", file(path)), theme.good),
        other => (other.sentence(), theme.text),
    }
}

/// Its checkpoints, the newest first.
pub fn checkpoints(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let panel = Panel::new("checkpoints", focused, theme);
    let rows: Vec<ListRow> = train
        .watched
        .checkpoints
        .iter()
        .map(|c| ListRow::new(format!("step {}", c.step), format::size(c.bytes)))
        .collect();
    if rows.is_empty() {
        return panel.empty("None yet.", area, buf);
    }
    let inner = panel.draw(area, buf);
    Selection::at(train.checkpoint).draw(buf, inner, rows.iter(), theme);
}

/// All trainings, the newest first.
pub fn trainings(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let list = train.list.as_deref().unwrap_or_default();
    let selected = list.get(train.row);
    let below = selected.map_or(String::new(), |l| l.folder().display().to_string());
    let title = format!("trainings ─ {}", list.len());
    let panel = Panel::new(&title, focused, theme).below(&below);
    let inner = panel.draw(area, buf);
    let rows: Vec<ListRow> = list
        .iter()
        .map(|l| {
            let here = if train.current.as_ref() == Some(&l.name) {
                "●"
            } else {
                " "
            };
            ListRow::new(
                format!("{here} {}", l.name),
                format!(
                    "{}/{}  {} {:<11}",
                    l.step,
                    l.steps,
                    sign(l, theme).0,
                    l.state.name()
                ),
            )
        })
        .collect();
    Selection::at(train.row).draw(buf, inner, rows.iter(), theme);
}
