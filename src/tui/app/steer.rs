//! Steering: each key a command to the engine, acting before the next token.
//!
//! What has been written is never taken away. Where a key asks for another continuation than the
//! one that stands, it makes a branch and leaves the old one whole.

use super::live::Live;
use super::{App, Model};
use crate::tui::action::Action;
use crate::tui::screen::Screen;
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::protocol::{Ask, Command, Until};
use s1_core::tree::BranchId;

/// A cut at the end of the sentence waits at most this many tokens.
const SENTENCE_WITHIN: usize = 64;
/// Temperature of a re-roll where the request is greedy, which would only repeat itself.
const REROLL_TEMPERATURE: f32 = 0.8;
/// Room that a wait on a thought at its budget gets.
const MORE_ROOM: usize = 128;

impl App {
    /// The engine's lane of the branch on screen, made there if it is not there yet. Says why
    /// where that cannot be.
    pub(super) fn lane(&mut self) -> Option<usize> {
        let live = self.steerable()?;
        let lane = live.shown_lane();
        if !live.branch().sent {
            let restore = live.restore();
            let branch = live.branch_mut();
            (branch.sent, branch.told_to_run) = (true, false);
            self.send(restore);
        }
        Some(lane)
    }

    /// The session, if the model in use can go on with it.
    fn steerable(&mut self) -> Option<&mut Live> {
        let sentence = match (&self.live, &self.model) {
            (None, _) => "Ask a question first.".to_owned(),
            (_, Model::None | Model::Failed(_)) => "Choose a model to continue this.".to_owned(),
            (_, Model::Loading(_)) => "The model is not ready yet.".to_owned(),
            (Some(live), Model::Ready(info)) => {
                let card = s1_store::session::ModelCard::of(info);
                if live.model.shares_tokens_with(&card) {
                    return self.live.as_mut();
                }
                format!(
                    "This was written by {}; choose that model to continue it.",
                    live.model.name
                )
            }
        };
        self.refuse(sentence);
        None
    }

    /// A branch of the first `at` tokens of the branch on screen: made in the engine too, and put
    /// on screen, paused. What is being written there is paused, not lost.
    pub(super) fn fork(&mut self, at: usize) -> Option<BranchId> {
        let live = self.steerable()?;
        let known = live.branch().sent;
        let from = live.shown_lane();
        let busy = live.is_busy();
        let drawn = live.branch().drawn.clone();
        live.branch_mut().paced = false;
        let at = at.min(live.lane().tokens.len());
        let id = live.fork(at);
        let to = live.lane_id(id);
        live.branch_mut().sent = true;
        let command = match known {
            true => Command::Fork { from, to, at },
            false => live.restore(),
        };
        let (sampling, sample) = live.branch().drawn.clone();
        if busy {
            self.send(Command::Pause(from));
        }
        self.send(command);
        // A branch of the engine draws as the one it was made of.
        if known && drawn != (sampling.clone(), sample) {
            self.send(Command::Sampling(to, sampling, sample));
        }
        Some(id)
    }

    /// Lets the branch on screen go on.
    pub(super) fn run(&mut self) {
        let (until, paced) = self.stretch();
        if let Some(live) = self.live.as_mut() {
            let branch = live.branch_mut();
            (branch.told_to_run, branch.paced) = (true, paced);
            branch.stepping = false;
            let lane = live.shown_lane();
            self.send(Command::Run(lane, until));
        }
    }

    /// Holds the branch on screen still.
    fn hold(&mut self) {
        if let Some(live) = self.live.as_mut() {
            live.branch_mut().paced = false;
            let lane = live.shown_lane();
            self.send(Command::Pause(lane));
        }
    }

