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
/// Lanes that a comparison can come to have, one after another.
const SLOTS: usize = 1024;
/// Lane ids a comparison uses, from its base on.
pub const IDS: usize = SLOTS * MAX_SAMPLES;

/// One of the models that lanes are computed with.
#[derive(Clone, Debug)]
pub struct LaneModel {
    pub source: Source,
    /// What it is, once it is ready.
    pub model: Option<ModelInfo>,
    /// Why it cannot be used, or is gone.
    pub fault: Option<String>,
}

/// One question, its lanes, and what has become of them.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The question, and what all lanes have in common.
    pub request: Request,
    /// Every lane there was; the place of one gives its samples their ids.
    lanes: Vec<Lane>,
    /// The lanes to show, in order, by their place. Of the others some measure the natural length, and
    /// some were taken away.
    shown: Vec<usize>,
    origins: Vec<LaneModel>,
    base: LaneId,
    commands: Vec<(usize, Command)>,
    /// Tokens that lanes taken away had computed.
    gone: usize,
}

impl Comparison {
    /// A comparison whose lanes have ids from `base` on ([`IDS`] of them). Nothing runs before a
    /// source is [ready](Comparison::ready). Strategies beyond [`MAX_LANES`] are left out.
    pub fn new(request: Request, strategies: &[Strategy], base: LaneId) -> Comparison {
        let mut new = Comparison {
            request,
            lanes: Vec::new(),
            shown: Vec::new(),
            origins: Vec::new(),
            base,
            commands: Vec::new(),
            gone: 0,
        };
        new.arrange(strategies);
        new
    }

    /// Shows lanes of these strategies, in this order. Those that are shown already stay as they are,
    /// and only what is new is computed. Each strategy's place among those shown before, if it was
    /// there; `None` where there is no room for so many more, and nothing has changed.
    pub fn arrange(&mut self, strategies: &[Strategy]) -> Option<Vec<Option<usize>>> {
        let strategies = &strategies[..strategies.len().min(MAX_LANES)];
        // Each may bring a lane that measures with it.
        if self.lanes.len() + 2 * strategies.len() > SLOTS {
            return None;
        }
        let before = std::mem::take(&mut self.shown);
        let mut kept: Vec<Option<usize>> = Vec::new();
        for strategy in strategies {
            let same = (0..before.len()).find(|&place| {
                self.lanes[before[place]].strategy == *strategy && !kept.contains(&Some(place))
            });
            let at = match same {
                Some(place) => before[place],
                None => match self.unseen(strategy) {
                    Some(at) => at,
                    None => self.put(strategy.clone()),
                },
            };
            self.shown.push(at);
            kept.push(same);
        }
        for (place, at) in before.iter().enumerate() {
            if !kept.contains(&Some(place)) {
                self.take_away(*at);
            }
        }
        // Where a lane needs the natural length and no lane shows it, a hidden one measures it.
        for origin in 0..self.origins.len() {
            let mut lanes = self.lanes.iter().filter(|l| l.origin == origin);
            let waits = lanes.any(Lane::waits_for_natural);
            if waits && self.natural_run(origin).is_none() {
                let source = self.origins[origin].source.clone();
                self.put(Strategy::natural().by(source));
            }
            self.begin(origin);
        }
        Some(kept)
    }

    /// A lane that is not shown and does what this strategy says: it was taken away, or has measured.
    fn unseen(&self, strategy: &Strategy) -> Option<usize> {
        let is_here = |at: &usize| {
            let lane = &self.lanes[*at];
            let usable = !lane.runs.is_empty() && !lane.by_hand;
            usable && lane.strategy == *strategy && !self.shown.contains(at)
        };
        (0..self.lanes.len()).find(is_here)
    }

