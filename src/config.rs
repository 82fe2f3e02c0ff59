//! Settings: defaults < file < environment < flags.

mod dirs;
pub mod file;

pub use dirs::{Dirs, expand_home};
