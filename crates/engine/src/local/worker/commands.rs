//! What each command does. Nothing is computed here: a sequence that was written to reads its new
//! tokens in the next step.

use std::ops::Range;

use anyhow::anyhow;

use super::{Disconnected, Outlet, Worker};
use crate::group::Member;
use crate::local::loaded::Loaded;
use crate::local::sequence::Sequence;
use s1_core::forcing::{Edit, ForcingDecision};
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, Request, Until};
use s1_core::trace::{Origin, StopReason, Token};

/// Lanes of which nothing is written yet.
fn fresh(lanes: Vec<(LaneId, Request)>) -> Vec<(LaneId, Request, Vec<Token>)> {
    let fresh = |(id, request)| (id, request, Vec::new());
    lanes.into_iter().map(fresh).collect()
}

impl Worker<'_> {
    pub(super) fn handle(&mut self, command: Command) -> Result<(), Disconnected> {
        match command {
            Command::Start { lane, request, run } => {
                self.start(lane, request, Vec::new(), run).map(|_| ())
            }
            Command::StartTogether(lanes) => self.start_together(fresh(lanes)).map(|_| ()),
            Command::StartRow(lanes) => self.start_batch(fresh(lanes), 0),
            Command::ResumeRow { lanes, computed } => self.start_batch(lanes, computed),
            Command::Limit(lanes) => {
                self.limit = lanes;
                Ok(())
            }
            Command::Restore {
                lane,
                request,
                tokens,
            } => self.start(lane, request, tokens, false).map(|_| ()),
            Command::Fork { from, to, at } => self.fork(from, to, at),
            Command::Forget(lanes) => self.forget(&lanes),
            Command::Shutdown => Err(Disconnected),
            Command::Ask(id, _)
            | Command::WaitText(id, _)
            | Command::Budget(id, _)
            | Command::Policy(id, _)
            | Command::Sampling(id, ..)
            | Command::Probe(id, _)
            | Command::ProbeEvery(id, _) => self.steer(id, true, command),
            Command::Run(id, _)
            | Command::Step(id, _)
            | Command::PauseOrRun(id)
            | Command::Pause(id)
            | Command::Stop(id) => self.steer(id, false, command),
        }
    }

    /// A command for one lane. It is looked up here, once. Running and stopping a host holds for
    /// all of its group; `alone` is for what takes a host out of its group, too.
    fn steer(&mut self, id: LaneId, alone: bool, command: Command) -> Result<(), Disconnected> {
        let Some((mut key, index)) = self.find(id) else {
            return Ok(());
        };
        if index > 0 {
            key = self.part(key, &[id])?;
        } else if alone {
            let members = self.sequences.get(&key).map(Sequence::ids);
            let others: Vec<LaneId> = members.into_iter().flatten().skip(1).collect();
            if !others.is_empty() {
                self.part(key, &others)?;
            }
        }
        let Some(sequence) = self.sequences.get_mut(&key) else {
            return Ok(());
        };
        let steering = Steering {
            model: &self.model,
            events: &self.events,
            sequence,
            id,
        };
        steering.handle(command)
    }

    /// The sequence that a lane is computed as, and its place among the members.
    fn find(&self, id: LaneId) -> Option<(LaneId, usize)> {
        let place = |s: &Sequence| s.members.iter().position(|m| m.id == id);
        if let Some(index) = self.sequences.get(&id).and_then(place) {
            return Some((id, index));
        }
        let mut sequences = self.sequences.iter();
        sequences.find_map(|(&key, s)| Some((key, place(s)?)))
    }

    /// Makes a sequence, with tokens that were written earlier. Returns whether it could be made.
    pub(super) fn start(
        &mut self,
        id: LaneId,
        request: Request,
        tokens: Vec<Token>,
        run: bool,
    ) -> Result<bool, Disconnected> {
        let wanted = request.policy.max_thinking;
        let mut sequence = match Sequence::new(&self.model, id, request) {
            Ok(sequence) => sequence,
            Err(error) => return self.refuse(id, &error),
        };
        let vocabulary = self.model.decoder.config().vocab;
        if tokens.iter().any(|t| t.id as usize >= vocabulary)
            || sequence.prompt.len() + tokens.len() > self.model.context
        {
            let why = anyhow!(
                "this session does not fit the loaded model; open it with the model it was made with"
            );
            return self.refuse(id, &why);
        }
        if !tokens.is_empty() {
            sequence.members[0].machine.resume(&tokens);
            sequence = sequence.with_tokens(&self.model, tokens);
        }
        sequence.until = if run { Until::End } else { Until::Tokens(0) };
        self.insert(sequence, wanted)?;
        Ok(true)
    }

    fn refuse(&self, lane: LaneId, error: &anyhow::Error) -> Result<bool, Disconnected> {
        self.events.emit(Event::Refused {
            lane,
            why: format!("{error:#}"),
            // What the system could not give now; all else would be refused again.
            passing: error.chain().any(|e| e.is::<std::io::Error>()),
        })?;
        Ok(false)
    }

    /// Tells of a new sequence of one lane, and has it read its prompt.
    fn insert(
        &mut self,
        mut sequence: Sequence,
        wanted: Option<usize>,
    ) -> Result<(), Disconnected> {
        let (lane, budget) = (sequence.id(), sequence.machine().budget());
        let ids = sequence.prompt.clone();
        let bytes = ids.iter().map(|&id| self.model.tokenizer.token_bytes(id));
        let bytes = bytes.collect::<Vec<_>>().concat();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.events.emit(Event::Prompt { lane, ids, text })?;
        self.events.emit(Event::Budget(lane, budget))?;
        if let Some(wanted) = wanted.filter(|&w| w > budget) {
            self.events.notice(
                lane,
                format!("the context leaves room for {budget} thinking tokens, not {wanted}; raise --context for more"),
            )?;
        }
        self.events.set_state(&mut sequence, LaneState::Prefill)?;
        self.sequences.insert(lane, sequence);
        Ok(())
    }

    fn fork(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Disconnected> {
        let parent = self.find(from);
        let parent = parent.and_then(|(key, index)| Some((self.sequences.get(&key)?, index)));
        let Some((parent, index)) = parent else {
            let why = anyhow!("there is no such branch to fork");
            return self.refuse(to, &why).map(|_| ());
        };
        let Member {
            request, machine, ..
        } = parent.members[index].clone();
        let tokens = parent.tokens[..at.min(parent.tokens.len())].to_vec();
        let mut sequence = match Sequence::new(&self.model, to, request) {
            Ok(sequence) => sequence,
            Err(error) => return self.refuse(to, &error).map(|_| ()),
        };
        let member = &mut sequence.members[0];
        member.machine = machine;
        member.machine.rewind(&tokens);
        sequence = sequence.with_tokens(&self.model, tokens);
        sequence.until = Until::Tokens(0);
        self.insert(sequence, None)
    }

    /// Forgets lanes. Those that were computed with them go on.
    fn forget(&mut self, lanes: &Range<LaneId>) -> Result<(), Disconnected> {
        self.batches.retain(|id, _| !lanes.contains(id));
        let mut renamed = Vec::new();
        for (key, mut sequence) in std::mem::take(&mut self.sequences) {
            sequence.members.retain(|m| !lanes.contains(&m.id));
            if sequence.members.is_empty() {
                continue;
            }
            let id = sequence.id();
            if id != key {
                self.events.emit_hosts(&sequence)?;
                renamed.push((key, id));
            }
            self.sequences.insert(id, sequence);
        }
        for (from, to) in renamed {
            self.rename_source(from, to);
        }
        Ok(())
    }
}

