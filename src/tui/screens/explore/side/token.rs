//! The token that is looked at: what else the model considered, and who put it there.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{SideRows, finite};
use crate::tui::app::App;
use crate::tui::app::live::Live;
use crate::tui::sanitize::{fit, width};
use crate::tui::screens::explore::on_border;
use crate::tui::widgets::bars::bar;
use crate::tui::widgets::trace::glyph::{label, quoted};
use s1_core::trace::{Origin, Token};

impl SideRows<'_> {
    pub(super) fn cursor(&mut self, live: &Live) {
        let theme = self.app.theme();
        let Some((at, token)) = live.focus() else {
            return;
        };
        let name = match live.branch().view.cursor() {
            Some(_) => "At the cursor",
            None => "Last token",
        };
        let title = Line::from(vec![
            Span::styled(format!(" {name} "), on_border(theme, theme.title)),
            Span::styled(
                format!("{} ", quoted(&token.text, 16)),
                on_border(theme, token_style(token, self.app)),
            ),
        ]);
        if !self.section(title, 2) {
            return;
        }
        // What the model thought at this place: where it was not asked there, what it had written
        // there before is the same place.
        let asked = live.asked(at);
        let room = self.inner.bottom().saturating_sub(self.y + 2);
        let top = asked.map_or(&[][..], |asked| &asked.top);
        for alternative in top.iter().take(usize::from(room)) {
            let p = f64::from(alternative.logprob).exp();
            self.alternative(&alternative.text, p, alternative.id == token.id);
        }
        if top.is_empty() {
            self.line(Line::styled("alternatives: not recorded", theme.dim));
        }
        let columns = usize::from(self.inner.width.saturating_sub(2));
        let greedy = live.branch().drawn.0.is_greedy();
        let who = who(token, asked, greedy);
        let figures = format!("token {at} · id {}", token.id);
        self.line(Line::styled(fit(&who, columns).into_owned(), theme.dim));
        self.line(Line::styled(fit(&figures, columns).into_owned(), theme.dim));
    }

    fn alternative(&mut self, text: &str, p: f64, stands: bool) {
        let theme = self.app.theme();
        let columns = usize::from(self.inner.width.saturating_sub(2));
        let name = (columns / 3).min(14);
        let safe = label(text);
        let shown = match safe.trim() {
            "" if safe.is_empty() => "·".to_owned(),
            "" => "␣".repeat(width(&safe).min(3)),
            trimmed => fit(trimmed, name).into_owned(),
        };
        let pad = name.saturating_sub(width(&shown));
        let bar_width = columns.saturating_sub(2 + name + 1 + 6);
        let bar = bar(p, bar_width);
        let fill = bar_width.saturating_sub(width(&bar));
        let style: Style = if stands { theme.text } else { theme.dim };
        self.line(Line::from(vec![
            Span::styled(if stands { "▸ " } else { "  " }, theme.key),
            Span::styled(format!("{shown}{} ", " ".repeat(pad)), style),
            Span::styled(bar, theme.gauge),
            Span::styled(format!("{} {p:>5.2}", " ".repeat(fill)), style),
        ]));
    }
}

/// Who put a token there; of one that the model did not choose, what it wanted instead.
fn who(token: &Token, asked: Option<&Token>, greedy: bool) -> String {
    let who = match token.origin {
        Origin::Sampled if greedy => "greedy",
        Origin::Sampled => "sampled",
        Origin::Forced => "forced",
        Origin::User => "yours",
    };
    let why = token.reason.map(|reason| reason.name().replace('_', " "));
    let why = why.map_or(String::new(), |why| format!(" · {why}"));
    let Some(asked) = asked else {
        return format!("{who}{why}");
    };
    if token.origin == Origin::Sampled {
        let logprob = format!("{:.2}", finite(token.logprob));
        // Of a probability that rounds to 1.
        return format!("{who}{why} · logprob {}", logprob.replace("-0.00", "0.00"));
    }
    let end = finite(asked.p_end);
    match asked.top.first() {
        // Of a wait the question is whether the model wanted to end.
        _ if end >= 0.5 => format!("{who}; it wanted to end (p {end:.2})"),
        Some(best) if best.id != token.id => {
            let p = f64::from(best.logprob).exp();
            format!("{who}; it wanted {} (p {p:.2})", quoted(&best.text, 10))
        }
        Some(_) => format!("{who}{why}; it wanted it, too"),
        None => format!("{who}{why} · p(end) {end:.2}"),
    }
}

fn token_style(token: &Token, app: &App) -> Style {
    match token.origin {
        Origin::Sampled => app.theme().text,
        Origin::Forced => app.theme().forced,
        Origin::User => app.theme().user,
    }
}
