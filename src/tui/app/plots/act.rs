//! What keys do on the plots screen, and what comes back from the database.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Chart, PlotPane};
use crate::config::expand_home;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::jobs::files::SaveFigure;
use crate::tui::app::jobs::runs::{FindRuns, ReadRows, ReadRun, ReadTrace};
use crate::tui::screen::Screen;
use crate::tui::widgets::chart;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::protocol::Request;
use s1_plot::curves::CurveSource;
use s1_store::run::{Row, Run, RunSummary};
use s1_store::session::Document;
use s1_store::shipped;

/// The runs that are shown where none is yet: the newest of the user's own, or those that are shipped.
fn first_shown(list: &[RunSummary]) -> Vec<String> {
    let is_shipped = |run: &&RunSummary| shipped::run(&run.name).is_some();
    let own = list.iter().filter(|run| !is_shipped(run));
    let newest = own.max_by_key(|run| (run.rows > 0, run.created_at));
    match newest {
        Some(run) => vec![run.name.clone()],
        None => {
            let shipped = list.iter().filter(is_shipped);
            shipped.map(|run| run.name.clone()).collect()
        }
    }
}

/// Whether a run is one that the program carries with it: it cannot be added to, and its traces are
/// not there.
pub fn is_shipped(run: &Run) -> bool {
    shipped::run(&run.name).is_some_and(|shipped| shipped.created_at == run.created_at)
}

impl App {
    /// Goes to the plots; the runs are listed anew.
    pub(in crate::tui::app) fn show_plots(&mut self) {
        self.screen = Screen::Plots;
        self.look_for_runs();
    }

    /// Lists the runs anew, if they are looked at: another program may be at work on one.
    pub fn look_for_runs(&mut self) {
        if self.screen == Screen::Plots && !self.plots.listing {
            self.plots.listing = true;
            self.start(FindRuns, App::on_runs);
        }
    }

    /// Does what an action says on the plots screen.
    pub(in crate::tui::app) fn plots(&mut self, action: Action) {
        use Action as A;
        match action {
            A::PanelNext => self.plots.walk(true),
            A::PanelPrevious => self.plots.walk(false),
            A::PointLeft
            | A::PointRight
            | A::Up
            | A::Down
            | A::PageUp
            | A::PageDown
            | A::Home
            | A::End => self.move_or_say(action),
            A::OpenPoint => self.open_point(),
            A::ZoomIn | A::ZoomOut if self.plots.pane == PlotPane::Budget => {
                self.change_price(action == A::ZoomIn);
            }
            A::ZoomIn | A::ZoomOut => {
                let Chart { curves, view } = self.plots.chart_mut();
                chart::zoom(&curves.figure, view, action == A::ZoomIn);
            }
            A::ZoomAll => {
                let view = &mut self.plots.chart_mut().view;
                (view.window, view.cursor) = (None, None);
            }
            A::LogAxis => {
                self.plots.log = !self.plots.log;
                self.plots.accuracy.view.window = None;
                self.plots.lengths.view.window = None;
                self.plots.refresh();
            }
            A::CountedTokens => {
                self.plots.counted = self.plots.counted.other();
                self.plots.accuracy.view.window = None;
                self.plots.refresh();
            }
            A::Ink => {
                let ink = self.plots.accuracy.view.ink.next();
                self.plots.accuracy.view.ink = ink;
                self.plots.lengths.view.ink = ink;
                self.tell(format!("Drawn with {}.", chart::ink_name(ink)));
            }
            A::Lines => self.open_lines(0),
            A::Anchor => self.set_anchor(),
            A::OtherRun if self.plots.shown.len() < 2 => {
                self.refuse(
                    "There is one run on the screen; the list of runs lays another over it.",
                );
            }
            A::OtherRun => {
                let n = self.plots.shown.len().max(1);
                self.plots.current = (self.plots.current + 1) % n;
                self.plots.clamp();
            }
            A::Overlay => {
                if let Some(name) = self.selected_run() {
                    let laid = self.lay_run(name);
                    self.taken(laid);
                }
            }
            A::FindRun => self.open_runs(None),
            A::SaveFigure => self.open_save_figure(),
            A::NewSweep => self.open_sweep(),
            A::PauseSweep => self.pause_sweep(),
            A::CancelSweep if self.plots.pane == PlotPane::Exits && self.cancel_looking() => {}
            A::CancelSweep => self.cancel_sweep(),
            _ => {}
        }
    }

