//! For tests from outside: what is inside the engine, where hostile bytes reach it.
//!
//! Not here: anything that the program itself uses.

pub use super::server::read_events;
