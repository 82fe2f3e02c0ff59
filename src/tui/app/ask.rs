//! Asking: from the question box to a running thought.

use super::live::Live;
use super::{App, Effect, Focus, Model};
use crate::tui::screen::Screen;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::protocol::{Command, Request};
use s1_store::session::ModelCard;

/// Lanes a session may use before its ids would meet the next session's.
pub(super) const LANES: usize = 1 << 20;

impl App {
    /// From the question box back to the trace.
    pub(super) fn leave_question(&mut self) {
        if std::mem::take(&mut self.queued) | std::mem::take(&mut self.compare.queued) {
            return self.tell("The question will not be asked.");
        }
        if let Model::Loading(_) = self.model {
            return self.stop();
        }
        self.focus = Focus::Trace;
    }

    /// Whether a question has to wait for the model; has one chosen where there is none.
    pub(super) fn waits_for_model(&mut self) -> bool {
        match &self.model {
            Model::Ready(_) => return false,
            Model::Loading(_) => self.tell("It will be asked as soon as the model is ready."),
            Model::None | Model::Failed(_) => {
                self.tell("Choose a model to ask.");
                self.open_models();
            }
        }
        true
    }

    /// Asks what stands in the box, or has it wait for the model.
    pub(super) fn ask(&mut self) {
        let text = self.question.text();
        if text.trim().is_empty() {
            return self.refuse("Write a question first.");
        }
        self.queued = self.waits_for_model();
        if self.queued {
            return;
        }
        if let Some(why) = self.unkept.clone().filter(|_| self.has_unsaved()) {
            let confirm = Confirm::new("Ask anew and lose this session?", &why);
            return self.ask_over(confirm, |app, ()| app.ask_now());
        }
        self.ask_now();
    }

    /// Asks, whatever becomes of the session on screen.
    fn ask_now(&mut self) {
        let text = self.question.text();
        let Some(card) = self.info().map(ModelCard::of) else {
            return;
        };
        // A reference answers one question; it must not grade another.
        if self
            .live
            .as_ref()
            .is_some_and(|live| live.request.question != text)
        {
            self.request.reference = None;
        }
        // What was there stays in its own file; nothing is lost by asking again.
        self.keep_now();
        self.forget_live();
        let request = Request {
            question: text.clone(),
            ..self.request.clone()
        };
        self.begin(|base, number| Live::new(request.clone(), card, base, number));
        if let Some(live) = self.live.as_mut() {
            let branch = live.branch_mut();
            (branch.sent, branch.told_to_run) = (true, true);
            let lane = live.shown_lane();
            self.send(Command::Start {
                lane,
                request,
                run: true,
            });
        }
        let history = self.question.remember(&text);
        self.wish(Effect::SaveHistory(history));
        self.focus = Focus::Trace;
    }

    /// Lets the engine forget the lanes of the session on screen; those of other screens stay.
    pub(super) fn forget_live(&mut self) {
        if let Some(live) = self.live.as_ref()
            && matches!(self.model, Model::Ready(_))
        {
            self.send(Command::Forget(live.base..live.base + LANES));
        }
    }

    /// Puts a session on screen, with lanes and a number of its own.
    pub(super) fn begin(&mut self, make: impl FnOnce(usize, usize) -> Live) {
        let live = make(self.next_lane, self.sessions);
        self.next_lane += LANES;
        self.sessions += 1;
        self.live = Some(live);
        // What it was of is gone, and so are its lanes.
        self.what_if = None;
        self.overlay = None;
        self.notice = None;
        self.saving = None;
    }

    pub(super) fn open_reference(&mut self) {
        let text = self.reference().unwrap_or_default().to_owned();
        let note = "Grades every probe and the answer with ✓ or ✗. Empty: no grades.";
        let line = PromptLine::new("Reference answer", note, &text);
        self.ask_over(line, |app, text| app.set_reference(&text));
    }

    /// The reference answer in force.
    pub fn reference(&self) -> Option<&str> {
        let shown = self.screen == Screen::Explore && self.focus == Focus::Trace;
        let of_live = self.live.as_ref().filter(|_| shown);
        of_live
            .map_or(&self.request, |l| &l.request)
            .reference
            .as_deref()
    }

    /// Sets the reference answer, for the question on screen and the next one.
    fn set_reference(&mut self, text: &str) {
        let reference = Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        self.request.reference = reference.clone();
        if let Some(comparison) = self.compare.run.as_mut() {
            comparison.grade_again(reference.clone());
        }
        let Some(live) = self.live.as_mut() else {
            return;
        };
        live.request.reference = reference.clone();
        live.grade_again();
        live.revision += 1;
    }
}
