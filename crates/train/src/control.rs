//! Orders on their way to a running trainer.
//!
//! Not here: what a trainer does about an order, and how one crosses from process to process.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use s1_core::training::TrainOrder;

/// What a trainer looks at between two steps; orders may come from any thread.
#[derive(Debug)]
pub struct TrainControl {
    next: AtomicU8,
    /// Bits of the factor on the scheduled learning rate.
    rate: AtomicU64,
}

/// What a trainer does after its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NextMove {
    /// The next step.
    Go,
    /// Nothing, until it is told otherwise.
    Pause,
    Stop,
    /// A checkpoint, and then the next step.
    Save,
}

impl NextMove {
    fn from_bits(bits: u8) -> NextMove {
        let all = [Self::Go, Self::Pause, Self::Stop, Self::Save];
        let found = all.into_iter().find(|next| *next as u8 == bits);
        found.unwrap_or(NextMove::Go)
    }
}

impl Default for TrainControl {
    fn default() -> Self {
        Self {
            next: AtomicU8::new(NextMove::Go as u8),
            rate: AtomicU64::new(1f64.to_bits()),
        }
    }
}

impl TrainControl {
    /// Passes an order on. A stop is final; a pause is not forgotten for a checkpoint.
    /// [`TrainOrder::Kill`] is for the owner of the process: to a trainer it is a stop.
    pub fn order(&self, order: TrainOrder) {
        match order {
            TrainOrder::Pause => self.put(NextMove::Pause, |now| now != NextMove::Stop),
            TrainOrder::Resume => self.put(NextMove::Go, |now| now != NextMove::Stop),
            TrainOrder::Stop | TrainOrder::Kill => self.put(NextMove::Stop, |_| true),
            TrainOrder::Save => self.put(NextMove::Save, |now| now == NextMove::Go),
            TrainOrder::Rate(factor) => self.rate.store(factor.to_bits(), Ordering::Relaxed),
        }
    }

    /// The factor on the scheduled learning rate.
    pub(crate) fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }

    /// What is to be done now.
    pub(crate) fn next(&self) -> NextMove {
        NextMove::from_bits(self.next.load(Ordering::Relaxed))
    }

    /// The checkpoint that was asked for is written.
    pub(crate) fn saved(&self) {
        self.put(NextMove::Go, |now| now == NextMove::Save);
    }

    fn put(&self, next: NextMove, over: impl Fn(NextMove) -> bool) {
        let _ = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                over(NextMove::from_bits(now)).then_some(next as u8)
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_not_forgotten_for_a_pause_nor_a_pause_for_a_checkpoint() {
        let control = TrainControl::default();
        control.order(TrainOrder::Save);
        assert_eq!(control.next(), NextMove::Save);
        control.saved();
        assert_eq!(control.next(), NextMove::Go);
        control.order(TrainOrder::Pause);
        control.order(TrainOrder::Save);
        assert_eq!(control.next(), NextMove::Pause);
        control.order(TrainOrder::Resume);
        assert_eq!(control.next(), NextMove::Go);
        control.order(TrainOrder::Stop);
        control.order(TrainOrder::Pause);
        control.order(TrainOrder::Resume);
        control.saved();
        assert_eq!(control.next(), NextMove::Stop);
    }
}
