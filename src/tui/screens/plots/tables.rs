//! Tables: what each Wait changed, points against one another, the runs.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Rect;

use super::advice;
use crate::tui::app::App;
use crate::tui::app::plots::sweep::SweepState;
use crate::tui::app::plots::{PlotPane, PointPair};
use crate::tui::theme::Theme;
use crate::tui::widgets::bars::{bar, gauge, grouped};
use crate::tui::widgets::overlay::{below, put, rows, skip};
use crate::tui::widgets::panel::Panel;
use crate::tui::widgets::run_picker::{begun, done, right};
use crate::tui::widgets::table::Table;
use s1_core::format;
use s1_lab::outcome::Outcomes;
use s1_lab::report::{Flips, PointStats};
use s1_plot::curves::CurveSource;
use s1_plot::terminal::Ink;
use s1_store::run::{Budget, RunSummary};

/// A count and a bar as long as its share.
fn counted(count: usize, n: usize, sign: &str) -> String {
    let share = count as f64 / n.max(1) as f64;
    format!("{sign} {count:>3} {:<6}", bar(share, 6))
}

/// How many columns of a panel's table have to be moved aside for the last one to be seen.
pub fn most_aside(app: &App, pane: PlotPane, room: u16) -> usize {
    match pane {
        PlotPane::Waits => waits_table(app).most_aside(room),
        PlotPane::Pairs => pairs_table(app).most_aside(room),
        PlotPane::Answers => answers_table(app).most_aside(room),
        PlotPane::Budget => advice::table(app).most_aside(room),
        PlotPane::Runs => runs_table(app).most_aside(room),
        PlotPane::Curve | PlotPane::Items | PlotPane::Lengths | PlotPane::Exits => 0,
    }
}

fn waits_table(app: &App) -> Table<'_, Flips> {
    let (plots, theme) = (&app.plots, app.theme());
    let flips = plots.current().map_or(&[][..], |s| &s.report.flips);
    let budget = |f: &Flips| match f.budget {
        Budget::Natural => "natural".to_owned(),
        Budget::Tokens(n) => n.to_string(),
    };
    let number = |n: usize| (n.to_string(), theme.text);
    Table::new(flips)
        .left("budget", move |f| (budget(f), theme.text))
        .left("wait", |f| (format!("{} → {}", f.from, f.to), theme.text))
        .fixed()
        .left("won ✗→✓", |f| {
            (counted(f.gained, f.n, "+"), theme.good)
        })
        .left("lost ✓→✗", |f| (counted(f.lost, f.n, "-"), theme.bad))
        .right("n", move |f| number(f.n))
        .right("changed", move |f| number(f.changed))
        .right("Wait used", move |f| number(f.applied))
        .at(plots.table(PlotPane::Waits), plots.pane == PlotPane::Waits)
}

/// What each Wait changed, at every budget.
pub fn waits(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let name = plots.current().map_or("", |s| s.run.name.as_str());
    let words = "changed: another answer, right or wrong · Wait used: a further Wait came about";
    let title = format!("waits ─ {name}");
    let panel = Panel::new(&title, focused, theme).below(words);
    if plots.current().is_none_or(|s| s.report.flips.is_empty()) {
        return panel.empty("This run has no points that differ by a Wait.", area, buf);
    }
    waits_table(app).draw(theme, panel.draw(area, buf), buf);
}

fn pairs_table(app: &App) -> Table<'_, PointPair> {
    let (plots, theme) = (&app.plots, app.theme());
    let number = |n: usize| (n.to_string(), theme.text);
    let point = |pair: &PointPair| {
        let CurveSource { run, point } = pair.point;
        plots
            .shown
            .get(run)
            .and_then(|s| s.report.points.get(point))
    };
    Table::new(&plots.pairs)
        .left("point", |pair| (plots.name_of(pair.point), theme.text))
        .fixed()
        .left("won", |pair| {
            let p = &pair.paired;
            (counted(p.only_second.len(), p.n(), "+"), theme.good)
        })
        .left("lost", |pair| {
            let p = &pair.paired;
            (counted(p.only_first.len(), p.n(), "-"), theme.bad)
        })
        .right("p", |pair| {
            let p = pair.paired.p();
            (chance(p), if p < 0.05 { theme.title } else { theme.text })
        })
        .right("both", move |pair| number(pair.paired.both))
        .right("neither", move |pair| number(pair.paired.neither))
        .right("n", move |pair| number(pair.paired.n()))
        .right("think + answer", move |pair| {
            let tokens = point(pair).map_or(String::new(), |p| {
                format!("{:.0} + {:.0}", p.avg_thinking_tokens, p.avg_answer_tokens)
            });
            (tokens, theme.dim)
        })
        .left("answers", move |pair| {
            let words = point(pair).map(|p| p.outcomes.words());
            (words.unwrap_or_default(), theme.dim)
        })
        .at(plots.table(PlotPane::Pairs), plots.pane == PlotPane::Pairs)
}

