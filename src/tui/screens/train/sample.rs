//! The answer to the sample question, now and earlier: one sees thinking appear.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::pieces;
use crate::tui::app::App;
use crate::tui::widgets::overlay::{below, put};
use crate::tui::widgets::panel::Panel;

pub fn draw(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let (shown, n) = train.sample();
    let samples = train.watched.samples();
    let Some((index, sample)) = shown.and_then(|i| Some((i, samples.get(i)?))) else {
        let panel = Panel::new("sample answer", focused, theme);
        return panel.empty("Nothing was asked yet.", area, buf);
    };
    let words = format!("step {} · {} of {n} ◂ ▸", sample.step, index + 1);
    let panel = Panel::new("sample answer", focused, theme).below(&words);
    let inner = panel.draw(area, buf);
    let mut rest = inner;
    let mut line = |text: &str, style| {
        put(buf, rest, text, style);
        rest = below(rest, 1);
    };
    line(sample.question, theme.user);
    let thinking = sample.thinking.trim_matches('\n');
    let thought = pieces::plain_rows(thinking, inner.width.saturating_sub(2));
    // The beginning of a long thought, and its end, leave room for the answer.
    let room = usize::from(inner.height).saturating_sub(2);
    let text = |row: &pieces::MarkedRow| row.iter().map(|(t, _)| t.as_str()).collect::<String>();
    let left_out = match thought.len() > room {
        true => {
            let end = room.saturating_sub(1) / 2;
            room.saturating_sub(1) - end..thought.len() - end
        }
        false => 0..0,
    };
    for (i, row) in thought.iter().enumerate() {
        if !left_out.contains(&i) {
            line(&format!("▏ {}", text(row)), theme.thinking);
        } else if i == left_out.start && room > 0 {
            line(&format!("▏ … {} rows …", left_out.len()), theme.dim);
        }
    }
    line(&format!("▸ {}", sample.answer.trim()), theme.answer);
}
