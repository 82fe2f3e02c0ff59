//! Whole screens: each a state, a way to handle a key, and a draw function that only reads.

pub mod explore;
pub mod picker;
