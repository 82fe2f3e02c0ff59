//! The first line: the program, its screens, the model.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::tui::app::{App, Model};
use crate::tui::sanitize::{clean_line, fit_middle, width};
use crate::tui::screen::{GAP, NAME, Screen, tab};
use s1_core::format;
use s1_core::protocol::ModelInfo;
use s1_data::hub::{self, Download};
use s1_engine::catalog;

pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme();
    let mut left = vec![Span::styled(NAME, theme.title)];
    for (i, &screen) in Screen::ALL.iter().enumerate() {
        if screen == app.screen {
            left.push(Span::styled(tab(i, screen), theme.key));
        } else {
            left.push(Span::styled(tab(i, screen), theme.dim));
        }
        left.push(Span::raw(" ".repeat(usize::from(GAP))));
    }
    let left = Line::from(left);
    let room = usize::from(area.width).saturating_sub(left.width() + 1);
    let right = model(app, room);
    let at = usize::from(area.width)
        .saturating_sub(right.width() + 1)
        .max(left.width());
    let at = (at as u16).min(area.width);
    let there = Rect {
        x: area.x + at,
        width: area.width - at,
        ..area
    };
    left.render(area, buf);
    right.render(there, buf);
}

/// The model in at most `room` columns: the most telling parts first.
fn model(app: &App, room: usize) -> Line<'static> {
    let theme = app.theme();
    let (parts, style) = match (&app.fetching, &app.model) {
        (Some(download), _) => (fetching(download), theme.dim),
        (None, Model::None) => (vec!["no model".into()], theme.dim),
        (None, Model::Loading(share)) => {
            let share = share.clamp(0.0, 1.0) * 100.0;
            (vec![format!("loading {share:>3.0}%")], theme.dim)
        }
        (None, Model::Failed(_)) => (vec!["✗ no model".into()], theme.bad),
        (None, Model::Ready(info)) => (ready(info, app.model_path.as_deref()), theme.dim),
    };
    let mut line: Vec<Span> = Vec::new();
    let mut used = 0;
    for (i, text) in parts.into_iter().enumerate() {
        let gap = if i == 0 { "" } else { " · " };
        let text = clean_line(&text).into_owned();
        let left = room.saturating_sub(used + width(gap));
        if width(&text) > left && i > 0 {
            break;
        }
        let text = fit_middle(&text, left).into_owned();
        used += width(gap) + width(&text);
        line.push(Span::styled(gap, theme.dim));
        line.push(Span::styled(text, if i == 0 { theme.text } else { style }));
    }
    Line::from(line)
}

fn fetching(download: &Download) -> Vec<String> {
    let mut parts = vec![format!("fetching {:>3.0}%", download.share() * 100.0)];
    // The file's own name; its folders would leave no room for the size.
    parts.extend(download.what.rsplit('/').next().map(str::to_owned));
    if download.total > 0 {
        parts.push(format::size(download.total));
    }
    if !download.note.is_empty() {
        parts.push(download.note.clone());
    }
    parts
}

/// What a model is called: as its file, which people know it by. What the file says of itself may be
/// the name of what it was made of.
fn name(info: &ModelInfo, path: Option<&Path>) -> String {
    let is_file = |path: &&Path| {
        let ends = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
        ends && !hub::is_hub(path)
    };
    let named = path.filter(is_file).map(catalog::called_file);
    named.unwrap_or_else(|| info.name.clone())
}

/// Whether a name says how large a model is: `0.5B`, `135m`.
fn says_size(name: &str) -> bool {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.into_iter().any(|word| {
        let number = word.trim_end_matches(['b', 'B', 'm', 'M']);
        number.len() + 1 == word.len() && number.parse::<f64>().is_ok()
    })
}

/// Whether a name says how the weights are rounded: `q4_k_m`, `F16`.
fn says_quantization(name: &str) -> bool {
    let words = name.split(['-', '.', ' ']);
    words.map(str::to_lowercase).any(|word| {
        let quantized = word.trim_start_matches('i');
        let digit = |c: char| c.is_ascii_digit();
        matches!(word.as_str(), "f16" | "bf16" | "f32" | "mxfp4")
            || quantized.starts_with('q') && quantized[1..].starts_with(digit)
    })
}

fn ready(info: &ModelInfo, path: Option<&Path>) -> Vec<String> {
    let device = match info.device.as_str() {
        "cpu" => format!("cpu {}t", info.threads),
        other => other.to_owned(),
    };
    let name = name(info, path);
    let mut parts = Vec::new();
    // Many names say these already, in other words.
    parts.extend(Some(size(info.parameters)).filter(|_| !says_size(&name)));
    parts.extend(Some(info.quantization.clone()).filter(|_| !says_quantization(&name)));
    parts.insert(0, name);
    parts.push(device);
    parts.retain(|p| !p.is_empty());
    parts
}

/// A number of parameters as people say it: `135M`, `1.7B`.
fn size(parameters: u64) -> String {
    match parameters {
        0 => String::new(),
        1..1_000_000 => format!("{}K", parameters.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{}M", (parameters + 500_000) / 1_000_000),
        _ => format!("{:.1}B", parameters as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user would lose: which of their files is in use, and one truth about it.
    #[test]
    fn a_model_is_called_as_its_file_and_nothing_is_said_twice() {
        let info = ModelInfo {
            name: "Qwen2.5 Coder 0.5B Instruct AWQ".into(),
            parameters: 630_000_000,
            quantization: "Q5_0".into(),
            device: "cuda:0".into(),
            ..ModelInfo::default()
        };
        let path = Path::new("/m/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
        let said = ready(&info, Some(path));
        assert_eq!(said, ["qwen2.5-coder-0.5b-instruct-q4_k_m", "cuda:0"]);
        let said = ready(&info, Some(Path::new("/m/mine.gguf")));
        assert_eq!(said, ["mine", "630M", "Q5_0", "cuda:0"]);
        let said = ready(&info, Some(Path::new("bundled:reasoner")));
        assert_eq!(said, ["Qwen2.5 Coder 0.5B Instruct AWQ", "Q5_0", "cuda:0"]);
        assert!(says_quantization("x-IQ4_XS") && !says_quantization("quick-3"));
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(size(134_515_008), "135M");
        assert_eq!(size(1_720_000_000), "1.7B");
        assert_eq!(size(24_000), "24K");
        assert_eq!(size(0), "");
    }
}
