//! How data were chosen: the stages of a curation, and the items that each one ended, with why.
//!
//! An overlay, as the picker of models is. The stages have the keys first; Enter goes down to the
//! items of the one selected, Esc back.

use std::convert::Infallible;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Position, Rect};

use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::sanitize::fit;
use crate::tui::theme::Theme;
use crate::tui::widgets::bars::{bar, grouped};
use crate::tui::widgets::list::{ListRow, Selection};
use crate::tui::widgets::modal::{Modal, Reply, read_key};
use crate::tui::widgets::overlay::{DrawContext, below, centered, inside, rows, scroll_to};
use crate::tui::widgets::table::{Table, TablePlace};
use s1_lab::curate::{CurationReport, ItemDecision, StageKind, StageSummary};

/// Columns that read well.
const WIDTH: u16 = 124;
/// Columns of a stage's name, of a number, and of the bar of what went on.
const NAME: u16 = 18;
const NUMBER: u16 = 9;
const BAR: u16 = 14;
/// The smallest box with the items below the stages.
const BOTH_FROM: u16 = 12;

/// The view and what is selected in it.
#[derive(Clone, Debug)]
pub struct Curation {
    chosen: Box<CurationReport>,
    stage: Selection,
    item: Selection,
    /// The items have the keys.
    inside: bool,
    /// Items in sight; settled before each drawing.
    height: usize,
}

impl Curation {
    /// Starts at the last stage: what was kept.
    pub fn new(chosen: Box<CurationReport>) -> Curation {
        Curation {
            stage: Selection::at(chosen.stages.len().saturating_sub(1)),
            chosen,
            item: Selection::default(),
            inside: false,
            height: 1,
        }
    }

    fn passage(&self) -> Option<&StageSummary> {
        let stages = &self.chosen.stages;
        stages.get(self.stage.get(stages.len())?)
    }

    /// Rows of the lower part.
    fn rows(&self) -> usize {
        match self.passage() {
            Some(p) if p.stage == StageKind::Diversity => self.chosen.domains.len(),
            Some(p) => p.items.len(),
            None => 0,
        }
    }

    /// Handles an action of [`Context::List`]; `true` if the view is to be closed.
    fn handle(&mut self, action: Action) -> bool {
        let rows = self.rows();
        match action {
            Action::Accept => self.inside = !self.inside && rows > 0,
            Action::Cancel if self.inside => self.inside = false,
            Action::Cancel => return true,
            action if self.inside => {
                self.item.step(action, rows, self.height);
            }
            action => {
                let stages = self.chosen.stages.len();
                if self.stage.step(action, stages, stages) {
                    self.item = Selection::default();
                }
            }
        }
        false
    }

    /// The stages, and below them the items.
    fn parts(&self, inner: Rect) -> [Rect; 2] {
        let stages = self.chosen.stages.len() as u16 + 1;
        let high = match inner.height < BOTH_FROM && self.inside {
            true => 0,
            false => stages.min(inner.height),
        };
        rows([Length(high), Fill(1)], inner)
    }

    fn draw_stages(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let here = self.passage().map(|stage| stage.stage);
        let most = self.chosen.items.len().max(1) as f64;
        let style = |s: &StageSummary| match here == Some(s.stage) {
            true if !self.inside => theme.selected,
            true => theme.title,
            false => theme.text,
        };
        let mark = |s: &StageSummary| if here == Some(s.stage) { "▸" } else { " " };
        let name = |s: &StageSummary| format!("{} {}", mark(s), s.stage.name());
        let share = |s: &StageSummary| bar(s.output as f64 / most, usize::from(BAR));
        let stages = &self.chosen.stages;
        let selected = self.stage.get(stages.len()).filter(|_| !self.inside);
        let place = TablePlace {
            row: selected.unwrap_or(0),
            ..TablePlace::default()
        };
        Table::new(stages)
            .left("  stage", |s| (name(s), style(s)))
            .at_least(NAME)
            .right("in", |s| (grouped(s.input), style(s)))
            .at_least(NUMBER)
            .right("out", |s| (grouped(s.output), style(s)))
            .at_least(NUMBER - 2)
            .left("", |s| (share(s), style(s)))
            .at_least(BAR)
            .left("why", |s| (why(s), style(s)))
            .cut()
            .at(place, selected.is_some())
            .draw(theme, area, buf);
    }

