//! One question, several strategies side by side: what the comparison screen shows, without a
//! screen.
//!
//! A [`Comparison`] is pure state. Engine events go in, commands come out, each for one of its
//! sources: the model in use, and any other that a lane asks for. A source is whatever takes
//! [`Command`]s and gives [`Event`]s, so a remote one needs nothing here.
//!
//! The lanes of a source start together and are computed once for as long as they agree (see
//! [`Command::StartTogether`]). A lane whose budget is a share of the natural length has to wait
//! until that length is known; it then takes over its share of the natural thought.
//!
//! Not here: drawing, keys, and sweeps over problem sets.

use std::ops::Range;

use s1_core::forcing::Policy;
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, ModelInfo, Request, Until};
use s1_core::trace::{Phase, Token, thinking_tokens};
use s1_core::view::Change;

mod lane;
mod strategy;
#[cfg(test)]
mod tests;

pub use lane::{Ballot, Lane, LaneRun};
pub use strategy::{Limit, Preset, Source, Strategy};

/// The most lanes shown side by side.
pub const MAX_LANES: usize = 8;
/// Most samples of one lane.
pub const MAX_SAMPLES: usize = 64;
/// Lane ids a comparison uses, from its base on.
pub const IDS: usize = (MAX_LANES * 2) * MAX_SAMPLES;

/// One of the models that lanes are computed with.
#[derive(Clone, Debug)]
pub struct LaneModel {
    pub source: Source,
    /// What it is, once it is ready.
    pub model: Option<ModelInfo>,
}

/// One question, its lanes, and what has become of them.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The question, and what all lanes have in common.
    pub request: Request,
    lanes: Vec<Lane>,
    origins: Vec<LaneModel>,
    base: LaneId,
    commands: Vec<(usize, Command)>,
}

impl Comparison {
    /// A comparison whose lanes have ids from `base` on ([`IDS`] of them). Nothing runs before a
    /// source is [ready](Comparison::ready). Strategies beyond [`MAX_LANES`] are left out.
    pub fn new(request: Request, strategies: &[Strategy], base: LaneId) -> Comparison {
        let mut origins: Vec<LaneModel> = Vec::new();
        let mut lanes: Vec<Lane> = Vec::new();
        for strategy in strategies.iter().take(MAX_LANES) {
            let known = origins.iter().position(|o| o.source == strategy.source);
            let origin = known.unwrap_or_else(|| {
                origins.push(LaneModel {
                    source: strategy.source.clone(),
                    model: None,
                });
                origins.len() - 1
            });
            lanes.push(Lane::new(strategy.clone(), origin));
        }
        // Where a lane needs the natural length and no lane shows it, a hidden one measures it.
        for (origin, known) in origins.iter().enumerate() {
            let of = |l: &&Lane| l.origin == origin;
            let needs = lanes.iter().filter(of).any(|l| l.strategy.needs_natural());
            if needs && !lanes.iter().filter(of).any(|l| l.strategy.is_natural()) {
                let scout = Strategy::natural().by(known.source.clone());
                lanes.push(Lane {
                    hidden: true,
                    ..Lane::new(scout, origin)
                });
            }
        }
        for (i, lane) in lanes.iter_mut().enumerate() {
            for (sample, run) in lane.runs.iter_mut().enumerate() {
                run.id = base + i * MAX_SAMPLES + sample;
            }
        }
        Comparison {
            request,
            lanes,
            origins,
            base,
            commands: Vec::new(),
        }
    }

    /// Adds a lane without touching the others; `false` where that cannot be: its model is not one of
    /// theirs, or none of them shows the natural length that it needs.
    pub fn add(&mut self, strategy: Strategy) -> bool {
        let known = self
            .origins
            .iter()
            .position(|o| o.source == strategy.source);
        let Some(origin) = known.filter(|_| self.lanes.len() < 2 * MAX_LANES) else {
            return false;
        };
        if strategy.needs_natural() && self.natural_run(origin).is_none() {
            return false;
        }
        let mut lane = Lane::new(strategy, origin);
        let first = self.base + self.lanes.len() * MAX_SAMPLES;
        for (sample, run) in lane.runs.iter_mut().enumerate() {
            run.id = first + sample;
        }
        let limit = lane.strategy.limit.tokens(None, &self.request.policy);
        // Lanes of a model that is not ready yet begin together once it is.
        if let Some(limit) = limit.filter(|_| self.origins[origin].model.is_some()) {
            let together = lane.begin(&self.request, limit);
            let start = Command::StartTogether(together);
            self.commands.push((origin, start));
        }
        self.lanes.push(lane);
        self.resolve(origin);
        true
    }

    /// Takes the `at`-th lane shown away; the others stay as they are.
    pub fn remove(&mut self, at: usize) {
        let Some(lane) = self.lanes.iter_mut().filter(|l| !l.hidden).nth(at) else {
            return;
        };
        lane.hidden = true;
        // What others need of it goes on.
        if !lane.strategy.is_natural() {
            let origin = lane.origin;
            let runs = lane.runs.iter().filter(|r| r.lane.is_busy());
            let stops: Vec<_> = runs.map(|r| (origin, Command::Stop(r.id))).collect();
            self.commands.extend(stops);
        }
    }

