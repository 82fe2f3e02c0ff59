//! The first line: the program, its screens, the model.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::tui::app::{App, Model};
use crate::tui::sanitize::{clean_line, fit, fit_end, width};
use crate::tui::screen::{GAP, NAME, Screen, tab};
use s1_core::format;
use s1_core::protocol::ModelInfo;
use s1_data::hub::Download;

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
        (None, Model::Ready(info)) => (ready(info), theme.dim),
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
        let text = shortened(&text, left);
        used += width(gap) + width(&text);
        line.push(Span::styled(gap, theme.dim));
        line.push(Span::styled(text, if i == 0 { theme.text } else { style }));
    }
    Line::from(line)
}

/// A name in so many columns: its middle goes first, as its beginning says whose it is and its end
/// which of several.
fn shortened(name: &str, room: usize) -> String {
    if width(name) <= room {
        return name.to_owned();
    }
    let end = room / 3;
    let tail = fit_end(name, end + 1);
    format!("{}{}", fit(name, room - end), tail.trim_start_matches('…'))
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

fn ready(info: &ModelInfo) -> Vec<String> {
    let device = match info.device.as_str() {
        "cpu" => format!("cpu {}t", info.threads),
        other => other.to_owned(),
    };
    let mut parts = vec![info.name.clone()];
    let size = size(info.parameters);
    // Many names say the size already.
    if !info.name.to_lowercase().contains(&size.to_lowercase()) {
        parts.push(size);
    }
    parts.extend([info.quantization.clone(), device]);
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
    #[test]
    fn long_names_are_shortened_in_the_middle() {
        let name = "Qwen2.5 Coder 0.5B Instruct AWQ";
        assert_eq!(super::shortened(name, 40), name);
        assert_eq!(super::shortened(name, 22), "Qwen2.5 Coder …uct AWQ");
        for room in 0..40 {
            assert!(super::width(&super::shortened(name, room)) <= room);
        }
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(super::size(134_515_008), "135M");
        assert_eq!(super::size(1_720_000_000), "1.7B");
        assert_eq!(super::size(24_000), "24K");
        assert_eq!(super::size(0), "");
    }
}
