//! `s1-tui`: a terminal instrument for test-time compute.
//!
//! The map of the house, lowest layer first; a module imports only from modules above it in
//! this list:
//!
//! | module | what it is | what it is not |
//! |---|---|---|
//! | [`assets`] | the bundled models and their data, by name | what is in them |
//! | [`hub`] | files of the Hugging Face hub: their names, the cache, downloads | what is in them |
//! | [`sanitize`] | text from outside made fit for a terminal | no screen |
//! | [`records`] | data as JSON lines: files, bundled data, Parquet, the hub | what the fields mean |
//! | [`thinking`] | the s1 method as a pure state machine: delimiters, budget forcing, the trace, the tree of branches | no tensor, no thread, no clock |
//! | [`grading`] | reading an answer out of text and comparing it with a reference | no model |
//! | [`model`] | weights to logits: GGUF, tokenizer, chat template, decoder, cache, sampler | has never heard of thinking |
//! | [`engine`] | one thread that owns one model and serves lanes: commands in, events out | no screen |
//! | [`store`] | what outlives the program: session files, the database of runs | no engine |
//! | [`train`] | supervised fine-tuning: data, layers with a backward pass, LoRA, the optimiser, checkpoints, export | no screen |
//! | [`lab`] | problem sets, sweeps, statistics, curation, watched trainings, the generator of the bundled model | no screen, no picture |
//! | [`plot`] | one figure, drawn to the terminal, SVG, PNG or CSV | no keys |
//! | [`config`] | settings: defaults < file < environment < flags | |
//! | [`cli`] | the headless commands | |
//! | [`tui`] | the screens | never touches [`model`] |

pub mod assets;
pub mod cli;
pub mod config;
pub mod engine;
pub mod grading;
pub mod hub;
pub mod lab;
pub mod model;
pub mod plot;
pub mod records;
pub mod sanitize;
pub mod store;
pub mod thinking;
pub mod train;
pub mod tui;
