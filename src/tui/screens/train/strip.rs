//! The strip over a training: what it is, how far, and its last figures.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::app::App;
use crate::tui::theme::Theme;
use crate::tui::widgets::bars::{gauge, grouped};
use crate::tui::widgets::overlay::{below, cells, put, skip};
use crate::tui::widgets::panel::Panel;
use s1_core::format;
use s1_core::training::TrainerKind;
use s1_plot::Unit;
use s1_store::training::{Training, TrainingState};

/// A sign and a style for what became of a training.
pub fn sign(listed: &Training, theme: &Theme) -> (&'static str, Style) {
    match listed.state {
        TrainingState::Preparing | TrainingState::Writing => ("…", theme.dim),
        TrainingState::Running => ("▸", theme.good),
        TrainingState::Paused => ("‖", theme.warn),
        TrainingState::Finished => ("✓", theme.good),
        TrainingState::Stopped => ("■", theme.text),
        TrainingState::Killed | TrainingState::Failed => ("✗", theme.bad),
        TrainingState::Interrupted => ("!", theme.warn),
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
    let mut how = match current.config.lora_rank {
        Some(rank) => format!("LoRA {rank}"),
        None => "full".into(),
    };
    if current.config.trainer == TrainerKind::Trl {
        how += " · TRL";
    }
    let name = |path: &Path| {
        let path = path.to_string_lossy();
        let name = path.rsplit(['/', '\\']).next();
        name.unwrap_or_default().to_owned()
    };
    let title = format!(
        "{} ─ {} on {} · {how}",
        current.name,
        name(current.config.base()),
        name(&current.config.data)
    );
    let price = train.form.values().price;
    let words = if price > 0.0 {
        let spent = cost(train.watched.seconds(), price);
        format!("{spent} so far, at {price} $ an hour")
    } else {
        String::new()
    };
    let panel = Panel::new(&title, false, theme).below(&words);
    let inner = panel.draw(area, buf);
    line(app, inner, buf);
    figures(app, below(inner, 1), buf);
    let (text, style) = hint(app, current);
    put(buf, below(inner, 2), &text, style);
}

/// One row: state, steps, a gauge, the time to go.
pub fn line(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let Some(current) = train.current() else {
        return;
    };
    let (sign, style) = sign(current, theme);
    let step = current.step.max(train.watched.after().0);
    let state = format!("{sign} {:<11} ", current.state.name());
    let mut rest = put(buf, area, &state, style);
    let columns = usize::from(area.width).saturating_sub(56).clamp(4, 60);
    let (full, empty) = gauge(step, current.steps, columns);
    rest = put(buf, rest, &full, theme.gauge);
    rest = put(buf, rest, &empty, theme.dim);
    let total = grouped(current.steps);
    let wide = total.len();
    let steps = match current.steps {
        0 => "  step –".to_owned(),
        _ => format!("  step {:>wide$} / {total}", grouped(step)),
    };
    rest = put(buf, rest, &steps, theme.text);
    let last = train.watched.steps.last();
    let eta = last.filter(|_| current.is_open() && step < current.steps);
    if let Some(eta) = eta {
        let text = format!("   ETA {:>9}", format::duration(eta.eta_s));
        put(buf, rest, &text, theme.text);
    }
}

/// The last figures, each with its label.
fn figures(app: &App, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let Some(last) = train.watched.steps.last() else {
        return;
    };
    let smoothed = train.watched.smoothed().unwrap_or(last.loss);
    let rate = train.current().map_or(1.0, |l| l.rate);
    let factor = if (rate - 1.0).abs() > 1e-9 {
        format!(" ×{}", Unit::Number.exact(rate))
    } else {
        String::new()
    };
    let mut parts = vec![
        ("loss", format!("{smoothed:.4}")),
        ("lr", format!("{:.2e}{factor}", last.lr)),
        ("grad", format!("{:.3}", last.grad_norm)),
        (
            "tok/s",
            format!("{:>7}", grouped(last.tok_s.round() as usize)),
        ),
        (
            "time",
            format!("{:>9}", format::duration(train.watched.seconds())),
        ),
    ];
    if last.memory > 0 {
        parts.push(("memory", format::size(last.memory)));
    }
    let mut rest = area;
    for (label, value) in parts {
        if cells(label) + 1 + cells(&value) > rest.width {
            return;
        }
        rest = skip(put(buf, rest, label, theme.dim), 1);
        rest = skip(put(buf, rest, &value, theme.text), 3);
    }
}

/// What to do next, or what went wrong.
fn hint(app: &App, current: &Training) -> (String, Style) {
    use crate::tui::action::Action as A;
    let theme = app.theme();
    if app.train.starting.as_ref() == Some(&current.name) {
        return ("It is being started …".into(), theme.dim);
    }
    if let Some(sentence) = &app.train.trouble {
        return (format!("✗ {sentence}"), theme.bad);
    }
    if current.state == TrainingState::Interrupted {
        let text = format!(
            "Its process is gone; {} resumes from its last checkpoint.",
            app.key(A::ResumeTraining)
        );
        return (text, theme.warn);
    }
    if let Some(fault) = &current.fault {
        return (format!("✗ {fault}"), theme.bad);
    }
    let text = match current.state {
        TrainingState::Preparing => "It reads the model and the data.".into(),
        TrainingState::Writing => "It writes the model.".into(),
        TrainingState::Paused => format!("Paused; {} resumes.", app.key(A::PauseTraining)),
        TrainingState::Finished => format!(
            "Done: {} compares before and after, {} opens it in the explorer, {} exports it.",
            app.key(A::BeforeAfter),
            app.key(A::OpenTrained),
            app.key(A::ExportTrained)
        ),
        TrainingState::Stopped | TrainingState::Killed => {
            format!(
                "{} resumes from its last checkpoint.",
                app.key(A::ResumeTraining)
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
