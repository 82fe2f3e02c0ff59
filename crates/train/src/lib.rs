//! Supervised fine-tuning: the recipe of s1 on the user's own machine.
//!
//! | module | subject |
//! |---|---|
//! | [`trainer`] | the interface: settings in, events out, orders while it runs |
//! | [`control`] | orders on their way to a trainer |
//! | [`prepare`] | which trainer runs: from settings to a [`Trainer`] |
//! | [`native`] | the trainer of this program: data, layers with a backward pass, optimiser, export |
//!
//! The types that pass through the interface are in [`s1_core::training`]. Where else a training
//! is found: `s1-store` records it (`training`, `db::trainings`), `s1-lab` runs it as a process of
//! its own and asks the model questions meanwhile (`training`), and the program shows it
//! (`cli::train`, `cli::trainings`, `tui::app::train`, `tui::screens::train`).
//!
//! Not here: generating text, which is the engine's.

pub mod control;
pub mod native;
mod prepare;
pub mod trainer;

pub use control::TrainControl;
pub use prepare::{checkpoints, prepare, resolved};
pub use s1_core::training::ExamplePiece;
pub use trainer::{CheckpointFile, Product, TrainOutcome, Trainer};