    /// Moves in the panel that has the keys, or says that this key moves nothing there.
    fn move_or_say(&mut self, action: Action) {
        if !self.plots.go(action) {
            let next = self.key(Action::PanelNext);
            self.refuse(format!(
                "That key moves nothing in this panel; {next} goes to the next."
            ));
        }
    }

    /// A click gives the keys to a panel and selects a row; the wheel goes through rows and points.
    pub(in crate::tui::app) fn plots_mouse(&mut self, mouse: MouseEvent, at: Position) {
        let chart = matches!(self.plots.pane, PlotPane::Curve | PlotPane::Lengths);
        let action = match (mouse.kind, chart) {
            (MouseEventKind::Down(MouseButton::Left), _) => return self.plots.click(at),
            (MouseEventKind::ScrollUp, true) => Action::PointLeft,
            (MouseEventKind::ScrollDown, true) => Action::PointRight,
            (MouseEventKind::ScrollUp, false) => Action::Up,
            (MouseEventKind::ScrollDown, false) => Action::Down,
            _ => return,
        };
        self.plots.go(action);
    }

    /// The actions worth a place in the footer now, most useful first.
    pub(in crate::tui::app) fn plots_footer(&self) -> Vec<Action> {
        use Action as A;
        if self.plots.list.as_ref().is_none_or(Vec::is_empty) {
            return match &self.plots.sweep {
                Some(_) => vec![A::PauseSweep, A::CancelSweep, A::ShowExplore, A::Quit],
                None => vec![A::NewSweep, A::ShowExplore, A::Models, A::Theme, A::Quit],
            };
        }
        let mut keys = self.pane_footer();
        // Columns are moved where not all of them are in sight.
        let pane = self.plots.pane;
        let moves = pane == PlotPane::Items || self.plots.table(pane).most_aside > 0;
        keys.retain(|action| *action != A::PointRight || moves);
        let of_sweep: &[Action] = match &self.plots.sweep {
            Some(_) => &[A::PauseSweep, A::CancelSweep],
            None if self.plots.unfinished().is_some() => &[A::PauseSweep, A::NewSweep],
            None => &[A::NewSweep],
        };
        // Among the first: a narrow screen still shows how to stop what is running.
        keys.splice(
            2.min(keys.len())..2.min(keys.len()),
            of_sweep.iter().copied(),
        );
        keys
    }

    fn pane_footer(&self) -> Vec<Action> {
        use Action as A;
        match self.plots.pane {
            PlotPane::Curve => vec![
                A::PointLeft,
                A::PanelNext,
                A::Lines,
                A::LogAxis,
                A::CountedTokens,
                A::ZoomIn,
                A::ZoomOut,
                A::Anchor,
                A::SaveFigure,
                A::Ink,
            ],
            PlotPane::Items => vec![
                A::OpenPoint,
                A::PanelNext,
                A::OtherRun,
                A::Anchor,
                A::Down,
                A::PointRight,
            ],
            PlotPane::Lengths => vec![
                A::PointLeft,
                A::PanelNext,
                A::Lines,
                A::LogAxis,
                A::ZoomIn,
                A::ZoomOut,
                A::SaveFigure,
            ],
            PlotPane::Waits | PlotPane::Answers => {
                vec![A::PanelNext, A::OtherRun, A::Down, A::PointRight]
            }
            PlotPane::Exits => vec![
                A::OpenPoint,
                A::PanelNext,
                A::PointLeft,
                A::Lines,
                A::ZoomIn,
                A::ZoomOut,
                A::OtherRun,
                A::SaveFigure,
            ],
            PlotPane::Budget => vec![
                A::ZoomIn,
                A::ZoomOut,
                A::PanelNext,
                A::OtherRun,
                A::Down,
                A::PointRight,
            ],
            PlotPane::Pairs => vec![
                A::OpenPoint,
                A::PanelNext,
                A::Anchor,
                A::Down,
                A::PointRight,
            ],
            PlotPane::Runs => vec![
                A::Overlay,
                A::PanelNext,
                A::FindRun,
                A::OpenPoint,
                A::PointRight,
            ],
        }
    }

