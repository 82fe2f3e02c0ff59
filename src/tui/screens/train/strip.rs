//! The strip over a training: what it is, how far, and its last figures.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::app::App;
use crate::tui::app::train::Listed;
use crate::tui::theme::Theme;
use crate::tui::widgets::bars::{gauge, grouped};
use crate::tui::widgets::overlay::{cells, put};
use crate::tui::widgets::panel::Panel;
use s1_core::format;
use s1_plot::Unit;
use s1_store::training::TrainingState;

/// A sign and a style for what became of a training.
pub fn sign(listed: &Listed, theme: &Theme) -> (&'static str, Style) {
    match listed.training.state {
        _ if listed.interrupted => ("!", theme.warn),
        TrainingState::Preparing | TrainingState::Writing => ("…", theme.dim),
        TrainingState::Running => ("▸", theme.good),
        TrainingState::Paused => ("‖", theme.warn),
        TrainingState::Finished => ("✓", theme.good),
        TrainingState::Stopped => ("■", theme.text),
        TrainingState::Killed | TrainingState::Failed => ("✗", theme.bad),
    }
}

/// What so much time costs.
pub fn cost(seconds: f64, price: f64) -> String {
    let cost = seconds / 3600.0 * price;
    let places = if cost < 0.1 { 4 } else { 2 };
    format!("{cost:.places$} $")
}

/// The strip in a panel.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let Some(current) = train.current() else {
        return;
    };
    let training = &current.training;
    let how = match training.config.lora_rank {
        Some(rank) => format!("LoRA {rank}"),
        None => "full".into(),
    };
    let name = |path: &Path| {
        let path = path.to_string_lossy();
        let name = path.rsplit(['/', '\\']).next();
        name.unwrap_or_default().to_owned()
    };
    let title = format!(
        "{} ─ {} on {} · {how}",
        training.name,
        name(training.config.base()),
        name(&training.config.data)
    );
    let price = train.form.price();
    let below = if price > 0.0 {
        let spent = cost(train.watched.seconds(), price);
        format!("{spent} so far, at {price} $ an hour")
    } else {
        String::new()
    };
    let panel = Panel::new(&title, false, theme).below(&below);
    let inner = panel.draw(area, buf);
    let row = |i: u16| Rect {
        y: inner.y + i,
        height: 1,
        ..inner
    };
    line(app, row(0), buf);
    figures(app, row(1), buf);
    let (text, style) = hint(app, current);
    put(buf, row(2), inner.x, inner.y + 2, inner.width, &text, style);
}

/// One row: state, steps, a gauge, the time to go.
pub fn line(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let Some(current) = train.current() else {
        return;
    };
    let training = &current.training;
    let (sign, style) = sign(current, theme);
    let step = training.step.max(train.watched.after().0);
    let state = format!("{sign} {:<11} ", current.state());
    let mut x = put(buf, area, area.x, area.y, area.width, &state, style);
    let columns = usize::from(area.width).saturating_sub(56).clamp(4, 60);
    let (full, rest) = gauge(step, training.steps, columns);
    x = put(buf, area, x, area.y, area.width, &full, theme.gauge);
    x = put(buf, area, x, area.y, area.width, &rest, theme.dim);
    let total = grouped(training.steps as u64);
    let wide = total.len();
    let steps = match training.steps {
        0 => "  step –".to_owned(),
        _ => format!("  step {:>wide$} / {total}", grouped(step as u64)),
    };
    x = put(buf, area, x, area.y, area.width, &steps, theme.text);
    let last = train.watched.steps.last();
    let eta = last.filter(|_| current.is_open() && step < training.steps);
    if let Some(eta) = eta {
        let text = format!("   ETA {:>9}", format::duration(eta.eta_s));
        put(buf, area, x, area.y, area.width, &text, theme.text);
    }
}

/// The last figures, each with its label.
fn figures(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let Some(last) = train.watched.steps.last() else {
        return;
    };
    let smoothed = train.watched.smoothed().unwrap_or(last.loss);
    let rate = train.current().map_or(1.0, |l| l.training.rate);
    let factor = if (rate - 1.0).abs() > 1e-9 {
        format!(" ×{}", Unit::Number.exact(rate))
    } else {
        String::new()
    };
    let parts = [
        ("loss", format!("{smoothed:.4}")),
        ("lr", format!("{:.2e}{factor}", last.lr)),
        ("grad", format!("{:.3}", last.grad_norm)),
        (
            "tok/s",
            format!("{:>7}", grouped(last.tok_s.round() as u64)),
        ),
        (
            "time",
            format!("{:>9}", format::duration(train.watched.seconds())),
        ),
    ];
    let mut x = area.x;
    for (label, value) in parts {
        let size = cells(label) + 1 + cells(&value);
        if x + size > area.right() {
            return;
        }
        x = put(buf, area, x, area.y, area.width, label, theme.dim) + 1;
        x = put(buf, area, x, area.y, area.width, &value, theme.text) + 3;
    }
}

/// What to do next, or what went wrong.
fn hint(app: &App, current: &Listed) -> (String, Style) {
    use crate::tui::action::Action as A;
    let theme = app.theme();
    let key = |action| {
        let key = app.keymap.key_for(app.context(), action);
        key.unwrap_or_else(|| "–".into())
    };
    if app.train.starting.as_ref() == Some(&current.training.name) {
        return ("It is being started …".into(), theme.dim);
    }
    if let Some(sentence) = &app.train.trouble {
        return (format!("✗ {sentence}"), theme.bad);
    }
    if current.interrupted {
        let text = format!(
            "Its process is gone; {} resumes from its last checkpoint.",
            key(A::ResumeTraining)
        );
        return (text, theme.warn);
    }
    if let Some(fault) = &current.training.fault {
        return (format!("✗ {fault}"), theme.bad);
    }
    let text = match current.training.state {
        TrainingState::Preparing => "It reads the model and the data.".into(),
        TrainingState::Writing => "It writes the model.".into(),
        TrainingState::Paused => format!("Paused; {} resumes.", key(A::PauseTraining)),
        TrainingState::Finished => format!(
            "Done: {} compares before and after, {} opens it in the explorer, {} exports it.",
            key(A::BeforeAfter),
            key(A::OpenTrained),
            key(A::ExportTrained)
        ),
        TrainingState::Stopped | TrainingState::Killed => {
            format!(
                "{} resumes from its last checkpoint.",
                key(A::ResumeTraining)
            )
        }
        _ => "It keeps running, even after this program has ended.".into(),
    };
    (text, theme.dim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_read_at_a_glance() {
        assert_eq!(cost(3600.0, 2.0), "2.00 $");
        assert_eq!(cost(36.0, 2.0), "0.0200 $");
    }
}
