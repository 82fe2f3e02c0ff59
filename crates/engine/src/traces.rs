//! The traces of lanes, put together from the engine's events: what every listener needs.

use std::collections::BTreeMap;

use s1_core::protocol::{Event, LaneId};
use s1_core::trace::{Phase, Reason, Token};

/// The traces of all lanes that were told of.
#[derive(Clone, Debug, Default)]
pub struct Traces(BTreeMap<LaneId, Vec<Token>>);

impl Traces {
    /// Takes in an event. Those that are not about tokens change nothing.
    pub fn follow(&mut self, event: &Event) {
        match event {
            Event::Prompt { lane, .. } => {
                self.0.insert(*lane, Vec::new());
            }
            Event::Tokens {
                lane,
                drop,
                relabel,
                tokens,
            } => {
                let trace = self.0.entry(*lane).or_default();
                trace.truncate(trace.len().saturating_sub(*drop));
                let from = trace.len().saturating_sub(*relabel);
                for token in &mut trace[from..] {
                    token.phase = Phase::Answer;
                    token.reason = Some(Reason::NaturalEnd);
                }
                trace.extend_from_slice(tokens);
            }
            _ => {}
        }
    }

    /// What a lane has written so far.
    pub fn get(&self, lane: LaneId) -> &[Token] {
        self.0.get(&lane).map_or(&[], Vec::as_slice)
    }

    /// Forgets a lane.
    pub fn forget(&mut self, lane: LaneId) {
        self.0.remove(&lane);
    }
}
