//! Supervised fine-tuning: the recipe of s1 on the user's own machine.
//!
//! | module | subject |
//! |---|---|
//! | [`trainer`] | the interface: settings in, events out, orders while it runs |
//! | [`control`] | orders on their way to a trainer |
//! | [`prepare`](mod@prepare) | which trainer runs: from settings to a [`Trainer`] |
//! | `material` | what every trainer begins with: the base, the examples, their order |
//! | `data`, `batches`, `scratch` | parts of that: records as tokens, steps, a base with random weights |
//! | [`native`] | the trainer of this program: layers with a backward pass, optimiser |
//! | [`trl`] | the trainer in Python: what it is given, its processes, what they say |
//! | `recipe` | what a resumed run has to agree with |
//! | `export` | what is written at the end |
//!
//! The types that pass through the interface are in [`s1_core::training`]. Where else a training
//! is found: `s1-store` records it (`training`, `db::trainings`), `s1-lab` runs it as a process of
//! its own and asks the model questions meanwhile (`training`), and the program shows it
//! (`cli::train`, `cli::trainings`, `tui::app::train`, `tui::screens::train`).
//!
//! Not here: generating text, which is the engine's.

mod batches;
pub mod control;
mod data;
mod export;
mod material;
pub mod native;
mod prepare;
mod recipe;
mod scratch;
pub mod trainer;
pub mod trl;

pub use control::TrainControl;
pub use data::Example;
pub use prepare::{checkpoints, prepare, resolved};
pub use s1_core::training::ExamplePiece;
pub use trainer::{CheckpointFile, Product, TrainOutcome, Trainer};
