//! A bound on the work one comparison may do, so that hostile answers end in bounded time.

use std::cell::Cell;

/// How many units of work one comparison may do; a unit is some microseconds. Real answers
/// need a few hundred.
const UNITS: u64 = 20_000;

/// The work a comparison has left.
#[derive(Debug)]
pub struct WorkBudget(Cell<u64>);

impl WorkBudget {
    pub fn new() -> Self {
        Self(Cell::new(UNITS))
    }

    /// Spends `units`; `None` when that is more than is left, and then nothing is left.
    pub fn spend(&self, units: u64) -> Option<()> {
        let left = self.0.get().checked_sub(units);
        self.0.set(left.unwrap_or(0));
        left.map(drop)
    }
}
