//! The form of a new training: its keys, what it will take, and the start.

use ratatui::layout::Position;

use super::form::{FormField, FormRow};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::app::jobs::trainings::{PlanTraining, ReadCuration};
use crate::tui::screen::Screen;
use crate::tui::widgets::curation::Curation;
use crate::tui::widgets::list::step_row;
use crate::tui::widgets::overlay::scroll_to;
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::training::command_line;
use s1_lab::curate::CurationReport;
use s1_lab::training::Preview;

/// Rows of the example that a page goes on by: fewer than any screen shows of it.
const EXAMPLE_PAGE: usize = 4;

impl App {
    /// Shows the form, its start selected.
    pub(super) fn open_form(&mut self) {
        self.train.planning = true;
        self.train.form.selected = 0;
        self.plan_again();
    }

    /// Does what an action says in the form.
    pub(super) fn form(&mut self, action: Action) {
        use Action as A;
        let rows = self.train.form.rows().len();
        let planned = &mut self.train.planned;
        match action {
            A::Up | A::Down | A::Home | A::End => {
                let selected = self.train.form.selected;
                let next = step_row(action, selected, rows, rows);
                self.train.form.selected = next.unwrap_or(selected);
            }
            A::PageUp => planned.scroll = planned.scroll.saturating_sub(EXAMPLE_PAGE),
            A::PageDown => {
                let most = self.example_length();
                let planned = &mut self.train.planned;
                planned.scroll = (planned.scroll + EXAMPLE_PAGE).min(most);
            }
            A::PointLeft | A::PointRight => {
                let Some(Ok(preview)) = &planned.shown else {
                    return;
                };
                let n = preview.examples.len().max(1);
                let step = if action == A::PointRight { 1 } else { n - 1 };
                planned.example = (planned.example + step) % n;
                planned.scroll = 0;
            }
            A::TrainEnter => self.enter_row(),
            A::WatchTraining => self.train.planning = false,
            _ => {}
        }
    }

    /// Selects the row of the form at a place; `true` where it was selected already.
    pub(super) fn click_form(&mut self, at: Position) -> bool {
        let (form, area) = (&mut self.train.form, self.train.areas.form);
        let Some(line) = at.y.checked_sub(area.y).filter(|_| area.contains(at)) else {
            return false;
        };
        let rows = form.rows().len();
        let there = scroll_to(form.selected, rows, usize::from(area.height)) + usize::from(line);
        let again = there == form.selected;
        if there < rows {
            form.selected = there;
        }
        again
    }

    /// More rows than the example can have.
    fn example_length(&self) -> usize {
        let planned = &self.train.planned;
        let Some(Ok(preview)) = &planned.shown else {
            return 0;
        };
        let example = preview.examples.get(planned.example);
        let lines = |text: &str| text.matches('\n').count() + text.len() / 20;
        example.map_or(0, |pieces| pieces.iter().map(|p| lines(&p.text)).sum())
    }

    fn enter_row(&mut self) {
        match self.train.form.row() {
            FormRow::Start => self.start_training(),
            FormRow::Advanced => {
                let form = &mut self.train.form;
                form.advanced = !form.advanced;
            }
            FormRow::Field(FormField::BASE) => self.ask_for_model(|app, path| {
                app.set_field(FormField::BASE, &path.display().to_string())
            }),
            FormRow::Field(field) if field.is_turned() => {
                self.train.form.turn(field);
                self.plan_again();
            }
            FormRow::Field(field) => {
                let now = self.train.form.text(field);
                let line = PromptLine::new(field.name(), field.note(), &now);
                let line = match field.is_path() {
                    true => line.of_path(),
                    false => line,
                };
                self.ask_over(line, move |app, text| app.set_field(field, &text));
            }
        }
    }

    pub(super) fn set_field(&mut self, field: FormField, text: &str) -> Result<(), String> {
        self.train.form.set(field, text)?;
        self.plan_again();
        Ok(())
    }

    /// Works out what the form will take, if it is looked at and has changed; one at a time.
    pub(super) fn plan_again(&mut self) {
        if self.screen != Screen::Train || !self.train.shows_form() {
            return;
        }
        let config = self.train.form.config();
        let planned = &mut self.train.planned;
        let is_shown = planned.of.as_ref() == Some(&config) && planned.shown.is_some();
        if planned.asked.is_none() && !is_shown {
            planned.asked = Some(config.clone());
            self.start(PlanTraining(config), App::on_training_planned);
        }
    }

    /// Whether what is shown of the plan belongs to the form as it is now.
    pub fn plan_is_current(&self) -> bool {
        self.train.planned.of == Some(self.train.form.config())
    }

    /// Hears what the form will take.
    pub fn on_training_planned(&mut self, worked_out: Result<Preview, String>) {
        let planned = &mut self.train.planned;
        let Some(asked) = planned.asked.take() else {
            return;
        };
        planned.of = Some(asked);
        if let Ok(preview) = &worked_out {
            planned.example = planned
                .example
                .min(preview.examples.len().saturating_sub(1));
        }
        planned.shown = Some(worked_out);
        self.plan_again();
    }

    fn start_training(&mut self) {
        if let Some(name) = &self.train.starting {
            let sentence = format!("{name} is being started.");
            return self.refuse(sentence);
        }
        // A fault of an earlier form says nothing about this one; its start will find its own.
        if let Some(Err(sentence)) = &self.train.planned.shown
            && self.plan_is_current()
        {
            let sentence = sentence.clone();
            return self.refuse(sentence);
        }
        let name = self.train.form.text(FormField::NAME);
        let config = self.train.form.config();
        self.tell(format!("{name} starts …"));
        self.launch_training(config, name, false);
    }

    /// Shows how the data of the form were chosen, or of the training that is watched.
    pub(super) fn show_curation(&mut self) {
        let data = match self.train.current() {
            Some(current) if !self.train.shows_form() => current.config.data.clone(),
            _ => self.train.form.config().data,
        };
        self.start(ReadCuration(data), App::on_curation);
    }

    /// Hears how they were.
    pub fn on_curation(&mut self, read: Result<Box<CurationReport>, String>) {
        match read {
            // A user who has turned to something else meanwhile is not interrupted.
            Ok(_) if self.overlay.is_some() || self.screen != Screen::Train => {}
            Ok(chosen) => self.look_over(Curation::new(chosen)),
            Err(sentence) => self.refuse(sentence),
        }
    }

    /// Copies the command line of the form, or of the training that is watched.
    pub(super) fn copy_command(&mut self) {
        let command = match self.train.current() {
            Some(current) if !self.train.shows_form() => {
                command_line(&current.config, &current.name)
            }
            _ => self.train.form.command(),
        };
        self.put_on_clipboard(command);
    }
}