/// Every point against the anchor, problem by problem.
pub fn pairs(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let anchor = plots.anchor().map(|a| plots.name_of(a)).unwrap_or_default();
    let title = format!("pairs ─ every point against {anchor}");
    let selected = plots.pairs.get(plots.table(PlotPane::Pairs).row);
    let words = match selected.filter(|_| focused) {
        Some(pair) => {
            let ids = |of: &BTreeSet<(String, usize)>| {
                let ids: Vec<&str> = of.iter().take(8).map(|(id, _)| id.as_str()).collect();
                match of.len() {
                    0 => "none".into(),
                    9.. => format!("{} …", ids.join(" ")),
                    _ => ids.join(" "),
                }
            };
            let paired = &pair.paired;
            format!(
                "won {} · lost {}",
                ids(&paired.only_second),
                ids(&paired.only_first)
            )
        }
        None => "p: McNemar's exact test, two-sided".into(),
    };
    let panel = Panel::new(&title, focused, theme).below(&words);
    if plots.pairs.is_empty() {
        return panel.empty("There is nothing to compare with yet.", area, buf);
    }
    pairs_table(app).draw(theme, panel.draw(area, buf), buf);
}

fn answers_table(app: &App) -> Table<'_, PointStats> {
    let (plots, theme) = (&app.plots, app.theme());
    let points = plots.current().map_or(&[][..], |s| &s.report.points);
    let number = |n: usize| match n {
        0 => ("·".to_owned(), theme.dim),
        n => (n.to_string(), theme.text),
    };
    // What was stored before this was looked at is not known to be none.
    let looked = move |p: &PointStats, n: usize| match p.outcomes.unknown {
        0 => number(n),
        _ if n == 0 => ("?".to_owned(), theme.dim),
        _ => (format!("{n}+"), theme.text),
    };
    let share = |x: Option<f64>| x.map_or("–".into(), |x| format!("{:.1}%", x * 100.0));
    Table::new(points)
        .left("point", |p| (p.spec.to_string(), theme.text))
        .fixed()
        .left("samples", |p| (stacked(&p.outcomes), theme.text))
        .right("of all", move |p| {
            (share((p.n > 0).then_some(p.accuracy)), theme.text)
        })
        .right("answered", move |p| {
            (share(p.outcomes.accuracy_of_answered()), theme.text)
        })
        .right("none", move |p| number(p.outcomes.missing))
        .right("short", move |p| number(p.outcomes.cut_short))
        .right("reasoned", move |p| looked(p, p.outcomes.leaked))
        .right("twice", move |p| looked(p, p.outcomes.second_end))
        .at(
            plots.table(PlotPane::Answers),
            plots.pane == PlotPane::Answers,
        )
}

/// What became of the answers at every point: a bar of all samples, and the counts.
pub fn answers(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let name = plots.current().map_or("", |s| s.run.name.as_str());
    let title = format!("answers ─ {name}");
    let words = "█ right  ▓ wrong  ▒ cut short  ░ none · reasoned: on, inside the answer";
    let panel = Panel::new(&title, focused, theme).below(words);
    let points = plots.current().map_or(&[][..], |s| &s.report.points);
    if points.iter().all(|p| p.outcomes.samples == 0) {
        return panel.empty("No problem is done yet.", area, buf);
    }
    answers_table(app).draw(theme, panel.draw(area, buf), buf);
}

/// Columns of a bar of all samples.
const STACK: usize = 12;

/// All samples of a point as one bar, which is full; told apart without colour.
fn stacked(outcomes: &Outcomes) -> String {
    let answered = outcomes.answered - outcomes.right;
    let parts = [
        (outcomes.right, "█"),
        (answered, "▓"),
        (outcomes.cut_short, "▒"),
        (outcomes.missing, "░"),
    ];
    let (mut sum, mut drawn, mut bar) = (0, 0, String::new());
    for (n, sign) in parts {
        sum += n;
        let to = (sum * STACK + outcomes.samples / 2) / outcomes.samples.max(1);
        bar.push_str(&sign.repeat(to - drawn));
        drawn = to;
    }
    bar
}