/// A sequence of one lane (or of a group that is only paused, run or stopped) that is steered.
struct Steering<'a> {
    model: &'a Loaded,
    events: &'a Outlet,
    sequence: &'a mut Sequence,
    id: LaneId,
}

impl Steering<'_> {
    fn handle(mut self, command: Command) -> Result<(), Disconnected> {
        match command {
            Command::Ask(_, ask) => self.ask(ask),
            Command::Run(_, until) => self.run(until),
            Command::Step(_, until) => self.step(until),
            Command::PauseOrRun(_) if self.sequence.has_stopped() => Ok(()),
            Command::PauseOrRun(_) => match self.sequence.writes() {
                true => self.pause(),
                false => self.run(Until::End),
            },
            Command::Pause(_) => self.pause(),
            Command::Stop(_) => self.stop(StopReason::User),
            Command::WaitText(_, text) => match self.model.tokenizer.encode_plain(&text) {
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
                let plain = |text: &str| self.model.tokenizer.encode_plain(text);
                let wait = plain(&policy.wait_text);
                match wait.and_then(|wait| Ok((wait, plain(&policy.ending_text)?))) {
                    Ok((wait, message)) => {
                        let member = self.member();
                        member.machine.set_policy(policy, wait, message);
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
                self.sequence.probe_wanted = Some(at.unwrap_or(self.sequence.tokens.len()));
                Ok(())
            }
            Command::ProbeEvery(_, every) => {
                self.member().request.probe_every = every;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn member(&mut self) -> &mut Member {
        &mut self.sequence.members[0]
    }

    fn tell_budget(&self) -> Result<(), Disconnected> {
        let budget = self.sequence.machine().budget();
        self.events.emit(Event::Budget(self.id, budget))
    }

    fn set_state(&mut self, state: LaneState) -> Result<(), Disconnected> {
        self.events.set_state(self.sequence, state)
    }

    fn run(&mut self, until: Until) -> Result<(), Disconnected> {
        let over = [
            StopReason::EndOfTurn,
            StopReason::BoxClosed,
            StopReason::ContextFull,
        ];
        if over.map(LaneState::Stopped).contains(&self.sequence.state) {
            return Ok(());
        }
        self.sequence.until = until;
        self.sequence.steps.clear();
        self.set_state(match self.sequence.is_ready() {
            true => LaneState::Running,
            false => LaneState::Prefill,
        })
    }

    /// A step of what waits runs it that far, a step during a step is taken after it, and a step of
    /// what runs freely pauses it.
    fn step(&mut self, until: Until) -> Result<(), Disconnected> {
        match (self.sequence.writes(), self.sequence.until) {
            (false, _) if self.sequence.has_stopped() => Ok(()),
            (false, _) => self.run(until),
            (true, Until::End) => self.pause(),
            (true, _) => {
                self.sequence.queue(until);
                Ok(())
            }
        }
    }

    fn pause(&mut self) -> Result<(), Disconnected> {
        self.sequence.steps.clear();
        match self.sequence.state {
            LaneState::Running => self.set_state(LaneState::Paused),
            LaneState::Prefill => {
                self.sequence.until = Until::Tokens(0);
                Ok(())
            }
            LaneState::Paused | LaneState::Stopped(_) => Ok(()),
        }
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Disconnected> {
        match self.sequence.has_stopped() {
            true => Ok(()),
            false => self.set_state(LaneState::Stopped(reason)),
        }
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Disconnected> {
        let writes = self.sequence.writes();
        let machine = &mut self.sequence.members[0].machine;
        let edit = match ask {
            Ask::Wait => machine.wait(writes),
            Ask::Cut => {
                machine.ask_cut();
                Ok(None)
            }
            Ask::CutAtSentence(within) => {
                machine.ask_cut_at_sentence(within);
                Ok(None)
            }
            Ask::WrapUp => machine.wrap_up().map(Some),
            Ask::Inject(text) => match self.model.tokenizer.encode_plain(&text) {
                Ok(ids) => machine.inject(ids).map(Some),
                Err(error) => Err(format!("{error:#}")),
            },
            Ask::Choose(token) => return self.choose(token),
        };
        match edit {
            Ok(Some(edit)) => self.write(edit),
            Ok(None) => {
                let waits = self.sequence.machine().pending_waits();
                self.events.emit(Event::PendingWaits(self.id, waits))
            }
            Err(why) => self.events.notice(self.id, why),
        }
    }

    /// Appends a token the user picked.
    fn choose(&mut self, token: u32) -> Result<(), Disconnected> {
        if token as usize >= self.model.tokenizer.vocab_size() {
            let why = "this token is not in the model's vocabulary";
            return self.events.notice(self.id, why);
        }
        match self.sequence.machine().choose(token) {
            ForcingDecision::Accept { phase, reason, .. } => {
                let user = Origin::User;
                self.sequence.append(self.model, token, user, phase, reason);
                self.refresh();
                Ok(())
            }
            ForcingDecision::Edit(edit) => self.write(edit),
            ForcingDecision::Stop(reason) => self.set_state(LaneState::Stopped(reason)),
        }
    }

    /// Writes what the user asked for, and has it computed even while it is paused.
    fn write(&mut self, edit: Edit) -> Result<(), Disconnected> {
        if let Err(error) = self.sequence.edit(self.model, edit) {
            return self.events.notice(self.id, error);
        }
        self.refresh();
        Ok(())
    }

    /// What was written to from outside reads its new tokens before it goes on, and is then what it
    /// was before.
    fn refresh(&mut self) {
        let sequence = &mut self.sequence;
        if sequence.state != LaneState::Prefill && !sequence.pending.is_empty() {
            if sequence.state != LaneState::Running {
                sequence.until = Until::Tokens(0);
            }
            sequence.state = LaneState::Prefill;
        }
    }
}
