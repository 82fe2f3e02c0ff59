//! One thread that owns one model and serves lanes: commands in, events out.
//!
//! Not here: anything that draws, and the rules of budget forcing (those are
//! [`crate::thinking`]). The engine asks the state machine what comes next, and computes it.

pub mod catalog;
pub mod protocol;
