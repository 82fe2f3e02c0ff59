//! What each command does to a lane. Nothing is computed here: a lane that was written to reads
//! its new tokens in the next step.

use super::{Gone, Worker};
use crate::lane::Lane;
use s1_core::forcing::{Edit, ForcingDecision};
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, Request, Until};
use s1_core::trace::{Origin, StopReason, Token};

impl Worker<'_> {
    pub(super) fn obey(&mut self, command: Command) -> Result<(), Gone> {
        if let Some(id) = self.leaves_its_group(&command) {
            self.alone(id)?;
        }
        match command {
            Command::Start { lane, request, run } => self.start(lane, request, Vec::new(), run),
            Command::StartTogether(lanes) => self.start_together(lanes),
            Command::StartRow(lanes) => self.start_row(lanes),
            Command::Limit(lanes) => {
                self.limit = lanes;
                Ok(())
            }
            Command::Restore {
                lane,
                request,
                tokens,
            } => self.start(lane, request, tokens, false),
            Command::Fork { from, to, at } => self.fork(from, to, at),
            Command::Ask(id, ask) => self.ask(id, ask),
            Command::Run(id, until) => {
                let Some(lane) = self.lanes.get_mut(&id) else {
                    return Ok(());
                };
                if matches!(
                    lane.state,
                    LaneState::Stopped(StopReason::EndOfTurn | StopReason::ContextFull)
                ) {
                    return Ok(());
                }
                lane.until = until;
                let state = if lane.is_ready() {
                    LaneState::Running
                } else {
                    LaneState::Prefill
                };
                self.set_state(id, state)
            }
            Command::Pause(id) => match self.lanes.get_mut(&id) {
                Some(lane) if lane.state == LaneState::Running => {
                    self.set_state(id, LaneState::Paused)
                }
                Some(lane) if lane.state == LaneState::Prefill => {
                    lane.until = Until::Tokens(0);
                    Ok(())
                }
                _ => Ok(()),
            },
            Command::Stop(id) => match self.lanes.get(&id) {
                Some(lane) if !matches!(lane.state, LaneState::Stopped(_)) => {
                    self.set_state(id, LaneState::Stopped(StopReason::User))
                }
                _ => Ok(()),
            },
            Command::WaitText(id, text) => {
                let Some(lane) = self.lanes.get_mut(&id) else {
                    return Ok(());
                };
                match self.model.tokenizer.encode_plain(&text) {
                    Ok(ids) => {
                        lane.machine.set_wait(text, ids);
                        Ok(())
                    }
                    Err(error) => self.notice(id, error),
                }
            }
            Command::Budget(id, max) => {
                let Some(lane) = self.lanes.get_mut(&id) else {
                    return Ok(());
                };
                lane.machine.set_budget(max);
                let budget = lane.machine.budget();
                self.tell(Event::Budget(id, budget))
            }
            Command::Policy(id, policy) => {
                let wait = match self.model.tokenizer.encode_plain(&policy.wait_text) {
                    Ok(wait) => wait,
                    Err(error) => return self.notice(id, error),
                };
                let Some(lane) = self.lanes.get_mut(&id) else {
                    return Ok(());
                };
                lane.machine.set_policy(policy, wait);
                lane.request.policy = lane.machine.policy().clone();
                let budget = lane.machine.budget();
                self.tell(Event::Budget(id, budget))
            }
            Command::Sampling(id, sampling, sample) => {
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.request.sampling = sampling;
                    lane.request.sample = sample;
                }
                Ok(())
            }
            Command::Probe(id, at) => {
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.probe_wanted = Some(at.unwrap_or(lane.tokens.len()));
                }
                Ok(())
            }
            Command::ProbeEvery(id, every) => {
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.request.probe_every = every;
                }
                Ok(())
            }
            Command::Forget(lanes) => {
                let rides = |(_, l): &(&LaneId, &Lane)| l.host.is_some_and(|h| lanes.contains(&h));
                let left = self.lanes.iter().filter(rides).map(|(&id, _)| id);
                let left: Vec<LaneId> = left.filter(|id| !lanes.contains(id)).collect();
                for id in left {
                    self.alone(id)?;
                }
                self.lanes.retain(|id, _| !lanes.contains(id));
                self.rows.retain(|id, _| !lanes.contains(id));
                Ok(())
            }
            Command::Shutdown => Err(Gone),
        }
    }

    /// The lane that a command takes out of the lanes it shares its tokens with.
    fn leaves_its_group(&self, command: &Command) -> Option<LaneId> {
        let rides = |id: &LaneId| self.lanes.get(id).is_some_and(|l| l.host.is_some());
        match command {
            Command::Ask(id, _)
            | Command::WaitText(id, _)
            | Command::Budget(id, _)
            | Command::Policy(id, _)
            | Command::Sampling(id, ..)
            | Command::Probe(id, _)
            | Command::ProbeEvery(id, _) => Some(*id),
            Command::Run(id, _) | Command::Pause(id) | Command::Stop(id) => {
                Some(*id).filter(|id| rides(id))
            }
            _ => None,
        }
    }

    pub(super) fn start(
        &mut self,
        id: LaneId,
        request: Request,
        tokens: Vec<Token>,
        run: bool,
    ) -> Result<(), Gone> {
        let wanted = request.policy.max_thinking;
        let mut lane = match Lane::new(&self.model, request) {
            Ok(lane) => lane,
            Err(error) => return self.tell(Event::Refused(id, format!("{error:#}"))),
        };
        if tokens
            .iter()
            .any(|t| t.id as usize >= self.model.decoder.config().vocab)
            || lane.prompt.len() + tokens.len() > self.model.context
        {
            let why = "this session does not fit the loaded model; open it with the model it was made with";
            return self.tell(Event::Refused(id, why.into()));
        }
        if !tokens.is_empty() {
            lane.announced = tokens.len();
            lane.tokens = tokens;
            lane.machine.resume(&lane.tokens);
            lane.shorten(&self.model, lane.tokens.len());
        }
        lane.until = if run { Until::End } else { Until::Tokens(0) };
        let ids = lane.prompt.clone();
        let budget = lane.machine.budget();
        self.lanes.insert(id, lane);
        self.tell_prompt(id, ids)?;
        self.tell(Event::Budget(id, budget))?;
        if let Some(wanted) = wanted.filter(|&w| w > budget) {
            self.notice(
                id,
                format!("the context leaves room for {budget} thinking tokens, not {wanted}; raise --context for more"),
            )?;
        }
        self.set_state(id, LaneState::Prefill)
    }

    fn tell_prompt(&self, lane: LaneId, ids: Vec<u32>) -> Result<(), Gone> {
        let bytes = ids.iter().map(|&id| self.model.tokenizer.token_bytes(id));
        let bytes = bytes.collect::<Vec<_>>().concat();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.tell(Event::Prompt { lane, ids, text })
    }

    fn fork(&mut self, from: LaneId, to: LaneId, at: usize) -> Result<(), Gone> {
        let Some(parent) = self.lanes.get(&from) else {
            return self.tell(Event::Refused(to, "there is no such branch to fork".into()));
        };
        let request = parent.request.clone();
        let tokens: Vec<Token> = parent.tokens[..at.min(parent.tokens.len())].to_vec();
        let mut machine = parent.machine.clone();
        let mut lane = match Lane::new(&self.model, request) {
            Ok(lane) => lane,
            Err(error) => return self.tell(Event::Refused(to, format!("{error:#}"))),
        };
        machine.rewind(&tokens);
        lane.machine = machine;
        lane.announced = tokens.len();
        lane.tokens = tokens;
        lane.shorten(&self.model, lane.tokens.len());
        lane.until = Until::Tokens(0);
        let ids = lane.prompt.clone();
        let budget = lane.machine.budget();
        self.lanes.insert(to, lane);
        self.tell_prompt(to, ids)?;
        self.tell(Event::Budget(to, budget))?;
        self.set_state(to, LaneState::Prefill)
    }

    fn ask(&mut self, id: LaneId, ask: Ask) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        let edit = match ask {
            Ask::Wait => {
                lane.machine.ask_wait();
                let pending = lane.machine.pending_waits();
                return self.tell(Event::PendingWaits(id, pending));
            }
            Ask::Cut => {
                lane.machine.ask_cut();
                return Ok(());
            }
            Ask::CutAtSentence(within) => {
                lane.machine.ask_cut_at_sentence(within);
                return Ok(());
            }
            Ask::WaitNow => lane.machine.wait_now(),
            Ask::Inject(text) => match self.model.tokenizer.encode_plain(&text) {
                Ok(ids) => lane.machine.inject(ids),
                Err(error) => Err(format!("{error:#}")),
            },
            Ask::Choose(token) => return self.choose(id, token),
        };
        match edit {
            Ok(edit) => self.apply(id, edit),
            Err(why) => self.notice(id, why),
        }
    }

    /// Appends a token the user picked.
    fn choose(&mut self, id: LaneId, token: u32) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if token as usize >= self.model.tokenizer.vocab_size() {
            return self.notice(id, "this token is not in the model's vocabulary");
        }
        match lane.machine.choose(token) {
            ForcingDecision::Accept { phase, reason, .. } => {
                lane.append(&self.model, token, Origin::User, phase, reason);
                self.refresh(id)
            }
            ForcingDecision::Edit(edit) => self.apply(id, edit),
            ForcingDecision::Stop(reason) => self.set_state(id, LaneState::Stopped(reason)),
        }
    }

    /// Writes what the user asked for, and lets the lane compute it even while it is paused.
    fn apply(&mut self, id: LaneId, edit: Edit) -> Result<(), Gone> {
        if let Some(lane) = self.lanes.get_mut(&id)
            && let Err(error) = lane.edit(&self.model, edit)
        {
            return self.notice(id, error);
        }
        self.refresh(id)
    }

    /// A lane that was written to from outside reads its new tokens before it continues, and is then
    /// what it was before.
    fn refresh(&mut self, id: LaneId) -> Result<(), Gone> {
        if let Some(lane) = self.lanes.get_mut(&id)
            && lane.state != LaneState::Prefill
            && !lane.pending.is_empty()
        {
            if lane.state != LaneState::Running {
                lane.until = Until::Tokens(0);
            }
            lane.state = LaneState::Prefill;
        }
        Ok(())
    }
}
