//! What is known of a lane from the engine's events: everybody who listens keeps a [`LaneView`].
//!
//! Not here: how anything is drawn, and what the engine itself keeps to compute a lane.

use std::collections::BTreeMap;

use crate::exit::Sight;
use crate::loops::Loop;
use crate::protocol::{Event, LaneId, LaneState, Speed};
use crate::trace::{StopReason, Trace};
use crate::tree::Probe;

/// One lane, as its events have described it.
#[derive(Clone, Debug, Default)]
pub struct LaneView {
    /// The rendered prompt.
    pub prompt: Vec<u32>,
    pub tokens: Trace,
    /// Probes along it, in the order of the text, one per place.
    pub probes: Vec<Probe>,
    /// What the rule for early exits saw, in the order of the text.
    pub sights: Vec<Sight>,
    /// Tokens that went through the model for that.
    pub looking: usize,
    /// Why it ended, once it has.
    pub stop: Option<StopReason>,
    /// What the engine is doing with it; `None` while the engine does not know it.
    pub state: Option<LaneState>,
    /// The lane it is computed with.
    pub host: Option<LaneId>,
    /// Tokens that were computed for it alone.
    pub computed: usize,
    /// Waits asked for and not used yet.
    pub pending_waits: usize,
    /// Thinking budget in force.
    pub budget: Option<usize>,
    /// Speed so far.
    pub speed: Speed,
    /// Tokens in its context.
    pub context: usize,
    /// Prompt tokens read, and in all, while they are being read.
    pub prefill: Option<(usize, usize)>,
    /// The loop it is in, if it repeats itself.
    pub repeats: Option<Loop>,
    /// Why it could not be made. One sentence.
    pub refused: Option<String>,
}

/// What an event has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// Figures about it.
    Figures,
    /// The text, from this token on.
    Text(usize),
    Probes,
    /// A loop was found.
    Repeats(Loop),
    State(LaneState),
    /// It could not be made.
    Refused,
}

impl LaneView {
    /// Takes in an event about this lane.
    pub fn apply(&mut self, event: &Event) -> Change {
        match event {
            Event::Tokens(_, delta) => {
                if self.host.is_none() {
                    self.computed += delta.tokens.len();
                }
                let kept = self.tokens.len().saturating_sub(delta.drop);
                self.probes.retain(|p| p.at <= kept);
                let seen = self.sights.partition_point(|s| s.at <= kept);
                self.sights.truncate(seen);
                return Change::Text(self.tokens.apply(delta));
            }
            Event::Probe(_, probe) => return self.put(probe),
            Event::Sight(_, sight) => {
                self.looking += sight.tokens;
                let at = self.sights.partition_point(|s| s.at < sight.at);
                self.sights.truncate(at);
                self.sights.push(sight.clone());
            }
            Event::State(_, state) => {
                self.state = Some(*state);
                if *state != LaneState::Prefill {
                    self.prefill = None;
                }
                if let LaneState::Stopped(reason) = state {
                    self.stop = Some(*reason);
                }
                return Change::State(*state);
            }
            Event::Loop(_, found) => {
                self.repeats = Some(*found);
                return Change::Repeats(*found);
            }
            Event::Refused { why, .. } => {
                self.forget_engine();
                self.refused = Some(why.clone());
                return Change::Refused;
            }
            Event::Prompt { ids, .. } => self.prompt.clone_from(ids),
            Event::Prefill { done, total, .. } => self.prefill = Some((*done, *total)),
            Event::Rides { host, .. } => self.host = *host,
            Event::PendingWaits(_, n) => self.pending_waits = *n,
            Event::Budget(_, n) => self.budget = Some(*n),
            Event::Speed(_, speed) => self.speed = *speed,
            Event::Context(_, n) => self.context = *n,
            Event::Loading(_)
            | Event::Log(_)
            | Event::Loaded(_)
            | Event::Failed(_)
            | Event::Finished { .. }
            | Event::Computed(_)
            | Event::Looked(..)
            | Event::Notice(..) => return Change::None,
        }
        Change::Figures
    }

    /// A probe made twice at one place replaces the one before.
    fn put(&mut self, probe: &Probe) -> Change {
        if probe.at > self.tokens.len() {
            return Change::None;
        }
        let at = self.probes.partition_point(|p| p.at < probe.at);
        match self.probes.get_mut(at).filter(|p| p.at == probe.at) {
            Some(old) => old.clone_from(probe),
            None => self.probes.insert(at, probe.clone()),
        }
        Change::Probes
    }

    /// A lane that begins with the first `at` tokens of this one.
    pub fn fork(&self, at: usize) -> LaneView {
        let at = at.min(self.tokens.len());
        LaneView {
            prompt: self.prompt.clone(),
            tokens: self.tokens[..at].to_vec().into(),
            probes: self.probes.iter().filter(|p| p.at <= at).cloned().collect(),
            sights: self.sights.iter().filter(|s| s.at <= at).cloned().collect(),
            budget: self.budget,
            speed: self.speed,
            ..LaneView::default()
        }
    }

