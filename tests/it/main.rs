//! The whole program, its engine and its trainer, as a user and as a script meet them: one binary,
//! as each links everything. What measures memory is in `tests/memory`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod cli;
mod common;
mod curate;
mod earlier_files;
mod engine;
mod exits;
mod families;
#[cfg(any(feature = "cuda", feature = "metal"))]
mod gpu;
mod hub;
mod interrupted;
mod pages;
mod parity;
mod plot;
mod pty;
mod pty_plots;
mod pty_tour;
mod pty_train;
mod real_models;
mod replicas;
mod server;
mod sft_reference;
mod sweep;
mod together;
mod tokenization;
mod train;
mod train_data;
mod train_detached;
mod train_records;
mod train_trl;
