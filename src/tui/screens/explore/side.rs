//! The side panel: instruments. Numbers keep their places; sections that find no room go from the
//! bottom up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::on_border;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::live::Live;
use crate::tui::sanitize::{clean_line, fit, width};
use crate::tui::widgets::bars::{gauge, grouped};
use crate::tui::widgets::panel;
use crate::tui::widgets::probes;
use crate::tui::widgets::spark::{Columns, Share, Spark};
use crate::tui::widgets::trace::{ENTROPY_FULL, grade_sign};
use s1_core::exit::{Exit, Seen};
use s1_core::forcing::{POLICY, Policy};
use s1_core::param::{Setting, settings};

mod token;

/// Columns of a label.
const LABEL: usize = 9;
/// Columns of the value behind a sparkline.
const VALUE: u16 = 8;

pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(live) = &app.live else { return };
    let theme = app.theme();
    let block =
        panel::border(theme.border).title(Line::styled(" Now ", on_border(theme, theme.title)));
    let inner = block.inner(area);
    block.render(area, buf);
    let mut rows = SideRows {
        area,
        inner,
        y: inner.y,
        app,
        buf,
    };
    rows.now(live);
    // Sparklines take what the rest leaves.
    let alternatives = live
        .lane()
        .tokens
        .last()
        .map_or(5, |t| t.top.len().clamp(3, 8)) as u16;
    let rest = inner
        .height
        .saturating_sub(6 + 3 + 2 + 2 + 4 + alternatives);
    let high = (1 + rest / 2).clamp(1, 4);
    rows.sparks(live, high);
    rows.cut(live);
    rows.cursor(live);
}

/// Draws from the top down while there is room.
struct SideRows<'a> {
    area: Rect,
    inner: Rect,
    y: u16,
    app: &'a App,
    buf: &'a mut Buffer,
}

