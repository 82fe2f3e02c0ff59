//! What each command does to a lane that is there: the same for every engine.
//!
//! Nothing is computed here: what was written to reads its new tokens in the engine's next step. Not
//! here: commands that make lanes or forget them.

use anyhow::Result;

use crate::course::{Asked, Course};
use crate::group::Member;
use crate::outlet::{Disconnected, Outlet};
use s1_core::forcing::{Edit, ForcingDecision, Texts};
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, Until};
use s1_core::trace::{Origin, Phase, Reason, StopReason};

/// A course that can be steered, with what computes it.
pub(crate) trait Steered {
    fn course(&self) -> &Course;
    fn course_mut(&mut self) -> &mut Course;

    /// The tokens of a text that the user typed.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;

    /// Ids from here on do not exist.
    fn vocabulary(&self) -> usize;

    /// Whether a next token can be chosen at once.
    fn is_ready(&self) -> bool;

    /// Whether nothing that was written is still to be read.
    fn is_read(&self) -> bool;

    /// Appends a token.
    fn append(&mut self, id: u32, origin: Origin, phase: Phase, reason: Option<Reason>);

    /// Carries out an edit.
    fn edit(&mut self, edit: Edit) -> Result<()>;

    /// Puts it, and so every lane it is computed for, into a state.
    fn set_state(&mut self, events: &Outlet, state: LaneState) -> Result<(), Disconnected>;
}

/// A course of one lane (or of a group that is only paused, run or stopped) that is steered.
pub(crate) struct Steering<'a, S> {
    pub steered: S,
    pub events: &'a Outlet,
    /// The lane the command is for.
    pub id: LaneId,
}

