//! What outlives the program: session files.
//!
//! Not here: settings ([`crate::config`]) and models.

pub mod session;
