//! Weights to logits: everything between a model file and a row of numbers.
//!
//! Not here: what the tokens mean. This layer has never heard of thinking, budgets or screens.

pub mod adapter;
pub mod cache;
pub mod config;
pub mod decoder;
pub mod device;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixture;
pub mod gguf;
pub mod kernels;
pub mod logits;
pub mod memory;
pub mod names;
pub mod parallel;
pub mod sampler;
pub mod template;
pub mod tokenizer;
pub mod weights;