    fn ask_lane(&mut self, ask: Ask) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        // Between two beats the engine takes it for paused, where a Wait is written at once.
        let ask = match ask {
            Ask::Wait if live.branch().paced => Ask::WaitAtEnd,
            other => other,
        };
        self.send(Command::Ask(live.shown_lane(), ask));
    }

    /// Where the cursor stands inside the thought, if it has left the end.
    fn cursor_in_thought(&self) -> Option<usize> {
        let live = self.live.as_ref()?;
        live.branch()
            .view
            .cursor()
            .filter(|&c| c < live.thought_end())
    }

    fn is_ended(&self) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|l| l.thought_is_over() || l.lane().stop.is_some())
    }

    /// Forces the wait text. Whether it is written now or over the next attempt to end is for the
    /// engine to say; a thought that is over is gone on with in a branch.
    pub(super) fn wait(&mut self) {
        if self.is_ended() {
            self.think_on(Ask::Wait);
        } else if self.lane().is_some() {
            self.ask_lane(Ask::Wait);
        }
    }

    /// Goes on with an ended thought, in a branch that leaves it before its end.
    fn think_on(&mut self, ask: Ask) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        if !live.request.policy.think {
            return self.refuse("This question was asked without thinking.");
        }
        let at = self.cursor_in_thought().unwrap_or(live.thought_end());
        if self.fork(at).is_none() {
            return;
        }
        self.make_room(at);
        self.ask_lane(ask);
        self.run();
    }

    /// A thought that ended because its budget was used up has no room to think on: raises it.
    fn make_room(&mut self, thought: usize) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        let Some(limit) = live.lane().budget.or(live.request.policy.max_thinking) else {
            return;
        };
        let wanted = thought + MORE_ROOM;
        if limit >= thought + MORE_ROOM / 4 {
            return;
        }
        let lane = live.shown_lane();
        self.send(Command::Budget(lane, Some(wanted)));
        self.tell(format!(
            "The budget was used up; it is {wanted} on this branch."
        ));
    }

    /// Cuts the thought off, so that the model answers: now, or after it was told so.
    pub(super) fn cut(&mut self, how: Ask) {
        if self.is_ended() {
            let Some(at) = self.cursor_in_thought() else {
                return self.refuse("The thought is over. Move into it to cut it off there.");
            };
            if self.fork(at).is_none() {
                return;
            }
        } else if self.lane().is_none() {
            return;
        }
        self.cut_now(how);
    }

    /// Asks for a cut, and lets a thought that stands go on to it.
    fn cut_now(&mut self, cut: Ask) {
        self.ask_lane(cut);
        if self.live.as_ref().is_some_and(|l| !l.is_busy()) {
            self.run();
        }
    }

    pub(super) fn cut_at_sentence(&mut self) {
        if self.is_ended() {
            return self.refuse("The thought is over. Rewind into it to cut it at a sentence end.");
        }
        if self.lane().is_some() {
            self.cut_now(Ask::CutAtSentence(SENTENCE_WITHIN));
        }
    }

    /// Pauses what runs, and resumes what is paused.
    pub(super) fn pause(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("Ask a question first.");
        };
        if live.has_ended() {
            return self.refuse(
                "This branch has ended. w thinks on, r answers again, u continues from the cursor.",
            );
        }
        let (paced, stopped) = (live.branch().paced, live.is_stopped());
        let rests = !live.is_busy() || live.branch().stepping;
        let at_pace = paced || self.stretch().1 && rests;
        let Some(lane) = self.lane() else { return };
        match (paced, stopped || at_pace) {
            (true, _) => self.hold(),
            (false, true) => self.run(),
            (false, false) => self.send(Command::PauseOrRun(lane)),
        }
    }

    /// Writes one token, or to the end of the sentence, then pauses.
    pub(super) fn step(&mut self, action: Action) {
        let until = match action {
            Action::StepSentence => Until::Sentence,
            _ => Until::Tokens(1),
        };
        let Some(live) = self.live.as_ref() else {
            return self.refuse("Ask a question first.");
        };
        if live.has_ended() {
            return self.refuse("This branch has ended. u continues from the cursor.");
        }
        let stopped = live.is_stopped();
        let Some(lane) = self.lane() else { return };
        if let Some(live) = self.live.as_mut() {
            let branch = live.branch_mut();
            (branch.paced, branch.stepping) = (false, true);
        }
        // What was stopped is run, as far as the step goes.
        self.send(match stopped {
            true => Command::Run(lane, until),
            false => Command::Step(lane, until),
        });
    }

    /// Stops what runs or loads; otherwise lets go of the cursor.
    pub(super) fn stop(&mut self) {
        if matches!(self.model, Model::Loading(_)) {
            self.queued = false;
            return self.wish(super::Effect::CancelLoad);
        }
        if self.probing.take().is_some() {
            return self.tell("No more probes.");
        }
        let Some(live) = self.live.as_mut() else {
            return self.refuse("Nothing is being written.");
        };
        if live.is_busy() {
            let lane = live.shown_lane();
            live.branch_mut().paced = false;
            self.send(Command::Stop(lane));
        } else if let Some(screen) = live.from {
            self.screen = screen;
        } else {
            live.with_view(|view, tokens| view.put(tokens, None));
        }
    }

    /// Whether there is nothing to stop, and the key that stops goes back to where this was opened.
    pub(super) fn goes_back(&self) -> bool {
        let idle = !matches!(self.model, Model::Loading(_)) && self.probing.is_none();
        let live = self.live.as_ref().filter(|live| !live.is_busy());
        idle && self.screen == Screen::Explore && live.is_some_and(|live| live.from.is_some())
    }

    /// Writes the answer again, keeping the thought.
    pub(super) fn reroll(&mut self) {
        let Some(at) = self.live.as_ref().and_then(Live::answer_start) else {
            return self.refuse("There is no answer to write again yet.");
        };
        if self.fork(at).is_none() {
            return;
        }
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let sample = live.next_sample;
        live.next_sample += 1;
        let mut sampling = live.request.sampling.clone();
        let lane = live.shown_lane();
        let greedy = sampling.temperature == 0.0;
        if greedy {
            sampling.temperature = REROLL_TEMPERATURE;
        }
        let branch = live.branch_mut();
        (branch.drawn, branch.rerolled) = ((sampling.clone(), sample), true);
        if greedy {
            self.tell(format!(
                "Greedy would repeat itself; this answer alone is drawn at {REROLL_TEMPERATURE}."
            ));
        }
        self.send(Command::Sampling(lane, sampling, sample));
        self.run();
    }

    pub(super) fn open_inject(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("Ask a question first.");
        };
        if !live.request.policy.think {
            return self.refuse("This question was asked without thinking.");
        }
        // While somebody types, the thought must not run away.
        let resume = live.is_busy() && !live.thought_is_over();
        if resume {
            self.hold();
        }
        let note = "They become part of the thought, marked ✎, before its next token.";
        let line = PromptLine::new("Words for the thought", note, "");
        let words = move |app: &mut App, text: String| app.inject(&text, resume);
        self.ask_or(line, words, move |app| app.resume(resume));
    }

    /// Puts words into the thought: where it is, or in a branch of one that is over.
    fn inject(&mut self, text: &str, resume: bool) {
        if text.is_empty() {
            return self.resume(resume);
        }
        let text = self.spaced(text);
        if self.is_ended() {
            return self.think_on(Ask::Inject(text));
        }
        if self.lane().is_some() {
            self.ask_lane(Ask::Inject(text));
            self.resume(resume);
        }
    }

    /// Goes on after a prompt that had paused the thought.
    fn resume(&mut self, resume: bool) {
        if resume {
            self.run();
        }
    }

    /// Typed words with a space in front, where the text so far ends in a word.
    fn spaced(&self, text: &str) -> String {
        let before = self.live.as_ref().and_then(|live| {
            let end = match self.is_ended() {
                true => self.cursor_in_thought().unwrap_or(live.thought_end()),
                false => live.lane().tokens.len(),
            };
            let tokens = live.lane().tokens.get(..end)?;
            tokens.iter().rev().find_map(|t| t.text.chars().next_back())
        });
        let joins = before.is_none_or(char::is_whitespace) || text.starts_with(char::is_whitespace);
        if joins {
            text.to_owned()
        } else {
            format!(" {text}")
        }
    }
}
