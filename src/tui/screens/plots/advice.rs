//! Early exits of a run as a figure, and the budget to use as a table and a sentence.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::plots::PlotPane;
use crate::tui::app::plots::exits::{PRICES, advice};
use crate::tui::sanitize::clean_line;
use crate::tui::widgets::bars::gauge;
use crate::tui::widgets::chart;
use crate::tui::widgets::overlay::{below, put};
use crate::tui::widgets::panel::Panel;
use crate::tui::widgets::prose::wrap;
use crate::tui::widgets::table::Table;
use s1_lab::advice::Way;

/// Columns of the slider.
const SLIDER: usize = 24;

/// Accuracy against tokens for every rule and threshold.
pub fn exits(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let name = plots.current().map_or("", |s| s.run.name.as_str());
    let known = plots.exits.as_ref().filter(|e| e.run == name);
    if let Some(shown) = known.and_then(|e| e.chart.as_ref()) {
        let styles = chart::styles(theme);
        let figure = &shown.curves.figure;
        return chart::draw(figure, &shown.view, &styles, focused, theme, area, buf);
    }
    let title = format!("exits ─ {name}");
    let sentence = match known {
        Some(exits) => format!(
            "{} · {} gives it up",
            exits.progress,
            app.key(Action::CancelSweep)
        ),
        None => format!(
            "{} looks at the natural thoughts of this run with the model that wrote them: what every early exit would have saved and cost.",
            app.key(Action::OpenPoint)
        ),
    };
    Panel::new(&title, focused, theme).empty(&sentence, area, buf);
}

/// Which budget to use.
pub fn budget(app: &App, focused: bool, area: Rect, buf: &mut Buffer) {
    let (plots, theme) = (&app.plots, app.theme());
    let name = plots.current().map_or("", |s| s.run.name.as_str());
    let title = format!("budget ─ {name}");
    let panel = Panel::new(&title, focused, theme);
    let Some(shown) = plots.current().filter(|s| s.ways().len() > 1) else {
        let sentence = "This run has fewer than two budgets with graded answers.";
        return panel.empty(sentence, area, buf);
    };
    let advice = advice(shown, plots.price);
    let inner = panel.draw(area, buf);
    let safe = advice.safe.as_ref().map(|safe| &safe.way);
    // First what to do; then how that changes with the price, and what it rests on.
    let mut used = 0;
    if let (Some(sentence), Some(safe)) = (advice.sentence(), safe) {
        let rows = wrap(&clean_line(&sentence), usize::from(inner.width));
        for row in rows {
            put(buf, below(inner, used), &row, theme.text);
            used += 1;
        }
        let settings = safe.settings.trim().replace('\n', "  ");
        put(buf, below(inner, used), &settings, theme.dim);
        used += 1;
    }
    let inner = below(inner, used);
    let (full, empty) = gauge(plots.price, PRICES.len() - 1, SLIDER);
    let rest = put(buf, inner, "λ ", theme.dim);
    let rest = put(buf, rest, &full, theme.gauge);
    let rest = put(buf, rest, &empty, theme.dim);
    let price = format!(
        " {} points per 1,000 tokens  {} {}",
        PRICES[plots.price],
        app.key(Action::ZoomOut),
        app.key(Action::ZoomIn)
    );
    put(buf, rest, &price, theme.text);
    table(app).draw(theme, below(inner, 1), buf);
}

/// The budgets of the run, and what each is worth.
pub fn table(app: &App) -> Table<'_, Way> {
    let (plots, theme) = (&app.plots, app.theme());
    let current = plots.current();
    let ways = current.map_or(&[][..], |shown| shown.ways());
    let advice = current.map(|shown| advice(shown, plots.price));
    let lambda = advice.as_ref().map_or(0.0, |advice| advice.lambda);
    let marks = move |way: &Way| {
        let Some(advice) = &advice else {
            return String::new();
        };
        let is = |found: Option<&Way>| found.is_some_and(|f| f.name == way.name);
        let marks = [
            (is(advice.safe.as_ref().map(|safe| &safe.way)), "safe"),
            (is(advice.best.as_ref()), "best"),
            (is(advice.knee.as_ref()), "knee"),
        ];
        let marks = marks.iter().filter(|(is, _)| *is).map(|(_, name)| *name);
        marks.collect::<Vec<_>>().join(", ")
    };
    Table::new(ways)
        .left("budget", |w| (w.name.clone(), theme.text))
        .left("", move |w| (marks(w), theme.good))
        .fixed()
        .right("tokens", |w| (format!("{:.0}", w.tokens), theme.text))
        .right("accuracy", |w| {
            (format!("{:.1}%", 100.0 * w.accuracy()), theme.text)
        })
        .right("accuracy − λ·tokens", move |w| {
            let utility = 100.0 * (w.accuracy() - lambda * w.tokens / 1000.0);
            (format!("{utility:.1}"), theme.text)
        })
        .at(
            plots.table(PlotPane::Budget),
            plots.pane == PlotPane::Budget,
        )
}