    /// Hears which runs there are.
    pub fn on_runs(&mut self, listed: Result<Vec<RunSummary>, String>) {
        self.plots.listing = false;
        match listed {
            Ok(list) => {
                self.plots.trouble = None;
                // What the database has no longer is on the screen no longer.
                while let Some(at) = self
                    .plots
                    .shown
                    .iter()
                    .position(|s| !list.iter().any(|r| r.name == s.run.name))
                {
                    self.plots.remove(at);
                }
                self.read_what_is_new(&list);
                let first = match self.plots.shown.is_empty() {
                    true => first_shown(&list),
                    false => Vec::new(),
                };
                self.plots.list = Some(list);
                self.plots.clamp();
                for name in first {
                    self.read_run(name);
                }
            }
            Err(sentence) => self.plots.trouble = Some(sentence),
        }
    }

    /// Reads what other programs have added to the runs on the screen; a run that was made anew
    /// under its old name is read as a whole.
    fn read_what_is_new(&mut self, list: &[RunSummary]) {
        for listed in list {
            let Some(at) = self.plots.shown_as(&listed.name) else {
                continue;
            };
            let run = &self.plots.shown[at].run;
            if run.created_at != listed.created_at || run.settings != listed.settings {
                self.read_run(listed.name.clone());
            } else if listed.rows > run.rows.len() {
                let known = run.rows.iter().map(|row| row.problem).collect();
                let name = listed.name.clone();
                if self.awaits(&name) {
                    let job = ReadRows {
                        name: name.clone(),
                        known,
                    };
                    self.start(job, move |app, read| app.on_rows(&name, read));
                }
            }
        }
    }

    /// Reads a run as a whole.
    pub(super) fn read_run(&mut self, name: String) {
        if self.awaits(&name) {
            let job = ReadRun(name.clone());
            self.start(job, move |app, read| app.on_run(&name, read));
        }
    }

    /// Whether a run is to be read now; `false` if it is being read.
    fn awaits(&mut self, name: &str) -> bool {
        let awaited = &mut self.plots.awaited;
        let new = !awaited.iter().any(|n| n == name);
        if new {
            awaited.push(name.to_owned());
        }
        new
    }

    /// Takes a run in.
    pub fn on_run(&mut self, name: &str, read: Result<Run, String>) {
        self.plots.awaited.retain(|n| n != name);
        if let Some(run) = self.taken(read) {
            self.plots.put(run);
            self.bring_together();
        }
    }

    /// Takes rows in that a run on the screen has got since.
    pub fn on_rows(&mut self, name: &str, read: Result<Vec<Row>, String>) {
        self.plots.awaited.retain(|n| n != name);
        // It may have been taken away meanwhile.
        if let (Some(rows), Some(at)) = (self.taken(read), self.plots.shown_as(name)) {
            self.plots.grow(at, &rows);
        }
    }

    /// Takes the trace of a cell in: it opens in the explorer.
    pub fn on_trace(&mut self, read: Result<Document, String>) {
        if let Some(document) = self.taken(read) {
            self.screen = Screen::Explore;
            self.show_document(document, None);
            self.opened_from(Screen::Plots);
            let back = self.key(Action::Stop);
            self.tell(format!(
                "A stored text of a run; {back} goes back to its cell."
            ));
        }
    }

    fn open_point(&mut self) {
        match self.plots.pane {
            PlotPane::Items => self.open_cell(),
            PlotPane::Runs => {
                if let Some(name) = self.selected_run() {
                    self.only_run(name);
                }
            }
            PlotPane::Curve => {
                if let Some(source) = self.plots.accuracy.source() {
                    self.plots.current = source.run;
                    self.plots.cell.1 = source.point;
                    self.plots.focus(PlotPane::Items);
                    self.plots.clamp();
                } else {
                    let (left, right) = (self.key(Action::PointLeft), self.key(Action::PointRight));
                    self.refuse(format!(
                        "{left} {right} put the crosshair on a point, which can be opened."
                    ));
                }
            }
            PlotPane::Pairs => self.open_pair(),
            PlotPane::Exits => self.look_at_thoughts(),
            PlotPane::Lengths | PlotPane::Waits | PlotPane::Answers | PlotPane::Budget => {
                self.refuse("There is nothing to open in this panel.");
            }
        }
    }

    /// Opens the trace of the selected cell.
    fn open_cell(&mut self) {
        let plots = &self.plots;
        let Some(shown) = plots.current() else { return };
        let (row, point) = plots.cell;
        let Some(samples) = shown.run.rows.get(row).map(|row| &row.samples) else {
            return;
        };
        match samples.iter().position(|s| s.point == point) {
            Some(sample) if is_shipped(&shown.run) => {
                let row = &shown.run.rows[row];
                let request = shown.run.request(row, &row.samples[sample]);
                let path = shown.run.sources.model.clone();
                self.write_again(request, &path);
            }
            Some(sample) => {
                let run = shown.run.clone();
                self.start(ReadTrace { run, row, sample }, App::on_trace);
            }
            None => self.refuse("This problem has no answer at this point yet."),
        }
    }