    fn draw_items(&self, on: &mut DrawContext, area: Rect) {
        let (Some(passage), true) = (self.passage(), area.height >= 2) else {
            return;
        };
        let theme = on.theme;
        let columns = usize::from(area.width);
        let rule = "─".repeat(columns);
        on.put(area, &rule, theme.border);
        let heading = heading(passage, self.chosen.domains.len());
        on.put(area, &format!("─ {heading} "), theme.dim);
        let mut rest = below(area, 1);
        let len = self.rows();
        let selected = self.item.get(len).filter(|_| self.inside);
        // The item that has the keys is told in full.
        if let (Some(index), true) = (selected, rest.height >= 8)
            && passage.stage != StageKind::Diversity
            && let Some(&item) = passage.items.get(index)
        {
            let item = &self.chosen.items[item];
            let told = below(rest, rest.height - 3);
            on.put(told, &rule, theme.border);
            on.put(below(told, 1), &detail(item), theme.text);
            on.put(below(told, 2), &item.question, theme.text);
            rest.height -= 3;
        }
        let first = selected.map_or(0, |at| scroll_to(at, len, usize::from(rest.height)));
        for (index, place) in (first..len).zip(rest.rows()) {
            let row = self.row(passage, index, columns);
            row.draw(on.buf, place, selected == Some(index), theme);
        }
    }

    /// A row of the lower part.
    fn row(&self, passage: &StageSummary, index: usize, columns: usize) -> ListRow {
        let domains = &self.chosen.domains;
        if passage.stage != StageKind::Diversity {
            let item = passage.items.get(index).map(|&i| &self.chosen.items[i]);
            return item.map_or_else(ListRow::default, |item| row(item, columns));
        }
        let most = domains.first().map_or(1, |d| d.pool).max(1) as f64;
        domains.get(index).map_or_else(ListRow::default, |d| {
            let bar = bar(d.pool as f64 / most, usize::from(BAR));
            let of = format!("{bar:<14} {:>6} could be, {:>5} are", d.pool, d.kept);
            ListRow::new(&d.domain, of)
        })
    }
}

impl Modal for Curation {
    type Output = Infallible;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Infallible> {
        let opener = (Context::Train, Action::ShowCuration);
        read_key(key, keymap, opener, |action| self.handle(action))
    }

    fn wheel(&mut self, down: bool) {
        self.handle(if down { Action::Down } else { Action::Up });
    }

    fn prepare(&mut self, area: Rect, _: &Keymap) {
        let [_, lower] = self.parts(inside(place(area)));
        // Its heading, and below the items what there is to say of one.
        self.height = usize::from(lower.height).saturating_sub(4).max(1);
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        let (enter, back) = match self.inside {
            true => (None, "back to the stages"),
            false => (Some((Action::Accept, "the items")), "back"),
        };
        let keys: Vec<_> = enter.into_iter().chain([(Action::Cancel, back)]).collect();
        let name = self.chosen.path.file_name().unwrap_or_default();
        let title = format!("how these were chosen: {}", name.to_string_lossy());
        let inner = on.boxed(place(on.area), &title, &on.hint(Context::List, &keys));
        let [upper, lower] = self.parts(inner);
        self.draw_stages(on.buf, upper, on.theme);
        self.draw_items(on, lower);
        None
    }
}

fn place(area: Rect) -> Rect {
    centered(area, WIDTH, area.height.saturating_sub(2).max(1))
}

/// Why a stage dropped what it dropped, the commonest first.
fn why(passage: &StageSummary) -> String {
    let mut reasons: Vec<_> = passage.reasons.iter().collect();
    reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let words = reasons
        .iter()
        .map(|(reason, n)| format!("{} {}", grouped(**n), reason.text()));
    words.collect::<Vec<_>>().join(", ")
}