/// A probability in six columns; `*` marks those below 5 %.
fn chance(p: f64) -> String {
    let sign = if p < 0.05 { "*" } else { " " };
    if p < 0.0005 {
        format!("<.0005{sign}")
    } else {
        format!("{p:.4}{sign}")
    }
}

fn runs_table(app: &App) -> Table<'_, RunSummary> {
    let (plots, theme) = (&app.plots, app.theme());
    let ascii = plots.accuracy.view.ink == Ink::Ascii;
    // The sign and the colour of its first line in the curve.
    let sign = move |run: &RunSummary| match plots.shown_as(&run.name) {
        Some(at) => {
            let color = theme.series.get(at % theme.series.len().max(1));
            let series = &plots.accuracy.curves.figure.series;
            let own = series.iter().find(|s| s.color == at);
            let sign = own.map_or("■", |s| s.marker.glyph(ascii));
            (sign.to_owned(), color.copied().unwrap_or(theme.text))
        }
        None => (" ".to_owned(), theme.text),
    };
    Table::new(plots.list.as_deref().unwrap_or_default())
        .left("", sign)
        .left("run", |run| (run.name.clone(), theme.text))
        .fixed()
        .right("done", |run| (done(run), theme.text))
        .left("model", |run| {
            (run.settings.model.card.name.clone(), theme.dim)
        })
        .left("problems", |run| {
            (run.settings.problems.name.clone(), theme.dim)
        })
        .right("right", |run| (right(run), theme.dim))
        .left("begun", |run| (begun(run), theme.dim))
        .at(plots.table(PlotPane::Runs), plots.pane == PlotPane::Runs)
}

/// The runs in the database.
pub fn runs(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let list = plots.list.as_deref().unwrap_or_default();
    let selected = list.get(plots.table(PlotPane::Runs).row);
    let words = match (&plots.trouble, selected) {
        (Some(sentence), _) => format!("✗ {sentence}"),
        (None, Some(run)) => about(
            run,
            plots
                .shown_as(&run.name)
                .and_then(|i| plots.shown.get(i))
                .map(|s| (s.report.computed, s.report.pointwise)),
        ),
        (None, None) => String::new(),
    };
    let title = format!("runs ─ {} of {} shown", plots.shown.len(), list.len());
    let panel = Panel::new(&title, focused, theme).below(&words);
    let mut inner = panel.draw(area, buf);
    if let Some(sweep) = &plots.sweep {
        let [top, rest] = rows([Length(2), Fill(1)], inner);
        progress(sweep, top, theme, buf);
        inner = rest;
    }
    runs_table(app).draw(theme, inner, buf);
}

/// Two lines on the sweep that is under way: how far, how fast, how long still.
fn progress(sweep: &SweepState, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let (state, style) = match sweep {
        sweep if sweep.control.is_cancelled() => ("stopping …", theme.warn),
        sweep if sweep.control.is_paused() => ("paused", theme.warn),
        sweep if sweep.name.is_empty() => ("loading the model", theme.dim),
        _ => ("", theme.dim),
    };
    let (done, total) = if sweep.name.is_empty() {
        ((sweep.loading * 100.0) as usize, 100)
    } else {
        (sweep.done, sweep.total)
    };
    let columns = usize::from(area.width).saturating_sub(24).clamp(4, 24);
    let (full, empty) = gauge(done, total, columns);
    let rest = put(buf, area, &full, theme.gauge);
    let rest = put(buf, rest, &empty, theme.dim);
    let count = if sweep.name.is_empty() {
        format!("  {done}%")
    } else {
        format!("  {done}/{total}")
    };
    let rest = put(buf, rest, &count, theme.text);
    put(buf, skip(rest, 2), state, style);
    let left = sweep
        .left
        .map_or("–".into(), |left| format::duration(left.as_secs_f64()));
    let speed = grouped(sweep.tokens_per_s.round() as usize);
    let line = format!("{speed:>6} tok/s   ETA {left}   {}", sweep.name);
    put(buf, below(area, 1), &line, theme.text);
}

/// One line on a run.
fn about(run: &RunSummary, tokens: Option<(usize, usize)>) -> String {
    match tokens {
        Some((computed, pointwise)) => format!(
            "{} tokens computed instead of {} (shared prefixes)",
            grouped(computed),
            grouped(pointwise)
        ),
        None => format!(
            "{} settings × {} problems",
            run.settings.points.len(),
            run.settings.problems.count
        ),
    }
}
