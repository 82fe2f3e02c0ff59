//! Pieces of screens: each a small state, a way to handle a key, and a draw function that only
//! reads. All of them draw at any size, down to nothing.

pub mod bars;
pub mod chart;
pub mod confirm;
pub mod curation;
pub mod finder;
pub mod footer;
pub mod help;
pub mod input;
pub mod list;
pub mod modal;
pub mod model_picker;
pub mod overlay;
pub mod palette;
pub mod panel;
pub mod paths;
pub mod probes;
pub mod problem_picker;
pub mod prompt_line;
pub mod prose;
pub mod reader;
pub mod run_picker;
pub mod session_picker;
pub mod spark;
pub mod table;
pub mod tabs;
pub mod trace;
pub mod what_if;
