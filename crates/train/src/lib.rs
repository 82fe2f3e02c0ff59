//! Supervised fine-tuning: the recipe of s1 on the user's own machine.
//!
//! Not here: screens. Generating is the engine's.

pub mod arguments;
pub mod attention;
pub mod batches;
pub mod checkpoint;
pub mod control;
pub mod data;
pub mod export;
pub mod gate;
pub mod linear;
pub mod loss;
pub mod math;
pub mod network;
pub mod norm;
pub mod optim;
pub mod params;
pub mod plan;
pub mod rotary;
pub mod run;
pub mod scratch;
pub mod step;