    /// Puts a lane behind all others; its place.
    fn put(&mut self, strategy: Strategy) -> usize {
        let origins = self.origins.iter();
        let known = origins.clone().position(|o| o.source == strategy.source);
        let origin = known.unwrap_or_else(|| {
            self.origins.push(LaneModel {
                source: strategy.source.clone(),
                model: None,
                fault: None,
            });
            self.origins.len() - 1
        });
        let at = self.lanes.len();
        let mut lane = Lane::new(strategy, origin);
        for (sample, run) in lane.runs.iter_mut().enumerate() {
            run.id = self.base + at * MAX_SAMPLES + sample;
        }
        self.lanes.push(lane);
        at
    }

    /// Ends a lane that is no longer shown, and lets its source forget it. One that shows the natural
    /// length goes on: others may need that.
    fn take_away(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        if lane.strategy.is_natural() {
            return;
        }
        if lane.began {
            let ids = self.base + at * MAX_SAMPLES;
            let forget = Command::Forget(ids..ids + MAX_SAMPLES);
            self.commands.push((lane.origin, forget));
        }
        lane.began = true;
        let runs = std::mem::take(&mut lane.runs);
        self.gone += runs.iter().map(|run| run.lane.computed).sum::<usize>();
    }

    /// Commands since the last call, each with the index of its source.
    pub fn drain(&mut self) -> Vec<(usize, Command)> {
        std::mem::take(&mut self.commands)
    }

    /// The lanes to show, in order.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.shown.iter().map(|&at| &self.lanes[at])
    }

    /// Shows another sample of the `at`-th lane shown, `step` further on in a circle. Returns false
    /// if there is no other.
    pub fn show_sample(&mut self, at: usize, step: isize) -> bool {
        let lane = self.shown.get(at).map(|&at| &mut self.lanes[at]);
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
        known.fault = None;
        self.begin(origin);
    }

    /// Starts the lanes of a source that have not begun, if it is ready, but for those that wait for the
    /// natural length.
    fn begin(&mut self, origin: usize) {
        let known = &self.origins[origin];
        if let Some(why) = known.fault.clone() {
            return self.fail(origin, &why);
        }
        if known.model.is_none() {
            return;
        }
        let mut together = Vec::new();
        let mut new = self.lanes.iter_mut();
        while let Some(lane) = new.find(|l| l.origin == origin && !l.began) {
            if let Some(limit) = lane.strategy.limit.tokens(None, &self.request.policy) {
                together.extend(lane.begin(&self.request, limit));
            }
        }
        if !together.is_empty() {
            let start = Command::StartTogether(together);
            self.commands.push((origin, start));
        }
        self.resolve(origin);
    }

    /// A source cannot be used, or is gone: its lanes say why.
    pub fn fail(&mut self, origin: usize, why: &str) {
        if let Some(known) = self.origins.get_mut(origin) {
            known.fault = Some(why.to_owned());
        }
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
        let shown = sample == lane.sample;
        let run = lane.runs.get_mut(sample)?;
        let change = run.lane.apply(event);
        run.grade(self.request.reference.as_deref());
        self.resolve(origin);
        match change {
            Change::Text(from) if shown => {
                let place = self.shown.iter().position(|shown| *shown == at)?;
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
        for lane in &mut self.lanes {
            lane.by_hand |= lane.runs.iter().any(|run| !run.lane.has_ended());
            if lane.waits_for_natural() {
                for run in &mut lane.runs {
                    run.lane.refused = Some("stopped before it began".into());
                }
            }
        }
        self.tell_each(|run| {
            let stops = run.lane.is_busy() || run.lane.state == Some(LaneState::Paused);
            stops.then_some(Command::Stop(run.id))
        });
    }

    /// Steers every sample of the `at`-th lane shown. It is computed on its own from here on.
    pub fn ask(&mut self, at: usize, ask: &Ask) {
        let Some(lane) = self.shown.get(at).map(|&at| &mut self.lanes[at]) else {
            return;
        };
        lane.by_hand = true;
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

    /// Tokens that had to be computed, those of lanes that are not shown included.
    pub fn computed(&self) -> usize {
        let runs = self.lanes.iter().flat_map(|l| &l.runs);
        self.gone + runs.map(|r| r.lane.computed).sum::<usize>()
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
