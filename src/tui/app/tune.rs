//! Tuning a thought while it runs: budget, probes, wait text.

use super::App;
use super::live::Live;
use s1_core::protocol::{Command, LaneId};

impl App {
    /// The question on screen and the engine's lane of its branch, if the engine knows that.
    pub(super) fn sent(&self) -> Option<(&Live, LaneId)> {
        let live = self.live.as_ref().filter(|live| live.branch().sent)?;
        Some((live, live.shown_lane()))
    }

    /// Raises or lowers the thinking budget, of the thought on screen and of the next question.
    pub(super) fn change_budget(&mut self, up: bool) {
        let live = self.sent().filter(|(live, _)| !live.thought_is_over());
        let context = self.info().map_or(usize::MAX, |info| info.context);
        let lane = live.map(|(_, lane)| lane);
        let now = match live {
            Some((live, _)) => live.lane().budget,
            None => self.request.policy.max_thinking,
        };
        let from = now.unwrap_or(context.min(1 << 20));
        if now.is_some() && !is_step(from) {
            self.own_budget = now;
        }
        let next = next_budget(from, up, self.own_budget);
        let budget = Some(next).filter(|&n| n < context);
        self.request.policy.max_thinking = budget;
        match (lane, budget) {
            (Some(lane), _) => self.send(Command::Budget(lane, budget)),
            (None, Some(n)) => self.tell(format!("The next question may think {n} tokens.")),
            (None, None) => self.tell("The next question may think as long as the context allows."),
        }
    }

    /// Asks what the model would answer if it were cut at the cursor.
    pub(super) fn probe(&mut self) {
        let at = self.live.as_ref().and_then(|l| {
            let end = l.thought_end();
            let over = l.thought_is_over().then_some(end);
            l.branch().view.cursor().map(|c| c.min(end)).or(over)
        });
        if let Some(lane) = self.lane() {
            self.send(Command::Probe(lane, at));
        }
    }

    /// Probes by itself every few tokens, on and off.
    pub(super) fn toggle_probes(&mut self) {
        /// Often enough to see a flip, seldom enough not to slow the thought down.
        const EVERY: usize = 16;
        let every = match self.request.probe_every {
            Some(_) => None,
            None => Some(EVERY),
        };
        self.request.probe_every = every;
        self.tell(match every {
            Some(n) => format!("Probing every {n} thinking tokens."),
            None => "Probing only when you ask.".to_owned(),
        });
        if let Some((_, lane)) = self.sent() {
            self.send(Command::ProbeEvery(lane, every));
        }
    }

    /// Sets the wait text, of the thought on screen and of the next question.
    pub(super) fn set_wait_text(&mut self, text: &str) {
        self.request.policy.wait_text = text.to_owned();
        if let Some((_, lane)) = self.sent() {
            self.send(Command::WaitText(lane, text.to_owned()));
        }
        if let Some(live) = self.live.as_mut() {
            live.request.policy.wait_text = text.to_owned();
        }
    }
}

/// The next nice budget, or the user's own where that lies between.
fn next_budget(now: usize, up: bool, own: Option<usize>) -> usize {
    let next = next_step(now, up);
    let between = |own: &usize| match up {
        true => (now + 1..next).contains(own),
        false => (next + 1..now).contains(own),
    };
    own.filter(between).unwrap_or(next)
}

/// Whether the keys come by this budget.
fn is_step(budget: usize) -> bool {
    next_step(next_step(budget, true), false) == budget
}

/// The next nice budget: steps of 32 up to 256, then of a quarter of the power of two below.
fn next_step(now: usize, up: bool) -> usize {
    let step = |n: usize| (n.max(1).ilog2().saturating_sub(2)).max(5);
    if up {
        let step = 1usize << step(now);
        (now / step + 1).saturating_mul(step)
    } else {
        let step = 1usize << step(now.saturating_sub(1));
        (now.saturating_sub(1) / step * step).max(32)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_step, next_budget, next_step};

    #[test]
    fn budgets_step_nicely_and_back() {
        let mut up = vec![32];
        while up[up.len() - 1] < 2048 {
            up.push(next_step(up[up.len() - 1], true));
        }
        assert_eq!(
            &up[..12],
            [32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512]
        );
        assert_eq!(&up[12..], [640, 768, 896, 1024, 1280, 1536, 1792, 2048]);
        let mut down = vec![2048];
        while down[down.len() - 1] > 32 {
            down.push(next_step(down[down.len() - 1], false));
        }
        down.reverse();
        assert_eq!(up, down, "minus undoes plus");
        assert_eq!(next_step(0, false), 32);
        assert_eq!(next_step(61, true), 64);
        assert_eq!(next_step(61, false), 32);
        assert!(next_step(usize::MAX, true) >= 1 << 60);
    }

    /// A user would lose: the budget they set, by trying another one.
    #[test]
    fn an_own_budget_is_come_by_again() {
        assert!(is_step(6144) && !is_step(6000));
        let lower = next_budget(6000, false, Some(6000));
        assert_eq!(lower, 5120);
        assert_eq!(next_budget(lower, true, Some(6000)), 6000);
        assert_eq!(next_budget(6000, true, Some(6000)), 6144);
        assert_eq!(next_budget(6144, false, Some(6000)), 6000);
    }
}
