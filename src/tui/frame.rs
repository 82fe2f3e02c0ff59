//! When to draw: on demand, at once if idle, at most 30 times a second.
//!
//! Pure: time is passed in. Not here: drawing, sleeping, tasks.

use std::time::{Duration, Instant};

/// Time between two frames: 30 a second. A thought reads no better at 60, and on two cores the
/// frames saved are tokens gained.
pub const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// Merges requests to draw, so that a stream of tokens costs one frame per interval.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// When the last frame was drawn.
    last: Option<Instant>,
    /// Whether something changed since.
    wanted: bool,
}

impl Frames {
    /// Something changed; any number of calls before the next frame count as one.
    pub fn request(&mut self) {
        self.wanted = true;
    }

    /// How long to wait before drawing: zero is now, `None` is until someone asks.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        if !self.wanted {
            return None;
        }
        let since = self.last.map(|last| now.saturating_duration_since(last));
        Some(since.map_or(Duration::ZERO, |since| INTERVAL.saturating_sub(since)))
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
        self.wanted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_is_drawn_unless_something_changed() {
        let now = Instant::now();
        let mut frames = Frames::default();
        assert_eq!(frames.wait(now), None);
        frames.request();
        frames.drawn(now);
        assert_eq!(frames.wait(now + 1000 * MS), None);
    }

    #[test]
    fn an_idle_screen_answers_a_key_at_once() {
        let now = Instant::now();
        let mut frames = Frames::default();
        frames.request();
        assert_eq!(frames.wait(now), Some(Duration::ZERO));
        frames.drawn(now);
        frames.request();
        assert_eq!(frames.wait(now + 1000 * MS), Some(Duration::ZERO));
    }

    #[test]
    fn a_second_of_tokens_costs_at_most_thirty_frames() {
        let start = Instant::now();
        let mut frames = Frames::default();
        let mut drawn = 0;
        for tick in 0..10_000 {
            let now = start + tick * MS / 10;
            frames.request();
            if frames.wait(now) == Some(Duration::ZERO) {
                frames.drawn(now);
                drawn += 1;
            }
        }
        assert!((29..=30).contains(&drawn), "{drawn} frames");
    }

    #[test]
    fn the_wait_is_the_rest_of_the_interval() {
        let now = Instant::now();
        let mut frames = Frames::default();
        frames.drawn(now);
        frames.request();
        assert_eq!(frames.wait(now + 10 * MS), Some(INTERVAL - 10 * MS));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_stop_the_screen() {
        let now = Instant::now();
        let mut frames = Frames::default();
        frames.drawn(now + 500 * MS);
        frames.request();
        assert_eq!(frames.wait(now), Some(INTERVAL));
    }
}
