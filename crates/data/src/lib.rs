//! Files from outside, and text made fit for a terminal.
//!
//! Not here: what the fields of a record mean, and what is in a model file.

pub mod assets;
pub mod contained;
pub mod files;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod hub;
pub mod models;
pub mod records;
pub mod sanitize;
