//! `s1-tui`: a terminal instrument for test-time compute.
//!
//! This package is the program: the headless commands, the settings and the screens. What they
//! stand on are the crates below `crates/`; what each of them may use is in its manifest.

pub mod cli;
pub mod config;
mod log;
pub mod tui;
