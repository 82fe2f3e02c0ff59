//! Engine events: what they change, and when they are a reason to save.

use super::live::Change;
use super::{App, Model, Tone};
use crate::tui::sanitize::clean_line;
use s1_core::protocol::{Command, Event, LaneState};
use s1_data::hub::Download;

impl App {
    pub(super) fn take_event(&mut self, event: Event) {
        match event {
            Event::Loading(share) => self.model = Model::Loading(share),
            Event::Loaded(info) => {
                if !info.warnings.is_empty() {
                    self.refuse(info.warnings.join(" "));
                }
                self.model = Model::Ready(info);
                self.compare_queued();
                self.ask_queued();
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
            Event::Notice(lane, sentence) => {
                if self.live.as_ref().is_some_and(|l| lane >= l.base) {
                    self.refuse(clean_line(&sentence).into_owned());
                }
            }
            Event::Refused(lane, sentence) => self.lane_refused(lane, &sentence),
            event => self.change_live(event),
        }
    }

    /// A lane that could not be made: its branch stays as text, without the engine.
    fn lane_refused(&mut self, lane: usize, sentence: &str) {
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let Some(known) = lane
            .checked_sub(live.base)
            .and_then(|id| live.lanes.get_mut(id))
        else {
            return;
        };
        known.state = None;
        known.prefill = None;
        self.refuse(clean_line(sentence).into_owned());
    }

    fn change_live(&mut self, event: Event) {
        let repeats = matches!(event, Event::Loop { .. });
        let Some(live) = self.live.as_mut() else {
            return;
        };
        match live.apply(event) {
            Change::None | Change::Seen | Change::Text => {}
            Change::Rest => {
                while let Some((lane, until)) = live.next_step() {
                    self.commands.push(Command::Run(lane, until));
                }
                self.keep();
            }
        }
        let shown = self.live.as_ref().map(|l| l.lane());
        if let Some((period, times)) = shown.and_then(|l| l.repeats).filter(|_| repeats) {
            self.say(
                Tone::Warning,
                format!("It repeats itself: {times} times the same {period} tokens."),
            );
        }
    }

    /// A download from the hub goes on, or has ended.
    pub fn on_fetching(&mut self, download: Option<Download>) {
        self.fetching = download;
    }

    /// Another model takes over, or none: what the old engine knew is gone.
    pub fn on_model_change(&mut self, loading: bool) {
        self.keep_now();
        self.compare_lost("another model was loaded; r asks again");
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
        let writes = |state: &Option<LaneState>| {
            matches!(state, Some(LaneState::Running | LaneState::Prefill))
        };
        matches!(self.model, Model::Loading(_))
            || self
                .live
                .as_ref()
                .is_some_and(|l| l.lanes.iter().any(|lane| writes(&lane.state)))
    }
}