impl<S: Steered> Steering<'_, S> {
    pub fn handle(mut self, command: Command) -> Result<(), Disconnected> {
        match command {
            Command::Ask(_, ask) => self.ask(ask),
            Command::Run(_, until) => self.run(until),
            Command::Step(_, until) => self.step(until),
            Command::PauseOrRun(_) if self.course().has_stopped() => Ok(()),
            Command::PauseOrRun(_) => match self.course().writes() {
                true => self.pause(),
                false => self.run(Until::End),
            },
            Command::Pause(_) => self.pause(),
            Command::Stop(_) => self.stop(StopReason::User),
            Command::WaitText(_, text) => match self.steered.encode(&text) {
                Ok(ids) => {
                    self.member().machine.set_wait(text, ids);
                    Ok(())
                }
                Err(error) => self.events.notice(self.id, error),
            },
            Command::Budget(_, max) => {
                self.member().machine.set_budget(max);
                self.tell_budget()
            }
            Command::Policy(_, policy) => {
                match Texts::of(&policy, |text| self.steered.encode(text)) {
                    Ok(texts) => {
                        let member = self.member();
                        member.machine.set_policy(policy, texts);
                        member.request.policy = member.machine.policy().clone();
                        self.tell_budget()
                    }
                    Err(error) => self.events.notice(self.id, error),
                }
            }
            Command::Sampling(_, sampling, sample) => {
                let request = &mut self.member().request;
                request.sampling = sampling;
                request.sample = sample;
                Ok(())
            }
            Command::Probe(_, at) => {
                let course = self.steered.course_mut();
                course.probe_wanted = Some(at.unwrap_or(course.tokens.len()));
                Ok(())
            }
            Command::Look(_, looks) => {
                let course = self.steered.course_mut();
                course.asked = Asked {
                    looks,
                    sights: Vec::new(),
                };
                Ok(())
            }
            Command::ProbeEvery(_, every) => {
                self.member().request.probe_every = every;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn course(&self) -> &Course {
        self.steered.course()
    }

    fn member(&mut self) -> &mut Member {
        &mut self.steered.course_mut().members[0]
    }

    fn tell_budget(&self) -> Result<(), Disconnected> {
        let budget = self.course().machine().budget();
        self.events.emit(Event::Budget(self.id, budget))
    }

    fn set_state(&mut self, state: LaneState) -> Result<(), Disconnected> {
        self.steered.set_state(self.events, state)
    }

    fn run(&mut self, until: Until) -> Result<(), Disconnected> {
        let over = [
            StopReason::EndOfTurn,
            StopReason::BoxClosed,
            StopReason::ContextFull,
        ];
        if over.map(LaneState::Stopped).contains(&self.course().state) {
            return Ok(());
        }
        let course = self.steered.course_mut();
        course.until = until;
        course.steps.clear();
        self.set_state(match self.steered.is_ready() {
            true => LaneState::Running,
            false => LaneState::Prefill,
        })
    }

    /// A step of what waits runs it that far, a step during a step is taken after it, and a step of
    /// what runs freely pauses it.
    fn step(&mut self, until: Until) -> Result<(), Disconnected> {
        match (self.course().writes(), self.course().until) {
            (false, _) if self.course().has_stopped() => Ok(()),
            (false, _) => self.run(until),
            (true, Until::End) => self.pause(),
            (true, _) => {
                self.steered.course_mut().queue(until);
                Ok(())
            }
        }
    }

    fn pause(&mut self) -> Result<(), Disconnected> {
        let course = self.steered.course_mut();
        course.steps.clear();
        match course.state {
            LaneState::Running => self.set_state(LaneState::Paused),
            LaneState::Prefill => {
                course.until = Until::Tokens(0);
                Ok(())
            }
            LaneState::Paused | LaneState::Stopped(_) => Ok(()),
        }
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Disconnected> {
        match self.course().has_stopped() {
            true => Ok(()),
            false => self.set_state(LaneState::Stopped(reason)),
        }
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Disconnected> {
        let writes = self.course().writes();
        let machine = &mut self.member().machine;
        let edit = match ask {
            Ask::Wait => machine.wait(writes),
            Ask::WaitAtEnd => machine.wait(true),
            Ask::Cut => {
                machine.ask_cut();
                Ok(None)
            }
            Ask::CutAtSentence(within) => {
                machine.ask_cut_at_sentence(within);
                Ok(None)
            }
            Ask::WrapUp => machine.wrap_up().map(Some),
            Ask::Inject(text) => match self.steered.encode(&text) {
                Ok(ids) => self.course().machine().inject(ids).map(Some),
                Err(error) => Err(format!("{error:#}")),
            },
            Ask::Choose(token) => return self.choose(token),
        };
        match edit {
            Ok(Some(edit)) => self.write(edit),
            Ok(None) => {
                let waits = self.course().machine().pending_waits();
                self.events.emit(Event::PendingWaits(self.id, waits))
            }
            Err(why) => self.events.notice(self.id, why),
        }
    }

    /// Appends a token the user picked.
    fn choose(&mut self, token: u32) -> Result<(), Disconnected> {
        if token as usize >= self.steered.vocabulary() {
            let why = "this token is not in the model's vocabulary";
            return self.events.notice(self.id, why);
        }
        match self.course().machine().choose(token) {
            ForcingDecision::Accept { phase, reason, .. } => {
                self.steered.append(token, Origin::User, phase, reason);
                self.refresh();
                Ok(())
            }
            ForcingDecision::Edit(edit) => self.write(edit),
            ForcingDecision::Stop(reason) => self.set_state(LaneState::Stopped(reason)),
        }
    }

    /// Writes what the user asked for, and has it computed even while it is paused.
    fn write(&mut self, edit: Edit) -> Result<(), Disconnected> {
        if let Err(error) = self.steered.edit(edit) {
            return self.events.notice(self.id, error);
        }
        self.refresh();
        Ok(())
    }

    /// What was written to from outside reads its new tokens before it goes on, and is then what it
    /// was before.
    fn refresh(&mut self) {
        let read = self.steered.is_read();
        let course = self.steered.course_mut();
        if course.state != LaneState::Prefill && !read {
            if course.state != LaneState::Running {
                course.until = Until::Tokens(0);
            }
            course.state = LaneState::Prefill;
        }
    }
}
