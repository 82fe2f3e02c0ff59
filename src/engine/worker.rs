//! The engine's thread: takes commands between two tokens, decides with each lane's state machine
//! what comes next, and computes all lanes in one batch.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::lane::Lane;
use super::loaded::{LoadOptions, Loaded};
use super::probe;
use super::protocol::{Ask, Command, Event, LaneId, LaneState, Request, Until};
use super::scores;
use crate::model::decoder::Logits;
use crate::model::sampler;
use crate::thinking::forcing::{Edit, Next, Verdict};
use crate::thinking::loops::Loop;
use crate::thinking::sentence::ends_sentence;
use crate::thinking::trace::{Origin, Phase, StopReason, Token};

/// Prompt tokens read between two looks at the commands.
const CHUNK: usize = 64;
/// Caches kept for lanes that are not running.
const IDLE_CACHES: usize = 8;
/// A shared prefix shorter than this is not worth a copy.
const SHARE: usize = 16;
/// Tokens between two reports of the speed.
const REPORT_EVERY: usize = 4;

/// Nobody reads the events any more.
struct Gone;

/// Serves until told to stop, until nobody listens, or until the model cannot be loaded.
pub(super) fn run(
    options: LoadOptions,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    cancelled: &AtomicBool,
) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut progress = |done: f32| {
            // A full channel only costs a step of the progress bar.
            let _ = events.try_send(Event::Loading(done));
            !cancelled.load(Ordering::Relaxed)
        };
        let model = match Loaded::open(&options, &mut progress) {
            Ok(model) => model,
            Err(error) => {
                let _ = events.blocking_send(Event::Failed(format!("{error:#}")));
                return;
            }
        };
        let info = Box::new(model.info.clone());
        if events.blocking_send(Event::Loaded(info)).is_err() {
            return;
        }
        let worker = Worker {
            model,
            inbox,
            events: events.clone(),
            cancelled,
            lanes: BTreeMap::new(),
            clock: 0,
        };
        // Ending because nobody listens is the ordinary way to end.
        let _: Result<(), Gone> = worker.serve();
    }));
    if let Err(panic) = outcome {
        let why = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        let _ = events.blocking_send(Event::Failed(format!(
            "the engine stopped on an internal error ({why}); please report it"
        )));
    }
}

struct Worker<'a> {
    model: Loaded,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    cancelled: &'a AtomicBool,
    lanes: BTreeMap<LaneId, Lane>,
    clock: u64,
}

