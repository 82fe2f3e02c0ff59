//! Asking: from the question box to a running thought.

use super::live::Live;
use super::{App, Effect, Focus, Model};
use crate::tui::action::Action;
use crate::tui::screen::Screen;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::prompt_line::PromptLine;
use crate::tui::widgets::reader::Text;
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
        let request = self.request_for(self.question.text());
        let history = self.question.remember(&request.question);
        self.wish(Effect::SaveHistory(history));
        self.put_question(request);
    }

    /// A question with the settings in force, and its reference answer if it has one.
    pub(super) fn request_for(&mut self, question: String) -> Request {
        let reference = self.reference_of(&question).map(str::to_owned);
        if reference.is_some() {
            self.referred = Some(question.clone());
        }
        Request {
            question,
            reference,
            ..self.request.clone()
        }
    }

    /// Asks the model, in a session of its own.
    pub(super) fn put_question(&mut self, request: Request) {
        let Some(card) = self.info().map(ModelCard::of) else {
            return;
        };
        // What was there stays in its own file; nothing is lost by asking again.
        self.keep_now();
        self.forget_live();
        self.begin(|base, number| Live::new(request.clone(), card, base, number));
        let (_, paced) = self.stretch();
        if let Some(live) = self.live.as_mut() {
            let branch = live.branch_mut();
            (branch.sent, branch.told_to_run, branch.paced) = (true, true, paced);
            let lane = live.shown_lane();
            self.send(Command::Start {
                lane,
                request,
                run: !paced,
            });
        }
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
        self.probing = None;
    }

    /// The session on screen was opened from another screen, which a key goes back to.
    pub(super) fn opened_from(&mut self, screen: Screen) {
        if let Some(live) = self.live.as_mut() {
            live.from = Some(screen);
        }
    }

    pub(super) fn open_reference(&mut self) {
        let text = self.reference().unwrap_or_default().to_owned();
        let note = "Grades every probe and the answer with ✓ or ✗. Empty: no grades.";
        let line = PromptLine::new("Reference answer", note, &text);
        self.ask_over(line, |app, text| app.set_reference(&text));
    }

    /// The reference answer of a question. One that was given before its question belongs to the
    /// next one that is asked, and to no other.
    fn reference_of(&self, question: &str) -> Option<&str> {
        let own = (self.referred.as_deref()).is_none_or(|of| of.trim() == question.trim());
        self.request.reference.as_deref().filter(|_| own)
    }

    /// The question that was asked on the screen shown, if its text has the keys.
    fn asked_here(&self) -> Option<&Request> {
        let of_lanes = || self.compare.run.as_ref().map(|run| &run.request);
        let of_live = || self.live.as_ref().map(|live| &live.request);
        match (self.focus, self.screen) {
            (Focus::Question, _) => None,
            (Focus::Trace, Screen::Compare) => of_lanes(),
            (Focus::Trace, _) => of_live(),
        }
    }

    /// The question that the box shows: what was asked here, or what is typed.
    pub fn shown_question(&self) -> String {
        let asked = self.asked_here().map(|request| request.question.clone());
        asked.unwrap_or_else(|| self.question.text())
    }

    /// Opens the question to be read, however long it is.
    pub(super) fn read_question(&mut self) {
        let question = self.shown_question();
        if !self.screen.has_question() || question.trim().is_empty() {
            return self.refuse("There is no question to read.");
        }
        let opener = (self.screen.context(), Action::ReadQuestion);
        self.read_over(Text::new("Question".into(), &question, opener));
    }

    /// The reference answer of what the question box shows.
    pub fn reference(&self) -> Option<&str> {
        match self.asked_here() {
            Some(request) => request.reference.as_deref(),
            None => self.reference_of(&self.question.text()),
        }
    }

    /// Sets the reference answer of the question on screen, wherever that was asked.
    fn set_reference(&mut self, text: &str) {
        let reference = Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        let asked = self.asked_here().map(|request| request.question.clone());
        let question = asked.unwrap_or_else(|| self.question.text());
        self.request.reference.clone_from(&reference);
        self.referred = Some(question.clone()).filter(|q| !q.trim().is_empty());
        let runs = self.compare.run.as_mut();
        if let Some(run) = runs.filter(|run| run.request.question == question) {
            run.grade_again(reference.clone());
        }
        let live = self.live.as_mut();
        if let Some(live) = live.filter(|live| live.request.question == question) {
            live.request.reference = reference;
            live.grade_again();
            live.revision += 1;
        }
    }
}
