//! Engine events: what they change, and when they are a reason to save.

use super::{App, Model};
use crate::tui::sanitize::clean_line;
use s1_core::loops::Loop;
use s1_core::protocol::{Event, LaneState};
use s1_core::trace::Reason;
use s1_core::view::Change;

impl App {
    /// Takes an engine event in.
    pub fn on_event(&mut self, event: Event) {
        match event {
            Event::Loading(share) => self.model = Model::Loading(share),
            Event::Log(line) => self.tell(clean_line(&line).into_owned()),
            Event::Loaded(info) => {
                if !info.warnings.is_empty() {
                    self.refuse(info.warnings.join(" "));
                }
                self.model = Model::Ready(info);
                self.on_tour_model();
                if self.compare.queued {
                    self.compare_now();
                }
                if self.queued {
                    self.ask();
                }
            }
            Event::Failed(sentence) => {
                // With nothing else on screen, the screen itself says it.
                if let Some(live) = self.live.as_mut() {
                    live.forget_lanes();
                    self.refuse(sentence.clone());
                }
                self.compare_lost(&sentence);
                self.model = Model::Failed(sentence);
            }
            event if self.compare_event(&event) => {}
            event if self.what_if_event(&event) => {}
            Event::Notice(lane, sentence) => {
                if self.live.as_ref().is_some_and(|l| lane >= l.base) {
                    self.probing = None;
                    self.refuse(clean_line(&sentence).into_owned());
                }
            }
            event => self.change_live(&event),
        }
    }

    /// A lane that could not be made stays as text, without the engine.
    fn change_live(&mut self, event: &Event) {
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let exit = live.request.policy.exit;
        let shown = event.lane() == Some(live.shown_lane());
        match (live.apply(event), event) {
            (Change::Refused, Event::Refused { why: sentence, .. }) => {
                self.refuse(clean_line(sentence).into_owned());
            }
            (Change::Probes, Event::Probe(lane, _)) if shown && self.probing.is_some() => {
                self.probe_next(*lane);
            }
            (Change::Repeats(Loop { period, repeats }), _) if shown => self.refuse(format!(
                "It repeats itself: {repeats} times the same {period} tokens."
            )),
            // Between two beats nothing has come to rest.
            (Change::State(LaneState::Paused), _) if self.is_busy() => {}
            (Change::State(LaneState::Paused | LaneState::Stopped(_)), _) => {
                self.keep();
            }
            (Change::Text(_), Event::Tokens(_, delta)) if shown => {
                let left = delta
                    .tokens
                    .first()
                    .is_some_and(|t| t.reason == Some(Reason::Exit));
                if left && let Some(live) = self.live.as_ref() {
                    let why = exit.why(&live.lane().sights);
                    self.tell(format!(
                        "Early exit, {}: {}.",
                        exit.name(),
                        clean_line(&why)
                    ));
                }
            }
            _ => {}
        }
    }

    /// Another model takes over, or none: what the old engine knew is gone.
    pub fn on_model_change(&mut self, loading: bool) {
        self.keep_now();
        self.compare_lost("another model was loaded; A asks again");
        self.what_if = None;
        if let Some(live) = self.live.as_mut() {
            live.forget_lanes();
        }
        self.model = if loading {
            Model::Loading(0.0)
        } else {
            Model::None
        };
    }

    /// Whether anything moves on the screen by itself: the engine writes, reads or loads.
    pub fn is_busy(&self) -> bool {
        matches!(self.model, Model::Loading(_))
            || self
                .live
                .as_ref()
                .is_some_and(|l| l.branches.iter().any(|branch| branch.is_busy()))
    }
}