    /// Commands since the last call, each with the index of its source.
    pub fn drain(&mut self) -> Vec<(usize, Command)> {
        std::mem::take(&mut self.commands)
    }

    /// The lanes to show, in order.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|l| !l.hidden)
    }

    /// Shows another sample of the `at`-th lane shown, `step` further on in a circle. Returns false
    /// if there is no other.
    pub fn show_sample(&mut self, at: usize, step: isize) -> bool {
        let lane = self.lanes.iter_mut().filter(|l| !l.hidden).nth(at);
        let Some(lane) = lane.filter(|l| l.runs.len() > 1) else {
            return false;
        };
        let n = lane.runs.len() as isize;
        lane.sample = (lane.sample as isize + step).rem_euclid(n) as usize;
        true
    }

    /// The sources; a lane's `origin` indexes this slice.
    pub fn origins(&self) -> &[LaneModel] {
        &self.origins
    }

    /// The lane ids that are this comparison's.
    pub fn ids(&self) -> Range<LaneId> {
        self.base..self.base + IDS
    }

    /// A source can be used: its lanes start, but for those that wait for the natural length.
    pub fn ready(&mut self, origin: usize, model: ModelInfo) {
        let Some(known) = self.origins.get_mut(origin) else {
            return;
        };
        known.model = Some(model);
        let mut together = Vec::new();
        for lane in self.lanes.iter_mut().filter(|l| l.origin == origin) {
            if let Some(limit) = lane.strategy.limit.tokens(None, &self.request.policy) {
                together.extend(lane.begin(&self.request, limit));
            }
        }
        self.commands
            .push((origin, Command::StartTogether(together)));
    }

    /// A source cannot be used, or is gone: its lanes say why.
    pub fn fail(&mut self, origin: usize, why: &str) {
        for lane in self.lanes.iter_mut().filter(|l| l.origin == origin) {
            for run in lane.runs.iter_mut().filter(|r| !r.lane.has_ended()) {
                run.lane.refused = Some(why.to_owned());
                run.lane.state = None;
            }
        }
    }

    /// Takes an event of a source in, if it is for one of its lanes. Where the text of a lane's
    /// shown sample has changed, tells which lane, and from which token on.
    pub fn apply(&mut self, origin: usize, event: &Event) -> Option<(usize, usize)> {
        let at = event.lane()?.checked_sub(self.base)?;
        let (at, sample) = (at / MAX_SAMPLES, at % MAX_SAMPLES);
        let lane = self.lanes.get_mut(at).filter(|l| l.origin == origin)?;
        let shown = sample == lane.sample && !lane.hidden;
        let run = lane.runs.get_mut(sample)?;
        let change = run.lane.apply(event);
        run.grade(self.request.reference.as_deref());
        self.resolve(origin);
        match change {
            Change::Text(from) if shown => {
                let place = self.lanes[..at].iter().filter(|l| !l.hidden).count();
                Some((place, from))
            }
            _ => None,
        }
    }
    /// The natural length of thinking of a source, once its natural lane's thought is over.
    pub fn natural(&self, origin: usize) -> Option<usize> {
        let run = self.natural_run(origin)?;
        let tokens = &run.lane.tokens;
        let answers = tokens.last().is_some_and(|t| t.phase == Phase::Answer);
        let over = run.lane.has_ended() || answers;
        over.then(|| thinking_tokens(tokens).max(1))
    }

    fn natural_run(&self, origin: usize) -> Option<&LaneRun> {
        let mut lanes = self.lanes.iter().filter(|l| l.origin == origin);
        lanes.rfind(|l| l.strategy.is_natural())?.runs.first()
    }

    /// Starts the lanes that waited for the natural length, once it is known.
    fn resolve(&mut self, origin: usize) {
        let waits = |l: &Lane| l.origin == origin && l.waits_for_natural();
        if !self.lanes.iter().any(waits) {
            return;
        }
        let Some((natural, from)) = self.natural(origin).zip(self.natural_run(origin)) else {
            return;
        };
        let (from, thought) = (from.id, from.lane.tokens.to_vec());
        let mut together = Vec::new();
        for lane in self.lanes.iter_mut().filter(|l| waits(l)) {
            let policy = &self.request.policy;
            let Some(limit) = lane.strategy.limit.tokens(Some(natural), policy) else {
                continue;
            };
            if lane.strategy.draws_anew() {
                together.extend(lane.begin(&self.request, limit));
                continue;
            }
            // The same draws: its share of the natural thought is its own.
            let at = limit.map_or(natural, |limit| limit.min(natural));
            let (to, policy) = lane.take_over(&self.request, &thought[..at], limit);
            let commands = [
                Command::Fork { from, to, at },
                Command::Policy(to, policy),
                Command::Run(to, Until::End),
            ];
            self.commands.extend(commands.map(|c| (origin, c)));
        }
        if !together.is_empty() {
            self.commands
                .push((origin, Command::StartTogether(together)));
        }
    }

    /// Whether anything runs, or is about to.
    pub fn is_busy(&self) -> bool {
        let runs = self.lanes.iter().flat_map(|l| &l.runs);
        runs.into_iter().any(|r| r.lane.is_busy())
    }

    /// Whether a lane waits for the user.
    pub fn is_paused(&self) -> bool {
        let mut runs = self.lanes.iter().flat_map(|l| &l.runs);
        !self.is_busy() && runs.any(|r| r.lane.state == Some(LaneState::Paused))
    }

    /// Pauses everything that runs, or resumes everything that is paused.
    pub fn pause_or_resume(&mut self) {
        let busy = self.is_busy();
        self.tell_each(|run| match run.lane.state {
            _ if busy => run.lane.is_busy().then_some(Command::Pause(run.id)),
            Some(LaneState::Paused) => Some(Command::Run(run.id, Until::End)),
            _ => None,
        });
    }

    /// Ends everything that has not ended; what was written stays.
    pub fn stop(&mut self) {
        for lane in self.lanes.iter_mut().filter(|l| l.waits_for_natural()) {
            for run in &mut lane.runs {
                run.lane.refused = Some("stopped before it began".into());
            }
        }
        self.tell_each(|run| {
            let stops = run.lane.is_busy() || run.lane.state == Some(LaneState::Paused);
            stops.then_some(Command::Stop(run.id))
        });
    }

    /// Steers every sample of the `at`-th lane shown. It is computed on its own from here on.
    pub fn ask(&mut self, at: usize, ask: &Ask) {
        let mut shown = self.lanes.iter().filter(|l| !l.hidden);
        let Some(lane) = shown.nth(at) else {
            return;
        };
        let runs = lane.runs.iter().filter(|r| r.lane.is_busy());
        let commands = runs.map(|r| (lane.origin, Command::Ask(r.id, ask.clone())));
        self.commands.extend(commands);
    }

    /// Tells the lanes that others do not already stand for: what holds for a lane holds for those
    /// that are computed with it.
    fn tell_each(&mut self, command: impl Fn(&LaneRun) -> Option<Command>) {
        for lane in &self.lanes {
            let alone = lane.runs.iter().filter(|r| r.lane.host.is_none());
            let commands = alone.filter_map(|r| Some((lane.origin, command(r)?)));
            self.commands.extend(commands);
        }
    }

    /// Lets every source forget these lanes.
    pub fn forget(&mut self) {
        self.commands.clear();
        for origin in 0..self.origins.len() {
            self.commands.push((origin, Command::Forget(self.ids())));
        }
    }

    /// Grades every answer again, against another reference.
    pub fn grade_again(&mut self, reference: Option<String>) {
        self.request.reference = reference;
        for run in self.lanes.iter_mut().flat_map(|l| &mut l.runs) {
            run.answer = None;
            run.grade(self.request.reference.as_deref());
        }
    }

    /// Tokens that had to be computed, the hidden lanes' included.
    pub fn computed(&self) -> usize {
        let runs = self.lanes.iter().flat_map(|l| &l.runs);
        runs.map(|r| r.lane.computed).sum()
    }

    /// Tokens of the lanes shown, every sample counted.
    pub fn shown(&self) -> usize {
        let runs = self.lanes().flat_map(|l| &l.runs);
        runs.map(|r| r.lane.tokens.len()).sum()
    }

    /// The first token of the `at`-th lane shown that its left neighbour does not have; `None`
    /// where there is no neighbour, or no difference so far. Lanes of different models are
    /// compared by their text.
    pub fn departs(&self, at: usize) -> Option<usize> {
        let mut lanes = self.lanes().skip(at.checked_sub(1)?);
        let (left, right) = (lanes.next()?, lanes.next()?);
        let (a, b) = (&*left.run().lane.tokens, &*right.run().lane.tokens);
        if left.origin == right.origin {
            let same = |(a, b): &(&Token, &Token)| (a.id, a.phase) == (b.id, b.phase);
            let same = a.iter().zip(b).take_while(same).count();
            return (same < a.len().min(b.len())).then_some(same);
        }
        let bytes = |tokens: &[Token]| tokens.iter().map(|t| t.text.as_str()).collect::<String>();
        let (a, b) = (bytes(a), bytes(b));
        let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        if same == a.len().min(b.len()) {
            return None;
        }
        let mut end = 0;
        right.run().lane.tokens.iter().position(|t| {
            end += t.text.len();
            end > same
        })
    }
}

/// Rules of a lane: those of the request with what its strategy changes.
fn policy_of(request: &Request, strategy: &Strategy, limit: Option<usize>) -> Policy {
    Policy {
        think: strategy.think,
        max_thinking: limit,
        waits: strategy.waits(),
        wait_text: strategy
            .wait_text
            .clone()
            .unwrap_or_else(|| request.policy.wait_text.clone()),
        ending: strategy.ending.unwrap_or(request.policy.ending),
        cut_at: strategy.cut_at.unwrap_or(request.policy.cut_at),
        exit: strategy.exit.unwrap_or(request.policy.exit),
        ..request.policy.clone()
    }
}
