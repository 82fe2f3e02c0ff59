//! The answer to the sample question, now and earlier: one sees thinking appear.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::pieces;
use crate::tui::app::App;
use crate::tui::widgets::overlay::put;
use crate::tui::widgets::panel::Panel;
use s1_train::ExamplePiece;

pub fn draw(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (train, theme) = (&app.train, app.theme());
    let (shown, n) = train.sample();
    let samples = train.watched.samples();
    let Some((index, sample)) = shown.and_then(|i| Some((i, samples.get(i)?))) else {
        let panel = Panel::new("what it says", focused, theme);
        return panel.empty("Nothing was asked yet.", area, buf);
    };
    let below = format!("step {} · {} of {n} ◂ ▸", sample.step, index + 1);
    let panel = Panel::new("what it says", focused, theme).below(&below);
    let inner = panel.draw(area, buf);
    let mut y = inner.y;
    let mut line = |buf: &mut Buffer, text: &str, style| {
        if y < inner.bottom() {
            put(buf, inner, inner.x, y, inner.width, text, style);
            y += 1;
        }
    };
    line(buf, sample.question, theme.user);
    let piece = |text: &str| {
        [ExamplePiece {
            text: text.trim_matches('\n').to_owned(),
            loss: false,
        }]
    };
    let columns = usize::from(inner.width.saturating_sub(2));
    let thought = pieces::rows(&piece(sample.thinking), columns);
    // The beginning of a long thought, and its end, leave room for the answer.
    let room = usize::from(inner.bottom().saturating_sub(inner.y)).saturating_sub(2);
    let text = |row: &pieces::MarkedRow| row.iter().map(|(t, _)| t.as_str()).collect::<String>();
    if thought.len() <= room {
        for row in &thought {
            line(buf, &format!("▏ {}", text(row)), theme.thinking);
        }
    } else {
        let end = room.saturating_sub(1) / 2;
        let begin = room.saturating_sub(1) - end;
        for row in &thought[..begin.min(thought.len())] {
            line(buf, &format!("▏ {}", text(row)), theme.thinking);
        }
        if room > 0 {
            let left = thought.len() - begin - end;
            line(buf, &format!("▏ … {left} rows …"), theme.dim);
        }
        for row in &thought[thought.len() - end..] {
            line(buf, &format!("▏ {}", text(row)), theme.thinking);
        }
    }
    line(buf, &format!("▸ {}", sample.answer.trim()), theme.answer);
}