impl SideRows<'_> {
    /// The next `rows` rows, with a margin left and right; `None` where there is no room.
    fn next(&mut self, rows: u16) -> Option<Rect> {
        if self.y + rows > self.inner.bottom() {
            return None;
        }
        let place = Rect {
            x: self.inner.x + 1,
            y: self.y,
            width: self.inner.width.saturating_sub(2),
            height: rows,
        };
        self.y += rows;
        Some(place)
    }

    fn line(&mut self, line: Line) {
        if let Some(place) = self.next(1) {
            line.render(place, self.buf);
        }
    }

    /// A line across with a title, joined to the border; only where `rows` more rows fit.
    fn section(&mut self, title: Line, rows: u16) -> bool {
        if self.y + 1 + rows > self.inner.bottom() {
            self.y = self.inner.bottom();
            return false;
        }
        let style = self.app.theme().border;
        let y = self.y;
        let mut put = |x: u16, symbol: &str| {
            if let Some(cell) = self.buf.cell_mut((x, y)) {
                cell.set_symbol(symbol).set_style(style);
            }
        };
        put(self.area.left(), "├");
        for x in self.inner.left()..self.inner.right() {
            put(x, "─");
        }
        put(self.area.right() - 1, "┤");
        title.render(
            Rect {
                y,
                height: 1,
                ..self.inner
            },
            self.buf,
        );
        self.y += 1;
        true
    }

    fn heading(&self, text: &str) -> Line<'static> {
        let theme = self.app.theme();
        // A span, not a styled line: a line's style would reach to the end of its row.
        Line::from(Span::styled(
            format!(" {text} "),
            on_border(theme, theme.title),
        ))
    }

    fn label(&self, text: &str) -> Span<'static> {
        Span::styled(format!("{text:<LABEL$}"), self.app.theme().dim)
    }

    fn now(&mut self, live: &Live) {
        let theme = self.app.theme();
        let lane = live.lane();
        let columns = usize::from(self.inner.width.saturating_sub(2));
        let thinking = lane.tokens.thinking();
        let budget = lane.budget.or(live.request.policy.max_thinking);

        let mut line = vec![self.label("budget")];
        let total = budget.map_or("∞".into(), grouped);
        let figures = format!(
            " {:>w$}/{total}",
            grouped(thinking),
            w = width(&total).max(4)
        );
        let bar = columns.saturating_sub(LABEL + width(&figures));
        let (full, rest) = gauge(thinking, budget.unwrap_or(0), bar);
        line.extend([
            Span::styled(full, theme.gauge),
            Span::styled(rest, theme.dim),
            Span::styled(figures, theme.text),
        ]);
        self.line(Line::from(line));

        let pending = match lane.pending_waits {
            0 => Span::styled(" · 0 pending", theme.dim),
            n => Span::styled(format!(" · ⟲ {n} pending"), theme.forced),
        };
        let forced = Span::styled(format!("{} forced", live.waits()), theme.text);
        self.line(Line::from(vec![self.label("waits"), forced, pending]));

        self.line(Line::from(vec![
            self.label("drawn"),
            Span::styled(drawn(live), theme.text),
        ]));
        let ending = settings(POLICY).find(|s: &&dyn Setting<Policy>| s.info().key == "ending");
        let ending = ending.map_or(String::new(), |s| s.text(&live.request.policy));
        self.line(Line::from(vec![
            self.label("family"),
            Span::styled(clean_line(&live.model.family).into_owned(), theme.text),
            Span::styled(" · ending ", theme.dim),
            Span::styled(ending, theme.text),
        ]));

        let speed = lane.speed;
        // Nothing is known of what was stored.
        if speed.decode_tok_s > 0.0 || live.is_busy() {
            let (rate, first) = (
                rate(speed.decode_tok_s),
                duration(speed.time_to_first_token_ms),
            );
            let mut line = vec![
                self.label("speed"),
                Span::styled(format!("{rate:>5} tok/s"), theme.text),
            ];
            let behind = match self.app.pace().filter(|_| live.branch().paced) {
                Some(pace) => [(" pace ", theme.dim), (&*format!("{pace:>8}"), theme.text)]
                    .map(|(text, style)| Span::styled(text.to_owned(), style)),
                None => [(" ttft ", theme.dim), (&*format!("{first:>8}"), theme.text)]
                    .map(|(text, style)| Span::styled(text.to_owned(), style)),
            };
            line.extend(behind);
            self.line(Line::from(line));
        }

        let context = self.app.info().map_or(0, |info| info.context);
        let used = lane
            .context
            .max(live.prompt_ids.len() + live.lane().tokens.len());
        let mut line = vec![self.label("context")];
        if context > 0 {
            let percent = used as f64 / context as f64 * 100.0;
            line.push(Span::styled(format!("{percent:>4.0}%"), theme.text));
            let of = format!("  {} of {}", grouped(used), grouped(context));
            line.push(Span::styled(of, theme.dim));
        } else {
            line.push(Span::styled(
                format!("{:>4} tokens", grouped(used)),
                theme.text,
            ));
        }
        self.line(Line::from(line));

        // Only under a rule for early exits.
        let exit = live.request.policy.exit;
        if exit != Exit::Off {
            let looks = match lane.sights.len() {
                1 => " · 1 look".to_owned(),
                n => format!(" · {n} looks"),
            };
            let last = lane.sights.last().map(|s| match &s.seen {
                Seen::Trial(tried) => {
                    let answer = tried.answer.as_deref().unwrap_or("–");
                    format!(", {} ({:.2})", clean_line(answer), tried.confidence)
                }
                Seen::Scores(scores) => format!(", end lacks {:.2}", scores.margin),
            });
            self.line(Line::from(vec![
                self.label("exit"),
                Span::styled(exit.to_string(), theme.text),
                Span::styled(looks + &last.unwrap_or_default(), theme.dim),
            ]));
        }

        // Only where the text has repeated itself: elsewhere there is nothing to say.
        if let Some(percent) = (speed.taken * 100).checked_div(speed.drafted) {
            let share = Span::styled(format!("{percent:>4}%"), theme.text);
            let of = format!("  of {} taken", grouped(speed.drafted));
            self.line(Line::from(vec![
                self.label("lookup"),
                share,
                Span::styled(of, theme.dim),
            ]));
        }
    }

    fn sparks(&mut self, live: &Live, rows: u16) {
        let tokens = &live.lane().tokens;
        let cursor = live.branch().view.cursor();
        let at = live.focus();
        let end = at.map_or(0.0, |(_, t)| finite(t.p_end));
        let entropy = at.map_or(0.0, |(_, t)| finite(t.entropy));
        let p_end = tokens.iter().map(|t| t.p_end);
        let mut name = if live.thought_is_over() && cursor.is_none() {
            "P(end of answer)"
        } else {
            "P(end of thinking)"
        };
        let bounds = self.app.scores_are_bounds();
        let sign = if bounds { "≥" } else { "p " };
        let value = match bounds && at.is_some() && end == 0.0 {
            true => {
                name = NOT_AMONG;
                "p –".to_owned()
            }
            false => format!("{sign}{end:.2}"),
        };
        let width = usize::from(self.inner.width.saturating_sub(2 + VALUE));
        let columns = match live.is_busy() {
            true => Columns::growing(tokens.len(), width),
            false => Columns::settled(tokens.len(), width),
        };
        let peaks = Spark {
            columns,
            share: Share::Peak,
            full: 1.0,
            cursor,
        };
        if self.section(self.heading(name), rows) {
            self.spark(peaks, p_end, &value, rows);
        }
        let means = Spark {
            share: Share::Mean,
            full: ENTROPY_FULL,
            ..peaks
        };
        let nats = tokens.iter().map(|t| t.entropy);
        if self.section(self.heading("Entropy, mean"), rows) {
            let sign = if bounds { "≥" } else { "" };
            self.spark(means, nats, &format!("{sign}{entropy:.2}"), rows);
        }
    }

    fn spark(&mut self, spark: Spark, values: impl Iterator<Item = f32>, value: &str, rows: u16) {
        let theme = self.app.theme();
        let Some(place) = self.next(rows) else { return };
        let line = Rect {
            width: place.width.saturating_sub(VALUE),
            ..place
        };
        spark.draw(values, theme, line, self.buf);
        if rows > 1 {
            let full = Span::styled(format!("{:.1}", spark.full), theme.dim);
            let top = Rect { height: 1, ..place };
            Line::from(full).right_aligned().render(top, self.buf);
        }
        let value = Line::from(Span::styled(value.to_owned(), theme.text)).right_aligned();
        value.render(
            Rect {
                y: place.bottom() - 1,
                height: 1,
                ..place
            },
            self.buf,
        );
    }

    fn cut(&mut self, live: &Live) {
        let theme = self.app.theme();
        if !self.section(self.heading("Answer if cut now"), 2) {
            return;
        }
        let runs = probes::runs(&live.lane().probes);
        let Some(last) = runs.last() else {
            self.line(Line::from(vec![
                Span::styled(self.app.key(Action::Probe), theme.key),
                Span::styled(" asks what it would answer now", theme.dim),
            ]));
            self.next(1);
            return;
        };
        let columns = usize::from(self.inner.width.saturating_sub(2));
        self.line(probes::timeline(&runs, columns, theme));
        let now = format!("{}{}", last.label(12), grade_sign(last.correct));
        let summary = probes::summary(&runs);
        let summary = fit(&summary, columns.saturating_sub(width(&now) + 1)).into_owned();
        let gap = columns.saturating_sub(width(&summary) + width(&now));
        self.line(Line::from(vec![
            Span::styled(summary, theme.dim),
            Span::raw(" ".repeat(gap)),
            Span::styled(now, theme.graded(last.correct, theme.text)),
        ]));
    }
}

