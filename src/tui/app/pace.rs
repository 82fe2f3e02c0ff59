//! The pace at which a thought is written, so that it can be read and steered: a small model writes
//! thousands of tokens per second.
//!
//! A branch at a pace is run some tokens at a time, from beat to beat; when beats are due is for the
//! event loop to see. Not paced are the lanes of a comparison, sweeps, and everything without a screen.

use std::path::Path;
use std::time::Duration;

use super::App;
use s1_core::protocol::{Command, LaneState, Until};
use s1_data::assets;

/// Tokens per second at which a thought of the bundled models can be read along.
const READING: usize = 20;
/// What the keys walk through; none is no limit.
const STEPS: [usize; 9] = [1, 2, 5, 10, 20, 40, 80, 160, 320];
/// Beats per second at most. Screens are drawn 30 times a second, and what an engine says is heard
/// as often.
const BEATS: usize = 20;

impl App {
    /// Tokens per second; `None` is no limit.
    pub fn pace(&self) -> Option<usize> {
        let bundled = |path: &Path| assets::model(path).is_some();
        match self.pace {
            Some(0) => None,
            Some(pace) => Some(pace),
            None => (self.model_path.as_deref().is_some_and(bundled)).then_some(READING),
        }
    }

    /// How far a branch that is to go on is run now, and whether that is a part of its way.
    pub(super) fn stretch(&self) -> (Until, bool) {
        match self.pace() {
            Some(pace) => (Until::Tokens(pace.div_ceil(BEATS)), true),
            None => (Until::End, false),
        }
    }

    /// How long after the last beat the next one is due; `None` while nothing waits for one.
    pub fn beat(&self) -> Option<Duration> {
        let pace = self.pace()?;
        let live = self.live.as_ref()?;
        let rests =
            |b: &super::live::LiveBranch| b.paced && b.lane.state == Some(LaneState::Paused);
        let tokens = pace.div_ceil(BEATS) as f64;
        live.branches
            .iter()
            .any(rests)
            .then(|| Duration::from_secs_f64(tokens / pace as f64))
    }

    /// A beat: what is written at a pace goes on a bit.
    pub fn on_beat(&mut self) {
        let (until, _) = self.stretch();
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let base = live.base;
        for (id, branch) in live.branches.iter_mut().enumerate() {
            if branch.paced && branch.lane.state == Some(LaneState::Paused) {
                branch.lane.state = Some(LaneState::Running);
                self.commands.push(Command::Run(base + id, until));
            }
        }
    }

    /// The next pace, faster or slower; it holds for what is being written, too.
    pub(super) fn change_pace(&mut self, faster: bool) {
        let next = match (self.pace(), faster) {
            (None, true) => None,
            (None, false) => STEPS.last().copied(),
            (Some(now), true) => STEPS.into_iter().find(|step| *step > now),
            (Some(now), false) => STEPS.into_iter().rev().find(|step| *step < now).or(Some(1)),
        };
        self.pace = Some(next.unwrap_or(0));
        self.tell(match next {
            Some(1) => "Pace: 1 token per second.".to_owned(),
            Some(n) => format!("Pace: {n} tokens per second."),
            None => "Pace: as fast as the model can.".to_owned(),
        });
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let base = live.base;
        for (id, branch) in live.branches.iter_mut().enumerate() {
            match (branch.paced, next) {
                (true, None) => {
                    branch.paced = false;
                    branch.lane.state = Some(LaneState::Running);
                    self.commands.push(Command::Run(base + id, Until::End));
                }
                (false, Some(_)) if branch.is_busy() => {
                    branch.paced = true;
                    self.commands.push(Command::Pause(base + id));
                }
                _ => {}
            }
        }
    }
}