impl Worker<'_> {
    fn serve(mut self) -> Result<(), Gone> {
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            let command = if self.is_idle() {
                Some(self.inbox.blocking_recv().ok_or(Gone)?)
            } else {
                self.inbox.try_recv().ok()
            };
            match command {
                Some(command) => self.obey(command)?,
                None => self.step()?,
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.lanes.values().all(|lane| !is_busy(lane))
    }

    fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.blocking_send(event).map_err(|_| Gone)
    }

    fn notice(&self, id: LaneId, error: impl std::fmt::Display) -> Result<(), Gone> {
        self.tell(Event::Notice(id, format!("{error:#}")))
    }

    fn set_state(&mut self, id: LaneId, state: LaneState) -> Result<(), Gone> {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.state = state;
        }
        self.tell(Event::State(id, state))
    }

    fn obey(&mut self, command: Command) -> Result<(), Gone> {
        match command {
            Command::Start { lane, request, run } => self.start(lane, request, Vec::new(), run),
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
            Command::Clear => {
                self.lanes.clear();
                Ok(())
            }
            Command::Shutdown => Err(Gone),
        }
    }

    fn start(
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
        self.tell(Event::Prompt { lane: id, ids })?;
        self.tell(Event::Budget(id, budget))?;
        if let Some(wanted) = wanted.filter(|&w| w > budget) {
            self.notice(
                id,
                format!("the context leaves room for {budget} thinking tokens, not {wanted}; raise --context for more"),
            )?;
        }
        self.set_state(id, LaneState::Prefill)
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
        self.tell(Event::Prompt { lane: to, ids })?;
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
            Verdict::Accept { phase, reason, .. } => {
                lane.append(&self.model, token, Origin::User, phase, reason);
                self.refresh(id)
            }
            Verdict::Edit(edit) => self.apply(id, edit),
            Verdict::Stop(reason) => self.set_state(id, LaneState::Stopped(reason)),
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

    /// A lane that was written to from outside reads its new tokens before it goes on, and is then
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

    /// One step of every busy lane: decide, compute, tell.
    fn step(&mut self) -> Result<(), Gone> {
        self.clock += 1;
        let started = Instant::now();
        let ids: Vec<LaneId> = self.lanes.keys().copied().collect();
        for &id in &ids {
            self.probe_if_wanted(id)?;
        }
        let probed = started.elapsed();
        for &id in &ids {
            self.decide(id)?;
        }
        let computed = match self.compute() {
            Ok(computed) => computed,
            Err((id, error)) => {
                self.notice(id, error)?;
                return self.set_state(id, LaneState::Paused);
            }
        };
        let spent = started.elapsed().saturating_sub(probed);
        for (id, rows) in computed {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            let reading = lane.state == LaneState::Prefill;
            let count = if reading {
                &mut lane.clock.prefill
            } else {
                &mut lane.clock.decode
            };
            count.0 += rows;
            count.1 += spent;
            if reading {
                let total = lane.len();
                let done = total - lane.pending.len();
                if total > CHUNK {
                    self.tell(Event::Prefill {
                        lane: id,
                        done,
                        total,
                    })?;
                }
            }
            self.announce(id)?;
            self.advance(id)?;
        }
        Ok(())
    }

    /// Lets the state machine of a running lane say what comes next.
    fn decide(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if lane.state != LaneState::Running || !lane.is_ready() {
            return Ok(());
        }
        let mask = match lane.machine.next() {
            Next::Edit(edit) => return self.write(id, edit),
            Next::Stop(reason) => return self.set_state(id, LaneState::Stopped(reason)),
            Next::Sample { mask } => mask,
        };
        if lane.len() >= self.model.context {
            return self.set_state(id, LaneState::Stopped(StopReason::ContextFull));
        }
        let sampled = {
            let history: Vec<u32> = if lane.request.sampling.repetition_penalty == 1.0 {
                Vec::new()
            } else {
                lane.ids()
            };
            // `is_ready` was checked above.
            let logits = lane.logits.as_deref().unwrap_or_default();
            sampler::sample(
                logits,
                self.model.tokenizer.vocab_size(),
                &mask,
                &history,
                &lane.request.sampling,
                lane.tokens.len() as u64,
                lane.request.sample,
            )
        };
        let token = match sampled {
            Ok(token) => token,
            Err(error) => {
                self.notice(id, error)?;
                return self.set_state(id, LaneState::Paused);
            }
        };
        lane.clock.token();
        let (text, _) = lane.text_of(&self.model, token);
        match lane.machine.judge(token, &text) {
            Verdict::Accept {
                phase,
                reason,
                relabel,
            } => {
                let from = lane.tokens.len() - relabel;
                if relabel > 0 {
                    for token in &mut lane.tokens[from..] {
                        token.phase = phase;
                        token.reason = reason;
                    }
                    lane.machine.take_back(&lane.tokens);
                }
                let found = lane.append(&self.model, token, Origin::Sampled, phase, reason);
                // The scores are known already: the reader need not wait for the next forward pass.
                let tokens = lane.tokens[from + relabel..].to_vec();
                self.tell(Event::Tokens {
                    lane: id,
                    drop: 0,
                    relabel,
                    tokens,
                })?;
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.announced = lane.tokens.len();
                }
                self.tell_loop(id, found)
            }
            Verdict::Edit(edit) => {
                let pending = lane.machine.pending_waits();
                self.tell(Event::PendingWaits(id, pending))?;
                self.write(id, edit)
            }
            Verdict::Stop(reason) => self.set_state(id, LaneState::Stopped(reason)),
        }
    }

    fn write(&mut self, id: LaneId, edit: Edit) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        let new = edit.ids.len() + edit.keep.len();
        if lane.len() - edit.drop + new > self.model.context {
            return self.set_state(id, LaneState::Stopped(StopReason::ContextFull));
        }
        match lane.edit(&self.model, edit) {
            Ok(()) => Ok(()),
            Err(error) => self.notice(id, error),
        }
    }

    fn tell_loop(&self, id: LaneId, found: Option<Loop>) -> Result<(), Gone> {
        match found {
            None => Ok(()),
            Some(Loop { period, repeats }) => self.tell(Event::Loop {
                lane: id,
                period,
                repeats,
            }),
        }
    }

    /// Runs every pending token through the model, all lanes together, and hands each lane its
    /// logits. Returns how many tokens each lane computed.
    fn compute(&mut self) -> Result<Vec<(LaneId, usize)>, (LaneId, anyhow::Error)> {
        let mut computed = Vec::new();
        let busy: Vec<LaneId> = self
            .lanes
            .iter()
            .filter(|(_, lane)| is_busy(lane) && !lane.pending.is_empty())
            .map(|(&id, _)| id)
            .collect();
        for &id in &busy {
            self.make_cache(id).map_err(|error| (id, error))?;
        }
        // Lanes with unscored tokens need a row for every token; the others only for the last.
        for want in [Logits::Last, Logits::All] {
            let mut members = Vec::new();
            for (&id, lane) in &mut self.lanes {
                let left = lane.pending.len();
                let all = lane.unscored > 0 && left <= CHUNK;
                if busy.contains(&id) && all == (want == Logits::All) {
                    lane.used = self.clock;
                    let take = if lane.unscored > 0 && left > CHUNK {
                        // Read what is scored already first: the rest then comes with its rows.
                        (left - CHUNK).min(CHUNK)
                    } else {
                        left.min(CHUNK)
                    };
                    members.push((id, take));
                }
            }
            if members.is_empty() {
                continue;
            }
            let unfinished = |(id, take): &(LaneId, usize)| {
                self.lanes.get(id).is_some_and(|l| l.pending.len() > *take)
            };
            let want = if want == Logits::Last && members.iter().all(unfinished) {
                Logits::None
            } else {
                want
            };
            self.forward(want, &members)?;
            computed.extend(members);
        }
        Ok(computed)
    }

    fn forward(
        &mut self,
        want: Logits,
        members: &[(LaneId, usize)],
    ) -> Result<(), (LaneId, anyhow::Error)> {
        let blame = members.first().map_or(0, |(id, _)| *id);
        let mut batch = Vec::new();
        for (id, lane) in &mut self.lanes {
            if let Some((_, take)) = members.iter().find(|(member, _)| member == id)
                && let Some(cache) = lane.cache.as_mut()
            {
                batch.push((cache, &lane.pending[..*take]));
            }
        }
        let rows = self
            .model
            .decoder
            .forward(&mut batch, want)
            .and_then(|logits| Ok(logits.map(|l| l.to_vec2::<f32>()).transpose()?))
            .map_err(|error| (blame, error))?
            .unwrap_or_default();
        let mut rows = rows.into_iter();
        for &(id, take) in members {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            let count = match want {
                Logits::All => take,
                Logits::Last => 1,
                Logits::None => 0,
            };
            let mut own: Vec<Vec<f32>> = rows.by_ref().take(count).collect();
            lane.pending.drain(..take);
            if !lane.pending.is_empty() {
                continue;
            }
            lane.logits = own.pop();
            // Row i scores the token after it.
            let n = lane.tokens.len();
            let unscored = std::mem::take(&mut lane.unscored).min(own.len()).min(n);
            let offset = own.len() - unscored;
            for (row, token) in own[offset..].iter().zip(&mut lane.tokens[n - unscored..]) {
                scores::fill(&self.model, row, token.phase, token);
            }
        }
        Ok(())
    }

    /// Makes sure a lane has a cache, taking over the longest prefix some lane has computed.
    fn make_cache(&mut self, id: LaneId) -> Result<()> {
        if self.lanes.get(&id).is_none_or(|lane| lane.cache.is_some()) {
            return Ok(());
        }
        self.retire_caches();
        let Some(ids) = self.lanes.get(&id).map(Lane::ids) else {
            return Ok(());
        };
        let shared = self
            .lanes
            .iter()
            .filter(|(other, _)| **other != id)
            .filter_map(|(other, lane)| {
                let cache = lane.cache.as_ref()?;
                let theirs = lane.ids();
                let same = ids.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
                Some((same.min(cache.len()), *other))
            })
            .max();
        let context = self.model.context;
        // The last token is always computed: it gives the logits to go on from.
        let usable = |same: usize| same.min(ids.len().saturating_sub(1));
        let cache = match shared {
            Some((same, other)) if usable(same) >= SHARE => self
                .lanes
                .get(&other)
                .and_then(|lane| lane.cache.as_ref())
                .map(|cache| cache.fork(usable(same), context))
                .transpose()?,
            _ => None,
        };
        let cache = match cache {
            Some(cache) => cache,
            None => self
                .model
                .decoder
                .new_cache(context)
                .context("no memory for another branch")?,
        };
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.pending = ids[cache.len()..].to_vec();
            lane.cache = Some(cache);
        }
        Ok(())
    }

    /// Gives up the caches of lanes that have not run for the longest time.
    fn retire_caches(&mut self) {
        let mut idle: Vec<(u64, LaneId)> = self
            .lanes
            .iter()
            .filter(|(_, lane)| !is_busy(lane) && lane.cache.is_some())
            .map(|(&id, lane)| (lane.used, id))
            .collect();
        idle.sort_unstable();
        let surplus = idle.len().saturating_sub(IDLE_CACHES);
        for (_, id) in idle.into_iter().take(surplus) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.give_up_cache();
            }
        }
    }

    /// Tells of tokens that were written and have their scores now.
    fn announce(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if !lane.pending.is_empty() {
            return Ok(());
        }
        let drop = std::mem::take(&mut lane.dropped);
        let from = lane.announced.saturating_sub(drop).min(lane.tokens.len());
        let tokens = lane.tokens[from..].to_vec();
        lane.announced = lane.tokens.len();
        if drop > 0 || !tokens.is_empty() {
            self.tell(Event::Tokens {
                lane: id,
                drop,
                relabel: 0,
                tokens,
            })?;
        }
        Ok(())
    }

    /// After a step: is the lane where it was told to run to?
    fn advance(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if !lane.pending.is_empty() {
            return Ok(());
        }
        let tokens = lane.tokens.len();
        let (speed, context) = (lane.clock.speed(), lane.len());
        let report = tokens.is_multiple_of(REPORT_EVERY);
        let before = lane.state;
        let state = match (before, lane.until) {
            (LaneState::Prefill, Until::Tokens(0)) => LaneState::Paused,
            (LaneState::Prefill, _) => LaneState::Running,
            (LaneState::Running, Until::Tokens(n)) => {
                lane.until = Until::Tokens(n.saturating_sub(1));
                if n <= 1 {
                    LaneState::Paused
                } else {
                    LaneState::Running
                }
            }
            (LaneState::Running, Until::Sentence) => {
                let from = tokens.saturating_sub(8);
                let tail: String = lane.tokens[from..]
                    .iter()
                    .map(|t| t.text.as_str())
                    .collect();
                let ended = lane.machine.phase() == Phase::Answer
                    && lane.tokens.last().is_some_and(Token::is_delimiter);
                if ended || ends_sentence(&tail) {
                    LaneState::Paused
                } else {
                    LaneState::Running
                }
            }
            (state, _) => state,
        };
        if report || state != before {
            self.tell(Event::Speed(id, speed))?;
            self.tell(Event::Context(id, context))?;
        }
        if state != before {
            self.set_state(id, state)?;
        }
        Ok(())
    }

    /// Probes a lane if the user wants it or the interval has passed.
    fn probe_if_wanted(&mut self, id: LaneId) -> Result<(), Gone> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        if !lane.is_ready() {
            return Ok(());
        }
        let thinking = lane.machine.thinking();
        let due = lane.state == LaneState::Running
            && lane.machine.phase() == Phase::Thinking
            && lane
                .request
                .probe_every
                .is_some_and(|n| thinking >= lane.probed_at + n.max(1));
        let at = match lane.probe_wanted.take() {
            Some(at) => at.min(lane.tokens.len()),
            None if due => lane.tokens.len(),
            None => return Ok(()),
        };
        if due {
            lane.probed_at = thinking;
        }
        // A key must not wait for the probe: it is given up as soon as a command arrives, and
        // a probe the user asked for is made again afterwards.
        let interrupted = || !self.inbox.is_empty() || self.cancelled.load(Ordering::Relaxed);
        match probe::run(&self.model, lane, at, &interrupted) {
            Ok(probe::Outcome::Done(probe)) => self.tell(Event::Probe(id, probe)),
            Ok(probe::Outcome::Interrupted) => {
                if !due {
                    lane.probe_wanted = Some(at);
                }
                Ok(())
            }
            Err(error) => self.notice(id, error),
        }
    }
}

/// Whether a lane has something to do without being told.
fn is_busy(lane: &Lane) -> bool {
    matches!(lane.state, LaneState::Prefill | LaneState::Running)
        || (lane.probe_wanted.is_some() && lane.is_ready())
}