    /// No engine knows it any more: what was written stays.
    pub fn forget_engine(&mut self) {
        self.state = None;
        self.pending_waits = 0;
        self.prefill = None;
    }

    /// Whether the engine reads its prompt or writes.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, Some(LaneState::Prefill | LaneState::Running))
    }

    /// Whether it will not continue by itself.
    pub fn has_ended(&self) -> bool {
        self.refused.is_some() || matches!(self.state, Some(LaneState::Stopped(_)))
    }
}

#[derive(Clone, Debug, Default)]
pub struct LaneViews(BTreeMap<LaneId, LaneView>);

impl LaneViews {
    /// Takes in an event, of whichever lane it is.
    pub fn apply(&mut self, event: &Event) -> Change {
        match event.lane() {
            Some(lane) => self.0.entry(lane).or_default().apply(event),
            None => Change::None,
        }
    }

    /// A lane, if anything was said of it.
    pub fn get(&self, lane: LaneId) -> Option<&LaneView> {
        self.0.get(&lane)
    }

    /// Puts a lane in that was known before.
    pub fn put(&mut self, lane: LaneId, view: LaneView) {
        self.0.insert(lane, view);
    }

    /// Takes a lane out.
    pub fn take(&mut self, lane: LaneId) -> Option<LaneView> {
        self.0.remove(&lane)
    }

    /// Tokens that were computed, for all of them.
    pub fn computed(&self) -> usize {
        self.0.values().map(|lane| lane.computed).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Delta, Phase, Reason, Token};

    fn tokens(ids: std::ops::Range<u32>) -> Vec<Token> {
        ids.map(|id| Token::new(id, "x", Phase::Thinking)).collect()
    }

    fn probe(at: usize, answer: &str) -> Event {
        let probe = Probe {
            at,
            answer: Some(answer.into()),
            text: answer.into(),
            correct: None,
            confidence: None,
            entropy: None,
        };
        Event::Probe(0, probe)
    }

    #[test]
    fn text_probes_and_what_was_computed_follow_the_events() {
        let mut lane = LaneView::default();
        let host = |host| Event::Rides { lane: 0, host };
        assert_eq!(lane.apply(&host(Some(7))), Change::Figures);
        let write = |tokens: Vec<Token>| Event::Tokens(0, tokens.into());
        assert_eq!(lane.apply(&write(tokens(0..4))), Change::Text(0));
        lane.apply(&host(None));
        assert_eq!(lane.apply(&write(tokens(4..6))), Change::Text(4));
        assert_eq!(lane.computed, 2, "the first four were its host's");
        for (at, answer) in [(6, "6"), (2, "2"), (6, "six")] {
            assert_eq!(lane.apply(&probe(at, answer)), Change::Probes);
        }
        assert_eq!(lane.apply(&probe(7, "beyond")), Change::None);
        let answers = |lane: &LaneView| -> Vec<String> {
            lane.probes.iter().map(|p| p.text.clone()).collect()
        };
        assert_eq!(answers(&lane), ["2", "six"]);
        assert_eq!(lane.fork(3).tokens.len(), 3);
        assert_eq!(answers(&lane.fork(3)), ["2"]);
        let edit = Delta {
            drop: 1,
            relabel: 2,
            tokens: vec![],
        };
        assert_eq!(lane.apply(&Event::Tokens(0, edit)), Change::Text(3));
        assert_eq!(
            answers(&lane),
            ["2"],
            "what was taken back takes its probes along"
        );
        let delimiter = |t: &&Token| t.reason == Some(Reason::NaturalEnd);
        assert_eq!(lane.tokens.iter().filter(delimiter).count(), 2);
    }

    #[test]
    fn an_end_is_remembered_when_the_engine_has_forgotten() {
        let mut lane = LaneView::default();
        let reading = Event::Prefill {
            lane: 0,
            done: 1,
            total: 9,
        };
        lane.apply(&Event::State(0, LaneState::Prefill));
        lane.apply(&reading);
        assert_eq!((lane.prefill, lane.is_busy()), (Some((1, 9)), true));
        let stopped = LaneState::Stopped(StopReason::EndOfTurn);
        assert_eq!(
            lane.apply(&Event::State(0, stopped)),
            Change::State(stopped)
        );
        assert_eq!((lane.prefill, lane.has_ended()), (None, true));
        lane.forget_engine();
        assert_eq!((lane.state, lane.stop), (None, Some(StopReason::EndOfTurn)));
        assert_eq!(
            lane.apply(&Event::Refused {
                lane: 0,
                why: "no room".into(),
                passing: false,
            }),
            Change::Refused
        );
        assert!(lane.has_ended());
    }
}