/// How the tokens of the branch on screen are drawn: `T 0 (greedy)`, `T 0.8 · seed 0.1` (of the second
/// sample); `answer` before it where that holds for the answer alone.
fn drawn(live: &Live) -> String {
    let branch = live.branch();
    let (sampling, sample) = &branch.drawn;
    let only = if branch.rerolled { "answer " } else { "" };
    let (heat, seed) = (sampling.temperature, sampling.seed);
    match (sampling.is_greedy(), *sample) {
        (true, _) => format!("{only}T 0 (greedy)"),
        (false, 0) => format!("{only}T {heat} · seed {seed}"),
        (false, n) => format!("{only}T {heat} · seed {seed}.{n}"),
    }
}

/// Tokens per second: with a digit behind the point where that says something.
pub fn rate(tok_s: f64) -> String {
    match tok_s {
        0.05..9.95 => format!("{tok_s:.1}"),
        _ => grouped(tok_s.max(0.0).round() as usize),
    }
}

/// Said of an end that a server did not name among the tokens that it considered.
pub const NOT_AMONG: &str = "P(end): not in the top 20";

/// A number as it is, and what is none as 0.
pub fn finite(x: f32) -> f32 {
    if x.is_finite() { x } else { 0.0 }
}

fn duration(ms: f64) -> String {
    match ms {
        ..10_000.0 => format!("{} ms", grouped(ms.max(0.0).round() as usize)),
        _ => format!("{} s", grouped((ms / 1000.0).round() as usize)),
    }
}