    /// Has the model of a shipped run write a trace again: it writes the same.
    fn write_again(&mut self, request: Request, model: &str) {
        if self.model_path.as_deref() != Some(model.as_ref()) || self.info().is_none() {
            let models = self.key(Action::Models);
            return self.refuse(format!(
                "This run was shipped without its texts; {model} writes them again once it is loaded ({models})."
            ));
        }
        self.screen = Screen::Explore;
        self.question.set(&request.question);
        self.request.reference.clone_from(&request.reference);
        self.referred = Some(request.question.clone());
        self.put_question(request);
        self.opened_from(Screen::Plots);
    }

    /// Goes to the first problem on which a pair disagrees.
    fn open_pair(&mut self) {
        let Some(pair) = self.plots.pairs.get(self.plots.table(PlotPane::Pairs).row) else {
            return;
        };
        let lost = pair.paired.only_first.first();
        let Some((id, _)) = lost.or(pair.paired.only_second.first()) else {
            return self.refuse("They agree on every problem.");
        };
        let point = pair.point;
        let shown = self.plots.shown.get(point.run);
        let row = shown.and_then(|shown| shown.place_of(id));
        self.plots.current = point.run;
        self.plots.cell = (row.unwrap_or(0), point.point);
        self.plots.focus(PlotPane::Items);
    }

    fn set_anchor(&mut self) {
        let plots = &mut self.plots;
        let chosen = match plots.pane {
            PlotPane::Curve => plots.accuracy.source(),
            PlotPane::Pairs => plots
                .pairs
                .get(plots.table(PlotPane::Pairs).row)
                .map(|p| p.point),
            PlotPane::Items => Some(CurveSource {
                run: plots.current,
                point: plots.cell.1,
            }),
            _ => None,
        };
        let Some(chosen) = chosen else {
            return self.refuse("Put the crosshair on the point to compare all others with.");
        };
        plots.anchor = Some(chosen);
        plots.compare();
        plots.clamp();
        plots.focus(PlotPane::Pairs);
    }

    /// The lines of the curve, to show and to hide.
    fn open_lines(&mut self, selected: usize) {
        let figure = &self.plots.chart(self.plots.pane).curves.figure;
        let rows = figure.series.iter().enumerate().map(|(line, s)| {
            let sign = if s.hidden { "  " } else { "✓ " };
            let glyph = s.marker.glyph(false);
            (line, ListRow::new(format!("{sign}{glyph} {}", s.name), ""))
        });
        let list = List::new("Lines shown", rows)
            .empty("There is nothing to show yet.")
            .select(|line| *line == selected);
        self.ask_over(list, App::toggle_line);
    }

    /// Shows or hides a line; the list stays.
    fn toggle_line(&mut self, row: usize) {
        let plots = &mut self.plots;
        let Chart { curves, view } = plots.chart_mut();
        if let Some(series) = curves.figure.series.get_mut(row) {
            series.hidden = !series.hidden;
            let (name, hidden) = (series.name.clone(), series.hidden);
            view.cursor = view.cursor.filter(|(s, _)| !(hidden && *s == row));
            plots.toggled.insert(name, hidden);
        }
        self.open_lines(row);
    }

    fn open_save_figure(&mut self) {
        if self.plots.shown.is_empty() {
            return self.refuse("There is nothing to draw yet.");
        }
        let note = "A file whose name ends in .svg, .png or .csv.";
        let line = PromptLine::new("Write the figure to", note, "curve.svg").of_path();
        self.ask_over(line, |app, path| app.save_figure(&path));
    }

    /// Writes the figure that the keys are about to a file.
    fn save_figure(&mut self, path: &str) -> Result<(), String> {
        let path = expand_home(path.trim());
        let known = ["svg", "png", "csv"];
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if !known.contains(&extension.to_ascii_lowercase().as_str()) {
            return Err("Let its name end in .svg, .png or .csv.".into());
        }
        let figure = self.plots.chart(self.plots.pane).curves.figure.clone();
        self.start(SaveFigure { figure, path }, App::on_written);
        Ok(())
    }
}
