//! The probe timeline: what the model would have answered, had it been cut at each probe.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::tui::theme::Theme;
use s1_core::tree::Probe;

use crate::tui::sanitize::{clean_line, fit};

/// Probes in a row that found the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRun {
    /// The answer, or `None` where none could be read.
    pub answer: Option<String>,
    /// How many probes in a row.
    pub count: usize,
    /// Whether it equals the reference, where one was given.
    pub correct: Option<bool>,
}

impl ProbeRun {
    /// The answer in at most `columns` columns; `–` where none could be read.
    pub fn label(&self, columns: usize) -> String {
        self.answer
            .as_ref()
            .map_or_else(|| "–".into(), |a| fit(&clean_line(a), columns).into_owned())
    }
}

/// Probes grouped by answer, in order. One run is one segment of the timeline; every border
/// between two is a flip.
pub fn runs(probes: &[Probe]) -> Vec<ProbeRun> {
    let mut runs: Vec<ProbeRun> = Vec::new();
    for probe in probes {
        match runs.last_mut() {
            Some(run) if run.answer == probe.answer => run.count += 1,
            _ => runs.push(ProbeRun {
                answer: probe.answer.clone(),
                count: 1,
                // Sessions of earlier versions called it wrong where nothing was read.
                correct: probe.correct.filter(|_| probe.answer.is_some()),
            }),
        }
    }
    runs
}

/// The timeline in `width` columns: an answer, a bar as long as it held, the next answer. Old
/// runs give way to `…` where there is no room.
pub fn timeline(runs: &[ProbeRun], width: usize, theme: &Theme) -> Line<'static> {
    let mut parts: Vec<Vec<Span>> = Vec::new();
    let mut room = width;
    for (i, run) in runs.iter().enumerate().rev() {
        let last = i + 1 == runs.len();
        let label = run.label(if last { width.min(16) } else { 8 });
        let gap = if last { 0 } else { 1 };
        let fixed = label.width() + gap;
        // Two columns stay free for the sign that older runs were left out.
        let reserve = if i == 0 { 0 } else { 2 };
        if fixed + reserve > room && !last {
            if room >= 2 {
                parts.push(vec![Span::styled("… ", theme.dim)]);
            }
            break;
        }
        room = room.saturating_sub(fixed);
        let others = i * 3 + reserve;
        let bar = run.count.min(room.saturating_sub(others + 1));
        let style = theme.graded(run.correct, theme.text);
        let mut part = vec![Span::styled(label, style)];
        if bar > 0 {
            room -= bar + 1;
            part.push(Span::styled(format!(" {}", "━".repeat(bar)), style));
        }
        if !last {
            part.push(Span::raw(" "));
        }
        parts.push(part);
    }
    parts.reverse();
    Line::from(parts.concat())
}

/// `same for 5 · changed 2 times`: how many probes in a row, and what was before.
pub fn summary(runs: &[ProbeRun]) -> String {
    let Some(last) = runs.last() else {
        return String::new();
    };
    let changes = match runs.len() - 1 {
        0 => "never changed".to_string(),
        1 => "changed once".to_string(),
        n => format!("changed {n} times"),
    };
    format!("same for {} · {changes}", last.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(answers: &str) -> Vec<Probe> {
        let probe = |(at, c): (usize, char)| Probe {
            at,
            answer: (c != '-').then(|| c.to_string()),
            text: String::new(),
            correct: Some(c == '3'),
            confidence: None,
            entropy: None,
        };
        answers.chars().enumerate().map(probe).collect()
    }

    fn text(answers: &str, width: usize) -> String {
        timeline(&runs(&probes(answers)), width, &Theme::default()).to_string()
    }

    #[test]
    fn the_timeline_shows_flips_and_how_long_an_answer_held() {
        assert_eq!(text("123333", 30), "1 ━ 2 ━ 3 ━━━━");
        assert_eq!(
            summary(&runs(&probes("123333"))),
            "same for 4 · changed 2 times"
        );
        assert_eq!(summary(&runs(&probes("3"))), "same for 1 · never changed");
        assert_eq!(text("-3", 30), "– ━ 3 ━");
        assert_eq!(text("", 30), "");
    }

    #[test]
    fn it_never_gets_wider_than_its_place() {
        let many: String = (0..60)
            .map(|i| if i % 2 == 0 { '1' } else { '3' })
            .collect();
        for width in 1..60 {
            for answers in [
                many.as_str(),
                "1333333333333333333333333333333333333",
                "12345",
            ] {
                let shown = text(answers, width);
                assert!(shown.width() <= width.max(1), "{width}: {shown:?}");
            }
        }
        assert!(
            text(&many, 20).starts_with('…'),
            "older runs give way: {:?}",
            text(&many, 20)
        );
        assert!(text(&many, 20).contains('3'));
    }
}