fn heading(passage: &StageSummary, domains: usize) -> String {
    match passage.stage {
        StageKind::Diversity => format!("{} domains, the largest first", grouped(domains)),
        StageKind::Draw => format!(
            "{} drawn, {} not",
            grouped(passage.output),
            grouped(passage.input - passage.output)
        ),
        stage => format!("{} dropped: {}", grouped(passage.items.len()), stage.name()),
    }
}

/// An item in a row: where it is, how long, and its question; why, at the right.
fn row(item: &ItemDecision, columns: usize) -> ListRow {
    let mark = if item.kept { '✓' } else { '✗' };
    let question = match item.question.is_empty() {
        true => item.id.as_str(),
        false => item.question.as_str(),
    };
    let left = format!("{mark} {:>6} {:>6}  {question}", item.line, item.length);
    let why = match (&item.detail, &item.domain) {
        (Some(detail), _) => format!("{}: {detail}", item.reason.text()),
        (None, Some(domain)) => domain.clone(),
        (None, None) => item.reason.text().to_owned(),
    };
    // No more than a third: the question says more.
    let short = fit(&why, columns / 3).into_owned();
    ListRow::new(left, short)
}

/// Everything about an item but its question.
fn detail(item: &ItemDecision) -> String {
    let mut parts = vec![
        format!("line {}", item.line),
        format!("id {}", item.id),
        format!("length {}", item.length),
    ];
    parts.extend(item.domain.iter().map(|d| format!("domain {d}")));
    parts.push(match &item.detail {
        Some(detail) => format!("{}: {detail}", item.reason.text()),
        None => item.reason.text().to_owned(),
    });
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use s1_lab::curate::DecisionReason;

    fn view() -> Curation {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("kept.jsonl");
        let stages = [
            (
                StageKind::Quality,
                DecisionReason::Duplicate,
                Some("line 2"),
            ),
            (
                StageKind::Decontamination,
                DecisionReason::Overlap,
                Some("how many clips did she"),
            ),
            (StageKind::Small, DecisionReason::SolvedBySmall, None),
            (StageKind::Draw, DecisionReason::NotDrawn, None),
            (StageKind::Draw, DecisionReason::Drawn, None),
        ];
        let mut lines = String::new();
        for line in 1..=60 {
            let (stage, reason, detail) = stages[line % 5];
            let item = ItemDecision {
                line,
                id: format!("gsm8k-{line}"),
                stage,
                kept: reason == DecisionReason::Drawn,
                reason,
                detail: detail.map(Into::into),
                domain: (stage == StageKind::Draw).then(|| format!("0{} money", line % 3)),
                length: 40 + line * 7,
                question: format!(
                    "Natalia sold {line} clips \u{1b}[2J in April; how many in May? 漢字"
                ),
            };
            lines += &(serde_json::to_string(&item).unwrap() + "\n");
        }
        std::fs::write(folder.path().join("kept.reasons.jsonl"), lines).unwrap();
        Curation::new(Box::new(CurationReport::read(&data).unwrap()))
    }

    #[test]
    fn pictures_of_its_stages_and_items() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let mut view = view();
        let mut shown = picture(80, 24, |buf, area| {
            view.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        view.handle(Action::Up);
        view.handle(Action::Up);
        view.handle(Action::Accept);
        view.handle(Action::Down);
        shown += "\n\n";
        shown += &picture(80, 24, |buf, area| {
            view.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        assert!(!shown.contains('\u{1b}'));
        insta::assert_snapshot!("curation_80x24", shown);
    }

    #[test]
    fn enter_goes_down_to_the_items_and_back_is_one_step_at_a_time() {
        let mut view = view();
        assert!(!view.handle(Action::Accept));
        assert!(view.inside);
        assert!(!view.handle(Action::Cancel), "back to the stages");
        view.handle(Action::Up);
        assert_eq!(view.passage().unwrap().stage, StageKind::Diversity);
        assert!(view.handle(Action::Cancel));
    }

    #[test]
    fn it_survives_every_size() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let mut view = view();
        survives_every_size(|buf, area| {
            view.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        view.handle(Action::Accept);
        survives_every_size(|buf, area| {
            view.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
