//! Lanes of one question that are computed once for as long as they agree.
//!
//! A lane that *rides* on another, its host, has rules and a trace of its own but no cache: at
//! every position it is asked what it would do, and as long as that is what its host does, the
//! host's token is its token too. The first time they differ (a budget reached, a wait that one of
//! them is due, another draw) the rider takes a copy of what the host has computed and goes its own
//! way; riders that still agree with each other leave together. So lanes that differ only in
//! budget, waits, wait text or seed never compute the same token twice, whatever their rules are.
//!
//! Invariants: a rider's prompt, trace and state are its host's; it has no cache, no logits and
//! nothing pending; its host rides on nobody.

use super::{Gone, Worker};
use s1_core::forcing::ForcingDecision;
use s1_core::protocol::{Event, LaneId, LaneState, Request};

impl Worker<'_> {
    /// Starts lanes that ride together as long as they agree; the first of each prompt is host.
    pub(super) fn start_together(&mut self, lanes: Vec<(LaneId, Request)>) -> Result<(), Gone> {
        let mut hosts: Vec<LaneId> = Vec::new();
        for (id, request) in lanes {
            self.start(id, request, Vec::new(), true)?;
            let Some(lane) = self.lanes.get(&id) else {
                continue;
            };
            let same = |host: &&LaneId| {
                self.lanes
                    .get(host)
                    .is_some_and(|h| h.prompt == lane.prompt)
            };
            match hosts.iter().find(same).copied() {
                Some(host) => self.ride(id, host)?,
                None => hosts.push(id),
            }
        }
        Ok(())
    }

    fn ride(&mut self, id: LaneId, host: LaneId) -> Result<(), Gone> {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.host = Some(host);
            lane.pending.clear();
        }
        let host = Some(host);
        self.tell(Event::Rides { lane: id, host })
    }

    /// The lanes that ride on this one.
    pub(super) fn riders(&self, host: LaneId) -> Vec<LaneId> {
        let lanes = self.lanes.iter();
        lanes
            .filter(|(_, lane)| lane.host == Some(host))
            .map(|(&id, _)| id)
            .collect()
    }

    /// Gives a rider a copy of what its host has computed; it rides no more.
    fn leave(&mut self, id: LaneId) -> Result<(), Gone> {
        let context = self.model.context;
        let Some(host) = self.lanes.get_mut(&id).and_then(|lane| lane.host.take()) else {
            return Ok(());
        };
        let mut failed = None;
        let full = self.is_full();
        if let Some(mut lane) = self.lanes.remove(&id) {
            let place = host;
            if let Some(host) = self.lanes.get(&host) {
                // A lane that has to wait for its turn needs no memory before.
                let held = host.cache.as_ref().filter(|_| full).map(|c| c.len());
                lane.donor = held.map(|held| (place, held));
                lane.waiting = held.is_some();
                let copied = host.cache.as_ref().filter(|_| !full);
                let copy = copied.map(|c| c.fork(c.len(), context));
                match copy.transpose() {
                    Ok(cache) => {
                        lane.cache = cache;
                        lane.pending = host.pending.clone();
                        lane.logits = host.logits.clone();
                    }
                    Err(error) => {
                        lane.give_up_cache();
                        failed = Some(error);
                    }
                }
                lane.unscored = host.unscored;
                lane.announced = host.announced;
                lane.dropped = host.dropped;
                lane.text = host.text.clone();
                lane.until = host.until;
                lane.clock = host.clock.clone();
                lane.used = self.clock;
            }
            self.lanes.insert(id, lane);
        }
        if let Some(error) = failed {
            self.notice(id, error)?;
        }
        let host = None;
        self.tell(Event::Rides { lane: id, host })
    }

    /// Riders that decide otherwise than their host leave, each kind of decision as one group;
    /// returns the new hosts and what they decided.
    fn part<D: PartialEq>(&mut self, others: Vec<(LaneId, D)>) -> Result<Vec<(LaneId, D)>, Gone> {
        let mut leaders: Vec<(LaneId, D)> = Vec::new();
        for (id, decision) in others {
            match leaders.iter().find(|(_, other)| *other == decision) {
                Some(&(leader, _)) => self.ride(id, leader)?,
                None => {
                    self.leave(id)?;
                    leaders.push((id, decision));
                }
            }
        }
        Ok(leaders)
    }

    /// Before a lane is steered: it neither rides nor is ridden on afterwards.
    pub(super) fn alone(&mut self, id: LaneId) -> Result<(), Gone> {
        self.leave(id)?;
        let riders = self.riders(id).into_iter().map(|r| (r, ())).collect();
        self.part(riders).map(|_| ())
    }

    /// Riders that would not do next what their host does leave it.
    pub(super) fn part_by_next(&mut self, host: LaneId) -> Result<(), Gone> {
        let riders = self.riders(host);
        let Some(next) = self.lanes.get(&host).map(|lane| lane.machine.next()) else {
            return Ok(());
        };
        let others = riders.into_iter().filter_map(|id| {
            let theirs = self.lanes.get(&id)?.machine.next();
            (theirs != next).then_some((id, theirs))
        });
        let others = others.collect();
        self.part(others).map(|_| ())
    }

    /// What becomes of the host's `token`, and of the tokens its riders would draw in its place:
    /// those that agree stay; the others have left, and are returned with token and verdict.
    #[allow(clippy::type_complexity)]
    pub(super) fn part_by_verdict(
        &mut self,
        host: LaneId,
        token: u32,
        mask: &[u32],
    ) -> Result<
        (
            Option<ForcingDecision>,
            Vec<(LaneId, (u32, ForcingDecision))>,
        ),
        Gone,
    > {
        let mut others = Vec::new();
        let Some(lane) = self.lanes.get_mut(&host) else {
            return Ok((None, others));
        };
        let (text, _) = lane.text_of(&self.model, token);
        let verdict = lane.machine.decide(token, &text);
        for id in self.riders(host) {
            let Some(rider) = self.lanes.get(&id) else {
                continue;
            };
            let Some(lane) = self.lanes.get(&host) else {
                continue;
            };
            let own = (&rider.request.sampling, rider.request.sample);
            let theirs = if own == (&lane.request.sampling, lane.request.sample) {
                token
            } else {
                match self.draw(lane, own.0, own.1, mask) {
                    Ok(theirs) => theirs,
                    // Its sampling is at fault: it says so itself, on its own.
                    Err(_) => {
                        self.leave(id)?;
                        continue;
                    }
                }
            };
            let (text, _) = lane.text_of(&self.model, theirs);
            let Some(rider) = self.lanes.get_mut(&id) else {
                continue;
            };
            let theirs = (theirs, rider.machine.decide(theirs, &text));
            if theirs != (token, verdict.clone()) {
                others.push((id, theirs));
            }
        }
        let others = self.part(others)?;
        Ok((Some(verdict), others))
    }

    /// Gives the riders what was just written to their host: everything after `base` is new; if
    /// something was `taken_back`, what precedes it has changed, too.
    pub(super) fn mirror(&mut self, host: LaneId, base: usize, taken_back: bool) {
        for id in self.riders(host) {
            let Some(mut rider) = self.lanes.remove(&id) else {
                continue;
            };
            if let Some(lane) = self.lanes.get(&host) {
                let base = base.min(lane.tokens.len());
                if taken_back {
                    rider.tokens = lane.tokens[..base].to_vec();
                    rider.machine.take_back(&rider.tokens);
                }
                for token in &lane.tokens[base..] {
                    rider.machine.push(token);
                    rider.tokens.push(token.clone());
                }
            }
            self.lanes.insert(id, rider);
        }
    }

    /// Gives the riders the scores of their host's tokens from `from` on.
    pub(super) fn mirror_scores(&mut self, host: LaneId, from: usize) {
        for id in self.riders(host) {
            let Some(mut rider) = self.lanes.remove(&id) else {
                continue;
            };
            if let Some(lane) = self.lanes.get(&host) {
                rider.tokens.truncate(from);
                let scored = lane.tokens.get(rider.tokens.len()..).unwrap_or_default();
                rider.tokens.extend(scored.iter().cloned());
            }
            self.lanes.insert(id, rider);
        }
    }

    /// The riders are in the state of their host, and have ended where it has.
    pub(super) fn mirror_state(&mut self, host: LaneId, state: LaneState) -> Result<(), Gone> {
        let Some(until) = self.lanes.get(&host).map(|lane| lane.until) else {
            return Ok(());
        };
        for id in self.riders(host) {
            if let Some(rider) = self.lanes.get_mut(&id) {
                rider.state = state;
                rider.until = until;
                if matches!(state, LaneState::Stopped(_)) {
                    rider.host = None;
                    rider.give_up_cache();
                }
            }
            self.tell(Event::State(id, state))?;
        }
        Ok(())
    }
}
