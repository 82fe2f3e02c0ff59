//! What passes between a run and whoever watches it: events one way, orders the other.
//!
//! Not here: what a run does about an order ([`super::run`]), and how either crosses from one
//! process to another.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use serde::Serialize;

/// What happens, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step is done.
    Step(Step),
    /// The loss on held-out data.
    Eval {
        /// Steps done.
        step: usize,
        /// Mean loss.
        loss: f64,
    },
    /// It holds, until it is told to go on.
    Paused {
        /// Steps done.
        step: usize,
    },
    /// It goes on after a pause.
    Resumed {
        /// Steps done.
        step: usize,
    },
    /// A checkpoint is on the disk.
    Saved {
        /// Steps done.
        step: usize,
        /// The file.
        path: PathBuf,
    },
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Steps done, this one included.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Pass over the data, from 1.
    pub epoch: usize,
    /// Mean loss of the step's targets, before the update.
    pub loss: f64,
    /// Learning rate.
    pub lr: f64,
    /// Norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// Tokens a second.
    pub tok_s: f64,
    /// Seconds to go.
    pub eta_s: f64,
}

/// What may be asked of a run while it goes on.
#[derive(Debug)]
pub struct Control {
    order: AtomicU8,
    /// Bits of the factor on the scheduled learning rate.
    rate: AtomicU64,
}

/// What a run does after its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    /// The next step.
    Go,
    /// Nothing, until it is told otherwise.
    Pause,
    /// It ends.
    Stop,
    /// A checkpoint, and then the next step.
    Save,
}

impl Order {
    fn from_bits(bits: u8) -> Order {
        let all = [Order::Go, Order::Pause, Order::Stop, Order::Save];
        all.into_iter()
            .find(|o| *o as u8 == bits)
            .unwrap_or(Order::Go)
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            order: AtomicU8::new(Order::Go as u8),
            rate: AtomicU64::new(1f64.to_bits()),
        }
    }
}

impl Control {
    /// Holds after the step, or goes on. Who was told to stop stops all the same.
    pub fn pause(&self, pause: bool) {
        let order = if pause { Order::Pause } else { Order::Go };
        self.put(order, |now| now != Order::Stop);
    }

    /// Finishes the step, writes a checkpoint, and ends.
    pub fn stop(&self) {
        self.put(Order::Stop, |_| true);
    }

    /// Writes a checkpoint after the step. A stop or a pause that was asked for meanwhile is not
    /// forgotten for this.
    pub fn save(&self) {
        self.put(Order::Save, |now| now == Order::Go);
    }

    /// Multiplies the scheduled learning rate from the next step on.
    pub fn rate(&self, factor: f64) {
        self.rate.store(factor.to_bits(), Ordering::Relaxed);
    }

    /// The factor on the scheduled learning rate.
    pub(super) fn factor(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }

    /// What is to be done now.
    pub(super) fn order(&self) -> Order {
        Order::from_bits(self.order.load(Ordering::Relaxed))
    }

    /// The checkpoint that was asked for is written.
    pub(super) fn saved(&self) {
        self.put(Order::Go, |now| now == Order::Save);
    }

    fn put(&self, order: Order, over: impl Fn(Order) -> bool) {
        let _ = self
            .order
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                over(Order::from_bits(now)).then_some(order as u8)
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_not_forgotten_for_a_pause_nor_a_pause_for_a_checkpoint() {
        let control = Control::default();
        control.save();
        assert_eq!(control.order(), Order::Save);
        control.saved();
        assert_eq!(control.order(), Order::Go);
        control.pause(true);
        control.save();
        assert_eq!(control.order(), Order::Pause);
        control.pause(false);
        assert_eq!(control.order(), Order::Go);
        control.stop();
        control.pause(true);
        control.pause(false);
        control.saved();
        assert_eq!(control.order(), Order::Stop);
    }
}
